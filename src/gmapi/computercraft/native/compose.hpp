// `best` pictures: palette, cells and what is carried from one frame to the next.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#include "common.hpp"
#include "compose_cells.hpp"
#include "compose_palette.hpp"
#include "oklab.hpp"

namespace gm::best {

struct ComposerTuning {
    Strength strength;
    float chroma_bonus = 4.0f;
    float dark_share = 0.7f;    // weight of black against light colours
    float stretch = 1.4f;       // of chroma for the palette: light can be mixed from any greys
    float skin_bonus = 3.0f;    // faces are small and all look at them
    float cut = 0.45f;          // share of pixels with another coarse colour that makes a cut
    float still_color = 0.004f; // an entry stays while its centre is nearer than this
    float move_margin = 1.6f;   // see PaletteSearch::move_one
    int warm_steps = 4;
    int settle_frames = 4;
    int noise = 2;  // levels by which a byte may differ without the cell counting as changed
};

// 16 cells of pixels to OKLab.
GM_CLONES inline void block_to_oklab(const float (*rgb)[kPixels][kLanes], Block& out) {
    for (int p = 0; p < kPixels; ++p) {
        for (int i = 0; i < kLanes; ++i) {
            const Lab c = oklab(rgb[0][p][i], rgb[1][p][i], rgb[2][p][i]);
            out.v[0][p][i] = c.l;
            out.v[1][p][i] = c.a;
            out.v[2][p][i] = c.b;
        }
    }
}

// Marks the pixels of a row of cells in which a plane differs by more than `noise`. `marks` is
// added to, so that one call for each plane marks them all.
GM_CLONES inline void mark_changes(const std::uint8_t* a, const std::uint8_t* b,
                                   std::size_t stride_a, std::size_t stride_b, int n,
                                   std::uint8_t noise, std::uint8_t* marks) {
    for (int i = 0; i < n; ++i) {
        std::uint8_t most = 0;
        for (int row = 0; row < 3; ++row) {
            const std::uint8_t x = a[row * stride_a + i], y = b[row * stride_b + i];
            const std::uint8_t high = x > y ? x : y, low = x > y ? y : x;
            const std::uint8_t d = static_cast<std::uint8_t>(high - low);
            most = d > most ? d : most;
        }
        marks[i] |= most > noise;
    }
}

class Composer {
public:
    ComposerTuning tuning;

    Composer(int width, int height, int dither, int flags, const std::uint8_t* fixed,
             const std::uint8_t* mask)
        : columns_(width / 2), rows_(height / 3), stride_(static_cast<std::size_t>(width)),
          plane_(stride_ * height), line_(static_cast<std::size_t>(columns_) * 2),
          seen_plane_(line_ * rows_ * 3), blocks_((columns_ + kLanes - 1) / kLanes), still_(flags & 1), thorough_(flags & 2) {
        const std::size_t blocks = static_cast<std::size_t>(blocks_) * rows_;
        seen_.resize(3 * seen_plane_);
        planes_.resize(blocks);
        choices_.resize(blocks);
        missed_.resize(blocks);
        dirty_.resize(blocks);
        marks_.resize(line_);
        for (int c = 0; c < kPaletteSize; ++c) {
            search_.locked[c] = mask[c] != 0;
            free_ += mask[c] == 0;
            if (!mask[c]) continue;
            std::memcpy(palette_[c], fixed + 3 * c, 3);
            shown_[c] = oklab(palette_[c]);
        }
        if (dither == 0) tuning.strength.mean = 0, tuning.strength.spread = 0;
        if (dither != 2) tuning.strength.diffusion = 0;
        set_thresholds();
    }

    // `rgb` is three planes of height x width.
    int compose(const std::uint8_t* rgb, std::uint8_t* characters, std::uint8_t* colors,
                std::uint8_t* palette) {
        if (columns_ > 0 && rows_ > 0) {
            const bool changed = take(rgb);
            const unsigned moved = changed || settling_ > 0 ? update_palette(changed) : 0;
            if (changed || moved != 0) cells(moved);
            first_ = false;
            write(characters, colors);
        }
        std::memcpy(palette, palette_, sizeof palette_);
        return kPaletteSize;
    }

private:
    struct Missed {
        float v[3][kLanes];
    };

