// What an epoch of steps of the squared error at a constant rate does: an affine map.
#pragma once

#include <cstddef>

#include "ops/ordered/rows.hpp"

namespace rmodels::RMODELS_ISA {

struct AffineStep {
    double eta, alpha;
    double intercept;  // what steps of the intercept are multiplied by; 0: it stays
};

constexpr std::size_t kWidth = 16;  // rows of maps are padded to a multiple of it

// Has each part of so many rows, the last of fewer, be a map of v = (w, intercept, 1) and a form: from rows[k · size]
// on to map[k], of m = columns + 2 rows of `width`, which begins as the identity, and form[k], of as many, which begins
// as zeros. vᵀ form v becomes Σ ½ gap² + ½ α ‖w‖², each before its step, but for the w of v itself; it is not
// symmetric.
void compose(const RowSet<double> &rows, const AffineStep &step, std::size_t size, double *maps, double *forms,
             std::size_t width, int threads);

}  // namespace rmodels::RMODELS_ISA
