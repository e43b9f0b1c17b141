// The same minima for several targets, whose coefficients of a column are penalised together.
#pragma once

#include <cstddef>
#include <vector>

#include "native/aligned.hpp"
#include "ops/coordinate/active_set.hpp"

namespace rmodels::RMODELS_ISA {

// ½ tr BᵀQB − tr qᵀB + l1 Σ‖bⱼ‖ + l2/2 Σ‖bⱼ‖², bⱼ the rows of B (columns, targets).
class GroupSet {
public:
    GroupSet(const double *Q, const double *q, std::size_t columns, std::size_t targets, double size,
             const double *start);

    // From where the last call ended. Ctrl-C is answered on the way, if this is the thread that Python called.
    Minimum minimise(double l1, double l2, bool answers);

    void write(double *coefficients) const;

private:
    const double *row(std::size_t j) const { return Q_ + j * columns_; }
    double norm(const Doubles &of, std::size_t j) const;
    void move(std::size_t j, const double *by);
    void refresh();
    double measure() const;
    double within() const;
    void descend();
    bool enter();
    void solve(bool answers);

    const double *Q_, *q_;
    std::size_t columns_, targets_;
    double size_, l1_ = 0, l2_ = 0;
    Doubles B_, g_;  // (targets, columns), g = q − QB
    Doubles scale_;
    Doubles spare_;
};

}  // namespace rmodels::RMODELS_ISA
