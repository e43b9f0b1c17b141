#include "ops/coordinate/active_set.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ops/coordinate/products.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr double kUnit = 1.1102230246251565e-16;
constexpr std::size_t kFew = 4;         // columns that are added one by one: more are found by coordinate descent
constexpr std::size_t kMostPasses = 8;  // of coordinate descent, until the active set is taken
constexpr std::size_t kMostDescents = 16;
constexpr std::size_t kMostCorrections = 3;

double shrink(double z, double l1, bool positive) {
    if (z > l1) return z - l1;
    return !positive && z < -l1 ? z + l1 : 0.0;
}

}  // namespace

ActiveSet::ActiveSet(const Quadratic &problem, const double *start)
    : problem_(problem),
      b_(problem.columns),
      g_(problem.columns),
      scale_(problem.columns),
      is_active_(problem.columns),
      is_barred_(problem.columns) {
    for (std::size_t j = 0; j < problem.columns; j++) {
        const double square = row(j)[j];
        scale_[j] = square > 0 ? std::sqrt(square) : 0.0;
        if (start && scale_[j] > 0 && (!problem.positive || start[j] > 0)) b_[j] = start[j];
    }
}

// What rounding may leave of an optimality condition, over √Qⱼⱼ.
double ActiveSet::tolerance() const {
    double size = problem_.size;
    for (const std::size_t j : active_) size += scale_[j] * std::abs(b_[j]);
    return (8 + std::sqrt(double(active_.size()))) * kUnit * size;
}

// How far the condition of an active column is from being met.
double ActiveSet::imbalance(std::size_t j) const { return g_[j] - l2_ * b_[j] - l1_ * sign(j); }

bool ActiveSet::is_balanced() const {
    const double within = tolerance();
    return std::all_of(active_.begin(), active_.end(),
                       [&](std::size_t j) { return std::abs(imbalance(j)) <= within * scale_[j]; });
}

// g = q − Qb, anew.
void ActiveSet::refresh() {
    std::copy(problem_.q, problem_.q + problem_.columns, g_.begin());
    for (std::size_t j = 0; j < problem_.columns; j++)
        if (b_[j] != 0) subtract(g_.data(), row(j), b_[j], problem_.columns);
}

void ActiveSet::reserve(std::size_t count) {
    if (count <= capacity_) return;
    const std::size_t before = capacity_, after = std::min(problem_.columns, std::max(count, 2 * before)) + 1;
    Doubles larger(after * after);
    for (std::size_t i = 0; i < before; i++)
        std::copy(factor_.data() + i * before, factor_.data() + i * before + i + 1, larger.data() + i * after);
    factor_.swap(larger);
    capacity_ = after;
    step_.resize(after);
    spare_.resize(after);
}

// Adds a column to the factor; false if it depends on the active ones, as far as rounding tells.
bool ActiveSet::append(std::size_t j) {
    const std::size_t count = active_.size();
    reserve(count + 1);
    double *last = factor(count);
    for (std::size_t i = 0; i < count; i++) last[i] = (row(j)[active_[i]] - dot(factor(i), last, i)) / factor(i)[i];
    const double square = row(j)[j] + l2_, pivot = square - dot(last, last, count);
    if (!(pivot > (16 + 8 * double(count)) * kUnit * square)) return false;
    last[count] = std::sqrt(pivot);
    active_.push_back(j);
    is_active_[j] = 1;
    return true;
}

// Takes the column at a place out of the factor: rotations make the rows after it triangular again.
void ActiveSet::remove(std::size_t place) {
    is_active_[active_[place]] = 0;
    active_.erase(active_.begin() + std::ptrdiff_t(place));
    const std::size_t count = active_.size();
    double *cosines = step_.data(), *sines = spare_.data();
    for (std::size_t i = place; i < count; i++) {
        double *to = factor(i);
        const double *from = factor(i + 1);
        std::copy(from, from + place, to);
        double carried = from[place];
        for (std::size_t k = place; k < i; k++) {
            const double next = from[k + 1];
            to[k] = cosines[k] * carried + sines[k] * next;
            carried = cosines[k] * next - sines[k] * carried;
        }
        const double last = from[i + 1], norm = std::hypot(carried, last);
        cosines[i] = carried / norm;
        sines[i] = last / norm;
        to[i] = norm;
    }
}

// The active set and its factor from the coefficients.
void ActiveSet::rebuild() {
    active_.clear();
    std::fill(is_active_.begin(), is_active_.end(), 0);
    for (std::size_t j = 0; j < problem_.columns; j++)
        if (b_[j] != 0 && !append(j) && !exchange(j, 0.0)) b_[j] = 0;
    refresh();
}

// Of a column that depends on the active ones: moves along the direction that changes no prediction, and does not
// raise the penalty, until a coefficient is 0. False if there is none such.
bool ActiveSet::exchange(std::size_t j, double direction) {
    for (;;) {
        const std::size_t count = active_.size();
        double *share = spare_.data();  // the column is Σ share · active column
        std::copy(factor(count), factor(count) + count, share);
        for (std::size_t i = count; i-- > 0;) {
            share[i] /= factor(i)[i];
            subtract(share, factor(i), share[i], i);
        }
        if (direction == 0) {
            double rate = sign(j);
            for (std::size_t i = 0; i < count; i++) rate -= share[i] * sign(active_[i]);
            direction = rate > 0 ? -1.0 : 1.0;
        }
        double length = b_[j] * direction < 0 ? std::abs(b_[j]) : HUGE_VAL;
        std::size_t first = count;
        for (std::size_t i = 0; i < count; i++) {
            const double moves = -direction * share[i], value = b_[active_[i]];
            if (moves * value < 0 && std::abs(value) < length * std::abs(moves)) {
                length = std::abs(value / moves);
                first = i;
            }
        }
        if (length == HUGE_VAL) return false;
        for (std::size_t i = 0; i < count; i++) b_[active_[i]] -= length * direction * share[i];
        b_[j] += length * direction;
        if (first == count) {
            b_[j] = 0;
            return true;
        }
        b_[active_[first]] = 0;
        remove(first);
        if (append(j)) return true;
    }
}

