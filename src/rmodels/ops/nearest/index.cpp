#include "ops/nearest/index.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kLanes = 16;                 // queries that walk the tree together
constexpr std::size_t kBlock = 240;                // queries that share a pass over the groups, at most
constexpr std::size_t kPanelBytes = 384 << 10;     // of groups that stay in the second-level cache
constexpr std::size_t kCandidateBytes = 32 << 20;  // of what a thread's queries have found
constexpr double kThreadWork = 1e6;                // multiply-adds worth another thread

bool is_zero(const double *row, std::size_t d) {
    return std::all_of(row, row + d, [](double value) { return value == 0; });
}

}  // namespace

// One thread's queries.
struct NearestIndex::Workspace {
    std::vector<double> scaled;
    std::vector<float> queries;      // (block, d), as the tile wants them
    std::vector<float> coordinates;  // tree: (axes, kLanes)
    std::vector<float> limits, box_limits;
    std::vector<std::size_t> home;  // tree: leaf that a query has seen first
    std::vector<char> screened;     // whether scores say anything
    std::vector<std::size_t> open;  // queries that are screened
    std::vector<Collector> collectors;

    Workspace(std::size_t block, std::size_t d)
        : scaled(d),
          queries(block * d),
          coordinates(kAxes * kLanes),
          limits(block),
          box_limits(block),
          home(block),
          screened(block),
          collectors(block) {}
};

NearestIndex::NearestIndex(const Points &X, const std::string &metric, double p, const std::string &algorithm,
                           int threads)
    : frame_(make_frame(X, threads)),
      searched_{X, Distance(metric, p), Bounds(Distance(metric, p), X.d, frame_.exponent, frame_.largest), {}, {}} {
    if (X.n >= std::numeric_limits<std::uint32_t>::max())
        throw std::length_error("an index holds fewer than 2**32 points");
    const bool cosine = searched_.distance.metric == Metric::cosine;
    std::vector<std::uint32_t> &rows = searched_.rows;
    rows.reserve(X.n);
    for (std::size_t i = 0; i < X.n; i++) {
        if (cosine && X.typed([&](auto *x) {
                return std::all_of(x + i * X.d, x + (i + 1) * X.d, [](auto v) { return v == 0; });
            }))
            searched_.zeros.push_back(std::uint32_t(i));
        else
            rows.push_back(std::uint32_t(i));
    }
    const bool euclidean = cosine || searched_.distance.metric == Metric::euclidean;
    is_tree_ = X.d > 0 && (algorithm == "tree" || (algorithm == "auto" && X.d <= 8 && X.n > 4 * kGroup));
    if (is_tree_) tree_ = Tree(X, frame_, euclidean, rows, threads);

    const std::size_t n = rows.size(), d = X.d;
    const Fold fold = searched_.bounds.fold();
    groups_ = (n + kGroup - 1) / kGroup;
    packed_ = Floats(groups_ * kGroup * d);
    norms_ = Floats(groups_ * kGroup);
    slack_.assign(groups_, 0.0f);
    constexpr float inf = std::numeric_limits<float>::infinity();
    parallel_for(groups_, threads, [&](std::size_t g, int) {
        const std::size_t count = std::min(kGroup, n - g * kGroup);
        float *points = packed_.data() + g * kGroup * d;
        pack_group(X, frame_, &rows[g * kGroup], count, fold == Fold::product ? 0.0f : inf, points);
        if (fold != Fold::product) return;
        double squares[kGroup] = {};
        for (std::size_t c = 0; c < d; c++)
            for (std::size_t j = 0; j < kGroup; j++)
                squares[j] += double(points[c * kGroup + j]) * points[c * kGroup + j];
        double largest = 0;
        for (std::size_t j = 0; j < kGroup; j++) {
            norms_.data()[g * kGroup + j] = j < count ? float(searched_.bounds.lowered(squares[j])) : inf;
            largest = std::max(largest, squares[j]);
        }
        slack_[g] = float(searched_.bounds.slack(largest) * 1.0001);
    });
}

void NearestIndex::start(Workspace &work, const double *Q, const std::size_t *who, std::size_t queries,
                         Wanted wanted) const {
    const std::size_t d = searched_.X.d;
    const bool product = searched_.bounds.fold() == Fold::product;
    work.open.clear();
    for (std::size_t i = 0; i < queries; i++) {
        const double *q = Q + who[i] * d;
        QuerySize size{0, 0};
        for (std::size_t c = 0; c < d; c++) {
            work.scaled[c] = frame_.place(q[c], c);
            const float value = float(work.scaled[c]);
            size.square += double(value) * value;
            size.largest = std::max(size.largest, std::fabs(work.scaled[c]));
            work.queries[i * d + c] = product ? -2 * value : value;
        }
        work.collectors[i].start(searched_, wanted, q, size, &work.limits[i], &work.box_limits[i]);
        work.screened[i] = searched_.bounds.screens(size);
        if (work.screened[i]) work.open.push_back(i);
        if (is_tree_ && groups_) {
            float axes[kAxes];
            tree_.axes().project(work.scaled.data(), axes);
            work.home[i] = tree_.home(axes);
            for (std::size_t a = 0; a < tree_.axes().count(); a++) work.coordinates[a * kLanes + i] = axes[a];
        }
    }
}

