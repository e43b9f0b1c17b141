// A row times coefficients, and a row added to them: with and without vector registers.
#pragma once

#include <cstddef>

#include "native/vectors.hpp"

#if defined(__clang__)
#define RMODELS_SCALAR
#define RMODELS_SCALAR_LOOP _Pragma("clang loop vectorize(disable) interleave(disable)")
#else
#define RMODELS_SCALAR __attribute__((optimize("no-tree-vectorize")))
#define RMODELS_SCALAR_LOOP
#endif

namespace rmodels::RMODELS_ISA {

RMODELS_SCALAR inline double dot_scalar(const double *x, const double *w, std::size_t d) {
    double sum = 0;
    RMODELS_SCALAR_LOOP
    for (std::size_t j = 0; j < d; j++) sum += x[j] * w[j];
    return sum;
}

RMODELS_SCALAR inline void add_scalar(const double *x, double factor, std::size_t d, double *sums) {
    RMODELS_SCALAR_LOOP
    for (std::size_t j = 0; j < d; j++) sums[j] += factor * x[j];
}

inline double dot_wide(const double *x, const double *w, std::size_t d) {
    f64v lanes{};
    std::size_t j = 0;
    for (; j + kF64 <= d; j += kF64) lanes += load<f64v>(x + j) * load<f64v>(w + j);
    double sum = 0;
    for (int lane = 0; lane < kF64; lane++) sum += lanes[lane];
    for (; j < d; j++) sum += x[j] * w[j];
    return sum;
}

inline void add_wide(const double *x, double factor, std::size_t d, double *sums) {
    std::size_t j = 0;
    for (; j + kF64 <= d; j += kF64) store(sums + j, load<f64v>(sums + j) + broadcast(factor) * load<f64v>(x + j));
    for (; j < d; j++) sums[j] += factor * x[j];
}

}  // namespace rmodels::RMODELS_ISA
