// The few directions in which a tree looks at points: the features themselves, those that vary most, or,
// for Euclidean distances, the leading principal axes of a sample.
#pragma once

#include <cstddef>
#include <vector>

#include "ops/nearest/packed.hpp"

namespace rmodels::RMODELS_ISA {

constexpr std::size_t kAxes = 16;  // at most this many

class Axes {
public:
    Axes() = default;
    // rotate: whether directions other than the features' may be taken
    Axes(const Points &X, const Frame &frame, const std::vector<std::uint32_t> &rows, bool rotate);

    std::size_t count() const { return count_; }

    // Coordinates of a scaled point. No distance between two of them exceeds that of the points, but for
    // rounding to float32.
    void project(const double *scaled, float *out) const {
        if (matrix_.empty()) {
            for (std::size_t a = 0; a < count_; a++) out[a] = float(scaled[features_[a]]);
            return;
        }
        double sum[kAxes] = {};
        for (std::size_t c = 0; c < d_; c++)
            for (std::size_t a = 0; a < kAxes; a++) sum[a] += scaled[c] * matrix_[c * kAxes + a];
        for (std::size_t a = 0; a < count_; a++) out[a] = float(sum[a]);
    }

private:
    std::size_t d_ = 0, count_ = 0;
    std::vector<std::size_t> features_;  // taken as they are, if there is no matrix
    std::vector<double> matrix_;         // (d, kAxes), of norm at most 1
};

}  // namespace rmodels::RMODELS_ISA
