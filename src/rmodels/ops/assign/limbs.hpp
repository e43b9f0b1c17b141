// Rows in fixed point: w (x − shift) and w, times a power of two of the column, as integers of three limbs of 30 bits.
// Rounded once, to a multiple of 2^-90; then nothing is, so that sums are the same in any order. Threads add two halves
// of 45 bits, of so many rows as these have room for.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "native/aligned.hpp"
#include "native/vectors.hpp"
#include "ops/assign/native.hpp"

namespace rmodels::RMODELS_ISA {

constexpr std::size_t kLimbs = 3, kHalves = 2;
constexpr int kLimbBits = 30, kHalfBits = 45;
constexpr std::size_t kMostRows = 1 << 17;  // whose halves fit in 64 bits

// The integer nearest to t · 2^(45 (Half + 1)), |t| ≤ 2^(-45 Half); t keeps what is left of it.
template <std::size_t Half>
inline i64v split(f64v &t) {
    constexpr double places[] = {0x1.8p7, 0x1.8p-38};  // their last place is that of the half
    const f64v magic = broadcast(places[Half]);
    const f64v whole = t + magic;
    t -= whole - magic;
    return (i64v)whole - (i64v)magic;
}

// Adds halves to limbs, of which all but the top one are in [0, 2^30), and stay there.
inline void add_halves(std::int64_t high, std::int64_t low, std::int64_t &top, std::int64_t &middle,
                       std::int64_t &bottom) {
    constexpr std::int64_t limb = (std::int64_t(1) << kLimbBits) - 1, half = (std::int64_t(1) << kHalfBits) - 1;
    constexpr int rest = 2 * kLimbBits - kHalfBits;  // bits of the high half that belong to the middle limb
    high += low >> kHalfBits;
    low &= half;
    bottom += low & limb;
    middle += (low >> kLimbBits) + ((high & ((1 << rest) - 1)) << (kHalfBits - kLimbBits)) + (bottom >> kLimbBits);
    top += (high >> rest) + (middle >> kLimbBits);
    bottom &= limb;
    middle &= limb;
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

    std::size_t columns() const { return columns_; }
    std::size_t stride() const { return stride_; }

    // Takes a row from some halves and adds it to others, each (2, stride) or null.
    template <class Real>
    void move(const Real *x, std::ptrdiff_t step, double weight, std::int64_t *from, std::int64_t *to) const {
        if (from && to)
            move<true, true>(x, step, weight, from, to);
        else if (to)
            move<false, true>(x, step, weight, from, to);
        else if (from)
            move<true, false>(x, step, weight, from, to);
    }

    // Adds rows that follow each other to the halves of one centre; weights: of each, or null.
    template <class Real>
    void add_run(const Real *x, std::ptrdiff_t row_stride, std::ptrdiff_t step, std::size_t rows, const double *weights,
                 std::int64_t *to) const {
        for (std::size_t j = 0; j < stride_; j += kF64) {
            const int count = int(std::min<std::size_t>(columns_ - std::min(j, columns_), kF64));
            const f64v shift = load<f64v>(shift_.data() + j), factors = load<f64v>(factors_.data() + j);
            i64v sums[kHalves]{};
            for (std::size_t r = 0; r < rows; r++) {
                f64v t = take(x + std::ptrdiff_t(r) * row_stride, step, j, count) - shift;
                if (weights) t *= broadcast(weights[r]);
                t *= factors;
                sums[0] += split<0>(t);
                sums[1] += split<1>(t);
            }
            for (std::size_t half = 0; half < kHalves; half++) {
                std::int64_t *at = to + half * stride_ + j;
                store(at, load<i64v>(at) + sums[half]);
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

    template <bool kFrom, bool kTo, class Real>
    void move(const Real *x, std::ptrdiff_t step, double weight, std::int64_t *from, std::int64_t *to) const {
        const std::size_t d = columns_, stride = stride_;  // sums may be them, for all that a compiler knows
        const double *shift = shift_.data(), *factors = factors_.data();
        const f64v w = broadcast(weight);
        for (std::size_t j = 0; j < stride; j += kF64) {
            const int count = int(std::min<std::size_t>(d - std::min(j, d), kF64));
            f64v t = (take(x, step, j, count) - load<f64v>(shift + j)) * w * load<f64v>(factors + j);
            const i64v high = split<0>(t), low = split<1>(t);
            if constexpr (kTo) {
                store(to + j, load<i64v>(to + j) + high);
                store(to + stride + j, load<i64v>(to + stride + j) + low);
            }
            if constexpr (kFrom) {
                store(from + j, load<i64v>(from + j) - high);
                store(from + stride + j, load<i64v>(from + stride + j) - low);
            }
        }
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

// What a thread adds to sums (count, 3, columns + 1): halves, only of the centres that rows left or came to.
class PartialSums {
public:
    PartialSums(std::int64_t *sums, std::size_t count, const PaddedGrid &grid, std::mutex &lock)
        : sums_(sums), width_(grid.columns() + 1), size_(kHalves * grid.stride()), lock_(&lock), begun_(count) {}

    // Makes room for some rows, each of which is added once and taken off once at most.
    void expect(std::size_t rows) {
        if (rows_ + rows > kMostRows) flush();
        rows_ += rows;
    }

    // The halves of a centre, (2, stride); null for none.
    std::int64_t *of(std::int32_t centre) {
        if (centre < 0) return nullptr;
        const std::size_t c = std::size_t(centre);
        if (!begun_[c]) begin(c);
        return halves_.data() + c * size_;
    }

    // Adds all to the sums, and begins anew.
    void flush() {
        const std::lock_guard<std::mutex> alone(*lock_);
        for (std::size_t c = 0; c < begun_.size(); c++) {
            if (!begun_[c]) continue;
            const std::int64_t *high = halves_.data() + c * size_, *low = high + size_ / kHalves;
            std::int64_t *top = sums_ + c * kLimbs * width_, *middle = top + width_, *bottom = middle + width_;
            for (std::size_t j = 0; j < width_; j++) add_halves(high[j], low[j], top[j], middle[j], bottom[j]);
            begun_[c] = 0;
        }
        rows_ = 0;
    }

private:
    [[gnu::noinline]] void begin(std::size_t c) {
        halves_.resize(begun_.size() * size_);
        std::fill_n(halves_.data() + c * size_, size_, 0);
        begun_[c] = 1;
    }

    std::int64_t *sums_;
    std::size_t width_, size_, rows_ = 0;
    std::mutex *lock_;
    std::vector<std::int64_t, CacheLines<std::int64_t>> halves_;
    std::vector<unsigned char> begun_;
};

}  // namespace rmodels::RMODELS_ISA
