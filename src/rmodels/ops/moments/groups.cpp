// Accumulators: float64, in registers. Bytes: X, Y, weights and codes once. Operations: two passes over the rows of
// a slab, which stays in the L2 cache: the first, group by group, finds the means; the second, the squares about them,
// or, of the rows as they lie, the products (n d² / 2 multiply-adds). Tolerance: the contract's.
#include "ops/moments/groups.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "native/threads.hpp"
#include "native/vectors.hpp"
#include "ops/moments/products.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSlabRows = 512;
constexpr std::size_t kMostSlabRows = 1 << 14;
constexpr std::size_t kTaskRows = 1 << 12;
constexpr std::size_t kTasks = 64;             // whose sums are held at a time, before they are merged
constexpr std::size_t kNumbers = 1 << 21;      // in all of them, and in the slabs of the threads
constexpr std::size_t kBlockRows = 64;         // packed at a time, in the L1 cache
constexpr std::size_t kSlabNumbers = 3 << 14;  // of rows in the L2 cache, beside those that are asked for
#if defined(__AVX512F__)
constexpr int kVectors = 8;  // of columns that are summed at a time
#else
constexpr int kVectors = 4;
#endif

// Rows of one group: their elements adjacent, and their weights, which may be null.
template <class Real>
struct Members {
    const Real *rows;
    std::ptrdiff_t stride;
    const double *weights;
    const std::uint32_t *numbers;
    std::size_t count;
    const char *&ahead;  // memory that will be read next
};

// Of `Vectors` vectors of columns from `column` on, or the first `some` columns of one: offset is the mean difference
// of the rows to the anchor, or 0 if they have no weight, and squares those of the differences to the mean, unless it
// is null.
template <int Vectors, bool kWeighted, bool kWhole, class Real>
void sum_columns(const Members<Real> &members, std::size_t column, int some, double weight, const double *anchor,
                 double *offset, double *squares) {
    auto get = [&](const auto *p, int v) {
        if constexpr (kWhole) return load_f64(p + column + v * kF64);
        return load_first(p + column, some);
    };
    auto put = [&](double *p, f64v x, int v) {
        if constexpr (kWhole)
            store(p + column + v * kF64, x);
        else
            store_first(p + column, x, some);
    };
    auto for_rows = [&](auto &&body) {
        for (std::size_t i = 0; i < members.count; i++) {
            const std::size_t row = members.numbers[i];
            body(members.rows + std::ptrdiff_t(row) * members.stride,
                 kWeighted ? broadcast(members.weights[row]) : f64v{});
        }
    };
    f64v origin[Vectors], mean[Vectors]{}, sums[Vectors]{};
    for (int v = 0; v < Vectors; v++) origin[v] = get(anchor, v);
    for_rows([&](const Real *row, f64v w) {
        for (int v = 0; v < Vectors; v++) {
            const f64v gap = get(row, v) - origin[v];
            mean[v] += kWeighted ? w * gap : gap;
        }
    });
    for (int v = 0; v < Vectors; v++) mean[v] = weight == 0 ? f64v{} : mean[v] / broadcast(weight);
    for (int v = 0; v < Vectors; v++) put(offset, mean[v], v);
    if (!squares) return;
    constexpr std::size_t kBytes = Vectors * kF64 * sizeof(Real);
    const char *ahead = members.ahead;
    for_rows([&](const Real *row, f64v w) {  // they lie in the L1 cache, and the memory has nothing else to do
        for (std::size_t at = 0; at < kBytes; at += 64) __builtin_prefetch(ahead + at, 0, 3);
        ahead += kBytes;
        for (int v = 0; v < Vectors; v++) {
            const f64v gap = (get(row, v) - origin[v]) - mean[v];
            sums[v] += kWeighted ? w * (gap * gap) : gap * gap;
        }
    });
    for (int v = 0; v < Vectors; v++) put(squares, sums[v], v);
    members.ahead = ahead;
}

template <bool kWeighted, class Real>
void sum_rows(const Members<Real> &members, std::size_t columns, double weight, const double *anchor, double *offset,
              double *squares) {
    std::size_t column = 0;
    auto take = [&]<int Vectors>() {
        for (; column + Vectors * kF64 <= columns; column += Vectors * kF64)
            sum_columns<Vectors, kWeighted, true>(members, column, kF64, weight, anchor, offset, squares);
    };
    take.template operator()<kVectors>();
    [&]<int... Less>(std::integer_sequence<int, Less...>) {
        (take.template operator()<kVectors - 1 - Less>(), ...);
    }(std::make_integer_sequence<int, kVectors - 1>());
    if (column < columns)
        sum_columns<1, kWeighted, false>(members, column, int(columns - column), weight, anchor, offset, squares);
}

