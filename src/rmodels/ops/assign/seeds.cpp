// Accumulators: float64, eight for each candidate, of which row i of a block of kSeedRows has that of i mod 8: the same
// sums on every instruction set, whatever rows without a gain are left out. Bytes: of X only rows that may gain.
// Operations: d products in float32 for a row and candidate (screen.hpp bounds their error), unless the triangle
// inequality shows that none is nearer than the centre that the row has: |x − c| ≥ |c − m| − |x − m| ≥ |x − m| if
// |c − m| ≥ 2 |x − m| (rows that are kept in float32 are not asked: reading them takes less); 3 d in float64 where a
// row may gain by the candidate that was chosen.
#include "ops/assign/seeds.hpp"

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

// Calls body(block, first row, end) for the blocks.
template <class Body>
void for_blocks(const Strided &X, int threads, Body &&body) {
    parallel_for((X.rows + kSeedRows - 1) / kSeedRows, threads, [&](std::size_t task, int) {
        body(task, task * kSeedRows, std::min(X.rows, (task + 1) * kSeedRows));
    });
}

std::vector<double> mean_of(const double *candidates, std::size_t count, std::size_t d) {
    std::vector<double> mean(d);
    for (std::size_t c = 0; c < count; c++)
        for (std::size_t j = 0; j < d; j++) mean[j] += candidates[c * d + j] / double(count);
    return mean;
}

}  // namespace

void find_gains(const Seeding &state, const double *candidates, std::size_t count, const double *quarters,
                std::size_t chosen, double *gains, int threads) {
    const std::size_t d = state.X.columns;
    for_blocks(state.X, threads, [&](std::size_t block, std::size_t first, std::size_t last) {
        for (std::size_t c = 0; c < count; c++) {
            const double *quarter = quarters + c * chosen;
            const RowList list(first, last,
                               [&](std::size_t r) { return quarter[state.nearest[r]] < state.closest[r]; });
            gains[block * count + c] = measure_gain(state, first, list, candidates + c * d);
        }
    });
}

void estimate_gains(const Seeding &state, const double *candidates, std::size_t count, const double *quarters,
                    double scale, double *gains, double *errors, std::uint32_t *gainers, int threads) {
    const std::size_t d = state.X.columns;
    const std::vector<double> shift = mean_of(candidates, count, d);
    const PackedCandidates packed(candidates, count, d, shift.data(), scale);
    for_blocks(state.X, threads, [&](std::size_t block, std::size_t first, std::size_t last) {
        std::vector<float, CacheLines<float>> values(d * kPanelRows);
        const RowList list(first, last, [&](std::size_t r) { return quarters[state.nearest[r]] < state.closest[r]; });
        std::fill(gainers + first, gainers + last, 0U);
        BlockGains found(packed);
        PanelState panel;
        alignas(64) double squares[kPanelRows];
        alignas(64) std::uint32_t bits[kPanelRows];
        for (std::size_t i = 0; i < list.count; i += kPanelRows) {
            const std::size_t here = std::min(kPanelRows, list.count - i);
            std::uint32_t rows[kPanelRows];
            for (std::size_t r = 0; r < kPanelRows; r++) rows[r] = list.rows[i + std::min(r, here - 1)];
            state.X.visit(first, 0, [&](auto *x) {
                pack_panel<false>(x, state.X.row_stride, state.X.column_stride, d, rows, shift.data(), scale,
                                  values.data(), squares);
            });
            add_panel(found,
                      panel.take(
                          values.data(), squares, here, packed.square_scale, state.weights.data != nullptr,
                          [&](std::size_t r) { return state.closest[first + rows[r]]; },
                          [&](std::size_t r) { return weight(state, first + rows[r]); }),
                      bits);
            for (std::size_t r = 0; r < here; r++) gainers[first + rows[r]] = bits[r];
        }
        found.finish(gains + block * count, errors[block]);
    });
}

void add_centre(const Seeding &state, const double *centre, const std::uint32_t *gainers, std::uint32_t bit,
                std::size_t chosen, double *potentials, int threads) {
    for_blocks(state.X, threads, [&](std::size_t block, std::size_t first, std::size_t last) {
        const RowList list =
            gainers ? RowList(gainers, bit, first, last) : RowList(first, last, [](std::size_t) { return true; });
        if (take_rows(state, first, list, centre, chosen, [](std::size_t) {}))
            potentials[block] = sum_potential(state, first, last);
    });
}

}  // namespace rmodels::RMODELS_ISA
