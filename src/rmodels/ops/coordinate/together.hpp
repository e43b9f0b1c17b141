// Newton's method over the columns of several targets whose coefficients are not 0.
#pragma once

#include <cstddef>
#include <vector>

#include "native/aligned.hpp"

namespace rmodels::RMODELS_ISA {

// ½ tr BᵀAB − tr qᵀB + l1 Σ‖bⱼ‖, of columns whose rows bⱼ of B are not 0. Rows leave where they become 0; none comes
// in.
class Together {
public:
    // A (count, count), q and B (targets, count) are to be filled.
    Together(std::size_t count, std::size_t targets, double l1);

    Doubles A, q, B;

    // Goes to the minimum; no step leads higher. Returns the places of the columns that are left. Ctrl-C is answered
    // between steps, if this is the thread that Python called.
    const std::vector<std::size_t> &minimise(bool answers);

private:
    bool step();
    void derive();
    bool find_direction();
    void multiply(const Doubles &by, const Doubles &from, Doubles &to) const;
    double compute_gain(const Doubles &after);
    double compute_rise(double length) const;
    double find_lowest() const;
    double shorten();
    double stop_turned();
    bool finish(bool is_whole);

    std::size_t count_, targets_;
    double l1_;
    std::vector<std::size_t> left_;
    Doubles norms_, ways_, slope_, direction_, turned_;  // turned_ = A · direction
    Doubles root_, inverse_, factor_, spare_;            // of Newton's matrix
    Doubles after_, other_, move_, product_;
};

}  // namespace rmodels::RMODELS_ISA
