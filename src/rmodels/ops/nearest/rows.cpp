// Accumulators: float64, of any order and fused; float32 where points and queries are in float32. Bytes: X once
// for kBlock queries. Operations per feature, query and point: squares 2, magnitudes 3, largest 3, powers p + 2.
//
// A score is the sum of |x - q|^p, or the maximum, as the vectors add it up. Both it and the sum S that the operation
// defines come from terms that are not negative, by at most d additions and p + 1 roundings each, so that they are
// within (d + p + 2) 2^-53 of the true sum, relatively, and within d p 2^-1074 where powers underflow. Totals whose
// roots are equal are within 4 p 2^-53 of each other. So a point whose distance is at most that of a point with the
// score s has itself a score of at most s (1 + E) + A, for E = (d + 2 p + 16) 2^-50 and A = d p 2^-1070: nothing is
// lost on points far from the origin, and few points but the neighbours are left to be compared exactly.
//
// In float32, a lane adds up d / kF32 features: terms and additions are within e = (d / kF32 + 2 p + 10) 2^-24, so that
// E = 2.1 e more will do, and A = d p 2^-124 where powers underflow, which processors may set to 0. It is only done
// where scores of some of the points are far from underflow and from overflow, and a limit that is not lets all pass.
#include "ops/nearest/rows.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "native/threads.hpp"
#include "ops/nearest/collector.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kBlock = 64;                 // queries that share a pass over the rows
constexpr std::size_t kCandidateBytes = 32 << 20;  // of what a thread's queries have found
constexpr std::size_t kPanelBytes = 24 << 10;      // of rows that stay in the first-level cache, with some queries
constexpr std::size_t kTasks = 8;                  // for each thread, so that none waits long for another
constexpr std::size_t kTaskWork = 1 << 17;         // multiply-adds of a task, at least
constexpr double kThreadWork = 5e5;                // multiply-adds worth another thread
constexpr double kBuiltThread = 1e5;               // values that are packed worth another
constexpr std::size_t kSpare = 16;                 // candidates beyond the k nearest before they are sorted out
constexpr std::size_t kLooked = 8;                 // rows whose scores tell whether float32 will do
constexpr double kLeastSingle = 0x1p-60, kLargestSingle = 0x1p100;  // scores with which it does

// How far scores that are added up in float32 may be off, relatively.
double single_error(std::size_t d, int p) { return (double(d) / kF32 + 2 * std::max(1, p) + 10) * 0x1p-24; }

// What is known of one query's neighbours in some of the rows.
class Shortlist {
public:
    void start(const Points &X, const Distance &distance, Wanted wanted, const double *query, bool single) {
        X_ = &X;
        distance_ = &distance;
        query_ = query;
        wanted_ = wanted;
        resolved_ = false;
        single_ = single;
        full_ = wanted.k + wanted.k / 2 + kSpare;
        candidates_.clear();
        candidates_.reserve(full_);
        near_.clear();
        best_.start(wanted.k);
        const double terms = double(std::max<std::size_t>(1, X.d)), power = std::max(1, exponent());
        relative_ = (terms + 2 * power + 16) * 0x1p-50;
        absolute_ = terms * power * 0x1p-1070;
        if (single) {
            relative_ += 2.1 * single_error(X.d, exponent());
            absolute_ = terms * power * 0x1p-124;
        }
        limit_ = wanted.k ? kInfinity : limit_at(wanted.radius);
    }

    // Largest score that may matter.
    double limit() const { return single_ && !(limit_ < kLargestSingle) ? kInfinity : limit_; }

    void add(double score, std::uint32_t row) {
        candidates_.push_back({score, row});
        if (candidates_.size() >= full_) tighten();
    }

    // Takes in what is known of the same query in other rows.
    void add(const Shortlist &other) {
        candidates_.insert(candidates_.end(), other.candidates_.begin(), other.candidates_.end());
        near_.insert(near_.end(), other.near_.begin(), other.near_.end());
        for (const Neighbour &each : other.best_.kept()) best_.offer(each);
    }

