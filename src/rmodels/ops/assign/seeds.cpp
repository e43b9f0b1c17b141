// Accumulators: float64, eight for each candidate, of which row i of a block of kSeedRows has that of i mod 8: the same
// sums on every instruction set, whatever rows without a gain are left out. Bytes: of X only rows that may gain.
// Operations: d products in float32 for a row and candidate (screen.hpp bounds their error), unless the triangle
// inequality shows that none is nearer than the centre that the row has: |x − c| ≥ |c − m| − |x − m| ≥ |x − m| if
// |c − m| ≥ 2 |x − m| (rows that are kept in float32 are not asked: reading them takes less); 3 d in float64 where a
// row may gain by the candidate that was chosen.
#include <algorithm>
#include <bit>
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
    std::uint32_t rows[kSeedRows + kF32];
    std::size_t count = 0;

    // Those with a bit.
    List(const std::uint32_t *bits, std::uint32_t bit, std::size_t first, std::size_t last) {
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

// Candidates less a shift, laid out for scores in float32.
struct Packed {
    std::size_t count, columns, tiles;
    double square_scale;
    std::vector<float, CacheLines<float>> coefficients, norms;
    ErrorBound bound;

    Packed(const double *candidates, std::size_t count, std::size_t d, const double *shift, double scale)
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

std::vector<double> mean_of(const double *candidates, std::size_t count, std::size_t d) {
    std::vector<double> mean(d);
    for (std::size_t c = 0; c < count; c++)
        for (std::size_t j = 0; j < d; j++) mean[j] += candidates[c * d + j] / double(count);
    return mean;
}

// Up to kPanelRows rows: the squares of their distances to their centres and of themselves, less the shift; their
// weights, unless all weigh 1; and the candidates by which each may gain, as bits.
struct Panel {
    alignas(64) double closest[kPanelRows] = {}, squares[kPanelRows] = {}, weights[kPanelRows] = {};
    alignas(64) std::uint32_t bits[kPanelRows];
    bool weighted = false;
};

// The gains of the panels of a block.
class BlockGains {
public:
    explicit BlockGains(const Packed &candidates)
        : candidates_(candidates),
          scores_(candidates.tiles * kScreenCentres * kPanelRows),
          sums_(candidates.count, f64v{}) {}

    // Takes up the first rows of a panel, whose values are (columns, kPanelRows), and writes its bits.
    void add(const float *values, Panel &panel, std::size_t here) {
        alignas(64) double base[kPanelRows];
        alignas(64) float limits[kPanelRows];  // scores above it cannot gain
        f64v farthest{}, widest{}, heavy{};
        for (std::size_t r = 0; r < kPanelRows; r += kF64) {
            const f64v square = load<f64v>(panel.squares + r);
            const f64v closest = load<f64v>(panel.closest + r) * broadcast(candidates_.square_scale);
            farthest = square > farthest ? square : farthest;
            widest = closest > widest ? closest : widest;
            if (panel.weighted) heavy += load<f64v>(panel.weights + r);
            store(base + r, closest - square);
        }
        std::fill(base + here, base + kPanelRows, -std::numeric_limits<double>::infinity());  // they gain nothing
        const double far = largest(farthest), wide = largest(widest);
        double slack = candidates_.bound.error(far) + wide * 0x1p-50;
        if (!candidates_.bound.screens() || !std::isfinite(slack) || !(wide < kLargest * kLargest)) {
            error_ = std::numeric_limits<double>::infinity();
            std::fill(panel.bits, panel.bits + kPanelRows, ~0U);
            return;
        }
        const double rounding = slack + (wide + far) * 0x1p-22 + 0x1p-130;
        for (std::size_t r = 0; r < kPanelRows; r++) limits[r] = float(base[r] + rounding);
        if (!panel.weighted) {
            error_ += double(here) * (1.5 * slack + (wide + far) * 0x1p-21);
            return add_plain(values, base, limits, panel);
        }
        error_ += lane_sum(heavy) * slack;
        score_all(values, candidates_.columns, candidates_.coefficients.data(), candidates_.norms.data(),
                  candidates_.tiles, scores_.data());
        i32v bits[kScreenVectors]{};
        for (std::size_t c = 0; c < candidates_.count; c++) {
            const float *score = scores_.data() + c * kPanelRows;
            for (std::size_t r = 0; r < kPanelRows; r += kF64) {
                const f64v gain = load<f64v>(base + r) - load_f64(score + r);
                sums_[c] = fma(gain > 0 ? gain : f64v{}, load<f64v>(panel.weights + r), sums_[c]);
            }
            for (int v = 0; v < kScreenVectors; v++) {
                const i32v nearer = load<f32v>(score + v * kF32) <= load<f32v>(limits + v * kF32);
                bits[v] |= nearer & int(1U << c);
            }
        }
        for (int v = 0; v < kScreenVectors; v++) store(panel.bits + v * kF32, bits[v]);
    }

    void finish(double *gains, double &error) const {
        for (std::size_t c = 0; c < candidates_.count; c++) gains[c] = lane_sum(sums_[c]) / candidates_.square_scale;
        error = error_ / candidates_.square_scale;
    }

private:
    // The same of rows that weigh 1, whose gains stay in float32 within a panel: each is off by its own rounding, that
    // of its base and three of sums, less than 8 u (closest + |x|²) and E / 2.
    void add_plain(const float *values, const double *base, const float *limits, Panel &panel) {
        alignas(64) float bases[kPanelRows];
        for (std::size_t r = 0; r < kPanelRows; r += kF64) store(bases + r, narrowed(load<f64v>(base + r)));
        i32v bits[kScreenVectors]{};
        const float *c = candidates_.coefficients.data();
        for (std::size_t tile = 0; tile < candidates_.tiles; tile++, c += kScreenCentres * candidates_.columns) {
            f32v sum[kScreenCentres][kScreenVectors];
            score_tile(values, candidates_.columns, c, candidates_.norms.data() + tile * kScreenCentres, sum);
            const std::size_t first = tile * kScreenCentres;
#pragma GCC unroll 8
            for (std::size_t k = 0; k < kScreenCentres; k++) {
                if (first + k >= candidates_.count) break;
                f32v gains{};
                for (int v = 0; v < kScreenVectors; v++) {
                    gains += larger(load<f32v>(bases + v * kF32) - sum[k][v], f32v{});
                    bits[v] |= (sum[k][v] <= load<f32v>(limits + v * kF32)) & int(1U << (first + k));
                }
                float lanes[kF32];
                store(lanes, gains);
                sums_[first + k] += load_f64(lanes) + load_f64(lanes + kF64);
            }
        }
        for (int v = 0; v < kScreenVectors; v++) store(panel.bits + v * kF32, bits[v]);
    }

    static double lane_sum(f64v v) {
        double sum = 0;
        for (int lane = 0; lane < kF64; lane++) sum += v[lane];
        return sum;
    }

    static double largest(f64v v) {
        double most = v[0];
        for (int lane = 1; lane < kF64; lane++) most = std::max(most, double(v[lane]));
        return most;
    }

    const Packed &candidates_;
    std::vector<float, CacheLines<float>> scores_;
    std::vector<f64v, CacheLines<f64v>> sums_;
    double error_ = 0;
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
    const std::vector<double> shift = mean_of(candidates, count, d);
    const Packed packed(candidates, count, d, shift.data(), scale);
    for_blocks(state.X, threads, [&](std::size_t block, std::size_t first, std::size_t last) {
        std::vector<float, CacheLines<float>> values(d * kPanelRows);
        const List list(first, last, [&](std::size_t r) { return quarters[state.nearest[r]] < state.closest[r]; });
        std::fill(gainers + first, gainers + last, 0U);
        BlockGains found(packed);
        Panel panel;
        panel.weighted = state.weights.data != nullptr;
        for (std::size_t i = 0; i < list.count; i += kPanelRows) {
            const std::size_t here = std::min(kPanelRows, list.count - i);
            std::uint32_t rows[kPanelRows];
            for (std::size_t r = 0; r < kPanelRows; r++) {
                rows[r] = list.rows[i + std::min(r, here - 1)];
                panel.closest[r] = state.closest[first + rows[r]];
                if (panel.weighted) panel.weights[r] = r < here ? weight(state, first + rows[r]) : 0.0;
            }
            state.X.visit(first, 0, [&](auto *x) {
                pack_panel(x, state.X.row_stride, state.X.column_stride, d, rows, shift.data(), scale, values.data(),
                           panel.squares);
            });
            found.add(values.data(), panel, here);
            for (std::size_t r = 0; r < here; r++) gainers[first + rows[r]] = panel.bits[r];
        }
        found.finish(gains + block * count, errors[block]);
    });
}

namespace {

constexpr std::size_t kBlockPanels = (kSeedRows + kPanelRows - 1) / kPanelRows;

// Calls body(number of the panel, its first row, rows in it) for the panels of a block.
template <class Body>
void for_panels(std::size_t block, std::size_t rows, Body &&body) {
    const std::size_t end = std::min(rows, (block + 1) * kSeedRows);
    std::size_t number = block * kBlockPanels;
    for (std::size_t row = block * kSeedRows; row < end; row += kPanelRows)
        body(number++, row, std::min(kPanelRows, end - row));
}

}  // namespace

SeedPanels::SeedPanels(const Strided &X, const double *shift, double scale, int threads)
    : rows_(X.rows), columns_(X.columns), scale_(scale), shift_(shift, shift + X.columns) {
    const std::size_t blocks = (rows_ + kSeedRows - 1) / kSeedRows;
    values_.resize(blocks * kBlockPanels * columns_ * kPanelRows);
    squares_.resize(blocks * kBlockPanels * kPanelRows);
    parallel_for(blocks, threads, [&](std::size_t block, int) {
        for_panels(block, rows_, [&](std::size_t panel, std::size_t row, std::size_t here) {
            std::uint32_t places[kPanelRows];
            for (std::size_t r = 0; r < kPanelRows; r++) places[r] = std::uint32_t(std::min(r, here - 1));
            X.visit(row, 0, [&](auto *x) {
                pack_panel(x, X.row_stride, X.column_stride, columns_, places, shift_.data(), scale_,
                           values_.data() + panel * columns_ * kPanelRows, squares_.data() + panel * kPanelRows);
            });
        });
    });
}

void SeedPanels::estimate(const Seeding &state, const double *candidates, std::size_t count, std::size_t first,
                          std::size_t last, double *gains, double *errors, std::uint32_t *gainers, int threads) const {
    const Packed packed(candidates, count, columns_, shift_.data(), scale_);
    parallel_for(last - first, threads, [&](std::size_t task, int) {
        BlockGains found(packed);
        Panel panel;
        panel.weighted = state.weights.data != nullptr;
        for_panels(first + task, rows_, [&](std::size_t number, std::size_t row, std::size_t here) {
            std::copy_n(state.closest + row, here, panel.closest);
            std::copy_n(squares_.data() + number * kPanelRows, kPanelRows, panel.squares);
            for (std::size_t r = 0; panel.weighted && r < kPanelRows; r++)
                panel.weights[r] = r < here ? weight(state, row + r) : 0.0;
            found.add(values_.data() + number * columns_ * kPanelRows, panel, here);
            std::copy_n(panel.bits, here, gainers + row);
        });
        found.finish(gains + (first + task) * count, errors[first + task]);
    });
}

void add_centre(const Seeding &state, const double *centre, const std::uint32_t *gainers, std::uint32_t bit,
                std::size_t chosen, double *potentials, int threads) {
    for_blocks(state.X, threads, [&](std::size_t block, std::size_t first, std::size_t last) {
        const List list =
            gainers ? List(gainers, bit, first, last) : List(first, last, [](std::size_t) { return true; });
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
