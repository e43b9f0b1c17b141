// Scores of a panel of rows against centres in float32, in registers: lanes are rows, centres are broadcast, and only
// the two least scores of a group of centres and the place of the least leave them.
//
// Rows and centres are shifted by the same point and multiplied by a power of two, in float64, and rounded to float32:
// x^ and c^. With n = |c|² rounded, the score s = n − 2 x^.c^, summed in the order of the columns, is off from
// D² − |x|² by the roundings of x^ and c^, at most 2.1 u 2 |x| |c|, of n, u |c|², and of the d products and sums, each
// at most u (|c|² + 2 |x| |c|), u = 2^-24. |x|² is summed in float64, of the row before it was rounded. All is
// below E = 1.01 (d + 12) u (|x| + max |c|)² + d 2^-120, where the last is for underflow. The squares that the
// operation defines are rounded in float64: that moves them by (d + 3) 2^-53 (|x| + |c|)² at most, which E covers, too.
// So where two scores differ by more than 2 E, the defined squares are in their order.
//
// Where 16-bit integers are multiplied at less cost, they come first: x^ = i / s and c^ = j / t with integer vectors
// i, j of norm 32000 at most, so that i.j is exact in 32 bits. x^.c^ is off by |x - x^| |c^| + |x| |c - c^| at most,
// twice which E grows by; the losses are measured, not bounded: of x^ or of x itself. Rows that these scores leave open
// are scored in float32. Operations: d products (half as many of pairs) and 5 comparisons for a row and centre. Bytes:
// the centres once per panel.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "native/aligned.hpp"
#include "native/strided.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kScreenCentres = 6, kScreenVectors = 4;
#else
constexpr int kScreenCentres = 4, kScreenVectors = 3;
#endif
constexpr std::size_t kPanelRows = kScreenVectors * kF32;

// Centres of one group, in tiles of kScreenCentres: (tiles, columns, kScreenCentres), multiplied by −2.
struct PackedGroup {
    const float *coefficients;
    const std::int32_t *pairs;  // the same as integers, of two columns each: (tiles, pairs of columns, kScreenCentres)
    const float *norms;
    std::int32_t first;  // place of the first centre
    std::size_t tiles;
};

struct LeastScores {
    alignas(64) float least[kPanelRows], next[kPanelRows];
    alignas(64) std::int32_t place[kPanelRows];
};

// Nothing to fetch meanwhile.
struct Nothing {
    void operator()() const {}
};
constexpr Nothing kNothing;

// Fetches rows of some bytes, a line at a time, while a processor that multiplies leaves memory idle.
class RowsAhead {
public:
    RowsAhead(const char *const *rows, std::size_t count, std::size_t bytes)
        : rows_(rows), left_(count), bytes_(bytes) {
        next();
    }

    void operator()() {
        if (line_ >= end_) return;
        __builtin_prefetch(line_, 0, 2);
        line_ += 64;
        if (line_ >= end_) next();
    }

private:
    void next() {
        if (left_ == 0) return;
        left_--;
        line_ = *rows_++;
        end_ = line_ + bytes_;
    }

    const char *const *rows_, *line_ = nullptr, *end_ = nullptr;
    std::size_t left_, bytes_;
};

// Products of float32: a step is a column.
struct SingleProducts {
    using Number = float;
    using Vector = f32v;

    const Number *factors(const PackedGroup &group) const { return group.coefficients; }
    Vector begin(float norm) const { return broadcast(norm); }
    Vector add(Vector sum, Vector x, Number c) const { return fma(x, broadcast(c), sum); }
    f32v finish(Vector sum, int, float) const { return sum; }
};

// Products of pairs of integers: a step is two columns. units: what their sums are multiplied by, of each row.
struct PairProducts {
    using Number = std::int32_t;
    using Vector = i32v;
    const float *units;

    const Number *factors(const PackedGroup &group) const { return group.pairs; }
    Vector begin(float) const { return i32v{}; }
    Vector add(Vector sum, Vector x, Number c) const { return add_products(sum, x, i32v{} + c); }
    f32v finish(Vector sum, int v, float norm) const {
        return fma(load<f32v>(units + v * kF32), __builtin_convertvector(sum, f32v), broadcast(norm));
    }
};

template <class Products>
using Tile = typename Products::Vector[kScreenCentres][kScreenVectors];