// Scans a group for any number of queries, a tile at a time.
template <Fold fold>
void NearestIndex::scan_group(Workspace &work, const std::size_t *who, std::size_t queries, std::size_t g) const {
    const std::size_t d = searched_.X.d, n = searched_.rows.size();
    const float *points = group(g), *norms = norms_.data() + g * kGroup;
    for (std::size_t first = 0; first < queries; first += kTile) {
        const float *rows[kTile];
        float limits[kTile];
        const std::size_t count = std::min<std::size_t>(kTile, queries - first);
        for (std::size_t m = 0; m < count; m++) {
            rows[m] = &work.queries[who[first + m] * d];
            limits[m] = work.limits[who[first + m]];
        }
        auto hit = [&](int m, std::size_t offset, const float *scores) {
            const std::size_t position = g * kGroup + offset;
            if (position < n)
                work.collectors[who[first + m]].collect(scores, std::uint32_t(position),
                                                        std::min(kTilePoints, n - position), slack_[g]);
        };
        const int p = searched_.bounds.power();
        switch (count) {
            case 1:
                scan<fold, 1>(rows, points, norms, d, p, limits, hit);
                break;
            case 2:
                scan<fold, 2>(rows, points, norms, d, p, limits, hit);
                break;
            case 3:
                scan<fold, 3>(rows, points, norms, d, p, limits, hit);
                break;
            case 4:
                scan<fold, 4>(rows, points, norms, d, p, limits, hit);
                break;
            case 5:
                scan<fold, 5>(rows, points, norms, d, p, limits, hit);
                break;
            default:
                scan<fold, kTile>(rows, points, norms, d, p, limits, hit);
        }
    }
}

template <Fold fold>
void NearestIndex::search_brute(Workspace &work, std::size_t, std::size_t first, std::size_t last) const {
    const std::size_t panel =
        std::max<std::size_t>(1, kPanelBytes / (kGroup * sizeof(float) * std::max<std::size_t>(1, searched_.X.d)));
    const std::size_t count = work.open.size();
    for (std::size_t begin = first; begin < last; begin += panel)
        for (std::size_t i = 0; i < count; i += kTile)
            for (std::size_t g = begin; g < std::min(last, begin + panel); g++)
                scan_group<fold>(work, &work.open[i], std::min<std::size_t>(kTile, count - i), g);
}

// All queries of a block walk together: a node is entered if any of them needs it.
template <Fold fold>
void NearestIndex::search_tree(Workspace &work, std::size_t queries) const {
    constexpr int kVectors = kLanes / kF32;
    const std::size_t axes = tree_.axes().count();
    const int p = searched_.bounds.power();
    struct Bound {
        std::size_t node;
        f32v near[kVectors];  // score of each query to the node's box
    };
    auto bound = [&](std::size_t node, Bound &out) {
        out.node = node;
        const float *box = tree_.box(node);
        for (int v = 0; v < kVectors; v++) out.near[v] = f32v{};
        for (std::size_t a = 0; a < axes; a++) {
            const f32v low = broadcast(box[2 * a]), high = broadcast(box[2 * a + 1]);
            for (int v = 0; v < kVectors; v++) {
                const f32v y = load<f32v>(&work.coordinates[a * kLanes + v * kF32]);
                out.near[v] = add_gap<fold>(out.near[v], larger(f32v{}, larger(low - y, y - high)), p);
            }
        }
    };
    auto needed = [&](const Bound &at) {
        unsigned bits = 0;
        for (int v = 0; v < kVectors; v++)
            bits |= at_most(at.near[v], load<f32v>(&work.box_limits[v * kF32])) << (v * kF32);
        return bits;
    };
    unsigned open = 0;
    for (const std::size_t i : work.open) {
        open |= 1u << i;
        scan_group<fold>(work, &i, 1, work.home[i]);
        work.collectors[i].tighten();
    }
    for (std::size_t i = queries; i < kLanes; i++) work.box_limits[i] = -1;

    Bound stack[64];
    std::size_t depth = 0;
    bound(0, stack[depth++]);
    while (depth) {
        Bound at = stack[--depth];
        unsigned who = needed(at) & open;
        while (who && !tree_.is_leaf(at.node)) {
            Bound far;
            const std::size_t node = at.node;
            bound(2 * node + 1, at);
            bound(2 * node + 2, far);
            unsigned nearer = 0;
            for (int v = 0; v < kVectors; v++) nearer |= at_most(at.near[v], far.near[v]) << (v * kF32);
            if (2 * __builtin_popcount(nearer & who) < __builtin_popcount(who)) std::swap(at, far);
            if (needed(far) & open) stack[depth++] = far;
            who = needed(at) & open;
        }
        if (!who) continue;
        const std::size_t leaf = tree_.leaf(at.node);
        std::size_t list[kLanes], count = 0;
        for (; who; who &= who - 1) {
            const std::size_t i = __builtin_ctz(who);
            if (work.home[i] != leaf) list[count++] = i;
        }
        scan_group<fold>(work, list, count, leaf);
    }
}

