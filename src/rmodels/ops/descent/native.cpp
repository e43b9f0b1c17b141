// Accumulators: float64. Bytes: X, Y and weights once for each gradient. Multiply-adds: 2 n d t for each
// gradient, in float64 and fused where the instruction set can. Tolerance: the contract's.
//
// A few rows at a time give their residuals, and while they are in the cache their part of the slope.
#include "ops/descent/native.hpp"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>
#include <vector>

#include "native/aligned.hpp"
#include "native/packing.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr int kTargets = 3;                      // whose residuals are computed together
constexpr std::size_t kBlockRows = 64;           // whose targets, and values where they must be, are copied together
constexpr std::size_t kPackedNumbers = 1 << 15;  // of them, about, so that they stay in the L2 cache
constexpr std::size_t kAhead = 8192;             // bytes from the row in work to the one that is prefetched
constexpr std::size_t kSlabs = 64;               // most parts that the rows are cut in, each with a slope of its own
constexpr std::size_t kSlabWork = 1 << 15;       // fewest multiply-adds in a part
constexpr std::size_t kMergeColumns = 4096;      // of the slope, in one task
constexpr std::size_t kShortRows = 8;            // that are taken up together
static_assert(kShortRows % kF64 == 0 && kBlockRows % kShortRows == 0);
constexpr int kShort = 6;  // vectors of each, at most: their part of the slope stays in registers

// Coefficients, or a slope, by target: (targets, width), padded by zeros; then the intercepts, and,
// in a slope, the sums of squares.
struct Shape {
    std::size_t columns, targets, width;

    Shape(std::size_t columns, std::size_t targets)
        : columns(columns), targets(targets), width((columns + kF64 - 1) / kF64 * kF64) {}

    std::size_t intercepts() const { return targets * width; }
    std::size_t squares() const { return targets * (width + 1); }
    std::size_t size() const { return targets * (width + 2); }
};

// What one thread works with.
struct Bench {
    Doubles rows;     // (packed, width)
    Doubles targets;  // (targets, kBlockRows)
    Doubles sums;     // (targets, 2, kF64): w r, and w r²
    double weights[kBlockRows] = {};

    Bench(const Shape &shape, std::size_t packed)
        : rows(packed * shape.width), targets(shape.targets * kBlockRows), sums(shape.targets * 2 * kF64) {}
};

// kF64 rows and Targets targets: y (Targets, kBlockRows), weights (kF64), slope (Targets, width).
template <int Targets, class Real>
void add_rows(const Real *const (&x)[kF64], std::size_t columns, const double *coefficients, const double *intercepts,
              std::size_t width, const double *y, const double *weights, double *slope, double *sums) {
    const std::size_t whole = columns / kF64 * kF64;
    const int rest = int(columns - whole);
    // A row after the other: memory gives most to reads in order.
    const char *line = reinterpret_cast<const char *>(x[0]) + kAhead;
    f64v dot[Targets][kF64];
    for (int r = 0; r < kF64; r++) {
        f64v sum[Targets];
        for (int t = 0; t < Targets; t++) sum[t] = f64v{};
        auto multiply = [&](std::size_t j, f64v v) {
            for (int t = 0; t < Targets; t++) sum[t] = fma(v, load<f64v>(coefficients + t * width + j), sum[t]);
        };
        for (std::size_t j = 0; j < whole; j += kF64, line += sizeof(Real) * kF64) {
            __builtin_prefetch(line, 0, 2);
            multiply(j, load_f64(x[r] + j));
        }
        if (rest) multiply(whole, load_first(x[r] + whole, rest));
        for (int t = 0; t < Targets; t++) dot[t][r] = sum[t];
    }

    double weighted[Targets][kF64];
    const f64v w = load<f64v>(weights);
    for (int t = 0; t < Targets; t++) {
        const f64v residual = lane_sums(dot[t]) + (broadcast(intercepts[t]) - load<f64v>(y + t * kBlockRows));
        const f64v pull = w * residual;
        store(weighted[t], pull);
        double *sum = sums + t * 2 * kF64;
        store(sum, load<f64v>(sum) + pull);
        store(sum + kF64, fma(pull, residual, load<f64v>(sum + kF64)));
    }

    auto accumulate = [&](std::size_t j, auto &&value) {
        f64v g[Targets];
        for (int t = 0; t < Targets; t++) g[t] = load<f64v>(slope + t * width + j);
        for (int r = 0; r < kF64; r++) {
            const f64v v = value(x[r] + j);
            for (int t = 0; t < Targets; t++) g[t] = fma(v, broadcast(weighted[t][r]), g[t]);
        }
        for (int t = 0; t < Targets; t++) store(slope + t * width + j, g[t]);
    };
    for (std::size_t j = 0; j < whole; j += kF64) accumulate(j, [](const Real *p) { return load_f64(p); });
    if (rest) accumulate(whole, [rest](const Real *p) { return load_first(p, rest); });
}

