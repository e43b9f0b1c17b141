// What a search gives: the k smallest (distance, index) among those offered, whatever the order they come in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace rmodels::RMODELS_ISA {

using Neighbour = std::pair<double, std::int64_t>;

// All points within a radius: query i has counts[i] of them, one query after the other.
struct Found {
    std::vector<std::int64_t> counts;
    std::vector<double> distances;
    std::vector<std::int64_t> indices;

    Found() = default;
    explicit Found(const std::vector<std::vector<Neighbour>> &near) {
        for (const auto &row : near) {
            counts.push_back(std::int64_t(row.size()));
            for (const auto &[distance, index] : row) {
                distances.push_back(distance);
                indices.push_back(index);
            }
        }
    }
};

class Best {
public:
    void start(std::size_t k) {
        k_ = k;
        heap_.clear();
        heap_.reserve(k);
    }

    bool full() const { return heap_.size() == k_; }
    double worst() const { return heap_.front().first; }

    void offer(Neighbour candidate) {
        if (heap_.size() < k_) {
            heap_.push_back(candidate);
            std::push_heap(heap_.begin(), heap_.end());
        } else if (candidate < heap_.front()) {
            std::pop_heap(heap_.begin(), heap_.end());
            heap_.back() = candidate;
            std::push_heap(heap_.begin(), heap_.end());
        }
    }

    // Those that were kept, in any order.
    const std::vector<Neighbour> &kept() const { return heap_; }

    // Those that were kept, in order.
    const std::vector<Neighbour> &sorted() {
        std::sort_heap(heap_.begin(), heap_.end());
        return heap_;
    }

private:
    std::size_t k_ = 0;
    std::vector<Neighbour> heap_;
};

}  // namespace rmodels::RMODELS_ISA
