// The octree palette; formats document, section 3.5.
//
// The reference merges nodes one by one: always the first one with the smallest count in a list
// of those that have leaves, where new nodes stand at the head and a parent takes the place of the
// first of its children that was merged. A node's count never changes, and no inner node counts
// more than its parent, so the order of all merges is known beforehand: ascending by count, then
// by place in the list. The tree is therefore cut from the root downwards, undoing the last merges
// first, and only as many as there are colours.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "common.hpp"
#include "distinct.hpp"

namespace gm {

// Nine bits of each channel, of which the first is always 0.
constexpr int kOctreeDepth = 9;

struct OctreeNode {
    std::uint32_t path;
    std::uint32_t child;  // the first one, in the level below; up to that of the next node
    std::uint32_t color;  // the first one of those in it; up to that of the next node
    // Order of merging: the count, then the place in the list, which is known by the pixel that
    // put a node there; the later, the nearer to the head.
    std::uint64_t order;
};

constexpr std::uint64_t kOctreePlace = 0xffffffffu;

class Octree {
public:
    Octree(const Triple* pixels, std::size_t n) : pixels_(pixels) {
        colors_ = distinct_colors(pixels, n);
        add_parents_of_colors();
        for (int depth = kOctreeDepth - 2; depth >= 0; --depth) add_level(depth);
    }

    // Fills all `n` entries.
    void palette(Triple* out, int n) const {
        std::vector<Leaf> leaves = cut(n);
        std::sort(leaves.begin(), leaves.end(), [](const Leaf& a, const Leaf& b) {
            return a.parent_place != b.parent_place ? a.parent_place < b.parent_place
                                                    : a.index < b.index;
        });
        std::fill(out, out + n, Triple{});
        Triple* next = int(leaves.size()) == n ? out : out + 1;
        for (const Leaf& leaf : leaves) *next++ = mean(leaf);
    }

private:
    struct Leaf {
        int depth;
        std::uint32_t index;  // in its level; of the colours in the last one
        std::uint64_t parent_place;
    };

    static std::uint64_t place(std::uint64_t order) { return order & kOctreePlace; }

    void add_parents_of_colors() {
        std::vector<OctreeNode>& level = levels_[kOctreeDepth - 1];
        for (std::uint32_t i = 0; i < colors_.size(); ++i) {
            const DistinctColor& color = colors_[i];
            const std::uint64_t place = kOctreePlace - color.first;
            if (level.empty() || level.back().path != color.path >> 3) {
                level.push_back({color.path >> 3, i, i, place});
            }
            std::uint64_t& order = level.back().order;
            const std::uint64_t count = (order >> 32) + color.count;
            order = count << 32 | std::max(order & kOctreePlace, place);
        }
        finish(level, std::uint32_t(colors_.size()));
    }

    void add_level(int depth) {
        const std::vector<OctreeNode>& below = levels_[depth + 1];
        std::vector<OctreeNode>& level = levels_[depth];
        const auto children = std::uint32_t(below.size() - 1);
        std::uint64_t count = 0;
        std::uint64_t first_merged = 0;
        for (std::uint32_t i = 0; i < children; ++i) {
            const OctreeNode& child = below[i];
            if (level.empty() || level.back().path != child.path >> 3) {
                level.push_back({child.path >> 3, i, child.color, 0});
                count = 0;
                first_merged = child.order;
            }
            count += child.order >> 32;
            first_merged = std::min(first_merged, child.order);
            level.back().order = count << 32 | place(first_merged);
        }
        finish(level, children);
    }

    // The end of the last node's children and colours.
    void finish(std::vector<OctreeNode>& level, std::uint32_t children) const {
        level.push_back({0, children, std::uint32_t(colors_.size()), 0});
    }

    std::vector<Leaf> cut(int n) const {
        std::vector<Leaf> leaves{{0, 0, 0}};
        for (;;) {
            std::size_t last = leaves.size();
            std::uint64_t order = 0;
            for (std::size_t i = 0; i < leaves.size(); ++i) {
                const Leaf& leaf = leaves[i];
                if (leaf.depth == kOctreeDepth) continue;
                const std::uint64_t here = levels_[leaf.depth][leaf.index].order;
                if (here >= order) {
                    order = here;
                    last = i;
                }
            }
            if (last == leaves.size()) return leaves;
            const Leaf parent = leaves[last];
            const OctreeNode* node = &levels_[parent.depth][parent.index];
            const std::size_t children = node[1].child - node->child;
            if (leaves.size() - 1 + children > std::size_t(n)) return leaves;
            leaves.erase(leaves.begin() + std::ptrdiff_t(last));
            for (std::uint32_t i = node->child; i < node[1].child; ++i) {
                leaves.push_back({parent.depth + 1, i, place(order)});
            }
        }
    }

    Triple mean(const Leaf& leaf) const {
        std::uint32_t begin = leaf.index;
        std::uint32_t end = leaf.index + 1;
        if (leaf.depth < kOctreeDepth) {
            const OctreeNode* node = &levels_[leaf.depth][leaf.index];
            begin = node->color;
            end = node[1].color;
        }
        std::uint64_t sums[3] = {0, 0, 0};
        std::uint64_t count = 0;
        for (std::uint32_t i = begin; i < end; ++i) {
            const Triple& color = pixels_[colors_[i].first];
            for (int k = 0; k < 3; ++k) sums[k] += std::uint64_t(color.c[k]) * colors_[i].count;
            count += colors_[i].count;
        }
        Triple mean;
        for (int k = 0; k < 3; ++k) mean.c[k] = std::uint8_t(sums[k] / count);
        return mean;
    }

    const Triple* pixels_;
    std::vector<DistinctColor> colors_;
    std::vector<OctreeNode> levels_[kOctreeDepth];  // inner nodes, each level with an end mark
};

}  // namespace gm

GM_API int gm_octree(const std::uint8_t* pixels, std::size_t n, int colors, std::uint8_t* palette) {
    if (n == 0 || colors < 1) return 0;
    const int count = std::min(colors, gm::kPaletteSize);
    try {
        const gm::Octree tree(reinterpret_cast<const gm::Triple*>(pixels), n);
        tree.palette(reinterpret_cast<gm::Triple*>(palette), count);
    } catch (const std::bad_alloc&) {
        return -1;
    }
    return count;
}
