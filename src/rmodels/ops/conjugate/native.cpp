// Accumulators: float64, in an order that no thread and no instruction set changes: products are not fused. Bytes: each
// entry of X and its place once a step, and vectors from the cache. Operations: two multiply-adds for each entry, step
// and side. Tolerance: the contract's.
#include "ops/conjugate/native.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <type_traits>

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kEntries = 1 << 15;  // of a block, at least: a thread takes some 20 us for them
constexpr std::size_t kPays = 16;          // entries of a block for each column, at least
constexpr std::size_t kBlocks = 8;         // at most
constexpr std::size_t kPart = 1 << 14;     // entries that are gathered and scattered while they are in the cache
constexpr std::size_t kLanes = 8;          // what vectors are filled up to: a cache line
constexpr std::size_t kSums = 4;           // that do not wait for each other

std::size_t filled(std::size_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

// The sum of vectors, interleaved, times their shares: share(i).
template <int Few, class Share>
typename Vector<Few>::type add_up_vectors(std::size_t count, const double *vectors, Share &&share) {
    typename Vector<Few>::type sums[kSums] = {};
    std::size_t i = 0;
    for (; i + kSums <= count; i += kSums)
        for (std::size_t s = 0; s < kSums; s++) sums[s] += share(i + s) * take<Few>(vectors + Few * (i + s));
    for (; i < count; i++) sums[0] += share(i) * take<Few>(vectors + Few * i);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// The sums of what term(lane) gives for the numbers of each of Few interleaved vectors.
template <int Few, class Term>
typename Vector<Few>::type add_up(std::size_t numbers, Term &&term) {
    double lanes[kLanes] = {};
    for (std::size_t at = 0; at < filled(numbers); at += kLanes)
        for (std::size_t lane = 0; lane < kLanes; lane++) lanes[lane] += term(at + lane);
    auto sum = take<Few>(lanes);
    for (std::size_t lane = Few; lane < kLanes; lane += Few) sum += take<Few>(lanes + lane);
    return sum;
}

// Numbers (size, count) as Few interleaved vectors, zeros in those that are lacking: number i is that of place(i).
template <int Few, class Place>
std::vector<double> interleave(const double *from, std::size_t size, std::size_t count, Place &&place) {
    std::vector<double> vectors(filled(Few * size), 0.0);
    for (std::size_t i = 0; i < size; i++)
        for (std::size_t side = 0; side < count; side++) vectors[Few * i + side] = from[count * place(i) + side];
    return vectors;
}

template <int Few>
void weigh(double *numbers, double root) {
    put<Few>(numbers, root * take<Few>(numbers));
}

// Writes the first numbers of a few.
template <int Few>
void write(typename Vector<Few>::type v, std::size_t count, double *to) {
    if (count == Few) return put<Few>(to, v);
    double numbers[Few];
    put<Few>(numbers, v);
    for (std::size_t side = 0; side < count; side++) to[side] = numbers[side];
}

// Calls body(Few), as a constant, for so many sides.
template <class Body>
void with_few(std::size_t count, Body &&body) {
    if (count == 1)
        body(std::integral_constant<int, 1>());
    else if (count == 2)
        body(std::integral_constant<int, 2>());
    else
        body(std::integral_constant<int, 4>());
}

}  // namespace

template <class Real>
Equations::Equations(const CompressedRows<Real> &rows, const double *weights, bool centred, bool dual)
    : dual_(dual), rows_(rows), mean_(rows.width, 0.0), squares_(rows.width) {
    const std::size_t entries = rows_.before(rows_.slices());
    const std::size_t most = std::clamp<std::size_t>(entries / std::max(kEntries, kPays * width()), 1, kBlocks);
    const std::size_t blocks = std::bit_floor(most);  // for as many threads, all of them at work
    edges_.push_back(0);
    for (std::size_t block = 1; block < blocks; block++)
        edges_.push_back(rows_.find_slice(edges_.back(), entries / blocks * block));
    edges_.push_back(rows_.slices());
    double total = double(rows.count);
    if (weights) {
        total = std::accumulate(weights, weights + rows.count, 0.0);
        for (std::size_t row = 0; row < rows.count; row++) weights_.push_back(weights[rows_.place(row)]);
        for (const double weight : weights_) root_.push_back(std::sqrt(weight));
    }
    using V = Vector<2>::type;
    std::vector<double> sums(2 * width(), 0.0);  // of each column, and of its squares
    rows_.for_each(
        0, rows_.slices(), [&](std::size_t row) { return weights ? weights_[row] : 1.0; },
        [&](double value, std::size_t column, double weight) {
            double *place = sums.data() + 2 * column;
            const double weighed = weight * value;
            put<2>(place, take<2>(place) + V{weighed, weighed * value});
        });
    for (std::size_t j = 0; j < width(); j++) {
        if (centred) mean_[j] = sums[2 * j] / total;
        squares_[j] = sums[2 * j + 1] - total * (mean_[j] * mean_[j]);
    }
    if (!dual) return;
    along_mean_.resize(rows.count);
    rows_.gather<1>(0, rows_.slices(), mean_.data(),
                    [&](std::size_t row, double product) { along_mean_[row] = product; });
    for (const double each : mean_) square_ += each * each;
}

void Equations::find_diagonal(double *diagonal) const {
    if (!dual_) {
        std::copy(squares_.begin(), squares_.end(), diagonal);
        return;
    }
    rows_.add_up<double>(
        0, rows_.slices(), [](double value, std::size_t) { return value * value; },
        [&](std::size_t row, double square) {
            const double centred = square - 2.0 * along_mean_[row] + square_;
            diagonal[place(row)] = weights_.empty() ? centred : weights_[row] * centred;
        });
}

std::size_t Equations::room_of_columns() const { return blocks() * filled(width()); }

template <class Body>
void Equations::for_parts(std::size_t block, Body &&body) const {
    for (std::size_t first = edges_[block]; first < edges_[block + 1];) {
        const std::size_t stop = rows_.find_slice(first + 1, rows_.before(first) + kPart);
        const std::size_t last = std::min(edges_[block + 1], stop);
        body(first, last);
        first = last;
    }
}

template <int Few>
void Equations::scatter(const double *by_rows, double *by_columns, Rounds &rounds) const {
    const auto go_through = [=, this](std::size_t block) {
        double *to = by_columns + block * Few * filled(width());
        std::fill_n(to, Few * width(), 0.0);
        rows_.scatter<Few>(edges_[block], edges_[block + 1], by_rows, to);
    };
    rounds.run(go_through);
}

template <int Few>
typename Vector<Few>::type Equations::join(const double *by_columns, std::size_t j) const {
    auto sum = take<Few>(by_columns + Few * j);
    for (std::size_t at = j + filled(width()); at < room_of_columns(); at += filled(width()))
        sum += take<Few>(by_columns + Few * at);
    return sum;
}

void Equations::lead_along_rows(const double *from, std::size_t count, double *to, int threads) const {
    Rounds rounds(blocks(), threads);
    with_few(count, [&](auto constant) {
        constexpr int Few = constant;
        const auto vectors = interleave<Few>(from, width(), count, [](std::size_t j) { return j; });
        const auto lost = add_up_vectors<Few>(width(), vectors.data(), [&](std::size_t j) { return mean_[j]; });
        const double *root = root_.empty() ? nullptr : root_.data();
        const auto go_through = [&](std::size_t block) {
            const auto use = [=, this](std::size_t row, typename Vector<Few>::type product) {
                product -= lost;
                write<Few>(root ? root[row] * product : product, count, to + count * rows_.place(row));
            };
            rows_.gather<Few>(edges_[block], edges_[block + 1], vectors.data(), use);
        };
        rounds.run(go_through);
    });
}

void Equations::lead_along_columns(const double *from, std::size_t count, double *to, int threads) const {
    Rounds rounds(blocks(), threads);
    with_few(count, [&](auto constant) {
        constexpr int Few = constant;
        auto by_rows = interleave<Few>(from, rows(), count, [&](std::size_t row) { return rows_.place(row); });
        for (std::size_t row = 0; row < root_.size(); row++) weigh<Few>(by_rows.data() + Few * row, root_[row]);
        Doubles by_columns(Few * room_of_columns());
        scatter<Few>(by_rows.data(), by_columns.data(), rounds);
        const auto sum = add_up<Few>(Few * rows(), [&](std::size_t at) { return by_rows[at]; });
        for (std::size_t j = 0; j < width(); j++)
            write<Few>(join<Few>(by_columns.data(), j) - mean_[j] * sum, count, to + count * j);
    });
}

template <int Few>
void Equations::multiply(const double *from, double *product, double *by_rows, double *by_columns,
                         Rounds &rounds) const {
    using V = typename Vector<Few>::type;
    if (dual_) {  // with t = Xᵀr, D Dᵀ r is X t less X μ Σ r, and less the mean of that
        const double *shares = from;
        if (!root_.empty()) {
            std::copy_n(from, Few * rows(), by_rows);
            for (std::size_t row = 0; row < rows(); row++) weigh<Few>(by_rows + Few * row, root_[row]);
            shares = by_rows;
        }
        scatter<Few>(shares, by_columns, rounds);
        for (std::size_t j = 0; blocks() > 1 && j < width(); j++)
            put<Few>(by_columns + Few * j, join<Few>(by_columns, j));
        const double *along = along_mean_.data(), *root = root_.empty() ? nullptr : root_.data();
        const V sum = add_up_vectors<Few>(rows(), shares, [](std::size_t) { return 1.0; });
        const V lost = add_up_vectors<Few>(rows(), shares, [=](std::size_t row) { return along[row]; }) - square_ * sum;
        const auto go_through = [&](std::size_t block) {
            const auto use = [=](std::size_t row, V found) {
                found = found - along[row] * sum - lost;
                put<Few>(product + Few * row, root ? root[row] * found : found);
            };
            rows_.gather<Few>(edges_[block], edges_[block + 1], by_columns, use);
        };
        rounds.run(go_through);
        return;
    }
    const double *mean = mean_.data(), *weights = weights_.empty() ? nullptr : weights_.data();
    const V lost = add_up_vectors<Few>(width(), from, [=](std::size_t j) { return mean[j]; });
    std::vector<V> sums(blocks());
    const auto go_through = [&](std::size_t block) {
        double *to = by_columns + block * Few * filled(width());
        std::fill_n(to, Few * width(), 0.0);
        for_parts(block, [&](std::size_t first, std::size_t last) {
            rows_.gather<Few>(first, last, from, [=](std::size_t row, V found) {
                found -= lost;
                put<Few>(by_rows + Few * row, weights ? weights[row] * found : found);
            });
            rows_.scatter<Few>(first, last, by_rows, to);
        });
        const std::size_t first = rows_.find_row(edges_[block]), last = rows_.find_row(edges_[block + 1]);
        sums[block] = add_up_vectors<Few>(last - first, by_rows + Few * first, [](std::size_t) { return 1.0; });
    };
    rounds.run(go_through);
    V sum{};
    for (const V &each : sums) sum += each;
    for (std::size_t j = 0; j < width(); j++) put<Few>(product + Few * j, join<Few>(by_columns, j) - mean[j] * sum);
}

Descent::Descent(const Equations &equations, const double *inverse_scale, double penalty, const double *right,
                 std::size_t count, const double *enough)
    : equations_(equations), inverse_(equations.size()), penalty_(penalty), count_(count), few_(count > 2 ? 4 : count) {
    const std::size_t size = equations.size(), numbers = filled(few_ * size);
    for (std::size_t i = 0; i < size; i++) inverse_[i] = inverse_scale[equations.place(i)];
    for (auto *each : {&x_, &residual_, &direction_, &product_, &scaled_}) each->assign(numbers, 0.0);
    by_rows_.assign(filled(few_ * equations.rows()), 0.0);
    by_columns_.assign(few_ * equations.room_of_columns(), 0.0);
    for (std::size_t side = 0; side < kMost; side++) {
        Side &own = sides_[side];
        if (side >= count) continue;
        const double *values = right + side;
        double largest = 0.0;
        for (std::size_t i = 0; i < size; i++) largest = std::max(largest, std::fabs(values[count * i]));
        if (largest > 0.0) own.unit = largest;
        for (std::size_t i = 0; i < size; i++)
            residual_[few_ * i + side] = values[count * equations.place(i)] / own.unit;
        own.enough = (enough[side] / own.unit) * (enough[side] / own.unit);
        for (std::size_t i = 0; i < size; i++) {
            const double value = residual_[few_ * i + side];
            own.square += value * value;
        }
        own.failed = !std::isfinite(own.square);
    }
    direction_ = residual_;
}

template <int Few>
void Descent::step(Rounds &rounds) {
    const std::size_t size = equations_.size(), numbers = Few * size;
    for (std::size_t i = 0; i < size; i++)
        put<Few>(scaled_.data() + Few * i, take<Few>(direction_.data() + Few * i) * inverse_[i]);
    equations_.multiply<Few>(scaled_.data(), product_.data(), by_rows_.data(), by_columns_.data(), rounds);
    for (std::size_t i = 0; i < size; i++)
        put<Few>(product_.data() + Few * i,
                 (take<Few>(product_.data() + Few * i) + penalty_ * take<Few>(scaled_.data() + Few * i)) * inverse_[i]);
    double curvatures[Few], squares[Few], lengths[kLanes], shares[kLanes];
    put<Few>(curvatures, add_up<Few>(numbers, [&](std::size_t at) { return direction_[at] * product_[at]; }));
    for (int side = 0; side < Few; side++) {
        Side &own = sides_[std::size_t(side)];
        own.failed = own.failed || (!own.ended() && !(curvatures[side] > 0.0));
        const double length = own.ended() ? 0.0 : own.square / curvatures[side];
        for (std::size_t lane = std::size_t(side); lane < kLanes; lane += Few) lengths[lane] = length;
    }
    put<Few>(squares, add_up<Few>(numbers, [&](std::size_t at) {
                 x_[at] += lengths[at % kLanes] * direction_[at];
                 residual_[at] -= lengths[at % kLanes] * product_[at];
                 return residual_[at] * residual_[at];
             }));
    for (int side = 0; side < Few; side++) {
        Side &own = sides_[std::size_t(side)];
        double share = 0.0;
        if (!own.ended()) {
            share = squares[side] / own.square;
            own.lengths.push_back(lengths[side]);
            own.kept.push_back(share);
            own.square = squares[side];
            own.failed = !std::isfinite(own.square);
        }
        for (std::size_t lane = std::size_t(side); lane < kLanes; lane += Few) shares[lane] = share;
    }
    for (std::size_t at = 0; at < filled(numbers); at += kLanes)
        for (std::size_t lane = 0; lane < kLanes; lane++)
            direction_[at + lane] = residual_[at + lane] + shares[lane] * direction_[at + lane];
}

bool Descent::advance(std::size_t steps, int threads) {
    Rounds rounds(equations_.blocks(), threads);
    const auto ended = [](const Side &side) { return side.ended(); };
    for (std::size_t done = 0; done < steps && !std::all_of(sides_.begin(), sides_.end(), ended); done++) {
        with_few(few_, [&](auto few) { step<few>(rounds); });
    }
    return std::all_of(sides_.begin(), sides_.end(), ended);
}

void Descent::finish(double *solutions) const {
    const std::size_t size = equations_.size();
    for (std::size_t side = 0; side < count_; side++)
        for (std::size_t i = 0; i < size; i++)
            solutions[count_ * equations_.place(i) + side] = x_[few_ * i + side] * sides_[side].unit;
}

template Equations::Equations(const CompressedRows<float> &, const double *, bool, bool);
template Equations::Equations(const CompressedRows<double> &, const double *, bool, bool);

}  // namespace rmodels::RMODELS_ISA
