// Products of the columns of packed rows: the lower triangle of ZᵀZ, in register tiles.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "native/packing.hpp"
#include "native/strided.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {

// A tile's sums, a row of vectors and a factor fill the registers: 32 of them, or 16.
#if defined(__AVX512F__)
constexpr int kTileRows = 8, kTileVectors = 3;
#elif defined(__AVX2__)
constexpr int kTileRows = 4, kTileVectors = 3;
#elif defined(__aarch64__)
constexpr int kTileRows = 6, kTileVectors = 3;
#else
constexpr int kTileRows = 4, kTileVectors = 2;
#endif
constexpr std::size_t kPanel = kTileVectors * kF64;  // columns that are packed together
static_assert(kPanel % kTileRows == 0, "the rows of a tile lie in one panel");

inline std::size_t padded(std::size_t columns) { return (columns + kPanel - 1) / kPanel * kPanel; }

// Memory that will be read later. Tiles ask for it line by line, each for a part that is in proportion to its work,
// so that requests come no faster than memory answers.
struct Ahead {
    const char *next = nullptr, *end = nullptr;
    std::size_t pace = 0;  // 256ths of a byte for each product of vectors

    // Or lines of an array by their numbers: some of them before each tile.
    const char *lines = nullptr;
    const std::int64_t *number = nullptr, *last = nullptr;
    std::ptrdiff_t stride = 0;           // in bytes
    std::size_t bytes = 0, at_once = 0;  // of a line, and lines

    void ask() {
        for (std::size_t i = 0; i < at_once && number < last; i++, number++) {
            const char *line = lines + *number * stride;
            for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(line + at, 0, 2);
            __builtin_prefetch(line + bytes - 1, 0, 2);  // where it does not begin on a cache line
        }
    }
};

// The rows [first, last) of X, if they lie in one piece of memory or nearly so; they are asked for while the products
// of as many rows of `columns` columns are computed.
inline Ahead rows_ahead(const Strided &X, std::size_t first, std::size_t last, std::size_t columns) {
    if (first >= last || X.column_stride != 1 || X.row_stride < std::ptrdiff_t(X.columns) ||
        X.row_stride > std::ptrdiff_t(2 * X.columns))
        return {};
    auto address = [&](std::size_t row) {
        return X.visit(row, 0, [](auto *p) { return reinterpret_cast<const char *>(p); });
    };
    const std::size_t bytes = X.single ? sizeof(float) : sizeof(double);
    const std::size_t products = std::max<std::size_t>(1, columns * (columns + kF64) / (2 * kF64));
    Ahead found;
    found.next = address(first);
    found.end = address(last - 1) + X.columns * bytes;
    found.pace = 256 * std::size_t(X.row_stride) * bytes / products + 1;
    return found;
}

// kF64 columns of rows that are packed while a tile is in work: the multipliers leave the time for it.
template <class Real>
struct Carried {
    const Real *from;
    std::ptrdiff_t stride;
    const double *shift, *scale;
    double *to;
};

struct Nothing {};

// Where a tile has as many rows as a vector has lanes, the square on the diagonal is computed as products of a vector
// with itself, rotated: the half of the square that is needed, and little more.
constexpr bool kRotates = kTileRows == kF64;
constexpr int kRotations = kF64 / 2 + 1;

// sum[r] += v · (v rotated by r lanes), in each lane.
template <int Rotation = 0>
inline void add_rotations(f64v v, f64v *sum) {
    if constexpr (Rotation < kRotations) {
        sum[Rotation] = fma(v, rotated<Rotation>(v), sum[Rotation]);
        add_rotations<Rotation + 1>(v, sum);
    }
}

// Turns the squares on the diagonal of C (columns, width), whose rows hold rotations, into the lower halves of
// products.
inline void unrotate(double *C, std::size_t columns, std::size_t width) {
    for (std::size_t i = 0; kRotates && i + kF64 <= columns; i += kF64) {
        double *square = C + i * width + i, sums[kRotations][kF64];
        for (int r = 0; r < kRotations; r++) std::copy_n(square + std::size_t(r) * width, kF64, sums[r]);
        for (int row = 0; row < kF64; row++)
            for (int column = 0; column <= row; column++) {
                const int apart = row - column;
                square[std::size_t(row) * width + std::size_t(column)] =
                    apart < kRotations ? sums[apart][column] : sums[kF64 - apart][row];
            }
    }
}

