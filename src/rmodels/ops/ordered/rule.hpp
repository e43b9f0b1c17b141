// What a step of stochastic gradient descent does.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

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

struct Gap {
    double loss, slope;  // and its derivative by the prediction
};

inline double square(double x) { return x * x; }

// log(1 + eᵖ)
inline double softplus(double p) { return p > 0 ? p + std::log1p(std::exp(-p)) : std::log1p(std::exp(p)); }

[[gnu::always_inline]] inline Gap lose(Loss loss, double edge, double y, double p) {
    const double margin = p * y, gap = p - y, size = std::fabs(gap);
    switch (loss) {
        case Loss::kHinge:
            return margin <= edge ? Gap{edge - margin, -y} : Gap{0, 0};
        case Loss::kSquaredHinge: {
            const double left = std::max(0.0, edge - margin);
            return {left * left, -2 * y * left};
        }
        case Loss::kModifiedHuber: {
            const double left = std::max(0.0, 1 - margin);
            return margin >= -1 ? Gap{left * left, -2 * y * left} : Gap{-4 * margin, -4 * y};
        }
        case Loss::kLogLoss: {
            const double e = std::exp(-std::fabs(p));  // of p or of −p, whichever is below 0
            const double value = std::max(p, 0.0) + std::log1p(e) - y * p;
            if (p >= 0) return {value, ((1 - y) - y * e) / (1 + e)};
            if (p > -37) return {value, ((1 - y) * e - y) / (e + 1)};
            return {value, e - y};
        }
        case Loss::kSquaredError:
            return {0.5 * gap * gap, gap};
        case Loss::kHuber:
            return size <= edge ? Gap{0.5 * gap * gap, gap} : Gap{edge * (size - 0.5 * edge), std::copysign(edge, gap)};
        case Loss::kEpsilonInsensitive:
            return size > edge ? Gap{size - edge, std::copysign(1.0, gap)} : Gap{0, 0};
        case Loss::kSquaredEpsilonInsensitive:
            return size > edge ? Gap{square(size - edge), std::copysign(2 * (size - edge), gap)} : Gap{0, 0};
    }
    return {0, 0};
}

}  // namespace rmodels::RMODELS_ISA
