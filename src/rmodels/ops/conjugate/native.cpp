// Accumulators: float64, in an order that no thread and no instruction set changes: products are not fused. Bytes: each
// entry of X and its place once a step, and vectors from the cache. Operations: two multiply-adds for each entry, step
// and side. Tolerance: the contract's.
#include "ops/conjugate/native.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kEntries = std::size_t(1) << 20;  // of a block, at least
constexpr std::size_t kPays = 8;                        // entries of a block for each column, at least
constexpr std::size_t kBlocks = 8;
constexpr std::size_t kRows = 4096;  // that are gathered and scattered while they are in the cache
constexpr std::size_t kLanes = 8;    // what vectors are filled up to

template <int Few>
struct Vector {
    typedef double type __attribute__((vector_size(Few * sizeof(double))));
};
template <>
struct Vector<1> {
    using type = double;
};

template <int Few>
typename Vector<Few>::type take(const double *p) {
    typename Vector<Few>::type v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

template <int Few>
void put(double *p, typename Vector<Few>::type v) {
    std::memcpy(p, &v, sizeof v);
}

std::size_t filled(std::size_t count) { return (count + kLanes - 1) / kLanes * kLanes; }

// The sum of vectors, interleaved, times their shares: share(i).
template <int Few, class Share>
typename Vector<Few>::type add_up_vectors(std::size_t count, const double *vectors, Share &&share) {
    constexpr std::size_t kSums = 4;  // that do not wait for each other
    typename Vector<Few>::type sums[kSums] = {};
    std::size_t i = 0;
    for (; i + kSums <= count; i += kSums)
        for (std::size_t s = 0; s < kSums; s++) sums[s] += share(i + s) * take<Few>(vectors + Few * (i + s));
    for (; i < count; i++) sums[0] += share(i) * take<Few>(vectors + Few * i);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Numbers of rows, shorter ones first.
std::vector<std::uint32_t> sort_by_length(const CompressedRows &rows) {
    const auto length = [&](std::size_t row) { return std::size_t(rows.starts[row + 1] - rows.starts[row]); };
    std::size_t longest = 0;
    for (std::size_t row = 0; row < rows.count; row++) longest = std::max(longest, length(row));
    std::vector<std::size_t> next(longest + 2, 0);
    for (std::size_t row = 0; row < rows.count; row++) next[length(row) + 1]++;
    std::partial_sum(next.begin(), next.end(), next.begin());
    std::vector<std::uint32_t> order(rows.count);
    for (std::size_t row = 0; row < rows.count; row++) order[next[length(row)]++] = std::uint32_t(row);
    return order;
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

}  // namespace

Equations::Equations(const CompressedRows &rows, const double *mean, const double *root, bool dual)
    : dual_(dual), order_(sort_by_length(rows)), starts_(rows.count + 1, 0), mean_(mean, mean + rows.width) {
    const auto entries = std::size_t(rows.starts[rows.count]);
    blocks_ = std::clamp<std::size_t>(entries / std::max(kEntries, kPays * rows.width), 1, kBlocks);
    values_.reset(new double[entries]);
    columns_.reset(new std::int32_t[entries]);
    for (std::size_t row = 0; row < rows.count; row++) {
        const std::size_t from = order_[row], begin = std::size_t(rows.starts[from]);
        const std::size_t length = std::size_t(rows.starts[from + 1]) - begin;
        const auto to = std::size_t(starts_[row]);
        for (std::size_t at = 0; at < length; at++) {
            values_[to + at] = rows.values[begin + at];
            columns_[to + at] = rows.columns[begin + at];
        }
        starts_[row + 1] = std::int64_t(to + length);
    }
    if (root)
        for (const std::uint32_t row : order_) root_.push_back(root[row]);
    along_mean_.resize(rows.count);
    gather<1>(0, rows.count, mean_.data(), along_mean_.data());
    for (const double each : mean_) square_ += each * each;
}

template <int Few>
void Equations::gather(std::size_t first, std::size_t last, const double *from, double *by_rows) const {
    const double *values = values_.get();
    const std::int32_t *columns = columns_.get();
    const std::int64_t *starts = starts_.data();
    for (std::size_t row = first; row < last; row++) {
        auto at = std::size_t(starts[row]);
        const auto stop = std::size_t(starts[row + 1]);
        typename Vector<Few>::type sum{}, other{};  // that does not wait for it
        for (; at + 2 <= stop; at += 2) {
            sum += values[at] * take<Few>(from + Few * std::size_t(columns[at]));
            other += values[at + 1] * take<Few>(from + Few * std::size_t(columns[at + 1]));
        }
        if (at < stop) sum += values[at] * take<Few>(from + Few * std::size_t(columns[at]));
        put<Few>(by_rows + Few * row, sum + other);
    }
}

template <int Few>
void Equations::scatter(std::size_t first, std::size_t last, const double *by_rows, double *to) const {
    const double *values = values_.get();
    const std::int32_t *columns = columns_.get();
    const std::int64_t *starts = starts_.data();
    for (std::size_t row = first; row < last; row++) {
        const auto v = take<Few>(by_rows + Few * row);
        for (auto at = std::size_t(starts[row]); at < std::size_t(starts[row + 1]); at++) {
            double *place = to + Few * std::size_t(columns[at]);
            put<Few>(place, take<Few>(place) + values[at] * v);
        }
    }
}

template <int Few>
void Equations::weigh(std::size_t first, std::size_t last, int times, double *by_rows) const {
    for (std::size_t row = first; row < std::min(last, root_.size()); row++) {
        const double root = root_[row];
        put<Few>(by_rows + Few * row, take<Few>(by_rows + Few * row) * (times == 2 ? root * root : root));
    }
}

template <int Few>
void Equations::multiply(const double *from, double *product, double *by_rows, double *by_columns, int threads) const {
    using V = typename Vector<Few>::type;
    // Calls body(first, last, to) for parts of rows, in each block one after the other; `to` is the block's.
    const auto in_blocks = [&](auto &&body) {
        parallel_for(blocks_, threads, [&](std::size_t block, int) {
            double *to = by_columns + block * Few * width();
            const std::size_t begin = rows() * block / blocks_, end = rows() * (block + 1) / blocks_;
            for (std::size_t row = begin; row < end; row += kRows) body(row, std::min(end, row + kRows), to);
        });
    };
    const auto join = [&](std::size_t j) {
        V sum = take<Few>(by_columns + Few * j);
        for (std::size_t block = 1; block < blocks_; block++)
            sum += take<Few>(by_columns + Few * (block * width() + j));
        return sum;
    };
    const auto total = [&] { return add_up<Few>(Few * rows(), [=](std::size_t at) { return by_rows[at]; }); };
    std::fill_n(by_columns, blocks_ * Few * width(), 0.0);
    if (dual_) {  // with t = Xᵀr, D Dᵀ r is X t less X μ Σ r, and less the mean of that
        std::copy_n(from, Few * rows(), by_rows);
        weigh<Few>(0, rows(), 1, by_rows);
        in_blocks([&](std::size_t first, std::size_t last, double *to) { scatter<Few>(first, last, by_rows, to); });
        for (std::size_t j = 0; blocks_ > 1 && j < width(); j++) put<Few>(by_columns + Few * j, join(j));
        const V sum = total();
        const double *along = along_mean_.data();
        const V lost =
            add_up_vectors<Few>(rows(), by_rows, [=](std::size_t row) { return along[row]; }) - square_ * sum;
        in_blocks([&](std::size_t first, std::size_t last, double *) {
            gather<Few>(first, last, by_columns, product);
            for (std::size_t row = first; row < last; row++)
                put<Few>(product + Few * row, take<Few>(product + Few * row) - along[row] * sum - lost);
            weigh<Few>(first, last, 1, product);
        });
    } else {
        const double *mean = mean_.data();
        const V lost = add_up_vectors<Few>(width(), from, [=](std::size_t j) { return mean[j]; });
        in_blocks([&](std::size_t first, std::size_t last, double *to) {
            gather<Few>(first, last, from, by_rows);
            for (std::size_t row = first; row < last; row++)
                put<Few>(by_rows + Few * row, take<Few>(by_rows + Few * row) - lost);
            weigh<Few>(first, last, 2, by_rows);
            scatter<Few>(first, last, by_rows, to);
        });
        const V sum = total();
        for (std::size_t j = 0; j < width(); j++) put<Few>(product + Few * j, join(j) - mean[j] * sum);
    }
}

Descent::Descent(const Equations &equations, const double *inverse_scale, double penalty, const double *right,
                 std::size_t count, const double *enough)
    : equations_(equations), inverse_(equations.size()), penalty_(penalty), count_(count), few_(count > 2 ? 4 : count) {
    const std::size_t size = equations.size(), numbers = filled(few_ * size);
    for (std::size_t i = 0; i < size; i++) inverse_[i] = inverse_scale[equations.place(i)];
    for (auto *each : {&x_, &residual_, &direction_, &product_, &scaled_}) each->assign(numbers, 0.0);
    by_rows_.assign(filled(few_ * equations.rows()), 0.0);
    by_columns_.assign(filled(few_ * equations.width() * equations.blocks()), 0.0);
    for (std::size_t side = 0; side < kMost; side++) {
        Side &own = sides_[side];
        if (side >= count) continue;
        const double *values = right + side * size;
        double largest = 0.0;
        for (std::size_t i = 0; i < size; i++) largest = std::max(largest, std::fabs(values[i]));
        if (largest > 0.0) own.unit = largest;
        for (std::size_t i = 0; i < size; i++) residual_[few_ * i + side] = values[equations.place(i)] / own.unit;
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
void Descent::step(int threads) {
    const std::size_t size = equations_.size(), numbers = Few * size;
    for (std::size_t i = 0; i < size; i++)
        put<Few>(scaled_.data() + Few * i, take<Few>(direction_.data() + Few * i) * inverse_[i]);
    equations_.multiply<Few>(scaled_.data(), product_.data(), by_rows_.data(), by_columns_.data(), threads);
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
    const auto ended = [](const Side &side) { return side.ended(); };
    for (std::size_t done = 0; done < steps && !std::all_of(sides_.begin(), sides_.end(), ended); done++) {
        if (few_ == 1)
            step<1>(threads);
        else if (few_ == 2)
            step<2>(threads);
        else
            step<4>(threads);
    }
    return std::all_of(sides_.begin(), sides_.end(), ended);
}

void Descent::finish(double *solutions) const {
    const std::size_t size = equations_.size();
    for (std::size_t side = 0; side < count_; side++)
        for (std::size_t i = 0; i < size; i++)
            solutions[side * size + equations_.place(i)] = x_[few_ * i + side] * sides_[side].unit;
}

}  // namespace rmodels::RMODELS_ISA
