#include "ops/donors/native.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "native/functions.hpp"
#include "native/threads.hpp"
#include "ops/nearest/best.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kGroup = 64;       // rows that are compared with a query at a time
constexpr std::size_t kBlock = 32;       // queries that share a pass over the groups, at most
constexpr int kTogether = 4;             // vectors of sums that are computed side by side
constexpr double kSlack = 1 + 0x1p-36;   // more than the rounding of any sum of 2^15 squares
constexpr double kTiny = 0x1p-1000;      // more than what underflows of it
constexpr std::size_t kFound = 1 << 20;  // of rows that a thread's queries have found, at most
constexpr double kThreadWork = 1e6;      // pairs of values worth another thread
static_assert(kGroup % (kTogether * kF64) == 0);

}  // namespace

struct Donors::Query {
    struct Wanted {
        std::size_t feature;
        double limit;  // of a sum of squares for each feature present
        Best best;
    };
    std::vector<std::size_t> features;  // those present
    std::vector<double> values;         // of these
    std::vector<Wanted> wanted;         // one for each that is missing
};

Donors::Donors(const Strided &X, int threads) : n_(X.rows), d_(X.columns) {
    const std::size_t groups = (n_ + kGroup - 1) / kGroup;
    values_.assign(groups * d_ * kGroup, 0.0);
    present_.assign(groups * d_ * kGroup, 0.0);
    bits_.assign(groups * d_, 0);
    parallel_for(groups, threads, [&](std::size_t g, int) {
        for (std::size_t i = 0; i < std::min(kGroup, n_ - g * kGroup); i++)
            for (std::size_t c = 0; c < d_; c++) {
                const double value = X.at(g * kGroup + i, c);
                if (std::isnan(value)) continue;
                values_[(g * d_ + c) * kGroup + i] = value;
                present_[(g * d_ + c) * kGroup + i] = 1;
                bits_[g * d_ + c] |= std::uint64_t(1) << i;
            }
    });
}

// By definition: every operation rounded on its own, the sum in the order of the features. NaN if they share none.
double Donors::distance(const Query &query, std::size_t group, std::size_t point) const {
    const std::size_t at = group * d_ * kGroup + point;
    double squares = 0, present = 0;
    for (std::size_t i = 0; i < query.features.size(); i++) {
        const std::size_t c = query.features[i] * kGroup;
        if (present_[at + c] == 0) continue;
        const double gap = query.values[i] - values_[at + c];
        squares += gap * gap;
        present += 1;
    }
    return std::sqrt(double(d_) / present * squares);
}

// Offers a group's rows to a query. A row whose distance is at most the k-th so far has a sum of squares of at most
// present / d times its square, but for rounding.
void Donors::scan(Query &query, std::size_t group) const {
    const double *values = values_.data() + group * d_ * kGroup, *present = present_.data() + group * d_ * kGroup;
    std::uint64_t near = 0;
    for (std::size_t first = 0; first < kGroup; first += kTogether * kF64) {
        f64v sums[kTogether] = {}, counts[kTogether] = {};
        for (std::size_t i = 0; i < query.features.size(); i++) {
            const std::size_t c = query.features[i] * kGroup + first;
            const f64v q = broadcast(-query.values[i]);
#pragma GCC unroll 4
            for (int v = 0; v < kTogether; v++) {
                const f64v there = load<f64v>(present + c + v * kF64);
                const f64v gap = fma(there, q, load<f64v>(values + c + v * kF64));  // 0 where it is missing
                sums[v] = fma(gap, gap, sums[v]);
                counts[v] += there;
            }
        }
        for (const Query::Wanted &wanted : query.wanted) {
            const f64v limit = broadcast(wanted.limit), tiny = broadcast(kTiny);
            std::uint64_t open = 0;
#pragma GCC unroll 4
            for (int v = 0; v < kTogether; v++)
                open |= std::uint64_t(at_most(sums[v], counts[v] * limit + tiny)) << (first + v * kF64);
            near |= open & bits_[group * d_ + wanted.feature];
        }
    }
    for (; near; near &= near - 1) {
        const std::size_t point = std::size_t(std::countr_zero(near));
        const double away = distance(query, group, point);
        if (std::isnan(away)) continue;
        for (Query::Wanted &wanted : query.wanted) {
            if (!(bits_[group * d_ + wanted.feature] >> point & 1)) continue;
            wanted.best.offer({away, std::int64_t(group * kGroup + point)});
            if (!wanted.best.full()) continue;
            const double worst = wanted.best.worst();
            wanted.limit = worst * worst / double(d_) * kSlack;
        }
    }
}

void Donors::find(const double *Q, std::size_t queries, std::size_t k, double *distances, std::int64_t *indices,
                  int threads) const {
    const double most = double(queries) * double(n_) * double(d_) / kThreadWork;
    threads = int(std::clamp(most, 1.0, double(std::max(1, threads))));
    const std::size_t held = std::clamp<std::size_t>(kFound / (k * d_), 1, kBlock);
    const std::size_t block = std::clamp<std::size_t>(queries / std::size_t(threads), 1, held);
    std::vector<std::size_t> starts(queries + 1);  // of the missing values of each query
    for (std::size_t i = 0; i < queries; i++)
        starts[i + 1] = starts[i] + std::size_t(std::count_if(Q + i * d_, Q + (i + 1) * d_,
                                                              [](double value) { return std::isnan(value); }));
    parallel_for((queries + block - 1) / block, threads, [&](std::size_t task, int) {
        const std::size_t first = task * block, count = std::min(block, queries - first);
        std::vector<Query> asked(count);
        for (std::size_t i = 0; i < count; i++)
            for (std::size_t c = 0; c < d_; c++) {
                const double value = Q[(first + i) * d_ + c];
                if (std::isnan(value)) {
                    asked[i].wanted.push_back({c, std::numeric_limits<double>::infinity(), {}});
                    asked[i].wanted.back().best.start(k);
                } else {
                    asked[i].features.push_back(c);
                    asked[i].values.push_back(value);
                }
            }
        for (std::size_t g = 0; g * kGroup < n_; g++)
            for (Query &query : asked) scan(query, g);
        for (std::size_t i = 0; i < count; i++)
            for (std::size_t w = 0; w < asked[i].wanted.size(); w++) {
                const std::size_t at = (starts[first + i] + w) * k;
                const std::vector<Neighbour> &found = asked[i].wanted[w].best.sorted();
                for (std::size_t j = 0; j < found.size(); j++) {
                    distances[at + j] = found[j].first;
                    indices[at + j] = found[j].second;
                }
            }
    });
}

}  // namespace rmodels::RMODELS_ISA