// Calls take(query, neighbours) for each query.
template <class Take>
void NearestIndex::search(const double *Q, std::size_t queries, Wanted wanted, int threads, Take take) const {
    const std::size_t d = searched_.X.d, n = searched_.X.n;
    std::vector<std::size_t> order(queries);
    std::iota(order.begin(), order.end(), std::size_t(0));
    const double work_each = is_tree_ ? 64.0 * double(d + 8) * 16 : double(n) * double(d + 2);
    threads = int(std::clamp(double(queries) * work_each / kThreadWork, 1.0, double(std::max(1, threads))));
    if (is_tree_ && groups_ && queries > kLanes) {  // neighbours in the tree walk together
        std::vector<std::size_t> home(queries);
        parallel_for((queries + kBlock - 1) / kBlock, threads, [&](std::size_t block, int) {
            std::vector<double> scaled(d);
            float axes[kAxes];
            for (std::size_t i = block * kBlock; i < std::min(queries, (block + 1) * kBlock); i++) {
                for (std::size_t c = 0; c < d; c++) scaled[c] = frame_.place(Q[i * d + c], c);
                tree_.axes().project(scaled.data(), axes);
                home[i] = tree_.home(axes);
            }
        });
        std::sort(order.begin(), order.end(),
                  [&](std::size_t a, std::size_t b) { return home[a] < home[b] || (home[a] == home[b] && a < b); });
    }
    std::size_t block = kLanes;
    if (!is_tree_) {
        const std::size_t held = std::max<std::size_t>(1, kCandidateBytes / (48 * (wanted.k + kGroup)));
        const std::size_t shared = (queries + 4 * threads - 1) / std::size_t(4 * threads);
        block = std::clamp((shared + kTile - 1) / kTile * kTile, std::size_t(kTile),
                           std::min(kBlock, std::max<std::size_t>(kTile, held)));
    }
    std::vector<std::unique_ptr<Workspace>> workspaces(threads);
    parallel_for((queries + block - 1) / block, threads, [&](std::size_t task, int thread) {
        if (!workspaces[thread]) workspaces[thread] = std::make_unique<Workspace>(block, d);
        Workspace &work = *workspaces[thread];
        const std::size_t first = task * block, count = std::min(block, queries - first);
        start(work, Q, &order[first], count, wanted);
        auto run = [&]<Fold fold>() {
            if (is_tree_)
                search_tree<fold>(work, count);
            else
                search_brute<fold>(work, count, 0, groups_);
        };
        if (groups_ && !work.open.empty()) switch (searched_.bounds.fold()) {
                case Fold::product:
                    run.template operator()<Fold::product>();
                    break;
                case Fold::squares:
                    run.template operator()<Fold::squares>();
                    break;
                case Fold::magnitudes:
                    run.template operator()<Fold::magnitudes>();
                    break;
                case Fold::largest:
                    run.template operator()<Fold::largest>();
                    break;
                case Fold::powers:
                    run.template operator()<Fold::powers>();
                    break;
            }
        for (std::size_t i = 0; i < count; i++) {
            const std::size_t query = order[first + i];
            if (!work.screened[i]) work.collectors[i].scan_all();
            take(query, work.collectors[i].finish());
        }
    });
}

void NearestIndex::nearest(const double *Q, std::size_t queries, std::size_t k, double *distances,
                           std::int64_t *indices, int threads) const {
    const bool cosine = searched_.distance.metric == Metric::cosine;
    const std::size_t d = searched_.X.d;
    search(Q, queries, {k, 0}, threads, [&](std::size_t query, const std::vector<Neighbour> &found) {
        const bool zero = cosine && is_zero(Q + query * d, d);  // at distance 1 from every row
        for (std::size_t i = 0; i < k; i++) {
            distances[query * k + i] = zero ? 1.0 : found[i].first;
            indices[query * k + i] = zero ? std::int64_t(i) : found[i].second;
        }
    });
}

Found NearestIndex::within(const double *Q, std::size_t queries, double radius, int threads) const {
    const bool cosine = searched_.distance.metric == Metric::cosine;
    const std::size_t n = searched_.X.n, d = searched_.X.d;
    std::vector<std::vector<Neighbour>> near(queries);
    search(Q, queries, {0, radius}, threads, [&](std::size_t query, const std::vector<Neighbour> &found) {
        if (cosine && is_zero(Q + query * d, d)) {
            for (std::size_t i = 0; radius >= 1 && i < n; i++) near[query].push_back({1.0, std::int64_t(i)});
        } else {
            near[query] = found;
        }
    });
    Found found;
    for (const auto &row : near) {
        found.counts.push_back(std::int64_t(row.size()));
        for (const auto &[distance, index] : row) {
            found.distances.push_back(distance);
            found.indices.push_back(index);
        }
    }
    return found;
}

}  // namespace rmodels::RMODELS_ISA
