// Order among a few values, by counting: no branch depends on how they compare.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "native/vectors.hpp"
#include "ops/nearest/best.hpp"

namespace rmodels::RMODELS_ISA {

constexpr std::size_t kRanked = 32 * kF64;  // values that are sorted by counting, at most

inline i32v lane_numbers() {
    static constexpr int kNumbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return load<i32v>(kNumbers);
}

// Bits for as many lanes as a vector of float32 has, at most count.
inline unsigned first_bits(std::size_t count) {
    return count < std::size_t(kF32) ? (1u << count) - 1 : (1u << kF32) - 1;
}

// The k-th least of the minima over Bins disjoint sets of values, of which there are at least as many.
template <std::size_t Bins>
float kth_least_minimum(const float *values, std::size_t count, std::size_t k) {
    f32v least[Bins / kF32];
    for (std::size_t b = 0; b < Bins / kF32; b++) least[b] = load<f32v>(values + b * kF32);
    std::size_t i = Bins;
    for (; i + Bins <= count; i += Bins)
        for (std::size_t b = 0; b < Bins / kF32; b++) least[b] = smaller(least[b], load<f32v>(values + i + b * kF32));
    float minima[Bins];
    for (std::size_t b = 0; b < Bins / kF32; b++) store(minima + b * kF32, least[b]);
    for (std::size_t j = 0; i < count; i++, j++) minima[j] = minima[j] < values[i] ? minima[j] : values[i];
    i32v rank[Bins / kF32] = {};
    for (std::size_t b = 0; b < Bins / kF32; b++) least[b] = load<f32v>(minima + b * kF32);
    for (const float minimum : minima)
        for (std::size_t b = 0; b < Bins / kF32; b++) rank[b] -= broadcast(minimum) <= least[b];
    f32v high = broadcast(std::numeric_limits<float>::infinity());
    for (std::size_t b = 0; b < Bins / kF32; b++) high = smaller(high, rank[b] >= int(k) ? least[b] : high);
    return smallest_lane(high);
}

// A value that at least k of `count` do not exceed, 0 < k <= count: the k-th least, or one above it where many are
// equal. Ranks of a few of them tell between which two it is; what is between these is looked at again.
// values: read up to a whole vector; scratch: as long as that and a vector more.
inline float kth_least(const float *values, std::size_t count, std::size_t k, float *scratch) {
    constexpr std::size_t kPivots = 16, kVectors = kPivots / kF32;
    constexpr float infinity = std::numeric_limits<float>::infinity();
    for (;;) {
        alignas(64) float pivots[kPivots];
        for (std::size_t i = 0; i < kPivots; i++)
            pivots[i] = values[count > kPivots ? i * count / kPivots : i < count ? i : count - 1];
        f32v pivot[kVectors];
        i32v rank[kVectors] = {};
        for (std::size_t v = 0; v < kVectors; v++) pivot[v] = load<f32v>(pivots + v * kF32);
        for (std::size_t i = 0; i < count; i++)
            for (std::size_t v = 0; v < kVectors; v++) rank[v] -= broadcast(values[i]) <= pivot[v];
        f32v least = broadcast(infinity), most = broadcast(-infinity);
        for (std::size_t v = 0; v < kVectors; v++) {
            const i32v above = rank[v] >= int(k);
            least = smaller(least, above ? pivot[v] : broadcast(infinity));
            most = larger(most, above ? broadcast(-infinity) : pivot[v]);
        }
        const float high = smallest_lane(least);
        if (count <= kPivots) return high;
        const float low = largest_lane(most);
        std::size_t between = 0, below = 0;
        for (std::size_t i = 0; i < count; i += kF32) {
            const f32v value = load<f32v>(values + i);
            const unsigned lanes = first_bits(count - i), under = at_most(value, broadcast(low)) & lanes,
                           inside = at_most(value, broadcast(high)) & lanes & ~under;
            store_selected(scratch + between, value, inside);
            between += std::size_t(std::popcount(inside));
            below += std::size_t(std::popcount(under));
        }
        if (between == count) return high;
        values = scratch;
        count = between;
        k -= below;
    }
}

// How many of some values are at most each: their ranks, from 1 on, if none are equal. values: up to a whole vector,
// infinite after the last; ranks: as long. Returns whether no two are equal.
inline bool rank(const double *values, std::size_t count, std::int64_t *ranks) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < count; i += kF64) {
        const f64v these = load<f64v>(values + i);
        i64v found{};
        for (std::size_t j = 0; j < count; j++) found -= broadcast(values[j]) <= these;
        store(ranks + i, found);
    }
    for (std::size_t i = 0; i < count; i++) sum += ranks[i];
    return sum == std::int64_t(count * (count + 1) / 2);
}

// Writes the neighbours in the order of (distance, row). distances: with room for a vector after the last.
inline void sort_neighbours(double *distances, const std::uint32_t *rows, std::size_t count,
                            std::vector<Neighbour> &near) {
    std::int64_t ranks[kRanked + kF64];
    near.resize(count);
    store(distances + count, broadcast(std::numeric_limits<double>::infinity()));
    if (count <= kRanked && rank(distances, count, ranks)) {
        for (std::size_t i = 0; i < count; i++) near[std::size_t(ranks[i] - 1)] = {distances[i], rows[i]};
    } else {
        for (std::size_t i = 0; i < count; i++) near[i] = {distances[i], rows[i]};
        std::sort(near.begin(), near.end());
    }
}

}  // namespace rmodels::RMODELS_ISA
