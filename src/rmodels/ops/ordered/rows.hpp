// Rows, and what a step does with one: in memory next to each other, or the values that are not 0.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "native/functions.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {

// Σ w² and Σ |w|, or what a step changed of them.
struct Sizes {
    double squares, magnitudes;
};

// Of a row: x·w and ‖x‖².
struct Own {
    double product = 0, squares = 0;
};

// As many values as f64v has lanes.
inline f64v load_lanes(const double *p) { return load<f64v>(p); }
inline f32h load_lanes(const float *p) { return load<f32h>(p); }
inline f64v load_lanes(const double *p, int count) { return load_first(p, count); }
inline f32h load_lanes(const float *p, int count) { return load_first_half(p, count); }

inline f64v wide(f64v a) { return a; }
inline f64v wide(f32h a) { return widened(a); }

// Products are rounded to float32 where both factors are of it; sums are of float64.
inline f64v add_product(f64v sum, f64v a, f64v b) { return fma(a, b, sum); }
inline f64v add_product(f64v sum, f32h a, f32h b) { return sum + widened(a * b); }

inline f64v moved(f64v w, f64v x, f64v factor) { return fma(x, factor, w); }
inline f32h moved(f32h w, f32h x, f64v factor) { return narrowed(fma(widened(x), factor, widened(w))); }

inline double sum_of(f64v v) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    const __m256d all = (__m256d)v;  // GCC exchanges the halves by a slower instruction
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(all), _mm256_extractf128_pd(all, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
#else
    if constexpr (kF64 == 8) v += rotated<4>(v);
    if constexpr (kF64 >= 4) v += rotated<2>(v);
    v += rotated<1>(v);
    return v[0];
#endif
}

// A row whose values lie next to each other. Coefficients are padded with zeros to whole vectors.
template <class Real>
struct DenseRow {
    const Real *x;
    std::size_t count;

    static std::size_t padded(std::size_t columns) { return (columns + kF64 - 1) / kF64 * kF64; }

    // Calls body(index, values) for each vector.
    template <class Body>
    void visit(Body &&body) const {
        std::size_t i = 0;
        for (; i + kF64 <= count; i += kF64) body(i, load_lanes(x + i));
        if (i < count) body(i, load_lanes(x + i, int(count - i)));
    }

    double dot(const Real *w) const {
        f64v sums[4] = {};
        std::size_t i = 0;
        for (; i + 4 * kF64 <= count; i += 4 * kF64)
            for (int k = 0; k < 4; k++)
                sums[k] = add_product(sums[k], load_lanes(w + i + k * kF64), load_lanes(x + i + k * kF64));
        if (i + 2 * kF64 <= count) {
            for (int k = 0; k < 2; k++)
                sums[k] = add_product(sums[k], load_lanes(w + i + k * kF64), load_lanes(x + i + k * kF64));
            i += 2 * kF64;
        }
        if (i + kF64 <= count) {
            sums[2] = add_product(sums[2], load_lanes(w + i), load_lanes(x + i));
            i += kF64;
        }
        if (i < count) sums[3] = add_product(sums[3], load_lanes(w + i), load_lanes(x + i, int(count - i)));
        return sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }

    double squares() const {
        f64v sum = {};
        visit([&](std::size_t, auto values) { sum = fma(wide(values), wide(values), sum); });
        return sum_of(sum);
    }

    // w += factor · x; what is wanted of the sizes of w is set in `all`
    template <bool kSquares, bool kMagnitudes>
    void add(Real *w, double factor, Sizes &all) const {
        const f64v f = broadcast(factor);
        f64v even = {}, odd = {}, magnitudes = {};
        const auto one = [&](std::size_t i, auto values, f64v &squares) {
            const auto after = moved(load_lanes(w + i), values, f);
            store(w + i, after);
            if constexpr (kSquares) squares = add_product(squares, after, after);
            if constexpr (kMagnitudes) magnitudes += magnitude(wide(after));
        };
        std::size_t i = 0;
        for (; i + 2 * kF64 <= count; i += 2 * kF64) {
            one(i, load_lanes(x + i), even);
            one(i + kF64, load_lanes(x + i + kF64), odd);
        }
        if (i + kF64 <= count) {
            one(i, load_lanes(x + i), even);
            i += kF64;
        }
        if (i < count) one(i, load_lanes(x + i, int(count - i)), odd);
        if constexpr (kSquares) all.squares = sum_of(even + odd);
        if constexpr (kMagnitudes) all.magnitudes = sum_of(magnitudes);
    }

    // average += a · x · factor
    void add_to(Real *average, double a, double factor) const {
        const f64v f = broadcast(a * factor);
        visit([&](std::size_t i, auto values) { store(average + i, moved(load_lanes(average + i), values, f)); });
    }