// C (Rows, Vectors · kF64) += Σ_k A[k] B[k]ᵀ over k < rows, at least one. `carried` has as many rows. kDiagonal: A is
// the last vector of B, and the rows of its square in C take its rotations.
template <int Rows, int Vectors, bool kDiagonal, bool kScaled, class Carry>
void add_tile(const double *A, const double *B, std::size_t rows, double *C, std::size_t width, Ahead &ahead,
              Carry carried) {
    constexpr bool kCarries = !std::is_same_v<Carry, Nothing>;
    const bool any = ahead.next < ahead.end;
    const char *line = any ? ahead.next : reinterpret_cast<const char *>(B);
    const std::size_t step = any ? ahead.pace * Rows * Vectors / 256 : 0;
    if (any) ahead.next += step * rows;
    constexpr int kFull = Vectors - kDiagonal;  // vectors that meet every row
    f64v sum[Rows][Vectors]{}, turned[kRotations]{}, centre;
    if constexpr (kCarries) centre = load<f64v>(carried.shift);
    do {
        __builtin_prefetch(line, 0, 2);
        line += step;
        if constexpr (kCarries) {
            f64v x = load_f64(carried.from) - centre;
            if constexpr (kScaled) x *= broadcast(*carried.scale++);
            store(carried.to, x);
            carried.from += carried.stride;
            carried.to += kPanel;
        }
        f64v right[Vectors];
        for (int v = 0; v < Vectors; v++) right[v] = load<f64v>(B + v * kF64);
        for (int m = 0; m < Rows; m++) {
            const f64v left = broadcast(A[m]);
            for (int v = 0; v < kFull; v++) sum[m][v] = fma(left, right[v], sum[m][v]);
        }
        if constexpr (kDiagonal) add_rotations(right[kFull], turned);
        A += kPanel;
        B += kPanel;
    } while (--rows);
    auto add = [&](int m, int v, f64v part) {
        double *to = C + m * width + v * kF64;
        store(to, load<f64v>(to) + part);
    };
    for (int m = 0; m < Rows; m++)
        for (int v = 0; v < kFull; v++) add(m, v, sum[m][v]);
    for (int r = 0; kDiagonal && r < kRotations; r++) add(r, kFull, turned[r]);
}

using AddTile = void (*)(const double *, const double *, std::size_t, double *, std::size_t, Ahead &, Nothing);

template <class Real>
using AddCarryingTile = void (*)(const double *, const double *, std::size_t, double *, std::size_t, Ahead &,
                                 Carried<Real>);

template <std::size_t... I>
constexpr std::array<AddTile, sizeof...(I)> all_tiles(std::index_sequence<I...>) {
    return {&add_tile<int(I) / kTileVectors + 1, int(I) % kTileVectors + 1, false, false, Nothing>...};
}

template <std::size_t... I>
constexpr std::array<AddTile, sizeof...(I)> diagonal_tiles(std::index_sequence<I...>) {
    return {&add_tile<kTileRows, int(I) + 1, kRotates, false, Nothing>...};
}

// By vectors, whether they are scaled, and whether the tile is on the diagonal.
template <class Real, std::size_t... I>
constexpr std::array<AddCarryingTile<Real>, sizeof...(I)> carrying_tiles(std::index_sequence<I...>) {
    return {&add_tile<kTileRows, int(I) % kTileVectors + 1, (kRotates && I >= 2 * kTileVectors),
                      (I / kTileVectors % 2 == 1), Carried<Real>>...};
}

// Z.at(row, column), without a division: the panels of Z are kPanel wide.
inline double *element(const Panels &Z, std::size_t row, std::size_t column) {
    return Z.data + (column / kPanel * Z.rows + row) * kPanel + column % kPanel;
}

// The strips of the next block that tiles have still to carry.
struct Load {
    Strided source;  // whose rows these are
    const double *shift = nullptr, *scale = nullptr;
    Panels to{};
    std::size_t strips = 0, next = 0;  // of kF64 columns each
};

