// Accumulators: float64. Bytes: X, Y, weights and codes once. Operations: two passes over a slab of rows, which stays
// in the L2 cache: the first finds the means of its groups, the second the squares about them. Tolerance: the
// contract's.
#include "ops/moments/groups.hpp"

#include <algorithm>
#include <numeric>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSlabRows = 512;
constexpr std::size_t kMostSlabRows = 1 << 14;
constexpr std::size_t kSlabs = 64;         // held at a time, before they are merged
constexpr std::size_t kNumbers = 1 << 22;  // in all of them

}  // namespace

void sort_by_group(const std::int64_t *codes, std::size_t rows, std::size_t groups, std::int64_t *count,
                   std::int64_t *numbers) {
    std::fill_n(count, groups, 0);
    for (std::size_t i = 0; i < rows; i++) count[codes[i]]++;
    std::vector<std::int64_t> next(groups);
    std::exclusive_scan(count, count + groups, next.begin(), std::int64_t(0));
    for (std::size_t i = 0; i < rows; i++) numbers[next[std::size_t(codes[i])]++] = std::int64_t(i);
}

GroupSquares::GroupSquares(std::size_t groups, std::size_t columns)
    : groups_(groups), columns_(columns), slab_rows_(std::min(kMostSlabRows, std::max(kSlabRows, 4 * groups))) {
    clear(total_);
}

void GroupSquares::clear(Slab &slab) const {
    slab.count.assign(groups_, 0);
    slab.weight.assign(groups_, 0.0);
    slab.heaviest.assign(groups_, 0.0);
    for (Doubles *each : {&slab.anchor, &slab.offset, &slab.squares}) each->assign(groups_ * columns_, 0.0);
}

void GroupSquares::accumulate(Slab &slab, const Samples &samples, const std::int64_t *codes, std::size_t first,
                              std::size_t last, Doubles &buffer) const {
    const std::size_t rows = last - first, c = columns_;
    buffer.resize(slab_rows_ * (c + 1));
    double *Z = buffer.data(), *weights = Z + slab_rows_ * c;
    const Panels whole{Z, rows, c};
    pack(samples.X, first, rows, nullptr, nullptr, whole, 0, 0);
    if (samples.Y.columns) pack(samples.Y, first, rows, nullptr, nullptr, whole, 0, samples.X.columns);
    if (samples.weights.data)
        pack(samples.weights, first, rows, nullptr, nullptr, {weights, rows, 1}, 0, 0);
    else
        std::fill_n(weights, rows, 1.0);
    clear(slab);
    // The anchor is the heaviest row of a group: it lies within √n standard deviations of the mean.
    for (std::size_t i = 0; i < rows; i++) {
        const auto group = std::size_t(codes[first + i]);
        if (!slab.count[group]++ || weights[i] > slab.heaviest[group]) {
            std::copy_n(Z + i * c, c, slab.anchor.data() + group * c);
            slab.heaviest[group] = weights[i];
        }
        slab.weight[group] += weights[i];
    }
    for (std::size_t i = 0; i < rows; i++) {
        const auto group = std::size_t(codes[first + i]);
        const double *z = Z + i * c, *anchor = slab.anchor.data() + group * c, w = weights[i];
        double *sum = slab.offset.data() + group * c;
        for (std::size_t j = 0; j < c; j++) sum[j] += w * (z[j] - anchor[j]);
    }
    for (std::size_t group = 0; group < groups_; group++) {
        const double weight = slab.weight[group];
        double *offset = slab.offset.data() + group * c;
        for (std::size_t j = 0; slab.count[group] && j < c; j++) offset[j] = weight == 0 ? 0.0 : offset[j] / weight;
    }
    for (std::size_t i = 0; i < rows; i++) {
        const auto group = std::size_t(codes[first + i]);
        const double *z = Z + i * c, *anchor = slab.anchor.data() + group * c, w = weights[i];
        const double *offset = slab.offset.data() + group * c;
        double *square = slab.squares.data() + group * c;
        for (std::size_t j = 0; j < c; j++) {
            const double gap = (z[j] - anchor[j]) - offset[j];
            square[j] += w * (gap * gap);
        }
    }
}

void GroupSquares::merge(const Slab &slab) {
    for (std::size_t group = 0; group < groups_; group++) {
        if (!slab.count[group]) continue;
        const std::size_t at = group * columns_;
        const double *anchor = slab.anchor.data() + at, *offset = slab.offset.data() + at;
        const double *squares = slab.squares.data() + at;
        double *origin = total_.anchor.data() + at, *apart = total_.offset.data() + at;
        double *total = total_.squares.data() + at;
        total_.count[group] += slab.count[group];
        if (slab.weight[group] == 0) {  // its squares are 0, or NaN where the rows hold something not finite
            for (std::size_t j = 0; j < columns_; j++) total[j] += squares[j];
            continue;
        }
        if (total_.weight[group] == 0) std::copy_n(anchor, columns_, origin);
        const double weight = total_.weight[group] + slab.weight[group];
        const double share = slab.weight[group] / weight, pull = total_.weight[group] * share;
        for (std::size_t j = 0; j < columns_; j++) {
            const double gap = (anchor[j] - origin[j]) + (offset[j] - apart[j]);
            total[j] += squares[j] + pull * (gap * gap);
            apart[j] += share * gap;
        }
        total_.weight[group] = weight;
    }
}

void GroupSquares::add(const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last,
                       int threads) {
    const std::size_t held = kNumbers / (groups_ * (3 * columns_ + 2) + 1);
    const std::size_t most = std::clamp<std::size_t>(held, 1, kSlabs);
    std::vector<Slab> slabs;
    std::vector<Doubles> buffers(std::size_t(std::max(threads, 1)));
    for (; first < last; first = std::min(last, first + most * slab_rows_)) {
        slabs.resize(std::min(most, (last - first + slab_rows_ - 1) / slab_rows_));
        parallel_for(slabs.size(), threads, [&](std::size_t task, int thread) {
            const std::size_t start = first + task * slab_rows_;
            accumulate(slabs[task], samples, codes, start, std::min(last, start + slab_rows_),
                       buffers[std::size_t(thread)]);
        });
        for (const Slab &slab : slabs) merge(slab);
    }
}

void GroupSquares::finish(std::int64_t *count, double *weight, double *mean, double *rest, double *squares) const {
    std::copy(total_.count.begin(), total_.count.end(), count);
    std::copy(total_.weight.begin(), total_.weight.end(), weight);
    std::copy(total_.squares.begin(), total_.squares.end(), squares);
    for (std::size_t i = 0; i < groups_ * columns_; i++) {
        const double origin = total_.anchor[i], offset = total_.offset[i];
        mean[i] = origin + offset;
        rest[i] = (origin - mean[i]) + offset;
    }
}

}  // namespace rmodels::RMODELS_ISA
