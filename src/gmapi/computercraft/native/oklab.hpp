// sRGB bytes to and from OKLab (Bjorn Ottosson, "A perceptual color space for image processing").
//
// Only additions, products, quotients and square roots are used, which IEEE 754 rounds alike
// everywhere, so every machine gets the same bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "common.hpp"

namespace gm::best {

struct Lab {
    float l, a, b;
};

// Cube root of v >= 1e-9: a guess from the exponent, then Halley's iteration, which triples the
// number of right digits each time.
inline float cube_root(float v) {
    std::uint32_t bits;
    std::memcpy(&bits, &v, 4);
    bits = bits / 3 + 709921077u;
    float y;
    std::memcpy(&y, &bits, 4);
    for (int i = 0; i < 2; ++i) {
        const float cube = y * y * y;
        y = y * (cube + 2 * v) / (2 * cube + v);
    }
    return y;
}

// Linear light of each sRGB byte. x^2.4 is made of roots, see above.
struct LinearLight {
    float of[256];

    LinearLight() {
        for (int i = 0; i < 256; ++i) {
            const double v = i / 255.0;
            if (v <= 0.04045) {
                of[i] = static_cast<float>(v / 12.92);
                continue;
            }
            const double x = (v + 0.055) / 1.055;
            double y = x;  // the fifth root of x^2, by Newton
            for (int k = 0; k < 60; ++k) y -= (y * y * y * y * y - x * x) / (5 * y * y * y * y);
            of[i] = static_cast<float>(x * x * y);
        }
    }
};

inline const LinearLight& linear_light() {
    static const LinearLight table;
    return table;
}

// Cube roots of cone responses; black is lifted to 1e-9 to keep the root's guess sound.
inline Lab oklab(float r, float g, float b) {
    const float l = cube_root(0.4122214708f * r + 0.5363325363f * g + 0.0514459929f * b + 1e-9f);
    const float m = cube_root(0.2119034982f * r + 0.6806995451f * g + 0.1073969566f * b + 1e-9f);
    const float s = cube_root(0.0883024619f * r + 0.2817188376f * g + 0.6299787005f * b + 1e-9f);
    return {0.2104542553f * l + 0.7936177850f * m - 0.0040720468f * s,
            1.9779984951f * l - 2.4285922050f * m + 0.4505937099f * s,
            0.0259040371f * l + 0.7827717662f * m - 0.8086757660f * s};
}

inline Lab oklab(const std::uint8_t* rgb) {
    const auto& linear = linear_light().of;
    return oklab(linear[rgb[0]], linear[rgb[1]], linear[rgb[2]]);
}

// The nearest byte to a linear value, clamped to 0..255.
inline std::uint8_t srgb_byte(float linear) {
    const auto& table = linear_light().of;
    const auto* above = std::lower_bound(table, table + 256, linear);
    if (above == table) return 0;
    if (above == table + 256) return 255;
    const auto index = static_cast<std::uint8_t>(above - table);
    return linear - above[-1] < above[0] - linear ? static_cast<std::uint8_t>(index - 1) : index;
}

inline void srgb(const Lab& c, std::uint8_t* rgb) {
    const float l = c.l + 0.3963377774f * c.a + 0.2158037573f * c.b;
    const float m = c.l - 0.1055613458f * c.a - 0.0638541728f * c.b;
    const float s = c.l - 0.0894841775f * c.a - 1.2914855480f * c.b;
    const float l3 = l * l * l, m3 = m * m * m, s3 = s * s * s;
    rgb[0] = srgb_byte(4.0767416621f * l3 - 3.3077115913f * m3 + 0.2309699292f * s3);
    rgb[1] = srgb_byte(-1.2684380046f * l3 + 2.6097574011f * m3 - 0.3413193965f * s3);
    rgb[2] = srgb_byte(-0.0041960863f * l3 - 0.7034186147f * m3 + 1.7076147010f * s3);
}

inline float least(float x, float y) { return x < y ? x : y; }
inline float greatest(float x, float y) { return x > y ? x : y; }

inline float distance2(const Lab& x, const Lab& y) {
    const float l = x.l - y.l, a = x.a - y.a, b = x.b - y.b;
    return l * l + a * a + b * b;
}

}  // namespace gm::best
