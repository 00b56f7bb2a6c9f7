// Blue, green, red to bytes of L, a, b; formats document, section 3.7.
//
// Most pixels take a quick way in single precision. Where its result lies so near to a whole
// number that truncation could go the other way, the document's recipe is followed exactly, so
// the bytes are always the recipe's.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common.hpp"

namespace gm {

// c / 255 to linear light, 0 to 100. None of the 256 values of pow lies near the middle of two
// floats, so its last bit, which differs between C libraries, does not matter.
struct LinearLight {
    float of[256];

    LinearLight() {
        for (int c = 0; c < 256; ++c) {
            const double v = float(c / 255.0);
            const auto linear = float(v > 0.04045 ? std::pow((v + 0.055) / 1.055, 2.4) : v / 12.92);
            of[c] = linear * 100.0f;
        }
    }
};

inline std::int32_t bits_of(float value) {
    std::int32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float float_of(std::int32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Relative error below 3e-7 for 0.008 < t < 2; finite for 0 <= t < 2.
inline float inverse_cube_root(float t) {
    // A third of the exponent, and nearly that of the fraction; then two steps of refinement.
    float r = float_of(std::int32_t(1.42e9f - float(bits_of(t)) * (1.0f / 3.0f)));
    const float h = 1.0f - t * r * r * r;
    r += r * h * (1.0f / 3.0f + h * (2.0f / 9.0f + h * (14.0f / 81.0f)));
    return r + r * (1.0f - t * r * r * r) * (1.0f / 3.0f);
}

// To the last bit or two of a double; the library's function differs between platforms.
inline double cube_root(float t) {
    const double r = inverse_cube_root(t);
    double y = t * r * r;
    y = (2.0 * y + t / (y * y)) / 3.0;
    return (2.0 * y + t / (y * y)) / 3.0;
}

inline Triple lab_of(const LinearLight& linear, Triple pixel) {
    const double r = linear.of[pixel.c[0]];
    const double g = linear.of[pixel.c[1]];
    const double b = linear.of[pixel.c[2]];
    const auto f = [](double value) {
        const auto t = float(value);
        return float(t > 0.008856 ? cube_root(t) : 7.787 * t + 16.0 / 116.0);
    };
    const float fx = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 95.047);
    const float fy = f((0.2126 * r + 0.7152 * g + 0.0722 * b) / 100.0);
    const float fz = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 108.883);
    return {{std::uint8_t(116.0f * fy - 16.0f), std::uint8_t(500.0f * (fx - fy) + 128.0f),
             std::uint8_t(200.0f * (fy - fz) + 128.0f)}};
}

// Recent results, since pictures that need exact ones repeat colours: greys are all near.
class LabMemo {
public:
    explicit LabMemo(const LinearLight& linear) : linear_(linear) {
        for (Entry& entry : entries_) entry.color = kNone;
    }

    Triple operator()(Triple pixel) {
        const std::uint32_t color = pixel.c[0] | pixel.c[1] << 8 | pixel.c[2] << 16;
        Entry& entry = entries_[color * 0x9E3779B1u >> (32 - kBits)];
        if (entry.color != color) entry = {color, lab_of(linear_, pixel)};
        return entry.lab;
    }

private:
    static constexpr int kBits = 10;
    static constexpr std::uint32_t kNone = ~std::uint32_t(0);
    struct Entry {
        std::uint32_t color;
        Triple lab;
    };

    const LinearLight& linear_;
    Entry entries_[1 << kBits];
};

constexpr int kLabBlock = 256;

// Planes of one block.
struct LabBlock {
    float red[kLabBlock];  // linear light, as green and blue
    float green[kLabBlock];
    float blue[kLabBlock];
    std::int32_t l[kLabBlock];
    std::int32_t a[kLabBlock];
    std::int32_t b[kLabBlock];
    std::int32_t doubtful[kLabBlock];  // not 0: a byte could be another one
};

// Sets l, a, b and doubtful in single precision. Choices are made with integers, since compilers
// do not turn those between floats into code without branches.
GM_CLONES inline void quick_lab(LabBlock& block) {
    const auto f = [](float t) {
        const float r = inverse_cube_root(t);
        const std::int32_t root = bits_of(t * r * r);
        const std::int32_t line = bits_of(7.787f * t + 16.0f / 116.0f);
        // Floats that are not negative are in the order of their bits.
        const std::int32_t chosen = -std::int32_t(bits_of(t) > bits_of(0.008856f));
        return float_of((root & chosen) | (line & ~chosen));
    };
    // This way differs from the recipe by less than 2e-4, over all colours.
    const auto doubt = [](float value, std::int32_t whole) {
        const float off_middle = std::fabs(value - float(whole) - 0.5f);
        return std::int32_t(bits_of(off_middle) > bits_of(0.499f));
    };
    for (int i = 0; i < kLabBlock; ++i) {
        const float r = block.red[i];
        const float g = block.green[i];
        const float b = block.blue[i];
        const float fx =
            f(r * (0.4124f / 95.047f) + g * (0.3576f / 95.047f) + b * (0.1805f / 95.047f));
        const float fy = f(r * 0.2126e-2f + g * 0.7152e-2f + b * 0.0722e-2f);
        const float fz =
            f(r * (0.0193f / 108.883f) + g * (0.1192f / 108.883f) + b * (0.9505f / 108.883f));
        const float exact_l = 116.0f * fy - 16.0f;
        const float exact_a = 500.0f * (fx - fy) + 128.0f;
        const float exact_b = 200.0f * (fy - fz) + 128.0f;
        const auto whole_l = std::int32_t(exact_l);
        const auto whole_a = std::int32_t(exact_a);
        const auto whole_b = std::int32_t(exact_b);
        block.l[i] = whole_l;
        block.a[i] = whole_a;
        block.b[i] = whole_b;
        block.doubtful[i] =
            doubt(exact_l, whole_l) | doubt(exact_a, whole_a) | doubt(exact_b, whole_b);
    }
}

inline void to_lab(const Triple* pixels, std::size_t count, Triple* out) {
    const LinearLight linear;
    LabMemo exact(linear);
    LabBlock block = {};
    while (count > 0) {
        const int size = count < std::size_t(kLabBlock) ? int(count) : kLabBlock;
        for (int i = 0; i < size; ++i) {
            block.red[i] = linear.of[pixels[i].c[0]];
            block.green[i] = linear.of[pixels[i].c[1]];
            block.blue[i] = linear.of[pixels[i].c[2]];
        }
        quick_lab(block);
        for (int i = 0; i < size; ++i) {
            if (block.doubtful[i] != 0) {
                out[i] = exact(pixels[i]);
            } else {
                out[i] = {{std::uint8_t(block.l[i]), std::uint8_t(block.a[i]),
                           std::uint8_t(block.b[i])}};
            }
        }
        pixels += size;
        out += size;
        count -= std::size_t(size);
    }
}

}  // namespace gm

// `count` pixels to as many triples of L, a, b.
GM_API int gm_lab(const void* pixels, std::size_t count, void* out) {
    gm::to_lab(static_cast<const gm::Triple*>(pixels), count, static_cast<gm::Triple*>(out));
    return 0;
}