// C += ZᵀZ for rows [first, last) of the packed Z: those of its rows and columns that are below
// `columns` and in the rows of C from `top` to `bottom` and the panel of columns from `left`.
// C is (columns, width), its squares on the diagonal wait for unrotate; top and left are multiples of a panel; entries
// right of the diagonal are written only as far as a tile reaches. A load has as many rows as Z.
inline void add_products(const Panels &Z, std::size_t first, std::size_t last, std::size_t top, std::size_t bottom,
                         std::size_t left, double *C, std::size_t width, Ahead &ahead, Load &load) {
    static constexpr auto kTiles = all_tiles(std::make_index_sequence<kTileRows * kTileVectors>());
    static constexpr auto kDiagonals = diagonal_tiles(std::make_index_sequence<kTileVectors>());
    for (std::size_t i = std::max(top, left); i < bottom; i += kTileRows) {
        const std::size_t tile_rows = std::min<std::size_t>(kTileRows, bottom - i);
        const std::size_t reach = std::min(kPanel, i + tile_rows - left);
        const std::size_t vectors = (reach + kF64 - 1) / kF64;
        const bool diagonal = kRotates && tile_rows == kTileRows && i < left + kPanel;
        const double *A = element(Z, first, i), *B = element(Z, first, left);
        double *to = C + i * width + left;
        ahead.ask();
        if (load.next < load.strips && tile_rows == kTileRows) {
            const std::size_t column = load.next++ * kF64;
            load.source.visit(0, column, [&](auto *from) {
                using Real = std::remove_cvref_t<decltype(*from)>;
                static constexpr auto kCarrying = carrying_tiles<Real>(std::make_index_sequence<4 * kTileVectors>());
                kCarrying[vectors - 1 + (load.scale ? kTileVectors : 0) + (diagonal ? 2 * kTileVectors : 0)](
                    A, B, last - first, to, width, ahead,
                    Carried<Real>{from, load.source.row_stride, load.shift + column, load.scale,
                                  element(load.to, 0, column)});
            });
        } else {
            const AddTile add =
                diagonal ? kDiagonals[vectors - 1] : kTiles[(tile_rows - 1) * kTileVectors + vectors - 1];
            add(A, B, last - first, to, width, ahead, {});
        }
    }
}

// C += ZᵀZ, shared among the members of a team. C is (columns, width), its squares on the diagonal wait for unrotate.
inline void add_products(Team &team, const Panels &Z, std::size_t rows, std::size_t columns, double *C,
                         std::size_t width) {
    constexpr std::size_t kGroup = (192 + kPanel - 1) / kPanel * kPanel;  // rows of C in a task
    constexpr std::size_t kPanels = (96 + kPanel - 1) / kPanel;           // of columns: they meet the same rows
    constexpr std::size_t kDepth = 128;  // rows of Z: a panel of so many stays in the L1 cache, a group in L2
    constexpr std::size_t kWidth = kPanels * kPanel;
    const std::size_t across = (columns + kWidth - 1) / kWidth, down = (columns + kGroup - 1) / kGroup;
    team.for_each(across * down, [&](std::size_t task) noexcept {
        const std::size_t top = task / across * kGroup, first = task % across * kWidth;
        const std::size_t bottom = std::min(columns, top + kGroup), last = std::min(bottom, first + kWidth);
        Ahead nothing;
        Load none;
        for (std::size_t k = 0; k < rows && first < last; k += kDepth)
            for (std::size_t left = first; left < last; left += kPanel)
                add_products(Z, k, std::min(rows, k + kDepth), top, bottom, left, C, width, nothing, none);
    });
}

// Writes both halves of the symmetric (columns, columns) matrix whose lower half is C (columns, width): a square of
// vectors after the other, as it lies and transposed.
inline void mirror(const double *C, std::size_t columns, std::size_t width, double *both) {
    constexpr std::size_t kSquare = 32;
    static_assert(kSquare % kF64 == 0);
    const std::size_t whole = columns / kF64 * kF64;
    auto copy = [&](std::size_t i, std::size_t first, std::size_t last) {
        for (std::size_t j = first; j < last; j++) both[i * columns + j] = both[j * columns + i] = C[i * width + j];
    };
    for (std::size_t top = 0; top < whole; top += kSquare)
        for (std::size_t left = 0; left <= top; left += kSquare)
            for (std::size_t i = top; i < std::min(whole, top + kSquare); i += kF64)
                for (std::size_t j = left; j < std::min(i + 1, left + kSquare); j += kF64) {
                    if (j == i) {
                        for (std::size_t row = i; row < i + kF64; row++) copy(row, i, row + 1);
                        continue;
                    }
                    f64v lines[kF64];
                    for (std::size_t r = 0; r < kF64; r++) {
                        lines[r] = load<f64v>(C + (i + r) * width + j);
                        store(both + (i + r) * columns + j, lines[r]);
                    }
                    transpose(lines);
                    for (std::size_t r = 0; r < kF64; r++) store(both + (j + r) * columns + i, lines[r]);
                }
    for (std::size_t i = whole; i < columns; i++) copy(i, 0, i + 1);
}

}  // namespace rmodels::RMODELS_ISA
