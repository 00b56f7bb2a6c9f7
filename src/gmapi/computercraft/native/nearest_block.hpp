// The nearest of up to 16 centroids for blocks of points that lie near each other.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "common.hpp"

namespace gm {

constexpr int kBlockSize = 16;

// Points and the box around them: from its middle it reaches as far to both sides.
struct PointBlock {
    float c[3][kBlockSize];
    float middle[3];
    float reach[3];
    double certain_until = -1;

    void bound() {
        for (int k = 0; k < 3; ++k) {
            const auto [low, high] = std::minmax_element(c[k], c[k] + kBlockSize);
            middle[k] = (*low + *high) / 2;
            reach[k] = *high - middle[k];
        }
    }
};

// As the formats document has it, so that even the rounding is the same.
inline double euclidean(const double* a, const double* b) {
    const double x = a[0] - b[0];
    const double y = a[1] - b[1];
    const double z = a[2] - b[2];
    return std::sqrt(x * x + y * y + z * z);
}

// What a squared distance in floats is surely above. Coordinates of centroids are rounded by up to
// 2^-17, differences, squares and sums by 2^-24 of themselves, which makes less than
// 6e-5 sqrt(d) + 3e-7 d for a squared distance d up to 3 * 255^2; this leaves twice that for each
// of two distances that are compared.
inline float surely_above(float squared) { return squared - (squared + 1.0f) * 2.5e-4f; }

// Squared distances of a block's box to all centroids.
struct BoxDistances {
    float least[kPaletteSize];
    float greatest[kPaletteSize];
};

// Squared distances of a block's points: to the nearest centroid, to the next one (and that one
// negative), and how much they differ for certain.
struct PointDistances {
    float nearest[kBlockSize];
    float next[kBlockSize];
    float gap[kBlockSize];
    float minus_next[kBlockSize];
    std::int32_t index[kBlockSize];
};

// By halves, which needs fewer steps one after another than a plain loop.
inline float least_of(const float (&values)[16]) {
    float least[8];
    for (int i = 0; i < 8; ++i) least[i] = values[i] < values[i + 8] ? values[i] : values[i + 8];
    for (int half = 4; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) {
            least[i] = least[i] < least[i + half] ? least[i] : least[i + half];
        }
    }
    return least[0];
}

class NearestCentroid {
public:
    void set(const double (*centroids)[3], int count) {
        exact_ = centroids;
        count_ = count;
        for (int k = 0; k < 3; ++k) {
            for (int i = 0; i < kPaletteSize; ++i) {
                c_[k][i] = i < count ? float(centroids[i][k]) : kNowhere;
            }
        }
    }

    // Writes the index of the nearest centroid of each point; it is certain until a centroid's
    // distances have changed by as much as `certain_until` then is above `drift`.
    GM_CLONES void assign(PointBlock& block, std::uint8_t* indexes, double drift) const {
        BoxDistances box;
        measure_box(block, box);
        const float limit = least_of(box.greatest);
        float beaten[kPaletteSize];
        std::int32_t competes[kPaletteSize];
        for (int i = 0; i < kPaletteSize; ++i) {
            competes[i] = surely_above(box.least[i]) <= limit;
            beaten[i] = competes[i] ? kNowhere : box.least[i];
        }
        const float others = least_of(beaten);
        int candidates[kPaletteSize];
        int found = 0;
        for (int i = 0; i < kPaletteSize; ++i) {
            candidates[found] = i;
            found += competes[i];
        }
        if (found == 1) {
            std::memset(indexes, candidates[0], kBlockSize);
            block.certain_until = drift + certain(limit, others, surely_above(others) - limit);
            return;
        }
        PointDistances points;
        measure_points(block, candidates, found, others, points);
        const float gap = least_of(points.gap);
        const float next = -least_of(points.minus_next);
        for (int i = 0; i < kBlockSize; ++i) indexes[i] = std::uint8_t(points.index[i]);
        if (gap > 0) {
            block.certain_until = drift + certain(next, next, gap);
            return;
        }
        block.certain_until = drift;
        for (int i = 0; i < kBlockSize; ++i) {
            if (points.gap[i] <= 0) indexes[i] = nearest_exactly(block, i);
        }
    }

private:
    static constexpr float kNowhere = 1e9f;

    static float square(float x, float y, float z) { return x * x + y * y + z * z; }

    // The difference of two distances whose squares differ by `gap`, at least.
    static double certain(float nearer, float farther, float gap) {
        return gap / (std::sqrt(double(nearer)) + std::sqrt(double(farther))) * 0.999 - 1e-6;
    }

    void measure_box(const PointBlock& block, BoxDistances& out) const {
        // Without conditions, which compilers turn into branches here.
        float outside[3][kPaletteSize];
        float across[3][kPaletteSize];
        for (int k = 0; k < 3; ++k) {
            for (int i = 0; i < kPaletteSize; ++i) {
                const float away = std::fabs(c_[k][i] - block.middle[k]);
                const float gap = away - block.reach[k];
                outside[k][i] = (gap + std::fabs(gap)) * 0.5f;
                across[k][i] = away + block.reach[k];
            }
        }
        for (int i = 0; i < kPaletteSize; ++i) {
            out.least[i] = square(outside[0][i], outside[1][i], outside[2][i]);
            out.greatest[i] = square(across[0][i], across[1][i], across[2][i]);
        }
    }

    void measure_points(
        const PointBlock& block, const int* candidates, int count, float others,
        PointDistances& out) const {
        for (int i = 0; i < kBlockSize; ++i) {
            out.nearest[i] = kNowhere;
            out.next[i] = others;
            out.index[i] = 0;
        }
        for (int j = 0; j < count; ++j) {
            const std::int32_t candidate = candidates[j];
            const float x = c_[0][candidate];
            const float y = c_[1][candidate];
            const float z = c_[2][candidate];
            for (int i = 0; i < kBlockSize; ++i) {
                const float squared =
                    square(block.c[0][i] - x, block.c[1][i] - y, block.c[2][i] - z);
                const float nearest = out.nearest[i];
                const float loser = squared < nearest ? nearest : squared;
                out.next[i] = loser < out.next[i] ? loser : out.next[i];
                out.index[i] = squared < nearest ? candidate : out.index[i];
                out.nearest[i] = squared < nearest ? squared : nearest;
            }
        }
        for (int i = 0; i < kBlockSize; ++i) {
            out.gap[i] = surely_above(out.next[i]) - out.nearest[i];
            out.minus_next[i] = -out.next[i];
        }
    }

    std::uint8_t nearest_exactly(const PointBlock& block, int i) const {
        const double point[3] = {block.c[0][i], block.c[1][i], block.c[2][i]};
        int best = 0;
        double least = std::numeric_limits<double>::infinity();
        for (int j = 0; j < count_; ++j) {
            const double d = euclidean(exact_[j], point);
            if (d < least) {
                least = d;
                best = j;
            }
        }
        return std::uint8_t(best);
    }

    float c_[3][kPaletteSize];
    const double (*exact_)[3] = nullptr;
    int count_ = 0;
};

}  // namespace gm