// Adds steps to the scores of a panel, (steps, kPanelRows), against a tile of centres.
template <class Products, class Fetch>
inline void add_steps(const Products &products, const typename Products::Number *x, std::size_t steps,
                      const typename Products::Number *c, Tile<Products> &sum, Fetch &fetch) {
    for (std::size_t j = 0; j < steps; j++, x += kPanelRows, c += kScreenCentres) {
        fetch();
        typename Products::Vector rows[kScreenVectors];
#pragma GCC unroll 8
        for (int v = 0; v < kScreenVectors; v++) rows[v] = load<typename Products::Vector>(x + v * kF32);
#pragma GCC unroll 8
        for (int k = 0; k < kScreenCentres; k++)
#pragma GCC unroll 8
            for (int v = 0; v < kScreenVectors; v++) sum[k][v] = products.add(sum[k][v], rows[v], c[k]);
    }
}

// Calls body(k, v, vector) with each vector of a tile.
template <class Vector, class Body>
inline void for_vectors(Vector (&sum)[kScreenCentres][kScreenVectors], Body &&body) {
#pragma GCC unroll 8
    for (int k = 0; k < kScreenCentres; k++)
#pragma GCC unroll 8
        for (int v = 0; v < kScreenVectors; v++) body(k, v, sum[k][v]);
}

constexpr std::size_t kDepth = (1 << 14) / sizeof(float) / kPanelRows;  // steps of a panel that stay in the L1 cache

// The least scores of a panel of d steps against a group; `room` holds those of the first steps.
template <class Products, class Fetch = const Nothing>
inline void score_panel(const Products &products, const typename Products::Number *panel, std::size_t d,
                        const PackedGroup &group, std::vector<float> &room, LeastScores &found,
                        Fetch &fetch = kNothing) {
    using Vector = typename Products::Vector;
    const float infinity = std::numeric_limits<float>::infinity();
    f32v least[kScreenVectors], next[kScreenVectors];
    i32v place[kScreenVectors];
    for (int v = 0; v < kScreenVectors; v++) {
        least[v] = next[v] = broadcast(infinity);
        place[v] = i32v{} - 1;
    }
    if (d > kDepth) room.resize(std::max(room.size(), group.tiles * kScreenCentres * kPanelRows));
    std::size_t j = 0;
    do {
        const std::size_t steps = std::min(kDepth, d - j);
        for (std::size_t tile = 0; tile < group.tiles; tile++) {
            Tile<Products> sum;
            const float *norms = group.norms + tile * kScreenCentres;
            const auto at = [&](int k, int v) {
                return room.data() + (tile * kScreenCentres + std::size_t(k)) * kPanelRows + v * kF32;
            };
            if (j == 0)
                for_vectors(sum, [&](int k, int, Vector &s) { s = products.begin(norms[k]); });
            else
                for_vectors(sum, [&](int k, int v, Vector &s) { s = load<Vector>(at(k, v)); });
            const auto *c = products.factors(group) + (tile * d + j) * kScreenCentres;
            add_steps(products, panel + j * kPanelRows, steps, c, sum, fetch);
            if (j + steps < d) {
                for_vectors(sum, [&](int k, int v, Vector &s) { store(at(k, v), s); });
                continue;
            }
            const std::int32_t first = group.first + std::int32_t(tile) * kScreenCentres;
            for_vectors(sum, [&](int k, int v, Vector &sums) {
                const f32v s = products.finish(sums, v, norms[k]);
                next[v] = smaller(next[v], larger(least[v], s));
                place[v] = s < least[v] ? i32v{} + (first + k) : place[v];
                least[v] = smaller(least[v], s);
            });
        }
        j += steps;
    } while (j < d);
    for (int v = 0; v < kScreenVectors; v++) {
        store(found.least + v * kF32, least[v]);
        store(found.next + v * kF32, next[v]);
        store(found.place + v * kF32, place[v]);
    }
}

// Lays out a centre as number k of a tile, shifted, scaled and multiplied by −2, and returns |c|².
inline double pack_centre(const double *centre, const double *shift, double scale, std::size_t d, float *tile,
                          std::size_t k) {
    double square = 0;
    for (std::size_t j = 0; j < d; j++) {
        const double value = (centre[j] - shift[j]) * scale;
        square += value * value;
        tile[j * kScreenCentres + k] = float(-2 * value);
    }
    return square;
}

constexpr double kPairNorm = 32000;  // of vectors of 16-bit integers

// Rounds a centre to integers, as number k of a tile; returns how far it is from what they stand for.
inline double pack_pairs(const double *centre, const double *shift, double scale, std::size_t d, double factor,
                         std::int32_t *tile, std::size_t k) {
    double lost = 0;
    for (std::size_t j = 0; j < d; j += 2) {
        std::int32_t integers[2] = {};
        for (std::size_t i = 0; i < std::min<std::size_t>(2, d - j); i++) {
            const double value = (centre[j + i] - shift[j + i]) * scale * factor, whole = std::nearbyint(value);
            integers[i] = std::int32_t(whole);
            lost += (value - whole) * (value - whole);
        }
        tile[j / 2 * kScreenCentres + k] = (integers[0] & 0xffff) | std::int32_t(std::uint32_t(integers[1]) << 16);
    }
    return std::sqrt(lost) / factor * (1 + 0x1p-20);
}

