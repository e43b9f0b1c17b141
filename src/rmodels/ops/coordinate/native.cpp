#include "ops/coordinate/native.hpp"

#include <algorithm>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {

Paths::Paths(const Problems &given, const double *start) : size_(given.columns * given.targets) {
    for (std::size_t i = 0; i < given.count; i++) {
        const double *Q = given.Q + i * given.stride, *q = given.q + i * size_;
        const double *from = start ? start + i * size_ : nullptr;
        if (given.targets == 1)
            alone_.emplace_back(Quadratic{Q, q, given.columns, given.sizes[i], given.positive}, from);
        else
            together_.emplace_back(Q, q, given.columns, given.targets, given.sizes[i], from);
    }
}

void Paths::minimise(const double *l1, const double *l2, std::size_t penalties, int threads, double *coefficients,
                     std::int64_t *steps, double *violations) {
    const std::size_t count = alone_.size() + together_.size();
    parallel_for(count, threads, [&](std::size_t problem, int thread) {
        for (std::size_t at = problem; at < penalties * count; at += count) {
            double *to = coefficients + at * size_;
            Minimum found;
            if (alone_.empty()) {
                found = together_[problem].minimise(l1[at], l2[at], thread == 0);
                together_[problem].write(to);
            } else {
                found = alone_[problem].minimise(l1[at], l2[at]);
                std::copy(alone_[problem].coefficients(), alone_[problem].coefficients() + size_, to);
            }
            steps[at] = std::int64_t(found.steps);
            violations[at] = found.violation;
        }
    });
}

}  // namespace rmodels::RMODELS_ISA