// The same for one target and a block of rows of Vectors vectors, which are converted once: in passes over a few rows,
// so that no product waits for the residual of its own row. y and weights: (kBlockRows), the weights 0 from `rows` on.
template <int Vectors, class Real>
void add_short_rows(const Real *x, std::ptrdiff_t stride, std::size_t rows, std::size_t columns,
                    const double *coefficients, double intercept, const double *y, const double *weights, double *slope,
                    double *sums) {
    constexpr bool kConverts = !std::is_same_v<Real, double>;
    alignas(64) double converted[kConverts ? kShortRows : 1][Vectors * kF64];
    const int rest = int(columns - (Vectors - 1) * kF64);
    auto value = [&](const Real *row, int j) {
        return j + 1 < Vectors ? load_f64(row + j * kF64) : load_first(row + j * kF64, rest);
    };
    f64v g[Vectors], factors[Vectors];
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; j++) {
        g[j] = load<f64v>(slope + j * kF64);
        factors[j] = load<f64v>(coefficients + j * kF64);
    }
    for (std::size_t first = 0; first < rows; first += kShortRows) {
        const std::size_t count = std::min(kShortRows, rows - first);
        const Real *begin = x + std::ptrdiff_t(first) * stride, *row = begin;
        f64v dots[kShortRows];
        for (std::size_t r = 0; r < count; r++, row += stride) {
            const char *line = reinterpret_cast<const char *>(row) + kAhead;
            f64v sum{};
#pragma GCC unroll 8
            for (int j = 0; j < Vectors; j++) {
                if (j * kF64 * sizeof(Real) % 64 == 0) __builtin_prefetch(line + j * kF64 * sizeof(Real), 0, 2);
                const f64v v = value(row, j);
                if constexpr (kConverts) store(converted[r] + j * kF64, v);
                sum = fma(v, factors[j], sum);
            }
            dots[r] = sum;
        }
        for (std::size_t r = count; r % kF64; r++) dots[r] = f64v{};

        double pulls[kShortRows];
        for (std::size_t r = 0; r < count; r += kF64) {
            const f64v residual = lane_sums(dots + r) + (broadcast(intercept) - load<f64v>(y + first + r));
            const f64v pull = load<f64v>(weights + first + r) * residual;
            store(pulls + r, pull);
            store(sums, load<f64v>(sums) + pull);
            store(sums + kF64, fma(pull, residual, load<f64v>(sums + kF64)));
        }

        row = begin;
        for (std::size_t r = 0; r < count; r++, row += stride) {
            const f64v pull = broadcast(pulls[r]);
#pragma GCC unroll 8
            for (int j = 0; j < Vectors; j++) {
                if constexpr (kConverts)
                    g[j] = fma(load<f64v>(converted[r] + j * kF64), pull, g[j]);
                else
                    g[j] = fma(value(row, j), pull, g[j]);
            }
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; j++) store(slope + j * kF64, g[j]);
}

template <class Real>
using AddShortRows = void (*)(const Real *, std::ptrdiff_t, std::size_t, std::size_t, const double *, double,
                              const double *, const double *, double *, double *);

template <class Real, std::size_t... I>
constexpr std::array<AddShortRows<Real>, sizeof...(I)> short_rows(std::index_sequence<I...>) {
    return {&add_short_rows<int(I) + 1, Real>...};
}

