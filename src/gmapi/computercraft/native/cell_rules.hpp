// What the rules for character cells share (formats document, section 4).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "common.hpp"

namespace gm::cells {

constexpr int kCellPixels = 6;
constexpr std::uint8_t kBlank = 32;

// Six pixels in two colours: bit i of `shown` set when pixel i has the foreground. `other` is
// the background once the colours are exchanged.
struct Choice {
    unsigned shown;
    unsigned foreground;
    unsigned background;
    unsigned other;
};

// Where the cells go.
struct Cells {
    std::uint8_t* characters;
    std::uint8_t* colors;

    // The last pixel always shows the background, so a cell may have to exchange its colours.
    void put(std::size_t cell, Choice choice) const {
        if (choice.shown & 32) {
            choice = {~choice.shown, choice.background, choice.other, 0};
        }
        characters[cell] = static_cast<std::uint8_t>(128 | (choice.shown & 31));
        colors[cell] = static_cast<std::uint8_t>(choice.background << 4 | choice.foreground);
    }
};

inline float square(const float (&a)[3], const float (&b)[3]) {
    const float d0 = a[0] - b[0], d1 = a[1] - b[1], d2 = a[2] - b[2];
    return d0 * d0 + d1 * d1 + d2 * d2;
}

// The palette as the rules of cells look at it.
struct CellPalette {
    float color[kPaletteSize][3] = {};
    int brightness[kPaletteSize] = {};
    float distance[kPaletteSize][kPaletteSize];

    CellPalette(const Triple* colors, int size) {
        for (int i = 0; i < size && i < kPaletteSize; ++i) {
            for (int k = 0; k < 3; ++k) {
                color[i][k] = colors[i].c[k];
                brightness[i] += colors[i].c[k];
            }
        }
        for (int i = 0; i < kPaletteSize; ++i) {
            for (int j = 0; j < kPaletteSize; ++j) {
                distance[i][j] = std::sqrt(square(color[i], color[j]));
            }
        }
    }

    void order(unsigned& dark, unsigned& light) const {
        if (brightness[dark] > brightness[light]) {
            const unsigned kept = dark;
            dark = light;
            light = kept;
        }
    }

    // By brightness; equal ones may change places, as the order of comparisons has it.
    void order(unsigned& dark, unsigned& middle, unsigned& light) const {
        order(dark, middle);
        order(dark, light);
        order(middle, light);
    }
};

}  // namespace gm::cells
