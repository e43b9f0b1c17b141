// Training points ready to be searched, behind one interface for both dtypes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace rmodels::RMODELS_ISA {

struct Found {  // all points within a radius: query i has counts[i] of them, one query after the other
    std::vector<std::int64_t> counts;
    std::vector<double> distances;
    std::vector<std::int64_t> indices;
};

class NearestIndex {
public:
    virtual ~NearestIndex() = default;
    virtual std::string algorithm() const = 0;
    // Q: (queries, d) row-major; distances, indices: (queries, k)
    virtual void nearest(const double *Q, std::size_t queries, std::size_t k, double *distances, std::int64_t *indices,
                         int threads) const = 0;
    virtual Found within(const double *Q, std::size_t queries, double radius, int threads) const = 0;
};

// X: (n, d) row-major, float or double, kept by reference.
template <class Real>
std::unique_ptr<NearestIndex> make_index(const Real *X, std::size_t n, std::size_t d, const std::string &metric,
                                         double p, const std::string &algorithm, int threads);

}  // namespace rmodels::RMODELS_ISA