constexpr double kLargest = 0x1p50;                // norms from here on are not screened in float32
constexpr float kLargestSquare = 0x1p100F;         // nor are rows of such a square
constexpr float kLeastPairs = 0x1p-80F;            // squares of rows up to here are not rounded to integers
constexpr std::size_t kMostPairColumns = 1 << 13;  // whose losses are summed in float32
constexpr bool kScreensByPairs = kPairs && kVectorBytes == 64;  // elsewhere it takes as many instructions as float32

constexpr double kIntegers = 0x1.8p52;  // the last bits of what is added to it are an integer

// What centres are as integers.
struct PairScale {
    float factor;       // what they are multiplied by
    float reach, lost;  // their largest norm, and how far one is at most from what its integers stand for
};

// What rows of some |x|² are multiplied by before they are rounded: 0 where float32 does not hold them.
inline f32v row_factors(f32v square) {
    const f32v zero{}, norm = square_root(square) * broadcast(1 + 0x1p-20F);
    const f32v factor = square < broadcast(kLargestSquare) ? broadcast(float(kPairNorm)) / norm : zero;
    return square > broadcast(kLeastPairs) ? factor : zero;
}

// Writes what sums of products are multiplied by, −2 / (s t), and what E grows by; lost: |s x − i|, rounded.
inline void tell_losses(f32v square, f32v factor, f32v lost, const PairScale &centres, float *units, float *more) {
    const f32v zero{}, norm = square_root(square) * broadcast(1 + 0x1p-20F);
    const f32v gap = factor > zero ? lost * broadcast(1 + 0x1p-9F) / factor : norm;
    store(units, factor > zero ? broadcast(-2.0F) / (factor * broadcast(centres.factor)) : zero);
    store(more,
          broadcast(2 + 0x1p-8F) * (gap * broadcast(centres.reach + centres.lost) + norm * broadcast(centres.lost)));
}

// Rounds a panel of rows, (columns, kPanelRows) of some |x|², to pairs of integers.
inline void round_panel(const float *panel, std::size_t d, const float *squares, const PairScale &centres,
                        std::int32_t *pairs, float *units, float *more) {
    for (std::size_t r = 0; r < kPanelRows; r += kF32) {
        const f32v square = load<f32v>(squares + r), factor = row_factors(square);
        f32v lost{};
        for (std::size_t j = 0; j < d; j += 2) {
            f32v rest, other_rest{};
            i32v other{};
            const i32v integers = nearest_integers(load<f32v>(panel + j * kPanelRows + r) * factor, rest);
            if (j + 1 < d) other = nearest_integers(load<f32v>(panel + (j + 1) * kPanelRows + r) * factor, other_rest);
            store(pairs + j / 2 * kPanelRows + r, (integers & 0xffff) | (other << 16));
            lost = fma(rest, rest, fma(other_rest, other_rest, lost));
        }
        tell_losses(square, factor, square_root(lost), centres, units + r, more + r);
    }
}

// E of rows, by the farthest of the centres.
class ErrorBound {
public:
    explicit ErrorBound(std::size_t d) : d_(d), unit_(1.01 * double(d + 12) * 0x1p-24) {}

    // Takes the |c|² of a centre, and returns it rounded.
    float add(double square) {
        farthest_ = std::max(farthest_, std::sqrt(square));
        return float(square);
    }

    bool screens() const { return unit_ < 0.1 && farthest_ < kLargest; }
    double farthest() const { return farthest_; }

    // E of a row of some |x|², or infinity where float32 does not hold it.
    double error(double square) const {
        const double norm = std::sqrt(square);
        const double error = unit_ * (norm + farthest_) * (norm + farthest_) + double(d_) * 0x1p-120;
        return norm < kLargest ? error : std::numeric_limits<double>::infinity();
    }

    // a (|x|² + b), in float32, is at least E where |x|² is below 2^100, with room for 8 more roundings in float32 of
    // scores and squares: (|x| + c)² is at most 2 (|x|² + c²).
    struct Line {
        float a, b;
    };
    Line line() const {
        return {float(2.0 * (unit_ + 9 * 0x1p-24) * (1 + 0x1p-10)),
                float((farthest_ * farthest_ + double(d_) * 0x1p-96) * (1 + 0x1p-10) + 0x1p-100)};
    }

private:
    std::size_t d_;
    double unit_, farthest_ = 0;
};

