// The lightest colour goes to slot 0 and the darkest to the last; formats document, section 3.3.
#pragma once

#include "common.hpp"

namespace gm {

// Reorders `count` entries in place and returns the new count. `palette` has room for
// kPaletteSize entries.
//
// Entries whose sums are all equal: the median cut loses its last colour, k-means (`kmeans`) gets
// one entry more, unless it has kPaletteSize already.
inline int reorder(Triple* palette, int count, bool kmeans) {
    if (count < 1) return count;
    const auto sum = [&](int i) {
        return int(palette[i].c[0]) + palette[i].c[1] + palette[i].c[2];
    };
    int dark = 0;
    int light = 0;
    for (int i = 1; i < count; ++i) {
        if (sum(i) < sum(dark)) dark = i;
        if (sum(i) > sum(light)) light = i;
    }
    const Triple darkest = palette[dark];
    const Triple lightest = palette[light];
    if (dark == light) {
        // Equal sums make the first entry both; the entries between stay where they are.
        if (!kmeans) {
            palette[count - 1] = lightest;
        } else if (count < kPaletteSize) {
            palette[count++] = lightest;
        }
        return count;
    }
    Triple between[kPaletteSize];
    int kept = 0;
    for (int i = 0; i < count; ++i) {
        if (i != dark && i != light) between[kept++] = palette[i];
    }
    palette[0] = lightest;
    for (int i = 0; i < kept; ++i) palette[1 + i] = between[i];
    palette[count - 1] = darkest;
    return count;
}

}  // namespace gm
