// Bytes: reads each element once, writes it once as float64. Every result is rounded once for the
// shift and once for the scale.
#include "native/packing.hpp"

#include <algorithm>
#include <cstdlib>

#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

// At most kF64 adjacent columns of the source, and where they go; strides in elements.
template <class Real>
struct Strip {
    const Real *source;
    std::ptrdiff_t row_stride, column_stride;
    int columns;
    const double *shift;
    double *packed;
    std::size_t width;
};

inline f64v scaled(f64v x, const double *scale, std::size_t row) { return scale ? x * broadcast(scale[row]) : x; }

// Rows [first, last), the elements of a row adjacent.
template <class Real>
inline void pack_rows(const Strip<Real> &s, std::size_t first, std::size_t last, const double *scale) {
    const Real *from = s.source + std::ptrdiff_t(first) * s.row_stride;
    double *to = s.packed + first * s.width;
    if (s.columns == kF64) {
        const f64v centre = s.shift ? load<f64v>(s.shift) : f64v{};
        for (std::size_t k = first; k < last; k++, from += s.row_stride, to += s.width)
            store(to, scaled(load_f64(from) - centre, scale, k));
    } else {
        const f64v centre = s.shift ? load_first(s.shift, s.columns) : f64v{};
        for (std::size_t k = first; k < last; k++, from += s.row_stride, to += s.width)
            store_first(to, scaled(load_first(from, s.columns) - centre, scale, k), s.columns);
    }
}

// Rows of `columns` adjacent elements, to memory of the same order: each as it lies.
template <class Real>
inline void pack_lines(const Real *from, std::ptrdiff_t stride, std::size_t rows, std::size_t columns,
                       const double *shift, const double *scale, double *to, std::size_t width) {
    const std::size_t whole = columns / kF64 * kF64;
    const int rest = int(columns - whole);
    for (std::size_t k = 0; k < rows; k++, from += stride, to += width) {
        for (std::size_t j = 0; j < whole; j += kF64) {
            const f64v centre = shift ? load<f64v>(shift + j) : f64v{};
            store(to + j, scaled(load_f64(from + j) - centre, scale, k));
        }
        if (rest) {
            const f64v centre = shift ? load_first(shift + whole, rest) : f64v{};
            store_first(to + whole, scaled(load_first(from + whole, rest) - centre, scale, k), rest);
        }
    }
}

// Rows to memory of the same order, the elements of a row nearer than those of a column.
template <class Real>
inline void pack_spread(const Real *from, const Strided &source, std::size_t rows, const double *shift,
                        const double *scale, double *to, std::size_t width) {
    for (std::size_t k = 0; k < rows; k++, from += source.row_stride, to += width)
        for (std::size_t j = 0; j < source.columns; j++) {
            const double value = double(from[std::ptrdiff_t(j) * source.column_stride]);
            const double centred = shift ? value - shift[j] : value;
            to[j] = scale ? centred * scale[k] : centred;
        }
}

// kF64 rows from `first` on, the elements of a column adjacent.
template <class Real>
inline void pack_columns(const Strip<Real> &s, std::size_t first, const double *scale) {
    const f64v centre = s.shift ? load_first(s.shift, s.columns) : f64v{};
    f64v lines[kF64];
    for (int c = 0; c < kF64; c++)
        lines[c] = load_f64(s.source + std::ptrdiff_t(std::min(c, s.columns - 1)) * s.column_stride + first);
    transpose(lines);
    for (int r = 0; r < kF64; r++) {
        const f64v line = scaled(lines[r] - centre, scale, first + r);
        double *to = s.packed + (first + r) * s.width;
        if (s.columns == kF64)
            store(to, line);
        else
            store_first(to, line, s.columns);
    }
}

// Rows [first, last), any strides.
template <class Real>
inline void pack_elements(const Strip<Real> &s, std::size_t first, std::size_t last, const double *scale) {
    for (int c = 0; c < s.columns; c++) {
        const double centre = s.shift ? s.shift[c] : 0.0;
        const Real *from = s.source + std::ptrdiff_t(c) * s.column_stride + std::ptrdiff_t(first) * s.row_stride;
        double *to = s.packed + first * s.width + c;
        for (std::size_t k = first; k < last; k++, from += s.row_stride, to += s.width)
            *to = scale ? (double(*from) - centre) * scale[k] : double(*from) - centre;
    }
}

}  // namespace

void pack(const Strided &source, std::size_t first, std::size_t rows, const double *shift, const double *scale,
          const Panels &packed, std::size_t row, std::size_t column) {
    source.visit(first, 0, [&](auto *p) {
        auto for_strips = [&](auto &&body) {
            for (std::size_t j = 0; j < source.columns;) {
                const std::size_t left = packed.width - (column + j) % packed.width;  // in this panel
                const int count = int(std::min({std::size_t(kF64), source.columns - j, left}));
                body(Strip{p + std::ptrdiff_t(j) * source.column_stride, source.row_stride, source.column_stride, count,
                           shift ? shift + j : nullptr, packed.at(row, column + j), packed.width});
                j += std::size_t(count);
            }
        };
        if (source.columns > 1 && source.column_stride == 1 && column + source.columns <= packed.width) {
            pack_lines(p, source.row_stride, rows, source.columns, shift, scale, packed.at(row, column), packed.width);
        } else if (source.columns > 1 && source.column_stride == 1) {
            for (std::size_t k = 0; k < rows; k += kF64)  // few rows at a time: each cache line is read once
                for_strips([&](const auto &strip) { pack_rows(strip, k, std::min(rows, k + kF64), scale); });
        } else if (source.columns > 1 && source.row_stride == 1) {
            const std::size_t whole = rows / kF64 * kF64;
            for_strips([&](const auto &strip) {
                for (std::size_t k = 0; k < whole; k += kF64) pack_columns(strip, k, scale);
                pack_elements(strip, whole, rows, scale);
            });
        } else if (std::abs(source.column_stride) < std::abs(source.row_stride) &&
                   column + source.columns <= packed.width) {
            pack_spread(p, source, rows, shift, scale, packed.at(row, column), packed.width);
        } else {
            for_strips([&](const auto &strip) { pack_elements(strip, 0, rows, scale); });
        }
    });
}

}  // namespace rmodels::RMODELS_ISA
