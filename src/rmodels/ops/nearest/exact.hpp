// The distances as the operation defines them: float64, every operation rounded on its own, sums in
// the order of the features. Whatever else the engine computes only decides which of these to take.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

namespace rmodels::RMODELS_ISA {

enum class Metric { euclidean, manhattan, chebyshev, minkowski, cosine };

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The training points as the caller holds them: (n, d) row-major, float32 or float64.
struct Points {
    const float *singles;  // one of the two is null
    const double *doubles;
    std::size_t n, d;

    // Calls visit with the typed pointer.
    template <class Visit>
    auto typed(Visit visit) const {
        return singles ? visit(singles) : visit(doubles);
    }
};

// x^p for an integer p by repeated products.
inline double power(double x, int p) {
    double result = x;
    for (int i = 1; i < p; i++) result *= x;
    return result;
}

// The p-th root for an integer p above 2: after scaling to [1, 2^p) by a power of two, the smallest
// float64 whose power is not below the total.
inline double root(double total, int p) {
    if (total == 0 || total == kInfinity) return total;
    int exponent;
    double scaled = std::frexp(total, &exponent);
    const int above = ((exponent - 1) % p + p) % p + 1;
    scaled = std::ldexp(scaled, above);
    double guess = std::pow(scaled, 1.0 / p);
    while (power(guess, p) >= scaled) guess = std::nextafter(guess, 0.0);
    while (power(guess, p) < scaled) guess = std::nextafter(guess, 4.0);
    return std::ldexp(guess, (exponent - above) / p);
}

struct Distance {
    Metric metric;
    double p;
    int whole;  // p if it is an integer up to 16, else 0

    Distance(const std::string &name, double exponent) : metric(Metric::euclidean), p(2), whole(2) {
        if (name == "manhattan" || (name == "minkowski" && exponent == 1)) {
            metric = Metric::manhattan;
            p = whole = 1;
        } else if (name == "chebyshev") {
            metric = Metric::chebyshev;
            p = kInfinity;
            whole = 0;
        } else if (name == "cosine") {
            metric = Metric::cosine;
        } else if (name == "minkowski" && exponent != 2) {
            metric = Metric::minkowski;
            p = exponent;
            whole = p >= 1 && p <= 16 && p == std::floor(p) ? int(p) : 0;
        }
    }

    // Distances of q to `count` rows of the points.
    void distances(const Points &X, const std::uint32_t *rows, std::size_t count, const double *q, double *out) const {
        X.typed([&](auto *x) {
            switch (metric) {
                case Metric::euclidean:
                    return each(
                        x, X.d, rows, count, q, out, [](double sum, double gap) { return sum + gap * gap; },
                        [](double sum) { return std::sqrt(sum); });
                case Metric::cosine:
                    return each(
                        x, X.d, rows, count, q, out, [](double sum, double gap) { return sum + gap * gap; },
                        [](double sum) { return 0.5 * sum; });
                case Metric::manhattan:
                    return each(
                        x, X.d, rows, count, q, out, [](double sum, double gap) { return sum + std::fabs(gap); },
                        [](double sum) { return sum; });
                case Metric::chebyshev:
                    return each(
                        x, X.d, rows, count, q, out,
                        [](double sum, double gap) { return std::max(sum, std::fabs(gap)); },
                        [](double sum) { return sum; });
                case Metric::minkowski:
                    if (whole)
                        return each(
                            x, X.d, rows, count, q, out,
                            [this](double sum, double gap) { return sum + power(std::fabs(gap), whole); },
                            [this](double sum) { return root(sum, whole); });
                    return each(
                        x, X.d, rows, count, q, out,
                        [this](double sum, double gap) { return sum + std::pow(std::fabs(gap), p); },
                        [this](double sum) { return std::pow(sum, 1 / p); });
            }
        });
    }

private:
    // Rows at a time: their sums are independent, so that the latency of one hides the others'.
    template <class Real, class Add, class Finish>
    static void each(const Real *X, std::size_t d, const std::uint32_t *rows, std::size_t count, const double *q,
                     double *out, Add add, Finish finish) {
        std::size_t i = 0;
        auto together = [&]<std::size_t Rows>() {  // the last row stands for those that are not there
            const Real *x[Rows];
            double sum[Rows] = {};
            for (std::size_t j = 0; j < Rows; j++) x[j] = X + rows[std::min(i + j, count - 1)] * d;
            for (std::size_t f = 0; f < d; f++) {
#pragma GCC unroll 8
                for (std::size_t j = 0; j < Rows; j++) sum[j] = add(sum[j], double(x[j][f]) - q[f]);
            }
            for (std::size_t j = 0; j < std::min(Rows, count - i); j++) out[i + j] = finish(sum[j]);
            i += Rows;
        };
        while (i + 4 < count) together.template operator()<8>();
        while (i < count) together.template operator()<4>();
    }
};

}  // namespace rmodels::RMODELS_ISA
