// Accumulators: float64. Bytes: 16 n d for each step. Multiply-adds: 2 n d for each step, not fused.
// Tolerance: that of sums of n float64 terms in some fixed order.
#include "two_passes.hpp"

#include <algorithm>
#include <vector>

#include "native/interrupts.hpp"
#include "native/threads.hpp"
#include "row.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kParts = 64;  // that the rows are cut in, each with a slope of its own

}  // namespace

void descend_in_two_passes(const double *x, const double *y, std::size_t n, std::size_t d, double learning_rate,
                           std::size_t steps, int threads, bool wide, double *coefficients) {
    const auto dot = wide ? dot_wide : dot_scalar;
    const auto add = wide ? add_wide : add_scalar;
    const std::size_t rows = (n + kParts - 1) / kParts;
    std::vector<double> residuals(n), slopes(kParts * (d + 1));
    for (std::size_t step = 0; step < steps; step++) {
        answer_interrupts();
        parallel_for(kParts, threads, [&](std::size_t part, int) {
            for (std::size_t i = part * rows; i < std::min(n, (part + 1) * rows); i++)
                residuals[i] = dot(x + i * d, coefficients, d) + coefficients[d] - y[i];
        });
        parallel_for(kParts, threads, [&](std::size_t part, int) {
            double *slope = slopes.data() + part * (d + 1);
            std::fill(slope, slope + d + 1, 0.0);
            for (std::size_t i = part * rows; i < std::min(n, (part + 1) * rows); i++) {
                add(x + i * d, residuals[i], d, slope);
                slope[d] += residuals[i];
            }
        });
        for (std::size_t j = 0; j <= d; j++) {
            double slope = 0;
            for (std::size_t part = 0; part < kParts; part++) slope += slopes[part * (d + 1) + j];
            coefficients[j] -= learning_rate * (slope / double(n));
        }
    }
}

}  // namespace rmodels::RMODELS_ISA
