// Stochastic gradient descent: several problems with the same rows.
#pragma once

#include <cstddef>
#include <vector>

#include "ops/ordered/side_by_side.hpp"

namespace rmodels::RMODELS_ISA {

template <class Real>
class Walks {
public:
    explicit Walks(const Rule &rule) : rule_(rule) {}

    void add(const Target &target, std::size_t columns, const Real *w, const Real *average, double intercept,
             double average_intercept, double t) {
        each_.emplace_back(rule_, target, columns, w, average, intercept, average_intercept, t);
    }

    // Has every problem that goes on meet so many rows, epoch after epoch, or as many as lead to where it waits;
    // returns whether one goes on and does not wait.
    bool run(const RowSet<Real> &samples, std::size_t rows, int threads);

    // Has every problem that goes on meet all rows, in their order.
    void step(const RowSet<Real> &samples, int threads);

    Walk<Real> &operator[](std::size_t problem) { return each_.at(problem); }
    std::size_t size() const { return each_.size(); }

private:
    Rule rule_;
    std::vector<Walk<Real>> each_;
};

extern template class Walks<float>;
extern template class Walks<double>;

}  // namespace rmodels::RMODELS_ISA
