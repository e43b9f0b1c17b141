// Gradient descent as a textbook writes it: the step of the ladder before the passes are fused.
#pragma once

#include <cstddef>

namespace rmodels::RMODELS_ISA {

// Takes `steps` steps of full-batch gradient descent for the rows x (n, d) and targets y (n). Each
// reads the rows twice: once for the residuals, once for the slope. coefficients (d + 1): those to
// start from, the intercept last. `wide` uses vector registers.
void descend_in_two_passes(const double *x, const double *y, std::size_t n, std::size_t d, double learning_rate,
                           std::size_t steps, int threads, bool wide, double *coefficients);

}  // namespace rmodels::RMODELS_ISA