    int columns_, rows_;
    std::size_t stride_, plane_;       // bytes of a row and of a plane of the pictures
    std::size_t line_, seen_plane_;    // the same of the pixels that belong to cells
    int blocks_;
    bool still_, thorough_, first_ = true, cut_ = true;
    int free_ = 0, settling_ = 0;
    std::vector<std::uint8_t> seen_, marks_;
    std::vector<Block> planes_;
    std::vector<Choice> choices_;
    std::vector<Missed> missed_;
    std::vector<std::uint32_t> dirty_;  // a bit per cell of each block
    ColorCounter counter_;
    Colors colors_;
    PaletteSearch search_;
    Lab shown_[kPaletteSize] = {};
    std::uint8_t palette_[kPaletteSize][3] = {};
    PairTable table_;
    float thresholds_[8][kPixels][kLanes];

    // The 8 x 8 Bayer matrix by bit interleaving, centred on 0.
    void set_thresholds() {
        for (int phase = 0; phase < 8; ++phase) {
            for (int p = 0; p < kPixels; ++p) {
                for (int i = 0; i < kLanes; ++i) {
                    const int x = (2 * i + p % 2) & 7, y = (3 * phase + p / 2) & 7, z = x ^ y;
                    const int rank = (z & 1) << 5 | (y & 1) << 4 | (z & 2) << 2 | (y & 2) << 1 |
                                     (z & 4) >> 1 | (y & 4) >> 2;
                    thresholds_[phase][p][i] = (static_cast<float>(rank) + 0.5f) / 64 - 0.5f;
                }
            }
        }
    }

    // Brings the picture, three planes, up to date where it differs visibly; false if nowhere.
    bool take(const std::uint8_t* rgb) {
        const auto& linear = linear_light().of;
        bool any = false;
        float values[3][kPixels][kLanes];
        for (int row = 0; row < rows_; ++row) {
            const std::uint8_t* now = rgb + row * 3 * stride_;
            std::uint8_t* old = seen_.data() + row * 3 * line_;
            std::fill(marks_.begin(), marks_.end(), std::uint8_t{0});
            for (int x = 0; x < 3; ++x)
                mark_changes(now + x * plane_, old + x * seen_plane_, stride_, line_,
                             static_cast<int>(line_), static_cast<std::uint8_t>(tuning.noise),
                             marks_.data());
            for (int block = 0; block < blocks_; ++block) {
                const int start = block * kLanes, n = std::min(kLanes, columns_ - start);
                std::uint32_t dirty = 0;
                for (int i = 0; i < n; ++i) {
                    const std::uint8_t* mark = marks_.data() + 2 * (start + i);
                    dirty |= static_cast<std::uint32_t>(mark[0] | mark[1]) << i;
                }
                if (first_) dirty = (1u << n) - 1;
                dirty_[row * blocks_ + block] = dirty;
                if (dirty == 0) continue;
                any = true;
                for (int x = 0; x < 3; ++x) {
                    for (int y = 0; y < 3; ++y) {
                        const std::uint8_t* from = now + x * plane_ + y * stride_ + 2 * start;
                        std::uint8_t* cells = old + x * seen_plane_ + y * line_ + 2 * start;
                        if (dirty == (1u << n) - 1) {
                            std::memcpy(cells, from, static_cast<std::size_t>(2 * n));
                        } else {
                            for (int i = 0; i < n; ++i)
                                if (dirty >> i & 1) std::memcpy(cells + 2 * i, from + 2 * i, 2);
                        }
                        for (int i = 0; i < kLanes; ++i) {
                            const std::uint8_t* cell = cells + 2 * std::min(i, n - 1);
                            values[x][2 * y][i] = linear[cell[0]];
                            values[x][2 * y + 1][i] = linear[cell[1]];
                        }
                    }
                }
                block_to_oklab(values, planes_[row * blocks_ + block]);
            }
        }
        return any;
    }

