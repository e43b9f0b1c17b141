// What the seeds of k-means are drawn by: exact squares of listed rows, and gains estimated by float32 scores.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "native/aligned.hpp"
#include "native/vectors.hpp"
#include "ops/assign/native.hpp"
#include "ops/assign/screen.hpp"

namespace rmodels::RMODELS_ISA {

constexpr std::size_t kSeedLanes = 8;  // accumulators of a block: row i has that of i mod 8

inline double total(const double (&parts)[kSeedLanes]) {
    double sum = 0;
    for (double part : parts) sum += part;
    return sum;
}

inline double weight(const Seeding &state, std::size_t row) { return state.weights.data ? state.weights.at(row) : 1.0; }

// Rows of a block, counted from its first.
struct RowList {
    std::uint32_t rows[kSeedRows + kF32];
    std::size_t count = 0;

    RowList() = default;

    // Those with a bit.
    RowList(const std::uint32_t *bits, std::uint32_t bit, std::size_t first, std::size_t last) {
        i32v places;
        for (int lane = 0; lane < kF32; lane++) places[lane] = lane;
        std::size_t row = first;
        for (; row + kF32 <= last; row += kF32) {
            const i32v set = load<i32v>(bits + row) & int(bit);
            const unsigned lanes = any_bits(set);
            store_selected(rows + count, places + int(row - first), lanes);
            count += std::size_t(std::popcount(lanes));
        }
        for (; row < last; row++) {
            rows[count] = std::uint32_t(row - first);
            count += (bits[row] & bit) != 0;
        }
    }

    // Those for which test(row) is true.
    template <class Test>
    RowList(std::size_t first, std::size_t last, Test &&test) {
        for (std::size_t row = first; row < last; row++) {
            rows[count] = std::uint32_t(row - first);
            count += std::size_t(test(row));
        }
    }
};

// Calls body(row, |x − c|²) for listed rows in their order: the squares are summed in the order of the columns.
template <class Body>
void measure(const Seeding &state, std::size_t first, const RowList &list, const double *c, Body &&body) {
    const Strided &X = state.X;
    X.visit(first, 0, [&](auto *start) {
        for (std::size_t i = 0; i < list.count; i += kSeedLanes) {
            const std::size_t count = std::min(kSeedLanes, list.count - i);
            decltype(start) x[kSeedLanes];
            double sum[kSeedLanes] = {};
            for (std::size_t r = 0; r < kSeedLanes; r++)
                x[r] = start + std::ptrdiff_t(list.rows[i + std::min(r, count - 1)]) * X.row_stride;
            for (std::size_t j = 0; j < X.columns; j++)
#pragma GCC unroll 8
                for (std::size_t r = 0; r < kSeedLanes; r++) {
                    const double gap = double(x[r][std::ptrdiff_t(j) * X.column_stride]) - c[j];
                    sum[r] += gap * gap;
                }
            for (std::size_t r = 0; r < count; r++) body(first + list.rows[i + r], sum[r]);
        }
    });
}

// What a candidate takes off the potential of listed rows, which are all that may gain by it.
inline double measure_gain(const Seeding &state, std::size_t first, const RowList &list, const double *candidate) {
    double sums[kSeedLanes] = {};
    measure(state, first, list, candidate, [&](std::size_t row, double square) {
        if (square < state.closest[row])
            sums[(row - first) % kSeedLanes] += weight(state, row) * (state.closest[row] - square);
    });
    return total(sums);
}

// Σ w closest of a block.
inline double sum_potential(const Seeding &state, std::size_t first, std::size_t last) {
    constexpr int kVectors = int(kSeedLanes) / kF64;
    double sums[kSeedLanes] = {};
    if (state.weights.data) {
        for (std::size_t row = first; row < last; row++)
            sums[(row - first) % kSeedLanes] += weight(state, row) * state.closest[row];
        return total(sums);
    }
    f64v lanes[kVectors]{};
    std::size_t row = first;
    for (; row + kSeedLanes <= last; row += kSeedLanes)
        for (int v = 0; v < kVectors; v++) lanes[v] += load<f64v>(state.closest + row + std::size_t(v) * kF64);
    for (int v = 0; v < kVectors; v++) store(sums + std::size_t(v) * kF64, lanes[v]);
    for (; row < last; row++) sums[(row - first) % kSeedLanes] += state.closest[row];
    return total(sums);
}

// Has listed rows that are nearer to a new centre belong to it, and calls taken(row) for each; returns whether any
// does.
template <class Taken>
bool take_rows(const Seeding &state, std::size_t first, const RowList &list, const double *centre, std::size_t number,
               Taken &&taken) {
    bool any = false;
    measure(state, first, list, centre, [&](std::size_t row, double square) {
        if (square < state.closest[row]) {
            state.closest[row] = square;
            state.nearest[row] = std::int32_t(number);
            taken(row);
            any = true;
        }
    });
    return any;
}

// Candidates less a shift, laid out for scores in float32.
struct PackedCandidates {
    std::size_t count, columns, tiles;
    double square_scale;
    std::vector<float, CacheLines<float>> coefficients, norms;
    ErrorBound bound;

