// What one query has found so far: the points whose scores leave open whether they belong to the
// answer, and, of those that had to be looked at exactly, the answer among them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "ops/nearest/best.hpp"
#include "ops/nearest/bounds.hpp"
#include "ops/nearest/exact.hpp"
#include "ops/nearest/ranks.hpp"

namespace rmodels::RMODELS_ISA {

// The index a query searches, as far as a collector needs it.
struct Searched {
    Points X;
    Distance distance;
    Bounds bounds;
    std::vector<std::uint32_t> rows;   // position in the groups -> row of X
    std::vector<std::uint32_t> zeros;  // cosine: rows of zeros, in no group, at distance 1 from all
};

// The k nearest, or all points up to a radius.
struct Wanted {
    std::size_t k;  // 0: all up to the radius
    double radius;
};

class Collector {
public:
    // Floats of memory that a search needs, and of what searches of one thread share.
    static std::size_t memory(Wanted wanted) { return 3 * room(wanted); }
    static std::size_t shared_memory(Wanted wanted) { return room(wanted); }

    void start(const Searched &index, Wanted wanted, const double *query, const QuerySize &size, float *limit,
               float *box_limit, float *candidates, float *scratch) {
        index_ = &index;
        wanted_ = wanted;
        query_ = query;
        size_ = size;
        limit_ = limit;
        box_limit_ = box_limit;
        full_ = full(wanted);
        resolved_ = false;
        count_ = 0;
        scores_ = candidates;
        highs_ = scores_ + room(wanted);
        positions_ = highs_ + room(wanted);
        scratch_ = scratch;
        near_.clear();
        best_.start(wanted.k);
        reach_ = kInfinity;
        *limit_ = *box_limit_ = std::numeric_limits<float>::infinity();
        if (wanted.k == 0) narrow(index.bounds.reach(wanted.radius));
    }

    // Takes in the points [first, first + count) by position; slack: how much their scores may be too low.
    void collect(const float *scores, std::uint32_t first, std::size_t count, float slack) {
        if (wanted_.k && reach_ == kInfinity && wanted_.k <= kFew && count >= kBins)
            narrow(index_->bounds.reach_of_score(size_, kth_least_minimum<kBins>(scores, count, wanted_.k) + slack));
        const f32v limit = broadcast(*limit_), raise = broadcast(slack);
        std::size_t kept = count_;
        for (std::size_t i = 0; i < count; i += kF32) {
            const f32v score = load<f32v>(scores + i);
            const unsigned near = at_most(score, limit) & first_bits(count - i);
            if (kSelects || near) kept = keep(kept, near, score, score + raise, lane_numbers() + int(first + i));
        }
        count_ = kept;
        if (count_ >= full_) tighten();
    }

    // Takes in points from the position `first` on before any others, the limit being that of all their scores,
    // which are raised by the slack of each group.
    void seed(const float *scores, std::uint32_t first, std::size_t count, const float *slack) {
        const std::size_t groups = (count + kGroup - 1) / kGroup;
        if (wanted_.k && wanted_.k <= kManyBins / 2 && count >= 2 * kManyBins) {
            f32v least[kGroup / kF32];
            for (f32v &bin : least) bin = broadcast(std::numeric_limits<float>::infinity());
            for (std::size_t g = 0; g < groups; g++)
                for (std::size_t v = 0; v < kGroup / kF32; v++)
                    least[v] = smaller(least[v], load<f32v>(scores + g * kGroup + v * kF32) + broadcast(slack[g]));
            float minima[kManyBins];
            for (std::size_t v = 0; v < kGroup / kF32; v++) store(minima + v * kF32, least[v]);
            const float high = wanted_.k <= kFew ? kth_least_minimum<kBins>(minima, kManyBins, wanted_.k)
                                                 : kth_least(minima, kManyBins, wanted_.k, scratch_);
            narrow(index_->bounds.reach_of_score(size_, high));
        }
        for (std::size_t g = 0; g < groups; g++) {
            f32v least = load<f32v>(scores + g * kGroup);
            for (std::size_t v = 1; v < kGroup / kF32; v++)
                least = smaller(least, load<f32v>(scores + g * kGroup + v * kF32));
            if (at_most(least, broadcast(*limit_)) == 0) continue;
            collect(scores + g * kGroup, first + std::uint32_t(g * kGroup), std::min(kGroup, count - g * kGroup),
                    slack[g]);
        }
    }

    // Lets what has been found so far narrow the limits.
    void tighten() {
        if (wanted_.k && !resolved_) {
            if (count_ < wanted_.k || (count_ == wanted_.k && reach_ < kInfinity)) return;
            filter();
            if (count_ <= full_ - 8) return;
        }
        resolve();
        resolved_ = true;
    }

    // Compares with the points [first, last) by position: for queries that scores say nothing about.
    void scan(std::size_t first, std::size_t last) {
        for (; first < last; first += kGroup) offer(&index_->rows[first], std::min(kGroup, last - first));
    }

