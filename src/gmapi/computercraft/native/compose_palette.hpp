// The palette of `best` pictures: weighted k-means in OKLab that goes on from the frame before.
//
// Colours count by less than their area and more by their chroma, so that a small badge or a face
// is not lost to large grey areas. A slot that others could replace moves to colours that are
// served badly; on a warm palette only for a clear gain, so that slots stay what they are.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "oklab.hpp"

namespace gm::best {

// What a picture consists of: groups of near-equal colours.
struct Colors {
    std::vector<float> l, a, b, weight;
    std::size_t count = 0;

    Lab at(std::size_t i) const { return {l[i], a[i], b[i]}; }
};

// Which of the 16 centres is nearest to each colour, and how far the two nearest are (squared).
struct Nearest {
    std::vector<float> first, second;
    std::vector<std::int32_t> slot;
};

GM_CLONES inline void find_nearest(const float* l, const float* a, const float* b, std::size_t n,
                                   const Lab* centers, float* first, float* second,
                                   std::int32_t* slot) {
    constexpr int kLanes = 16;
    for (std::size_t start = 0; start < n; start += kLanes) {
        const float *pl = l + start, *pa = a + start, *pb = b + start;
        float near[kLanes], next[kLanes];
        std::int32_t at[kLanes];
        for (int i = 0; i < kLanes; ++i) near[i] = next[i] = 1e9f, at[i] = 0;
        for (int c = 0; c < kPaletteSize; ++c) {
            const float cl = centers[c].l, ca = centers[c].a, cb = centers[c].b;
            for (int i = 0; i < kLanes; ++i) {
                const float dl = pl[i] - cl, da = pa[i] - ca, db = pb[i] - cb;
                const float d = dl * dl + da * da + db * db;
                const bool nearer = d < near[i];
                const float beaten = nearer ? near[i] : d;
                next[i] = beaten < next[i] ? beaten : next[i];
                at[i] = nearer ? c : at[i];
                near[i] = nearer ? d : near[i];
            }
        }
        for (int i = 0; i < kLanes; ++i) {
            first[start + i] = near[i];
            second[start + i] = next[i];
            slot[start + i] = at[i];
        }
    }
}

// Groups pixels by OKLab: 64 levels of lightness, 32 of each chroma axis; exact means per group.
class ColorCounter {
public:
    static constexpr int kCoarse = 16 * 8 * 8;

    ColorCounter() : sums_(std::size_t{1} << 16), coarse_(kCoarse), before_(kCoarse) {}

    void clear() {
        for (const std::uint32_t bin : used_) sums_[bin] = {};
        used_.clear();
        before_.swap(coarse_);
        std::fill(coarse_.begin(), coarse_.end(), 0);
        total_ = 0;
    }

    static constexpr int kGroup = 16;

    // The first n of 16 pixels.
    void add(const float* l, const float* a, const float* b, int n) {
        std::int32_t bins[kGroup];
        for (int i = 0; i < kGroup; ++i) {
            const auto bl = static_cast<std::int32_t>(least(greatest(l[i] * 64, 0), 63));
            const auto ba = static_cast<std::int32_t>(least(greatest((a[i] + .26f) * 55, 0), 31));
            const auto bb = static_cast<std::int32_t>(least(greatest((b[i] + .34f) * 55, 0), 31));
            bins[i] = bl << 10 | ba << 5 | bb;
        }
        for (int i = 0; i < n; ++i) {
            const auto bin = static_cast<std::uint32_t>(bins[i]);
            Sum& sum = sums_[bin];
            if (sum.count == 0) used_.push_back(bin);
            sum.count += 1;
            sum.l += l[i];
            sum.a += a[i];
            sum.b += b[i];
        }
        total_ += n;
    }

    // Fills the groups, padded with weightless ones to a multiple of 16.
    void finish(Colors& colors, float chroma_bonus, float dark_share, float stretch,
                float skin_bonus) {
        const std::size_t padded = (used_.size() + 15) / 16 * 16;
        for (auto* plane : {&colors.l, &colors.a, &colors.b, &colors.weight})
            plane->assign(padded, 0.0f);
        colors.count = used_.size();
        for (std::size_t i = 0; i < used_.size(); ++i) {
            const Sum& sum = sums_[used_[i]];
            coarse_[(used_[i] >> 12) << 6 | (used_[i] >> 7 & 7) << 3 | (used_[i] >> 2 & 7)] +=
                static_cast<std::int32_t>(sum.count);
            const float l = sum.l / sum.count, a = sum.a / sum.count, b = sum.b / sum.count;
            const float chroma = std::sqrt(a * a + b * b);
            colors.l[i] = l, colors.a[i] = a * stretch, colors.b[i] = b * stretch;
            const float skin =
                1 / (1 + 1000 * ((a - .03f) * (a - .03f) + (b - .052f) * (b - .052f)));
            colors.weight[i] =
                std::sqrt(sum.count * std::sqrt(sum.count)) * (1 + chroma_bonus * chroma) *
                least(1, dark_share + 2 * (1 - dark_share) * l) * (1 + skin_bonus * skin * skin);
        }
    }