    PackedCandidates(const double *candidates, std::size_t count, std::size_t d, const double *shift, double scale)
        : count(count),
          columns(d),
          tiles((count + kScreenCentres - 1) / kScreenCentres),
          square_scale(scale * scale),
          coefficients(tiles * kScreenCentres * d, 0.0F),
          norms(tiles * kScreenCentres, 0.0F),
          bound(d) {
        for (std::size_t c = 0; c < count; c++)
            norms[c] = bound.add(pack_centre(candidates + c * d, shift, scale, d,
                                             coefficients.data() + c / kScreenCentres * kScreenCentres * d,
                                             c % kScreenCentres));
    }
};

constexpr std::size_t kMostCandidates = 32;  // of which gains are estimated at once

// What is left of it by a score is a gain. Both are of a row less the shift, and scaled.
inline float score_base(double closest, double square) { return float(closest - square); }

// The largest of values from 0 on.
inline double largest(const double *values, std::size_t count) {
    f64v most{};
    std::size_t i = 0;
    for (; i + kF64 <= count; i += kF64) {
        const f64v here = load<f64v>(values + i);
        most = here > most ? here : most;
    }
    double found = 0;
    for (int lane = 0; lane < kF64; lane++) found = std::max(found, double(most[lane]));
    for (; i < count; i++) found = std::max(found, values[i]);
    return found;
}

// Up to kPanelRows rows, less the shift and scaled.
struct SeedPanel {
    const float *values;    // (columns, kPanelRows)
    const float *bases;     // what score_base says of each; −∞ of those that are none
    const double *weights;  // null: all weigh 1
    double weight;          // of all together
    double widest;          // at least the largest closest
    double farthest;        // the largest |x|²
};

// What a panel needs beside its values, written for one after the other.
class PanelState {
public:
    // Takes the first `here` rows, of which closest(r) and weight(r) tell, unless all weigh 1, in units of the rows.
    template <class Closest, class Weight>
    SeedPanel take(const float *values, const double *squares, std::size_t here, double square_scale, bool weighted,
                   Closest &&closest, Weight &&weight) {
        for (std::size_t r = 0; r < here; r++) closest_[r] = closest(r) * square_scale;
        for (std::size_t r = 0; r < here; r++) bases_[r] = score_base(closest_[r], squares[r]);
        std::fill(bases_ + here, bases_ + kPanelRows, -std::numeric_limits<float>::infinity());
        double heavy = double(here);
        if (weighted) {
            std::fill(weights_ + here, weights_ + kPanelRows, 0.0);
            heavy = 0;
            for (std::size_t r = 0; r < here; r++) heavy += weights_[r] = weight(r);
        }
        return {values, bases_, weighted ? weights_ : nullptr, heavy, largest(closest_, here), largest(squares, here)};
    }

private:
    alignas(64) double closest_[kPanelRows], weights_[kPanelRows];
    alignas(64) float bases_[kPanelRows];
};

// The gains of the panels of a block, each of which has float32 within it: a gain is off by its own rounding, that of
// its base and at most three of sums, less than 8 u (closest + |x|²), and that of the score, E.
class BlockGains {
public:
    explicit BlockGains(const PackedCandidates &candidates) : candidates_(candidates) {
        std::fill_n(sums_, candidates.count, f64v{});
    }

