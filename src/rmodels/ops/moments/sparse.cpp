// Accumulators: float64. Operations: half the sum of the squares of the rows' entries. Bytes: where the products stay
// in the cache, each row once, and an entry of the products for each operation; else each entry as often as its row has
// entries before it, and a row of the products, which stays in the L1 cache. Tolerance: the contract's.
#include "ops/moments/sparse.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kCached = std::size_t(1) << 22;  // products that stay in the cache
constexpr std::size_t kBlocks = 4;                     // at most, of rows
constexpr std::size_t kPays = 8;                       // multiply-adds for each product of a block
constexpr std::size_t kColumns = 16;                   // of a task, by columns
constexpr std::size_t kTile = 64;

// Adds an entry's products with itself and with what comes after it in its row.
template <class Real, class Index>
void add_entry(const SparseRows<Real, Index> &rows, std::size_t row, std::size_t at, double *to) {
    const double weight = rows.weights ? rows.weights[row] : 1.0;
    const double value = weight * double(rows.values[at]);
    const auto stop = std::size_t(rows.starts[row + 1]);
    for (; at < stop; at++) to[rows.columns[at]] += value * double(rows.values[at]);
}

// One row after the other, in blocks whose products are added up; how many blocks depends on the rows alone.
template <class Real, class Index>
void add_by_rows(const SparseRows<Real, Index> &rows, std::size_t first, std::size_t last, std::size_t width,
                 int threads, double *products) {
    const std::size_t size = width * width, entries = std::size_t(rows.starts[last] - rows.starts[first]);
    const std::size_t work = entries * (entries / (last - first) + 1) / 2;
    const std::size_t blocks = std::clamp<std::size_t>(work / (kPays * size), 1, std::min(kBlocks, kCached / size + 1));
    const std::unique_ptr<double[]> own(new double[(blocks - 1) * size]);
    parallel_for(blocks, threads, [&](std::size_t block, int) {
        double *to = block ? own.get() + (block - 1) * size : products;
        if (block) std::fill_n(to, size, 0.0);
        const auto part = [&](std::size_t at) { return first + (last - first) * at / blocks; };
        for (std::size_t row = part(block); row < part(block + 1); row++)
            for (auto at = std::size_t(rows.starts[row]); at < std::size_t(rows.starts[row + 1]); at++)
                add_entry(rows, row, at, to + std::size_t(rows.columns[at]) * width);
    });
    if (blocks > 1)
        parallel_for(width, threads, [&](std::size_t j, int) {
            for (std::size_t at = j * width; at < (j + 1) * width; at++)
                for (std::size_t block = 1; block < blocks; block++) products[at] += own[(block - 1) * size + at];
        });
}

struct Entry {
    std::size_t at, row;
};

// One column after the other.
template <class Real, class Index>
void add_by_columns(const SparseRows<Real, Index> &rows, std::size_t first, std::size_t last, std::size_t width,
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
        for (std::size_t j = task * kColumns; j < std::min(width, (task + 1) * kColumns); j++)
            for (std::size_t e = place[j]; e < place[j + 1]; e++)
                add_entry(rows, entries[e].row, entries[e].at, products + j * width);
    });
}

}  // namespace

template <class Real, class Index>
void add_sparse_products(const SparseRows<Real, Index> &rows, std::size_t first, std::size_t last, std::size_t width,
                         int threads, double *products) {
    if (first < last && width * width <= kCached)
        add_by_rows(rows, first, last, width, threads, products);
    else
        add_by_columns(rows, first, last, width, threads, products);
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
