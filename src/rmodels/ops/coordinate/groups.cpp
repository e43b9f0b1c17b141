#include "ops/coordinate/groups.hpp"

#include <algorithm>
#include <cmath>

#include "ops/coordinate/products.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr double kUnit = 1.1102230246251565e-16;
constexpr double kRidge = 1e-14;  // keeps Newton's matrix definite where columns are dependent
constexpr std::size_t kPasses = 3;
constexpr std::size_t kMostRounds = 20000, kMostStalled = 100;
constexpr std::size_t kMostSteps = 20;
constexpr std::size_t kMostUnknowns = 800;  // of Newton's method: more take too long

}  // namespace

GroupSet::GroupSet(const double *Q, const double *q, std::size_t columns, std::size_t targets, double size,
                   const double *start)
    : Q_(Q),
      q_(q),
      columns_(columns),
      targets_(targets),
      size_(size),
      B_(columns * targets),
      g_(columns * targets),
      scale_(columns) {
    for (std::size_t j = 0; j < columns; j++) {
        const double square = row(j)[j];
        scale_[j] = square > 0 ? std::sqrt(square) : 0.0;
        for (std::size_t t = 0; start && scale_[j] > 0 && t < targets; t++)
            B_[t * columns + j] = start[j * targets + t];
    }
    refresh();
}

void GroupSet::write(double *coefficients) const {
    for (std::size_t j = 0; j < columns_; j++)
        for (std::size_t t = 0; t < targets_; t++) coefficients[j * targets_ + t] = B_[t * columns_ + j];
}

// Of what a matrix (targets, columns) holds for a column.
double GroupSet::norm(const Doubles &of, std::size_t j) const {
    double square = 0;
    for (std::size_t t = 0; t < targets_; t++) square += of[t * columns_ + j] * of[t * columns_ + j];
    return std::sqrt(square);
}

void GroupSet::move(std::size_t j, const double *by) {
    for (std::size_t t = 0; t < targets_; t++) {
        B_[t * columns_ + j] += by[t];
        subtract(g_.data() + t * columns_, row(j), by[t], columns_);
    }
}

// g = q − QB, anew.
void GroupSet::refresh() {
    for (std::size_t t = 0; t < targets_; t++) {
        double *g = g_.data() + t * columns_;
        for (std::size_t j = 0; j < columns_; j++) g[j] = q_[j * targets_ + t];
        for (std::size_t j = 0; j < columns_; j++)
            if (B_[t * columns_ + j] != 0) subtract(g, row(j), B_[t * columns_ + j], columns_);
    }
}

// The largest violation of the conditions of optimality, over √Qⱼⱼ.
double GroupSet::measure() const {
    double most = 0;
    for (std::size_t j = 0; j < columns_; j++) {
        if (scale_[j] == 0) continue;
        const double size = norm(B_, j);
        double square = 0;
        for (std::size_t t = 0; t < targets_; t++) {
            const double b = B_[t * columns_ + j];
            const double rest = g_[t * columns_ + j] - l2_ * b - (size > 0 ? l1_ * (b / size) : 0.0);
            square += rest * rest;
        }
        most = std::max(most, (std::sqrt(square) - (size > 0 ? 0.0 : l1_)) / scale_[j]);
    }
    return most;
}

// What rounding may leave of it.
double GroupSet::within() const {
    double size = size_;
    std::size_t count = 0;
    for (std::size_t j = 0; j < columns_; j++) {
        const double own = norm(B_, j);
        count += own > 0;
        size += scale_[j] * own;
    }
    return (8 + std::sqrt(double(count))) * kUnit * size;
}

// What is minimised.
double GroupSet::value() const {
    double sum = 0;
    for (std::size_t j = 0; j < columns_; j++) {
        const double size = norm(B_, j);
        if (size == 0) continue;
        sum += l1_ * size + 0.5 * l2_ * size * size;
        for (std::size_t t = 0; t < targets_; t++)
            sum -= 0.5 * B_[t * columns_ + j] * (g_[t * columns_ + j] + q_[j * targets_ + t]);
    }
    return sum;
}

// A pass of coordinate descent over all columns.
void GroupSet::descend() {
    spare_.resize(targets_);
    for (std::size_t j = 0; j < columns_; j++) {
        if (scale_[j] == 0) continue;
        const double square = row(j)[j];
        double size = 0;
        for (std::size_t t = 0; t < targets_; t++) {
            const double z = g_[t * columns_ + j] + square * B_[t * columns_ + j];
            spare_[t] = z;
            size += z * z;
        }
        size = std::sqrt(size);
        const double share = size > l1_ ? (1 - l1_ / size) / (square + l2_) : 0.0;
        bool moves = false;
        for (std::size_t t = 0; t < targets_; t++) {
            const double from = B_[t * columns_ + j];
            spare_[t] = share * spare_[t] - from;
            moves |= spare_[t] != 0;
        }
        if (!moves) continue;
        move(j, spare_.data());
        if (share == 0)
            for (std::size_t t = 0; t < targets_; t++) B_[t * columns_ + j] = 0;
    }
}