// Lays out kPanelRows rows of X, given by their numbers, shifted and scaled, and writes their |x|²; with a middle, also
// Σ_j (x_j − middle_j)², in the order of the columns.
template <bool kMeasures, class Real>
inline void pack_panel(const Real *X, std::ptrdiff_t row_stride, std::ptrdiff_t column_stride, std::size_t d,
                       const std::uint32_t *rows, const double *shift, double scale, float *panel, double *squares,
                       const double *middle = nullptr, double *about = nullptr) {
    for (std::size_t r = 0; r < kPanelRows; r += kF64) {
        const Real *x[kF64];
        bool run = row_stride == 1;  // a column of rows that follow each other is a vector
        for (int i = 0; i < kF64; i++) {
            x[i] = X + std::ptrdiff_t(rows[r + std::size_t(i)]) * row_stride;
            run = run && rows[r + std::size_t(i)] == rows[r] + std::uint32_t(i);
        }
        f64v sums{}, gaps{};
        const auto take = [&](f64v value, std::size_t j) {
            const f64v line = (value - broadcast(shift[j])) * broadcast(scale);
            store(panel + j * kPanelRows + r, narrowed(line));
            sums = fma(line, line, sums);
            if constexpr (kMeasures) {
                const f64v gap = value - broadcast(middle[j]);
                gaps += gap * gap;
            }
        };
        if (run) {
            for (std::size_t j = 0; j < d; j++) take(load_f64(x[0] + std::ptrdiff_t(j) * column_stride), j);
        } else {
            for (std::size_t j = 0; j < d; j += kF64) {
                const int columns = int(d - j < kF64 ? d - j : kF64);
                f64v lines[kF64];
                if (column_stride == 1 && columns == kF64) {
                    for (int i = 0; i < kF64; i++) lines[i] = load_f64(x[i] + j);
                } else if (column_stride == 1) {
                    for (int i = 0; i < kF64; i++) lines[i] = load_first(x[i] + j, columns);
                } else {
                    for (int i = 0; i < kF64; i++) {
                        lines[i] = f64v{};
                        for (int k = 0; k < columns; k++)
                            lines[i][k] = double(x[i][std::ptrdiff_t(j + std::size_t(k)) * column_stride]);
                    }
                }
                transpose(lines);
                for (int k = 0; k < columns; k++) take(lines[k], j + std::size_t(k));
            }
        }
        store(squares + r, sums);
        if constexpr (kMeasures) store(about + r, gaps);
    }
}

// Lays out such rows, which are without gaps and of which |x|² is known, as pairs of integers at once.
template <class Real>
inline void pack_integers(const Real *X, std::ptrdiff_t row_stride, std::size_t d, const std::uint32_t *rows,
                          const double *shift, double scale, const float *squares, const PairScale &centres,
                          std::int32_t *pairs, float *units, float *more) {
    alignas(64) float factors[kPanelRows], lost[kPanelRows];
    for (std::size_t r = 0; r < kPanelRows; r += kF32) store(factors + r, row_factors(load<f32v>(squares + r)));
    for (std::size_t r = 0; r < kPanelRows; r += kF64) {
        const f64v factor = load_f64(factors + r) * broadcast(scale), magic = broadcast(kIntegers);
        f64v sums{};
        for (std::size_t j = 0; j < d; j += kF64) {
            const int columns = int(std::min<std::size_t>(kF64, d - j));
            f64v lines[kF64];
            for (std::size_t i = 0; i < kF64; i++) {
                const Real *x = X + std::ptrdiff_t(rows[r + i]) * row_stride + j;
                lines[i] = columns == kF64 ? load_f64(x) : load_first(x, columns);
            }
            transpose(lines);
            const auto round = [&](int k) {
                const f64v line = (lines[k] - broadcast(shift[j + std::size_t(k)])) * factor, whole = line + magic;
                const f64v rest = line - (whole - magic);
                sums = fma(rest, rest, sums);
                return (i64v)whole & 0xffff;
            };
            for (int k = 0; k < columns; k += 2) {
                i64v pair = round(k);
                if (k + 1 < columns) pair |= round(k + 1) << 16;
                store_narrowed(pairs + (j + std::size_t(k)) / 2 * kPanelRows + r, pair);
            }
        }
        store(lost + r, narrowed(square_root(sums)));
    }
    for (std::size_t r = 0; r < kPanelRows; r += kF32)
        tell_losses(load<f32v>(squares + r), load<f32v>(factors + r), load<f32v>(lost + r), centres, units + r,
                    more + r);
}

}  // namespace rmodels::RMODELS_ISA
