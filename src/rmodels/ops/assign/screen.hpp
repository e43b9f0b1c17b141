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
// Operations: d products and 5 comparisons for a row and centre. Bytes: the centres once per panel.
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

using Tile = f32v[kScreenCentres][kScreenVectors];

// The scores of no columns: the norms of the centres.
inline void begin_tile(const float *norms, Tile &sum) {
#pragma GCC unroll 8
    for (int k = 0; k < kScreenCentres; k++)
#pragma GCC unroll 8
        for (int v = 0; v < kScreenVectors; v++) sum[k][v] = broadcast(norms[k]);
}

// Adds columns to the scores of a panel, (columns, kPanelRows), against a tile of centres.
template <class Fetch>
inline void add_columns(const float *x, std::size_t columns, const float *c, Tile &sum, Fetch &fetch) {
    for (std::size_t j = 0; j < columns; j++, x += kPanelRows, c += kScreenCentres) {
        fetch();
        f32v rows[kScreenVectors];
#pragma GCC unroll 8
        for (int v = 0; v < kScreenVectors; v++) rows[v] = load<f32v>(x + v * kF32);
#pragma GCC unroll 8
        for (int k = 0; k < kScreenCentres; k++) {
            const f32v value = broadcast(c[k]);
#pragma GCC unroll 8
            for (int v = 0; v < kScreenVectors; v++) sum[k][v] = fma(rows[v], value, sum[k][v]);
        }
    }
}

// Calls body(k, v, vector) with each vector of a tile.
template <class Body>
inline void for_vectors(Tile &sum, Body &&body) {
#pragma GCC unroll 8
    for (int k = 0; k < kScreenCentres; k++)
#pragma GCC unroll 8
        for (int v = 0; v < kScreenVectors; v++) body(k, v, sum[k][v]);
}

constexpr std::size_t kDepth = (1 << 14) / sizeof(float) / kPanelRows;  // columns of a panel that stay in the L1 cache

// The least scores of a panel against a group; `room` holds those of the first columns.
template <class Fetch = const Nothing>
inline void score_panel(const float *panel, std::size_t d, const PackedGroup &group, std::vector<float> &room,
                        LeastScores &found, Fetch &fetch = kNothing) {
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
        const std::size_t columns = std::min(kDepth, d - j);
        for (std::size_t tile = 0; tile < group.tiles; tile++) {
            Tile sum;
            const auto at = [&](int k, int v) {
                return room.data() + (tile * kScreenCentres + std::size_t(k)) * kPanelRows + v * kF32;
            };
            if (j == 0)
                begin_tile(group.norms + tile * kScreenCentres, sum);
            else
                for_vectors(sum, [&](int k, int v, f32v &s) { s = load<f32v>(at(k, v)); });
            const float *c = group.coefficients + (tile * d + j) * kScreenCentres;
            add_columns(panel + j * kPanelRows, columns, c, sum, fetch);
            if (j + columns < d) {
                for_vectors(sum, [&](int k, int v, f32v &s) { store(at(k, v), s); });
                continue;
            }
            const std::int32_t first = group.first + std::int32_t(tile) * kScreenCentres;
            for_vectors(sum, [&](int k, int v, f32v &s) {
                next[v] = smaller(next[v], larger(least[v], s));
                place[v] = s < least[v] ? i32v{} + (first + k) : place[v];
                least[v] = smaller(least[v], s);
            });
        }
        j += columns;
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

constexpr double kLargest = 0x1p50;  // norms from here on are not screened in float32

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

}  // namespace rmodels::RMODELS_ISA
