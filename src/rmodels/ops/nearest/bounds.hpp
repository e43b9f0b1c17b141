// What a float32 score says about the float64 distance that the operation defines.
//
// Points are centred, scaled by a power of two to magnitudes of at most about 1, and rounded to float32
// (x^ = x' + rounding); so is the query. Write D for the true distance of x' and q'.
//
// Fold::product, s = n - 2 q^.x^ with n = |x^|^2 (1 - 2E), fused in the order of the features. The
// rounding of x and q moves |x - q|^2 by at most 2.1 u (|x| + |q|)^2, the norm is rounded once, and the
// d + 1 roundings of the sum are each at most u times |x|^2 + 2 |x| |q|. With (|x| + |q|)^2 <= 2 |x|^2 +
// 2 |q|^2 and u = 2^-24, all are below E (2 |x|^2 + |q|^2) for E = 1.01 (d + 16) u, plus A for underflow:
//     D^2 - |q|^2 - E |q|^2 - A - 4 E |x|^2 <= s <= D^2 - |q|^2 + E |q|^2 + A.
//
// Fold::pairs is the same in 16-bit integers: x^ = i / s_g and q^ = j / s_q with integer vectors i, j of norm
// below 2^15.5, whose product is exact in 32 bits, and n = |x'|^2. What is lost, e_x = |x' - x^| and e_q, is
// known: |x'.q' - x^.q^| <= |x^| e_q + e_x |q'|, and 2 |x| e_q <= C |x|^2 + e_q^2 / C for any C (likewise
// with e_x), so that the error separates again: E = 16 u for the float32 steps that are left, plus
// C |x|^2 + e_x^2 / C for the point and C |q|^2 + e_q^2 / C for the query.
//
// Other folds, S the sum of |x^ - q^|^p (or the maximum, p = inf): every gap is off by at most
// a = 2.1 u (max |x| + max |q|) + underflow, so that by the triangle inequality the distance is off by at most
// a d^(1/p); the sum has relative error E and underflows by at most d p 2^-148.
//
// The metric's own exponent may differ from the fold's: alpha |.|_fold <= |.|_metric <= beta |.|_fold.
//
// The float64 distance itself is rounded, underflows, overflows, and distinct sums can have equal
// roots, which are then ordered by index: `widen` covers all of these.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "ops/nearest/exact.hpp"
#include "ops/nearest/tile.hpp"

namespace rmodels::RMODELS_ISA {

// Calls run, a template over the fold of which a distance is the root.
template <class Run>
void with_sums(const Distance &distance, Run run) {
    switch (distance.metric) {
        case Metric::euclidean:
            return run.template operator()<Fold::squares>();
        case Metric::manhattan:
            return run.template operator()<Fold::magnitudes>();
        case Metric::chebyshev:
            return run.template operator()<Fold::largest>();
        case Metric::minkowski:
            return run.template operator()<Fold::powers>();
        case Metric::cosine:
            throw std::invalid_argument("cosine distances are no sums of gaps");
    }
}

// What the bounds need to know about a query, in scaled units.
struct QuerySize {
    double square;   // |q|^2
    double largest;  // max |q_c|
    double lost;     // pairs: |q' - q^|
};

class Bounds {
public:
    // exponent: scaled = original * 2^exponent; largest: max |x'|
    Bounds(const Distance &distance, std::size_t d, int exponent, double largest)
        : d_(double(std::max<std::size_t>(d, 1))), exponent_(exponent), largest_(largest) {
        const double p = distance.p;
        cosine_ = distance.metric == Metric::cosine;
        if (distance.metric == Metric::euclidean || cosine_) {
            fold_ = d > kDirect ? Fold::product : Fold::squares;
        } else if (p == 1) {
            fold_ = Fold::magnitudes;
        } else if (p == kInfinity) {
            fold_ = Fold::largest;
        } else if (distance.whole >= 3 && distance.whole <= 8) {
            fold_ = Fold::powers;
        } else {
            fold_ = p < 1.4 ? Fold::magnitudes : p < 6 ? Fold::squares : Fold::largest;
        }
        switch (fold_) {
            case Fold::magnitudes:
                power_ = 1;
                break;
            case Fold::powers:
                power_ = distance.whole;
                break;
            case Fold::largest:
                power_ = 0;
                break;
            default:
                power_ = 2;
        }
        inverse_ = power_ ? 1.0 / power_ : 0.0;
        spread_ = std::pow(d_, inverse_);
        const double ratio = std::pow(d_, 1 / p - inverse_);
        alpha_ = std::min(1.0, ratio) * (1 - 0x1p-40);
        beta_ = std::max(1.0, ratio) * (1 + 0x1p-40);
        error_ = float_error();
        coarse_ = std::sqrt(d_ / 3) * 0x1p-15;
        relative_ = (d_ + 1000 * std::max(1.0, 1 / p)) * 0x1p-50;
        const double total = std::isfinite(p) ? 0x1p-1060 * std::max(1.0, p) * d_ : 0;
        lost_ = std::ldexp(p == 1 || p == kInfinity ? 0x1p-1073 : std::pow(total, 1 / std::max(1.0, p)) + 0x1p-1073,
                           exponent);
        ceiling_ = std::exp2(std::isfinite(p) ? 1020 / std::max(1.0, p) : 1020.0);
        scaled_ceiling_ = std::ldexp(ceiling_, exponent);
    }

    Fold fold() const { return fold_; }
    int power() const { return power_; }

