// Pixels to palette slots: nearest colour and ordered dithering (formats document, section 3.8).
// Error diffusion is in diffusion.hpp.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "common.hpp"
#include "diffusion.hpp"
#include "nearest.hpp"

namespace gm::dither {

enum class Method { kNone, kOrdered, kDiffusion };

constexpr int kBayer[8][8] = {
    {0, 32, 8, 40, 2, 34, 10, 42},  {48, 16, 56, 24, 50, 18, 58, 26},
    {12, 44, 4, 36, 14, 46, 6, 38}, {60, 28, 52, 20, 62, 30, 54, 22},
    {3, 35, 11, 43, 1, 33, 9, 41},  {51, 19, 59, 27, 49, 17, 57, 25},
    {15, 47, 7, 39, 13, 45, 5, 37}, {63, 31, 55, 23, 61, 29, 53, 21},
};

// The strength of ordered dithering: the mean distance of the palette's colours / 6.
inline double ordered_strength(const Palette& palette) {
    double sum = 0;
    for (int i = 0; i < palette.count; ++i) {
        for (int j = 0; j < palette.count; ++j) sum += palette.distance(i, j);
    }
    return sum / (palette.count * palette.count * 6);
}

// The channels of up to kLanes pixels.
GM_INLINE void load(const std::uint8_t* pixels, int lanes, float (&c)[3][kLanes]) {
    for (int lane = 0; lane < lanes; ++lane) {
        for (int k = 0; k < 3; ++k) c[k][lane] = pixels[3 * lane + k];
    }
}

GM_INLINE void load(const std::uint8_t* pixels, std::size_t left, float (&c)[3][kLanes]) {
    // The usual number is spelt out for the compiler to unroll.
    if (left >= kLanes) {
        load(pixels, kLanes, c);
    } else {
        load(pixels, static_cast<int>(left), c);
    }
}

// The nearest colour of every pixel.
GM_CLONES static void nearest(const std::uint8_t* pixels, std::size_t count,
                              const Palette& palette, std::uint8_t* out) {
    const Keys keys = whole_keys(palette);
    alignas(64) float c[3][kLanes] = {}, best[kLanes], second[kLanes];
    for (std::size_t x = 0; x < count; x += kLanes) {
        load(pixels + 3 * x, count - x, c);
        search<false>(keys, c, best, second);
        std::uint8_t slots[kLanes];
        for (int lane = 0; lane < kLanes; ++lane) {
            slots[lane] = static_cast<std::uint8_t>(static_cast<int>(best[lane]) & 15);
        }
        std::memcpy(out + x, slots, count - x < kLanes ? count - x : kLanes);
    }
}

// One row of ordered dithering; `shift` is what every channel of a column gets.
GM_CLONES static void ordered_row(const std::uint8_t* pixels, std::size_t width,
                                  const Palette& palette, const Keys& keys,
                                  const double (&shift)[8], std::uint8_t* out) {
    alignas(64) float c[3][kLanes] = {}, best[kLanes], second[kLanes], margin[kLanes];
    alignas(64) float offset[3][kLanes];
    for (int k = 0; k < 3; ++k) {
        for (int lane = 0; lane < kLanes; ++lane) {
            offset[k][lane] = static_cast<float>(shift[lane % 8] - keys.centre[k]);
        }
    }
    for (std::size_t x = 0; x < width; x += kLanes) {
        const std::uint8_t* from = pixels + 3 * x;
        const std::size_t lanes = width - x < kLanes ? width - x : kLanes;
        load(from, lanes, c);
        for (int k = 0; k < 3; ++k) {
            for (int lane = 0; lane < kLanes; ++lane) c[k][lane] += offset[k][lane];
        }
        search<true>(keys, c, best, second);
        std::uint8_t slots[kLanes];
        int unsure = 0;
        for (int lane = 0; lane < kLanes; ++lane) {
            margin[lane] = doubt(c[0][lane], c[1][lane], c[2][lane], best[lane]);
            slots[lane] = static_cast<std::uint8_t>(slot_of(best[lane]));
            unsure |= second[lane] - best[lane] < margin[lane];
        }
        for (std::size_t lane = 0; unsure && lane < lanes; ++lane) {
            if (second[lane] - best[lane] >= margin[lane]) continue;
            const double s = shift[lane % 8];
            slots[lane] = static_cast<std::uint8_t>(palette.nearest(
                from[3 * lane] + s, from[3 * lane + 1] + s, from[3 * lane + 2] + s));
        }
        std::memcpy(out + x, slots, lanes);
    }
}

static void ordered(const std::uint8_t* pixels, int width, int height, const Palette& palette,
                    std::uint8_t* out) {
    const double strength = ordered_strength(palette);
    const Keys keys = close_keys(palette);
    for (int y = 0; y < height; ++y) {
        double shift[8];
        for (int x = 0; x < 8; ++x) shift[x] = strength * (kBayer[y % 8][x] / 64.0 - 0.5);
        const std::size_t start = static_cast<std::size_t>(y) * width;
        ordered_row(pixels + 3 * start, static_cast<std::size_t>(width), palette, keys, shift,
                    out + start);
    }
}

}  // namespace gm::dither

// Palette slots of all pixels. `method` is 0 for the nearest colour, 1 ordered, 2 diffusion;
// `size` is 1 to 16 colours. Returns 0, or -1 when out of memory.
GM_API int gm_dither(const std::uint8_t* pixels, int width, int height,
                     const std::uint8_t* colors, int size, int method, std::uint8_t* out) {
    using namespace gm::dither;
    if (width < 1 || height < 1 || size < 1) return 0;
    try {
        const Palette palette(reinterpret_cast<const gm::Triple*>(colors), size);
        switch (static_cast<Method>(method)) {
            case Method::kDiffusion:
                diffuse(pixels, width, height, palette, out);
                break;
            case Method::kOrdered:
                ordered(pixels, width, height, palette, out);
                break;
            case Method::kNone:
                nearest(pixels, static_cast<std::size_t>(width) * height, palette, out);
                break;
        }
        return 0;
    } catch (const std::bad_alloc&) {
        return -1;
    }
}
