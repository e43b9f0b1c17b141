// Gradient of the squared error of linear predictions, and descent along it.
#pragma once

#include <cstddef>

#include "native/strided.hpp"

namespace rmodels::RMODELS_ISA {

// z = [x − shift, 1] has the residuals r = z·coefficients − y. weights.data and shift may be null.
struct Regression {
    Strided X, Y, weights;
    const double *shift;
};

// Adds Σ w z r to slope (columns + 1, targets) and Σ w r² to squares (targets).
void add_gradient(const Regression &data, const double *coefficients, int threads, double *slope, double *squares);

struct Descending {
    double learning_rate;
    double weight;  // Σ w
    bool fit_intercept;
    std::size_t steps;
};

// Takes steps from coefficients (columns + 1, targets); writes squares (steps, targets), each row
// before its step.
void descend(const Regression &data, const Descending &how, int threads, double *coefficients, double *squares);

}  // namespace rmodels::RMODELS_ISA
