#include "ops/nearest/columns.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "ops/nearest/ranks.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kLanes = kF32;  // points of a group: two vectors of float64, whose sums are one of float32
// Among the least sums of how many sets of points the k-th least is looked for, if k is at most half.
constexpr std::size_t kBins = 16, kManyBins = 64;

// The sums of a query and all points, and rounded to float32. values: (groups, d, kLanes)
template <Fold fold>
void add_up(const double *values, std::size_t groups, std::size_t d, const double *query, int p, double *sums,
            float *rounded) {
    const auto add = [p](f64v sum, f64v gap) {
        if constexpr (fold == Fold::squares)
            return sum + gap * gap;  // not fused
        else
            return add_gap<fold>(sum, magnitude(gap), p);
    };
    for (std::size_t g = 0; g < groups; g++) {
        f64v low{}, high{};
        for (std::size_t c = 0; c < d; c++, values += kLanes) {
            const f64v q = broadcast(query[c]);
            low = add(low, load<f64v>(values) - q);
            high = add(high, load<f64v>(values + kF64) - q);
        }
        store(sums + g * kLanes, low);
        store(sums + g * kLanes + kF64, high);
        store(rounded + g * kLanes, narrowed(low));
        store(rounded + g * kLanes + kF64, narrowed(high));
    }
}

// A value that at least k of n do not exceed, and few others. scratch: as kth_least wants it.
float find_limit(const float *values, std::size_t n, std::size_t k, float *scratch) {
    if (k <= kBins / 2 && n >= kBins) return kth_least_minimum<kBins>(values, n, k);
    if (k > kManyBins / 2 || n < 2 * kManyBins) return kth_least(values, n, k, scratch);
    constexpr std::size_t vectors = kManyBins / kF32;
    f32v least[vectors];
    for (std::size_t v = 0; v < vectors; v++) least[v] = load<f32v>(values + v * kF32);
    for (std::size_t i = kManyBins; i + kManyBins <= n; i += kManyBins)
        for (std::size_t v = 0; v < vectors; v++) least[v] = smaller(least[v], load<f32v>(values + i + v * kF32));
    float minima[kManyBins];
    for (std::size_t v = 0; v < vectors; v++) store(minima + v * kF32, least[v]);
    return kth_least(minima, kManyBins, k, scratch);
}

}  // namespace

Columns::Columns(const Points &X) : n_(X.n), d_(X.d), values_((n_ + kLanes - 1) / kLanes * kLanes * d_) {
    X.typed([&](auto *x) {
        double *group = values_.data();
        for (std::size_t first = 0; first < n_; first += kLanes, group += kLanes * d_)
            for (std::size_t half = 0; half < kLanes; half += kF64)
                for (std::size_t c = 0; c < d_; c += kF64) {
                    const int features = int(std::min<std::size_t>(kF64, d_ - c));
                    f64v values[kF64];
                    for (std::size_t j = 0; j < kF64; j++) {
                        const auto *row = x + std::min(first + half + j, n_ - 1) * d_ + c;
                        values[j] = features == kF64 ? load_f64(row) : load_first(row, features);
                    }
                    transpose(values);
                    for (int f = 0; f < features; f++) store(group + (c + f) * kLanes + half, values[f]);
                }
    });
}

void Columns::find(const Distance &distance, const double *query, Wanted wanted, std::vector<Neighbour> &near) const {
    constexpr std::size_t kRoom = kPoints + kLanes;
    double sums[kRoom], distances[kRoom];
    float rounded[kRoom], scratch[kRoom];
    std::uint32_t rows[kRoom];
    with_sums(distance, [&]<Fold fold>() {
        add_up<fold>(values_.data(), (n_ + kLanes - 1) / kLanes, d_, query, distance.whole, sums, rounded);
    });

    // Sums of equal roots differ by less than float32 tells, and are looked at up to the next of its numbers.
    const double farthest = distance.metric == Metric::chebyshev ? wanted.radius : power(wanted.radius, distance.whole);
    const float limit = wanted.k ? find_limit(rounded, n_, wanted.k, scratch) : float(farthest);
    const f32v most = broadcast(limit * (1 + 0x1p-20f) + 0x1p-120f);

    std::size_t count = 0;
    for (std::size_t i = 0; i < n_; i += kLanes) {
        const unsigned lanes = at_most(load<f32v>(rounded + i), most) & first_bits(n_ - i);
        if (!kSelects && !lanes) continue;
        store_selected(rows + count, lane_numbers() + int(i), lanes);
        count += std::size_t(std::popcount(lanes));
    }
    for (std::size_t i = 0; i < count; i++) distances[i] = sums[rows[i]];
    distance.take_roots(distances, count);
    if (!wanted.k) {
        std::size_t inside = 0;
        for (std::size_t i = 0; i < count; i++) {
            rows[inside] = rows[i];
            distances[inside] = distances[i];
            inside += distances[i] <= wanted.radius;
        }
        count = inside;
    }
    sort_neighbours(distances, rows, count, near);
    if (wanted.k) near.resize(wanted.k);
}

}  // namespace rmodels::RMODELS_ISA
