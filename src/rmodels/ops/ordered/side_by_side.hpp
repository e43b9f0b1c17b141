// Problems of several classes on their way side by side, a lane each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "native/vectors.hpp"
#include "ops/ordered/block.hpp"
#include "ops/ordered/rows.hpp"
#include "ops/ordered/rule.hpp"
#include "ops/ordered/walk.hpp"

namespace rmodels::RMODELS_ISA {

// Steps of several walks as far as a place: the exponentials of all cost what that of one does.
template <class Real>
void Walk<Real>::step_side_by_side(std::span<Walk *const> walks, const RowSet<Real> &samples, std::size_t last) {
    constexpr int kLoss = int(Loss::kLogLoss);
    Walk &first = *walks[0];
    const Rule rule = first.rule_;
    std::vector<Filling> fillings;
    for (Walk *walk : walks) fillings.emplace_back(*walk, samples, walks.size());
    alignas(64) double y[kTogether][kF64] = {}, weights[kTogether][kF64] = {}, products[kF64][kSums] = {};
    for (std::size_t lane = walks.size(); lane < kF64; lane++)  // of no walk: rows of some length
        std::fill_n(products[lane] + with_itself(0), kTogether, 1.0);
    Course<f64v> course = begin_courses(walks);
    Rates rates;
    std::size_t steps = 0;
    for (std::size_t place = first.at_, next = place; place < last; place = next) {
        for (std::size_t lane = 0; lane < walks.size(); lane++)
            next = fillings[lane].fill(walks[lane]->order_, walks[lane]->block_, place, last);
        if (first.block_.count < kTogether) continue;
        rates.know(rule, first.now_.t + double(steps), first.now_.eta);
        for (std::size_t lane = 0; lane < walks.size(); lane++) {
            const Block &block = walks[lane]->block_;
            for (int r = 0; r < kTogether; r++) {
                y[r][lane] = block.y[r];
                weights[r][lane] = block.weights[r];
            }
            const Products own(block.x, walks[lane]->w_.data(), first.columns_);
            for (int k = 0; k < kSums; k += kF64) store(products[lane] + k, load<f64v>(own.all + k));
        }
        f64v sums[kSums], ys[kTogether], all_weights[kTogether], factors[kTogether];
#pragma GCC unroll 8
        for (int k = 0; k < kSums; k += kF64) {
            f64v lanes[kF64];
#pragma GCC unroll 8
            for (int lane = 0; lane < kF64; lane++) lanes[lane] = load<f64v>(products[lane] + k);
            transpose(lanes);
#pragma GCC unroll 8
            for (int i = 0; i < kF64; i++) sums[k + i] = lanes[i];
        }
#pragma GCC unroll 4
        for (int r = 0; r < kTogether; r++) {
            ys[r] = load<f64v>(y[r]);
            all_weights[r] = load<f64v>(weights[r]);
        }
        if (find_factors<Loss(kLoss)>(rule, sums, ys, all_weights, rates.now(), rates.shrinkages(), kLeastScale, course,
                                      factors)) [[likely]] {
            alignas(64) double each[kTogether][kF64], squares[kF64] = {};
            for (int r = 0; r < kTogether; r++) store(each[r], factors[r]);
            for (std::size_t lane = 0; lane < walks.size(); lane++) {
                double own[kTogether];
                for (int r = 0; r < kTogether; r++) own[r] = each[r][lane];
                squares[lane] = add_rows(walks[lane]->w_.data(), walks[lane]->block_.x, own, first.columns_);
            }
            course.squares = load<f64v>(squares);
            steps += kTogether;
        } else {
            end_courses(walks, course, steps);
            for (Walk *walk : walks) {
                Course<double> own = walk->begin_course();
                if (walk->template step_block<kLoss>(rule, walk->block_, walk->w_.data(), rates, own))
                    walk->end_course(own, kTogether);
                else
                    walk->step_singly();
            }
            course = begin_courses(walks);
            steps = 0;
        }
        rates.pass(kTogether);
        for (Walk *walk : walks) walk->block_.count = 0;
    }
    end_courses(walks, course, steps);
}

template <class Real>
Course<f64v> Walk<Real>::begin_courses(std::span<Walk *const> walks) {
    Course<f64v> all{broadcast(1.0), {}, {}, {}, {}};
    for (std::size_t lane = 0; lane < walks.size(); lane++) {
        const Course<double> one = walks[lane]->begin_course();
        all.scale[lane] = one.scale;
        all.intercept[lane] = one.intercept;
        all.squares[lane] = one.squares;
        all.loss[lane] = one.loss;
        all.norms[lane] = one.norms;
    }
    return all;
}

template <class Real>
void Walk<Real>::end_courses(std::span<Walk *const> walks, const Course<f64v> &all, std::size_t steps) {
    for (std::size_t lane = 0; lane < walks.size(); lane++)
        walks[lane]->end_course(
            {all.scale[lane], all.intercept[lane], all.squares[lane], all.loss[lane], all.norms[lane]}, steps);
}

}  // namespace rmodels::RMODELS_ISA
