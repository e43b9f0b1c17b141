// Accumulators: float64, eight for each candidate, of which row i of a block of kSeedRows has that of i mod 8: the same
// sums on every instruction set. Bytes: X once. Operations: 3 d for a row and candidate, unless the triangle inequality
// shows for each of eight rows that the candidate is not nearer than the centre that they have: |x − c| ≥ |c − m| −
// |x − m| ≥ |x − m| if |c − m| ≥ 2 |x − m|.
#include <algorithm>
#include <limits>
#include <vector>

#include "native/aligned.hpp"
#include "native/packing.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"
#include "ops/assign/native.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kWidth = 8;
constexpr int kVectors = int(kWidth) / kF64;
constexpr int kTogether = 4;  // candidates

// |x − c|² of eight rows and Count candidates, in the order of the columns.
template <int Count>
inline void measure(const double *panel, std::size_t d, const double *const *candidates, double (*found)[kWidth]) {
    f64v sums[Count][kVectors]{};
    for (std::size_t j = 0; j < d; j++)
        for (int c = 0; c < Count; c++) {
            const f64v m = broadcast(candidates[c][j]);
            for (int v = 0; v < kVectors; v++) {
                const f64v gap = load<f64v>(panel + j * kWidth + std::size_t(v) * kF64) - m;
                sums[c][v] += gap * gap;
            }
        }
    for (int c = 0; c < Count; c++)
        for (int v = 0; v < kVectors; v++) store(found[c] + v * kF64, sums[c][v]);
}

inline void measure_all(const double *panel, std::size_t d, const double *const *candidates, std::size_t count,
                        double (*found)[kWidth]) {
    std::size_t c = 0;
    for (; c + kTogether <= count; c += kTogether) measure<kTogether>(panel, d, candidates + c, found + c);
    for (; c < count; c++) measure<1>(panel, d, candidates + c, found + c);
}

// Eight rows of a block.
struct Eight {
    std::size_t first, rows;
    double closest[kWidth], weights[kWidth];  // 0 where there is no row

    Eight(const Seeding &state, std::size_t first, std::size_t last)
        : first(first), rows(std::min(kWidth, last - first)) {
        for (std::size_t i = 0; i < kWidth; i++) {
            closest[i] = i < rows ? state.closest[first + i] : 0.0;
            weights[i] = i >= rows ? 0.0 : state.weights.data ? state.weights.at(first + i) : 1.0;
        }
    }

    // Whether a candidate may be nearer to one of them.
    bool may_gain(const Seeding &state, const double *quarters) const {
        bool found = false;
        for (std::size_t i = 0; i < rows; i++) found |= quarters[state.nearest[first + i]] < closest[i];
        return found;
    }

    void pack_rows(const Seeding &state, double *panel) const {
        const std::size_t d = state.X.columns;
        if (d) pack(state.X.rows_from(first, rows).transposed(), 0, d, nullptr, nullptr, {panel, d, kWidth}, 0, 0);
    }
};

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

}  // namespace

void find_potentials(const Seeding &state, const double *candidates, std::size_t count, const double *quarters,
                     std::size_t chosen, double *potentials, int threads) {
    const std::size_t d = state.X.columns;
    for_blocks(state.X, threads, [&](std::size_t block, std::size_t first, std::size_t last) {
        Doubles panel(d * kWidth);
        std::vector<double> sums(count * kWidth), squares(count * kWidth);
        std::vector<const double *> open(count);
        std::vector<std::size_t> which(count);
        auto *found = reinterpret_cast<double (*)[kWidth]>(squares.data());
        for (std::size_t row = first; row < last; row += kWidth) {
            const Eight rows(state, row, last);
            std::size_t n = 0;
            for (std::size_t c = 0; c < count; c++) {
                if (rows.may_gain(state, quarters + c * chosen)) {
                    open[n] = candidates + c * d;
                    which[n++] = c;
                } else {
                    for (std::size_t i = 0; i < kWidth; i++) sums[c * kWidth + i] += rows.weights[i] * rows.closest[i];
                }
            }
            if (n == 0) continue;
            rows.pack_rows(state, panel.data());
            measure_all(panel.data(), d, open.data(), n, found);
            for (std::size_t k = 0; k < n; k++)
                for (std::size_t i = 0; i < kWidth; i++) {
                    const double least = found[k][i] < rows.closest[i] ? found[k][i] : rows.closest[i];
                    sums[which[k] * kWidth + i] += rows.weights[i] * least;
                }
        }
        for (std::size_t c = 0; c < count; c++) {
            double sum = 0;
            for (std::size_t i = 0; i < kWidth; i++) sum += sums[c * kWidth + i];
            potentials[block * count + c] = sum;
        }
    });
}

void add_centre(const Seeding &state, const double *centre, const double *quarters, std::size_t chosen,
                double *potentials, int threads) {
    const std::size_t d = state.X.columns;
    for_blocks(state.X, threads, [&](std::size_t block, std::size_t first, std::size_t last) {
        Doubles panel(d * kWidth);
        double sums[kWidth] = {}, found[1][kWidth];
        for (std::size_t row = first; row < last; row += kWidth) {
            Eight rows(state, row, last);
            if (chosen == 0 || rows.may_gain(state, quarters)) {
                rows.pack_rows(state, panel.data());
                measure_all(panel.data(), d, &centre, 1, found);
                for (std::size_t i = 0; i < rows.rows; i++)
                    if (found[0][i] < rows.closest[i]) {
                        rows.closest[i] = state.closest[row + i] = found[0][i];
                        state.nearest[row + i] = std::int32_t(chosen);
                    }
            }
            for (std::size_t i = 0; i < kWidth; i++) sums[i] += rows.weights[i] * rows.closest[i];
        }
        potentials[block] = total(sums);
    });
}

}  // namespace rmodels::RMODELS_ISA
