// Products of vectors of float64.
#pragma once

#include <cstddef>

#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {

inline double dot(const double *a, const double *b, std::size_t count) {
    f64v sums[4] = {};
    std::size_t i = 0;
    for (; i + 4 * kF64 <= count; i += 4 * kF64)
        for (int k = 0; k < 4; k++) sums[k] = fma(load_f64(a + i + k * kF64), load_f64(b + i + k * kF64), sums[k]);
    for (; i + kF64 <= count; i += kF64) sums[0] = fma(load_f64(a + i), load_f64(b + i), sums[0]);
    if (i < count) {
        const int left = int(count - i);
        sums[1] = fma(load_first(a + i, left), load_first(b + i, left), sums[1]);
    }
    const f64v total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    double sum = 0;
    for (int lane = 0; lane < kF64; lane++) sum += total[lane];
    return sum;
}

// to −= factor · from
inline void subtract(double *to, const double *from, double factor, std::size_t count) {
    const f64v f = broadcast(-factor);
    std::size_t i = 0;
    for (; i + kF64 <= count; i += kF64) store(to + i, fma(f, load_f64(from + i), load_f64(to + i)));
    if (i < count) {
        const int left = int(count - i);
        store_first(to + i, fma(f, load_first(from + i, left), load_first(to + i, left)), left);
    }
}

}  // namespace rmodels::RMODELS_ISA
