// Error diffusion (formats document, section 3.8): rows from left to right, the error of a pixel
// goes on by 5/16 right, 2/16 below left, 3/16 below, 1/16 below right, in doubles, unclamped.
//
// Pixels of one row depend on each other, but row y + 1 may follow two pixels behind row y. So
// `kLanes` rows run side by side, each lane two pixels behind the one above; when a lane is done
// with its row it goes on with the row `kLanes` further down. Each pixel takes its shares in the
// order in which a plain loop would add them, which makes the doubles the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common.hpp"
#include "nearest.hpp"

namespace gm::dither {

constexpr int kLag = 2;

// Pixels in the order in which the lanes take them: c0, c1, c2 and 255 in one word, 0 where a
// lane is outside the picture.
struct Wave {
    int period;  // steps from a row to the next of its lane; at least one is outside the picture
    std::size_t steps;
    std::vector<std::uint32_t> pixels;
    std::vector<std::uint8_t> slots;

    Wave(const std::uint8_t* source, int width, int height) {
        // The lane above lane 0 is the last lane, which has to be well ahead in its own row.
        const int least = kLag * kLanes + 1;
        period = width + 1 > least ? width + 1 : least;
        const std::size_t bands = (static_cast<std::size_t>(height) + kLanes - 1) / kLanes;
        steps = bands * period + kLag * (kLanes - 1);
        pixels.resize(steps * kLanes);
        slots.resize(steps * kLanes);
        for (int y = 0; y < height; ++y) {
            std::uint32_t* to = pixels.data() + place(y);
            for (int x = 0; x < width; ++x, source += 3) {
                to[static_cast<std::size_t>(x) * kLanes] =
                    source[0] | source[1] << 8 | source[2] << 16 | 255U << 24;
            }
        }
    }

    // Where row y starts; its pixels are kLanes apart.
    std::size_t place(int y) const {
        const std::size_t band = static_cast<std::size_t>(y / kLanes);
        const int lane = y % kLanes;
        return (band * period + kLag * lane) * kLanes + lane;
    }

    void store(int width, int height, std::uint8_t* out) const {
        for (int y = 0; y < height; ++y) {
            const std::uint8_t* from = slots.data() + place(y);
            for (int x = 0; x < width; ++x) *out++ = from[static_cast<std::size_t>(x) * kLanes];
        }
    }
};

// Errors of one step; entry 0 is the row above lane 0.
struct Errors {
    double c[3][kLanes + 1];
};

GM_CLONES inline void run_wave(Wave& wave, const Palette& palette) {
    const Keys keys = close_keys(palette);
    Errors history[4] = {};
    const std::size_t period = static_cast<std::size_t>(wave.period);
    // What the last lane leaves for lane 0: it is period - kLag * kLanes steps ahead.
    const std::size_t delay = period - kLag * kLanes;
    std::vector<double> above(3 * delay);
    std::size_t turn = 0;
    alignas(64) double c[3][kLanes];
    alignas(64) float close[3][kLanes], best[kLanes], second[kLanes], margin[kLanes];
    alignas(64) std::int32_t slots[kLanes];
    for (std::size_t step = 0; step < wave.steps; ++step) {
        const std::uint32_t* pixels = wave.pixels.data() + step * kLanes;
        Errors& now = history[step & 3];
        const Errors& one = history[(step + 3) & 3];
        const Errors& two = history[(step + 2) & 3];
        const Errors& three = history[(step + 1) & 3];
        for (int k = 0; k < 3; ++k) {
            for (int lane = 0; lane < kLanes; ++lane) {
                const auto pixel = static_cast<std::int32_t>(pixels[lane] >> (8 * k) & 255);
                double value = pixel;
                value += three.c[k][lane] * (1 / 16.0);
                value += two.c[k][lane] * (3 / 16.0);
                value += one.c[k][lane] * (2 / 16.0);
                value += one.c[k][lane + 1] * (5 / 16.0);
                c[k][lane] = value;
                close[k][lane] = static_cast<float>(value) - keys.centre[k];
            }
        }
        search<true>(keys, close, best, second);
        int unsure = 0;
        for (int lane = 0; lane < kLanes; ++lane) {
            margin[lane] = doubt(close[0][lane], close[1][lane], close[2][lane], best[lane]);
            slots[lane] = slot_of(best[lane]);
            unsure |= second[lane] - best[lane] < margin[lane];
        }
        if (unsure) {
            for (int lane = 0; lane < kLanes; ++lane) {
                if (second[lane] - best[lane] < margin[lane] && pixels[lane] != 0) {
                    slots[lane] = palette.nearest(c[0][lane], c[1][lane], c[2][lane]);
                }
            }
        }
        std::uint8_t* out = wave.slots.data() + step * kLanes;
        for (int lane = 0; lane < kLanes; ++lane) {
            out[lane] = static_cast<std::uint8_t>(slots[lane]);
        }
        for (int k = 0; k < 3; ++k) {
            for (int lane = 0; lane < kLanes; ++lane) {
                const double error = c[k][lane] - palette.c[k][slots[lane]];
                now.c[k][lane + 1] = pixels[lane] != 0 ? error : 0;
            }
        }
        for (int k = 0; k < 3; ++k) {
            double& kept = above[3 * turn + k];
            now.c[k][0] = kept;
            kept = now.c[k][kLanes];
        }
        turn = turn + 1 == delay ? 0 : turn + 1;
    }
}

inline void diffuse(const std::uint8_t* pixels, int width, int height, const Palette& palette,
                    std::uint8_t* out) {
    Wave wave(pixels, width, height);
    run_wave(wave, palette);
    wave.store(width, height, out);
}

}  // namespace gm::dither