    // The answer, in order.
    const std::vector<Neighbour> &finish() {
        filter();
        resolve();
        if (wanted_.k) return best_.sorted();
        std::sort(near_.begin(), near_.end());
        return near_;
    }

private:
    struct Candidate {
        double score;
        std::uint32_t row;
    };

    int exponent() const { return distance_->metric == Metric::chebyshev ? 0 : distance_->whole; }

    double widened(double sum) const { return sum * (1 + relative_) + absolute_; }

    // The limit of the scores of points at a distance.
    double limit_at(double distance) const { return widened(exponent() ? power(distance, exponent()) : distance); }

    void tighten() {
        if (wanted_.k && !resolved_) {
            filter();
            if (candidates_.size() + kSpare / 2 <= full_) return;
        }
        resolve();
        resolved_ = true;
    }

    // Drops what the k-th score rules out.
    void filter() {
        if (!wanted_.k || candidates_.size() <= wanted_.k) return;
        const auto kth = candidates_.begin() + std::ptrdiff_t(wanted_.k - 1);
        std::nth_element(candidates_.begin(), kth, candidates_.end(),
                         [](const Candidate &a, const Candidate &b) { return a.score < b.score; });
        limit_ = std::min(limit_, widened(kth->score));
        const auto end = std::remove_if(kth + 1, candidates_.end(),
                                        [this](const Candidate &each) { return !(each.score <= limit()); });
        candidates_.erase(end, candidates_.end());
    }

    // Replaces all candidates by their distances.
    void resolve() {
        std::uint32_t rows[kRows];
        double distances[kRows];
        for (std::size_t first = 0; first < candidates_.size(); first += kRows) {
            const std::size_t count = std::min(kRows, candidates_.size() - first);
            for (std::size_t j = 0; j < count; j++) rows[j] = candidates_[first + j].row;
            distance_->distances(*X_, rows, count, query_, distances);
            for (std::size_t j = 0; j < count; j++) {
                if (wanted_.k)
                    best_.offer({distances[j], rows[j]});
                else if (distances[j] <= wanted_.radius)
                    near_.push_back({distances[j], rows[j]});
            }
        }
        candidates_.clear();
        if (wanted_.k && best_.full()) limit_ = std::min(limit_, limit_at(best_.worst()));
    }

    static constexpr std::size_t kRows = 64;

    const Points *X_;
    const Distance *distance_;
    const double *query_;
    Wanted wanted_;
    bool resolved_;  // whether some distances are in best_ or near_ already
    bool single_;    // whether scores are added up in float32
    std::size_t full_;
    double relative_, absolute_, limit_;
    std::vector<Candidate> candidates_;
    std::vector<Neighbour> near_;
    Best best_;
};

// Queries with zeros after their last feature; in float32, too, if that loses nothing of them.
struct Padded {
    std::size_t stride;
    std::vector<double> values;
    std::vector<float> singles;

    Padded(const double *Q, std::size_t queries, std::size_t d, bool single)
        : stride((d + kF32 - 1) / kF32 * kF32), values(queries * stride) {
        for (std::size_t i = 0; i < queries; i++) std::copy_n(Q + i * d, d, values.data() + i * stride);
        if (!single || !std::all_of(Q, Q + queries * d, [](double q) { return double(float(q)) == q; })) return;
        singles.assign(values.begin(), values.end());
    }
    const double *row(std::size_t i) const { return values.data() + i * stride; }
    const float *single(std::size_t i) const { return singles.empty() ? nullptr : singles.data() + i * stride; }
};

// As many values of a row as a vector has lanes, or the first `count`, with zeros in the others.
template <class Vector, class Real>
inline Vector load_row(const Real *x) {
    if constexpr (std::is_same_v<Vector, f64v>)
        return load_f64(x);
    else
        return load<f32v>(x);
}

