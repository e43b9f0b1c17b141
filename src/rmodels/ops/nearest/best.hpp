// The k smallest (distance, index) among those offered, whatever the order they come in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace rmodels::RMODELS_ISA {

using Neighbour = std::pair<double, std::int64_t>;

class Best {
public:
    explicit Best(std::size_t k) : k_(k) { heap_.reserve(k); }

    void clear() { heap_.clear(); }

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

    // Writes them in order and forgets them.
    void take(double *distances, std::int64_t *indices) {
        std::sort_heap(heap_.begin(), heap_.end());
        for (std::size_t i = 0; i < heap_.size(); i++) {
            distances[i] = heap_[i].first;
            indices[i] = heap_[i].second;
        }
        heap_.clear();
    }

private:
    std::size_t k_;
    std::vector<Neighbour> heap_;
};

}  // namespace rmodels::RMODELS_ISA
