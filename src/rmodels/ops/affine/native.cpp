// Accumulators: float64, eight for each result, whose order the contract fixes; nothing is fused but what is exact, so
// that the bits are those of every instruction set. Bytes: X once; a block of it stays in the L2 cache while one group
// of targets after the other is taken. Operations: a product and a sum each, which for one target take less time than
// to read X. Where the numbers of a row are adjacent, lanes are columns, for a tile of rows and targets at a time;
// where those of a column are, lanes are rows; what has other strides, and what many targets would convert, is laid out
// first.
#include "ops/affine/native.hpp"

#include <algorithm>
#include <vector>

#include "native/aligned.hpp"
#include "native/packing.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSums = 8;             // of a result
constexpr int kVectors = int(kSums) / kF64;  // that hold them
constexpr std::size_t kNumbers = 1 << 15;    // of a block: 256 KB
constexpr std::size_t kLines = 256;          // rows of a block by columns, at most
constexpr std::size_t kColumns = 4;          // taken at a time there
constexpr std::size_t kByColumns = 2;        // targets for which a block is not laid out by row
constexpr int kRows = kF64 == 8 ? 4 : 2;     // of a tile of several targets
constexpr int kTargets = kF64 == 8 ? 4 : kF64 == 4 ? 2 : 1;

// Joins the sums of a result by neighbours.
template <class Number, std::size_t Count>
inline Number joined(const Number (&sums)[Count]) {
    if constexpr (Count == 1) {
        return sums[0];
    } else {
        Number pairs[Count / 2];
        for (std::size_t i = 0; i < Count / 2; i++) pairs[i] = sums[2 * i] + sums[2 * i + 1];
        return joined(pairs);
    }
}

// Coefficients whose rows are padded with zeros to whole groups of eight columns.
struct Padded {
    Padded(const Affine &map, std::size_t columns)
        : stride((columns + kSums - 1) / kSums * kSums), values(map.targets * stride) {
        for (std::size_t t = 0; t < map.targets; t++)
            std::copy_n(map.coefficients + t * columns, columns, values.data() + t * stride);
    }

    // Whether all are of float32. Their products with such numbers are exact, so that it changes no bit to fuse them.
    bool single() const {
        return std::all_of(values.begin(), values.end(), [](double w) { return double(float(w)) == w; });
    }

    std::size_t stride;
    Doubles values;
};

// The results of a tile: rows that are `row_stride` numbers apart, and targets whose coefficients are `stride` apart.
template <int Rows, int Targets, bool Fused, class Number>
inline void predict_tile(const Number *x, std::ptrdiff_t row_stride, std::size_t d, const double *w, std::size_t stride,
                         const double *intercepts, double *found, std::size_t found_stride) {
    constexpr int count = Rows * Targets, whole = (count + kF64 - 1) / kF64 * kF64;
    f64v sums[kVectors][whole]{};
    auto add = [&](std::size_t j, auto &&load) {
        for (int v = 0; v < kVectors; v++) {
            f64v weights[Targets];
            for (int t = 0; t < Targets; t++) weights[t] = load_f64(w + std::size_t(t) * stride + j + v * kF64);
            for (int r = 0; r < Rows; r++) {
                const f64v values = load(x + r * row_stride + j, v);
                for (int t = 0; t < Targets; t++) {
                    f64v &sum = sums[v][r * Targets + t];
                    sum = Fused ? fma(values, weights[t], sum) : sum + values * weights[t];
                }
            }
        }
    };
    std::size_t j = 0;
    for (; j + kSums <= d; j += kSums) add(j, [](const Number *p, int v) { return load_f64(p + v * kF64); });
    if (const int rest = int(d - j))
        add(j, [rest](const Number *p, int v) {
            const int left = rest - v * kF64;
            return left >= kF64 ? load_f64(p + v * kF64) : left > 0 ? load_first(p + v * kF64, left) : f64v{};
        });
    alignas(64) double results[whole];
    for (int i = 0; i < whole; i += kF64) {
        f64v parts[kVectors];
        for (int v = 0; v < kVectors; v++) parts[v] = lane_sums(sums[v] + i);
        store(results + i, joined(parts));
    }
    for (int r = 0; r < Rows; r++)
        for (int t = 0; t < Targets; t++)
            found[std::size_t(r) * found_stride + std::size_t(t)] = results[r * Targets + t] + intercepts[t];
}

