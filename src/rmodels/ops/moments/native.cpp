// Accumulators: float64. Reads X once; n d² / 2 multiply-adds. Tolerance: that of the contract.
#include "ops/moments/native.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>

#include "native/threads.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kTileRows = 8, kTileVectors = 3;
#elif defined(__AVX2__)
constexpr int kTileRows = 4, kTileVectors = 3;
#elif defined(__aarch64__)
constexpr int kTileRows = 6, kTileVectors = 3;
#else
constexpr int kTileRows = 4, kTileVectors = 2;
#endif
constexpr std::size_t kPanel = kTileVectors * kF64;  // columns that are packed together
static_assert(kPanel % kTileRows == 0);
constexpr std::size_t kBlockRows = 64;
constexpr std::size_t kSlabRows = 4096;
constexpr std::size_t kSlabs = 32;  // sums held at a time

// C[m][v] += Σ_k A[k][m] B[k][v]
template <int Rows, int Vectors>
void update_tile(const double *A, const double *B, std::size_t rows, double *C, std::size_t width) {
    f64v sum[Rows][Vectors];
    for (int m = 0; m < Rows; m++)
        for (int v = 0; v < Vectors; v++) sum[m][v] = load<f64v>(C + m * width + v * kF64);
    for (std::size_t k = 0; k < rows; k++, A += kPanel, B += kPanel) {
        f64v right[Vectors];
        for (int v = 0; v < Vectors; v++) right[v] = load<f64v>(B + v * kF64);
        for (int m = 0; m < Rows; m++)
            for (int v = 0; v < Vectors; v++) sum[m][v] = fma(broadcast(A[m]), right[v], sum[m][v]);
    }
    for (int m = 0; m < Rows; m++)
        for (int v = 0; v < Vectors; v++) store(C + m * width + v * kF64, sum[m][v]);
}

template <int Rows>
void update_rows(int vectors, const double *A, const double *B, std::size_t rows, double *C, std::size_t width) {
    if (vectors == 3) return update_tile<Rows, 3>(A, B, rows, C, width);
    if (vectors == 2) return update_tile<Rows, 2>(A, B, rows, C, width);
    update_tile<Rows, 1>(A, B, rows, C, width);
}

void update(std::size_t tile_rows, int vectors, const double *A, const double *B, std::size_t rows, double *C,
            std::size_t width) {
    if (tile_rows == kTileRows) return update_rows<kTileRows>(vectors, A, B, rows, C, width);
    for (std::size_t m = 0; m < tile_rows; m++) update_rows<1>(vectors, A + m, B, rows, C + m * width, width);
}

// Writes scale_k (source_k − shift) in columns [column, column + source.columns) of the packed rows:
// (panels, rows, kPanel).
void pack(const Strided &source, std::size_t first, std::size_t rows, const double *shift, const double *scale,
          double *Z, std::size_t column) {
    source.visit(first, 0, [&](auto *p) {
        for (std::size_t k = 0; k < rows; k++)
            for (std::size_t j = 0; j < source.columns; j++) {
                const double z =
                    double(p[std::ptrdiff_t(k) * source.row_stride + std::ptrdiff_t(j) * source.column_stride]);
                const std::size_t c = column + j;
                Z[(c / kPanel * rows + k) * kPanel + c % kPanel] = (z - shift[j]) * scale[k];
            }
    });
}

// Adds the weighted rows [first, last) to sum; returns their weight.
double add_rows(const Strided &source, const Strided &weights, std::size_t first, std::size_t last, double *sum) {
    double weight = 0;
    for (std::size_t i = first; i < last; i++) {
        const double w = weights.data ? weights.at(i) : 1.0;
        weight += w;
        for (std::size_t j = 0; j < source.columns; j++) sum[j] += w * source.at(i, j);
    }
    return weight;
}

}  // namespace

Moments::Moments(std::size_t columns)
    : columns_(columns),
      width_((columns + kPanel) / kPanel * kPanel),
      origin_(columns),
      offset_(columns),
      scatter_(columns * width_) {}

