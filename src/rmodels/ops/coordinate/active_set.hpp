// Minima of a quadratic function with a penalty on the coefficients' magnitudes, along a path of penalties.
#pragma once

#include <cstddef>
#include <vector>

#include "native/aligned.hpp"

namespace rmodels::RMODELS_ISA {

// ½ bᵀQb − qᵀb + l1 Σ|bⱼ| + l2/2 Σ bⱼ², with b ≥ 0 if positive.
struct Quadratic {
    const double *Q, *q;  // (columns, columns), symmetric, and (columns)
    std::size_t columns;
    double size;  // √Σ y²: what violations are relative to
    bool positive;
};

struct Minimum {
    std::size_t steps;  // passes of coordinate descent and steps of Newton
    double violation;   // largest of the optimality conditions', over √Qⱼⱼ · size
};

// An active set: the columns whose coefficients are not 0, and the Cholesky factor of their part of Q + l2 I.
class ActiveSet {
public:
    ActiveSet(const Quadratic &problem, const double *start);

    // From where the last call ended.
    Minimum minimise(double l1, double l2);

    const double *coefficients() const { return b_.data(); }

private:
    double sign(std::size_t j) const { return b_[j] > 0 ? 1.0 : -1.0; }
    const double *row(std::size_t j) const { return problem_.Q + j * problem_.columns; }
    double *factor(std::size_t i) { return factor_.data() + i * capacity_; }
    double tolerance() const;
    double imbalance(std::size_t j) const;
    bool is_balanced() const;
    void refresh();
    void reserve(std::size_t count);
    bool append(std::size_t j);
    void remove(std::size_t place);
    void rebuild();
    bool exchange(std::size_t j, double direction);
    bool step();
    void descend();
    std::size_t find_violators(std::size_t &worst) const;
    Minimum finish(std::size_t steps);

    Quadratic problem_;
    double l1_ = 0, l2_ = -1;
    std::size_t capacity_ = 0;
    Doubles b_, g_, scale_;  // coefficients, q − Qb and √Qⱼⱼ
    std::vector<std::size_t> active_;
    Doubles signs_;   // of the active columns
    Doubles factor_;  // (capacity, capacity), lower triangle
    Doubles step_, spare_;
    std::vector<char> is_active_, is_barred_;  // barred: rounding decides about the column
};

}  // namespace rmodels::RMODELS_ISA
