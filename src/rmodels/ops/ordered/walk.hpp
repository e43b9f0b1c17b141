// A problem of stochastic gradient descent on its way.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "native/aligned.hpp"
#include "native/functions.hpp"
#include "ops/ordered/block.hpp"
#include "ops/ordered/order.hpp"
#include "ops/ordered/rows.hpp"
#include "ops/ordered/rule.hpp"

namespace rmodels::RMODELS_ISA {

constexpr std::size_t kAhead = 8192;  // bytes of rows that are fetched ahead
constexpr std::size_t kMostAhead = 24;
constexpr std::size_t kSparseAhead = 8;

struct Target {
    double label = -1, negative = -1, positive_weight = 1, negative_weight = 1;
    std::uint32_t seed = 1;
};

// What is known at the end of an epoch: sums over the rows seen, each before its step.
struct Summary {
    double loss = 0;
    double squares = 0, magnitudes = 0, intercepts = 0;  // of the coefficients, and of the intercept
    double seen = 0, steps = 0;

    double objective(const Rule &rule) const {
        double found = loss;
        if (rule.penalty && !rule.aggressive())
            found += rule.alpha * ((1 - rule.share) * 0.5 * squares + rule.share * magnitudes);
        return rule.one_class ? found + rule.alpha * intercepts : found;
    }
    void clear() { loss = squares = magnitudes = intercepts = seen = 0; }
};

template <class Real>
class Walk {
public:
    using Reals = std::vector<Real, CacheLines<Real>>;

    Walk(const Rule &rule, const Target &target, std::size_t columns, const Real *w, const Real *average,
         double intercept, double average_intercept, double t)
        : rule_(rule), target_(target), columns_(columns), w_(DenseRow<Real>::padded(columns)) {
        std::copy(w, w + columns, w_.begin());
        if (rule.average > 0) {
            average_.resize(w_.size());
            std::copy(average, average + columns, average_.begin());
        }
        if (rule.draws()) drawn_.resize(w_.size());
        now_.intercept = intercept;
        now_.average_intercept = average_intercept;
        now_.t = t;
        now_.eta = rule.eta0;
        measure(now_);
        now_.seen_sizes = now_.live;
    }

    bool ended() const { return ended_; }
    bool overflowed() const { return overflowed_; }
    bool waits() const { return waits_; }
    std::int64_t epochs() const { return epochs_; }
    std::size_t columns() const { return columns_; }
    const Real *coefficients() const { return w_.data(); }
    const Real *average() const { return average_.empty() ? nullptr : average_.data(); }
    double intercept() const { return now_.intercept; }
    double average_intercept() const { return now_.average_intercept; }
    double norm() const { return std::sqrt(now_.seen_sizes.squares) * now_.scale; }
    const Summary &summary() const { return sums_; }
    double objective() const { return sums_.objective(rule_); }
    double last_objective() const { return objective_; }

    // Makes at most `most` steps of the epoch; returns how many rows it went through.
    std::size_t advance(const RowSet<Real> &samples, std::size_t most) {
        if (rule_.shuffle && at_ == 0) order_.begin(samples.count, target_.seed);
        const std::size_t last = std::min(samples.count, at_ + most), rows = last - at_;
        if (samples.starts)
            step_all<true>(samples, last);
        else
            step_all<false>(samples, last);
        at_ = last;
        return rows;
    }

    // Whether steps of several problems may be made side by side: where exponentials are what is waited for.
    static bool may_join(const Rule &rule, const RowSet<Real> &samples) {
        return !kIsFloat && rule.plain() && rule.loss == int(Loss::kLogLoss) && !samples.starts && !samples.held_out &&
               samples.columns <= most_in_blocks(Loss::kLogLoss);
    }

    // Whether this walk is as far as another, and both are of classes.
    bool joins(const Walk &other) const {
        return at_ == other.at_ && block_.count == other.block_.count && now_.t == other.now_.t &&
               now_.eta == other.now_.eta && target_.label >= 0 && other.target_.label >= 0;
    }

    // The same as `advance`, of walks that join.
    static std::size_t advance_all(std::span<Walk *const> walks, const RowSet<Real> &samples, std::size_t most) {
        const std::size_t at = walks[0]->at_, last = std::min(samples.count, at + most);
        for (Walk *walk : walks)
            if (walk->rule_.shuffle && at == 0) walk->order_.begin(samples.count, walk->target_.seed);
        if constexpr (!kIsFloat) step_side_by_side(walks, samples, last);
        for (Walk *walk : walks) {
            walk->at_ = last;
            walk->keep();
        }
        return last - at;
    }