// A step of Newton's method over the active columns; those that would turn over are 0 after it. Returns whether there
// is more to gain.
bool GroupSet::step(std::vector<std::size_t> &active) {
    const std::size_t count = active.size(), unknowns = count * targets_;
    hessian_.resize(unknowns * unknowns);
    step_.resize(unknowns);
    for (std::size_t i = 0; i < count; i++) {
        const std::size_t j = active[i];
        const double size = norm(B_, j), curve = l1_ / size;
        for (std::size_t t = 0; t < targets_; t++) {
            const double way = B_[t * columns_ + j] / size;
            double *to = hessian_.data() + (i * targets_ + t) * unknowns;
            step_[i * targets_ + t] = g_[t * columns_ + j] - l2_ * B_[t * columns_ + j] - l1_ * way;
            std::fill(to, to + (i + 1) * targets_, 0.0);
            for (std::size_t k = 0; k <= i; k++) to[k * targets_ + t] = row(j)[active[k]];
            for (std::size_t s = 0; s <= t; s++) to[i * targets_ + s] -= curve * way * (B_[s * columns_ + j] / size);
            to[i * targets_ + t] += l2_ + curve;
        }
    }
    for (std::size_t i = 0; i < unknowns; i++) {  // the Cholesky factor, and the forward solution
        double *own = hessian_.data() + i * unknowns;
        const double before = own[i];
        for (std::size_t k = 0; k < i; k++) {
            const double *other = hessian_.data() + k * unknowns;
            own[k] = (own[k] - dot(own, other, k)) / other[k];
        }
        const double pivot = before * (1 + kRidge * double(unknowns)) - dot(own, own, i);
        if (!(pivot > 0)) return false;
        own[i] = std::sqrt(pivot);
        step_[i] = (step_[i] - dot(own, step_.data(), i)) / own[i];
    }
    for (std::size_t i = unknowns; i-- > 0;) {
        const double *own = hessian_.data() + i * unknowns;
        step_[i] /= own[i];
        subtract(step_.data(), own, step_[i], i);
    }
    std::size_t left = 0;
    double moved = 0, largest = 0;
    for (std::size_t i = 0; i < count; i++) {
        const std::size_t j = active[i];
        double toward = 0;
        for (std::size_t t = 0; t < targets_; t++) {
            const double from = B_[t * columns_ + j], to = from + step_[i * targets_ + t];
            toward += from * to;
        }
        for (std::size_t t = 0; t < targets_; t++) {
            double &b = B_[t * columns_ + j];
            const double to = toward > 0 ? b + step_[i * targets_ + t] : 0.0;
            moved = std::max(moved, scale_[j] * std::abs(to - b));
            largest = std::max(largest, scale_[j] * std::abs(to));
            b = to;
        }
        if (toward > 0) active[left++] = j;
    }
    active.resize(left);
    refresh();
    return left > 0 && moved > 1e-10 * largest;
}

// Newton's method over the active columns, undone if it leads nowhere. Returns whether it was of use.
bool GroupSet::solve() {
    std::vector<std::size_t> active;
    for (std::size_t j = 0; j < columns_; j++)
        if (norm(B_, j) > 0) active.push_back(j);
    if (active.empty() || active.size() * targets_ > kMostUnknowns) return false;
    const Doubles before = B_, slopes = g_;
    const double least = measure(), lowest = value();
    for (std::size_t steps = 0; steps < kMostSteps && step(active); steps++) {
    }
    if (measure() < least || value() < lowest) return true;
    B_ = before;
    g_ = slopes;
    return false;
}

Minimum GroupSet::minimise(double l1, double l2) {
    l1_ = l1;
    l2_ = l2;
    refresh();
    Doubles best = B_;
    double least = measure();
    std::size_t rounds = 0, stalled = 0;
    std::vector<char> was(columns_), is(columns_);
    while (rounds < kMostRounds && least > within() && !(stalled > kMostStalled && least <= 100 * within())) {
        rounds++;
        for (std::size_t pass = 0; pass < kPasses; pass++) {
            if (pass + 1 == kPasses)
                for (std::size_t j = 0; j < columns_; j++) was[j] = norm(B_, j) > 0;
            descend();
        }
        for (std::size_t j = 0; j < columns_; j++) is[j] = norm(B_, j) > 0;
        if (was == is) solve();
        refresh();
        const double now = measure();
        if (now < least) {
            least = now;
            best = B_;
            stalled = 0;
        } else {
            stalled++;
        }
    }
    B_ = best;
    refresh();
    return {rounds, size_ > 0 ? least / size_ : 0.0};
}

}  // namespace rmodels::RMODELS_ISA
