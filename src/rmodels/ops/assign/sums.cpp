// Accumulators: 64-bit integers in three limbs of 30 bits, on a grid of each column: nothing is rounded after a row's
// values were, so that sums are the same in any order. Bytes: X once, of which rows that stay where they were are not
// read. Operations: 15 for a value that is added.
#include <algorithm>
#include <cstring>
#include <mutex>
#include <span>
#include <vector>

#include "native/aligned.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"
#include "ops/assign/native.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kBlock = 2048;
constexpr int kLimbs = 3;

// The integer nearest to t · 2^30, |t| ≤ 2, and what is left of t · 2^30 in t.
inline i64v split(f64v &t) {
    const f64v magic = broadcast(0x1.8p52);
    t *= broadcast(0x1p30);
    const f64v whole = t + magic;
    t -= whole - magic;
    return (i64v)whole - (i64v)magic;
}

struct Values {
    Doubles values;
    std::size_t stride;

    explicit Values(std::size_t d) : values((d + kF64) / kF64 * kF64), stride(values.size()) {}

    // w (x − shift) and w, scaled.
    template <class Real>
    void set(const Real *x, std::ptrdiff_t step, std::size_t d, const Grid &grid, const double *weight) {
        double *out = values.data();
        if (step == 1)
            for (std::size_t j = 0; j < d; j++) out[j] = double(x[j]) - grid.shift[j];
        else
            for (std::size_t j = 0; j < d; j++) out[j] = double(x[std::ptrdiff_t(j) * step]) - grid.shift[j];
        if (weight)
            for (std::size_t j = 0; j < d; j++) out[j] *= *weight;
        for (std::size_t j = 0; j < d; j++) out[j] *= grid.factors[j];
        out[d] = (weight ? *weight : 1.0) * grid.factors[d];
    }

    void add_to(std::int64_t *from, std::int64_t *to) const {
        for (std::size_t j = 0; j < stride; j += kF64) {
            f64v t = load<f64v>(values.data() + j);
            for (int limb = 0; limb < kLimbs; limb++) {
                const std::size_t at = std::size_t(limb) * stride + j;
                const i64v part = split(t);
                if (to) store(to + at, load<i64v>(to + at) + part);
                if (from) store(from + at, load<i64v>(from + at) - part);
            }
        }
    }
};

}  // namespace

void add_sums(const Strided &X, const Strided &weights, const std::int32_t *labels, const std::int32_t *previous,
              const Grid &grid, std::size_t count, std::int64_t *sums, int threads) {
    const std::size_t d = X.columns, stride = Values(d).stride, size = count * kLimbs * stride;
    const std::size_t workers = std::size_t(std::max(threads, 1));
    std::vector<std::vector<std::int64_t>> parts(workers);
    std::vector<Values> rows(workers, Values(d));
    parallel_for((X.rows + kBlock - 1) / kBlock, threads, [&](std::size_t task, int thread) {
        std::vector<std::int64_t> &part = parts[std::size_t(thread)];
        Values &row = rows[std::size_t(thread)];
        if (part.empty()) part.assign(size, 0);
        const std::size_t last = std::min(X.rows, (task + 1) * kBlock);
        std::size_t moved[kBlock], n = 0;
        for (std::size_t i = task * kBlock; i < last; i++) {
            moved[n] = i;
            n += !previous || labels[i] != previous[i];
        }
        for (const std::size_t i : std::span(moved, n)) {
            const std::int32_t label = labels[i], before = previous ? previous[i] : -1;
            const double weight = weights.data ? weights.at(i) : 1.0;
            X.visit(i, 0, [&](auto *x) { row.set(x, X.column_stride, d, grid, weights.data ? &weight : nullptr); });
            auto at = [&](std::int32_t c) { return c < 0 ? nullptr : part.data() + std::size_t(c) * kLimbs * stride; };
            row.add_to(at(before), at(label));
        }
    });
    for (const auto &part : parts)
        if (!part.empty())
            for (std::size_t line = 0; line < count * kLimbs; line++)
                for (std::size_t j = 0; j <= d; j++) sums[line * (d + 1) + j] += part[line * stride + j];
}

void own_squares(const Strided &X, const double *centres, const std::int32_t *labels, double *squares, int threads) {
    constexpr std::size_t together = 8;  // rows whose sums are independent
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
                for (std::size_t j = 0; j < d; j++)
#pragma GCC unroll 8
                    for (std::size_t r = 0; r < together; r++) {
                        const double gap = double(x[r][std::ptrdiff_t(j) * X.column_stride]) - m[r][j];
                        sum[r] += gap * gap;
                    }
                for (std::size_t r = 0; r < count; r++) squares[i + r] = sum[r];
            });
        }
    });
}

}  // namespace rmodels::RMODELS_ISA
