// What is known of the distances of rows to centres that have moved since, as far as they have moved in all.
//
// The distance u of a row to its own centre c has grown by at most Σ drift_c since it was measured, and the distance l
// to the nearest other has shrunk by at most Σ max of the others' drifts. With A_c the sum of both over all
// iterations so far, l − u + A_c is kept as it was at the time: while it is above A_c of today, l > u. So rows at rest
// cost a comparison, and nothing is written. l itself is kept the same way, as l + Σ max drift.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {

constexpr double kOut = 0x1p-22;  // by which float32 bounds are rounded outwards

inline float rounded_up(double x) { return float(x * (1 + kOut) + 0x1p-120); }
inline float rounded_down(double x) { return float(x - std::fabs(x) * kOut - 0x1p-120); }

// Σ (x − m)² to a few roundings, in lanes, while a row is fetched that is read later.
template <class Real>
f64v gap_squares(const Real *x, std::ptrdiff_t stride, const double *m, std::size_t d, const Real *ahead) {
    f64v sum{};
    if (stride == 1) {
        std::size_t j = 0;
        for (; j + kF64 <= d; j += kF64) {
            __builtin_prefetch(ahead + j, 0, 2);
            const f64v gap = load_f64(x + j) - load<f64v>(m + j);
            sum = fma(gap, gap, sum);
        }
        if (j < d) {
            const f64v gap = load_first(x + j, int(d - j)) - load_first(m + j, int(d - j));
            sum = fma(gap, gap, sum);
        }
        return sum;
    }
    for (std::size_t j = 0; j < d; j++) {
        const double gap = double(x[std::ptrdiff_t(j) * stride]) - m[j];
        sum[0] += gap * gap;
    }
    return sum;
}

// Sums of how far centres have moved, in the units of the bounds.
class Drifts {
public:
    explicit Drifts(std::size_t count) : limits_(count), bases_(count), rests_(count) { forget(); }

    void forget() {
        own_.assign(limits_.size(), 0);
        others_ = before_ = own_;
        publish();
    }

    // Takes up how far each centre has moved; returns whether the sums leave float32 digits for the bounds.
    bool add(const std::vector<double> &drift) {
        double most = 0, next = 0;
        for (const double each : drift) {
            next = std::max(next, std::min(most, each));
            most = std::max(most, each);
        }
        before_ = others_;
        for (std::size_t c = 0; c < drift.size(); c++) {
            own_[c] += drift[c];
            others_[c] += drift[c] == most ? next : most;
        }
        publish();
        return std::all_of(others_.begin(), others_.end(), [](double sum) { return sum < kMost; });
    }

    // What margins are compared with, rounded up: (centres,).
    const float *limits() const { return limits_.data(); }
    // What is added to a margin and to a lower bound, rounded down.
    const float *bases() const { return bases_.data(); }
    const float *rests() const { return rests_.data(); }

    // The same without rounding, for a row whose own centre is c; the last also as it was before the last move.
    double base(std::int32_t c) const { return own_[std::size_t(c)] + others_[std::size_t(c)]; }
    double rest(std::int32_t c) const { return others_[std::size_t(c)]; }
    double rest_before(std::int32_t c) const { return before_[std::size_t(c)]; }

private:
    static constexpr double kMost = 256;  // centres are about 1 apart

    void publish() {
        for (std::size_t c = 0; c < own_.size(); c++) {
            limits_[c] = rounded_up(own_[c] + others_[c]);
            bases_[c] = rounded_down(own_[c] + others_[c]);
            rests_[c] = rounded_down(others_[c]);
        }
    }

    std::vector<double> own_, others_, before_;
    std::vector<float> limits_, bases_, rests_;
};

}  // namespace rmodels::RMODELS_ISA
