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

// How many of so many rows a team packs at a time.
std::size_t shared_rows(std::size_t width, std::size_t rows) {
    const std::size_t most = kBlockBytes / (sizeof(double) * std::max(width, kPanel)) / kPackRows * kPackRows;
    return std::min(rows, std::max(kPackRows, most));
}

// Calls body(row, weight) for the rows [first, last).
template <class Body>
void for_weights(const Samples &samples, std::size_t first, std::size_t last, Body &&body) {
    if (!samples.weights.data) {
        for (std::size_t i = first; i < last; i++) body(i, 1.0);
        return;
    }
    samples.weights.visit(first, 0, [&](auto *w) {
        for (std::size_t i = first; i < last; i++, w += samples.weights.row_stride) body(i, double(*w));
    });
}

// The mean of the rows [first, last), as the row `anchor` and the mean difference to it: exact for columns that do
// not vary. anchor if they have no weight.
void mean_row(const Samples &samples, const Strided &source, std::size_t first, std::size_t last, std::size_t anchor,
              double weight, double *mean) {
    source.visit(0, 0, [&](auto *p) {
        auto element = [&](std::size_t i, std::size_t j) {
            return double(p[std::ptrdiff_t(i) * source.row_stride + std::ptrdiff_t(j) * source.column_stride]);
        };
        Doubles sums(source.columns);
        double *sum = sums.data();
        for (std::size_t j = 0; j < source.columns; j++) mean[j] = element(anchor, j);
        if (weight == 0) return;
        for_weights(samples, first, last, [&](std::size_t i, double w) {
            for (std::size_t j = 0; j < source.columns; j++) sum[j] += w * (element(i, j) - mean[j]);
        });
        for (std::size_t j = 0; j < source.columns; j++) mean[j] += sum[j] / weight;
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
    for_weights(samples, first, first + rows, [&](std::size_t i, double w) { root[i - first] = w; });
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
    slab.shift.resize(columns_);
    slab.products.assign((columns_ + 1) * width_, 0.0);
    // The shift is the mean of the rows that weigh most, as many as a 64th of the slab: so it lies within 8 standard
    // deviations of the slab's mean, whatever the weights and the order of the rows.
    std::size_t from = first;
    double most = 0;
    for (std::size_t at = first; samples.weights.data && at < last; at += kShiftRows) {
        double weight = 0;
        for_weights(samples, at, std::min(last, at + kShiftRows), [&](std::size_t, double w) { weight += w; });
        if (weight > most) {
            most = weight;
            from = at;
        }
    }
    const std::size_t to = std::min(last, from + kShiftRows);
    std::size_t anchor = from;
    double heaviest = 0, weight = 0;
    for_weights(samples, from, to, [&](std::size_t i, double w) {
        weight += w;
        if (w > heaviest) {
            heaviest = w;
            anchor = i;
        }
    });
    mean_row(samples, samples.X, from, to, anchor, weight, slab.shift.data());
    mean_row(samples, samples.Y, from, to, anchor, weight, slab.shift.data() + samples.X.columns);
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
    const std::size_t block_rows = shared_rows(width_, last - first);
    block_.resize(std::max(block_.size(), block_rows * width_));
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

void Moments::add(const Samples &samples, std::size_t first, std::size_t last, int threads) {
    if (wide()) {
        while (first < last) {
            const std::size_t slab_end = (first / slab_rows_ + 1) * slab_rows_, end = std::min(last, slab_end);
            if (open_.rows == 0) begin(open_, samples, first, std::min(samples.X.rows, slab_end));
            accumulate_together(open_, samples, first, end, threads);
            if (end == slab_end) {
                merge(open_);
                open_.rows = 0;
            }
            first = end;
        }
        return;
    }
    std::vector<Slab> slabs;
    for (; first < last; first = std::min(last, first + kSlabs * slab_rows_)) {
        slabs.resize(std::min(kSlabs, (last - first + slab_rows_ - 1) / slab_rows_));
        parallel_for(slabs.size(), threads, [&](std::size_t task, int) {
            const std::size_t start = first + task * slab_rows_;
            accumulate(slabs[task], samples, start, std::min(last, start + slab_rows_));
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
    const std::size_t block_rows = shared_rows(width_, features.rows);
    block_.resize(std::max(block_.size(), block_rows * width_));
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
