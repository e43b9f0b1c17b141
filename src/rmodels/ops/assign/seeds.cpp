// Accumulators: float64, eight for each candidate, of which row i of a block of kSeedRows has that of i mod 8: the same
// sums on every instruction set, whatever rows without a gain are left out. Bytes: of X only rows that may gain.
// Operations: d products in float32 for a row and candidate (screen.hpp bounds their error), unless the triangle
// inequality shows that none is nearer than the centre that the row has: |x − c| ≥ |c − m| − |x − m| ≥ |x − m| if
// |c − m| ≥ 2 |x − m|; 3 d in float64 where a row may gain by the candidate that was chosen.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "native/aligned.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"
#include "ops/assign/native.hpp"
#include "ops/assign/screen.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kWidth = 8;
constexpr int kVectors = int(kWidth) / kF64;

// Calls body(block, first row, end) for the blocks.
template <class Body>
void for_blocks(const Strided &X, int threads, Body &&body) {
    parallel_for((X.rows + kSeedRows - 1) / kSeedRows, threads, [&](std::size_t task, int) {
        body(task, task * kSeedRows, std::min(X.rows, (task + 1) * kSeedRows));
    });
}

inline double total(const double (&parts)[kWidth]) {
    double sum = 0;
    for (double part : parts) sum += part;
    return sum;
}

inline double weight(const Seeding &state, std::size_t row) { return state.weights.data ? state.weights.at(row) : 1.0; }

// The rows of a block for which test(row) is true.
struct List {
    std::uint32_t rows[kSeedRows];
    std::size_t count = 0;

    template <class Test>
    List(std::size_t first, std::size_t last, Test &&test) {
        for (std::size_t row = first; row < last; row++) {
            rows[count] = std::uint32_t(row - first);
            count += std::size_t(test(row));
        }
    }
};

// Calls body(row, |x − c|²) for listed rows in their order: the squares are summed in the order of the columns.
template <class Body>
void measure(const Seeding &state, std::size_t first, const List &list, const double *c, Body &&body) {
    const Strided &X = state.X;
    X.visit(first, 0, [&](auto *start) {
        for (std::size_t i = 0; i < list.count; i += kWidth) {
            const std::size_t count = std::min(kWidth, list.count - i);
            decltype(start) x[kWidth];
            double sum[kWidth] = {};
            for (std::size_t r = 0; r < kWidth; r++)
                x[r] = start + std::ptrdiff_t(list.rows[i + std::min(r, count - 1)]) * X.row_stride;
            for (std::size_t j = 0; j < X.columns; j++)
#pragma GCC unroll 8
                for (std::size_t r = 0; r < kWidth; r++) {
                    const double gap = double(x[r][std::ptrdiff_t(j) * X.column_stride]) - c[j];
                    sum[r] += gap * gap;
                }
            for (std::size_t r = 0; r < count; r++) body(first + list.rows[i + r], sum[r]);
        }
    });
}

// Candidates, laid out for scores in float32.
struct Packed {
    std::vector<double> shift;
    std::vector<float, CacheLines<float>> coefficients, norms;
    std::size_t tiles;
    ErrorBound bound;

    Packed(const double *candidates, std::size_t count, std::size_t d, double scale)
        : shift(d), tiles((count + kScreenCentres - 1) / kScreenCentres), bound(d) {
        for (std::size_t c = 0; c < count; c++)
            for (std::size_t j = 0; j < d; j++) shift[j] += candidates[c * d + j] / double(count);
        coefficients.assign(tiles * kScreenCentres * d, 0.0F);
        norms.assign(tiles * kScreenCentres, 0.0F);
        for (std::size_t c = 0; c < count; c++)
            norms[c] = bound.add(pack_centre(candidates + c * d, shift.data(), scale, d,
                                             coefficients.data() + c / kScreenCentres * kScreenCentres * d,
                                             c % kScreenCentres));
    }
};

// What is found of kPanelRows rows.
struct Panel {
    alignas(64) double squares[kPanelRows], base[kPanelRows], weights[kPanelRows];
    alignas(64) float limits[kPanelRows];  // scores above it cannot gain
    alignas(64) std::uint32_t bits[kPanelRows];
    std::uint32_t rows[kPanelRows];
};

}  // namespace

void find_gains(const Seeding &state, const double *candidates, std::size_t count, const double *quarters,
                std::size_t chosen, double *gains, int threads) {
    const std::size_t d = state.X.columns;
    for_blocks(state.X, threads, [&](std::size_t block, std::size_t first, std::size_t last) {
        for (std::size_t c = 0; c < count; c++) {
            double sums[kWidth] = {};
            const double *quarter = quarters + c * chosen;
            const List list(first, last, [&](std::size_t r) { return quarter[state.nearest[r]] < state.closest[r]; });
            measure(state, first, list, candidates + c * d, [&](std::size_t row, double square) {
                if (square < state.closest[row])
                    sums[(row - first) % kWidth] += weight(state, row) * (state.closest[row] - square);
            });
            gains[block * count + c] = total(sums);
        }
    });
}

