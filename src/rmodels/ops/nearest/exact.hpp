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

// x^p for an integer p by repeated products.
inline double power(double x, int p) {
    double result = x;
    for (int i = 1; i < p; i++) result *= x;
    return result;
}

// The p-th root for an integer p above 2: after scaling to [1, 2^p) by a power of two, the smallest
// float64 whose power is not below the total.
inline double root(double total, int p) {
    if (total == 0 || total == std::numeric_limits<double>::infinity()) return total;
    int exponent;
    double scaled = std::frexp(total, &exponent);
    const int above = ((exponent - 1) % p + p) % p + 1;  // scaled * 2^above is in [2^(above-1), 2^above)
    scaled = std::ldexp(scaled, above);
    double guess = std::pow(scaled, 1.0 / p);
    while (power(guess, p) >= scaled) guess = std::nextafter(guess, 0.0);
    while (power(guess, p) < scaled) guess = std::nextafter(guess, 4.0);
    return std::ldexp(guess, (exponent - above) / p);
}

// A metric, and the steps of its distances: total = fold over the features of term(|x_c - q_c|), and
// from the total what is reported.
struct Distance {
    Metric metric;
    double p;
    int whole;  // p if it is an integer up to 16, else 0

    Distance(const std::string &name, double exponent) : metric(Metric::euclidean), p(exponent), whole(0) {
        if (p >= 1 && p <= 16 && p == std::floor(p)) whole = int(p);
        if (name == "manhattan" || (name == "minkowski" && whole == 1))
            metric = Metric::manhattan;
        else if (name == "chebyshev")
            metric = Metric::chebyshev;
        else if (name == "cosine")
            metric = Metric::cosine;
        else if (name == "minkowski" && whole != 2)
            metric = Metric::minkowski;
    }

    template <class Real>
    double total(const Real *x, const double *q, std::size_t d) const {
        double sum = 0;
        switch (metric) {
            case Metric::euclidean:
            case Metric::cosine:
                for (std::size_t c = 0; c < d; c++) {
                    const double gap = double(x[c]) - q[c];
                    sum += gap * gap;
                }
                break;
            case Metric::manhattan:
                for (std::size_t c = 0; c < d; c++) sum += std::fabs(double(x[c]) - q[c]);
                break;
            case Metric::chebyshev:
                for (std::size_t c = 0; c < d; c++) sum = std::max(sum, std::fabs(double(x[c]) - q[c]));
                break;
            case Metric::minkowski:
                for (std::size_t c = 0; c < d; c++) {
                    const double gap = std::fabs(double(x[c]) - q[c]);
                    sum += whole ? power(gap, whole) : std::pow(gap, p);
                }
                break;
        }
        return sum;
    }

    double reported(double total) const {
        switch (metric) {
            case Metric::euclidean:
                return std::sqrt(total);
            case Metric::cosine:
                return 0.5 * total;
            case Metric::minkowski:
                return whole ? root(total, whole) : std::pow(total, 1 / p);
            default:
                return total;
        }
    }
};

}  // namespace rmodels::RMODELS_ISA
