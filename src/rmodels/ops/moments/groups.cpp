// Accumulators: float64, in registers. Bytes: X, Y, weights and codes once. Operations: two passes over the rows of
// each group of a slab, which stays in the L2 cache: the first finds the mean, the second the squares about it.
// Tolerance: the contract's.
#include "ops/moments/groups.hpp"

#include <algorithm>
#include <utility>

#include "native/threads.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSlabRows = 512;
constexpr std::size_t kMostSlabRows = 1 << 14;
constexpr std::size_t kTaskRows = 1 << 12;
constexpr std::size_t kTasks = 64;         // whose sums are held at a time, before they are merged
constexpr std::size_t kNumbers = 1 << 21;  // in all of them, and in the slabs of the threads
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
// of the rows to the anchor, or 0 if they have no weight, and squares those of the differences to the mean.
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
    for (int v = 0; v < Vectors; v++) {
        put(offset, mean[v], v);
        put(squares, sums[v], v);
    }
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

}  // namespace

GroupSquares::GroupSquares(std::size_t groups, std::size_t columns)
    : groups_(groups),
      columns_(columns),
      slab_rows_(std::min(kMostSlabRows, std::max(kSlabRows, 4 * groups))),
      slabs_(std::max<std::size_t>(1, kTaskRows / slab_rows_)) {
    clear(total_);
}

void GroupSquares::clear(Sums &sums) const {
    sums.count.assign(groups_, 0);
    sums.weight.assign(groups_, 0.0);
    for (Doubles *each : {&sums.anchor, &sums.offset, &sums.squares}) each->assign(groups_ * columns_, 0.0);
}

void GroupSquares::accumulate(Sums &slab, const Samples &samples, const std::int64_t *codes, std::size_t first,
                              std::size_t last, Desk &desk) const {
    const std::size_t rows = last - first, c = columns_;
    Strided Z = samples.X.rows_from(first, rows);
    if (samples.Y.columns || Z.column_stride != 1) {
        desk.Z.resize(slab_rows_ * c);
        const Panels whole{desk.Z.data(), rows, c};
        pack(Z, 0, rows, nullptr, nullptr, whole, 0, 0);
        if (samples.Y.columns) pack(samples.Y, first, rows, nullptr, nullptr, whole, 0, samples.X.columns);
        Z = {desk.Z.data(), false, rows, c, std::ptrdiff_t(c), 1};
    }
    if (samples.weights.data) {
        desk.weights.resize(slab_rows_);
        pack(samples.weights, first, rows, nullptr, nullptr, {desk.weights.data(), rows, 1}, 0, 0);
    }
    desk.numbers.resize(slab_rows_);
    clear(slab);
    sort_by_group(codes + first, rows, groups_, slab.count.data(), desk.numbers.data());
    const double *weights = samples.weights.data ? desk.weights.data() : nullptr;
    const std::uint32_t *numbers = desk.numbers.data();
    const char *ahead = Z.visit(rows, 0, [](auto *p) { return reinterpret_cast<const char *>(p); });
    for (std::size_t group = 0; group < groups_; group++) {
        const std::size_t count = slab.count[group];
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
        slab.weight[group] = weight;
        Z.visit(0, 0, [&](auto *p) {
            const Members members{p, Z.row_stride, weights, numbers, count, ahead};
            double *anchor = slab.anchor.data() + group * c, *offset = slab.offset.data() + group * c;
            double *squares = slab.squares.data() + group * c;
            std::copy_n(p + std::ptrdiff_t(heaviest) * Z.row_stride, c, anchor);
            if (weights)
                sum_rows<true>(members, c, weight, anchor, offset, squares);
            else
                sum_rows<false>(members, c, weight, anchor, offset, squares);
        });
        numbers += count;
    }
}

void GroupSquares::merge(Sums &sums, const Sums &more) const {
    for (std::size_t group = 0; group < groups_; group++) {
        if (!more.count[group]) continue;
        const std::size_t at = group * columns_;
        const double *anchor = more.anchor.data() + at, *offset = more.offset.data() + at;
        const double *squares = more.squares.data() + at;
        double *origin = sums.anchor.data() + at, *apart = sums.offset.data() + at;
        double *total = sums.squares.data() + at;
        sums.count[group] += more.count[group];
        if (more.weight[group] == 0) {  // its squares are 0, or NaN where the rows hold something not finite
            for (std::size_t j = 0; j < columns_; j++) total[j] += squares[j];
            continue;
        }
        if (sums.weight[group] == 0) std::copy_n(anchor, columns_, origin);
        const double weight = sums.weight[group] + more.weight[group];
        const double share = more.weight[group] / weight, pull = sums.weight[group] * share;
        for (std::size_t j = 0; j < columns_; j++) {
            const double gap = (anchor[j] - origin[j]) + (offset[j] - apart[j]);
            total[j] += squares[j] + pull * (gap * gap);
            apart[j] += share * gap;
        }
        sums.weight[group] = weight;
    }
}

void GroupSquares::add(const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last,
                       int threads) {
    const std::size_t held = kNumbers / (2 * groups_ * (3 * columns_ + 2) + 1), step = slabs_ * slab_rows_;
    const std::size_t most = std::clamp<std::size_t>(held, 1, kTasks);
    std::vector<Sums> parts;
    std::vector<Desk> desks(std::size_t(std::max(threads, 1)));
    for (; first < last; first = std::min(last, first + most * step)) {
        parts.resize(std::min(most, (last - first + step - 1) / step));
        parallel_for(parts.size(), threads, [&](std::size_t task, int thread) {
            const std::size_t start = first + task * step, end = std::min(last, start + step);
            Desk &desk = desks[std::size_t(thread)];
            accumulate(parts[task], samples, codes, start, std::min(end, start + slab_rows_), desk);
            for (std::size_t row = start + slab_rows_; row < end; row += slab_rows_) {
                accumulate(desk.slab, samples, codes, row, std::min(end, row + slab_rows_), desk);
                merge(parts[task], desk.slab);
            }
        });
        for (const Sums &part : parts) merge(total_, part);
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
