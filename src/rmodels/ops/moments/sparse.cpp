// Accumulators: float64. Bytes: each entry as often as its row has entries before it, from the cache, and a row of the
// products, which stays in the L1 cache. Operations: half the sum of the squares of the rows' entries. Tolerance: the
// contract's.
#include "ops/moments/sparse.hpp"

#include <algorithm>
#include <vector>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kColumns = 16;  // of a task
constexpr std::size_t kTile = 64;

struct Entry {
    std::size_t at, row;
};

}  // namespace

template <class Real, class Index>
void add_sparse_products(const SparseRows<Real, Index> &rows, std::size_t first, std::size_t last, std::size_t width,
                         int threads, double *products) {
    const auto begin = std::size_t(rows.starts[first]), end = std::size_t(rows.starts[last]);
    std::vector<std::size_t> place(width + 1, 0);
    for (std::size_t at = begin; at < end; at++) place[std::size_t(rows.columns[at]) + 1]++;
    for (std::size_t j = 0; j < width; j++) place[j + 1] += place[j];
    std::vector<Entry> entries(end - begin);  // by column, and there by row
    std::vector<std::size_t> next(place.begin(), place.end() - 1);
    for (std::size_t row = first; row < last; row++)
        for (auto at = std::size_t(rows.starts[row]); at < std::size_t(rows.starts[row + 1]); at++)
            entries[next[std::size_t(rows.columns[at])]++] = {at, row};
    parallel_for((width + kColumns - 1) / kColumns, threads, [&](std::size_t task, int) {
        for (std::size_t j = task * kColumns; j < std::min(width, (task + 1) * kColumns); j++) {
            double *to = products + j * width;
            for (std::size_t e = place[j]; e < place[j + 1]; e++) {
                const Entry &entry = entries[e];
                const double weight = rows.weights ? rows.weights[entry.row] : 1.0;
                const double value = weight * double(rows.values[entry.at]);
                const auto stop = std::size_t(rows.starts[entry.row + 1]);
                for (std::size_t at = entry.at; at < stop; at++)
                    to[rows.columns[at]] += value * double(rows.values[at]);
            }
        }
    });
}

void mirror(double *products, std::size_t width, int threads) {
    const std::size_t tiles = (width + kTile - 1) / kTile;
    parallel_for(tiles, threads, [&](std::size_t tile, int) {
        const std::size_t first = tile * kTile, last = std::min(width, first + kTile);
        for (std::size_t from = 0; from <= first; from += kTile)
            for (std::size_t i = first; i < last; i++)
                for (std::size_t j = from; j < std::min(from + kTile, i); j++)
                    products[i * width + j] = products[j * width + i];
    });
}

#define RMODELS_INSTANTIATE(Real, Index)                                                                           \
    template void add_sparse_products(const SparseRows<Real, Index> &, std::size_t, std::size_t, std::size_t, int, \
                                      double *);
RMODELS_INSTANTIATE(float, std::int32_t)
RMODELS_INSTANTIATE(float, std::int64_t)
RMODELS_INSTANTIATE(double, std::int32_t)
RMODELS_INSTANTIATE(double, std::int64_t)

}  // namespace rmodels::RMODELS_ISA
