// Products of the columns of packed rows: the lower triangle of ZᵀZ, in register tiles.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "native/packing.hpp"
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

// Memory that will be read next. Tiles ask for a line of it for each row that they work on.
struct Ahead {
    const char *next = nullptr, *end = nullptr;
};

// C (Rows, Vectors · kF64) += Σ_k A[k] B[k]ᵀ over k < rows, at least one.
template <int Rows, int Vectors>
void add_tile(const double *A, const double *B, std::size_t rows, double *C, std::size_t width, Ahead &ahead) {
    const bool any = ahead.next < ahead.end;
    const char *line = any ? ahead.next : reinterpret_cast<const char *>(B);
    const std::size_t step = any ? 64 : 0;
    if (any) ahead.next += 64 * rows;
    f64v sum[Rows][Vectors];
    for (int m = 0; m < Rows; m++)
        for (int v = 0; v < Vectors; v++) sum[m][v] = f64v{};
    do {
        __builtin_prefetch(line, 0, 2);
        line += step;
        f64v right[Vectors];
        for (int v = 0; v < Vectors; v++) right[v] = load<f64v>(B + v * kF64);
        for (int m = 0; m < Rows; m++) {
            const f64v left = broadcast(A[m]);
            for (int v = 0; v < Vectors; v++) sum[m][v] = fma(left, right[v], sum[m][v]);
        }
        A += kPanel;
        B += kPanel;
    } while (--rows);
    for (int m = 0; m < Rows; m++)
        for (int v = 0; v < Vectors; v++) {
            double *to = C + m * width + v * kF64;
            store(to, load<f64v>(to) + sum[m][v]);
        }
}

using AddTile = void (*)(const double *, const double *, std::size_t, double *, std::size_t, Ahead &);

template <std::size_t... I>
constexpr std::array<AddTile, sizeof...(I)> all_tiles(std::index_sequence<I...>) {
    return {&add_tile<int(I) / kTileVectors + 1, int(I) % kTileVectors + 1>...};
}

// C += ZᵀZ for rows [first, last) of the packed Z: those of its rows and columns that are below
// `columns` and in the rows of C from `top` to `bottom` and the panel of columns from `left`.
// C is (columns, width); top and left are multiples of a panel; entries right of the diagonal are
// written only as far as a tile reaches.
inline void add_products(const Panels &Z, std::size_t first, std::size_t last, std::size_t top, std::size_t bottom,
                         std::size_t left, double *C, std::size_t width, Ahead &ahead) {
    static constexpr auto kTiles = all_tiles(std::make_index_sequence<kTileRows * kTileVectors>());
    for (std::size_t i = std::max(top, left); i < bottom; i += kTileRows) {
        const std::size_t tile_rows = std::min<std::size_t>(kTileRows, bottom - i);
        const std::size_t reach = std::min(kPanel, i + tile_rows - left);
        const std::size_t vectors = (reach + kF64 - 1) / kF64;
        kTiles[(tile_rows - 1) * kTileVectors + vectors - 1](Z.at(first, i), Z.at(first, left), last - first,
                                                             C + i * width + left, width, ahead);
    }
}

// C += ZᵀZ, shared among the members of a team. C is (columns, width).
inline void add_products(Team &team, const Panels &Z, std::size_t rows, std::size_t columns, double *C,
                         std::size_t width) {
    constexpr std::size_t kGroup = (192 + kPanel - 1) / kPanel * kPanel;  // rows of C in a task
    constexpr std::size_t kDepth = 128;  // rows of Z: a panel of so many stays in the L1 cache
    const std::size_t across = (columns + kPanel - 1) / kPanel, down = (columns + kGroup - 1) / kGroup;
    team.for_each(across * down, [&](std::size_t task) noexcept {
        const std::size_t top = task / across * kGroup, left = task % across * kPanel;
        const std::size_t bottom = std::min(columns, top + kGroup);
        Ahead nothing;
        for (std::size_t k = 0; k < rows && left < bottom; k += kDepth)
            add_products(Z, k, std::min(rows, k + kDepth), top, bottom, left, C, width, nothing);
    });
}

// Writes both halves of the symmetric (columns, columns) matrix whose lower half is C (columns, width).
inline void mirror(const double *C, std::size_t columns, std::size_t width, double *both) {
    constexpr std::size_t kSquare = 32;
    for (std::size_t top = 0; top < columns; top += kSquare)
        for (std::size_t left = 0; left <= top; left += kSquare)
            for (std::size_t i = top; i < std::min(columns, top + kSquare); i++)
                for (std::size_t j = left; j < std::min(i + 1, left + kSquare); j++)
                    both[i * columns + j] = both[j * columns + i] = C[i * width + j];
}

}  // namespace rmodels::RMODELS_ISA