    // Calls body(index) for each column that it has.
    template <class Body>
    void each(Body &&body) const {
        for (std::size_t i = 0; i < count; i++) body(i);
    }
};

// A row of which the values that are not 0 are stored.
template <class Real>
struct SparseRow {
    const Real *x;
    const std::int32_t *columns;
    std::size_t count;

    double dot(const Real *w) const {
        double sums[4] = {};
        std::size_t i = 0;
        for (; i + 4 <= count; i += 4)
            for (int k = 0; k < 4; k++) sums[k] += double(Real(w[columns[i + k]] * x[i + k]));
        for (; i < count; i++) sums[0] += double(Real(w[columns[i]] * x[i]));
        return (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }

    Own multiply(const Real *w) const {
        double products[4] = {}, squares[4] = {};
        std::size_t i = 0;
        for (; i + 4 <= count; i += 4)
            for (int k = 0; k < 4; k++) {
                products[k] = fma(w[columns[i + k]], x[i + k], products[k]);
                squares[k] = fma(x[i + k], x[i + k], squares[k]);
            }
        for (; i < count; i++) {
            products[0] = fma(w[columns[i]], x[i], products[0]);
            squares[0] = fma(x[i], x[i], squares[0]);
        }
        return {(products[0] + products[1]) + (products[2] + products[3]),
                (squares[0] + squares[1]) + (squares[2] + squares[3])};
    }

    double squares() const {
        double sum = 0;
        for (std::size_t i = 0; i < count; i++) sum += double(x[i]) * double(x[i]);
        return sum;
    }

    // w += factor · x; what that changes of the wanted sizes is added to `all`
    template <bool kSquares, bool kMagnitudes>
    void add(Real *w, double factor, Sizes &all) const {
        double squares[2] = {}, magnitudes = 0;
        for (std::size_t i = 0; i < count; i++) {
            Real &one = w[columns[i]];
            const double before = one;
            one = Real(fma(double(x[i]), factor, before));
            const double after = one;
            if constexpr (kSquares) squares[i & 1] += (after - before) * (after + before);
            if constexpr (kMagnitudes) magnitudes += std::fabs(after) - std::fabs(before);
        }
        all.squares += squares[0] + squares[1];
        all.magnitudes += magnitudes;
    }

    void add_to(Real *average, double a, double factor) const {
        for (std::size_t i = 0; i < count; i++) {
            Real &one = average[columns[i]];
            one = Real(double(one) + double(x[i]) * (a * factor));
        }
    }

    template <class Body>
    void each(Body &&body) const {
        for (std::size_t i = 0; i < count; i++) body(std::size_t(columns[i]));
    }
};

// Rows in memory: an array with some stride, or a CSR matrix where `starts` is given.
template <class Real>
struct RowSet {
    const Real *values = nullptr;
    const std::int32_t *indices = nullptr;
    const std::int64_t *starts = nullptr;
    std::size_t count = 0, columns = 0, stride = 0;
    const Real *y = nullptr;
    const Real *weights = nullptr;           // or null: all are 1
    const std::uint8_t *held_out = nullptr;  // or null: none is

    DenseRow<Real> dense(std::size_t row) const { return {values + row * stride, columns}; }
    SparseRow<Real> sparse(std::size_t row) const {
        const std::size_t from = std::size_t(starts[row]);
        return {values + from, indices + from, std::size_t(starts[row + 1]) - from};
    }

    // Has where a row is be on its way to the cache. GCC drops calls of functions that do nothing else, unless they are
    // inlined before it looks.
    [[gnu::always_inline]] void prefetch_place(std::size_t row) const {
        if (starts) __builtin_prefetch(starts + row);
    }

    // Has what a step needs of a row be on its way to the cache.
    template <bool kSparse>
    [[gnu::always_inline]] void prefetch(std::size_t row) const {
        __builtin_prefetch(y + row);
        if (weights) __builtin_prefetch(weights + row);
        if constexpr (kSparse) {
            const std::size_t from = std::size_t(starts[row]), to = std::size_t(starts[row + 1]);
            for (std::size_t i = from; i < to; i += 64 / sizeof(Real)) __builtin_prefetch(values + i);
            for (std::size_t i = from; i < to; i += 16) __builtin_prefetch(indices + i);
            return;
        }
        const char *p = reinterpret_cast<const char *>(values + row * stride);
        // To the end of its last vector: lanes that are not wanted are waited for as well.
        const std::size_t bytes = DenseRow<Real>::padded(columns) * sizeof(Real);
        // Into L2: L1 has too few lines on their way at a time to fetch rows while steps are made.
        for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i, 0, 2);
        __builtin_prefetch(p + bytes - 1, 0, 2);
    }
};

}  // namespace rmodels::RMODELS_ISA
