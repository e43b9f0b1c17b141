// Steps of several rows that are made together. One after the other, each row's prediction waits for the step before
// it, a dot product and an addition long. Here what w predicts of all of them is found first, and the products of the
// rows with each other; then a step changes the predictions after it by a number times its slope.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "native/functions.hpp"
#include "native/vectors.hpp"
#include "ops/ordered/rows.hpp"
#include "ops/ordered/rule.hpp"

namespace rmodels::RMODELS_ISA {

constexpr int kTogether = 4;

// Up to how many columns steps are made together. Beyond, products of the rows cost more than what waiting for sums
// does: where vectors are short, and where most rows need no step at all.
constexpr std::size_t most_in_blocks(Loss loss) {
    const bool always_steps = loss == Loss::kLogLoss || loss == Loss::kSquaredError || loss == Loss::kHuber;
    if (!always_steps) return 4 * kF64;
    return kF64 == 8 ? std::numeric_limits<std::size_t>::max() : 16 * kF64;
}

constexpr int kSums = 16;  // with w, squares and pairs of these; two are not used

// Rows that wait for their steps.
struct Block {
    const double *x[kTogether];
    double y[kTogether], weights[kTogether];
    int count = 0;
};

// Where sums over the columns are among all: of a row and w; of its squares; of it and a row before it.
constexpr int with_w(int row) { return row; }
constexpr int with_itself(int row) { return kTogether + row; }
constexpr int with_row(int row, int before) { return 2 * kTogether + row * (row - 1) / 2 + before; }

// The sums.
struct Products {
    alignas(64) double all[kSums];

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

// Where a walk is; or where several are, one in each lane.
template <class V>
struct Course {
    V scale, intercept, squares;  // w is scale times a vector; Σ of the squares of that
    V loss, norms;                // sums over the rows seen, of what was lost and of ‖w‖²
};

// Finds what each row of a block is multiplied by in its step; or returns false and does nothing if numbers are so
// large or small that steps have to be made one by one. The squares of w are left to who makes the steps.
template <Loss kLoss, class V>
[[gnu::always_inline]] inline bool find_factors(const Rule &rule, const V *sums, const V *y, const V *weights,
                                                const double *eta, const double *shrinkages, double least_scale,
                                                Course<V> &course, V *factors) {
    constexpr bool kAlone = sizeof(V) == sizeof(double);
    constexpr bool kOfGap = kLoss >= Loss::kSquaredError;  // and not of the prediction
    const V decay = spread<V>(rule.fit_intercept ? rule.intercept_decay : 0.0);
    // What coefficients and intercept give are kept apart: where steps of the intercept cancel, the former is all.
    V scales[kTogether + 1] = {course.scale}, inverse[kTogether], moves[kTogether], given[kTogether], rest[kTogether];
#pragma GCC unroll 4
    for (int r = 0; r < kTogether; r++) {
        scales[r + 1] = scales[r] * spread<V>(shrinkages[r]);
        inverse[r] = spread<V>(1.0) / scales[r + 1];
        moves[r] = spread<V>(-eta[r]) * weights[r];
        given[r] = sums[with_w(r)] * scales[r];
        rest[r] = kOfGap ? course.intercept - y[r] : course.intercept;
    }
    V effects[kTogether][kTogether], total = scales[kTogether], least = sums[with_itself(0)];
#pragma GCC unroll 4
    for (int r = 0; r < kTogether; r++) {
        total += sums[with_itself(r)];
        least = sums[with_itself(r)] < least ? sums[with_itself(r)] : least;
#pragma GCC unroll 4
        for (int j = 0; j < r; j++) {
            effects[r][j] = moves[j] * (sums[with_row(r, j)] * (scales[r] * inverse[j]));
            total += effects[r][j];
        }
    }
    constexpr double kMost = std::numeric_limits<double>::max(), kLeast = 0x1p-700;  // products have all digits
    if constexpr (kAlone) {
        if (!(scales[kTogether] >= least_scale && std::fabs(total) <= kMost && least >= kLeast)) [[unlikely]]
            return false;
    } else {
        constexpr unsigned kAll = (1u << kF64) - 1;
        if ((at_most(broadcast(least_scale), scales[kTogether]) & at_most(magnitude(total), broadcast(kMost)) &
             at_most(broadcast(kLeast), least)) != kAll)
            return false;
    }

    V slopes[kTogether], exponentials[kTogether], seen[kTogether];
#pragma GCC unroll 4
    for (int r = 0; r < kTogether; r++) {
        seen[r] = given[r] + rest[r];
        if constexpr (kAlone) {
            exponentials[r] = kLoss == Loss::kLogLoss ? exp_of_negative(-std::fabs(seen[r])) : 0.0;
            slopes[r] = limited(slope_of(kLoss, rule.edge, kOfGap ? 0.0 : y[r], seen[r], exponentials[r]));
        } else {
            static_assert(kLoss == Loss::kLogLoss, "whose slopes are worth it, and at most 1");
            exponentials[r] = exp_of_negative(-magnitude(seen[r]));
            slopes[r] = log_slope(y[r], seen[r], exponentials[r]);
        }
#pragma GCC unroll 4
        for (int later = r + 1; later < kTogether; later++) {
            given[later] = fma(slopes[r], effects[later][r], given[later]);
            rest[later] = fma(slopes[r], moves[r] * decay, rest[later]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kTogether; r++) {
        factors[r] = slopes[r] * (moves[r] * inverse[r]);
        course.intercept += slopes[r] * (moves[r] * decay);
    }
    if (rule.penalty) {
        V squares = course.squares;
#pragma GCC unroll 4
        for (int r = 0; r < kTogether; r++) {
            course.norms += squares * (scales[r] * scales[r]);
            V product = sums[with_w(r)];
#pragma GCC unroll 4
            for (int j = 0; j < r; j++) product = fma(factors[j], sums[with_row(r, j)], product);
            squares = fma(factors[r], fma(factors[r], sums[with_itself(r)], product + product), squares);
        }
    }
    if constexpr (kLoss == Loss::kLogLoss && kAlone) {
        double logarithms[kTogether];
        for (int r = 0; r < kTogether; r += kF64) {
            constexpr int kCount = std::min(kF64, kTogether);
            store_first(logarithms + r, log1p_of_fraction(load_first(exponentials + r, kCount)), kCount);
        }
        for (int r = 0; r < kTogether; r++) course.loss += log_loss_before_logarithm(y[r], seen[r]) + logarithms[r];
    } else {
#pragma GCC unroll 4
        for (int r = 0; r < kTogether; r++) {
            if constexpr (kAlone)
                course.loss += value_of(kLoss, rule.edge, kOfGap ? 0.0 : y[r], seen[r], 0.0);
            else
                course.loss += log_loss_before_logarithm(y[r], seen[r]) + log1p_of_fraction(exponentials[r]);
        }
    }
    course.scale = scales[kTogether];
    return true;
}

constexpr int kRates = 64;  // of steps that are known ahead

// Rates of some steps that are known ahead, and what these shrink coefficients by.
class Rates {
public:
    // Has those of at least kTogether steps from t on be known.
    void know(const Rule &rule, double t, double constant) {
        if (at_ < kRates) return;
        rule.find_rates(t, constant, kRates, eta_);
        for (int k = 0; k < kRates; k++) shrinkages_[k] = rule.shrinks() ? rule.shrinkage(eta_[k]) : 1.0;
        at_ = 0;
    }
    void pass(int steps) { at_ += steps; }
    const double *now() const { return eta_ + at_; }
    const double *shrinkages() const { return shrinkages_ + at_; }

private:
    static_assert(kRates % kTogether == 0);
    double eta_[kRates], shrinkages_[kRates];
    int at_ = kRates;
};

}  // namespace rmodels::RMODELS_ISA
