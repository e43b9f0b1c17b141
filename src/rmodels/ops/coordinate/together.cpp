#include "ops/coordinate/together.hpp"

#include <algorithm>
#include <cmath>

#include "native/interrupts.hpp"
#include "ops/coordinate/products.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr double kRidge = 1e-15;  // keeps Newton's matrix definite where columns are dependent
constexpr double kEnough = 0.1;   // of the gain that the slope promises
constexpr double kStill = 1e-10;  // relative to the largest coefficient: the last step of Newton's method
constexpr std::size_t kMostSteps = 20, kHalvings = 60, kMostRidges = 12;

// The lower Cholesky factor in place of a matrix (count, count); false if a pivot is not above 0.
bool factorise(double *matrix, std::size_t count) {
    for (std::size_t i = 0; i < count; i++) {
        double *own = matrix + i * count;
        for (std::size_t k = 0; k < i; k++) {
            const double *other = matrix + k * count;
            own[k] = (own[k] - dot(own, other, k)) / other[k];
        }
        const double pivot = own[i] - dot(own, own, i);
        if (!(pivot > 0)) return false;
        own[i] = std::sqrt(pivot);
    }
    return true;
}

// By how much a norm grows, beyond its slope along the row, where the row then reaches so far along and across itself.
double bend(double reach, double across) {
    const double size = std::sqrt(reach * reach + across);
    return reach > 0 ? across / (size + reach) : size - reach;
}

}  // namespace

Together::Together(std::size_t count, std::size_t targets, double l1)
    : A(count * count),
      q(targets * count),
      B(targets * count),
      count_(count),
      targets_(targets),
      l1_(l1),
      left_(count) {
    for (std::size_t i = 0; i < count; i++) left_[i] = i;
}

// to = by · from, of a symmetric matrix.
void Together::multiply(const Doubles &by, const Doubles &from, Doubles &to) const {
    to.resize(targets_ * count_);
    for (std::size_t t = 0; t < targets_; t++)
        for (std::size_t i = 0; i < count_; i++)
            to[t * count_ + i] = dot(by.data() + i * count_, from.data() + t * count_, count_);
}

// Norms, ways and slopes of the rows.
void Together::derive() {
    norms_.assign(count_, 0.0);
    ways_.resize(targets_ * count_);
    for (std::size_t t = 0; t < targets_; t++)
        for (std::size_t i = 0; i < count_; i++) norms_[i] += B[t * count_ + i] * B[t * count_ + i];
    for (std::size_t i = 0; i < count_; i++) norms_[i] = std::sqrt(norms_[i]);
    multiply(A, B, slope_);
    for (std::size_t t = 0; t < targets_; t++)
        for (std::size_t i = 0; i < count_; i++) {
            const std::size_t at = t * count_ + i;
            ways_[at] = B[at] / norms_[i];
            slope_[at] += l1_ * ways_[at] - q[at];
        }
}

