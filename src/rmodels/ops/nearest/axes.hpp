// The few directions in which a tree looks at points: the features themselves, those that vary most, or,
// for Euclidean distances, the leading principal axes of a sample.
#pragma once

#include <cstddef>
#include <vector>

#include "ops/nearest/packed.hpp"

namespace rmodels::RMODELS_ISA {

constexpr std::size_t kAxes = 16;   // at most this many
constexpr std::size_t kDirect = 8;  // features up to which all are taken
constexpr int kAxisVectors = int(kAxes) / kF64;

struct AxisValues {  // one for each of kAxes
    f64v vectors[kAxisVectors];
};

// The product of a row of d values and a matrix of (d, kAxes).
inline AxisValues on_axes(const double *row, const double *matrix, std::size_t d) {
    constexpr int kChains = kF64 / 2;  // sums that do not wait for each other, as many as fit in the registers
    f64v sum[kChains][kAxisVectors] = {};
    auto add = [&](std::size_t c, int chain) {
        const f64v value = broadcast(row[c]);
#pragma GCC unroll 8
        for (int v = 0; v < kAxisVectors; v++)
            sum[chain][v] = fma(value, load<f64v>(matrix + c * kAxes + v * kF64), sum[chain][v]);
    };
    std::size_t c = 0;
    for (; c + kChains <= d; c += kChains) {
#pragma GCC unroll 4
        for (int chain = 0; chain < kChains; chain++) add(c + std::size_t(chain), chain);
    }
    for (; c < d; c++) add(c, 0);
    AxisValues found;
    for (int v = 0; v < kAxisVectors; v++) {
        found.vectors[v] = sum[0][v];
        for (int chain = 1; chain < kChains; chain++) found.vectors[v] += sum[chain][v];
    }
    return found;
}

class Axes {
public:
    Axes() = default;
    // rotate: whether directions other than the features' may be taken
    Axes(const Points &X, const Frame &frame, const std::vector<std::uint32_t> &rows, bool rotate);

    std::size_t count() const { return count_; }
    bool are_features() const { return count_ == d_ && matrix_.empty() && d_ <= kDirect; }  // all, in their order

    // Coordinates of a scaled point. No distance between two of them exceeds that of the points, but for
    // rounding to float32.
    void project(const double *scaled, float *out) const {
        if (matrix_.empty()) {
            for (std::size_t a = 0; a < count_; a++) out[a] = float(scaled[features_[a]]);
            return;
        }
        const AxisValues sum = on_axes(scaled, matrix_.data(), d_);
        double values[kAxes];
        for (int v = 0; v < kAxisVectors; v++) store(values + v * kF64, sum.vectors[v]);
        for (std::size_t a = 0; a < count_; a++) out[a] = float(values[a]);
    }

private:
    std::size_t d_ = 0, count_ = 0;
    std::vector<std::size_t> features_;  // taken as they are, if there is no matrix
    std::vector<double> matrix_;         // (d, kAxes), of norm at most 1
};

}  // namespace rmodels::RMODELS_ISA