void estimate_gains(const Seeding &state, const double *candidates, std::size_t count, const double *quarters,
                    double scale, double *gains, double *errors, std::uint32_t *gainers, int threads) {
    const std::size_t d = state.X.columns;
    const Packed packed(candidates, count, d, scale);
    const double square_scale = scale * scale;
    for_blocks(state.X, threads, [&](std::size_t block, std::size_t first, std::size_t last) {
        std::vector<float, CacheLines<float>> values(d * kPanelRows),
            scores(packed.tiles * kScreenCentres * kPanelRows);
        std::vector<f64v, CacheLines<f64v>> sums(count, f64v{});
        const List list(first, last, [&](std::size_t r) { return quarters[state.nearest[r]] < state.closest[r]; });
        std::fill(gainers + first, gainers + last, 0U);
        double error = 0;
        Panel panel;
        std::fill(panel.weights, panel.weights + kPanelRows, 1.0);
        for (std::size_t i = 0; i < list.count; i += kPanelRows) {
            const std::size_t here = std::min(kPanelRows, list.count - i);
            for (std::size_t r = 0; r < kPanelRows; r++) panel.rows[r] = list.rows[i + std::min(r, here - 1)];
            state.X.visit(first, 0, [&](auto *x) {
                pack_panel(x, state.X.row_stride, state.X.column_stride, d, panel.rows, packed.shift.data(), scale,
                           values.data(), panel.squares);
            });
            double farthest = 0, widest = 0, heavy = 0;
            for (std::size_t r = 0; r < kPanelRows; r++) {
                const double closest = state.closest[first + panel.rows[r]] * square_scale;
                farthest = std::max(farthest, panel.squares[r]);
                widest = std::max(widest, closest);
                panel.base[r] = closest - panel.squares[r];
            }
            if (state.weights.data)
                for (std::size_t r = 0; r < here; r++) panel.weights[r] = weight(state, first + panel.rows[r]);
            for (std::size_t r = here; r < kPanelRows; r++) panel.weights[r] = 0.0;
            for (std::size_t r = 0; r < here; r++) heavy += panel.weights[r];
            const double slack = packed.bound.error(farthest) + widest * 0x1p-50;
            if (!packed.bound.screens() || !std::isfinite(slack)) {
                error = std::numeric_limits<double>::infinity();
                for (std::size_t r = 0; r < here; r++) gainers[first + panel.rows[r]] = ~0U;
                continue;
            }
            error += heavy * slack;
            const double rounding = slack + (widest + farthest) * 0x1p-22 + 0x1p-130;
            for (std::size_t r = 0; r < kPanelRows; r++) panel.limits[r] = float(panel.base[r] + rounding);
            std::fill(panel.bits, panel.bits + kPanelRows, 0U);
            score_all(values.data(), d, packed.coefficients.data(), packed.norms.data(), packed.tiles, scores.data());
            for (std::size_t c = 0; c < count; c++) {
                const float *score = scores.data() + c * kPanelRows;
                for (std::size_t r = 0; r < kPanelRows; r += kF64) {
                    const f64v gain = load<f64v>(panel.base + r) - load_f64(score + r);
                    sums[c] = fma(gain > 0 ? gain : f64v{}, load<f64v>(panel.weights + r), sums[c]);
                }
                for (std::size_t r = 0; r < kPanelRows; r += kF32) {
                    const i32v nearer = load<f32v>(score + r) <= load<f32v>(panel.limits + r);
                    store(panel.bits + r, load<i32v>(panel.bits + r) | (nearer & int(1U << c)));
                }
            }
            for (std::size_t r = 0; r < here; r++) gainers[first + panel.rows[r]] = panel.bits[r];
        }
        for (std::size_t c = 0; c < count; c++) {
            double sum = 0;
            for (int lane = 0; lane < kF64; lane++) sum += sums[c][lane];
            gains[block * count + c] = sum / square_scale;
        }
        errors[block] = error / square_scale;
    });
}

void add_centre(const Seeding &state, const double *centre, const std::uint32_t *gainers, std::uint32_t bit,
                std::size_t chosen, double *potentials, int threads) {
    for_blocks(state.X, threads, [&](std::size_t block, std::size_t first, std::size_t last) {
        const List list(first, last, [&](std::size_t r) { return !gainers || (gainers[r] & bit); });
        bool changed = false;
        measure(state, first, list, centre, [&](std::size_t row, double square) {
            if (square < state.closest[row]) {
                state.closest[row] = square;
                state.nearest[row] = std::int32_t(chosen);
                changed = true;
            }
        });
        if (!changed) return;
        double sums[kWidth] = {};
        if (state.weights.data) {
            for (std::size_t row = first; row < last; row++)
                sums[(row - first) % kWidth] += weight(state, row) * state.closest[row];
        } else {
            f64v lanes[kVectors]{};
            std::size_t row = first;
            for (; row + kWidth <= last; row += kWidth)
                for (int v = 0; v < kVectors; v++) lanes[v] += load<f64v>(state.closest + row + std::size_t(v) * kF64);
            for (int v = 0; v < kVectors; v++) store(sums + std::size_t(v) * kF64, lanes[v]);
            for (; row < last; row++) sums[(row - first) % kWidth] += state.closest[row];
        }
        potentials[block] = total(sums);
    });
}

}  // namespace rmodels::RMODELS_ISA