// A block of rows.
template <class Real>
void add_rows(const Real *x, std::ptrdiff_t stride, std::size_t rows, const Shape &shape, const double *coefficients,
              const Bench &bench, double *slope, double *sums) {
    const std::size_t vectors = shape.width / kF64;
    if (shape.targets == 1 && vectors >= 1 && vectors <= kShort) {
        static constexpr auto kAdd = short_rows<Real>(std::make_index_sequence<kShort>());
        return kAdd[vectors - 1](x, stride, rows, shape.columns, coefficients, coefficients[shape.intercepts()],
                                 bench.targets.data(), bench.weights, slope, sums);
    }
    for (std::size_t row = 0; row < rows; row += kF64) {
        const Real *group[kF64];
        // Rows that are not there repeat the last, with weight 0.
        for (int r = 0; r < kF64; r++) group[r] = x + std::ptrdiff_t(std::min(row + r, rows - 1)) * stride;
        for (std::size_t t = 0; t < shape.targets; t += kTargets) {
            auto add = [&](auto targets) {
                add_rows<targets.value>(group, shape.columns, coefficients + t * shape.width,
                                        coefficients + shape.intercepts() + t, shape.width,
                                        bench.targets.data() + t * kBlockRows + row, bench.weights + row,
                                        slope + t * shape.width, sums + t * 2 * kF64);
            };
            const std::size_t left = shape.targets - t;
            if (left >= 3)
                add(std::integral_constant<int, 3>());
            else if (left == 2)
                add(std::integral_constant<int, 2>());
            else
                add(std::integral_constant<int, 1>());
        }
    }
}

bool must_pack(const Regression &data) { return data.shift || data.X.column_stride != 1; }

// How many rows are taken up together.
std::size_t block_rows(const Regression &data, const Shape &shape) {
    if (!must_pack(data)) return kBlockRows;
    return std::clamp(kPackedNumbers / (shape.width + 1) / kF64 * kF64, std::size_t(kF64), kBlockRows);
}

// Slope of the rows [first, last).
void slope_of(const Regression &data, const Shape &shape, std::size_t first, std::size_t last,
              const double *coefficients, Bench &bench, double *slope) {
    std::fill(slope, slope + shape.size(), 0.0);
    std::fill(bench.sums.begin(), bench.sums.end(), 0.0);
    const std::size_t block = block_rows(data, shape);
    for (std::size_t at = first; at < last; at += block) {
        const std::size_t rows = std::min(block, last - at);
        for (std::size_t t = 0; t < shape.targets; t++)
            data.Y.visit(at, t, [&](auto *y) {
                double *to = bench.targets.data() + t * kBlockRows;
                for (std::size_t k = 0; k < rows; k++) to[k] = y[std::ptrdiff_t(k) * data.Y.row_stride];
                std::fill(to + rows, to + kBlockRows, 0.0);
            });
        std::fill(bench.weights, bench.weights + rows, 1.0);
        for (std::size_t k = 0; data.weights.data && k < rows; k++) bench.weights[k] = data.weights.at(at + k);
        std::fill(bench.weights + rows, bench.weights + kBlockRows, 0.0);
        auto add = [&](auto *x, std::ptrdiff_t stride) {
            add_rows(x, stride, rows, shape, coefficients, bench, slope, bench.sums.data());
        };
        if (must_pack(data)) {
            pack(data.X, at, rows, data.shift, nullptr, Panels{bench.rows.data(), block, shape.width}, 0, 0);
            add(static_cast<const double *>(bench.rows.data()), std::ptrdiff_t(shape.width));
        } else {
            data.X.visit(at, 0, [&](auto *x) { add(x, data.X.row_stride); });
        }
    }
    for (std::size_t t = 0; t < shape.targets; t++)
        for (int lane = 0; lane < kF64; lane++) {
            slope[shape.intercepts() + t] += bench.sums[t * 2 * kF64 + lane];
            slope[shape.squares() + t] += bench.sums[(t * 2 + 1) * kF64 + lane];
        }
}

