// Accumulators: float64. Bytes: X, Y and weights once. Multiply-adds: n d² / 2, in float64 and fused where
// the instruction set can. Tolerance: the contract's.
//
// A block of rows is converted, shifted and packed, and stays in the L1 cache while register tiles of
// the lower triangle take it up; meanwhile the next block is prefetched. Threads work on slabs of
// their own, or, where the triangle is too large for each to have one, on tiles of the same slab.
#include "ops/moments/native.hpp"

#include <algorithm>
#include <cmath>

#include "ops/moments/products.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kWide = 256;            // columns from which threads share a slab
constexpr std::size_t kShiftRows = 64;        // rows whose mean is the shift
constexpr std::size_t kBlockRows = 64;        // packed by one thread for itself
constexpr std::size_t kSlabs = 32;            // held at a time, before they are merged
constexpr std::size_t kPackRows = 32;         // packed in one task
constexpr std::size_t kBlockBytes = 4 << 20;  // packed by a team: in the L3 cache

std::size_t padded(std::size_t columns) { return (columns + kPanel - 1) / kPanel * kPanel; }

// Rows of a block that a team packs.
std::size_t shared_rows(std::size_t width, std::size_t granularity) {
    const std::size_t rows = kBlockBytes / (sizeof(double) * std::max(width, kPanel));
    return std::max<std::size_t>(1, rows / granularity) * granularity;
}

// sum += Σ w x over the rows [first, last) of source.
void add_weighted(const Strided &source, const Samples &samples, std::size_t first, std::size_t last, double *sum) {
    source.visit(0, 0, [&](auto *p) {
        for (std::size_t i = first; i < last; i++) {
            const double w = samples.weight(i);
            for (std::size_t j = 0; j < source.columns; j++)
                sum[j] +=
                    w * double(p[std::ptrdiff_t(i) * source.row_stride + std::ptrdiff_t(j) * source.column_stride]);
        }
    });
}

// Packs √w (z − shift) and √w for the rows [first, first + rows), from `row` of the block on; returns their weight.
double pack_samples(const Samples &samples, std::size_t first, std::size_t rows, const double *shift,
                    const Panels &packed, std::size_t row) {
    const std::size_t d = samples.X.columns;
    double *last = packed.at(row, d + samples.Y.columns);
    if (!samples.weights.data) {
        pack(samples.X, first, rows, shift, nullptr, packed, row, 0);
        pack(samples.Y, first, rows, shift + d, nullptr, packed, row, d);
        for (std::size_t k = 0; k < rows; k++) last[k * packed.width] = 1.0;
        return double(rows);
    }
    double root[kBlockRows] = {};
    static_assert(kPackRows <= kBlockRows);
    samples.weights.visit(first, 0, [&](auto *p) {
        for (std::size_t k = 0; k < rows; k++) root[k] = double(p[std::ptrdiff_t(k) * samples.weights.row_stride]);
    });
    double weight = 0;
    for (std::size_t k = 0; k < rows; k++) weight += root[k];
    for (std::size_t k = 0; k < rows; k++) root[k] = std::sqrt(root[k]);
    pack(samples.X, first, rows, shift, root, packed, row, 0);
    pack(samples.Y, first, rows, shift + d, root, packed, row, d);
    for (std::size_t k = 0; k < rows; k++) last[k * packed.width] = root[k];
    return weight;
}

// The rows [first, last) of X as one piece of memory, if they are that or nearly.
Ahead lines(const Strided &X, std::size_t first, std::size_t last) {
    if (first >= last || X.column_stride != 1 || X.row_stride < std::ptrdiff_t(X.columns) ||
        X.row_stride > std::ptrdiff_t(2 * X.columns))
        return {};
    auto address = [&](std::size_t row) {
        return X.visit(row, 0, [](auto *p) { return reinterpret_cast<const char *>(p); });
    };
    return {address(first), address(last - 1) + X.columns * (X.single ? sizeof(float) : sizeof(double))};
}

}  // namespace

