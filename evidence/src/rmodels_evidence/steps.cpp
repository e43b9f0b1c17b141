// Accumulators: float64. Bytes: 8 n d for each epoch, of rows in no order. Multiply-adds: 3 n d, not fused.
// Tolerance: a rounding of each coefficient at each step, which later steps shrink.
#include "steps.hpp"

#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "native/interrupts.hpp"
#include "row.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kAsked = 1 << 14;  // steps between two looks for an interrupt

// By Fisher and Yates, from the front, with a xorshift generator.
void shuffle(std::vector<std::uint32_t> &order, std::uint32_t seed) {
    const std::uint32_t n = std::uint32_t(order.size());
    std::uint32_t state = seed ? seed : 1;
    for (std::uint32_t i = 0; i + 1 < n; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        std::swap(order[i], order[i + (state & 0x7fffffffu) % (n - i)]);
    }
}

}  // namespace

void descend_by_rows(const double *x, const double *y, std::size_t n, std::size_t d, double eta0, double alpha,
                     std::size_t epochs, std::uint32_t seed, bool wide, std::size_t ahead, double *coefficients) {
    const auto dot = wide ? dot_wide : dot_scalar;
    const auto add = wide ? add_wide : add_scalar;
    std::vector<std::uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    double t = 1;
    for (std::size_t epoch = 0; epoch < epochs; epoch++) {
        shuffle(order, seed);
        for (std::size_t i = 0; i < n; i++, t++) {
            if (i % kAsked == 0) answer_interrupts();
            if (ahead && i + ahead < n) {
                const double *next = x + order[i + ahead] * d;
                for (std::size_t j = 0; j < d; j += 8) __builtin_prefetch(next + j);
                __builtin_prefetch(y + order[i + ahead]);
            }
            const double *row = x + order[i] * d;
            const double eta = eta0 / std::sqrt(std::sqrt(t));
            const double step = eta * (y[order[i]] - dot(row, coefficients, d) - coefficients[d]);
            add(coefficients, -eta * alpha, d, coefficients);
            add(row, step, d, coefficients);
            coefficients[d] += step;
        }
    }
}

}  // namespace rmodels::RMODELS_ISA