void Moments::accumulate(Slab &slab, const Strided &X, const Strided &Y, const Strided &weights, std::size_t first,
                         std::size_t last) const {
    slab.weight = 0;
    slab.shift.assign(columns_, 0.0);
    slab.products.assign((columns_ + 1) * width_, 0.0);
    // The weighted mean of the first rows that weigh anything: rows of weight 0 may be far off.
    for (std::size_t at = first; at < last; at += kBlockRows) {
        const std::size_t end = std::min(last, at + kBlockRows);
        std::vector<double> sum(columns_);
        const double weight = add_rows(X, weights, at, end, sum.data());
        add_rows(Y, weights, at, end, sum.data() + X.columns);
        if (weight == 0) continue;
        for (std::size_t j = 0; j < columns_; j++) slab.shift[j] = sum[j] / weight;
        break;
    }
    std::vector<double> Z(kBlockRows * width_);
    double scale[kBlockRows];
    for (std::size_t at = first; at < last; at += kBlockRows) {
        const std::size_t rows = std::min(kBlockRows, last - at);
        for (std::size_t k = 0; k < rows; k++) {
            const double w = weights.data ? weights.at(at + k) : 1.0;
            slab.weight += w;
            scale[k] = std::sqrt(w);
        }
        pack(X, at, rows, slab.shift.data(), scale, Z.data(), 0);
        pack(Y, at, rows, slab.shift.data() + X.columns, scale, Z.data(), X.columns);
        for (std::size_t k = 0; k < rows; k++)
            Z[(columns_ / kPanel * rows + k) * kPanel + columns_ % kPanel] = scale[k];
        for (std::size_t i = 0; i <= columns_; i += kTileRows) {
            const std::size_t tile_rows = std::min<std::size_t>(kTileRows, columns_ + 1 - i);
            const std::size_t end = std::min(columns_ + 1, i + tile_rows);
            for (std::size_t j = 0; j < end; j += kPanel)
                update(tile_rows, int(std::min<std::size_t>(kTileVectors, (end - j + kF64 - 1) / kF64)),
                       Z.data() + i / kPanel * rows * kPanel + i % kPanel, Z.data() + j * rows, rows,
                       slab.products.data() + i * width_ + j, width_);
        }
    }
}

void Moments::merge(const Slab &slab) {
    if (slab.weight == 0) {  // its products are 0, or NaN where the rows hold something not finite
        for (std::size_t i = 0; i < columns_; i++)
            for (std::size_t j = 0; j <= i; j++) scatter_[i * width_ + j] += slab.products[i * width_ + j];
        return;
    }
    if (weight_ == 0) origin_ = slab.shift;
    const double weight = weight_ + slab.weight, share = slab.weight / weight, pull = weight_ * share;
    const double *sums = slab.products.data() + columns_ * width_;
    std::vector<double> centre(columns_), gap(columns_);
    for (std::size_t j = 0; j < columns_; j++) {
        centre[j] = sums[j] / slab.weight;
        gap[j] = slab.shift[j] - origin_[j] + centre[j] - offset_[j];
        offset_[j] += share * gap[j];
    }
    for (std::size_t i = 0; i < columns_; i++)
        for (std::size_t j = 0; j <= i; j++)
            scatter_[i * width_ + j] += slab.products[i * width_ + j] - sums[i] * centre[j] + pull * gap[i] * gap[j];
    weight_ = weight;
}

void Moments::add(const Strided &X, const Strided &Y, const Strided &weights, int threads) {
    std::vector<Slab> slabs;
    for (std::size_t start = 0; start < X.rows; start += kSlabs * kSlabRows) {
        const std::size_t count = std::min(kSlabs, (X.rows - start + kSlabRows - 1) / kSlabRows);
        slabs.resize(count);
        parallel_for(count, threads, [&](std::size_t task, int) {
            const std::size_t first = start + task * kSlabRows;
            accumulate(slabs[task], X, Y, weights, first, std::min(X.rows, first + kSlabRows));
        });
        for (const Slab &slab : slabs) merge(slab);
    }
}

void Moments::finish(double *mean, double *scatter) const {
    for (std::size_t i = 0; i < columns_; i++) {
        mean[i] = origin_[i] + offset_[i];
        for (std::size_t j = 0; j <= i; j++)
            scatter[i * columns_ + j] = scatter[j * columns_ + i] = scatter_[i * width_ + j];
    }
}

}  // namespace rmodels::RMODELS_ISA
