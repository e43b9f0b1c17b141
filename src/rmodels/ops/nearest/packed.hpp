// A copy of the points in groups of 64, centred, scaled and rounded, for screening.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/aligned.hpp"
#include "ops/nearest/exact.hpp"
#include "ops/nearest/tile.hpp"

namespace rmodels::RMODELS_ISA {

using Floats = Uninitialised<float>;

// Scaled value of feature c: (x * before - centre[c]) * after, with powers of two that keep both steps
// from overflowing: magnitudes end at 1 or below, unless all are subnormal.
struct Frame {
    std::vector<double> centre;
    double before, after;
    int exponent;    // before * after = 2^exponent
    double largest;  // magnitude of the scaled points

    double place(double x, std::size_t c) const { return (x * before - centre[c]) * after; }
};

// The centre is the mean, so that the norms are small; in a constant column it is that constant.
Frame make_frame(const Points &X, int threads);

// Copies 64 rows, rows[0] to rows[count - 1], into a group, by feature. `blank` fills the rest.
void pack_group(const Points &X, const Frame &frame, const std::uint32_t *rows, std::size_t count, float blank,
                float *group);

// How a vector is rounded to 16-bit integers.
struct Rounded {
    double scale;   // integers = scaled values * scale
    double square;  // |x'|^2
    double lost;    // |x' - integers / scale|
};

// Largest scale at which a vector of this norm and largest magnitude has integers of norm below 2^15.5.
double pairs_scale(double norm, double largest, std::size_t d);

// Rounds d values to (d + 1) / 2 pairs.
Rounded round_to_pairs(const double *scaled, std::size_t d, double scale, std::int16_t *pairs);

// Copies 64 rows into a group of ((d + 1) / 2, 64) pairs, at one scale, which is returned. Fills squares and lost
// as in Rounded.
double pack_pairs(const Points &X, const Frame &frame, const std::uint32_t *rows, std::size_t count, float *group,
                  double *squares, double *lost);

}  // namespace rmodels::RMODELS_ISA
