// Palette slots to character cells of 2 x 3 pixels in two colours (formats document, section 4).
//
// Distances are 32-bit floats throughout, added channel by channel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cell_rules.hpp"
#include "common.hpp"
#include "crowded_cells.hpp"

namespace gm::cells {

// A cell's pixels by colour: `where[slot]` has bit i set when pixel i has that slot; `found` has
// the slots in order of first appearance.
struct Count {
    std::uint8_t where[kPaletteSize] = {};
    std::uint8_t found[kCellPixels];
    int distinct = 0;

    explicit Count(const std::uint8_t (&slots)[kCellPixels]) {
        for (int i = 0; i < kCellPixels; ++i) {
            std::uint8_t& pixels = where[slots[i]];
            found[distinct] = slots[i];
            distinct += pixels == 0;
            pixels = static_cast<std::uint8_t>(pixels | 1U << i);
        }
    }
};

inline Choice choose_of_3(const Count& count, const CellPalette& palette) {
    unsigned dark = count.found[0], middle = count.found[1], light = count.found[2];
    palette.order(dark, middle, light);
    const float below = palette.distance[middle][dark], above = palette.distance[light][middle];
    const unsigned bright = count.where[light];
    if (below - above > 10) return {bright | count.where[middle], light, dark, middle};
    if (above - below > 10) return {bright, light, dark, middle};
    if (palette.brightness[dark] < 32) return {63U & ~bright, middle, light, middle};
    return {count.where[dark], middle, light, middle};
}

// The pixel at which a colour in these pixels has appeared twice, or 7.
constexpr unsigned second_pixel(unsigned pixels) {
    int seen = 0;
    for (unsigned i = 0; i < kCellPixels; ++i) {
        seen += pixels >> i & 1;
        if (seen == 2) return i;
    }
    return 7;
}

struct SecondPixels {
    std::uint8_t of[64] = {};
    constexpr SecondPixels() {
        for (unsigned i = 0; i < 64; ++i) of[i] = static_cast<std::uint8_t>(second_pixel(i));
    }
};
constexpr SecondPixels kSecondPixels;

inline Choice choose_of_4(const Count& count, const CellPalette& palette) {
    // Pixel and slot of the first two colours that appear twice; at least one of four does.
    unsigned first = 255, second = 255;
    for (int i = 0; i < 4; ++i) {
        const unsigned slot = count.found[i];
        const unsigned twice = kSecondPixels.of[count.where[slot]] * 16U | slot;
        const unsigned later = first < twice ? twice : first;
        first = first < twice ? first : twice;
        second = later < second ? later : second;
    }
    const unsigned foreground = first & 15;
    unsigned background = second & 15;
    if (second >> 4 == 7) {
        unsigned rest[4];
        int n = 0;
        for (int i = 0; i < 4; ++i) {
            rest[n] = count.found[i];
            n += rest[n] != foreground;
        }
        palette.order(rest[0], rest[1], rest[2]);
        background = rest[1];
    }
    unsigned shown = 0;
    for (int i = 0; i < 4; ++i) {
        const unsigned slot = count.found[i];
        const bool near = palette.distance[slot][foreground] < palette.distance[slot][background];
        const bool fore = slot == foreground || (near && slot != background);
        shown |= fore ? count.where[slot] : 0U;
    }
    return {shown, foreground, background, foreground};
}

inline void make_cells(const std::uint8_t* indexes, int width, int height,
                       const CellPalette& palette, const Cells& cells) {
    CrowdedCells crowded(palette, cells);
    std::size_t cell = 0;
    for (int y = 0; y + 3 <= height; y += 3) {
        const std::uint8_t* row = indexes + static_cast<std::size_t>(y) * width;
        for (int x = 0; x + 2 <= width; x += 2, ++cell) {
            const std::uint8_t* top = row + x;
            const std::uint8_t* middle = top + width;
            const std::uint8_t* bottom = middle + width;
            const std::uint8_t slots[kCellPixels] = {top[0],    top[1],    middle[0],
                                                     middle[1], bottom[0], bottom[1]};
            const Count count(slots);
            switch (count.distinct) {
                case 1:
                    cells.characters[cell] = kBlank;
                    cells.colors[cell] = static_cast<std::uint8_t>(count.found[0] << 4);
                    break;
                case 2: {
                    const unsigned back = count.found[0], fore = count.found[1];
                    cells.put(cell, {count.where[fore], fore, back, fore});
                    break;
                }
                case 3:
                    cells.put(cell, choose_of_3(count, palette));
                    break;
                case 4:
                    cells.put(cell, choose_of_4(count, palette));
                    break;
                default:
                    crowded.add(cell, slots);
            }
        }
    }
    crowded.finish();
}

// One colour per cell: the most frequent one, of several the first to be complete.
inline void make_blocks(const std::uint8_t* indexes, int width, int height, const Cells& cells) {
    std::size_t cell = 0;
    for (int y = 0; y + 3 <= height; y += 3) {
        const std::uint8_t* row = indexes + static_cast<std::size_t>(y) * width;
        for (int x = 0; x + 2 <= width; x += 2, ++cell) {
            std::uint8_t counts[kPaletteSize] = {};
            unsigned best = 0, most = 0;
            for (int i = 0; i < kCellPixels; ++i) {
                const unsigned slot = row[static_cast<std::size_t>(i / 2) * width + x + i % 2];
                const unsigned n = ++counts[slot];
                best = n > most ? slot : best;
                most = n > most ? n : most;
            }
            cells.characters[cell] = 0;
            cells.colors[cell] = static_cast<std::uint8_t>(best << 4);
        }
    }
}

}  // namespace gm::cells

// Characters and colour bytes of all whole cells; `indexes` are slots below 16. With
// `blocks_only` every character is 0. Returns 0.
GM_API int gm_cells(const std::uint8_t* indexes, int width, int height,
                    const std::uint8_t* colors, int size, int blocks_only,
                    std::uint8_t* characters, std::uint8_t* cell_colors) {
    using namespace gm::cells;
    const Cells to{characters, cell_colors};
    if (blocks_only) {
        make_blocks(indexes, width, height, to);
    } else {
        const CellPalette palette(reinterpret_cast<const gm::Triple*>(colors), size);
        make_cells(indexes, width, height, palette, to);
    }
    return 0;
}