    // The answer, in order; valid until the next start. `zeros`: whether with the rows of zeros.
    const std::vector<Neighbour> &finish(bool zeros) {
        if (count_ > wanted_.k && !resolved_ && wanted_.k) filter();
        if (wanted_.k && !resolved_ && count_ <= kRanked && count_ >= wanted_.k && !(zeros && index_->zeros.size()))
            return sort();
        resolve();
        if (wanted_.k) {
            for (std::size_t i = 0; zeros && i < std::min(wanted_.k, index_->zeros.size()); i++)
                best_.offer({1.0, index_->zeros[i]});
            return best_.sorted();
        }
        if (zeros && wanted_.radius >= 1)
            for (const std::uint32_t row : index_->zeros) near_.push_back({1.0, row});
        std::sort(near_.begin(), near_.end());
        return near_;
    }

private:
    static constexpr std::size_t kBins = 16, kFew = kBins / 2;
    static constexpr std::size_t kManyBins = kGroup;

    static std::size_t full(Wanted wanted) { return wanted.k + 16 + wanted.k / 2; }
    static std::size_t room(Wanted wanted) { return full(wanted) + kGroup + kF32; }

    void narrow(double reach) {
        if (!(reach < reach_)) return;
        reach_ = reach;
        *limit_ = index_->bounds.limit(size_, reach);
        *box_limit_ = index_->bounds.box_limit(size_, reach);
    }

    // A score that at least k candidates do not exceed when raised; the least such score unless k is small.
    float kth_high() {
        if (wanted_.k <= kFew && count_ >= kBins) return kth_least_minimum<kBins>(highs_, count_, wanted_.k);
        return kth_least(highs_, count_, wanted_.k, scratch_);
    }

    // Drops what the k-th best score rules out.
    void filter() {
        narrow(index_->bounds.reach_of_score(size_, kth_high()));
        const f32v limit = broadcast(*limit_);
        std::size_t kept = 0;
        for (std::size_t i = 0; i < count_; i += kF32) {
            const f32v score = load<f32v>(scores_ + i), high = load<f32v>(highs_ + i);
            const i32v position = load<i32v>(positions_ + i);
            kept = keep(kept, at_most(score, limit) & first_bits(count_ - i), score, high, position);
        }
        count_ = kept;
    }

    // Puts the candidates whose bits are set behind `kept` others, those that were read; returns how many are there.
    std::size_t keep(std::size_t kept, unsigned lanes, f32v score, f32v high, i32v position) {
        store_selected(scores_ + kept, score, lanes);
        store_selected(highs_ + kept, high, lanes);
        store_selected(positions_ + kept, position, lanes);
        return kept + std::size_t(std::popcount(lanes));
    }

    // The answer, from candidates that are all that is known.
    const std::vector<Neighbour> &sort() {
        std::uint32_t rows[kRanked];
        double distances[kRanked + kF64];
        for (std::size_t i = 0; i < count_; i++) rows[i] = index_->rows[std::bit_cast<std::uint32_t>(positions_[i])];
        index_->distance.distances(index_->X, rows, count_, query_, distances);
        sort_neighbours(distances, rows, count_, near_);
        near_.resize(wanted_.k);
        return near_;
    }

    // Replaces all candidates by their distances.
    void resolve() {
        std::uint32_t rows[kGroup];
        for (std::size_t first = 0; first < count_; first += kGroup) {
            const std::size_t count = std::min(kGroup, count_ - first);
            for (std::size_t j = 0; j < count; j++)
                rows[j] = index_->rows[std::bit_cast<std::uint32_t>(positions_[first + j])];
            offer(rows, count);
        }
        count_ = 0;
        if (wanted_.k && best_.full()) narrow(index_->bounds.reach(best_.worst()));
    }

    void offer(const std::uint32_t *rows, std::size_t count) {
        double distances[kGroup];
        index_->distance.distances(index_->X, rows, count, query_, distances);
        for (std::size_t j = 0; j < count; j++) {
            if (wanted_.k)
                best_.offer({distances[j], rows[j]});
            else if (distances[j] <= wanted_.radius)
                near_.push_back({distances[j], rows[j]});
        }
    }

    const Searched *index_;
    Wanted wanted_;
    const double *query_;
    QuerySize size_;
    float *limit_, *box_limit_;
    std::size_t full_;        // candidates at which to tighten
    double reach_;            // no point truly farther than this, scaled, matters
    bool resolved_;           // whether some distances are in best_ or near_ already
    std::size_t count_;       // of candidates, which are:
    float *scores_, *highs_;  // the scores, and raised by their slack
    float *positions_;        // their bits
    float *scratch_;
    std::vector<Neighbour> near_;
    Best best_;
};

}  // namespace rmodels::RMODELS_ISA
