// Queries answered straight from the rows, with nothing built before: what a few queries are worth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "ops/nearest/best.hpp"
#include "ops/nearest/columns.hpp"
#include "ops/nearest/exact.hpp"

namespace rmodels::RMODELS_ISA {

class RowSearch {
public:
    // Whether it has a metric: sums of repeated products, or a maximum. "cosine" would need rows of norm 1, and other
    // powers cost more than an index.
    static bool has(const std::string &metric, double p);

    // X, of fewer than 2^32 points, is kept by reference, and a copy of few.
    RowSearch(const Points &X, const std::string &metric, double p) : X_(X), distance_(metric, p) {
        if (Columns::pays(X, 1)) columns_.emplace(X);
    }

    const Points &points() const { return X_; }

    // How many queries, so many at a time, cost as much from the rows as in an index, its building included: from
    // shapes and threads alone.
    // tree: what the index would be; sampled: whether a sample must tell that first.
    double worth(bool tree, bool sampled, int threads, std::size_t queries) const;

    // Q: (queries, d) row-major; distances, indices: (queries, k)
    void nearest(const double *Q, std::size_t queries, std::size_t k, double *distances, std::int64_t *indices,
                 int threads) const;
    Found within(const double *Q, std::size_t queries, double radius, int threads) const;

private:
    template <class Take>
    void search(const double *Q, std::size_t queries, Wanted wanted, int threads, Take take) const;

    Points X_;
    Distance distance_;
    std::optional<Columns> columns_;
};

}  // namespace rmodels::RMODELS_ISA