    // Has the end of an epoch be judged only when `judge` is called.
    void pause() { rule_.pauses = true; }

    // Whether all rows of the epoch were met; then the next begins with the first.
    bool met(std::size_t count) { return at_ == count; }
    void rewind() { at_ = 0; }

    // Sees whether the epoch led anywhere; if somebody is asked or told of it, waits for that.
    void end_epoch() {
        at_ = 0;
        step_singly();
        measure(now_);
        if (!rule_.draws()) now_.seen_sizes = now_.live;
        if (!std::isfinite(now_.intercept) || !all_finite_) {
            overflowed_ = ended_ = true;
            epochs_++;
        } else if (rule_.pauses) {
            waits_ = true;
        } else {
            judge(0);
        }
    }

    // Decides whether another epoch follows.
    void judge(double score) {
        bool worse = false;
        if (rule_.scored) {
            worse = score < best_score_ + rule_.tol;
            best_score_ = std::max(best_score_, score);
        } else {
            objective_ = sums_.objective(rule_) / sums_.seen;
            worse = objective_ > best_objective_ - rule_.tol;
            best_objective_ = std::min(best_objective_, objective_);
        }
        unchanged_ = worse && rule_.tol > -std::numeric_limits<double>::infinity() ? unchanged_ + 1 : 0;
        sums_.clear();
        waits_ = false;
        ended_ = ++epochs_ >= rule_.max_iter;
        if (unchanged_ < rule_.n_iter_no_change) return;
        if (rule_.rate == int(Rate::kAdaptive) && now_.eta > 1e-6) {
            now_.eta /= 5;
            unchanged_ = 0;
        } else {
            ended_ = true;
        }
    }

    // Has the scale be 1.
    void multiply() {
        step_singly();
        multiply(now_);
    }

private:
    // How rows come into blocks.
    struct Filling {
        RowSet<Real> samples;
        std::size_t ahead;
        bool shuffles, coded;
        double label, codes[2], class_weights[2];

        Filling(const Walk &walk, const RowSet<Real> &given, std::size_t walks = 1)
            : samples(given),
              ahead(rows_ahead(given, walks)),
              shuffles(walk.rule_.shuffle),
              coded(walk.target_.label >= 0),
              label(walk.target_.label),
              codes{walk.target_.negative, 1.0},
              class_weights{walk.target_.negative_weight, walk.target_.positive_weight} {}

        // Fills a block from a place on, at most to the last; returns where it came to.
        [[gnu::always_inline]] std::size_t fill(Order &order, Block &block, std::size_t place, std::size_t last) const {
            const std::size_t end = std::min(last, place + kTogether - block.count);
            if (shuffles) {
                order.draw(end + ahead);
                for (std::size_t k = place + ahead; k < std::min(end + ahead, samples.count); k++)
                    samples.template prefetch<false>(order[k]);
            }
            for (; place < end; place++) {
                const std::size_t row = shuffles ? order[place] : place;
                if (samples.held_out && samples.held_out[row]) continue;
                double y = samples.y[row];
                if (coded) y = codes[y == label];
                double weight = class_weights[y > 0];
                if (samples.weights) weight *= samples.weights[row];
                block.x[block.count] = samples.values + row * samples.stride;
                block.y[block.count] = y;
                block.weights[block.count++] = weight;
            }
            return place;
        }
    };

    static constexpr bool kIsFloat = std::is_same_v<Real, float>;
    static constexpr double kLeastScale = kIsFloat ? 1e-6 : 1e-9;

    // What changes at every step: coefficients are scale · w, their mean (average + a · w) / b.
    struct Now {
        double scale = 1, intercept = 0, average_intercept = 0, a = 0, b = 1, drawn = 0, t = 1, eta = 0;
        double inverse = 1;  // of the scale
        Sizes live{};        // of w
        Sizes seen_sizes{};  // of w when a gradient last changed it
    };

    // Has rules that are `plain` have loops of their own, one a loss.
    template <bool kSparse>
    void step_all(const RowSet<Real> &samples, std::size_t last) {
        if (!rule_.plain()) return step_each<kSparse, -1>(samples, last);
        switch (Loss(rule_.loss)) {
            case Loss::kHinge:
                return step_each<kSparse, int(Loss::kHinge)>(samples, last);
            case Loss::kSquaredHinge:
                return step_each<kSparse, int(Loss::kSquaredHinge)>(samples, last);
            case Loss::kModifiedHuber:
                return step_each<kSparse, int(Loss::kModifiedHuber)>(samples, last);
            case Loss::kLogLoss:
                return step_each<kSparse, int(Loss::kLogLoss)>(samples, last);
            case Loss::kSquaredError:
                return step_each<kSparse, int(Loss::kSquaredError)>(samples, last);
            case Loss::kHuber:
                return step_each<kSparse, int(Loss::kHuber)>(samples, last);
            case Loss::kEpsilonInsensitive:
                return step_each<kSparse, int(Loss::kEpsilonInsensitive)>(samples, last);
            case Loss::kSquaredEpsilonInsensitive:
                return step_each<kSparse, int(Loss::kSquaredEpsilonInsensitive)>(samples, last);
        }
    }