template <class Vector, class Real>
inline Vector load_row(const Real *x, int count) {
    if constexpr (std::is_same_v<Vector, f64v>)
        return load_first(x, count);
    else
        return load_first_f32(x, count);
}

// The scores of M queries and R rows, added up in the numbers of the queries: (M, R).
template <class Vector, Fold fold, int M, int R, class Real, class Number>
inline void find_scores(const Real *const *rows, const Number *const *queries, std::size_t d, int p, double *scores) {
    constexpr int lanes = int(sizeof(Vector) / sizeof(Number)), whole = (M * R + lanes - 1) / lanes * lanes;
    Vector sum[whole] = {};
    auto add = [&](std::size_t c, auto &&load_values) {
        Vector x[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) x[r] = load_values(rows[r] + c);
#pragma GCC unroll 8
        for (int m = 0; m < M; m++) {
            const Vector q = load<Vector>(queries[m] + c);
#pragma GCC unroll 8
            for (int r = 0; r < R; r++) {
                const Vector gap = x[r] - q;
                sum[m * R + r] = add_gap<fold>(sum[m * R + r], fold == Fold::squares ? gap : magnitude(gap), p);
            }
        }
    };
    std::size_t c = 0;
    for (; c + lanes <= d; c += lanes) add(c, [](const Real *x) { return load_row<Vector>(x); });
    if (c < d) add(c, [rest = int(d - c)](const Real *x) { return load_row<Vector>(x, rest); });
    const auto join = [](Vector a, Vector b) {
        if constexpr (fold == Fold::largest)
            return larger(a, b);
        else
            return a + b;
    };
    Number found[whole];
#pragma GCC unroll 8
    for (int v = 0; v < whole; v += lanes) store(found + v, joined_lanes(sum + v, join));
#pragma GCC unroll 8
    for (int i = 0; i < M * R; i += kF64) store(scores + i, load_f64(found + i));
}

// Takes the rows [first, last) for M queries.
template <Fold fold, int M, class Real>
void read_rows(const Real *X, std::size_t d, int p, const Padded &Q, std::size_t query, std::size_t first,
               std::size_t last, Shortlist *lists) {
    constexpr int kSums = kVectorBytes == 64 ? 16 : 8;  // that fit in the registers, with room for operands
    constexpr int R = M == 1 ? 8 : kSums / M;
    const double *queries[M];
    const float *singles[M];
    double limits[M * R], scores[M * R];
    auto limit = [&](int m) { std::fill_n(limits + m * R, R, lists[m].limit()); };
    for (int m = 0; m < M; m++) {
        queries[m] = Q.row(query + m);
        singles[m] = Q.single(query + m);
        limit(m);
    }
    for (std::size_t i = first; i < last; i += R) {
        const Real *rows[R];  // the last stands for those that are not there
        for (int r = 0; r < R; r++) rows[r] = X + std::min(i + r, last - 1) * d;
        if constexpr (std::is_same_v<Real, float>)
            singles[0] ? find_scores<f32v, fold, M, R>(rows, singles, d, p, scores)
                       : find_scores<f64v, fold, M, R>(rows, queries, d, p, scores);
        else
            find_scores<f64v, fold, M, R>(rows, queries, d, p, scores);
        unsigned near = 0;
#pragma GCC unroll 8
        for (int v = 0; v < M * R; v += kF64) near |= at_most(load<f64v>(scores + v), load<f64v>(limits + v)) << v;
        if (near == 0) [[likely]]
            continue;
        for (int m = 0; m < M; m++) {
            for (int r = 0; r < R && i + r < last; r++)
                if (scores[m * R + r] <= lists[m].limit()) lists[m].add(scores[m * R + r], std::uint32_t(i + r));
            limit(m);
        }
    }
}

