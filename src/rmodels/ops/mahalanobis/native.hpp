// Squared Mahalanobis distances of rows to a few centres.
#pragma once

#include <cstddef>
#include <cstdint>

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

// Writes the centre c with the largest k_c − ½ Σ_j r_cj (x_j − m_cj)² for each row of X, of equal ones the first, to
// places (rows); k are the constants (count). Returns whether all the sums are finite.
bool classify(const Strided &X, const Centres &to, const double *constants, std::int64_t *places, int threads);

// Writes ‖(x − m_c) A_c‖² of each row of X and each centre to found (rows, count).
void full_distances(const Strided &X, const Centres &to, double *found, int threads);

}  // namespace rmodels::RMODELS_ISA