// Newton's step. Its matrix is A + C for each target, C = l1 / norms, less what C is along the rows: of that many
// terms, which the inverse of C^-½ A C^-½ + 1, the same for each target, takes into account.
bool Together::find_direction() {
    const std::size_t n = count_;
    root_.resize(n);
    for (std::size_t i = 0; i < n; i++) root_[i] = std::sqrt(l1_ / norms_[i]);
    factor_.resize(n * n);
    double ridge = kRidge * double(n);
    for (std::size_t i = 0; i < n; i++) {
        double *own = factor_.data() + i * n;
        for (std::size_t k = 0; k <= i; k++) own[k] = A[i * n + k] / (root_[i] * root_[k]);
        own[i] = (own[i] + 1) * (1 + ridge);
    }
    if (!factorise(factor_.data(), n)) return false;
    spare_.assign(n * n, 0.0);  // the inverse of the factor
    for (std::size_t i = 0; i < n; i++) {
        const double *own = factor_.data() + i * n;
        double *to = spare_.data() + i * n;
        for (std::size_t k = 0; k < i; k++) subtract(to, spare_.data() + k * n, own[k], k + 1);
        for (std::size_t k = 0; k < i; k++) to[k] /= own[i];
        to[i] = 1 / own[i];
    }
    inverse_.assign(n * n, 0.0);
    for (std::size_t i = 0; i < n; i++) {
        const double *own = spare_.data() + i * n;
        for (std::size_t k = 0; k <= i; k++) subtract(inverse_.data() + k * n, own, -own[k], k + 1);
    }
    for (std::size_t i = 0; i < n; i++)
        for (std::size_t k = 0; k < i; k++) inverse_[k * n + i] = inverse_[i * n + k];
    for (std::size_t tries = 0;; tries++) {
        for (std::size_t i = 0; i < n; i++) {
            double *own = factor_.data() + i * n;
            std::fill(own, own + i + 1, 0.0);
            for (std::size_t t = 0; t < targets_; t++) subtract(own, ways_.data() + t * n, ways_[t * n + i], i + 1);
            for (std::size_t k = 0; k <= i; k++) own[k] *= inverse_[i * n + k];
            own[i] += 1 + ridge;
        }
        if (factorise(factor_.data(), n)) break;
        if (tries == kMostRidges) return false;
        ridge *= 10;
    }
    move_.resize(targets_ * n);
    for (std::size_t t = 0; t < targets_; t++)
        for (std::size_t i = 0; i < n; i++) move_[t * n + i] = -slope_[t * n + i] / root_[i];
    multiply(inverse_, move_, product_);
    double *share = spare_.data();
    std::fill(share, share + n, 0.0);
    for (std::size_t t = 0; t < targets_; t++)
        for (std::size_t i = 0; i < n; i++) share[i] += ways_[t * n + i] * product_[t * n + i];
    for (std::size_t i = 0; i < n; i++) {
        const double *own = factor_.data() + i * n;
        share[i] = (share[i] - dot(own, share, i)) / own[i];
    }
    for (std::size_t i = n; i-- > 0;) {
        const double *own = factor_.data() + i * n;
        share[i] /= own[i];
        subtract(share, own, share[i], i);
    }
    for (std::size_t t = 0; t < targets_; t++)
        for (std::size_t i = 0; i < n; i++) move_[t * n + i] = share[i] * ways_[t * n + i];
    multiply(inverse_, move_, direction_);
    for (std::size_t t = 0; t < targets_; t++)
        for (std::size_t i = 0; i < n; i++)
            direction_[t * n + i] = (direction_[t * n + i] + product_[t * n + i]) / root_[i];
    multiply(A, direction_, turned_);
    return true;
}

// By how much what is minimised changes: below 0 is a gain. Differences of norms are taken as what is along a row, and
// what is left: that cannot be negative, and has all its digits where the step is small.
double Together::compute_gain(const Doubles &after) {
    move_.resize(targets_ * count_);
    for (std::size_t at = 0; at < targets_ * count_; at++) move_[at] = after[at] - B[at];
    multiply(A, move_, product_);
    double sum = 0;
    for (std::size_t i = 0; i < count_; i++) {
        double along = 0, square = 0;
        bool is_zero = true;
        for (std::size_t t = 0; t < targets_; t++) {
            const std::size_t at = t * count_ + i;
            sum += (slope_[at] + 0.5 * product_[at]) * move_[at];
            along += ways_[at] * move_[at];
            square += move_[at] * move_[at];
            is_zero &= after[at] == 0;
        }
        if (!is_zero) sum += l1_ * bend(norms_[i] + along, std::max(square - along * along, 0.0));
    }
    return sum;
}

// The slope of what is minimised along the step, where it has this length.
double Together::compute_rise(double length) const {
    double sum = 0;
    for (std::size_t i = 0; i < count_; i++) {
        double along = 0, square = 0;
        for (std::size_t t = 0; t < targets_; t++) {
            const std::size_t at = t * count_ + i;
            const double there = B[at] + length * direction_[at];
            sum += (slope_[at] + length * turned_[at] - l1_ * ways_[at]) * direction_[at];
            along += there * direction_[at];
            square += there * there;
        }
        if (square > 0) sum += l1_ * along / std::sqrt(square);
    }
    return sum;
}

