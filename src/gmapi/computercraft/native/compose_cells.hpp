// Background, foreground and pattern of 16 neighbouring cells at once, each cell in its own lane.
//
// A pair of colours is judged by how near its colours come to the six pixels, and by how near a
// mixture of the two comes to the mean of the cell, which is what the eye sees from afar.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "oklab.hpp"

namespace gm::best {

constexpr int kLanes = 16;
constexpr int kPixels = 6;

// OKLab of 16 cells: [axis][pixel of the cell][cell].
struct Block {
    float v[3][kPixels][kLanes];
};

// What is chosen per lane: pixels with a set bit of `pattern` show `front`, the others `back`.
struct Choice {
    std::int32_t front[kLanes], back[kLanes], pattern[kLanes];
};

struct Strength {
    float mean = 1.2f;       // weight of the cell's mean against its pixels
    float grain = 0.08f;     // how much the contrast of a mixture disturbs, 1 = as pixel error
    float spread = 0.16f;    // OKLab amplitude of the ordered pattern
    float diffusion = 0.4f;  // share of a cell's error given to the row below
    float keep = 0.15f;      // the cell before stays if it is worse by at most this share
    float hold = 0.6f;       // the same where only the palette changed, not the picture
    float keep_floor = 0.0001f;  // and this, six squared OKLab distances
};

// The palette as the search needs it.
struct PairTable {
    float axis[3][kPaletteSize];
    float length2[kPaletteSize][kPaletteSize], inverse[kPaletteSize][kPaletteSize];
    float spread[kPaletteSize][kPaletteSize];
    std::uint32_t neighbors[kPaletteSize];  // no third colour lies between the two

