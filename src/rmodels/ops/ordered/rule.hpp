// What a step of stochastic gradient descent does.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "native/functions.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {

enum class Loss {
    kHinge,
    kSquaredHinge,
    kModifiedHuber,
    kLogLoss,
    kSquaredError,
    kHuber,
    kEpsilonInsensitive,
    kSquaredEpsilonInsensitive
};
enum class Penalty { kNone, kL1, kL2, kElasticNet };
enum class Rate { kConstant, kOptimal, kInverse, kAdaptive, kAggressive1, kAggressive2 };

// As in Python.
struct Rule {
    int loss = 0, penalty = 0, rate = 0;
    double edge = 0, alpha = 0, share = 0, eta0 = 0, power_t = 0, origin = 0;
    double intercept_decay = 1, tol = 0;
    bool fit_intercept = false, one_class = false, shuffle = false, scored = false, pauses = false;
    double average = 0;
    std::int64_t max_iter = 1, n_iter_no_change = 1;

    bool has(Penalty which) const { return penalty == int(which); }
    // Whether a step has nothing but a loss, a rate and at most a squared penalty.
    bool plain() const { return !aggressive() && !draws() && !one_class && average == 0; }
    bool aggressive() const { return rate >= int(Rate::kAggressive1); }
    bool shrinks() const { return has(Penalty::kL2) || has(Penalty::kElasticNet); }
    bool draws() const { return has(Penalty::kL1) || has(Penalty::kElasticNet); }

    // η of some steps from t on, where `constant` is what it is unless it depends on t.
    void find_rates(double t, double constant, int count, double *eta) const {
        if (rate == int(Rate::kOptimal)) {
            for (int k = 0; k < count; k++) eta[k] = 1.0 / (alpha * (origin + (t + k) - 1));
        } else if (rate != int(Rate::kInverse)) {
            std::fill(eta, eta + count, constant);
        } else if (power_t == 0.5) {
            for (int k = 0; k < count; k++) eta[k] = eta0 / std::sqrt(t + k);
        } else if (power_t == 0.25) {
            for (int k = 0; k < count; k++) eta[k] = eta0 / std::sqrt(std::sqrt(t + k));
        } else {
            for (int k = 0; k < count; k++) eta[k] = eta0 / std::pow(t + k, power_t);
        }
    }

    // What a step of rate η multiplies coefficients by.
    double shrinkage(double eta) const { return std::max(0.0, 1.0 - (1.0 - share) * eta * alpha); }
};

inline double square(double x) { return x * x; }

constexpr double kMostSlope = 1e12;

inline double limited(double slope) {
    if (std::fabs(slope) > kMostSlope) [[unlikely]]
        return std::copysign(kMostSlope, slope);
    return slope;
}

// The derivative of the logarithmic loss, with e = exp(−|p|): what can be chosen before e is known is.
[[gnu::always_inline]] inline double log_slope(double y, double p, double e) {
    const double terms[] = {1 - y, -y};
    const bool below = p < 0;
    return fma(terms[!below], e, terms[below]) / (1 + e);
}
[[gnu::always_inline]] inline f64v log_slope(f64v y, f64v p, f64v e) {
    const f64v one = broadcast(1.0), zero{};
    return fma(p < zero ? one - y : -y, e, p < zero ? -y : one - y) / (one + e);
}

// The derivative of a loss by the prediction p, with e as above (of other losses anything). Nothing branches that
// cannot be foreseen.
[[gnu::always_inline]] inline double slope_of(Loss loss, double edge, double y, double p, double e) {
    const double margin = p * y, gap = p - y;
    switch (loss) {
        case Loss::kHinge:
            return margin <= edge ? -y : 0.0;
        case Loss::kSquaredHinge:
            return -2 * y * std::max(0.0, edge - margin);
        case Loss::kModifiedHuber:
            return margin >= -1 ? -2 * y * std::max(0.0, 1 - margin) : -4 * y;
        case Loss::kLogLoss:
            return log_slope(y, p, e);
        case Loss::kSquaredError:
            return gap;
        case Loss::kHuber:
            return std::min(edge, std::max(-edge, gap));
        case Loss::kEpsilonInsensitive:
            return (gap > edge ? 1.0 : 0.0) - (-gap > edge ? 1.0 : 0.0);
        case Loss::kSquaredEpsilonInsensitive:
            return 2 * (std::max(0.0, gap - edge) - std::max(0.0, -gap - edge));
    }
    return 0;
}

// The logarithmic loss but for log(1 + e).
template <class V>
inline V log_loss_before_logarithm(V y, V p) {
    return (p < V{} ? V{} : p) - y * p;
}

[[gnu::always_inline]] inline double value_of(Loss loss, double edge, double y, double p, double e) {
    const double margin = p * y, gap = p - y, size = std::fabs(gap);
    switch (loss) {
        case Loss::kHinge:
            return std::max(0.0, edge - margin);
        case Loss::kSquaredHinge:
            return square(std::max(0.0, edge - margin));
        case Loss::kModifiedHuber:
            return margin >= -1 ? square(std::max(0.0, 1 - margin)) : -4 * margin;
        case Loss::kLogLoss:
            return log_loss_before_logarithm(y, p) + std::log1p(e);
        case Loss::kSquaredError:
            return 0.5 * gap * gap;
        case Loss::kHuber:
            return size <= edge ? 0.5 * gap * gap : edge * (size - 0.5 * edge);
        case Loss::kEpsilonInsensitive:
            return std::max(0.0, size - edge);
        case Loss::kSquaredEpsilonInsensitive:
            return square(std::max(0.0, size - edge));
    }
    return 0;
}

}  // namespace rmodels::RMODELS_ISA