    // Returns the slots that changed, a bit each.
    unsigned update_palette(bool changed) {
        if (first_) settling_ = 0;
        unsigned moved = 0;
        cut_ = first_;
        if (free_ > 0) {
            if (changed) count_colors();
            cut_ = first_ || (changed && counter_.change() > tuning.cut);
            bool unsettled = true;
            if (cut_) {
                cold();
            } else {
                unsettled = false;
                for (int i = 0; i < tuning.warm_steps * (thorough_ ? 2 : 1); ++i)
                    if (!(unsettled = search_.step(colors_))) break;
                if (search_.move_one(colors_, tuning.move_margin, 0x8001) >= 0) {
                    for (int i = 0; i < tuning.warm_steps; ++i) search_.step(colors_);
                    unsettled = true;
                }
            }
            settling_ = changed ? tuning.settle_frames : settling_ - 1;
            if (!unsettled) settling_ = 0;
            moved = show();
        }
        if (first_ || moved != 0) {
            table_.set(shown_, tuning.strength.spread);
        }
        return moved;
    }

    void count_colors() {
        counter_.clear();
        for (int row = 0; row < rows_; ++row) {
            // One pixel of each cell; small pictures count them all.
            const int only = rows_ * columns_ < 4000 ? -1 : (row * 5) % kPixels;
            for (int block = 0; block < blocks_; ++block) {
                const Block& lab = planes_[row * blocks_ + block];
                const int n = std::min(kLanes, columns_ - block * kLanes);
                for (int p = 0; p < kPixels; ++p)
                    if (only < 0 || only == p)
                        counter_.add(lab.v[0][p], lab.v[1][p], lab.v[2][p], n);
            }
        }
        counter_.finish(colors_, tuning.chroma_bonus, tuning.dark_share, tuning.stretch,
                        tuning.skin_bonus);
    }

    void cold() {
        for (int c = 0; c < kPaletteSize; ++c)
            if (search_.locked[c]) search_.centers[c] = scaled(shown_[c], tuning.stretch);
        search_.seed(colors_);
        const int rounds = still_ || thorough_ ? 24 : 10;
        for (int i = 0; i < 4; ++i) search_.step(colors_);
        for (int i = 0; i < rounds; ++i) {
            if (search_.move_one(colors_, 1.0f, 0) < 0) break;
            for (int k = 0; k < 2; ++k) search_.step(colors_);
        }
        for (int i = 0; i < (still_ || thorough_ ? 40 : 8); ++i)
            if (!search_.step(colors_)) break;
        order();
    }

    static Lab scaled(const Lab& c, float chroma) { return {c.l, c.a * chroma, c.b * chroma}; }

    // Free slots from light to dark; clients draw text with the first slot on the last. It is the
    // lightness as shown that counts: what no screen can show has become another.
    void order() {
        struct Entry {
            Lab center;
            float lightness;
        } free[kPaletteSize];
        int n = 0;
        for (int c = 0; c < kPaletteSize; ++c) {
            if (search_.locked[c]) continue;
            std::uint8_t rgb[3];
            srgb(scaled(search_.centers[c], 1 / tuning.stretch), rgb);
            free[n++] = {search_.centers[c], oklab(rgb).l};
        }
        std::stable_sort(free, free + n, [](const Entry& x, const Entry& y) {
            return x.lightness > y.lightness;
        });
        for (int c = 0, next = 0; c < kPaletteSize; ++c)
            if (!search_.locked[c]) search_.centers[c] = free[next++].center;
    }

    unsigned show() {
        unsigned moved = 0;
        const float limit = tuning.still_color * tuning.still_color;
        for (int c = 0; c < kPaletteSize; ++c) {
            if (search_.locked[c]) continue;
            const Lab center = scaled(search_.centers[c], 1 / tuning.stretch);
            if (!cut_ && distance2(center, shown_[c]) <= limit) continue;
            std::uint8_t rgb[3];
            srgb(center, rgb);
            if (!first_ && std::memcmp(rgb, palette_[c], 3) == 0) continue;
            std::memcpy(palette_[c], rgb, 3);
            shown_[c] = oklab(rgb);
            moved |= 1u << c;
        }
        return moved;
    }

