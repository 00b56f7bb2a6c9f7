// Cells of five or six colours (formats document, section 4), many at a time: two of the colours
// are picked by rank, and an error diffusion inside the cell decides between them.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "cell_rules.hpp"
#include "common.hpp"

namespace gm::cells {

// A share of a pixel's error, in the order in which they are given.
struct Share {
    int from, to;
    float part;
};
constexpr Share kShares[] = {
    {0, 1, 7 / 16.0F}, {0, 2, 5 / 16.0F}, {0, 3, 1 / 16.0F}, {1, 2, 3 / 16.0F},
    {1, 3, 5 / 16.0F}, {2, 3, 7 / 16.0F}, {2, 4, 5 / 16.0F}, {2, 5, 1 / 16.0F},
    {3, 4, 3 / 16.0F}, {3, 5, 5 / 16.0F}, {4, 5, 7 / 16.0F},
};

// Exchanges that sort six values.
constexpr int kExchanges[][2] = {
    {1, 2}, {4, 5}, {0, 2}, {3, 5}, {0, 1}, {3, 4}, {2, 5}, {0, 3}, {1, 4}, {2, 4}, {1, 3}, {2, 3},
};

// Cells that wait for each other. All loops over lanes are plain enough to be vectorised.
class CrowdedCells {
public:
    CrowdedCells(const CellPalette& palette, const Cells& cells)
        : palette_(palette), cells_(cells) {}

    void add(std::size_t cell, const std::uint8_t (&slots)[kCellPixels]) {
        for (int i = 0; i < kCellPixels; ++i) {
            slots_[i][size_] = slots[i];
            for (int k = 0; k < 3; ++k) pixels_[i][k][size_] = palette_.color[slots[i]][k];
        }
        cell_[size_] = cell;
        if (++size_ == kSize) finish();
    }

    void finish() {
        if (size_ == 0) return;
        rank();
        for (int lane = 0; lane < size_; ++lane) {
            for (int side = 0; side < 2; ++side) {
                const int pixel = static_cast<int>(keys_[side == 0 ? 2 : 5][lane]) & 7;
                sides_[side][lane] = slots_[pixel][lane];
                for (int k = 0; k < 3; ++k) {
                    colors_[side][k][lane] = palette_.color[sides_[side][lane]][k];
                }
            }
        }
        diffuse();
        for (int lane = 0; lane < size_; ++lane) {
            const unsigned fore = sides_[0][lane], back = sides_[1][lane];
            auto shown = static_cast<unsigned>(shown_[lane]);
            if (palette_.distance[fore][back] == 0) {
                shown = 63;
            } else if (unsure_[lane]) {
                shown = diffuse_one(lane, palette_.color[fore], palette_.color[back]);
            }
            cells_.put(cell_[lane], {shown, fore, back, fore});
        }
        size_ = 0;
    }

private:
    static constexpr int kSize = 32;

    // Sorts the pixels of each cell along its longest axis, equal ones in order of pixels.
    void rank() { rank(pixels_, keys_); }

    GM_CLONES static void rank(const float (&pixels)[kCellPixels][3][kSize],
                               float (&keys)[kCellPixels][kSize]) {
        float low[3][kSize], high[3][kSize];
        for (int k = 0; k < 3; ++k) {
            for (int lane = 0; lane < kSize; ++lane) {
                low[k][lane] = high[k][lane] = pixels[0][k][lane];
            }
            for (int i = 1; i < kCellPixels; ++i) {
                for (int lane = 0; lane < kSize; ++lane) {
                    const float value = pixels[i][k][lane];
                    low[k][lane] = value < low[k][lane] ? value : low[k][lane];
                    high[k][lane] = high[k][lane] < value ? value : high[k][lane];
                }
            }
        }
        float weight[3][kSize];
        for (int lane = 0; lane < kSize; ++lane) {
            const float range0 = high[0][lane] - low[0][lane];
            const float range1 = high[1][lane] - low[1][lane];
            const float range2 = high[2][lane] - low[2][lane];
            const int axis0 = (range0 > range1) & (range0 > range2);
            const int axis1 = (range1 > range2) & (range1 > range0);
            weight[0][lane] = static_cast<float>(8 * axis0);
            weight[1][lane] = static_cast<float>(8 * axis1);
            weight[2][lane] = static_cast<float>(8 - 8 * (axis0 | axis1));
        }
        for (int i = 0; i < kCellPixels; ++i) {
            for (int lane = 0; lane < kSize; ++lane) {
                keys[i][lane] = pixels[i][0][lane] * weight[0][lane] +
                                pixels[i][1][lane] * weight[1][lane] +
                                pixels[i][2][lane] * weight[2][lane] + static_cast<float>(i);
            }
        }
        for (const auto& exchange : kExchanges) {
            float(&first)[kSize] = keys[exchange[0]];
            float(&second)[kSize] = keys[exchange[1]];
            for (int lane = 0; lane < kSize; ++lane) {
                const float a = first[lane], b = second[lane];
                first[lane] = b < a ? b : a;
                second[lane] = a < b ? b : a;
            }
        }
    }