// Moves to the minimum for the present signs, or up to where the first coefficient is 0, which leaves the active set.
// Returns whether it was the minimum.
bool ActiveSet::step() {
    const std::size_t count = active_.size();
    double *move = step_.data();
    for (std::size_t i = 0; i < count; i++) {
        const std::size_t j = active_[i];
        const double rest = g_[j] - l2_ * b_[j] - l1_ * signs_[j];
        move[i] = (rest - dot(factor(i), move, i)) / factor(i)[i];
    }
    for (std::size_t i = count; i-- > 0;) {
        move[i] /= factor(i)[i];
        subtract(move, factor(i), move[i], i);
    }
    double length = 1;
    std::size_t first = count;
    for (std::size_t i = 0; i < count; i++) {
        const double from = b_[active_[i]], to = from + move[i];
        if (to * signs_[active_[i]] > 0) continue;
        const double share = from == to ? 0.0 : from / (from - to);
        if (first == count || share < length) {
            length = share;
            first = i;
        }
    }
    for (std::size_t i = 0; i < count; i++) b_[active_[i]] += length * move[i];
    if (first == count) {
        refresh();
        return true;
    }
    for (std::size_t i = 0; i < count; i++)
        if (i != first) subtract(g_.data(), row(active_[i]), length * move[i], problem_.columns);
    const std::size_t left = active_[first];
    // what the column leaves is its whole coefficient, to the last digit
    subtract(g_.data(), row(left), -(b_[left] - length * move[first]), problem_.columns);
    b_[left] = 0;
    remove(first);
    return false;
}

// Passes of coordinate descent over all columns, until one leaves the active set as it is.
void ActiveSet::descend() {
    for (std::size_t pass = 0; pass < kMostPasses; pass++) {
        bool changed = false;
        for (std::size_t j = 0; j < problem_.columns; j++) {
            if (scale_[j] == 0) continue;
            const double square = row(j)[j], before = b_[j];
            const double after = shrink(g_[j] + square * before, l1_, problem_.positive) / (square + l2_);
            if (after == before) continue;
            subtract(g_.data(), row(j), after - before, problem_.columns);
            b_[j] = after;
            changed |= (after == 0) != (before == 0);
        }
        if (!changed) break;
    }
    rebuild();
}

// Counts the columns that are not active and should be; the worst of them relative to its norm.
std::size_t ActiveSet::find_violators(std::size_t &worst) const {
    const double within = tolerance();
    std::size_t count = 0;
    double most = within;
    for (std::size_t j = 0; j < problem_.columns; j++) {
        if (is_active_[j] || is_barred_[j]) continue;
        const double excess = (problem_.positive ? g_[j] : std::abs(g_[j])) - l1_;
        if (!(excess > within * scale_[j]) || scale_[j] == 0) continue;
        count++;
        if (excess > most * scale_[j]) {
            most = excess / scale_[j];
            worst = j;
        }
    }
    return count;
}

Minimum ActiveSet::finish(std::size_t steps) {
    double most = 0;
    for (std::size_t j = 0; j < problem_.columns; j++) {
        if (scale_[j] == 0) continue;
        const double excess =
            is_active_[j] ? std::abs(imbalance(j)) : (problem_.positive ? g_[j] : std::abs(g_[j])) - l1_;
        most = std::max(most, excess / scale_[j]);
    }
    return {steps, problem_.size > 0 ? most / problem_.size : 0.0};
}

Minimum ActiveSet::minimise(double l1, double l2) {
    l1_ = l1;
    if (l2 != l2_) {
        l2_ = l2;
        rebuild();
    }
    std::fill(is_barred_.begin(), is_barred_.end(), 0);
    signs_.resize(problem_.columns);
    for (const std::size_t j : active_) signs_[j] = sign(j);
    const std::size_t most = 200 + 20 * problem_.columns;
    std::size_t steps = 0, corrections = 0, descents = 0, added = problem_.columns;
    bool at_rest = is_balanced();
    while (steps < most) {
        if (!at_rest) {
            steps++;
            const std::size_t before = active_.size();
            if (step()) {
                corrections++;
                at_rest = is_balanced() || corrections >= kMostCorrections;
            } else if (added < problem_.columns && active_.size() < before && !is_active_[added]) {
                is_barred_[added] = 1;  // it left as soon as it came
            }
            if (!at_rest && active_.empty()) {
                refresh();
                at_rest = true;
            }
            added = problem_.columns;
            continue;
        }
        std::size_t worst = 0;
        const std::size_t violators = find_violators(worst);
        if (!violators) return finish(steps);
        corrections = 0;
        at_rest = false;
        if (violators > kFew && descents < kMostDescents) {
            descents++;
            steps++;
            descend();
            for (const std::size_t j : active_) signs_[j] = sign(j);
            continue;
        }
        const double direction = g_[worst] > 0 ? 1.0 : -1.0;
        if (append(worst)) {
            signs_[worst] = direction;
            added = worst;
        } else if (l2_ > 0 || !exchange(worst, direction)) {
            is_barred_[worst] = 1;
            at_rest = true;
        } else {
            refresh();
            for (const std::size_t j : active_) signs_[j] = sign(j);
        }
    }
    return finish(steps);
}

}  // namespace rmodels::RMODELS_ISA