    static std::size_t rows_ahead(const RowSet<Real> &samples, std::size_t walks = 1) {
        const std::size_t bytes = std::max<std::size_t>(1, walks * samples.columns * sizeof(Real));
        return std::clamp<std::size_t>(kAhead / bytes, 2, kMostAhead);
    }

    // Steps as far as a place; of kLoss, or of any rule at all if that is below 0.
    template <bool kSparse, int kLoss>
    void step_each(const RowSet<Real> &samples, std::size_t last) {
        if constexpr (!kSparse && !kIsFloat && kLoss >= 0)
            if (samples.columns <= most_in_blocks(Loss(kLoss))) return step_blocks<kLoss>(samples, last);
        const std::size_t ahead = kSparse ? kSparseAhead : rows_ahead(samples);
        const Rule rule = rule_;  // which the compiler knows no coefficient to be part of
        const Target target = target_;
        const bool shuffles = rule.shuffle, shrinks = rule.shrinks();
        Now now = now_;
        Summary sums = sums_;
        const bool coded = target.label >= 0;
        const Real codes[] = {Real(target.negative), Real(1)};
        const Real class_weights[] = {Real(target.negative_weight), Real(target.positive_weight)};
        double rates[kRates], shrinkages[kRates];
        int known = kRates;
        for (std::size_t place = at_; place < last; place++) {
            std::size_t row = place;
            if (shuffles) {
                order_.draw(place + (kSparse ? 2 : 1) * ahead + 1);
                if (kSparse && place + 2 * ahead < samples.count) samples.prefetch_place(order_[place + 2 * ahead]);
                if (place + ahead < samples.count) samples.template prefetch<kSparse>(order_[place + ahead]);
                row = order_[place];
            }
            if (samples.held_out && samples.held_out[row]) continue;
            if (known == kRates) {
                rule.find_rates(now.t, now.eta, kRates, rates);
                for (int k = 0; k < kRates; k++) shrinkages[k] = shrinks ? double(Real(rule.shrinkage(rates[k]))) : 1.0;
                known = 0;
            }
            Real y = samples.y[row];
            if (coded) y = codes[double(y) == target.label];
            Real weight = class_weights[y > 0];
            if (samples.weights) weight *= samples.weights[row];
            bool stepped;
            if constexpr (kSparse)
                stepped = step<kLoss>(rule, samples.sparse(row), y, weight, rates[known], shrinkages[known], now, sums);
            else
                stepped = step<kLoss>(rule, samples.dense(row), y, weight, rates[known], shrinkages[known], now, sums);
            known += stepped;
        }
        now_ = now;
        sums_ = sums;
    }

    // The same of dense rows in blocks, which do not depend on where a call begins and ends.
    template <int kLoss>
    void step_blocks(const RowSet<Real> &samples, std::size_t last) {
        const Rule rule = rule_;
        const Filling filling(*this, samples);
        double *const w = w_.data();
        Block block = block_;
        Course<double> course = begin_course();
        Rates rates;
        std::size_t steps = 0;
        for (std::size_t place = at_; place < last;) {
            place = filling.fill(order_, block, place, last);
            if (block.count < kTogether) continue;
            rates.know(rule, now_.t + double(steps), now_.eta);
            if (step_block<kLoss>(rule, block, w, rates, course)) [[likely]] {
                steps += kTogether;
            } else {
                end_course(course, steps);
                block_ = block;
                step_singly();
                course = begin_course();
                steps = 0;
            }
            rates.pass(kTogether);
            block.count = 0;
        }
        end_course(course, steps);
        block_ = block;
        keep();
    }

    // Makes the steps of a block, or returns false and makes none.
    template <int kLoss>
    [[gnu::always_inline]] bool step_block(const Rule &rule, const Block &block, double *w, const Rates &rates,
                                           Course<double> &course) const {
        double factors[kTogether];
        const Products products(block.x, w, columns_);
        if (!find_factors<Loss(kLoss)>(rule, products.all, block.y, block.weights, rates.now(), rates.shrinkages(),
                                       kLeastScale, course, factors)) [[unlikely]]
            return false;
        course.squares = add_rows(w, block.x, factors, columns_);
        return true;
    }

