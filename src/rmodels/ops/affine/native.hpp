// Linear predictions.
#pragma once

#include <cstddef>

#include "native/strided.hpp"

namespace rmodels::RMODELS_ISA {

// Coefficients (targets, columns), and intercepts (targets).
struct Affine {
    const double *coefficients, *intercepts;
    std::size_t targets;
};

// Writes Σ_j w_tj x_j + b_t of each row of X and each target to found (rows, targets).
void predict_affine(const Strided &X, const Affine &map, double *found, int threads);

}  // namespace rmodels::RMODELS_ISA
