// Accumulators: float64. Bytes: X once. Operations: a block of rows is laid out with the elements of a column adjacent,
// so that lanes are rows, and stays in the L1 or L2 cache while it is held against one centre after the other. A lane
// sums in the order of the columns: diagonal distances, where nothing is fused, have the same bits on every
// instruction set. Tolerance: the contract's.
#include "ops/mahalanobis/native.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

#include "native/aligned.hpp"
#include "native/packing.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kNumbers = 1 << 13;  // of a block: 64 KB
constexpr int kCentres = 4;                // summed at a time, and components

// Calls body(rows of the block, its first row, its panels, thread) for blocks of rows. Panels are of `width` rows:
// element (column, row) of one is at column · width + row.
template <class Body>
void for_blocks(const Strided &X, std::size_t width, int threads, Body &&body) {
    const std::size_t d = X.columns;
    const std::size_t panels = std::clamp<std::size_t>(kNumbers / (std::max<std::size_t>(d, 1) * width), 1, 8);
    const std::size_t step = panels * width;
    std::vector<Doubles> buffers(std::size_t(std::max(threads, 1)));
    parallel_for((X.rows + step - 1) / step, threads, [&](std::size_t task, int thread) {
        const std::size_t first = task * step, rows = std::min(step, X.rows - first);
        Doubles &buffer = buffers[std::size_t(thread)];
        buffer.resize(step * d);  // lanes without a row hold zeros, or rows of before
        if (d) pack(X.rows_from(first, rows).transposed(), 0, d, nullptr, nullptr, {buffer.data(), d, width}, 0, 0);
        body(rows, first, buffer.data(), thread);
    });
}

// Writes the first `rows` lanes of a line of vectors to a column of found.
template <int Vectors>
inline void write_column(const f64v (&line)[Vectors], std::size_t rows, double *found, std::size_t stride) {
    alignas(64) double values[Vectors * kF64];
    for (int v = 0; v < Vectors; v++) store(values + v * kF64, line[v]);
    for (std::size_t i = 0; i < rows; i++) found[i * stride] = values[i];
}

// Of a panel of two vectors of rows, the distances to Count centres, whose columns are `stride` apart.
template <int Count>
inline void sum_squares(const double *panel, std::size_t d, const double *centres, const double *precisions,
                        std::size_t stride, f64v (&found)[Count][2]) {
    f64v sums[Count][2]{};
    for (std::size_t j = 0; j < d; j++) {
        const f64v x[2] = {load_f64(panel + j * 2 * kF64), load_f64(panel + j * 2 * kF64 + kF64)};
        for (int c = 0; c < Count; c++) {
            const f64v m = broadcast(centres[j * stride + c]), r = broadcast(precisions[j * stride + c]);
            for (int v = 0; v < 2; v++) {
                const f64v gap = x[v] - m;
                sums[c][v] += gap * gap * r;
            }
        }
    }
    for (int c = 0; c < Count; c++) std::copy_n(sums[c], 2, found[c]);
}

// Calls body(centre, the distances of a panel of two vectors of rows to it) for all centres, in their order.
template <class Body>
inline void for_centres(const double *panel, std::size_t d, const Doubles &centres, const Doubles &precisions,
                        std::size_t count, Body &&body) {
    auto take = [&]<int Count>(std::size_t c) {
        f64v found[Count][2];
        sum_squares<Count>(panel, d, centres.data() + c, precisions.data() + c, count, found);
        for (int i = 0; i < Count; i++) body(c + std::size_t(i), found[i]);
    };
    std::size_t c = 0;
    for (; c + kCentres <= count; c += kCentres) take.template operator()<kCentres>(c);
    switch (count - c) {
        case 3:
            take.template operator()<3>(c);
            break;
        case 2:
            take.template operator()<2>(c);
            break;
        case 1:
            take.template operator()<1>(c);
            break;
    }
}

// A matrix of (rows, columns) by columns.
Doubles transposed(const double *A, std::size_t rows, std::size_t columns) {
    Doubles found(rows * columns);
    for (std::size_t i = 0; i < rows; i++)
        for (std::size_t j = 0; j < columns; j++) found[j * rows + i] = A[i * columns + j];
    return found;
}

constexpr int kLines = 3;  // vectors of rows

