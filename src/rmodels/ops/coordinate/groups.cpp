#include "ops/coordinate/groups.hpp"

#include <algorithm>
#include <cmath>

#include "native/interrupts.hpp"
#include "ops/coordinate/products.hpp"
#include "ops/coordinate/together.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr double kUnit = 1.1102230246251565e-16;
constexpr std::size_t kPasses = 3;
constexpr std::size_t kMostRounds = 20000, kMostStalled = 100;
constexpr std::size_t kMostDescents = 8;   // rounds of coordinate descent: then those that miss most come in
constexpr std::size_t kMostActive = 3000;  // of Newton's method: more take too long

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

// Minimises over a column that is 0 and misses its condition most, and so on for a quarter of those that miss theirs.
// Returns whether there was one.
bool GroupSet::enter() {
    std::size_t missed = 0, entered = 0;
    do {
        std::size_t worst = columns_, count = 0;
        double most = 0;
        for (std::size_t j = 0; j < columns_; j++) {
            if (scale_[j] == 0 || norm(B_, j) > 0) continue;
            const double excess = (norm(g_, j) - l1_) / scale_[j];
            count += excess > 0;
            if (!(excess > most)) continue;
            most = excess;
            worst = j;
        }
        if (!count) break;
        if (!entered) missed = count;
        const double share = (1 - l1_ / norm(g_, worst)) / (row(worst)[worst] + l2_);
        spare_.resize(targets_);
        for (std::size_t t = 0; t < targets_; t++) {
            spare_[t] = share * g_[t * columns_ + worst];
            B_[t * columns_ + worst] = 0;
        }
        move(worst, spare_.data());
        entered++;
    } while (4 * entered < missed);
    return entered > 0;
}

// Newton's method over the active columns.
void GroupSet::solve(bool answers) {
    std::vector<std::size_t> active;
    for (std::size_t j = 0; j < columns_; j++)
        if (norm(B_, j) > 0) active.push_back(j);
    const std::size_t count = active.size();
    if (!count || count > kMostActive) return;
    Together rows(count, targets_, l1_);
    for (std::size_t i = 0; i < count; i++) {
        const std::size_t j = active[i];
        for (std::size_t k = 0; k < count; k++) rows.A[i * count + k] = row(j)[active[k]];
        rows.A[i * count + i] += l2_;
        for (std::size_t t = 0; t < targets_; t++) {
            double &b = B_[t * columns_ + j];
            rows.q[t * count + i] = q_[j * targets_ + t];
            rows.B[t * count + i] = b;
            b = 0;
        }
    }
    const std::vector<std::size_t> &left = rows.minimise(answers);
    for (std::size_t t = 0; t < targets_; t++)
        for (std::size_t i = 0; i < left.size(); i++) B_[t * columns_ + active[left[i]]] = rows.B[t * left.size() + i];
}

Minimum GroupSet::minimise(double l1, double l2, bool answers) {
    l1_ = l1;
    l2_ = l2;
    refresh();
    Doubles best = B_;
    double least = measure();
    std::size_t rounds = 0, stalled = 0;
    std::vector<char> was(columns_), is(columns_);
    while (rounds < kMostRounds && least > within() && !(stalled > kMostStalled && least <= 100 * within())) {
        rounds++;
        if (answers) answer_interrupts();
        bool settled = rounds > kMostDescents && enter();
        if (!settled) {
            for (std::size_t pass = 0; pass < kPasses; pass++) {
                if (pass + 1 == kPasses)
                    for (std::size_t j = 0; j < columns_; j++) was[j] = norm(B_, j) > 0;
                descend();
            }
            for (std::size_t j = 0; j < columns_; j++) is[j] = norm(B_, j) > 0;
            settled = was == is || rounds > kMostDescents;
        }
        if (settled) solve(answers);
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
