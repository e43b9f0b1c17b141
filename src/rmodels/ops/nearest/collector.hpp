// What one query has found so far: the points whose scores leave open whether they belong to the
// answer, and, of those that had to be looked at exactly, the answer among them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "ops/nearest/best.hpp"
#include "ops/nearest/bounds.hpp"
#include "ops/nearest/exact.hpp"

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
    void start(const Searched &index, Wanted wanted, const double *query, const QuerySize &size, float *limit,
               float *box_limit) {
        index_ = &index;
        wanted_ = wanted;
        query_ = query;
        size_ = size;
        limit_ = limit;
        box_limit_ = box_limit;
        full_ = wanted.k + 16 + wanted.k / 2;
        resolved_ = false;
        candidates_.clear();
        near_.clear();
        best_.start(wanted.k);
        reach_ = kInfinity;
        *limit_ = *box_limit_ = std::numeric_limits<float>::infinity();
        if (wanted.k == 0) narrow(index.bounds.reach(wanted.radius));
    }

    // Takes in the points [first, first + count) by position; slack: how much their scores may be too low.
    void collect(const float *scores, std::uint32_t first, std::size_t count, float slack) {
        const float limit = *limit_;
        for (std::size_t j = 0; j < count; j++)
            if (scores[j] <= limit) candidates_.push_back({scores[j] + slack, scores[j], first + std::uint32_t(j)});
        if (candidates_.size() >= full_) tighten();
    }

    // Lets what has been found so far narrow the limits.
    void tighten() {
        if (wanted_.k && !resolved_) {
            if (candidates_.size() < wanted_.k) return;
            filter();
            if (candidates_.size() <= full_ - 8) return;
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
        if (candidates_.size() > wanted_.k && !resolved_ && wanted_.k) filter();
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
    struct Candidate {
        float high;  // the score, raised by its slack
        float score;
        std::uint32_t position;
    };

    void narrow(double reach) {
        if (!(reach < reach_)) return;
        reach_ = reach;
        *limit_ = index_->bounds.limit(size_, reach);
        *box_limit_ = index_->bounds.box_limit(size_, reach);
    }

    // Drops what the k-th best score rules out.
    void filter() {
        highs_.clear();
        for (const Candidate &candidate : candidates_) highs_.push_back(candidate.high);
        std::nth_element(highs_.begin(), highs_.begin() + (wanted_.k - 1), highs_.end());
        narrow(index_->bounds.reach_of_score(size_, highs_[wanted_.k - 1]));
        std::erase_if(candidates_, [limit = *limit_](const Candidate &c) { return !(c.score <= limit); });
    }

    // Replaces all candidates by their distances.
    void resolve() {
        std::uint32_t rows[kGroup];
        for (std::size_t first = 0; first < candidates_.size(); first += kGroup) {
            const std::size_t count = std::min(kGroup, candidates_.size() - first);
            for (std::size_t j = 0; j < count; j++) rows[j] = index_->rows[candidates_[first + j].position];
            offer(rows, count);
        }
        candidates_.clear();
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
    std::size_t full_;  // candidates at which to tighten
    double reach_;      // no point truly farther than this, scaled, matters
    bool resolved_;     // whether some distances are in best_ or near_ already
    std::vector<Candidate> candidates_;
    std::vector<float> highs_;
    std::vector<Neighbour> near_;
    Best best_;
};

}  // namespace rmodels::RMODELS_ISA