    // Share of pixels that would have to change their coarse colour to give the frame before.
    float change() const {
        std::int64_t moved = 0;
        for (int i = 0; i < kCoarse; ++i) moved += std::abs(coarse_[i] - before_[i]);
        return total_ == 0 ? 0.0f : static_cast<float>(moved) / (2.0f * total_);
    }

private:
    struct Sum {
        float count = 0, l = 0, a = 0, b = 0;
    };
    std::vector<Sum> sums_;
    std::vector<std::uint32_t> used_;
    std::vector<std::int32_t> coarse_, before_;
    std::int64_t total_ = 0;
};

class PaletteSearch {
public:
    Lab centers[kPaletteSize] = {};
    bool locked[kPaletteSize] = {};

    // A new palette from nothing but the locked entries.
    void seed(const Colors& colors) {
        nearest_.first.assign(colors.l.size(), 1e9f);
        Lab chosen[kPaletteSize];
        int free = 0, found = 0;
        for (int c = 0; c < kPaletteSize; ++c) {
            if (locked[c]) {
                take(colors, centers[c]);
            } else {
                ++free;
            }
        }
        while (found < free) {
            std::size_t best = 0;
            float most = 0;
            for (std::size_t i = 0; i < colors.count; ++i) {
                const float d = std::min(nearest_.first[i], 0.1f);
                if (colors.weight[i] * d > most) most = colors.weight[i] * d, best = i;
            }
            if (most < 1e-7f) break;
            chosen[found++] = colors.at(best);
            take(colors, colors.at(best));
        }
        // A picture of few colours leaves room: black and white are of use to what is drawn on it.
        for (int spare = 0; found < free; ++spare)
            chosen[found++] = {spare % 2 ? 1.0f : 0.0f, 0, 0};
        for (int c = 0, next = 0; c < kPaletteSize; ++c)
            if (!locked[c]) centers[c] = chosen[next++];
    }

    // Moves free centres to the means of their colours; true while one moves visibly.
    bool step(const Colors& colors) {
        assign(colors);
        struct {
            float weight, l, a, b;
        } sums[kPaletteSize] = {};
        for (std::size_t i = 0; i < colors.count; ++i) {
            auto& sum = sums[nearest_.slot[i]];
            const float w = colors.weight[i];
            sum.weight += w, sum.l += w * colors.l[i], sum.a += w * colors.a[i];
            sum.b += w * colors.b[i];
        }
        float moved = 0;
        for (int c = 0; c < kPaletteSize; ++c) {
            const auto& sum = sums[c];
            if (locked[c] || sum.weight == 0) continue;
            const Lab mean{sum.l / sum.weight, sum.a / sum.weight, sum.b / sum.weight};
            moved = std::max(moved, distance2(mean, centers[c]));
            centers[c] = mean;
        }
        return moved > 1e-6f;
    }

    // Moves the slot that would be missed least to where it gains most, if the gain is `margin`
    // times the loss. Slots in `keep` stay. Returns the slot or -1.
    int move_one(const Colors& colors, float margin, unsigned keep) {
        assign(colors);
        float loss[kPaletteSize] = {}, worst[kPaletteSize] = {}, total = 0;
        std::size_t candidate[kPaletteSize] = {};
        for (std::size_t i = 0; i < colors.count; ++i) {
            const int c = nearest_.slot[i];
            const float w = colors.weight[i], d = w * nearest_.first[i];
            loss[c] += w * nearest_.second[i] - d;
            total += d;
            if (d > worst[c]) worst[c] = d, candidate[c] = i;
        }
        int from = -1;
        for (int c = 0; c < kPaletteSize; ++c)
            if (!locked[c] && !(keep >> c & 1) && (from < 0 || loss[c] < loss[from])) from = c;
        if (from < 0) return -1;
        float best = 0;
        Lab target{};
        for (int c = 0; c < kPaletteSize; ++c) {
            if (c == from || worst[c] == 0) continue;
            // One step of two-means inside the cluster finds the centre of what would leave it.
            Lab point = colors.at(candidate[c]);
            for (int pass = 0; pass < 2; ++pass) {
                float weight = 0, l = 0, a = 0, b = 0, gain = 0;
                for (std::size_t i = 0; i < colors.count; ++i) {
                    const float better = nearest_.first[i] - distance2(colors.at(i), point);
                    if (better <= 0) continue;
                    const float w = colors.weight[i];
                    weight += w, l += w * colors.l[i], a += w * colors.a[i], b += w * colors.b[i];
                    gain += w * better;
                }
                if (gain > best) best = gain, target = point;
                if (weight == 0) break;
                point = {l / weight, a / weight, b / weight};
            }
        }
        if (best <= margin * loss[from] + (margin - 1) * 0.02f * total) return -1;
        centers[from] = target;
        return from;
    }

private:
    Nearest nearest_;

    void take(const Colors& colors, const Lab& color) {
        for (std::size_t i = 0; i < colors.count; ++i)
            nearest_.first[i] = std::min(nearest_.first[i], distance2(colors.at(i), color));
    }

    void assign(const Colors& colors) {
        const std::size_t n = colors.l.size();
        nearest_.first.resize(n), nearest_.second.resize(n), nearest_.slot.resize(n);
        find_nearest(colors.l.data(), colors.a.data(), colors.b.data(), n, centers,
                     nearest_.first.data(), nearest_.second.data(), nearest_.slot.data());
    }
};

}  // namespace gm::best
