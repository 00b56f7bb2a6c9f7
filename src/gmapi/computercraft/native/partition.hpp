// Hoare's partition without mispredicted branches: comparisons give bit masks of 64 elements,
// and set bits are swapped in pairs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "bits.hpp"
#include "common.hpp"

#if defined(__SSE2__) || defined(_M_X64)
#define GM_SSE2 1
#include <emmintrin.h>
#endif

namespace gm {

// A pixel below its sort key: key * 2^24 + c2 * 2^16 + c1 * 2^8 + c0. The key is a channel
// less 128, so that signed comparison of whole elements compares keys first.
using Keyed = std::int32_t;

constexpr int kKeyShift = 24;
constexpr Keyed kPixelMask = (Keyed(1) << kKeyShift) - 1;

// Masks are made of this many elements at once. So many readable elements lie before and after
// every array.
constexpr int kBlock = 64;

inline int key_of(Keyed element) { return element >> kKeyShift; }

#if defined(GM_SSE2)

// Bit i is that of element i, where compared(i) gives those of elements i to i + 3.
template <class Compared>
inline std::uint64_t collect(const Compared& compared) {
    std::uint64_t bits = 0;
    for (int i = 0; i < kBlock; i += 16) {
        const __m128i low = _mm_packs_epi32(compared(i), compared(i + 4));
        const __m128i high = _mm_packs_epi32(compared(i + 8), compared(i + 12));
        const auto sixteen = std::uint32_t(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
        bits |= std::uint64_t(sixteen) << i;
    }
    return bits;
}

inline __m128i load(const Keyed* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

// Bit i: at[i] < bound.
inline std::uint64_t below(const Keyed* at, Keyed bound) {
    const __m128i bounds = _mm_set1_epi32(bound);
    return collect([&](int i) { return _mm_cmplt_epi32(load(at + i), bounds); });
}

// Bit i: end[-1 - i] > bound.
inline std::uint64_t above_backwards(const Keyed* end, Keyed bound) {
    const __m128i bounds = _mm_set1_epi32(bound);
    return collect([&](int i) {
        const __m128i backwards = _mm_shuffle_epi32(load(end - i - 4), _MM_SHUFFLE(0, 1, 2, 3));
        return _mm_cmpgt_epi32(backwards, bounds);
    });
}

#else

// Bit i is that of element i, where compared(i) gives its truth.
template <class Compared>
inline std::uint64_t collect(const Compared& compared) {
    std::uint8_t flags[kBlock];
    for (int i = 0; i < kBlock; ++i) flags[i] = compared(i);
    std::uint64_t bits = 0;
    for (int i = 0; i < kBlock; i += 8) {
        std::uint64_t eight = 0;
        for (int k = 0; k < 8; ++k) eight |= std::uint64_t(flags[i + k]) << (8 * k);
        // The product has bit 0 of byte k at bit 56 + k.
        bits |= (eight * 0x0102040810204080u >> 56) << i;
    }
    return bits;
}

// Bit i: at[i] < bound.
inline std::uint64_t below(const Keyed* at, Keyed bound) {
    return collect([&](int i) { return at[i] < bound; });
}

// Bit i: end[-1 - i] > bound.
inline std::uint64_t above_backwards(const Keyed* end, Keyed bound) {
    return collect([&](int i) { return end[-1 - i] > bound; });
}

#endif

inline std::uint64_t lowest_ones(std::ptrdiff_t count) {
    return count < 64 ? (std::uint64_t(1) << count) - 1 : ~std::uint64_t(0);
}

// Swaps the i-th element from the left whose key is not below `pivot` with the i-th from the
// right whose key is not above it, until they meet, and returns where the left search stops.
// At least one key is not below the pivot.
inline Keyed* partition(Keyed* first, Keyed* last, int pivot) {
    const Keyed lower = Keyed(std::uint32_t(pivot) << kKeyShift);
    const Keyed upper = lower | kPixelMask;

    Keyed* left = first;  // where the block of `from_left` begins
    Keyed* right = last;  // where the block of `from_right` ends
    Keyed* next = first;  // the elements that no mask has seen are [next, rest)
    Keyed* rest = last;
    std::uint64_t from_left = 0;
    std::uint64_t from_right = 0;
    Keyed* swapped = last;  // the last swap's right element
    for (;;) {
        if (from_left == 0) {
            if (next == rest) break;
            const std::ptrdiff_t count = rest - next < kBlock ? rest - next : kBlock;
            left = next;
            next += count;
            from_left = ~below(left, lower) & lowest_ones(count);
        }
        if (from_right == 0) {
            if (next == rest) break;
            const std::ptrdiff_t count = rest - next < kBlock ? rest - next : kBlock;
            right = rest;
            rest -= count;
            from_right = ~above_backwards(right, upper) & lowest_ones(count);
        }
        while (from_left != 0 && from_right != 0) {
            Keyed* const high = left + lowest_one(from_left);
            swapped = right - 1 - lowest_one(from_right);
            std::swap(*high, *swapped);
            from_left &= from_left - 1;
            from_right &= from_right - 1;
        }
    }
    // Both searches go on in the one block that still has candidates.
    if (from_left != 0) {
        right = next;
        from_right = ~above_backwards(right, upper) & lowest_ones(right - left);
    } else if (from_right != 0) {
        left = rest;
        from_left = ~below(left, lower) & lowest_ones(right - left);
    } else {
        return next;
    }
    while (from_left != 0 && from_right != 0) {
        Keyed* const high = left + lowest_one(from_left);
        Keyed* const low = right - 1 - lowest_one(from_right);
        if (high >= low) break;
        std::swap(*high, *low);
        swapped = low;
        from_left &= from_left - 1;
        from_right &= from_right - 1;
    }
    if (from_left == 0) return swapped;
    Keyed* const high = left + lowest_one(from_left);
    return high < swapped ? high : swapped;
}

}  // namespace gm
