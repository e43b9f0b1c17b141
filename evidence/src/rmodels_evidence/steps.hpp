// Stochastic gradient descent as a textbook writes it: the steps of the ladder before the library's.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rmodels::RMODELS_ISA {

// Takes a step for each of the rows x (n, d) and targets y (n), in every epoch in another order: the squared error, the
// penalty ½ alpha ‖w‖², the rate eta0 / t^¼. coefficients (d + 1): those to start from, the intercept last. `wide` uses
// vector registers, `ahead` has so many rows of those to come be fetched.
void descend_by_rows(const double *x, const double *y, std::size_t n, std::size_t d, double eta0, double alpha,
                     std::size_t epochs, std::uint32_t seed, bool wide, std::size_t ahead, double *coefficients);

}  // namespace rmodels::RMODELS_ISA