    // Adds those of a panel, and calls mark(candidate, scores, limits) with vectors of rows: rows with a score above
    // their limit do not gain. Returns whether float32 tells: else all may.
    template <class Mark>
    bool add(const SeedPanel &panel, Mark &&mark) {
        const double far = panel.farthest, wide = panel.widest;
        const double slack = candidates_.bound.error(far) + wide * 0x1p-50;
        if (!candidates_.bound.screens() || !std::isfinite(slack) || !(wide < kLargest * kLargest)) {
            error_ = std::numeric_limits<double>::infinity();
            return false;
        }
        error_ += panel.weight * (1.5 * slack + (wide + far) * 0x1p-21);
        const float above = float(slack * (1 + 0x1p-20) + (wide + far) * 0x1p-22 + 0x1p-130);
        if (panel.weights)
            add_rows(panel, above, mark,
                     [&](const f32v(&gains)[kScreenVectors]) { return weigh(gains, panel.weights); });
        else
            add_rows(panel, above, mark, [](const f32v(&gains)[kScreenVectors]) { return add_up(gains); });
        return true;
    }

    void finish(double *gains, double &error) const {
        for (std::size_t c = 0; c < candidates_.count; c++) {
            double sum = 0;
            for (int lane = 0; lane < kF64; lane++) sum += sums_[c][lane];
            gains[c] = sum / candidates_.square_scale;
        }
        error = error_ / candidates_.square_scale;
    }

private:
    template <class Mark, class Sum>
    void add_rows(const SeedPanel &panel, float above, Mark &&mark, Sum &&sum_of) {
        const float *c = candidates_.coefficients.data();
        for (std::size_t tile = 0; tile < candidates_.tiles; tile++, c += kScreenCentres * candidates_.columns) {
            Tile<SingleProducts> scores;
            const std::size_t first = tile * kScreenCentres;
            const float *norms = candidates_.norms.data() + first;
            for_vectors(scores, [&](int k, int, f32v &s) { s = broadcast(norms[k]); });
            add_steps(SingleProducts(), panel.values, candidates_.columns, c, scores, kNothing);
            f32v bases[kScreenVectors], limits[kScreenVectors];
            for (int v = 0; v < kScreenVectors; v++) {
                bases[v] = load<f32v>(panel.bases + v * kF32);
                limits[v] = bases[v] + broadcast(above);
            }
#pragma GCC unroll 8
            for (std::size_t k = 0; k < kScreenCentres; k++) {
                if (first + k >= candidates_.count) break;
                mark(first + k, scores[k], limits);
                f32v gains[kScreenVectors];
#pragma GCC unroll 8
                for (int v = 0; v < kScreenVectors; v++) gains[v] = larger(bases[v] - scores[k][v], f32v{});
                sums_[first + k] += sum_of(gains);
            }
        }
    }

    static f64v add_up(const f32v (&gains)[kScreenVectors]) {
        f32v sum = gains[0];
        for (int v = 1; v < kScreenVectors; v++) sum += gains[v];
        float lanes[kF32];
        store(lanes, sum);
        return load_f64(lanes) + load_f64(lanes + kF64);
    }

    static f64v weigh(const f32v (&gains)[kScreenVectors], const double *weights) {
        alignas(64) float lanes[kPanelRows];
        for (int v = 0; v < kScreenVectors; v++) store(lanes + v * kF32, gains[v]);
        f64v sum{};
        for (std::size_t r = 0; r < kPanelRows; r += kF64) sum = fma(load_f64(lanes + r), load<f64v>(weights + r), sum);
        return sum;
    }

    const PackedCandidates &candidates_;
    f64v sums_[kMostCandidates];
    double error_ = 0;
};

// Adds the gains of a panel, and writes of each of its rows by which candidates it may gain, as bits.
inline void add_panel(BlockGains &found, const SeedPanel &panel, std::uint32_t (&bits)[kPanelRows]) {
    i32v rows[kScreenVectors]{};
    const bool told = found.add(panel, [&](std::size_t candidate, const f32v *scores, const f32v *limits) {
        for (int v = 0; v < kScreenVectors; v++) rows[v] |= (scores[v] <= limits[v]) & int(1U << candidate);
    });
    for (int v = 0; v < kScreenVectors; v++) store(bits + v * kF32, told ? rows[v] : ~i32v{});
}

}  // namespace rmodels::RMODELS_ISA
