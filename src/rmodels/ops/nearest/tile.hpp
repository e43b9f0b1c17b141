// Approximate distances (scores) of a few queries to the 64 points of a group, in float32, in registers.
// A group is stored by feature: 64 values of feature 0, then 64 of feature 1; for pairs, 64 times features 0
// and 1 as 16-bit integers, then 2 and 3. Scores are not stored: only where one is at most its query's limit
// does anything leave the registers.
// Operations per feature, query and point: pairs 1/2 (exact, into 32-bit integers), product 1 (fused),
// squares 2, magnitudes 3, largest 3, powers p + 2. Bytes: the group once per tile of queries. The errors are
// bounded in bounds.hpp.
#pragma once

#include <cstddef>
#include <type_traits>

#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {

constexpr std::size_t kGroup = 64;
constexpr int kTile = 6;  // queries that share a pass over a group
// Vectors of points in a tile: kTile * kTileVectors sums fit in the registers, with room for operands.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kTileVectors = 4;
#else
constexpr int kTileVectors = 2;
#endif
constexpr std::size_t kTilePoints = kTileVectors * kF32;
static_assert(kGroup % kTilePoints == 0);

// What a score is: pairs and product |x|^2 - 2 q.x (for product the queries come multiplied by -2, for pairs
// the integers' scales do); otherwise the sum over the features of |x - q|^p, or its maximum.
enum class Fold { pairs, product, squares, magnitudes, largest, powers };

// Calls run, a template over the fold.
template <class Run>
void with_fold(Fold fold, Run run) {
    switch (fold) {
        case Fold::pairs:
            return run.template operator()<Fold::pairs>();
        case Fold::product:
            return run.template operator()<Fold::product>();
        case Fold::squares:
            return run.template operator()<Fold::squares>();
        case Fold::magnitudes:
            return run.template operator()<Fold::magnitudes>();
        case Fold::largest:
            return run.template operator()<Fold::largest>();
        case Fold::powers:
            return run.template operator()<Fold::powers>();
    }
}

// Adds a gap, not below 0 unless it is squared, to a sum of float32 or float64.
template <Fold fold, class Vector>
inline Vector add_gap(Vector sum, Vector gap, int p) {
    if constexpr (fold == Fold::pairs || fold == Fold::product || fold == Fold::squares) return fma(gap, gap, sum);
    if constexpr (fold == Fold::magnitudes) return sum + gap;
    if constexpr (fold == Fold::largest) return larger(sum, gap);
    Vector product = gap;
    for (int i = 1; i < p; i++) product *= gap;
    return sum + product;
}

// Adds the gap between a coordinate and a side of a box.
template <Fold fold>
inline f32v add_gap_to(f32v sum, f32v y, float low, float high, int p) {
    const f32v gap = y - smaller(larger(y, broadcast(low)), broadcast(high));
    constexpr bool squared = fold == Fold::pairs || fold == Fold::product || fold == Fold::squares;
    return add_gap<fold>(sum, squared ? gap : magnitude(gap), p);
}

// What a feature, or a pair of them, adds to a sum.
template <Fold fold, class Sum>
inline Sum step(Sum sum, f32v x, f32v q, int p) {
    if constexpr (fold == Fold::pairs)
        return add_products(sum, (i32v)x, (i32v)q);
    else if constexpr (fold == Fold::product)
        return fma(q, x, sum);
    else if constexpr (fold == Fold::squares)
        return add_gap<fold>(sum, x - q, p);
    else
        return add_gap<fold>(sum, magnitude(x - q), p);
}

// Calls hit(query, first point in the group, scores of kTilePoints points) where a score may matter.
// queries: rows of `steps` values, or of pairs; norms: 64 values of |x|^2 (pairs, product); factors: what each
// query's sums are multiplied by (pairs).
template <Fold fold, int M, class Hit>
inline void scan(const float *const *queries, const float *group, const float *norms, std::size_t steps, int p,
                 const float *factors, const float *limits, Hit hit) {
    const float *q[M];
    for (int m = 0; m < M; m++) q[m] = queries[m];
    for (std::size_t first = 0; first < kGroup; first += kTilePoints) {
        using Sum = std::conditional_t<fold == Fold::pairs, i32v, f32v>;
        Sum sum[M][kTileVectors];
#pragma GCC unroll 8
        for (int v = 0; v < kTileVectors; v++) {
#pragma GCC unroll 8
            for (int m = 0; m < M; m++) {
                sum[m][v] = Sum{};
                if constexpr (fold == Fold::product) sum[m][v] = load<f32v>(norms + first + v * kF32);
            }
        }
        const float *points = group + first;
        for (std::size_t c = 0; c < steps; c++, points += kGroup) {
            f32v x[kTileVectors];
#pragma GCC unroll 8
            for (int v = 0; v < kTileVectors; v++) x[v] = load<f32v>(points + v * kF32);
#pragma GCC unroll 8
            for (int m = 0; m < M; m++) {
                const f32v value = broadcast(q[m][c]);
#pragma GCC unroll 8
                for (int v = 0; v < kTileVectors; v++) sum[m][v] = step<fold>(sum[m][v], x[v], value, p);
            }
        }
        f32v score[M][kTileVectors];
#pragma GCC unroll 8
        for (int v = 0; v < kTileVectors; v++)
#pragma GCC unroll 8
            for (int m = 0; m < M; m++) {
                if constexpr (fold == Fold::pairs)
                    score[m][v] = fma(__builtin_convertvector(sum[m][v], f32v), broadcast(factors[m]),
                                      load<f32v>(norms + first + v * kF32));
                else
                    score[m][v] = sum[m][v];
            }
        unsigned near = 0;
#pragma GCC unroll 8
        for (int m = 0; m < M; m++) {
            f32v least = score[m][0];
#pragma GCC unroll 8
            for (int v = 1; v < kTileVectors; v++) least = smaller(least, score[m][v]);
            near |= unsigned(at_most(least, broadcast(limits[m])) != 0) << m;
        }
        if (near == 0) [[likely]]
            continue;
        alignas(64) float scores[M][kTilePoints];
#pragma GCC unroll 8
        for (int m = 0; m < M; m++)
#pragma GCC unroll 8
            for (int v = 0; v < kTileVectors; v++) store(scores[m] + v * kF32, score[m][v]);
        for (; near; near &= near - 1) {
            const int m = __builtin_ctz(near);
            hit(m, first, scores[m]);
        }
    }
}

}  // namespace rmodels::RMODELS_ISA