    // Screens Euclidean distances by pairs, product or squares.
    void screen_by(Fold fold) {
        if (fold == fold_) return;
        fold_ = fold;
        if (fold == Fold::pairs)
            error_ = 16.2 * 0x1p-24;
        else
            error_ = float_error();
    }

    // Whether scores of this query can tell points apart at all, and do not overflow.
    bool screens(const QuerySize &q) const {
        const double reach = q.largest + largest_;
        if (!(error_ < kInfinity) || !(reach < 0x1p60)) return false;
        if (has_norms()) return doubt(q) < d_ * largest_ * largest_;
        return raised(reach) * d_ < 0x1p120;
    }

    // Whether scores are |x|^2 - 2 q.x.
    bool has_norms() const { return fold_ == Fold::pairs || fold_ == Fold::product; }

    // What is taken from a point's |x|^2 so that a score is a lower bound: half of what it may then be too low.
    double lowering(double square, double lost) const {
        return 2 * error_ * square + (fold_ == Fold::pairs ? coarse_ * square + 1.02 * lost * lost / coarse_ : 0);
    }

    // Largest distance, scaled, that a point reported at `distance` or less can truly have.
    double reach(double distance) const {
        // cosine reports half the square
        return widen(std::ldexp(cosine_ ? std::sqrt(2 * distance) : distance, exponent_));
    }

    // The same for a point whose score (raised by its slack) is `high`.
    double reach_of_score(const QuerySize &q, double high) const {
        if (has_norms()) return widen(std::sqrt(std::max(0.0, high + q.square + doubt(q))));
        return widen(beta_ * (rooted((high + underflow()) * (1 + error_)) + shift(q)));
    }

    // Largest score that a point within a true distance of `reach` can have.
    float limit(const QuerySize &q, double reach) const {
        if (has_norms()) return above(reach * reach * (1 + 0x1p-40) - q.square + doubt(q), q.square * 0x1p-40);
        return above(raised(reach / alpha_ + shift(q)) * (1 + error_) + underflow(), 0);
    }

    // The same for the score of a box, by Fold::squares if scores have norms.
    float box_limit(const QuerySize &q, double reach) const {
        return above(raised(reach / alpha_ + shift(q)) * (1 + error_) + underflow(), 0);
    }

    // Largest score (raised by its slack) of a point that is surely reported at `distance` or less.
    float sure_limit(const QuerySize &q, double distance) const {
        constexpr float none = -std::numeric_limits<float>::infinity();
        if (!(distance < ceiling_)) return none;
        const double whole = std::ldexp(cosine_ ? std::sqrt(2 * distance) : distance, exponent_);
        const double reach = (whole - 2 * lost_) / (1 + 2 * relative_) * (1 - 0x1p-40);
        if (has_norms()) return reach > 0 ? below(reach * reach - q.square - doubt(q), q.square + doubt(q)) : none;
        const double norm = reach / beta_ - shift(q);
        return norm > 0 ? below(raised(norm) / (1 + error_) - underflow(), raised(norm)) : none;
    }

    // How far the rounding of a query and a point can move their distance, in the fold's norm.
    double shift(const QuerySize &q) const { return spread_ * (2.1 * 0x1p-24 * (largest_ + q.largest) + 0x1p-146); }

private:
    // Of d + 16 roundings.
    double float_error() const {
        const double unit = (d_ + 16) * 0x1p-24;
        return unit < 0.25 ? 1.01 * unit / (1 - unit) : kInfinity;
    }

    static constexpr std::size_t kDirect = 8;  // features up to which differences are squared directly

    static float above(double value, double extra) {
        if (!(value < 0x1p127)) return std::numeric_limits<float>::infinity();
        return next_above(float(value + extra + std::fabs(value) * 0x1p-40));
    }

    // The next float32.
    static float next_above(float value) {
        if (!(value < std::numeric_limits<float>::infinity())) return value;
        const auto bits = std::bit_cast<std::int32_t>(value + 0.0f);  // there is one zero less
        return std::bit_cast<float>(bits + (bits < 0 ? -1 : 1));
    }

    // A float32 below a value that came from numbers of a size, each rounded.
    static float below(double value, double size) {
        const double low = std::min(value, 0x1p126) - (std::fabs(value) + size) * 0x1p-40;
        return -next_above(-float(low));
    }

    double widen(double distance) const {
        if (!(distance < scaled_ceiling_)) return kInfinity;
        return distance * (1 + 2 * relative_) + 2 * lost_;
    }
    // The part of a score's error that is the query's.
    double doubt(const QuerySize &q) const {
        const double part = error_ * q.square + (d_ + 8) * (1 + std::sqrt(q.square)) * 0x1p-140;
        return fold_ == Fold::pairs ? part + coarse_ * q.square + 1.02 * q.lost * q.lost / coarse_ : part;
    }
    double underflow() const { return d_ * std::max(1, power_) * 0x1p-148; }
    double rooted(double sum) const {
        return power_ == 0 ? sum : power_ == 2 ? std::sqrt(sum) : std::pow(sum, inverse_);
    }
    double raised(double norm) const { return power_ == 0 ? norm : power_ == 2 ? norm * norm : std::pow(norm, power_); }

    double d_;
    int exponent_;
    double largest_;
    bool cosine_;
    Fold fold_;
    int power_;                // the fold's; 0 for the maximum
    double inverse_, spread_;  // 1 / p, d^(1/p)
    double alpha_, beta_, error_;
    double coarse_;    // C
    double relative_;  // of a reported distance
    double lost_;      // to underflow in a reported distance, scaled
    double ceiling_;   // reported distances from here on may be infinite
    double scaled_ceiling_;
};

}  // namespace rmodels::RMODELS_ISA