Moments::Moments(std::size_t columns)
    : columns_(columns),
      width_(padded(columns + 1)),
      slab_rows_(columns < 96 ? 4096 : 1024),
      origin_(columns),
      offset_(columns),
      scatter_(columns * width_) {
    if (wide()) slab_rows_ = 4096;
}

bool Moments::wide() const { return columns_ >= kWide; }

std::size_t Moments::granularity() const { return wide() ? kPackRows : slab_rows_; }

void Moments::begin(Slab &slab, const Samples &samples, std::size_t first, std::size_t last) const {
    slab.rows = 0;
    slab.weight = 0;
    slab.shift.assign(columns_, 0.0);
    slab.products.assign((columns_ + 1) * width_, 0.0);
    // The weighted mean of the first rows that weigh anything: rows of weight 0 may be far off.
    for (std::size_t at = first; at < last; at += kShiftRows) {
        const std::size_t end = std::min(last, at + kShiftRows);
        double weight = 0;
        for (std::size_t i = at; i < end; i++) weight += samples.weight(i);
        if (weight == 0) continue;
        add_weighted(samples.X, samples, at, end, slab.shift.data());
        add_weighted(samples.Y, samples, at, end, slab.shift.data() + samples.X.columns);
        for (double &c : slab.shift) c /= weight;
        return;
    }
}

void Moments::accumulate(Slab &slab, const Samples &samples, std::size_t first, std::size_t last) const {
    begin(slab, samples, first, last);
    Doubles memory(kBlockRows * width_);
    for (std::size_t at = first; at < last; at += kBlockRows) {
        const std::size_t rows = std::min(kBlockRows, last - at);
        const Panels block{memory.data(), rows, kPanel};
        slab.weight += pack_samples(samples, at, rows, slab.shift.data(), block, 0);
        Ahead ahead = lines(samples.X, at + rows, std::min(samples.X.rows, at + rows + kBlockRows));
        for (std::size_t left = 0; left <= columns_; left += kPanel)
            add_products(block, 0, rows, 0, columns_ + 1, left, slab.products.data(), width_, ahead);
    }
    slab.rows = last - first;
}

void Moments::accumulate_together(Slab &slab, const Samples &samples, std::size_t first, std::size_t last,
                                  int threads) {
    const std::size_t block_rows = shared_rows(width_, kPackRows);
    block_.resize(block_rows * width_);
    Doubles weights((last - first + kPackRows - 1) / kPackRows);
    as_team(threads, [&](Team &team, int) noexcept {
        for (std::size_t at = first; at < last; at += block_rows) {
            const std::size_t rows = std::min(block_rows, last - at);
            const Panels block{block_.data(), rows, kPanel};
            team.for_each((rows + kPackRows - 1) / kPackRows, [&](std::size_t task) noexcept {
                const std::size_t row = task * kPackRows;
                weights[(at + row - first) / kPackRows] =
                    pack_samples(samples, at + row, std::min(kPackRows, rows - row), slab.shift.data(), block, row);
            });
            add_products(team, block, rows, columns_ + 1, slab.products.data(), width_);
        }
    });
    for (const double weight : weights) slab.weight += weight;
    slab.rows += last - first;
}

void Moments::merge(const Slab &slab) {
    const double *C = slab.products.data(), *sums = C + columns_ * width_;
    if (slab.weight == 0) {  // its products are 0, or NaN where the rows hold something not finite
        for (std::size_t i = 0; i < columns_ * width_; i++) scatter_[i] += C[i];
        return;
    }
    if (weight_ == 0) origin_ = slab.shift;
    const double weight = weight_ + slab.weight, share = slab.weight / weight, pull = weight_ * share;
    Doubles centres(columns_), gaps(columns_);
    double *centre = centres.data(), *gap = gaps.data();
    for (std::size_t j = 0; j < columns_; j++) {
        centre[j] = sums[j] / slab.weight;
        gap[j] = slab.shift[j] - origin_[j] + centre[j] - offset_[j];
        offset_[j] += share * gap[j];
    }
    for (std::size_t i = 0; i < columns_; i++) {
        const double sum = sums[i], pulled = pull * gap[i];
        const double *from = C + i * width_;
        double *to = scatter_.data() + i * width_;
        for (std::size_t j = 0; j <= i; j++) to[j] += from[j] - sum * centre[j] + pulled * gap[j];
    }
    weight_ = weight;
}