// Finds weights, anchors and offsets of the groups of a slab, whose counts are known, and squares (groups, columns)
// unless that is null.
void find_means(const GroupedRows &rows, std::size_t columns, GroupMeans &means, double *squares) {
    const std::uint32_t *numbers = rows.numbers.data();
    const Strided &Z = rows.Z;
    const double *weights = rows.weights;
    const char *ahead = Z.visit(Z.rows, 0, [](auto *p) { return reinterpret_cast<const char *>(p); });
    for (std::size_t group = 0; group < means.count.size(); group++) {
        const std::size_t count = means.count[group], at = group * columns;
        if (!count) continue;
        // The anchor is the heaviest row: it lies within √n standard deviations of the mean.
        std::uint32_t heaviest = numbers[0];
        double weight = double(count);
        if (weights) {
            weight = 0;
            for (std::size_t i = 0; i < count; i++) {
                weight += weights[numbers[i]];
                if (weights[numbers[i]] > weights[heaviest]) heaviest = numbers[i];
            }
        }
        means.weight[group] = weight;
        Z.visit(0, 0, [&](auto *p) {
            const Members members{p, Z.row_stride, weights, numbers, count, ahead};
            double *anchor = means.anchor.data() + at, *offset = means.offset.data() + at;
            double *found = squares ? squares + at : nullptr;
            std::copy_n(p + std::ptrdiff_t(heaviest) * Z.row_stride, columns, anchor);
            if (weights)
                sum_rows<true>(members, columns, weight, anchor, offset, found);
            else
                sum_rows<false>(members, columns, weight, anchor, offset, found);
        });
        numbers += count;
    }
}

// Merges means of more rows, and calls body(group, pull, gap) for each group that has any: the squares about the mean
// of all are those about the two means and pull · gap².
template <class Body>
void merge_means(GroupMeans &means, const GroupMeans &more, Doubles &gap, Body &&body) {
    const std::size_t columns = gap.size();
    for (std::size_t group = 0; group < means.count.size(); group++) {
        if (!more.count[group]) continue;
        const std::size_t at = group * columns;
        const double *anchor = more.anchor.data() + at, *offset = more.offset.data() + at;
        double *origin = means.anchor.data() + at, *apart = means.offset.data() + at;
        means.count[group] += more.count[group];
        if (more.weight[group] == 0) {  // its squares are 0, or NaN where the rows hold something not finite
            std::fill(gap.begin(), gap.end(), 0.0);
            body(group, 0.0, gap.data());
            continue;
        }
        if (means.weight[group] == 0) std::copy_n(anchor, columns, origin);
        const double weight = means.weight[group] + more.weight[group];
        const double share = more.weight[group] / weight, pull = means.weight[group] * share;
        for (std::size_t j = 0; j < columns; j++) {
            gap[j] = (anchor[j] - origin[j]) + (offset[j] - apart[j]);
            apart[j] += share * gap[j];
        }
        body(group, pull, gap.data());
        means.weight[group] = weight;
    }
}

// Packs √w (z − c) of the rows [first, first + block.rows) of a slab; c is the centre of the row's group.
void pack_about(const GroupedRows &rows, std::size_t first, const std::int64_t *codes, const double *centres,
                const Panels &block) {
    const std::size_t columns = rows.Z.columns, whole = columns / kF64 * kF64;
    const int rest = int(columns - whole);
    rows.Z.visit(first, 0, [&](auto *from) {
        for (std::size_t k = 0; k < block.rows; k++, from += rows.Z.row_stride) {
            const double *centre = centres + std::size_t(codes[k]) * columns;
            const f64v root = broadcast(rows.weights ? std::sqrt(rows.weights[first + k]) : 1.0);
            double *to = block.data + k * kPanel;
            std::size_t j = 0;
            for (; j + kPanel <= whole; j += kPanel, to += block.rows * kPanel)
                for (int v = 0; v < kTileVectors; v++)
                    store(to + v * kF64, (load_f64(from + j + v * kF64) - load<f64v>(centre + j + v * kF64)) * root);
            for (; j < whole; j += kF64, to += kF64) store(to, (load_f64(from + j) - load<f64v>(centre + j)) * root);
            if (rest) store_first(to, (load_first(from + j, rest) - load_first(centre + j, rest)) * root, rest);
        }
    });
}