// Adds the squares of Count components of the rows of a panel of differences: those from `first` on of D A, of which
// row j has its first element that is not 0 at column j.
template <int Count>
inline void add_components(const double *D, const double *A, std::size_t d, std::size_t first, f64v (&sums)[kLines]) {
    f64v found[Count][kLines]{};
    const std::size_t last = first + Count;
    for (std::size_t j = 0; j < last; j++) {
        f64v x[kLines];
        for (int v = 0; v < kLines; v++) x[v] = load_f64(D + (j * kLines + std::size_t(v)) * kF64);
        for (int k = 0; k < Count; k++) {
            const f64v a = broadcast(A[j * d + first + std::size_t(k)]);
            for (int v = 0; v < kLines; v++) found[k][v] = fma(x[v], a, found[k][v]);
        }
    }
    for (int k = 0; k < Count; k++)
        for (int v = 0; v < kLines; v++) sums[v] = fma(found[k][v], found[k][v], sums[v]);
}

}  // namespace

void diagonal_distances(const Strided &X, const Centres &to, double *found, int threads) {
    constexpr std::size_t width = 2 * kF64;
    const std::size_t d = X.columns, n = to.count;
    const Doubles centres = transposed(to.centres, n, d), precisions = transposed(to.others, n, d);
    for_blocks(X, width, threads, [&](std::size_t rows, std::size_t first, const double *panels, int) {
        for (std::size_t row = 0; row < rows; row += width) {
            double *line = found + (first + row) * n;
            for_centres(panels + row * d, d, centres, precisions, n, [&](std::size_t c, const f64v(&distances)[2]) {
                write_column(distances, std::min(width, rows - row), line + c, n);
            });
        }
    });
}

bool classify(const Strided &X, const Centres &to, const double *constants, std::int64_t *places, int threads) {
    constexpr std::size_t width = 2 * kF64;
    const std::size_t d = X.columns, n = to.count;
    const Doubles centres = transposed(to.centres, n, d), precisions = transposed(to.others, n, d);
    const f64v infinite = broadcast(std::numeric_limits<double>::infinity());
    std::atomic<bool> finite{true};
    for_blocks(X, width, threads, [&](std::size_t rows, std::size_t first, const double *panels, int) {
        for (std::size_t row = 0; row < rows; row += width) {
            const std::size_t here = std::min(width, rows - row);
            f64v best[2] = {-infinite, -infinite};
            i64v place[2]{}, all[2] = {~i64v{}, ~i64v{}};
            for_centres(panels + row * d, d, centres, precisions, n, [&](std::size_t c, const f64v(&distances)[2]) {
                const f64v constant = broadcast(constants[c]);
                for (int v = 0; v < 2; v++) {
                    const f64v score = distances[v] * broadcast(-0.5) + constant;
                    const auto better = score > best[v];
                    best[v] = better ? score : best[v];
                    place[v] = better ? i64v{} + (long long)(c) : place[v];
                    all[v] &= magnitude(distances[v]) < infinite;
                }
            });
            alignas(64) std::int64_t lanes[width], whole[width];
            for (int v = 0; v < 2; v++) {
                store(lanes + v * kF64, place[v]);
                store(whole + v * kF64, all[v]);
            }
            std::copy_n(lanes, here, places + first + row);
            if (std::count(whole, whole + here, 0)) finite.store(false, std::memory_order_relaxed);
        }
    });
    return finite.load();
}

void full_distances(const Strided &X, const Centres &to, double *found, int threads) {
    constexpr std::size_t width = kLines * kF64;
    const std::size_t d = X.columns, n = to.count;
    std::vector<Doubles> differences(std::size_t(std::max(threads, 1)));
    for_blocks(X, width, threads, [&](std::size_t rows, std::size_t first, const double *panels, int thread) {
        Doubles &buffer = differences[std::size_t(thread)];
        buffer.resize(width * d);
        double *D = buffer.data();
        for (std::size_t c = 0; c < n; c++) {
            const double *centre = to.centres + c * d, *A = to.others + c * d * d;
            for (std::size_t row = 0; row < rows; row += width) {
                const double *panel = panels + row * d;
                for (std::size_t j = 0; j < d; j++) {
                    const f64v m = broadcast(centre[j]);
                    for (int v = 0; v < kLines; v++) {
                        const std::size_t at = (j * kLines + std::size_t(v)) * kF64;
                        store(D + at, load_f64(panel + at) - m);
                    }
                }
                f64v sums[kLines]{};
                std::size_t k = 0;
                for (; k + kCentres <= d; k += kCentres) add_components<kCentres>(D, A, d, k, sums);
                for (; k < d; k++) add_components<1>(D, A, d, k, sums);
                write_column(sums, std::min(width, rows - row), found + (first + row) * n + c, n);
            }
        }
    });
}

}  // namespace rmodels::RMODELS_ISA