    // Steps of several walks as far as a place, each in a lane: see side_by_side.hpp.
    static void step_side_by_side(std::span<Walk *const> walks, const RowSet<Real> &samples, std::size_t last);
    static Course<f64v> begin_courses(std::span<Walk *const> walks);
    static void end_courses(std::span<Walk *const> walks, const Course<f64v> &all, std::size_t steps);

    Course<double> begin_course() const {
        return {now_.scale, now_.intercept, now_.live.squares, sums_.loss, sums_.squares};
    }

    void end_course(const Course<double> &course, std::size_t steps) {
        now_.scale = course.scale;
        now_.inverse = 1 / course.scale;
        now_.intercept = course.intercept;
        now_.live.squares = course.squares;
        now_.seen_sizes = now_.live;
        now_.t += double(steps);
        sums_.loss = course.loss;
        sums_.squares = course.norms;
        sums_.seen += double(steps);
        sums_.steps += double(steps);
    }

    // Has rows that wait be of its own.
    void keep() {
        if constexpr (!kIsFloat) {
            const std::size_t width = w_.size();
            if (block_.count) kept_.resize((kTogether - 1) * width);
            for (int k = 0; k < block_.count; k++) {
                double *const own = kept_.data() + k * width;
                if (block_.x[k] != own) std::copy_n(block_.x[k], columns_, own);
                block_.x[k] = own;
            }
        }
    }

    // Makes the steps of the rows that wait, one after the other.
    [[gnu::noinline]] void step_singly() {
        if constexpr (!kIsFloat) {
            for (int k = 0; k < block_.count; k++) {
                double eta;
                rule_.find_rates(now_.t, now_.eta, 1, &eta);
                Now now = now_;
                Summary sums = sums_;
                step<-1>(rule_, DenseRow<Real>{block_.x[k], columns_}, block_.y[k], block_.weights[k], eta,
                         rule_.shrinkage(eta), now, sums);
                now_ = now;
                sums_ = sums;
            }
        }
        block_.count = 0;
    }

    // Makes a step, unless there is none to make of the row.
    template <int kLoss, class Row>
    [[gnu::always_inline]] bool step(const Rule &rule, const Row row, double y, double weight, double eta,
                                     double shrinkage, Now &now, Summary &sums) {
        constexpr bool kPlain = kLoss >= 0;
        constexpr bool kSums = !kIsFloat && std::is_same_v<Row, SparseRow<Real>>;
        Own own;
        if constexpr (kSums)
            own = row.multiply(w_.data());
        else
            own.product = row.dot(w_.data());
        const double p = double(Real(own.product * now.scale)) + now.intercept;
        const Loss of = kPlain ? Loss(kLoss) : Loss(rule.loss);
        const double e = of == Loss::kLogLoss ? std::exp(-std::fabs(p)) : 0.0, loss = value_of(of, rule.edge, y, p, e);

        sums.seen++;
        sums.loss += loss;
        if (rule.penalty) sums.squares += squared_norm(now);
        if constexpr (!kPlain) {
            sums.magnitudes += Real(now.seen_sizes.magnitudes * now.scale);
            sums.intercepts += now.intercept;
        }

        double update;
        if (!kPlain && rule.aggressive()) {
            const double length = row.squares();
            if (rule.rate == int(Rate::kAggressive1)) {
                if (length == 0) return false;
                update = std::min(rule.eta0, loss / length);
            } else {
                update = loss / (length + 0.5 / rule.eta0);
            }
            if (rule.loss == int(Loss::kHinge))
                update *= y;
            else if (y - p < 0)
                update = -update;
            update *= weight;
        } else {
            const double slope = limited(slope_of(of, rule.edge, y, p, e));
            update = kIsFloat ? -eta * slope * weight : slope * (-eta * weight);
        }

        if (rule.shrinks()) {
            now.scale *= shrinkage;
            if (now.scale < kLeastScale) [[unlikely]] {
                Now here = now;  // so that `now` itself can be in registers
                multiply(here);
                now = here;
                if constexpr (kSums) own = row.multiply(w_.data());  // of what w is now
            }
            now.inverse = 1 / now.scale;
        }
        if (update != 0) {
            const double factor = kIsFloat ? double(Real(update) / Real(now.scale)) : update * now.inverse;
            if (!kPlain && rule.draws()) {
                row.template add<true, true>(w_.data(), factor, now.live);
            } else if (kSums && rule.penalty) {  // of sums that are there, and off the way to the next step
                row.template add<false, false>(w_.data(), factor, now.live);
                now.live.squares += factor * fma(factor, own.squares, 2 * own.product);
            } else if (rule.penalty) {
                row.template add<true, false>(w_.data(), factor, now.live);
            } else {
                row.template add<false, false>(w_.data(), factor, now.live);
            }
            now.seen_sizes = now.live;
        }
        if (rule.fit_intercept) {
            const double change = !kPlain && rule.one_class ? update - eta * rule.alpha : update;
            now.intercept += change * rule.intercept_decay;
        }
        if constexpr (!kPlain) {
            if (rule.average > 0 && rule.average <= now.t) add_to_average(row, update, now);
            if (rule.draws()) {
                now.drawn += rule.share * eta * rule.alpha;
                draw_to_zero(row, now);
            }
        }
        now.t++;
        sums.steps++;
        return true;
    }

