// Nearest rows that have what a query lacks, where any value of either may be missing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/strided.hpp"

namespace rmodels::RMODELS_ISA {

class Donors {
public:
    // X: NaN where a value is missing.
    Donors(const Strided &X, int threads);

    // Q: (queries, d) row-major, NaN where a value is missing. For each of these, in order: the k nearest rows that
    // have it, by (distance, row); what is past the last one stays as it is.
    void find(const double *Q, std::size_t queries, std::size_t k, double *distances, std::int64_t *indices,
              int threads) const;

private:
    struct Query;

    void scan(Query &query, std::size_t group) const;
    double distance(const Query &query, std::size_t group, std::size_t point) const;

    std::size_t n_, d_;
    std::vector<double> values_;       // (groups, d, kGroup): 0 where they are missing
    std::vector<double> present_;      // (groups, d, kGroup): 1, or 0 where they are missing
    std::vector<std::uint64_t> bits_;  // (groups, d): which points of a group have the feature
};

}  // namespace rmodels::RMODELS_ISA