    void diffuse() { diffuse(pixels_, colors_, shown_, unsure_); }

    // Compares squares, which order pixels as their roots do, unless two are so near that their
    // roots may be one float: such cells are marked as unsure.
    GM_CLONES static void diffuse(float (&pixels)[kCellPixels][3][kSize],
                                  const float (&colors)[2][3][kSize], std::int32_t (&shown)[kSize],
                                  std::int32_t (&unsure)[kSize]) {
        constexpr float kNear = 1 + 1 / 2097152.0F;
        float error[3][kSize];
        for (int lane = 0; lane < kSize; ++lane) shown[lane] = unsure[lane] = 0;
        const Share* share = kShares;
        for (int i = 0; i < kCellPixels; ++i) {
            for (int lane = 0; lane < kSize; ++lane) {
                const float p0 = pixels[i][0][lane], p1 = pixels[i][1][lane],
                            p2 = pixels[i][2][lane];
                const float f0 = p0 - colors[0][0][lane], f1 = p1 - colors[0][1][lane],
                            f2 = p2 - colors[0][2][lane];
                const float b0 = p0 - colors[1][0][lane], b1 = p1 - colors[1][1][lane],
                            b2 = p2 - colors[1][2][lane];
                const float fore = f0 * f0 + f1 * f1 + f2 * f2;
                const float back = b0 * b0 + b1 * b1 + b2 * b2;
                const std::int32_t near = fore < back, clear = fore * kNear < back;
                shown[lane] |= near << i;
                unsure[lane] |= near ^ clear;
                error[0][lane] = fore < back ? f0 : b0;
                error[1][lane] = fore < back ? f1 : b1;
                error[2][lane] = fore < back ? f2 : b2;
            }
            for (; share != kShares + sizeof kShares / sizeof *kShares && share->from == i;
                 ++share) {
                for (int k = 0; k < 3; ++k) {
                    float(&to)[kSize] = pixels[share->to][k];
                    for (int lane = 0; lane < kSize; ++lane) {
                        to[lane] += error[k][lane] * share->part;
                    }
                }
            }
        }
    }

    // The same for one cell with roots, as the rule has it.
    unsigned diffuse_one(int lane, const float (&fore)[3], const float (&back)[3]) const {
        float pixels[kCellPixels][3];
        for (int i = 0; i < kCellPixels; ++i) {
            for (int k = 0; k < 3; ++k) pixels[i][k] = palette_.color[slots_[i][lane]][k];
        }
        unsigned shown = 0;
        for (int i = 0; i < kCellPixels; ++i) {
            const bool near =
                std::sqrt(square(pixels[i], fore)) < std::sqrt(square(pixels[i], back));
            shown |= static_cast<unsigned>(near) << i;
            for (const Share& share : kShares) {
                if (share.from != i) continue;
                for (int k = 0; k < 3; ++k) {
                    const float error = pixels[i][k] - (near ? fore[k] : back[k]);
                    pixels[share.to][k] += error * share.part;
                }
            }
        }
        return shown;
    }

    const CellPalette& palette_;
    const Cells& cells_;
    int size_ = 0;
    std::size_t cell_[kSize] = {};
    std::uint8_t slots_[kCellPixels][kSize] = {};
    std::uint8_t sides_[2][kSize] = {};
    alignas(64) float pixels_[kCellPixels][3][kSize] = {};
    alignas(64) float keys_[kCellPixels][kSize] = {};
    alignas(64) float colors_[2][3][kSize] = {};
    alignas(64) std::int32_t shown_[kSize] = {};
    alignas(64) std::int32_t unsure_[kSize] = {};
};

}  // namespace gm::cells
