// The k-means palette; formats document, section 3.4.
//
// The reference moves every pixel in each of up to 100 rounds. Here pixels of one colour are one
// point with a weight; points lie in blocks of neighbours, and a block is looked at only when
// centroids have moved so far that one of its points may have another nearest one. Distances are
// estimated in floats; what rounding could decide is decided by the document's formula in doubles.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <vector>

#include "common.hpp"
#include "distinct.hpp"
#include "median_cut.hpp"
#include "nearest_block.hpp"
#include "reorder.hpp"

namespace gm {

class KMeans {
public:
    KMeans(const Triple* pixels, std::size_t n, const Triple* start, int clusters)
        : clusters_(clusters) {
        add_points(pixels, n);
        for (int i = 0; i < clusters; ++i) {
            for (int k = 0; k < 3; ++k) buffers_[0].centroids[i][k] = start[i].c[k];
        }
    }

    void run() {
        assign_all();
        changed_ = true;
        for (int round = 0; round < 100 && changed_ && total_ <= kMostPixels; ++round) {
            fill(buffers_[round & 1], buffers_[(round & 1) ^ 1]);
            result_ = &buffers_[round & 1];
        }
    }

    // The truncated centroids.
    void palette(Triple* out) const {
        for (int i = 0; i < clusters_; ++i) {
            for (int k = 0; k < 3; ++k) out[i].c[k] = std::uint8_t(result_->centroids[i][k]);
        }
    }

private:
    // Sums are exact up to here. Pixels that are counted again and again can become more than any
    // memory could hold one by one.
    static constexpr double kMostPixels = double(std::uint64_t(1) << 44);

    struct Sum {
        double c[3] = {0, 0, 0};
        double weight = 0;
    };
    struct Counted {
        std::uint32_t point;
        double weight;
    };
    struct Move {
        std::uint32_t point;
        std::uint8_t from;
    };
    // One of the two sets of centroids and bags. A bag holds the points assigned to the cluster
    // when the set was filled, and what had been left in it before.
    struct Buffer {
        double centroids[kPaletteSize][3] = {};
        std::vector<Counted> left[kPaletteSize];
    };

    void add_points(const Triple* pixels, std::size_t n) {
        const std::vector<DistinctColor> colors = distinct_colors(pixels, n);
        blocks_.resize((colors.size() + kBlockSize - 1) / kBlockSize);
        const std::size_t size = blocks_.size() * kBlockSize;
        weights_.assign(size, 0);
        assigned_.assign(size, 0);
        for (std::size_t i = 0; i < size; ++i) {
            // The last block is filled up with a point that counts nothing.
            const DistinctColor& color = colors[std::min(i, colors.size() - 1)];
            PointBlock& block = blocks_[i / kBlockSize];
            for (int k = 0; k < 3; ++k) {
                block.c[k][i % kBlockSize] = pixels[color.first].c[k];
            }
            if (i < colors.size()) weights_[i] = color.count;
        }
        for (PointBlock& block : blocks_) block.bound();
        total_ = double(n);
    }

    // Step 1 and 2: the first buffer's bags, and its means as the second buffer's centroids.
    void assign_all() {
        nearest_.set(buffers_[0].centroids, clusters_);
        for (std::size_t b = 0; b < blocks_.size(); ++b) {
            nearest_.assign(blocks_[b], &assigned_[b * kBlockSize], 0);
        }
        for (std::size_t i = 0; i < assigned_.size(); ++i) {
            count(sums_[assigned_[i]], std::uint32_t(i), weights_[i]);
        }
        for (int i = 0; i < clusters_; ++i) set_mean(buffers_[1].centroids[i], sums_[i]);
    }

    // One round of step 3: `to` takes all points of `from`, whose bags are emptied after that.
    void fill(Buffer& from, Buffer& to) {
        changed_ = false;
        count_left_again(from);
        move_points(from, to);
        for (int i = 0; i < clusters_; ++i) {
            Sum sum = sums_[i];
            for (const Counted& left : to.left[i]) count(sum, left.point, left.weight);
            if (sum.weight == 0) {
                keep_bag(from, i);
                continue;
            }
            set_mean(from.centroids[i], sum);
            from.left[i].clear();
            for (int k = 0; k < 3; ++k) {
                if (int(from.centroids[i][k]) != int(to.centroids[i][k])) changed_ = true;
            }
        }
    }

