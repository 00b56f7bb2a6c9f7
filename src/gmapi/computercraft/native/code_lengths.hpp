// Lengths of Huffman codes, with the tie-breaking of 32vid's reference; see the formats document,
// section 5.7.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace gm::entropy {

constexpr int kMostSymbols = 32;
constexpr int kLongestCode = 15;  // lengths are stored in four bits
constexpr int kTallTree = 14;     // trees higher than this are joined last

struct Tree {
    std::uint64_t weight;
    int height;
    int node;
};

inline bool below(const Tree& a, const Tree& b) {
    if (a.height > kTallTree) return true;
    if (b.height > kTallTree) return false;
    return a.weight >= b.weight;
}

// A binary heap whose order among equal weights is part of the format's reference.
class Heap {
public:
    void push(const Tree& tree) { rise(size_++, tree); }

    Tree pop() {
        const Tree root = trees_[0];
        const Tree moved = trees_[--size_];
        int hole = 0;
        while (2 * hole + 1 < size_) {
            int child = 2 * hole + 2;
            if (child == size_ || below(trees_[child], trees_[child - 1])) --child;
            trees_[hole] = trees_[child];
            hole = child;
        }
        rise(hole, moved);
        return root;
    }

    int size() const { return size_; }

private:
    void rise(int hole, const Tree& tree) {
        while (hole > 0 && below(trees_[(hole - 1) / 2], tree)) {
            trees_[hole] = trees_[(hole - 1) / 2];
            hole = (hole - 1) / 2;
        }
        trees_[hole] = tree;
    }

    Tree trees_[kMostSymbols + 1];
    int size_ = 0;
};

// What both coders know of an alphabet: how often each symbol comes and the length of its code.
struct Alphabet {
    int symbols = 0;
    std::uint64_t weights[kMostSymbols] = {};
    int lengths[kMostSymbols] = {};
    int longest = 0;
    int distinct = 0;
    std::uint8_t only = 0;   // the symbol, if there is no second one
    std::uint64_t bits = 0;  // of all codes together

    Alphabet(const std::uint8_t* text, std::size_t count, int alphabet) : symbols(alphabet) {
        std::uint32_t tables[2][kMostSymbols] = {};
        for (std::size_t i = 0; i < count; ++i) ++tables[i & 1][text[i]];
        for (int s = 0; s < symbols; ++s) {
            weights[s] = std::uint64_t{tables[0][s]} + tables[1][s];
            if (weights[s] != 0) {
                only = static_cast<std::uint8_t>(s);
                ++distinct;
            }
        }
        if (distinct < 2) return;
        std::uint64_t flattened[kMostSymbols];
        std::copy(weights, weights + symbols, flattened);
        measure(flattened);
        while (longest > kLongestCode) {
            for (std::uint64_t& weight : flattened) weight = (weight + 1) / 2;
            measure(flattened);
        }
        for (int s = 0; s < symbols; ++s) {
            bits += weights[s] * static_cast<std::uint64_t>(lengths[s]);
        }
    }

private:
    void measure(const std::uint64_t* used) {
        int parents[2 * kMostSymbols] = {};
        Heap heap;
        for (int s = 0; s < symbols; ++s) {
            if (used[s] != 0) heap.push({used[s], 1, s});
        }
        int node = kMostSymbols;
        while (heap.size() > 1) {
            const Tree left = heap.pop();
            const Tree right = heap.pop();
            parents[left.node] = parents[right.node] = node;
            heap.push({left.weight + right.weight, std::max(left.height, right.height) + 1, node});
            ++node;
        }
        // A parent has a higher number than its children, so depths are known from above.
        int depths[2 * kMostSymbols] = {};
        for (int n = node - 2; n >= kMostSymbols; --n) depths[n] = depths[parents[n]] + 1;
        longest = 0;
        for (int s = 0; s < symbols; ++s) {
            lengths[s] = used[s] != 0 ? depths[parents[s]] + 1 : 0;
            longest = std::max(longest, lengths[s]);
        }
    }
};

}  // namespace gm::entropy
