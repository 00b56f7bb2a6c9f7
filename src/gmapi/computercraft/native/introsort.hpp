// Sorting by an 8-bit key with the exact permutation of the introsort in the formats document,
// section 3.3: which of several equal keys comes first decides later cuts.
#pragma once

#include <cstddef>
#include <utility>

#include "common.hpp"
#include "partition.hpp"

namespace gm {

// A part of a list that is still to be sorted; all its keys are between `low` and `high`.
struct Segment {
    Keyed* first;
    Keyed* last;
    int low;
    int high;
    int depth;  // partitions left before heap sort takes over

    std::ptrdiff_t size() const { return last - first; }
};

constexpr std::ptrdiff_t kInsertionSize = 16;

// Twice the depth of a perfectly balanced tree.
inline int depth_budget(std::ptrdiff_t size) {
    int budget = 0;
    for (; size > 1; size >>= 1) budget += 2;
    return budget;
}

inline void insertion_sort(Keyed* first, Keyed* last) {
    for (Keyed* at = first + 1; at < last; ++at) {
        const Keyed moved = *at;
        Keyed* hole = at;
        for (; hole > first && key_of(moved) < key_of(hole[-1]); --hole) *hole = hole[-1];
        *hole = moved;
    }
}

// Puts `value` into the heap of `size` elements whose `hole` is free: down to a leaf along the
// greater children, then up again.
inline void sift(Keyed* heap, std::ptrdiff_t hole, std::ptrdiff_t size, Keyed value) {
    const std::ptrdiff_t top = hole;
    std::ptrdiff_t child = 2 * hole + 2;
    for (; child < size; child = 2 * hole + 2) {
        if (key_of(heap[child]) < key_of(heap[child - 1])) --child;
        heap[hole] = heap[child];
        hole = child;
    }
    if (child == size) {
        heap[hole] = heap[child - 1];
        hole = child - 1;
    }
    while (hole > top) {
        const std::ptrdiff_t parent = (hole - 1) / 2;
        if (key_of(heap[parent]) >= key_of(value)) break;
        heap[hole] = heap[parent];
        hole = parent;
    }
    heap[hole] = value;
}

inline void heap_sort(Keyed* first, Keyed* last) {
    const std::ptrdiff_t size = last - first;
    for (std::ptrdiff_t parent = size / 2; parent-- > 0;) sift(first, parent, size, first[parent]);
    for (std::ptrdiff_t end = size; end-- > 1;) {
        const Keyed value = first[end];
        first[end] = first[0];
        sift(first, 0, end, value);
    }
}

// Moves the median of three elements to the front and returns its key.
inline int choose_pivot(Keyed* first, Keyed* last) {
    Keyed* const a = first + 1;
    Keyed* const b = first + (last - first) / 2;
    Keyed* const c = last - 1;
    const int ka = key_of(*a);
    const int kb = key_of(*b);
    const int kc = key_of(*c);
    Keyed* chosen;
    if (ka < kb) {
        chosen = kb < kc ? b : ka < kc ? c : a;
    } else {
        chosen = ka < kc ? a : kb < kc ? c : b;
    }
    std::swap(*first, *chosen);
    return key_of(*first);
}

// What sorting does to equal keys: the middle comes to the front and the rest is reversed; then
// the same in both halves.
inline void permute_equal(Keyed* first, std::ptrdiff_t size) {
    while (size > kInsertionSize) {
        std::swap(first[0], first[size / 2]);
        Keyed* low = first + 1;
        Keyed* high = first + size - 1;
        for (; low < high; ++low, --high) std::swap(*low, *high);
        const std::ptrdiff_t left = size - size / 2;
        permute_equal(first + left, size - left);
        size = left;
    }
}

// Whether the depth budget lasts until equal keys are in small pieces.
inline bool lasts(int depth, std::ptrdiff_t size) {
    for (; size > kInsertionSize; size -= size / 2) --depth;
    return depth >= 0;
}

// Sorts a segment that needs no further partition; false if it does need one.
inline bool finish(const Segment& segment) {
    const std::ptrdiff_t size = segment.size();
    if (size <= kInsertionSize) {
        if (segment.low < segment.high) insertion_sort(segment.first, segment.last);
        return true;
    }
    if (segment.low == segment.high && lasts(segment.depth, size)) {
        permute_equal(segment.first, size);
        return true;
    }
    if (segment.depth > 0) return false;
    heap_sort(segment.first, segment.last);
    return true;
}

// Sorts [first, last), whose keys are all between `low` and `high`.
inline void introsort(Keyed* first, Keyed* last, int low, int high) {
    Segment waiting[2 * 64];
    int count = 0;
    waiting[count++] = {first, last, low, high, depth_budget(last - first)};
    while (count > 0) {
        Segment segment = waiting[--count];
        while (!finish(segment)) {
            --segment.depth;
            const int pivot = choose_pivot(segment.first, segment.last);
            Keyed* const cut = partition(segment.first + 1, segment.last, pivot);
            waiting[count++] = {cut, segment.last, pivot, segment.high, segment.depth};
            segment.last = cut;
            segment.high = pivot;
        }
    }
}

// As introsort, but only so far that the elements before and after `middle` are the right ones,
// in any order.
inline void introselect(Keyed* first, Keyed* middle, Keyed* last, int low, int high) {
    Segment segment{first, last, low, high, depth_budget(last - first)};
    while (!finish(segment)) {
        --segment.depth;
        const int pivot = choose_pivot(segment.first, segment.last);
        Keyed* const cut = partition(segment.first + 1, segment.last, pivot);
        if (cut == middle) return;
        if (cut < middle) {
            segment.first = cut;
            segment.low = pivot;
        } else {
            segment.last = cut;
            segment.high = pivot;
        }
    }
}

}  // namespace gm
