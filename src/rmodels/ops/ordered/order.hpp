// The order in which rows are met.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace rmodels::RMODELS_ISA {

// Fisher and Yates, from the front, one place at a time, by a xorshift generator. What places will be exchanged with is
// known ahead, and fetched.
class Order {
public:
    // Begins the next epoch: what was shuffled before is shuffled again.
    void begin(std::size_t count, std::uint32_t seed) {
        if (rows_.empty()) {
            rows_.resize(count);
            for (std::size_t i = 0; i < count; i++) rows_[i] = std::uint32_t(i);
        }
        state_ = seed ? seed : 1;
        drawn_ = 0;
        for (std::uint32_t i = 0; i < kKnown; i++) know(i, state_);
    }

    // Has at least the first `count` places be drawn.
    void draw(std::size_t count) {
        if (count <= drawn_) return;
        const std::size_t last = std::min(count + kKnown, rows_.size());
        std::uint32_t *const rows = rows_.data(), state = state_;
        for (std::size_t place = drawn_; place < last; place++) {
            std::swap(rows[place], rows[others_[place % kKnown]]);
            know(place + kKnown, state);
        }
        drawn_ = last;
        state_ = state;
    }

    std::size_t operator[](std::size_t place) const { return rows_[place]; }

private:
    static constexpr std::size_t kKnown = 32;

    // Draws what a place is exchanged with; the last one with itself.
    [[gnu::always_inline]] void know(std::size_t place, std::uint32_t &state) {
        const std::uint32_t n = std::uint32_t(rows_.size());
        std::uint32_t other = std::uint32_t(place);
        if (other >= n) return;
        if (other + 1 < n) {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            other += (state & 0x7fffffffu) % (n - other);
        }
        __builtin_prefetch(rows_.data() + other, 1);
        others_[place % kKnown] = other;
    }

    std::vector<std::uint32_t> rows_;
    std::uint32_t others_[kKnown] = {};
    std::uint32_t state_ = 1;
    std::size_t drawn_ = 0;
};

}  // namespace rmodels::RMODELS_ISA