// Takes the rows [first, last) for some queries.
template <Fold fold, class Real>
void read_panels(const Real *X, std::size_t d, int p, const Padded &Q, std::size_t queries, std::size_t first,
                 std::size_t last, Shortlist *lists) {
    const std::size_t panel =
        std::max<std::size_t>(8, kPanelBytes / (std::max<std::size_t>(1, d) * sizeof(Real)) / 8 * 8);
    for (; first < last; first += panel) {
        const std::size_t end = std::min(last, first + panel);
        std::size_t i = 0;
        for (; i + 4 <= queries; i += 4) read_rows<fold, 4>(X, d, p, Q, i, first, end, lists + i);
        for (; i + 2 <= queries; i += 2) read_rows<fold, 2>(X, d, p, Q, i, first, end, lists + i);
        if (i < queries) read_rows<fold, 1>(X, d, p, Q, i, first, end, lists + i);
    }
}

// Whether scores are added up in float32: where the points are, and those of some of them are neither tiny nor huge.
bool adds_singles(const Points &X, const Distance &distance, const double *Q, std::size_t queries) {
    const int p = distance.metric == Metric::chebyshev ? 0 : distance.whole;
    if (!X.singles || X.d < std::size_t(kF32) || !(single_error(X.d, p) < 0x1p-8)) return false;
    std::uint32_t rows[kLooked];
    double distances[kLooked];
    for (std::size_t i = 0; i < kLooked; i++) rows[i] = std::uint32_t(i * X.n / kLooked);
    for (std::size_t i = 0; i < queries; i++) {
        distance.distances(X, rows, kLooked, Q + i * X.d, distances);
        std::nth_element(distances, distances + kLooked / 2, distances + kLooked);
        const double score = p ? power(distances[kLooked / 2], p) : distances[kLooked / 2];
        if (!(score > kLeastSingle && score < kLargestSingle)) return false;
    }
    return true;
}

// How many threads a pass of so many queries has.
int count_threads(const Points &X, std::size_t queries, int most) {
    const double work = double(X.n) * double(X.d + 4) * double(queries);
    return int(std::clamp(work / kThreadWork, 1.0, double(std::max(1, most))));
}

// Calls take(query, neighbours) for each query.
template <class Take>
void search_rows(const Points &X, const Distance &distance, const double *Q, std::size_t queries, Wanted wanted,
                 int threads, Take take) {
    const std::size_t block = std::clamp<std::size_t>(kCandidateBytes / (48 * (wanted.k + kSpare)), 1, kBlock);
    for (std::size_t begin = 0; begin < queries; begin += block) {
        const std::size_t count = std::min(block, queries - begin);
        const int most = count_threads(X, count, threads);
        const Padded padded(Q + begin * X.d, count, X.d, adds_singles(X, distance, Q + begin * X.d, count));
        const bool single = padded.single(0) != nullptr;
        const std::size_t least = kTaskWork / (count * (X.d + 4)) + 1;
        const std::size_t rows = std::max(least, (X.n + most * kTasks - 1) / (most * kTasks));
        std::vector<std::unique_ptr<Shortlist[]>> lists(most);
        parallel_for((X.n + rows - 1) / rows, most, [&](std::size_t task, int thread) {
            if (!lists[thread]) {
                lists[thread] = std::make_unique<Shortlist[]>(count);
                for (std::size_t i = 0; i < count; i++)
                    lists[thread][i].start(X, distance, wanted, Q + (begin + i) * X.d, single);
            }
            const std::size_t first = task * rows, last = std::min(X.n, first + rows);
            X.typed([&](auto *x) {
                with_sums(distance, [&]<Fold fold>() {
                    read_panels<fold>(x, X.d, distance.whole, padded, count, first, last, lists[thread].get());
                });
            });
        });
        std::erase(lists, nullptr);
        for (std::size_t i = 0; i < count; i++) {
            for (std::size_t other = 1; other < lists.size(); other++) lists[0][i].add(lists[other][i]);
            take(begin + i, lists[0][i].finish());
        }
    }
}

}  // namespace

