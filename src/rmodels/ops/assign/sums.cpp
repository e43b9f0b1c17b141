// Accumulators: 64-bit integers in three limbs of 30 bits, on a grid of each column: nothing is rounded after a row's
// values were, so that sums are the same in any order. Bytes: X once, of which rows that stay where they were are not
// read. Operations: 11 for a value that is added.
#include <algorithm>
#include <span>
#include <vector>

#include "native/threads.hpp"
#include "ops/assign/limbs.hpp"
#include "ops/assign/native.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kBlock = 2048;
constexpr std::size_t kRun = 16;  // rows of one centre that are added at once

// Adds rows that are in no sum yet: those of one label that follow each other together.
void add_rows(const Strided &X, const Strided &weights, const std::int32_t *labels, std::size_t first, std::size_t last,
              const PaddedGrid &grid, PartialSums &part) {
    for (std::size_t i = first, end; i < last; i = end) {
        for (end = i + 1; end < std::min(last, i + kRun) && labels[end] == labels[i];) end++;
        if (labels[i] < 0) continue;
        double w[kRun];
        if (weights.data)
            for (std::size_t r = i; r < end; r++) w[r - i] = weights.at(r);
        std::int64_t *to = part.of(labels[i]);
        X.visit(i, 0, [&](auto *x) {
            grid.add_run(x, X.row_stride, X.column_stride, end - i, weights.data ? w : nullptr, to);
        });
    }
}

// The same of rows that lie by column.
void add_columns(const Strided &X, const Strided &weights, const std::int32_t *labels, std::size_t first,
                 std::size_t last, const PaddedGrid &grid, PartialSums &part) {
    RowsByRow turned(X.columns);
    for (std::size_t i = first; i < last; i += kTurned) {
        const std::size_t here = std::min(kTurned, last - i);
        const double *rows = X.visit(i, 0, [&](auto *x) { return turned.take(x, X.column_stride, X.columns, here); });
        const Strided some{rows, false, here, X.columns, turned.stride(), 1};
        add_rows(some, weights.data ? weights.rows_from(i, here) : weights, labels + i, 0, here, grid, part);
    }
}

// The float64 of an integer in limbs, times 2^-30, to two units of its last place.
double read(std::int64_t top, std::int64_t middle, std::int64_t low, double factor) {
    constexpr std::int64_t mask = (std::int64_t(1) << 30) - 1;
    const std::int64_t sign = (top + ((middle + (low >> 30)) >> 30)) >> 63;
    top = (top ^ sign) - sign;
    middle = (middle ^ sign) - sign;
    low = (low ^ sign) - sign;
    middle += low >> 30;
    top += middle >> 30;
    const double rest = double(low & mask) * 0x1p-60 + double(middle & mask) * 0x1p-30;
    const double found = ((rest + double(top & mask)) + double(top >> 30) * 0x1p30) / factor * 0x1p-30;
    return sign ? -found : found;
}

}  // namespace

void read_sums(const std::int64_t *sums, const double *factors, std::size_t count, std::size_t d, double *weights,
               double *totals, int threads) {
    parallel_for(count, threads, [&](std::size_t c, int) {
        const std::int64_t *top = sums + c * kLimbs * (d + 1), *middle = top + d + 1, *low = middle + d + 1;
        for (std::size_t j = 0; j < d; j++) totals[c * d + j] = read(top[j], middle[j], low[j], factors[j]);
        weights[c] = read(top[d], middle[d], low[d], factors[d]);
    });
}

void add_sums(const Strided &X, const Strided &weights, const std::int32_t *labels, const std::int32_t *previous,
              const Grid &grid, std::size_t count, std::int64_t *sums, int threads) {
    const PaddedGrid padded(X.columns, grid);
    std::mutex lock;
    std::vector<PartialSums> parts(std::size_t(std::max(threads, 1)), PartialSums(sums, count, padded, lock));
    parallel_for((X.rows + kBlock - 1) / kBlock, threads, [&](std::size_t task, int thread) {
        PartialSums &part = parts[std::size_t(thread)];
        const std::size_t last = std::min(X.rows, (task + 1) * kBlock);
        part.expect(last - task * kBlock);
        if (!previous) {
            const auto add = RowsByRow::pays(X) ? add_columns : add_rows;
            return add(X, weights, labels, task * kBlock, last, padded, part);
        }
        std::size_t moved[kBlock], n = 0;
        for (std::size_t i = task * kBlock; i < last; i++) {
            moved[n] = i;
            n += labels[i] != previous[i];
        }
        for (const std::size_t i : std::span(moved, n)) {
            const double weight = weights.data ? weights.at(i) : 1.0;
            std::int64_t *from = part.of(previous[i]), *to = part.of(labels[i]);
            X.visit(i, 0, [&](auto *x) { padded.move(x, X.column_stride, weight, from, to); });
        }
    });
    for (PartialSums &part : parts) part.flush();
}

void own_squares(const Strided &X, const double *centres, const std::int32_t *labels, double *squares, int threads) {
    constexpr std::size_t together = 8;  // rows whose sums are independent
    constexpr std::size_t ahead = 16;    // rows until what is fetched, in the order of memory
    const bool dense = X.column_stride == 1 && X.row_stride == std::ptrdiff_t(X.columns);
    const std::size_t d = X.columns;
    parallel_for((X.rows + kBlock - 1) / kBlock, threads, [&](std::size_t task, int) {
        const std::size_t last = std::min(X.rows, (task + 1) * kBlock);
        for (std::size_t i = task * kBlock; i < last; i += together) {
            const std::size_t count = std::min(together, last - i);
            X.visit(i, 0, [&](auto *first) {
                decltype(first) x[together];
                const double *m[together];
                double sum[together] = {};
                for (std::size_t r = 0; r < together; r++) {
                    const std::size_t row = std::min(r, count - 1);
                    x[r] = first + std::ptrdiff_t(row) * X.row_stride;
                    m[r] = centres + std::size_t(labels[i + row]) * d;
                }
                for (std::size_t j = 0; j < d; j++) {
                    if (dense) __builtin_prefetch(first + ahead * d + j * together, 0, 2);
#pragma GCC unroll 8
                    for (std::size_t r = 0; r < together; r++) {
                        const double gap = double(x[r][std::ptrdiff_t(j) * X.column_stride]) - m[r][j];
                        sum[r] += gap * gap;
                    }
                }
                for (std::size_t r = 0; r < count; r++) squares[i + r] = sum[r];
            });
        }
    });
}

}  // namespace rmodels::RMODELS_ISA