void add_block(const Panels &block, std::size_t rows, std::size_t columns, double *C, std::size_t width, Ahead ahead) {
    Load none;
    for (std::size_t left = 0; left < columns; left += kPanel)
        add_products(block, 0, rows, 0, columns, left, C, width, ahead, none);
}

// Fills parts of `step` rows each on threads, as many at a time as hold kNumbers of `numbers` each, and merges them in
// order.
template <class Part, class Desk, class Fill, class Merge>
void add_parts(std::size_t first, std::size_t last, std::size_t step, std::size_t numbers, int threads, Fill &&fill,
               Merge &&merge) {
    const std::size_t most = std::clamp<std::size_t>(kNumbers / (numbers + 1), 1, kTasks);
    std::vector<Part> parts;
    std::vector<Desk> desks(std::size_t(std::max(threads, 1)));
    for (; first < last; first = std::min(last, first + most * step)) {
        parts.resize(std::min(most, (last - first + step - 1) / step));
        parallel_for(parts.size(), threads, [&](std::size_t task, int thread) {
            const std::size_t start = first + task * step;
            fill(parts[task], start, std::min(last, start + step), desks[std::size_t(thread)]);
        });
        for (const Part &part : parts) merge(part, desks[0]);
    }
}

}  // namespace

void GroupMeans::clear(std::size_t groups, std::size_t columns) {
    count.assign(groups, 0);
    weight.assign(groups, 0.0);
    for (Doubles *each : {&anchor, &offset}) each->assign(groups * columns, 0.0);
}

void GroupMeans::finish(std::int64_t *counts, double *weights, double *mean, double *rest) const {
    std::copy(count.begin(), count.end(), counts);
    std::copy(weight.begin(), weight.end(), weights);
    for (std::size_t i = 0; i < anchor.size(); i++) {
        mean[i] = anchor[i] + offset[i];
        rest[i] = (anchor[i] - mean[i]) + offset[i];
    }
}

void GroupedRows::take(const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last,
                       std::size_t groups, std::size_t *count) {
    const std::size_t rows = last - first, columns = samples.X.columns + samples.Y.columns;
    Z = samples.X.rows_from(first, rows);
    if (samples.Y.columns || Z.column_stride != 1) {
        memory.resize(rows * columns);
        const Panels whole{memory.data(), rows, columns};
        pack(Z, 0, rows, nullptr, nullptr, whole, 0, 0);
        if (samples.Y.columns) pack(samples.Y, first, rows, nullptr, nullptr, whole, 0, samples.X.columns);
        Z = {memory.data(), false, rows, columns, std::ptrdiff_t(columns), 1};
    }
    weights = nullptr;
    if (samples.weights.data) {
        weight_memory.resize(rows);
        pack(samples.weights, first, rows, nullptr, nullptr, {weight_memory.data(), rows, 1}, 0, 0);
        weights = weight_memory.data();
    }
    numbers.resize(rows);
    sort_by_group(codes + first, rows, groups, count, numbers.data());
}

GroupSquares::GroupSquares(std::size_t groups, std::size_t columns)
    : groups_(groups),
      columns_(columns),
      slab_rows_(std::min(kMostSlabRows, std::max(kSlabRows, 4 * groups))),
      slabs_(std::max<std::size_t>(1, kTaskRows / slab_rows_)) {
    clear(total_);
}

void GroupSquares::clear(Sums &sums) const {
    sums.means.clear(groups_, columns_);
    sums.squares.assign(groups_ * columns_, 0.0);
}

void GroupSquares::accumulate(Sums &slab, const Samples &samples, const std::int64_t *codes, std::size_t first,
                              std::size_t last, Desk &desk) const {
    clear(slab);
    desk.rows.take(samples, codes, first, last, groups_, slab.means.count.data());
    find_means(desk.rows, columns_, slab.means, slab.squares.data());
}

void GroupSquares::merge(Sums &sums, const Sums &more, Doubles &gap) const {
    gap.resize(columns_);
    merge_means(sums.means, more.means, gap, [&](std::size_t group, double pull, const double *apart) {
        const double *squares = more.squares.data() + group * columns_;
        double *total = sums.squares.data() + group * columns_;
        for (std::size_t j = 0; j < columns_; j++) total[j] += squares[j] + pull * (apart[j] * apart[j]);
    });
}