    void set(const Lab* palette, float spread_of_pattern) {
        for (int i = 0; i < kPaletteSize; ++i) {
            axis[0][i] = palette[i].l, axis[1][i] = palette[i].a, axis[2][i] = palette[i].b;
            neighbors[i] = 0;
            for (int j = 0; j < kPaletteSize; ++j) {
                const float d = distance2(palette[i], palette[j]);
                length2[i][j] = d;
                inverse[i][j] = d > 1e-8f ? 1 / d : 0;
                spread[i][j] =
                    d > 1e-8f ? std::fmin(1.0f, spread_of_pattern / std::sqrt(d)) : 0.0f;
                bool between = i == j || d <= 1e-8f;
                for (int k = 0; k < kPaletteSize && !between; ++k) {
                    if (k == i || k == j) continue;
                    between = distance2(palette[i], palette[k]) +
                                  distance2(palette[j], palette[k]) <
                              d;
                }
                if (!between) neighbors[i] |= 1u << j;
            }
        }
    }
};

// Clamps to 0..1 by the order of the bits, since GCC makes branches of comparisons here.
inline float unit(float t) {
    std::int32_t bits;
    std::memcpy(&bits, &t, 4);
    bits &= ~(bits >> 31);
    bits = bits < 0x3F800000 ? bits : 0x3F800000;
    std::memcpy(&t, &bits, 4);
    return t;
}

// All bits set if x < y. By the sign of a difference, for the same reason.
inline std::int32_t is_less(float x, float y) {
    const float difference = x - y;
    std::int32_t bits;
    std::memcpy(&bits, &difference, 4);
    return bits >> 31;
}

inline std::int32_t pick(std::int32_t mask, std::int32_t x, std::int32_t y) {
    return y ^ ((x ^ y) & mask);
}

// The second colours to try with colour `c`, those above it only: if it is wanted, all wanted ones
// and those beside it; else the wanted ones beside it.
inline std::uint32_t partners(const PairTable& table, std::uint32_t wanted, int c) {
    const std::uint32_t beside = table.neighbors[c];
    const std::uint32_t all = wanted >> c & 1 ? wanted | beside : wanted & beside;
    return all & ~((2u << c) - 1);
}

// The best pair of each lane and its pattern. `target` is the picture with the carried error,
// `threshold` [pixel][lane] is -0.5 to 0.5.
GM_CLONES inline void choose(const Block& target, const PairTable& table, const Strength& strength,
                             const float (*threshold)[kLanes], bool all, Choice& out) {
    alignas(64) float distance[kPaletteSize][kPixels][kLanes];
    alignas(64) float near[kPixels][kLanes];
    alignas(64) float mean[3][kLanes], from_mean[kPaletteSize][kLanes];
    for (int p = 0; p < kPixels; ++p)
        for (int i = 0; i < kLanes; ++i) near[p][i] = 1e9f;
    for (int c = 0; c < kPaletteSize; ++c) {
        const float cl = table.axis[0][c], ca = table.axis[1][c], cb = table.axis[2][c];
        for (int p = 0; p < kPixels; ++p) {
            for (int i = 0; i < kLanes; ++i) {
                const float l = target.v[0][p][i] - cl, a = target.v[1][p][i] - ca;
                const float b = target.v[2][p][i] - cb;
                const float d = l * l + a * a + b * b;
                distance[c][p][i] = d;
                near[p][i] = d < near[p][i] ? d : near[p][i];
            }
        }
    }
    std::uint32_t wanted = 0;
    for (int c = 0; c < kPaletteSize; ++c) {
        std::int32_t hits[kLanes] = {}, any = 0;
        for (int p = 0; p < kPixels; ++p)
            for (int i = 0; i < kLanes; ++i) hits[i] |= -(distance[c][p][i] <= near[p][i]);
        for (int i = 0; i < kLanes; ++i) any |= hits[i];
        wanted |= static_cast<std::uint32_t>(any & 1) << c;
    }
    if (all) wanted = 0xFFFF;

    for (int x = 0; x < 3; ++x)
        for (int i = 0; i < kLanes; ++i)
            mean[x][i] = (target.v[x][0][i] + target.v[x][1][i] + target.v[x][2][i] +
                          target.v[x][3][i] + target.v[x][4][i] + target.v[x][5][i]) *
                         (1.0f / 6);
    const float weight = 6 * strength.mean;
    const float half_inverse = weight > 0 ? 0.5f / weight : 0.0f;
    alignas(64) float best[kLanes];
    alignas(64) std::int32_t choice[kLanes];
    for (int i = 0; i < kLanes; ++i) best[i] = 1e9f, choice[i] = 0;
    for (int c = 0; c < kPaletteSize; ++c) {
        for (int i = 0; i < kLanes; ++i) {
            const float l = mean[0][i] - table.axis[0][c], a = mean[1][i] - table.axis[1][c];
            const float b = mean[2][i] - table.axis[2][c];
            from_mean[c][i] = weight * (l * l + a * a + b * b);
        }
        if (!(wanted >> c & 1)) continue;
        for (int i = 0; i < kLanes; ++i) {
            const float cost = distance[c][0][i] + distance[c][1][i] + distance[c][2][i] +
                               distance[c][3][i] + distance[c][4][i] + distance[c][5][i] +
                               from_mean[c][i];
            choice[i] = pick(is_less(cost, best[i]), c * 17, choice[i]);
            best[i] = least(cost, best[i]);
        }
    }
    for (int c = 0; c < kPaletteSize; ++c) {
        const std::uint32_t seconds = partners(table, wanted, c);
        for (int d = c + 1; seconds >> d != 0; ++d) {
            if (!(seconds >> d & 1)) continue;
            const std::int32_t id = c * kPaletteSize + d;
            const float(*dc)[kLanes] = distance[c];
            const float(*dd)[kLanes] = distance[d];
            const float *mc = from_mean[c], *md = from_mean[d];
            const float length = weight * table.length2[c][d];
            const float half = half_inverse * table.inverse[c][d];
            const float contrast = (1 - strength.grain) * length;
            for (int i = 0; i < kLanes; ++i) {
                float cost = least(dc[0][i], dd[0][i]) + least(dc[1][i], dd[1][i]) +
                             least(dc[2][i], dd[2][i]) + least(dc[3][i], dd[3][i]) +
                             least(dc[4][i], dd[4][i]) + least(dc[5][i], dd[5][i]);
                // Share t of c in the mixture that comes nearest to the mean.
                const float e = md[i] - mc[i] + length;
                float t = e * half;
                t = unit(t);
                cost += md[i] + t * (length - e) - contrast * (t - t * t);
                choice[i] = pick(is_less(cost, best[i]), id, choice[i]);
                best[i] = least(cost, best[i]);
            }
        }
    }

    alignas(64) float origin[3][kLanes], way[3][kLanes], spread[kLanes];
    for (int i = 0; i < kLanes; ++i) {
        const int c = choice[i] >> 4, d = choice[i] & 15;
        out.front[i] = c, out.back[i] = d;
        out.pattern[i] = 0;
        spread[i] = table.spread[c][d];
        for (int x = 0; x < 3; ++x) {
            origin[x][i] = table.axis[x][d];
            way[x][i] = (table.axis[x][c] - table.axis[x][d]) * table.inverse[c][d];
        }
    }
    for (int p = 0; p < kPixels; ++p) {
        for (int i = 0; i < kLanes; ++i) {
            const float t = (target.v[0][p][i] - origin[0][i]) * way[0][i] +
                            (target.v[1][p][i] - origin[1][i]) * way[1][i] +
                            (target.v[2][p][i] - origin[2][i]) * way[2][i];
            const std::int32_t bit = t > 0.5f + spread[i] * threshold[p][i];
            out.pattern[i] |= bit << p;
        }
    }
}

// Cost of given cells, and what their means miss of the target's.
GM_CLONES inline void judge(const Block& target, const PairTable& table, const Choice& choice,
                            float mean_weight, float* cost, float (*missed)[kLanes]) {
    alignas(64) float drawn[kPixels][kLanes], front[3][kLanes], back[3][kLanes];
    alignas(64) float sum[kLanes] = {}, rest[3][kLanes] = {};
    for (int i = 0; i < kLanes; ++i) {
        for (int x = 0; x < 3; ++x) {
            back[x][i] = table.axis[x][choice.back[i]];
            front[x][i] = table.axis[x][choice.front[i]] - back[x][i];
        }
    }
    for (int p = 0; p < kPixels; ++p)
        for (int i = 0; i < kLanes; ++i)
            drawn[p][i] = static_cast<float>(choice.pattern[i] >> p & 1);
    for (int p = 0; p < kPixels; ++p) {
        for (int i = 0; i < kLanes; ++i) {
            const float l = target.v[0][p][i] - back[0][i] - drawn[p][i] * front[0][i];
            const float a = target.v[1][p][i] - back[1][i] - drawn[p][i] * front[1][i];
            const float b = target.v[2][p][i] - back[2][i] - drawn[p][i] * front[2][i];
            sum[i] += l * l + a * a + b * b;
            rest[0][i] += l, rest[1][i] += a, rest[2][i] += b;
        }
    }
    for (int i = 0; i < kLanes; ++i) {
        const float l = rest[0][i] * (1.0f / 6), a = rest[1][i] * (1.0f / 6);
        const float b = rest[2][i] * (1.0f / 6);
        cost[i] = sum[i] + 6 * mean_weight * (l * l + a * a + b * b);
        missed[0][i] = l, missed[1][i] = a, missed[2][i] = b;
    }
}

}  // namespace gm::best
