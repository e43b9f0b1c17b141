// Squared Mahalanobis distances of rows to a few centres.
#pragma once

#include <cstddef>

#include "native/strided.hpp"

namespace rmodels::RMODELS_ISA {

// Centres (count, columns), and of each the precisions (count, columns) or an upper triangular factor
// (count, columns, columns).
struct Centres {
    const double *centres, *others;
    std::size_t count;
};

// Writes Σ_j r_cj (x_j − m_cj)² of each row of X and each centre to found (rows, count).
void diagonal_distances(const Strided &X, const Centres &to, double *found, int threads);

// Writes ‖(x − m_c) A_c‖² of each row of X and each centre to found (rows, count).
void full_distances(const Strided &X, const Centres &to, double *found, int threads);

}  // namespace rmodels::RMODELS_ISA
