// What this machine can do at most: the speeds against which the operations are held.
#pragma once

#include <cstddef>

namespace rmodels::RMODELS_ISA {

// Reads n float64 once and returns their sum.
double read_all(const double *values, std::size_t n, int threads);

// Runs `rounds` rounds of independent multiply-adds on each thread, all in registers; returns a sum
// that depends on every one of them.
template <class Real>
double multiply_add(std::size_t rounds, int threads);

// Multiply-adds in one round of one thread.
template <class Real>
std::size_t multiply_adds_per_round();

}  // namespace rmodels::RMODELS_ISA
