// Sums of products of the columns of sparse rows.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rmodels::RMODELS_ISA {

// Rows in compressed form: the columns of each ascend. Without weights, each row weighs 1.
template <class Real, class Index>
struct SparseRows {
    const Real *values;
    const Index *columns, *starts;
    const double *weights;
};

// Adds Σ w x_j x_k for j <= k over the rows [first, last), in their order, to products (width, width).
template <class Real, class Index>
void add_sparse_products(const SparseRows<Real, Index> &rows, std::size_t first, std::size_t last, std::size_t width,
                         int threads, double *products);

// Copies what is above the diagonal to below it.
void mirror(double *products, std::size_t width, int threads);

}  // namespace rmodels::RMODELS_ISA