bool RowSearch::has(const std::string &metric, double p) {
    const Distance distance(metric, p);
    return distance.metric != Metric::cosine && (distance.whole || distance.metric == Metric::chebyshev);
}

// Costs in nanoseconds of one thread as they were measured; only their ratios matter.
double RowSearch::worth(bool tree, bool sampled, int threads, std::size_t queries) const {
    if (columns_ && !tree) return kInfinity;
    const double n = double(X_.n), d = double(X_.d), values = n * d;
    const double narrow = 8.0 / kF64, memory = std::min(1.0, values / 4e6);  // how much of X no cache holds
    const double operations = distance_.whole > 2 ? (distance_.whole + 1) / 2.0 : 1;
    const double padded = double((X_.d + kF64 - 1) / kF64 * kF64);
    // for each query and point
    const double adding = X_.singles && X_.d >= std::size_t(kF32) ? 0.015 : 0.028;  // float32, if the queries are
    const double by_rows = 0.5 + adding * padded * std::pow(narrow, 0.75) * operations + 1500 / n;
    const double by_groups = 0.05 + 0.0055 * d * narrow * (distance_.whole == 2 ? 1 : 3 * operations) + 300 / n;
    // once
    double building = 15e3 + 10 * n + values * (0.9 + memory * (X_.singles ? 0.4 : 0.8));
    if (tree) building += n * (3 * std::log2(n + 1) + (d > 8 ? 1.4 * d : 0)) + (d > 8 ? 5.6e3 * d : 0);
    if (sampled) building += 5.6e3 * d + std::clamp(0x1p20 / d, 2048.0, 16384.0) * (100 + 3.5 * d);
    // Memory, and tasks that come one after the other, bound building, and few queries at a time have few threads.
    const double together = count_threads(X_, std::min(queries, kBlock), threads);
    building *= together / std::sqrt(std::clamp(values / kBuiltThread, 1.0, double(std::max(1, threads))));
    return building / (n * std::max(0.1 * by_rows, by_rows - (tree ? 0.4 : 1) * by_groups));
}

// Calls take(query, neighbours) for each query, on any thread.
template <class Take>
void RowSearch::search(const double *Q, std::size_t queries, Wanted wanted, int threads, Take take) const {
    std::optional<Columns> made;  // of points that are kept without them
    if (!columns_ && Columns::pays(X_, queries)) made.emplace(X_);
    const Columns *columns = columns_ ? &*columns_ : made ? &*made : nullptr;
    if (!columns) return search_rows(X_, distance_, Q, queries, wanted, threads, take);
    const auto find = [&](std::size_t first, std::size_t last) {
        std::vector<Neighbour> near;
        for (std::size_t i = first; i < last; i++) {
            columns->find(distance_, Q + i * X_.d, wanted, near);
            take(i, near);
        }
    };
    if (queries <= kBlock) return find(0, queries);
    parallel_for((queries + kBlock - 1) / kBlock, count_threads(X_, queries, threads),
                 [&](std::size_t block, int) { find(block * kBlock, std::min(queries, (block + 1) * kBlock)); });
}

void RowSearch::nearest(const double *Q, std::size_t queries, std::size_t k, double *distances, std::int64_t *indices,
                        int threads) const {
    search(Q, queries, {k, 0}, threads, [&](std::size_t query, const std::vector<Neighbour> &found) {
        for (std::size_t i = 0; i < k; i++) {
            distances[query * k + i] = found[i].first;
            indices[query * k + i] = found[i].second;
        }
    });
}

Found RowSearch::within(const double *Q, std::size_t queries, double radius, int threads) const {
    std::vector<std::vector<Neighbour>> near(queries);
    search(Q, queries, {0, radius}, threads,
           [&](std::size_t query, const std::vector<Neighbour> &found) { near[query] = found; });
    return Found(near);
}

}  // namespace rmodels::RMODELS_ISA
