// Gradient of half the squared error, and the descent along it.
#pragma once

#include <cstddef>

#include "native/strided.hpp"

namespace rmodels::RMODELS_ISA {

// Adds to gradient (columns + 1, targets) Σ w z r and to losses (targets) ½ Σ w r², with
// z = [x − shift, 1] and r = z·coefficients − y; returns Σ w. shift may be null.
double add_gradient(const Strided &X, const Strided &Y, const Strided &weights, const double *shift,
                    const double *coefficients, int threads, double *gradient, double *losses);

}  // namespace rmodels::RMODELS_ISA
