// The median-cut palette; formats document, section 3.3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "common.hpp"
#include "introsort.hpp"
#include "reorder.hpp"

namespace gm {

// Collapses runs of equal pixels into `palette` and returns how many there are, or
// kPaletteSize + 1 if there are more than fit.
inline int collapse_runs(const Triple* pixels, std::size_t count, Triple* palette) {
    int runs = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const Triple& at = pixels[i];
        if (i > 0) {
            const auto& old = pixels[i - 1].c;
            if (at.c[0] == old[0] && at.c[1] == old[1] && at.c[2] == old[2]) continue;
        }
        if (runs == kPaletteSize) return kPaletteSize + 1;
        palette[runs++] = at;
    }
    return runs;
}

// The smallest and the greatest value of each channel.
struct Bounds {
    std::uint8_t low[3];
    std::uint8_t high[3];

    int range(int channel) const { return high[channel] - low[channel]; }
};

inline Bounds bounds_of(const Keyed* first, const Keyed* last) {
    constexpr int kLanes = 16;
    Keyed low[kLanes];
    Keyed high[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) low[lane] = high[lane] = *first;
    const auto take = [](const Keyed* from, Keyed* lows, Keyed* highs, int lanes) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(from);
        auto* l = reinterpret_cast<std::uint8_t*>(lows);
        auto* h = reinterpret_cast<std::uint8_t*>(highs);
        for (int i = 0; i < 4 * lanes; ++i) {
            l[i] = bytes[i] < l[i] ? bytes[i] : l[i];
            h[i] = bytes[i] > h[i] ? bytes[i] : h[i];
        }
    };
    for (; last - first >= kLanes; first += kLanes) take(first, low, high, kLanes);
    for (; first < last; ++first) take(first, low, high, 1);
    Bounds bounds;
    for (int channel = 0; channel < 3; ++channel) {
        bounds.low[channel] = 255;
        bounds.high[channel] = 0;
        for (int lane = 0; lane < kLanes; ++lane) {
            const auto l = std::uint8_t(low[lane] >> (8 * channel));
            const auto h = std::uint8_t(high[lane] >> (8 * channel));
            if (l < bounds.low[channel]) bounds.low[channel] = l;
            if (h > bounds.high[channel]) bounds.high[channel] = h;
        }
    }
    return bounds;
}

// The channel to sort by: that of the greatest range, but not the parent's (-1: no parent) if
// another is nearly as great.
inline int choose_axis(const Bounds& bounds, int parent) {
    const int r0 = bounds.range(0);
    const int r1 = bounds.range(1);
    const int r2 = bounds.range(2);
    const int widest = r0 > r1 && r0 > r2 ? 0 : r1 > r2 && r1 > r0 ? 1 : 2;
    if (widest != parent) return widest;
    const int a = (widest + 1) % 3;
    const int b = (widest + 2) % 3;
    const auto near = [&](int channel) {
        const int difference = bounds.range(widest) - bounds.range(channel);
        return -8 < difference && difference < 8;
    };
    if (near(a) && near(b)) return bounds.range(a) > bounds.range(b) ? a : b;
    return near(a) ? a : near(b) ? b : widest;
}

inline void set_keys(Keyed* first, Keyed* last, int channel) {
    for (; first < last; ++first) {
        const std::uint32_t pixel = std::uint32_t(*first & kPixelMask);
        const std::uint32_t key = (pixel >> (8 * channel) & 255) ^ 128;
        *first = Keyed(pixel | key << kKeyShift);
    }
}

inline Triple mean_of(const Keyed* first, const Keyed* last) {
    const std::size_t count = std::size_t(last - first);
    std::uint64_t sum[3] = {0, 0, 0};
    while (first < last) {
        // So many bytes add up without overflow.
        const Keyed* const stop = last - first > 65536 ? first + 65536 : last;
        std::uint32_t part[3] = {0, 0, 0};
        for (; first < stop; ++first) {
            part[0] += std::uint32_t(*first) & 255;
            part[1] += std::uint32_t(*first) >> 8 & 255;
            part[2] += std::uint32_t(*first) >> 16 & 255;
        }
        for (int channel = 0; channel < 3; ++channel) sum[channel] += part[channel];
    }
    Triple mean;
    for (int channel = 0; channel < 3; ++channel) {
        mean.c[channel] = std::uint8_t(sum[channel] / count);
    }
    return mean;
}

// Cuts a list of at least `colors` pixels into `colors` (a power of two) equal parts and writes
// their means.
inline void cut(Keyed* first, Keyed* last, int colors, int parent, Triple* palette) {
    if (colors == 1) {
        *palette = mean_of(first, last);
        return;
    }
    const Bounds bounds = bounds_of(first, last);
    const int axis = choose_axis(bounds, parent);
    set_keys(first, last, axis);
    const int low = bounds.low[axis] - 128;
    const int high = bounds.high[axis] - 128;
    Keyed* const middle = first + (last - first) / 2;
    if (colors == 2) {
        // The order inside the halves no longer matters.
        introselect(first, middle, last, low, high);
    } else {
        introsort(first, last, low, high);
    }
    cut(first, middle, colors / 2, axis, palette);
    cut(middle, last, colors / 2, axis, palette + colors / 2);
}

inline void unpack(const Triple* pixels, std::size_t count, Keyed* list) {
    for (std::size_t i = 0; i < count; ++i) {
        const Triple& at = pixels[i];
        list[i] = at.c[0] | at.c[1] << 8 | at.c[2] << 16;
    }
}

// Fills up to kPaletteSize entries and returns how many. Throws std::bad_alloc.
inline int median_cut(const Triple* pixels, std::size_t count, Triple* palette) {
    const int runs = collapse_runs(pixels, count, palette);
    if (runs <= kPaletteSize) return runs;
    std::vector<Keyed> list(count + 2 * kBlock);
    Keyed* const first = list.data() + kBlock;
    unpack(pixels, count, first);
    cut(first, first + count, kPaletteSize, -1, palette);
    return reorder(palette, kPaletteSize, false);
}

}  // namespace gm

// The palette of `count` pixels: up to 16 entries, of which the number is returned.
GM_API int gm_median_cut(const void* pixels, std::size_t count, void* palette) {
    try {
        return gm::median_cut(static_cast<const gm::Triple*>(pixels), count,
                              static_cast<gm::Triple*>(palette));
    } catch (const std::bad_alloc&) {
        return -1;
    }
}
