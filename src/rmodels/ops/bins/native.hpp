// Sums of float64 as integers by exponents.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rmodels::RMODELS_ISA {

constexpr std::size_t kBins = 2152;

// Adds the upper 27 and the lower 26 bits of each value to bins (2, kBins), at its exponent as frexp has it less 53,
// plus 1126; returns the sum of what is not finite.
double bin_values(const double *values, std::size_t count, std::int64_t *bins, int threads);

}  // namespace rmodels::RMODELS_ISA