    void cells(unsigned moved) {
        const Strength& strength = tuning.strength;
        const bool fresh = cut_;
        std::vector<float> above[3], below[3];
        for (int x = 0; x < 3; ++x) {
            above[x].assign(static_cast<std::size_t>(blocks_) * kLanes + 2, 0.0f);
            below[x] = above[x];
        }
        for (int row = 0; row < rows_; ++row) {
            for (int block = 0; block < blocks_; ++block) {
                const std::size_t at = static_cast<std::size_t>(row) * blocks_ + block;
                Choice& old = choices_[at];
                Missed& missed = missed_[at];
                std::uint32_t clean = fresh ? 0 : ~dirty_[at] & 0xFFFF;
                if (clean != 0 && moved != 0) {
                    for (int i = 0; i < kLanes; ++i)
                        if ((moved >> old.front[i] | moved >> old.back[i]) & 1) clean &= ~(1u << i);
                }
                if (clean != 0xFFFF) {
                    Block target = planes_[at];
                    if (strength.diffusion > 0) {
                        for (int x = 0; x < 3; ++x) {
                            const float* e = above[x].data() + block * kLanes;
                            float carried[kLanes];
                            for (int i = 0; i < kLanes; ++i)
                                carried[i] = strength.diffusion *
                                             (0.25f * e[i] + 0.5f * e[i + 1] + 0.25f * e[i + 2]);
                            for (int p = 0; p < kPixels; ++p)
                                for (int i = 0; i < kLanes; ++i)
                                    target.v[x][p][i] += carried[i];
                        }
                    }
                    Choice next;
                    float cost[kLanes], old_cost[kLanes];
                    Missed old_missed, next_missed;
                    choose(target, table_, strength, thresholds_[row & 7], still_, next);
                    judge(target, table_, next, strength.mean, cost, next_missed.v);
                    if (!fresh)
                        judge(target, table_, old, strength.mean, old_cost, old_missed.v);
                    for (int i = 0; i < kLanes; ++i) {
                        if (clean >> i & 1) continue;
                        const float worse = dirty_[at] >> i & 1 ? strength.keep : strength.hold;
                        const bool keep = !fresh && old_cost[i] <= cost[i] * (1 + worse) +
                                                                     strength.keep_floor;
                        for (int x = 0; x < 3; ++x)
                            missed.v[x][i] = keep ? old_missed.v[x][i] : next_missed.v[x][i];
                        if (keep) continue;
                        old.front[i] = next.front[i];
                        old.back[i] = next.back[i];
                        old.pattern[i] = next.pattern[i];
                    }
                }
                for (int x = 0; x < 3; ++x)
                    std::memcpy(below[x].data() + block * kLanes + 1, missed.v[x],
                                sizeof missed.v[x]);
            }
            for (int x = 0; x < 3; ++x) {
                above[x].swap(below[x]);
                above[x][0] = above[x][1];
                above[x][columns_ + 1] = above[x][columns_];
            }
        }
    }

    void write(std::uint8_t* characters, std::uint8_t* colors) const {
        for (int row = 0; row < rows_; ++row) {
            int drawn = 0;  // a blank keeps the colour before it, for longer runs
            for (int column = 0; column < columns_; ++column) {
                const Choice& c = choices_[row * blocks_ + column / kLanes];
                const int i = column % kLanes;
                int pattern = c.pattern[i], front = c.front[i], back = c.back[i];
                if (pattern & 32) {
                    pattern ^= 63;
                    std::swap(front, back);
                }
                if (front == back) pattern = 0;
                if (pattern == 0) front = drawn;
                drawn = front;
                *characters++ = static_cast<std::uint8_t>(pattern == 0 ? 32 : 128 + pattern);
                *colors++ = static_cast<std::uint8_t>(back << 4 | front);
            }
        }
    }
};

}  // namespace gm::best

GM_API void* gm_composer_new(int width, int height, int dither, int flags,
                             const std::uint8_t* fixed, const std::uint8_t* mask) {
    try {
        return new gm::best::Composer(width, height, dither, flags, fixed, mask);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

GM_API int gm_compose(void* state, const std::uint8_t* rgb, std::uint8_t* characters,
                      std::uint8_t* colors, std::uint8_t* palette) {
    try {
        return static_cast<gm::best::Composer*>(state)->compose(rgb, characters, colors, palette);
    } catch (const std::bad_alloc&) {
        return -1;
    }
}

GM_API void gm_composer_free(void* state) { delete static_cast<gm::best::Composer*>(state); }