// The rows in parts, from their number and work alone; the slopes of the parts are added in order.
class Slopes {
public:
    Slopes(const Regression &data, int threads)
        : data_(data),
          shape_(data.X.columns, data.Y.columns),
          rows_(std::max(
              {(data.X.rows + kSlabs - 1) / kSlabs, kSlabWork / std::max<std::size_t>(1, shape_.size()), kBlockRows})),
          parts_((data.X.rows + rows_ - 1) / rows_),
          slopes_(parts_ * shape_.size()),
          total_(shape_.size()),
          coefficients_(shape_.size()),
          benches_(std::size_t(std::max(1, threads)), Bench(shape_, must_pack(data) ? block_rows(data, shape_) : 0)) {}

    const Shape &shape() const { return shape_; }
    double *coefficients() { return coefficients_.data(); }

    // Computes the slope; calls use(index, slope there) for each of its elements.
    template <class Use>
    void add_up(Team &team, int member, Use &&use) noexcept {
        team.for_each(parts_, [&](std::size_t part) noexcept {
            const std::size_t first = part * rows_, last = std::min(data_.X.rows, first + rows_);
            slope_of(data_, shape_, first, last, coefficients_.data(), benches_[std::size_t(member)],
                     slopes_.data() + part * shape_.size());
        });
        team.for_each((shape_.size() + kMergeColumns - 1) / kMergeColumns, [&](std::size_t task) noexcept {
            const std::size_t first = task * kMergeColumns, last = std::min(shape_.size(), first + kMergeColumns);
            std::fill(total_.begin() + std::ptrdiff_t(first), total_.begin() + std::ptrdiff_t(last), 0.0);
            for (std::size_t part = 0; part < parts_; part++) {
                const double *slope = slopes_.data() + part * shape_.size();
                for (std::size_t i = first; i < last; i++) total_[i] += slope[i];
            }
            for (std::size_t i = first; i < last; i++) use(i, total_[i]);
        });
    }

    // Between (columns + 1, targets) and the layout of Shape: body(there, here).
    template <class Body>
    void for_layouts(Body &&body) const {
        for (std::size_t t = 0; t < shape_.targets; t++) {
            for (std::size_t j = 0; j < shape_.columns; j++) body(j * shape_.targets + t, t * shape_.width + j);
            body(shape_.columns * shape_.targets + t, shape_.intercepts() + t);
        }
    }

private:
    const Regression &data_;
    Shape shape_;
    std::size_t rows_, parts_;
    Doubles slopes_, total_, coefficients_;
    std::vector<Bench> benches_;
};

}  // namespace

void add_gradient(const Regression &data, const double *coefficients, int threads, double *slope, double *squares) {
    Slopes slopes(data, threads);
    slopes.for_layouts([&](std::size_t there, std::size_t here) { slopes.coefficients()[here] = coefficients[there]; });
    Doubles total(slopes.shape().size());
    as_team(threads, [&](Team &team, int member) noexcept {
        slopes.add_up(team, member, [&](std::size_t i, double sum) { total[i] = sum; });
    });
    slopes.for_layouts([&](std::size_t there, std::size_t here) { slope[there] += total[here]; });
    for (std::size_t t = 0; t < slopes.shape().targets; t++) squares[t] += total[slopes.shape().squares() + t];
}

void descend(const Regression &data, const Descending &how, int threads, double *coefficients, double *squares) {
    Slopes slopes(data, threads);
    double *current = slopes.coefficients();
    slopes.for_layouts([&](std::size_t there, std::size_t here) { current[here] = coefficients[there]; });
    const std::size_t targets = slopes.shape().targets, fixed = slopes.shape().squares();
    const std::size_t moving = how.fit_intercept ? fixed : slopes.shape().intercepts();
    as_team(threads, [&](Team &team, int member) noexcept {
        for (std::size_t step = 0; step < how.steps; step++)
            slopes.add_up(team, member, [&](std::size_t i, double sum) {
                if (i < moving)
                    current[i] -= how.learning_rate * (sum / how.weight);
                else if (i >= fixed)
                    squares[step * targets + i - fixed] = sum;
            });
    });
    slopes.for_layouts([&](std::size_t there, std::size_t here) { coefficients[there] = current[here]; });
}

}  // namespace rmodels::RMODELS_ISA
