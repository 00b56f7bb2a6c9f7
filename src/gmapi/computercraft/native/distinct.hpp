// The distinct colours of a picture in the order of an octree's leaves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common.hpp"

namespace gm {

// `path`: the numbers of the octree's children from the root down, three bits each, 4 * c0 +
// 2 * c1 + c2 of one bit of each channel. `first`: position of the first pixel of this colour.
struct DistinctColor {
    std::uint32_t path;
    std::uint32_t count;
    std::uint32_t first;
};

// Bit i of a byte at bit 3 i.
inline std::uint32_t spread_bits(std::uint32_t byte) {
    std::uint32_t spread = 0;
    for (int bit = 0; bit < 8; ++bit) spread |= (byte >> bit & 1) << (3 * bit);
    return spread;
}

// Ascending by path. There are fewer than 2^32 pixels.
inline std::vector<DistinctColor> distinct_colors(const Triple* pixels, std::size_t n) {
    constexpr int kDigit = 12;
    constexpr std::size_t kDigits = std::size_t(1) << kDigit;
    constexpr int kPosition = 32;

    std::uint32_t spread[256];
    for (std::uint32_t i = 0; i < 256; ++i) spread[i] = spread_bits(i);

    // Two stable passes of a radix sort over the path; the pixel's position is its low half.
    std::vector<std::uint64_t> keyed(n);
    std::vector<std::uint64_t> sorted(n);
    std::vector<std::uint32_t> slots(2 * kDigits);
    std::uint32_t* const low = slots.data();
    std::uint32_t* const high = low + kDigits;
    for (std::size_t i = 0; i < n; ++i) {
        const Triple& p = pixels[i];
        const std::uint32_t path = spread[p.c[0]] << 2 | spread[p.c[1]] << 1 | spread[p.c[2]];
        keyed[i] = std::uint64_t(path) << kPosition | i;
        ++low[path % kDigits];
        ++high[path >> kDigit];
    }
    std::uint32_t before_low = 0;
    std::uint32_t before_high = 0;
    for (std::size_t digit = 0; digit < kDigits; ++digit) {
        const std::uint32_t here_low = low[digit];
        const std::uint32_t here_high = high[digit];
        low[digit] = before_low;
        high[digit] = before_high;
        before_low += here_low;
        before_high += here_high;
    }
    for (const std::uint64_t key : keyed) sorted[low[(key >> kPosition) % kDigits]++] = key;
    for (const std::uint64_t key : sorted) keyed[high[key >> (kPosition + kDigit)]++] = key;

    std::vector<DistinctColor> colors;
    for (const std::uint64_t key : keyed) {
        const auto path = std::uint32_t(key >> kPosition);
        if (colors.empty() || colors.back().path != path) {
            colors.push_back({path, 1, std::uint32_t(key)});
        } else {
            ++colors.back().count;
        }
    }
    return colors;
}

}  // namespace gm
