// Minima of quadratic functions with penalties on the coefficients' magnitudes, along paths of penalties.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/coordinate/active_set.hpp"
#include "ops/coordinate/groups.hpp"

namespace rmodels::RMODELS_ISA {

// Several problems of as many columns and targets; `stride` lies between their Q. The arrays are kept, not copied.
struct Problems {
    const double *Q, *q, *sizes;
    std::size_t stride, count, columns, targets;
    bool positive;
};

// The paths of several problems.
class Paths {
public:
    Paths(const Problems &given, const double *start);

    // Goes on along each path, for penalties (penalties, problems); writes coefficients (penalties, problems, columns,
    // targets), steps and violations (penalties, problems).
    void minimise(const double *l1, const double *l2, std::size_t penalties, int threads, double *coefficients,
                  std::int64_t *steps, double *violations);

private:
    std::size_t size_;
    std::vector<ActiveSet> alone_;  // of one target
    std::vector<GroupSet> together_;
};

}  // namespace rmodels::RMODELS_ISA
