// The nearest palette colour, as the formats document, section 3.8, defines it: the smallest
// Euclidean distance in doubles, of equal ones the lower slot.
//
// The search runs in floats over many pixels at once and finds the best and the second best key.
// Where the two are closer than the floats' error the pixel is searched again in doubles, so the
// result never depends on how the floats round.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "common.hpp"

#if defined(_MSC_VER)
#define GM_INLINE __forceinline
#else
#define GM_INLINE inline __attribute__((always_inline))
#endif

namespace gm::dither {

// Pixels that one call of `search` works on; a multiple of the 8 columns of the Bayer matrix.
constexpr int kLanes = 16;

// Larger than the key of any colour, so that an unused slot is never the nearest.
constexpr float kUnused = 1e30F;

// A palette for comparisons in doubles.
struct Palette {
    alignas(64) double c[3][kPaletteSize];
    // False for slots that are never the nearest: those beyond the end, and repeated colours.
    bool used[kPaletteSize] = {};
    int count;

    Palette(const Triple* colors, int size) : count(size < kPaletteSize ? size : kPaletteSize) {
        constexpr double kFarAway = 1e6;
        for (int i = 0; i < kPaletteSize; ++i) {
            used[i] = i < count;
            for (int k = 0; k < 3; ++k) c[k][i] = used[i] ? colors[i].c[k] : kFarAway;
            for (int j = 0; j < i && used[i]; ++j) {
                if (std::memcmp(&colors[i], &colors[j], sizeof(Triple)) == 0) used[i] = false;
            }
        }
    }

    GM_INLINE double square(int i, double c0, double c1, double c2) const {
        const double d0 = c0 - c[0][i], d1 = c1 - c[1][i], d2 = c2 - c[2][i];
        return d0 * d0 + d1 * d1 + d2 * d2;
    }

    double distance(int i, int j) const {
        return std::sqrt(square(i, c[0][j], c[1][j], c[2][j]));
    }

    // The recipe itself. Roots never fall as squares rise, so the smallest distance is the root
    // of the smallest square, and only squares just above it can have the same root.
    GM_INLINE int nearest(double c0, double c1, double c2) const {
        alignas(64) double squares[kPaletteSize], least[kPaletteSize];
        for (int i = 0; i < kPaletteSize; ++i) squares[i] = least[i] = square(i, c0, c1, c2);
        for (int half = kPaletteSize / 2; half > 0; half /= 2) {
            for (int i = 0; i < half; ++i) {
                least[i] = least[i + half] < least[i] ? least[i + half] : least[i];
            }
        }
        const double limit = least[0] * (1 + 1e-14), root = std::sqrt(least[0]);
        int i = 0;
        while (squares[i] > limit || std::sqrt(squares[i]) != root) ++i;
        return i;
    }
};

// Keys that order the palette by distance: bias + weight . colour.
struct Keys {
    float weight[kPaletteSize][3];
    float bias[kPaletteSize];
    // What has to be taken off the channels of a colour first.
    float centre[3];
};

// Keys for whole channels, without error: 16 * (|p|^2 - 2 p . c) + slot, all terms below 2^24.
inline Keys whole_keys(const Palette& palette) {
    Keys keys = {};
    for (int i = 0; i < kPaletteSize; ++i) {
        double norm = 0;
        for (int k = 0; k < 3; ++k) {
            norm += palette.c[k][i] * palette.c[k][i];
            keys.weight[i][k] = static_cast<float>(-32 * palette.c[k][i]);
        }
        keys.bias[i] = palette.used[i] ? static_cast<float>(16 * norm + i) : kUnused;
    }
    return keys;
}

// Keys for any channels: |p|^2 - 2 p . c with colours seen from the middle of the palette, since
// small numbers have small errors.
inline Keys close_keys(const Palette& palette) {
    Keys keys = {};
    int used = 0;
    for (int i = 0; i < kPaletteSize; ++i) {
        used += palette.used[i];
        for (int k = 0; k < 3 && palette.used[i]; ++k) {
            keys.centre[k] += static_cast<float>(palette.c[k][i]);
        }
    }
    for (float& centre : keys.centre) centre = std::floor(centre / static_cast<float>(used));
    for (int i = 0; i < kPaletteSize; ++i) {
        for (int k = 0; k < 3; ++k) {
            const float c = static_cast<float>(palette.c[k][i]) - keys.centre[k];
            keys.bias[i] += c * c;
            keys.weight[i][k] = -2 * c;
        }
        if (!palette.used[i]) keys.bias[i] = kUnused;
    }
    return keys;
}

// How far two close keys may be wrong together. With C = |c|^2 the smallest key is D - C, where D
// is the square of the distance, and a slot that competes lies within sqrt(C) + sqrt(D) of the
// centre. So no term of its key, nor a sum of them, is larger than 6 (C + D); there are six
// roundings of 2^-24, and 2^-19 of the key (at most C + D) goes to the slot in its lowest bits.
// The last term is for the rounding of c itself, which is below 2048.
GM_INLINE float doubt(float c0, float c1, float c2, float best) {
    const float norm = c0 * c0 + c1 * c1 + c2 * c2;
    return (2 * norm + best) * (1 / 65536.0F) + (1 / 32.0F);
}

GM_INLINE float with_slot(float key, int slot) {
    std::int32_t bits;
    std::memcpy(&bits, &key, sizeof bits);
    bits = (bits & ~(kPaletteSize - 1)) | slot;
    std::memcpy(&key, &bits, sizeof bits);
    return key;
}

GM_INLINE int slot_of(float key) {
    std::int32_t bits;
    std::memcpy(&bits, &key, sizeof bits);
    return bits & (kPaletteSize - 1);
}

// Fills the smallest and the second smallest key of every lane. With `Close` the slot replaces
// the lowest bits of a key. The slots are written out because compilers vectorise a loop over
// lanes only if it holds no other loop.
template <bool Close>
GM_INLINE void search(const Keys& keys, const float (&c)[3][kLanes], float (&best)[kLanes],
                      float (&second)[kLanes]) {
    for (int lane = 0; lane < kLanes; ++lane) {
        const float c0 = c[0][lane], c1 = c[1][lane], c2 = c[2][lane];
        float first = 2 * kUnused, next = 2 * kUnused;
        const auto slot = [&](int i) {
            const float* weight = keys.weight[i];
            float key = keys.bias[i] + c0 * weight[0] + c1 * weight[1] + c2 * weight[2];
            if (Close) key = with_slot(key, i);
            const float loser = first < key ? key : first;
            first = key < first ? key : first;
            next = loser < next ? loser : next;
        };
        slot(0), slot(1), slot(2), slot(3), slot(4), slot(5), slot(6), slot(7);
        slot(8), slot(9), slot(10), slot(11), slot(12), slot(13), slot(14), slot(15);
        best[lane] = first;
        second[lane] = next;
    }
}

}  // namespace gm::dither
