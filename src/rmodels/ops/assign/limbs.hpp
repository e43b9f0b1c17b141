// Rows in fixed point: w (x − shift) and w, times a power of two of the column, as integers of three limbs of 30 bits.
// Rounded once, to a multiple of 2^-90; then nothing is, so that sums are the same in any order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/aligned.hpp"
#include "native/vectors.hpp"
#include "ops/assign/native.hpp"

namespace rmodels::RMODELS_ISA {

constexpr std::size_t kLimbs = 3;

// The integer nearest to t · 2^(30 (Limb + 1)), |t| ≤ 2^(1 - 30 Limb); t keeps what is left of it.
template <std::size_t Limb>
inline i64v split(f64v &t) {
    constexpr double places[] = {0x1.8p22, 0x1.8p-8, 0x1.8p-38};  // their last place is that of the limb
    const f64v magic = broadcast(places[Limb]);
    const f64v whole = t + magic;
    t -= whole - magic;
    return (i64v)whole - (i64v)magic;
}

// A grid whose columns fill vectors: that of w is one where x is 0 and the shift −1.
class PaddedGrid {
public:
    PaddedGrid(std::size_t d, const Grid &grid)
        : columns_(d), stride_((d + kF64) / kF64 * kF64), shift_(stride_), factors_(stride_) {
        std::copy_n(grid.shift, d, shift_.data());
        std::copy_n(grid.factors, d + 1, factors_.data());
        shift_[d] = -1;
    }

    std::size_t stride() const { return stride_; }

    // Takes a row from some limbs and adds it to others, each (3, stride) or null.
    template <class Real>
    void move(const Real *x, std::ptrdiff_t step, double weight, std::int64_t *from, std::int64_t *to) const {
        for (std::size_t j = 0; j < stride_; j += kF64) {
            const int count = int(std::min<std::size_t>(columns_ - std::min(j, columns_), kF64));
            f64v t = (take(x, step, j, count) - load<f64v>(shift_.data() + j)) * broadcast(weight) *
                     load<f64v>(factors_.data() + j);
            add<0>(t, j, from, to);
            add<1>(t, j, from, to);
            add<2>(t, j, from, to);
        }
    }

    // Adds rows that follow each other to the limbs of one centre; weights: of each, or null.
    template <class Real>
    void add_run(const Real *x, std::ptrdiff_t row_stride, std::ptrdiff_t step, std::size_t rows, const double *weights,
                 std::int64_t *to) const {
        for (std::size_t j = 0; j < stride_; j += kF64) {
            const int count = int(std::min<std::size_t>(columns_ - std::min(j, columns_), kF64));
            const f64v shift = load<f64v>(shift_.data() + j), factors = load<f64v>(factors_.data() + j);
            i64v sums[kLimbs]{};
            for (std::size_t r = 0; r < rows; r++) {
                f64v t = take(x + std::ptrdiff_t(r) * row_stride, step, j, count) - shift;
                if (weights) t *= broadcast(weights[r]);
                t *= factors;
                sums[0] += split<0>(t);
                sums[1] += split<1>(t);
                sums[2] += split<2>(t);
            }
            for (std::size_t limb = 0; limb < kLimbs; limb++) {
                std::int64_t *at = to + limb * stride_ + j;
                store(at, load<i64v>(at) + sums[limb]);
            }
        }
    }

private:
    template <class Real>
    static f64v take(const Real *x, std::ptrdiff_t step, std::size_t j, int count) {
        if (step == 1 && count == kF64) return load_f64(x + j);
        if (step == 1 && count > 0) return load_first(x + j, count);
        f64v values{};
        for (int lane = 0; lane < count; lane++) values[lane] = double(x[std::ptrdiff_t(j + std::size_t(lane)) * step]);
        return values;
    }

    template <std::size_t Limb>
    void add(f64v &t, std::size_t j, std::int64_t *from, std::int64_t *to) const {
        const std::size_t at = Limb * stride_ + j;
        const i64v part = split<Limb>(t);
        if (to) store(to + at, load<i64v>(to + at) + part);
        if (from) store(from + at, load<i64v>(from + at) - part);
    }

    std::size_t columns_, stride_;
    Doubles shift_, factors_;
};

constexpr std::size_t kTurned = 64;  // rows that are laid out by row at once

// Rows by row, in float64, of an array that has them by column: what a thread reads a few of at a time.
class RowsByRow {
public:
    explicit RowsByRow(std::size_t columns) : stride_((columns + kF64 - 1) / kF64 * kF64) {}

    // Whether that is worth it.
    static bool pays(const Strided &X) { return X.row_stride == 1 && X.column_stride != 1 && X.columns > 0; }

    // Lays out rows, which follow each other at x; returns the first. The others are stride() apart.
    template <class Real>
    const double *take(const Real *x, std::ptrdiff_t column_stride, std::size_t columns, std::size_t rows) {
        rows_.resize(std::max(rows_.size(), (rows + kF64 - 1) / kF64 * kF64 * stride_));
        for (std::size_t r = 0; r < rows; r += kF64) {
            const int here = int(std::min<std::size_t>(kF64, rows - r));
            for (std::size_t j = 0; j < columns; j += kF64) {
                f64v lines[kF64];
                for (std::size_t k = 0; k < kF64; k++) {
                    const Real *line = x + std::ptrdiff_t(std::min(j + k, columns - 1)) * column_stride + r;
                    lines[k] = here == kF64 ? load_f64(line) : load_first(line, here);
                }
                transpose(lines);
                for (std::size_t i = 0; i < kF64; i++) store(rows_.data() + (r + i) * stride_ + j, lines[i]);
            }
        }
        return rows_.data();
    }

    std::ptrdiff_t stride() const { return std::ptrdiff_t(stride_); }

private:
    std::size_t stride_;
    Doubles rows_;
};

// What a thread adds to sums: lines only of the centres that rows left or came to.
class PartialSums {
public:
    // The limbs of a centre, (3, stride); null for none.
    std::int64_t *of(std::int32_t centre, std::size_t count, std::size_t stride) {
        if (centre < 0) return nullptr;
        const std::size_t c = std::size_t(centre), size = kLimbs * stride;
        if (lines_.empty()) {
            lines_.resize(count * size);
            begun_.assign(count, 0);
        }
        if (!begun_[c]) {
            std::fill_n(lines_.data() + c * size, size, 0);
            begun_[c] = 1;
        }
        return lines_.data() + c * size;
    }

    // Adds all to sums (count, 3, columns + 1).
    void add_to(std::int64_t *sums, std::size_t columns, std::size_t stride) const {
        for (std::size_t c = 0; c < begun_.size(); c++)
            for (std::size_t line = c * kLimbs; begun_[c] && line < (c + 1) * kLimbs; line++)
                for (std::size_t j = 0; j <= columns; j++) sums[line * (columns + 1) + j] += lines_[line * stride + j];
    }

private:
    std::vector<std::int64_t, CacheLines<std::int64_t>> lines_;
    std::vector<unsigned char> begun_;
};

}  // namespace rmodels::RMODELS_ISA
