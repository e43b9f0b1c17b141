// Dendrograms of spanning trees, and what is left of them without small clusters. A linkage has a line of four for each
// merge of n - 1: the two that merge, at what distance, and how many points they have; what the k-th merge makes is
// number n + k.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rmodels::RMODELS_ISA {

// ends: (n - 1, 2) in the order of the weights. linkage: (n - 1, 4).
void link(const std::int64_t *ends, const double *weights, std::size_t n, double *linkage);

// Arrays for 2 n lines.
struct Condensed {
    std::int64_t *parents, *children;
    double *densities;
    std::int64_t *sizes;
};

// Returns how many lines there are. min_size: at least 2.
std::size_t condense(const double *linkage, std::size_t n, std::int64_t min_size, const Condensed &found);

// labels: (n)
void cut(const double *linkage, std::size_t n, double distance, std::int64_t min_size, std::int64_t *labels);

}  // namespace rmodels::RMODELS_ISA
