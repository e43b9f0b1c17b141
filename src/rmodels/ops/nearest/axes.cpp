#include "ops/nearest/axes.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSample = 512;
constexpr int kIterations = 4;

// Makes the columns of V (d, kAxes) orthonormal; a column that depends on earlier ones becomes 0.
void orthonormalise(std::vector<double> &V, std::size_t d) {
    for (std::size_t a = 0; a < kAxes; a++) {
        for (int twice = 0; twice < 2; twice++)
            for (std::size_t b = 0; b < a; b++) {
                double dot = 0;
                for (std::size_t c = 0; c < d; c++) dot += V[c * kAxes + a] * V[c * kAxes + b];
                for (std::size_t c = 0; c < d; c++) V[c * kAxes + a] -= dot * V[c * kAxes + b];
            }
        double square = 0;
        for (std::size_t c = 0; c < d; c++) square += V[c * kAxes + a] * V[c * kAxes + a];
        const double scale = square > 1e-200 ? 1 / std::sqrt(square) : 0;
        for (std::size_t c = 0; c < d; c++) V[c * kAxes + a] *= scale;
    }
}

}  // namespace

Axes::Axes(const Points &X, const Frame &frame, const std::vector<std::uint32_t> &rows, bool rotate) : d_(X.d) {
    const std::size_t d = X.d, samples = std::min(kSample, rows.size());
    count_ = std::min(d, d <= kDirect ? kDirect : kAxes);
    features_.resize(d);
    std::iota(features_.begin(), features_.end(), std::size_t(0));
    if (d <= kDirect) return;

    std::vector<double> sample(samples * d), mean(d, 0.0), variance(d, 0.0);
    for (std::size_t i = 0; i < samples; i++)
        X.typed([&](auto *x) {
            const auto *row = x + std::size_t(rows[i * rows.size() / samples]) * d;
            for (std::size_t c = 0; c < d; c++) mean[c] += sample[i * d + c] = frame.place(row[c], c);
        });
    for (std::size_t i = 0; i < samples; i++)
        for (std::size_t c = 0; c < d; c++) {
            sample[i * d + c] -= mean[c] / double(samples);
            variance[c] += sample[i * d + c] * sample[i * d + c];
        }
    std::partial_sort(features_.begin(), features_.begin() + count_, features_.end(),
                      [&](std::size_t a, std::size_t b) {
                          return variance[a] > variance[b] || (variance[a] == variance[b] && a < b);
                      });
    if (!rotate) return;

    // Subspace iteration V <- orthonormal(Sᵀ S V). Any V will do for correctness: it need not converge.
    std::vector<double> V(d * kAxes, 0.0), next(d * kAxes);
    for (std::size_t c = 0; c < d; c++)
        for (std::size_t a = 0; a < kAxes; a++)
            V[c * kAxes + a] = std::cos(double(1 + c * kAxes + a) * 1.618033988749895 * double(a + 1));
    orthonormalise(V, d);
    for (int iteration = 0; iteration < kIterations; iteration++) {
        std::fill(next.begin(), next.end(), 0.0);
        for (std::size_t i = 0; i < samples; i++) {
            const double *row = sample.data() + i * d;
            const AxisValues image = on_axes(row, V.data(), d);
            for (std::size_t c = 0; c < d; c++)
                for (int v = 0; v < kAxisVectors; v++) {
                    double *to = &next[c * kAxes + v * kF64];
                    store(to, fma(broadcast(row[c]), image.vectors[v], load<f64v>(to)));
                }
        }
        V.swap(next);
        orthonormalise(V, d);
    }
    // The norm of V is at most the square root of the largest row sum of |VᵀV|.
    double norm = 0;
    for (std::size_t a = 0; a < kAxes; a++) {
        double row = 0;
        for (std::size_t b = 0; b < kAxes; b++) {
            double dot = 0;
            for (std::size_t c = 0; c < d; c++) dot += V[c * kAxes + a] * V[c * kAxes + b];
            row += std::fabs(dot);
        }
        norm = std::max(norm, row);
    }
    if (!(norm > 0.5 && norm < 2)) return;
    for (double &value : V) value *= (1 - 0x1p-30) / std::sqrt(norm);
    matrix_ = std::move(V);
}

}  // namespace rmodels::RMODELS_ISA
