// Steps of several rows that are made together. One after the other, each row's prediction waits for the step before
// it, a dot product and an addition long. Here what w predicts of all of them is found first, and the products of the
// rows with each other; then a step changes the predictions after it by a number times its slope.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>

#include "native/vectors.hpp"
#include "ops/ordered/rows.hpp"
#include "ops/ordered/rule.hpp"

namespace rmodels::RMODELS_ISA {

constexpr int kTogether = 4;
// Products of the rows cost more than what waiting for sums does where vectors are short and rows are long.
constexpr std::size_t kMostInBlocks = kF64 == 8 ? std::numeric_limits<std::size_t>::max() : 16 * kF64;
constexpr int kSums = 16;  // with w, squares and pairs of these; two are not used

// Rows that wait for their steps.
struct Block {
    const double *x[kTogether];
    double y[kTogether], weights[kTogether];
    int count = 0;
};

// Sums over the columns.
struct Products {
    alignas(64) double all[kSums];

    double with_w(int row) const { return all[row]; }
    double squares(int row) const { return all[kTogether + row]; }
    // Of a row and one before it.
    double of(int row, int before) const { return all[2 * kTogether + row * (row - 1) / 2 + before]; }

    [[gnu::always_inline]] Products(const double *const *x, const double *w, std::size_t columns) {
        constexpr bool kAtOnce = kF64 == 8;  // else there are too few registers
        f64v sums[kSums];
#pragma GCC unroll 16
        for (f64v &sum : sums) sum = f64v{};
        std::size_t i = 0;
        for (; i + kF64 <= columns; i += kF64) add<true, kAtOnce>(x, w, i, kF64, sums);
        if (i < columns) add<true, kAtOnce>(x, w, i, int(columns - i), sums);
        if constexpr (!kAtOnce) {
            for (i = 0; i + kF64 <= columns; i += kF64) add<false, true>(x, w, i, kF64, sums);
            if (i < columns) add<false, true>(x, w, i, int(columns - i), sums);
        }
#pragma GCC unroll 16
        for (int k = 0; k < kSums; k += kF64) store(all + k, lane_sums(sums + k));
    }

private:
    // Adds the products of `count` columns, up to a vector of them.
    template <bool kSingles, bool kPairs>
    [[gnu::always_inline]] static void add(const double *const *x, const double *w, std::size_t i, int count,
                                           f64v *sums) {
        f64v values[kTogether];
#pragma GCC unroll 16
        for (int row = 0; row < kTogether; row++)
            values[row] = count == kF64 ? load<f64v>(x[row] + i) : load_first(x[row] + i, count);
        if constexpr (kSingles) {
            const f64v coefficients = load<f64v>(w + i);
#pragma GCC unroll 16
            for (int row = 0; row < kTogether; row++) {
                sums[row] = fma(values[row], coefficients, sums[row]);
                sums[kTogether + row] = fma(values[row], values[row], sums[kTogether + row]);
            }
        }
        if constexpr (kPairs)
#pragma GCC unroll 16
            for (int row = 1, k = 2 * kTogether; row < kTogether; row++)
#pragma GCC unroll 16
                for (int before = 0; before < row; before++, k++) sums[k] = fma(values[row], values[before], sums[k]);
    }
};

// Adds factors[row] x[row] to `count` coefficients, up to a vector; returns what they are then.
[[gnu::always_inline]] inline f64v add_rows(double *w, const double *const *x, const f64v *factors, std::size_t i,
                                            int count) {
    f64v after = load<f64v>(w + i);
#pragma GCC unroll 16
    for (int row = 0; row < kTogether; row++)
        after = fma(count == kF64 ? load<f64v>(x[row] + i) : load_first(x[row] + i, count), factors[row], after);
    store(w + i, after);
    return after;
}

// w += Σ factors[row] x[row]; returns Σ w².
[[gnu::always_inline]] inline double add_rows(double *w, const double *const *x, const double *factors,
                                              std::size_t columns) {
    f64v wide[kTogether], squares = {};
#pragma GCC unroll 16
    for (int row = 0; row < kTogether; row++) wide[row] = broadcast(factors[row]);
    std::size_t i = 0;
    for (; i + kF64 <= columns; i += kF64) {
        const f64v after = add_rows(w, x, wide, i, kF64);
        squares = fma(after, after, squares);
    }
    if (i < columns) {
        const f64v after = add_rows(w, x, wide, i, int(columns - i));
        squares = fma(after, after, squares);
    }
    return sum_of(squares);
}

}  // namespace rmodels::RMODELS_ISA