// The results of rows whose numbers lie one after the other.
template <bool Fused, class Number>
void predict_rows(const Number *x, std::ptrdiff_t row_stride, std::size_t rows, std::size_t d, const Affine &map,
                  const Padded &w, double *found) {
    auto take = [&]<int Rows, int Targets>(std::size_t first, std::size_t t) {
        predict_tile<Rows, Targets, Fused>(x + std::ptrdiff_t(first) * row_stride, row_stride, d,
                                           w.values.data() + t * w.stride, w.stride, map.intercepts + t,
                                           found + first * map.targets + t, map.targets);
    };
    auto for_rows = [&]<int Rows, int Targets>(std::size_t t) {
        std::size_t row = 0;
        for (; row + Rows <= rows; row += Rows) take.template operator()<Rows, Targets>(row, t);
        for (; row < rows; row++) take.template operator()<1, Targets>(row, t);
    };
    std::size_t t = 0;
    if constexpr (kTargets > 1)
        for (; t + kTargets <= map.targets; t += kTargets) for_rows.template operator()<kRows, kTargets>(t);
    for (; t < map.targets; t++) for_rows.template operator()<kF64, 1>(t);
}

// Adds Count columns, eight apart, to one of the sums of each row.
template <int Count, class Number>
inline void add_columns(const Number *x, std::ptrdiff_t column_stride, std::size_t rows, const double *w, double *sum) {
    f64v weights[Count];
    for (int c = 0; c < Count; c++) weights[c] = broadcast(w[c * int(kSums)]);
    const std::ptrdiff_t apart = std::ptrdiff_t(kSums) * column_stride;
    std::size_t i = 0;
    for (; i + kF64 <= rows; i += kF64) {
        f64v total = load_f64(sum + i);
        for (int c = 0; c < Count; c++) total += load_f64(x + c * apart + i) * weights[c];
        store(sum + i, total);
    }
    for (; i < rows; i++)
        for (int c = 0; c < Count; c++) sum[i] += double(x[c * apart + std::ptrdiff_t(i)]) * w[c * int(kSums)];
}

// The results of rows whose columns lie one after the other; `sums` has room for eight lines.
template <class Number>
void predict_columns(const Number *x, std::ptrdiff_t column_stride, std::size_t rows, std::size_t d, const Affine &map,
                     double *sums, double *found) {
    for (std::size_t t = 0; t < map.targets; t++) {
        const double *w = map.coefficients + t * d;
        std::fill_n(sums, kSums * kLines, 0.0);
        for (std::size_t group = 0; group < d; group += kColumns * kSums)
            for (std::size_t l = 0; l < std::min(kSums, d - group); l++) {
                const std::size_t j = group + l;
                auto add = [&]<int Count>() {
                    add_columns<Count>(x + std::ptrdiff_t(j) * column_stride, column_stride, rows, w + j,
                                       sums + l * kLines);
                };
                switch (std::min(kColumns, (d - j + kSums - 1) / kSums)) {
                    case 4:
                        add.template operator()<4>();
                        break;
                    case 3:
                        add.template operator()<3>();
                        break;
                    case 2:
                        add.template operator()<2>();
                        break;
                    default:
                        add.template operator()<1>();
                }
            }
        for (std::size_t i = 0; i < rows; i++) {
            double parts[kSums];
            for (std::size_t l = 0; l < kSums; l++) parts[l] = sums[l * kLines + i];
            found[i * map.targets + t] = joined(parts) + map.intercepts[t];
        }
    }
}

}  // namespace

void predict_affine(const Strided &X, const Affine &map, double *found, int threads) {
    const std::size_t d = X.columns;
    const bool in_columns = X.row_stride == 1 && X.rows > 1 && map.targets <= kByColumns;
    const bool in_rows = !in_columns && X.column_stride == 1 && !(X.single && map.targets > kByColumns);
    const Padded w(map, in_columns ? 0 : d);
    const bool fused = X.single && w.single();
    auto take_rows = [&](auto *x, std::ptrdiff_t row_stride, std::size_t rows, double *out) {
        if (fused)
            predict_rows<true>(x, row_stride, rows, d, map, w, out);
        else
            predict_rows<false>(x, row_stride, rows, d, map, w, out);
    };
    std::size_t step = std::max<std::size_t>(16, kNumbers / std::max<std::size_t>(d, 1) / 16 * 16);
    step = in_columns ? kLines : std::min(step, 16 * kLines);
    std::vector<Doubles> buffers(in_rows ? 0 : std::size_t(std::max(threads, 1)));
    parallel_for((X.rows + step - 1) / step, threads, [&](std::size_t task, int thread) {
        const std::size_t first = task * step, rows = std::min(step, X.rows - first);
        double *out = found + first * map.targets;
        if (in_rows) {
            X.visit(first, 0, [&](auto *x) { take_rows(x, X.row_stride, rows, out); });
            return;
        }
        Doubles &buffer = buffers[std::size_t(thread)];
        if (in_columns) {
            buffer.resize(kSums * kLines);
            X.visit(first, 0, [&](auto *x) { predict_columns(x, X.column_stride, rows, d, map, buffer.data(), out); });
            return;
        }
        buffer.resize(step * std::max<std::size_t>(d, 1));
        if (d) pack(X.rows_from(first, rows), 0, rows, nullptr, nullptr, {buffer.data(), step, d}, 0, 0);
        take_rows(buffer.data(), std::ptrdiff_t(d), rows, out);
    });
}

}  // namespace rmodels::RMODELS_ISA