void Moments::add(const Samples &samples, int threads) {
    const std::size_t n = samples.X.rows;
    if (wide()) {
        for (std::size_t first = 0; first < n;) {
            const std::size_t last = std::min(n, first + slab_rows_ - open_.rows);
            if (open_.rows == 0) begin(open_, samples, first, last);
            accumulate_together(open_, samples, first, last, threads);
            if (open_.rows == slab_rows_) {
                merge(open_);
                open_.rows = 0;
            }
            first = last;
        }
        return;
    }
    std::vector<Slab> slabs;
    for (std::size_t start = 0; start < n; start += kSlabs * slab_rows_) {
        slabs.resize(std::min(kSlabs, (n - start + slab_rows_ - 1) / slab_rows_));
        parallel_for(slabs.size(), threads, [&](std::size_t task, int) {
            const std::size_t first = start + task * slab_rows_;
            accumulate(slabs[task], samples, first, std::min(n, first + slab_rows_));
        });
        for (const Slab &slab : slabs) merge(slab);
    }
}

void Moments::finish(double *mean, double *scatter) {
    if (open_.rows) merge(open_);
    for (std::size_t j = 0; j < columns_; j++) mean[j] = origin_[j] + offset_[j];
    mirror(scatter_.data(), columns_, width_, scatter);
}

RowProducts::RowProducts(std::size_t rows, const Strided &weights, bool centre)
    : rows_(rows), width_(padded(rows)), centre_(centre), weights_(rows, 1.0), products_(rows * width_) {
    for (std::size_t i = 0; i < rows; i++) {
        if (weights.data) weights_[i] = weights.at(i);
        weight_ += weights_[i];
    }
    centre_ = centre && weight_ != 0;
}

void RowProducts::add(const Strided &X, double *mean, int threads) {
    const Strided features = X.transposed();
    const std::size_t block_rows = shared_rows(width_, kPackRows);
    block_.resize(block_rows * width_);
    as_team(threads, [&](Team &team, int) noexcept {
        for (std::size_t at = 0; at < features.rows; at += block_rows) {
            const std::size_t rows = std::min(block_rows, features.rows - at);
            const Panels block{block_.data(), rows, kPanel};
            team.for_each((rows + kPackRows - 1) / kPackRows, [&](std::size_t task) noexcept {
                const std::size_t row = task * kPackRows, count = std::min(kPackRows, rows - row);
                pack(features, at + row, count, nullptr, nullptr, block, row, 0);
                if (centre_)
                    for (std::size_t k = row; k < row + count; k++) mean[at + k] = subtract_mean(block, k);
            });
            add_products(team, block, rows, rows_, products_.data(), width_);
        }
    });
}

// Subtracts from a packed feature its mean, in two steps: the second removes the rounding of the first.
double RowProducts::subtract_mean(const Panels &block, std::size_t feature) const {
    double mean = 0;
    for (int step = 0; step < 2; step++) {
        double sum = 0;
        for (std::size_t i = 0; i < rows_; i++) sum += weights_[i] * *block.at(feature, i);
        const double part = sum / weight_;
        for (std::size_t i = 0; i < rows_; i++) *block.at(feature, i) -= part;
        mean += part;
    }
    return mean;
}

void RowProducts::finish(double *products) {
    mirror(products_.data(), rows_, width_, products);
    for (std::size_t i = 0; i < rows_; i++)
        for (std::size_t j = 0; j < rows_; j++)
            products[i * rows_ + j] *= std::sqrt(weights_[i]) * std::sqrt(weights_[j]);
}

}  // namespace rmodels::RMODELS_ISA