// The length, at most 1, at which the step leads lowest.
double Together::find_lowest() const {
    double low = 0, high = 1;
    for (std::size_t i = 0; i < kHalvings; i++) {
        const double middle = 0.5 * (low + high);
        (compute_rise(middle) < 0 ? low : high) = middle;
    }
    return high;
}

// Ends the step where it leads lowest; the row that is nearest to 0 there is 0 after it, if that costs less than half
// of what the step gains. Returns the gain.
double Together::shorten() {
    const double length = find_lowest();
    std::size_t nearest = 0;
    double least = HUGE_VAL;
    for (std::size_t i = 0; i < count_; i++) {
        double square = 0;
        for (std::size_t t = 0; t < targets_; t++) {
            const std::size_t at = t * count_ + i;
            other_[at] = after_[at] = B[at] + length * direction_[at];
            square += after_[at] * after_[at];
        }
        const double share = std::sqrt(square) / norms_[i];
        if (share < least) {
            least = share;
            nearest = i;
        }
    }
    for (std::size_t t = 0; t < targets_; t++) other_[t * count_ + nearest] = 0;
    const double gain = compute_gain(after_), without = compute_gain(other_);
    if (!(without <= 0.5 * gain)) return gain;
    after_.swap(other_);
    return without;
}

// Ends the step with 0 for rows that turn over in it, if there are any. Returns the gain, infinite if there are none.
double Together::stop_turned() {
    bool turns = false;
    for (std::size_t i = 0; i < count_; i++) {
        double toward = 0;
        for (std::size_t t = 0; t < targets_; t++) {
            const std::size_t at = t * count_ + i;
            other_[at] = B[at] + direction_[at];
            toward += ways_[at] * other_[at];
        }
        if (toward > 0) continue;
        turns = true;
        for (std::size_t t = 0; t < targets_; t++) other_[t * count_ + i] = 0;
    }
    return turns ? compute_gain(other_) : HUGE_VAL;
}

// A step of Newton's method, shortened where the whole step does not lead lower. Returns whether there is more to gain.
bool Together::step() {
    derive();
    if (!find_direction()) return false;
    const std::size_t size = targets_ * count_;
    after_.resize(size);
    other_.resize(size);
    double promised = 0;
    for (std::size_t at = 0; at < size; at++) {
        promised += slope_[at] * direction_[at];
        after_[at] = B[at] + direction_[at];
    }
    double gain = compute_gain(after_);
    const bool is_whole = gain <= kEnough * promised || compute_rise(1.0) <= 0;
    if (!is_whole) gain = shorten();
    if (stop_turned() <= gain) after_.swap(other_);
    return finish(is_whole);
}

// Takes over where the step ended, and lets rows that are 0 leave.
bool Together::finish(bool is_whole) {
    double moved = 0, largest = 0;
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < count_; i++) {
        const double scale = std::sqrt(A[i * count_ + i]);
        double square = 0;
        for (std::size_t t = 0; t < targets_; t++) {
            const double to = after_[t * count_ + i];
            moved = std::max(moved, scale * std::abs(to - B[t * count_ + i]));
            largest = std::max(largest, scale * std::abs(to));
            square += to * to;
        }
        if (square > 0) kept.push_back(i);
    }
    const std::size_t count = kept.size();
    B.resize(targets_ * count);
    for (std::size_t t = 0; t < targets_; t++)
        for (std::size_t i = 0; i < count; i++) {
            B[t * count + i] = after_[t * count_ + kept[i]];
            q[t * count + i] = q[t * count_ + kept[i]];
        }
    if (count < count_) {
        for (std::size_t i = 0; i < count; i++) {
            for (std::size_t k = 0; k < count; k++) A[i * count + k] = A[kept[i] * count_ + kept[k]];
            left_[i] = left_[kept[i]];
        }
        left_.resize(count);
        count_ = count;
    }
    return count > 0 && !(is_whole && moved <= kStill * largest);
}

const std::vector<std::size_t> &Together::minimise(bool answers) {
    const std::size_t most = kMostSteps + count_;
    for (std::size_t steps = 0; steps < most && count_ > 0 && step(); steps++)
        if (answers) answer_interrupts();
    return left_;
}

}  // namespace rmodels::RMODELS_ISA