    static Real squared_norm(const Now &now) {
        const double squares = now.seen_sizes.squares * (now.scale * now.scale);
        if constexpr (std::is_same_v<Real, double>) return squares;
        const Real norm = Real(std::sqrt(squares));
        return norm * norm;
    }

    template <class Row>
    [[gnu::always_inline]] void add_to_average(const Row &row, double update, Now &now) {
        const double count = now.t - rule_.average + 1, mu = 1.0 / double(Real(count));
        if (update != 0) row.add_to(average_.data(), now.a, -double(Real(update)) / now.scale);
        if (Real(count) > 1) now.b /= 1.0 - mu;
        now.a += mu * now.b * now.scale;
        now.average_intercept += (now.intercept - now.average_intercept) / count;
    }

    // Cuts off what the penalty on magnitudes has added up to.
    template <class Row>
    [[gnu::always_inline]] void draw_to_zero(const Row &row, Now &now) {
        Real *w = w_.data(), *q = drawn_.data();
        const double scale = now.scale, drawn = now.drawn;
        double squares = 0, magnitudes = 0;
        row.each([&](std::size_t i) {
            const double before = w[i], so_far = q[i];
            const double down = std::max(0.0, before - (drawn + so_far) / scale);
            const double up = std::min(0.0, before + (drawn - so_far) / scale);
            const Real after = Real(before > 0 ? down : before < 0 ? up : before);
            w[i] = after;
            q[i] = Real(so_far + scale * (double(after) - before));
            if constexpr (std::is_same_v<Row, SparseRow<Real>>) {
                squares += (double(after) - before) * (double(after) + before);
                magnitudes += std::fabs(double(after)) - std::fabs(before);
            }
        });
        now.live.squares += squares;
        now.live.magnitudes += magnitudes;
    }

    void multiply(Now &now) {
        const std::size_t n = w_.size();
        if (!average_.empty()) {
            const Real a = Real(now.a), b = Real(1.0 / now.b);
            for (std::size_t i = 0; i < n; i++) average_[i] = (average_[i] + a * w_[i]) * b;
            now.a = 0;
            now.b = 1;
        }
        const Real scale = Real(now.scale);
        for (std::size_t i = 0; i < n; i++) w_[i] *= scale;
        now.seen_sizes.squares *= now.scale * now.scale;
        now.seen_sizes.magnitudes *= now.scale;
        now.scale = now.inverse = 1;
        measure(now);
    }

    // Adds up all coefficients anew.
    void measure(Now &now) {
        double squares = 0, magnitudes = 0;
        all_finite_ = true;
        for (std::size_t i = 0; i < columns_; i++) {
            squares += double(w_[i]) * double(w_[i]);
            magnitudes += std::fabs(double(w_[i]));
            all_finite_ = all_finite_ && std::isfinite(w_[i]);
        }
        now.live = {squares, magnitudes};
    }

    Rule rule_;
    Target target_;
    std::size_t columns_;
    Reals w_, average_, drawn_;
    Order order_;
    Now now_;
    Summary sums_;
    Block block_;  // rows that wait for others, to be stepped on with them
    Reals kept_;
    std::size_t at_ = 0;                                           // place in the epoch
    double objective_ = std::numeric_limits<double>::quiet_NaN();  // of the last epoch, a mean
    double best_objective_ = std::numeric_limits<double>::infinity();
    double best_score_ = -std::numeric_limits<double>::infinity();
    std::int64_t unchanged_ = 0, epochs_ = 0;
    bool ended_ = false, overflowed_ = false, waits_ = false, all_finite_ = true;
};

}  // namespace rmodels::RMODELS_ISA