void GroupSquares::add(const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last,
                       int threads) {
    auto fill = [&](Sums &part, std::size_t start, std::size_t end, Desk &desk) {
        accumulate(part, samples, codes, start, std::min(end, start + slab_rows_), desk);
        for (std::size_t row = start + slab_rows_; row < end; row += slab_rows_) {
            accumulate(desk.slab, samples, codes, row, std::min(end, row + slab_rows_), desk);
            merge(part, desk.slab, desk.gap);
        }
    };
    add_parts<Sums, Desk>(first, last, granularity(), 2 * groups_ * (3 * columns_ + 2), threads, fill,
                          [&](const Sums &part, Desk &desk) { merge(total_, part, desk.gap); });
}

void GroupSquares::finish(std::int64_t *count, double *weight, double *mean, double *rest, double *squares) const {
    total_.means.finish(count, weight, mean, rest);
    std::copy(total_.squares.begin(), total_.squares.end(), squares);
}

PooledScatter::PooledScatter(std::size_t groups, std::size_t columns)
    : groups_(groups),
      columns_(columns),
      width_(padded(columns)),
      // Several rows of each group: the groups' means are one row more each.
      slab_rows_(std::max(8 * groups, std::min(kSlabRows, kSlabNumbers / std::max<std::size_t>(columns, 1)))) {
    total_.means.clear(groups, columns);
    total_.products.assign(columns * width_, 0.0);
}

void PooledScatter::accumulate(Sums &sums, const Samples &samples, const std::int64_t *codes, std::size_t first,
                               std::size_t last, Desk &desk) const {
    desk.slab.clear(groups_, columns_);
    desk.rows.take(samples, codes, first, last, groups_, desk.slab.count.data());
    find_means(desk.rows, columns_, desk.slab, nullptr);
    desk.centres.resize(groups_ * columns_);
    for (std::size_t i = 0; i < desk.centres.size(); i++) desk.centres[i] = desk.slab.anchor[i] + desk.slab.offset[i];
    desk.block.resize(kBlockRows * width_);
    const std::size_t rows = last - first;
    for (std::size_t at = 0; at < rows; at += kBlockRows) {
        const Panels block{desk.block.data(), std::min(kBlockRows, rows - at), kPanel};
        pack_about(desk.rows, at, codes + first + at, desk.centres.data(), block);
        const std::size_t next = last + at, end = std::min(samples.X.rows, next + block.rows);
        add_block(block, block.rows, columns_, sums.products.data(), width_,
                  rows_ahead(samples.X, next, end, columns_));
    }
    merge(sums, desk.slab, desk);
}

// Adds the means of more rows, whose products are added already: what they are apart is one row more of each group.
void PooledScatter::merge(Sums &sums, const GroupMeans &more, Desk &desk) const {
    desk.gap.resize(columns_);
    desk.block.resize(kBlockRows * width_);
    const Panels block{desk.block.data(), kBlockRows, kPanel};
    std::size_t rows = 0;
    auto flush = [&] {
        if (!rows) return;
        add_block(block, rows, columns_, sums.products.data(), width_, {});
        rows = 0;
    };
    merge_means(sums.means, more, desk.gap, [&](std::size_t, double pull, const double *apart) {
        if (pull == 0) return;
        const double root = std::sqrt(pull);
        for (std::size_t j = 0; j < columns_; j++) *element(block, rows, j) = root * apart[j];
        if (++rows == kBlockRows) flush();
    });
    flush();
}

void PooledScatter::add(const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last,
                        int threads) {
    auto fill = [&](Sums &part, std::size_t start, std::size_t end, Desk &desk) {
        part.means.clear(groups_, columns_);
        part.products.assign(total_.products.size(), 0.0);
        for (std::size_t row = start; row < end; row += slab_rows_)
            accumulate(part, samples, codes, row, std::min(end, row + slab_rows_), desk);
    };
    const std::size_t numbers = 2 * groups_ * (columns_ + 1) + total_.products.size();
    add_parts<Sums, Desk>(first, last, granularity(), numbers, threads, fill, [&](const Sums &part, Desk &desk) {
        for (std::size_t i = 0; i < part.products.size(); i++) total_.products[i] += part.products[i];
        merge(total_, part.means, desk);
    });
}

void PooledScatter::finish(std::int64_t *count, double *weight, double *mean, double *rest, double *scatter) {
    total_.means.finish(count, weight, mean, rest);
    unrotate(total_.products.data(), columns_, width_);
    mirror(total_.products.data(), columns_, width_, scatter);
}

}  // namespace rmodels::RMODELS_ISA
