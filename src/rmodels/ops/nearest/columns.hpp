// Few points, compared with every query in float64, a lane each: what that gives are the sums that the operation
// defines, so that no score has to be bounded and nothing is compared again.
#pragma once

#include <cstddef>
#include <vector>

#include "native/aligned.hpp"
#include "ops/nearest/best.hpp"
#include "ops/nearest/collector.hpp"
#include "ops/nearest/exact.hpp"

namespace rmodels::RMODELS_ISA {

class Columns {
public:
    // Whether points are so few that this takes less than screening them for so many queries, the copy included.
    static bool pays(const Points &X, std::size_t queries) {
        return X.n <= kPoints && X.n * X.d <= (queries < kSeveral ? kValues : kMoreValues);
    }

    // X: copied.
    explicit Columns(const Points &X);

    // Writes the neighbours of a query by a sum of repeated products or a maximum, in order.
    void find(const Distance &distance, const double *query, Wanted wanted, std::vector<Neighbour> &near) const;

private:
    static constexpr std::size_t kPoints = 1024, kValues = 4096, kMoreValues = 10240, kSeveral = 4;

    std::size_t n_, d_;
    Uninitialised<double> values_;  // (groups, d, lanes of a group), the last point again after itself
};

}  // namespace rmodels::RMODELS_ISA
