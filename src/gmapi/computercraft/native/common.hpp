// What all kernels share. Plain C++17, no Python, no third-party code.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(_WIN32)
#define GM_API extern "C" __declspec(dllexport)
#else
#define GM_API extern "C" __attribute__((visibility("default")))
#endif

// One function compiled for several levels of x86-64; the loader picks. It needs ifunc, which
// means GCC with glibc; elsewhere there is the baseline only.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__)
#define GM_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define GM_CLONES
#endif

namespace gm {

// A colour as it lies in memory: c0, c1, c2.
struct Triple {
    std::uint8_t c[3];
};
static_assert(sizeof(Triple) == 3);

constexpr int kPaletteSize = 16;

}  // namespace gm