    // Points that were left in a bag go on as additional ones of the same colour.
    void count_left_again(const Buffer& from) {
        recounted_ = false;
        for (const std::vector<Counted>& bag : from.left) {
            if (!bag.empty() && !recounted_) {
                weights_before_ = weights_;
                recounted_ = true;
            }
            for (const Counted& left : bag) {
                weights_[left.point] += left.weight;
                total_ += left.weight;
                count(sums_[assigned_[left.point]], left.point, left.weight);
            }
        }
    }

    // The bag of an empty cluster stays as it was before the round: what was assigned to it has
    // moved away in this round.
    void keep_bag(Buffer& from, int cluster) {
        const std::vector<double>& weights = recounted_ ? weights_before_ : weights_;
        for (const Move& move : moves_) {
            if (move.from == cluster) {
                from.left[cluster].push_back({move.point, weights[move.point]});
            }
        }
    }

    void move_points(const Buffer& from, const Buffer& to) {
        moves_.clear();
        nearest_.set(to.centroids, clusters_);
        drift_ += largest_drift(from, to);
        std::uint8_t now[kBlockSize];
        for (std::size_t b = 0; b < blocks_.size(); ++b) {
            if (blocks_[b].certain_until > drift_) continue;
            std::uint8_t* const assigned = &assigned_[b * kBlockSize];
            nearest_.assign(blocks_[b], now, drift_);
            if (std::memcmp(now, assigned, kBlockSize) == 0) continue;
            for (int i = 0; i < kBlockSize; ++i) {
                if (now[i] == assigned[i]) continue;
                const auto point = std::uint32_t(b * kBlockSize + std::size_t(i));
                moves_.push_back({point, assigned[i]});
                count(sums_[assigned[i]], point, -weights_[point]);
                count(sums_[now[i]], point, weights_[point]);
                assigned[i] = now[i];
            }
        }
    }

    // By how much the distances to any two centroids can have drawn nearer to each other.
    double largest_drift(const Buffer& from, const Buffer& to) const {
        double first = 0;
        double second = 0;
        for (int i = 0; i < clusters_; ++i) {
            const double moved = euclidean(from.centroids[i], to.centroids[i]);
            second = std::max(second, std::min(first, moved));
            first = std::max(first, moved);
        }
        return first + second;
    }

    void count(Sum& sum, std::uint32_t point, double weight) const {
        const PointBlock& block = blocks_[point / kBlockSize];
        for (int k = 0; k < 3; ++k) sum.c[k] += weight * block.c[k][point % kBlockSize];
        sum.weight += weight;
    }

    static void set_mean(double* centroid, const Sum& sum) {
        for (int k = 0; k < 3; ++k) centroid[k] = sum.weight == 0 ? 0 : sum.c[k] / sum.weight;
    }

    int clusters_;
    std::vector<PointBlock> blocks_;
    std::vector<double> weights_;         // how often each point is in the bags of one buffer
    std::vector<double> weights_before_;  // the round
    std::vector<std::uint8_t> assigned_;
    Sum sums_[kPaletteSize];  // of the points assigned
    std::vector<Move> moves_;
    Buffer buffers_[2];
    const Buffer* result_ = nullptr;
    NearestCentroid nearest_;
    double drift_ = 0;
    double total_ = 0;
    bool recounted_ = false;
    bool changed_ = false;
};

inline int kmeans(const Triple* pixels, std::size_t n, int colors, Triple* palette) {
    const int found = median_cut(pixels, n, palette);
    if (found < colors) return found;
    KMeans clusters(pixels, n, palette, colors);
    clusters.run();
    clusters.palette(palette);
    return std::min(reorder(palette, colors, true), colors);
}

}  // namespace gm

GM_API int gm_kmeans(const std::uint8_t* pixels, std::size_t n, int colors, std::uint8_t* palette) {
    if (n == 0 || colors < 1) return 0;
    const int count = std::min(colors, gm::kPaletteSize);
    try {
        return gm::kmeans(reinterpret_cast<const gm::Triple*>(pixels), n, count,
                          reinterpret_cast<gm::Triple*>(palette));
    } catch (const std::bad_alloc&) {
        return -1;
    }
}
