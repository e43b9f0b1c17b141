// Which points belong together: sets that any thread joins, each known by its least point.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace rmodels::RMODELS_ISA {

class Union {
public:
    explicit Union(std::size_t n) : above_(std::make_unique<std::atomic<std::uint32_t>[]>(n)) {
        for (std::size_t i = 0; i < n; i++) above_[i].store(std::uint32_t(i), std::memory_order_relaxed);
    }

    // The least point of a set, or of one that has been joined to another since. Halves the way to it.
    std::uint32_t find(std::uint32_t point) const {
        for (;;) {
            std::uint32_t next = above_[point].load(std::memory_order_relaxed);
            if (next == point) return point;
            const std::uint32_t far = above_[next].load(std::memory_order_relaxed);
            if (far != next) above_[point].compare_exchange_weak(next, far, std::memory_order_relaxed);
            point = far;
        }
    }

    void join(std::uint32_t a, std::uint32_t b) {
        for (;;) {
            a = find(a);
            b = find(b);
            if (a == b) return;
            if (a < b) std::swap(a, b);
            std::uint32_t root = a;
            if (above_[a].compare_exchange_strong(root, b, std::memory_order_relaxed)) return;
        }
    }

private:
    std::unique_ptr<std::atomic<std::uint32_t>[]> above_;
};

}  // namespace rmodels::RMODELS_ISA
