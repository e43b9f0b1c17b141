// The centres, laid out for both ways to hold a row against them: float32 scores and float64 squares.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "native/aligned.hpp"
#include "native/vectors.hpp"
#include "ops/assign/screen.hpp"

namespace rmodels::RMODELS_ISA {

class Targets {
public:
    // `first` says which centres stand before the others; null: all do. by_pairs: whether they may be rounded to
    // integers, too. Returns whether the shift is that of the call before: it is if that is near their middle.
    bool set(const double *centres, std::size_t count, std::size_t d, double scale, const std::vector<char> *first,
             bool by_pairs) {
        count_ = count;
        d_ = d;
        const bool same = set_shift(centres, scale);
        bound_ = ErrorBound(d);
        stride_ = (count + kWide - 1) / kWide * kWide;
        columns_.assign(stride_ * d, std::numeric_limits<double>::infinity());
        for (std::size_t j = 0; j < d; j++)
            for (std::size_t c = 0; c < count; c++) columns_[j * stride_ + c] = centres[c * d + j];
        places_.clear();
        for (const bool here : {true, false}) {
            for (std::size_t c = 0; c < count; c++)
                if ((!first || (*first)[c]) == here) places_.push_back(std::int32_t(c));
            while (places_.size() % kScreenCentres) places_.push_back(-1);
            if (here) first_tiles_ = places_.size() / kScreenCentres;
        }
        coefficients_.assign(places_.size() * d, 0.0F);
        norms_.assign(places_.size(), std::numeric_limits<float>::infinity());
        for (std::size_t place = 0; place < places_.size(); place++)
            if (places_[place] >= 0)
                norms_[place] = bound_.add(pack_centre(
                    centres + std::size_t(places_[place]) * d, shift_.data(), scale, d,
                    coefficients_.data() + place / kScreenCentres * kScreenCentres * d, place % kScreenCentres));
        pairs_.clear();
        if (by_pairs) set_pairs(centres, scale);
        return same;
    }

    // Whether so many centres are worth rounding to integers.
    static bool may_have_pairs(std::size_t count, std::size_t d) {
        return kScreensByPairs && count >= kLeastCentres && d >= kLeastColumns && d <= kMostPairColumns;
    }

    bool screens() const { return bound_.screens(); }
    const double *shift() const { return shift_.data(); }
    // Whether rows are best scored as integers first.
    bool has_pairs() const { return !pairs_.empty(); }
    const PairScale &pair_scale() const { return pair_scale_; }
    PackedGroup all() const { return group(places_.size() / kScreenCentres); }
    PackedGroup first() const { return group(first_tiles_); }
    // The centres by their places.
    const std::vector<std::int32_t> &places() const { return places_; }
    const ErrorBound &bound() const { return bound_; }

    // The centre that is nearest to a row by the defined squares, and that square.
    template <class Real>
    std::int32_t find(const Real *x, std::ptrdiff_t stride, double &square) const {
        std::int32_t nearest = 0;
        square = std::numeric_limits<double>::infinity();
        for (std::size_t c = 0; c < stride_; c += kWide) {
            f64v sums[kVectors]{};
            for (std::size_t j = 0; j < d_; j++) {
                const f64v value = broadcast(double(x[std::ptrdiff_t(j) * stride]));
                for (int v = 0; v < kVectors; v++) {
                    const f64v gap = value - load<f64v>(columns_.data() + j * stride_ + c + v * kF64);
                    sums[v] += gap * gap;
                }
            }
            alignas(64) double found[kWide];
            for (int v = 0; v < kVectors; v++) store(found + v * kF64, sums[v]);
            for (std::size_t i = 0; i < kWide && c + i < count_; i++)
                if (found[i] < square) {
                    square = found[i];
                    nearest = std::int32_t(c + i);
                }
        }
        return nearest;
    }

private:
    static constexpr int kVectors = 4;
    static constexpr std::size_t kWide = kVectors * kF64;
    static constexpr double kNear = 0.25;  // of how far the centres before were: E grows little, at rows far from it
    static constexpr std::size_t kLeastCentres = 32, kLeastColumns = 12;  // that are worth rounding rows

    PackedGroup group(std::size_t tiles) const {
        return {coefficients_.data(), pairs_.data(), norms_.data(), 0, tiles};
    }

    // Leaves the shift where it is while the middle is near, by the bound of the centres before.
    bool set_shift(const double *centres, double scale) {
        std::vector<double> middle(d_);
        const double share = 1 / double(count_);
        for (std::size_t c = 0; c < count_; c++)
            for (std::size_t j = 0; j < d_; j++) middle[j] += centres[c * d_ + j] * share;
        double square = 0;
        for (std::size_t j = 0; j < shift_.size(); j++) {
            const double gap = (middle[j] - shift_[j]) * scale;
            square += gap * gap;
        }
        const bool near = !shift_.empty() && std::sqrt(square) <= kNear * bound_.farthest();
        if (!near) shift_ = std::move(middle);
        return near;
    }

    void set_pairs(const double *centres, double scale) {
        const double farthest = bound_.farthest();
        if (!may_have_pairs(count_, d_)) return;
        if (!bound_.screens() || !(farthest > 0x1p-40)) return;
        const double factor = double(float(kPairNorm / (farthest * (1 + 0x1p-20))));
        const std::size_t steps = (d_ + 1) / 2;
        double lost = 0;
        pairs_.assign(places_.size() * steps, 0);
        for (std::size_t place = 0; place < places_.size(); place++)
            if (places_[place] >= 0)
                lost =
                    std::max(lost, pack_pairs(centres + std::size_t(places_[place]) * d_, shift_.data(), scale, d_,
                                              factor, pairs_.data() + place / kScreenCentres * kScreenCentres * steps,
                                              place % kScreenCentres));
        pair_scale_ = {float(factor), float(farthest * (1 + 0x1p-20)), float(lost * (1 + 0x1p-20))};
    }

    std::size_t count_ = 0, d_ = 0, stride_ = 0, first_tiles_ = 0;
    std::vector<double> shift_;
    Doubles columns_;
    std::vector<float, CacheLines<float>> coefficients_, norms_;
    std::vector<std::int32_t, CacheLines<std::int32_t>> pairs_;
    PairScale pair_scale_{};
    std::vector<std::int32_t> places_;  // below 0: none
    ErrorBound bound_{0};
};

}  // namespace rmodels::RMODELS_ISA
