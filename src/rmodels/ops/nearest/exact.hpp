// The distances as the operation defines them: float64, every operation rounded on its own, sums in
// the order of the features. Whatever else the engine computes only decides which of these to take.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "native/vectors.hpp"

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
template <class Value>
inline Value power(Value x, int p) {
    Value result = x;
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
        const auto squared = [](f64v sum, f64v gap) { return sum + gap * gap; };
        X.typed([&](auto *x) {
            for (std::size_t i = 0; i < count; i++) __builtin_prefetch(x + rows[i] * X.d);
            switch (metric) {
                case Metric::euclidean:
                    return add_up(x, X.d, rows, count, q, out, squared, [](f64v sum) { return square_root(sum); });
                case Metric::cosine:
                    return add_up(x, X.d, rows, count, q, out, squared, [](f64v sum) { return 0.5 * sum; });
                case Metric::manhattan:
                    return add_up(
                        x, X.d, rows, count, q, out, [](f64v sum, f64v gap) { return sum + magnitude(gap); },
                        [](f64v sum) { return sum; });
                case Metric::chebyshev:
                    return add_up(
                        x, X.d, rows, count, q, out, [](f64v sum, f64v gap) { return larger(sum, magnitude(gap)); },
                        [](f64v sum) { return sum; });
                case Metric::minkowski:
                    if (!whole) return add_powers(x, X.d, rows, count, q, out);
                    add_up(
                        x, X.d, rows, count, q, out,
                        [this](f64v sum, f64v gap) { return sum + power(magnitude(gap), whole); },
                        [](f64v sum) { return sum; });
                    for (std::size_t i = 0; i < count; i++) out[i] = root(out[i], whole);
            }
        });
    }

    // Makes distances of sums of |gap|^p or of maxima, up to a whole vector.
    void take_roots(double *sums, std::size_t count) const {
        if (metric == Metric::euclidean)
            for (std::size_t i = 0; i < count; i += kF64) store(sums + i, square_root(load<f64v>(sums + i)));
        if (metric == Metric::minkowski)
            for (std::size_t i = 0; i < count; i++) sums[i] = root(sums[i], whole);
    }

private:
    // Rows at a time, a lane each: their sums are independent, so that the latency of one hides the others'.
    template <class Real, class Add, class Finish>
    static void add_up(const Real *X, std::size_t d, const std::uint32_t *rows, std::size_t count, const double *q,
                       double *out, Add add, Finish finish) {
        constexpr std::size_t kRows = 8, kVectors = kRows / kF64;
        for (std::size_t i = 0; i < count; i += kRows) {
            const Real *x[kRows];  // the last row stands for those that are not there
            for (std::size_t j = 0; j < kRows; j++) x[j] = X + rows[std::min(i + j, count - 1)] * d;
            f64v sum[kVectors] = {};
            const auto take = [&](std::size_t c, int features, auto load_row) {
                for (std::size_t v = 0; v < kVectors; v++) {
                    f64v values[kF64];
#pragma GCC unroll 8
                    for (int j = 0; j < kF64; j++) values[j] = load_row(x[v * kF64 + j] + c);
                    transpose(values);
#pragma GCC unroll 8
                    for (int f = 0; f < kF64; f++)
                        if (f < features) sum[v] = add(sum[v], values[f] - broadcast(q[c + f]));
                }
            };
            std::size_t c = 0;
            for (; c + kF64 <= d; c += kF64) take(c, kF64, [](const Real *at) { return load_f64(at); });
            if (const int rest = int(d - c)) take(c, rest, [rest](const Real *at) { return load_first(at, rest); });
            for (std::size_t v = 0; v < kVectors; v++) {
                const std::size_t first = i + v * kF64;
                if (first < count)
                    store_first(out + first, finish(sum[v]), int(std::min<std::size_t>(kF64, count - first)));
            }
        }
    }

    template <class Real>
    void add_powers(const Real *X, std::size_t d, const std::uint32_t *rows, std::size_t count, const double *q,
                    double *out) const {
        for (std::size_t i = 0; i < count; i++) {
            double sum = 0;
            for (std::size_t f = 0; f < d; f++) sum += std::pow(std::fabs(double(X[rows[i] * d + f]) - q[f]), p);
            out[i] = std::pow(sum, 1 / p);
        }
    }
};

}  // namespace rmodels::RMODELS_ISA
