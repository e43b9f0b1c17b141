#include "ops/nearest/index.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include "native/threads.hpp"
#include "ops/nearest/fold_trial.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kLanes = 64;                 // queries that walk the tree together
constexpr std::size_t kBlock = 240;                // queries that share a pass over the groups, at most
constexpr std::size_t kPanelBytes = 384 << 10;     // of groups that stay in the second-level cache
constexpr std::size_t kCandidateBytes = 32 << 20;  // of what a thread's queries have found
constexpr std::size_t kSeedGroups = 16;            // whose scores are kept until they tell a query's limit
constexpr std::size_t kSample = 16384;             // of points, to find out with more features, at most
constexpr std::size_t kSampleValues = 1 << 20;
constexpr std::size_t kTrials = 32;  // queries for that
constexpr std::size_t kTrialNeighbours = 5;
constexpr double kPays = 0.5;          // share of the groups that a query may scan in a tree
constexpr double kThreadWork = 1e6;    // multiply-adds worth another thread
constexpr double kThreadValues = 1e5;  // packed, too

// How many threads it pays to pack points with.
int threads_worth(const Points &X, int most) {
    return int(std::clamp(double(X.n) * double(X.d + 4) / kThreadValues, 1.0, double(std::max(1, most))));
}

bool is_zero(const double *row, std::size_t d) {
    return std::all_of(row, row + d, [](double value) { return value == 0; });
}

}  // namespace

// One thread's queries.
struct NearestIndex::Workspace {
    std::vector<double> scaled;
    std::vector<std::int16_t> pairs;
    std::vector<float> queries;      // (block, steps), as the tile wants them
    std::vector<float> factors;      // pairs: -2 times what a unit of the integers stands for
    std::vector<float> coordinates;  // tree: (axes, kLanes)
    std::vector<float> limits, box_limits;
    std::vector<std::size_t> home;  // tree: leaf that a query has seen first
    std::vector<char> screened;     // whether scores say anything
    std::vector<std::size_t> open;  // queries that are screened
    std::vector<Collector> collectors;
    std::size_t room;          // for the candidates of a collector
    Floats candidates;         // (block, room)
    Floats scratch;            // of all collectors
    std::vector<float> seeds;  // brute: scores of the first points for each query of a tile
    std::size_t scans = 0;

    Workspace(std::size_t block, std::size_t d, Wanted wanted)
        : scaled(d),
          pairs(d + 1),
          queries(block * d),
          factors(block),
          coordinates(kAxes * kLanes),
          limits(block),
          box_limits(std::max(block, kLanes)),  // read by whole vectors
          home(block),
          screened(block),
          collectors(block),
          room(Collector::memory(wanted)),
          candidates(block * room),
          scratch(Collector::shared_memory(wanted)),
          seeds(kTile * kSeedGroups * kGroup) {}
};

NearestIndex::NearestIndex(const Points &X, const std::string &metric, double p, const std::string &algorithm,
                           int most_threads)
    : frame_(make_frame(X, threads_worth(X, most_threads))),
      searched_{X, Distance(metric, p), Bounds(Distance(metric, p), X.d, frame_.exponent, frame_.largest), {}, {}} {
    if (X.n >= std::numeric_limits<std::uint32_t>::max())
        throw std::length_error("an index holds fewer than 2**32 points");
    const int threads = threads_worth(X, most_threads);
    const bool cosine = searched_.distance.metric == Metric::cosine;
    std::vector<std::uint32_t> &rows = searched_.rows;
    rows.resize(X.n);
    std::iota(rows.begin(), rows.end(), std::uint32_t(0));
    if (cosine) {
        const auto directed = std::stable_partition(rows.begin(), rows.end(), [&](std::uint32_t i) {
            return !X.typed(
                [&](auto *x) { return std::all_of(x + i * X.d, x + (i + 1) * X.d, [](auto v) { return v == 0; }); });
        });
        searched_.zeros.assign(directed, rows.end());
        rows.erase(directed, rows.end());
    }
    const bool euclidean = cosine || searched_.distance.metric == Metric::euclidean;
    is_tree_ = X.d > 0 && (algorithm == "tree" || (algorithm == "auto" && tree_pays(X, metric, p, threads)));
    std::optional<Floats> packed;
    if (is_tree_) tree_ = Tree(X, frame_, euclidean, rows, threads, packed);

    // The cheapest screening that leaves few points open: products of integers, of float32, or differences.
    const Fold first = searched_.bounds.fold();
    std::vector<Fold> folds{first};
    if (first == Fold::product) {
        if (kPairs) folds.insert(folds.begin(), Fold::pairs);
        folds.push_back(Fold::squares);
    }
    std::optional<FoldTrial> trial;
    if (folds.size() > 1 && rows.size() > kFewPoints && frame_.before == 1)  // else distances may overflow
        trial.emplace(searched_, frame_, is_tree_ ? &tree_ : nullptr);
    for (const Fold fold : folds) {
        searched_.bounds.screen_by(fold);
        if (!trial || fold == folds.back() || !trial->too_coarse(searched_.bounds)) break;
    }
    pack_all(threads, packed);
}

// packed: the groups as differences want them, if they are packed.
void NearestIndex::pack_all(int threads, std::optional<Floats> &packed) {
    const std::size_t n = searched_.rows.size(), d = searched_.X.d;
    steps_ = searched_.bounds.fold() == Fold::pairs ? (d + 1) / 2 : d;
    groups_ = (n + kGroup - 1) / kGroup;
    slack_.assign(groups_, 0.0f);
    scales_.assign(groups_, 1.0f);
    norms_ = Floats(groups_ * kGroup);
    packed_ = Floats();  // before there is another
    if (packed && !searched_.bounds.has_norms()) {
        packed_ = std::move(*packed);
        return;
    }
    packed_ = Floats(groups_ * kGroup * steps_);
    parallel_for(groups_, threads, [&](std::size_t g, int) { pack(g, std::min(kGroup, n - g * kGroup)); });
}

void NearestIndex::pack(std::size_t g, std::size_t count) {
    const Points &X = searched_.X;
    const Bounds &bounds = searched_.bounds;
    const std::uint32_t *rows = &searched_.rows[g * kGroup];
    constexpr float inf = std::numeric_limits<float>::infinity();
    float *points = packed_.data() + g * kGroup * steps_;
    double squares[kGroup] = {}, lost[kGroup] = {};
    if (bounds.fold() == Fold::pairs)
        scales_[g] = float(1 / pack_pairs(X, frame_, rows, count, points, squares, lost));
    else
        pack_group(X, frame_, rows, count, bounds.has_norms() ? 0.0f : inf, points);
    if (!bounds.has_norms()) return;
    if (bounds.fold() == Fold::product)
        for (std::size_t c = 0; c < X.d; c++)
            for (std::size_t j = 0; j < kGroup; j++)
                squares[j] += double(points[c * kGroup + j]) * points[c * kGroup + j];
    double most = 0;
    for (std::size_t j = 0; j < kGroup; j++) {
        const double lowering = bounds.lowering(squares[j], lost[j]);
        norms_.data()[g * kGroup + j] = j < count ? float(squares[j] - lowering) : inf;
        most = std::max(most, lowering);
    }
    slack_[g] = float(2.0001 * most);
}

// Tried with trees over samples, the larger four times the size of the smaller, and the share of the groups that a
// query scans extrapolated by the power law through both.
bool NearestIndex::tree_pays(const Points &X, const std::string &metric, double p, int threads) {
    if (!tree_needs_sample(X.n, X.d)) return tree_pays_by_shape(X.n, X.d);
    auto share = [&](std::size_t size) {
        return X.typed([&](auto *x) {
            using Real = std::remove_const_t<std::remove_pointer_t<decltype(x)>>;
            std::vector<Real> sample(size * X.d);
            for (std::size_t i = 0; i < size; i++) std::copy_n(x + X.n * i / size * X.d, X.d, sample.data() + i * X.d);
            std::vector<double> queries(kTrials * X.d);
            for (std::size_t i = 0; i < kTrials; i++)  // between the rows of the sample
                std::copy_n(x + (X.n * i / kTrials + X.n / size / 2) * X.d, X.d, queries.data() + i * X.d);
            Points points{nullptr, nullptr, size, X.d};
            if constexpr (std::is_same_v<Real, float>)
                points.singles = sample.data();
            else
                points.doubles = sample.data();
            const NearestIndex trial(points, metric, p, "tree", threads);
            const std::size_t scans =
                trial.search(queries.data(), kTrials, {kTrialNeighbours, 0}, threads, [](std::size_t, const auto &) {});
            return double(scans) / double(kTrials * std::max<std::size_t>(1, trial.groups_));
        });
    };
    const std::size_t size = std::min(X.n, std::clamp(kSampleValues / X.d, kSample / 8, kSample));
    const double larger = share(size);
    if (size == X.n || larger < kPays) return larger < kPays;
    auto extrapolated = [&](double smaller) {
        return larger * std::pow(double(X.n) / double(size), std::log(larger / smaller) / std::log(4.0));
    };
    return extrapolated(1.0) < kPays && extrapolated(share(size / 4)) < kPays;  // no share is above 1
}

QuerySize NearestIndex::round(const double *scaled, std::int16_t *pairs, float *out, float &factor) const {
    const std::size_t d = searched_.X.d;
    QuerySize size{0, 0, 0};
    for (std::size_t c = 0; c < d; c++) {
        size.square += scaled[c] * scaled[c];
        size.largest = std::max(size.largest, std::fabs(scaled[c]));
    }
    if (searched_.bounds.fold() == Fold::pairs) {
        if (!(size.square < 0x1p120)) return size;
        const double scale = pairs_scale(std::sqrt(size.square), size.largest, d);
        size.lost = round_to_pairs(scaled, d, scale, pairs).lost;
        std::memcpy(out, pairs, steps_ * sizeof(float));
        factor = float(-2 / scale);
        return size;
    }
    const bool product = searched_.bounds.fold() == Fold::product;
    size.square = 0;
    for (std::size_t c = 0; c < d; c++) {
        const float value = float(scaled[c]);
        size.square += double(value) * value;
        out[c] = product ? -2 * value : value;
    }
    return size;
}

void NearestIndex::start(Workspace &work, const double *Q, const std::size_t *who, std::size_t queries,
                         const std::vector<std::size_t> &home, Wanted wanted) const {
    const std::size_t d = searched_.X.d;
    work.open.clear();
    for (std::size_t i = 0; i < queries; i++) {
        const double *q = Q + who[i] * d;
        for (std::size_t c = 0; c < d; c++) work.scaled[c] = frame_.place(q[c], c);
        const QuerySize size =
            round(work.scaled.data(), work.pairs.data(), work.queries.data() + i * steps_, work.factors[i]);
        work.collectors[i].start(searched_, wanted, q, size, &work.limits[i], &work.box_limits[i],
                                 work.candidates.data() + i * work.room, work.scratch.data());
        work.screened[i] = searched_.bounds.screens(size);
        if (work.screened[i]) work.open.push_back(i);
        if (is_tree_ && groups_) {
            float axes[kAxes];
            tree_.axes().project(work.scaled.data(), axes);
            work.home[i] = home[who[i]];
            for (std::size_t a = 0; a < tree_.axes().count(); a++) work.coordinates[a * kLanes + i] = axes[a];
        }
    }
}

template <Fold fold, class Hit>
void NearestIndex::for_scores_of(const Workspace &work, const std::size_t *who, std::size_t queries,
                                 std::size_t first_group, std::size_t last_group, const float *limits, Hit hit) const {
    const float *rows[kTile];
    float factors[kTile];
    for (std::size_t m = 0; m < queries; m++) {
        rows[m] = work.queries.data() + who[m] * steps_;
        factors[m] = work.factors[who[m]];
    }
    for_scores<fold>(rows, factors, queries, first_group, last_group, limits, hit);
}

// Scans groups for at most kTile queries.
template <Fold fold>
void NearestIndex::scan_groups(Workspace &work, const std::size_t *who, std::size_t queries, std::size_t first_group,
                               std::size_t last_group) const {
    const std::size_t n = searched_.rows.size();
    float limits[kTile];
    for (std::size_t m = 0; m < queries; m++) limits[m] = work.limits[who[m]];
    for_scores_of<fold>(work, who, queries, first_group, last_group, limits,
                        [&](int m, std::size_t g, std::size_t offset, const float *scores) {
                            const std::size_t position = g * kGroup + offset;
                            if (position >= n) return;
                            work.collectors[who[m]].collect(scores, std::uint32_t(position),
                                                            std::min(kTilePoints, n - position), slack_[g]);
                            limits[m] = work.limits[who[m]];
                        });
}

// Scans the first groups for at most kTile queries: all scores are kept until their least ones tell the limits.
template <Fold fold>
void NearestIndex::seed_groups(Workspace &work, const std::size_t *who, std::size_t queries, std::size_t first_group,
                               std::size_t last_group) const {
    float limits[kTile];
    std::fill(limits, limits + kTile, std::numeric_limits<float>::infinity());
    for_scores_of<fold>(work, who, queries, first_group, last_group, limits,
                        [&](int m, std::size_t g, std::size_t offset, const float *scores) {
                            float *to = work.seeds.data() + (m * kSeedGroups + g - first_group) * kGroup + offset;
                            for (std::size_t v = 0; v < kTilePoints; v += kF32) store(to + v, load<f32v>(scores + v));
                        });
    const std::size_t first = first_group * kGroup, last = std::min(searched_.rows.size(), last_group * kGroup);
    for (std::size_t m = 0; m < queries; m++)
        work.collectors[who[m]].seed(work.seeds.data() + m * kSeedGroups * kGroup, std::uint32_t(first), last - first,
                                     slack_.data() + first_group);
}

template <Fold fold>
void NearestIndex::search_brute(Workspace &work, std::size_t first, std::size_t last) const {
    const std::size_t bytes = kGroup * sizeof(float) * std::max<std::size_t>(1, steps_);
    const std::size_t panel = std::max<std::size_t>(1, kPanelBytes / bytes), count = work.open.size();
    auto for_tiles = [&](auto &&body) {
        for (std::size_t i = 0; i < count; i += kTile) body(&work.open[i], std::min<std::size_t>(kTile, count - i));
    };
    const std::size_t seeded = std::min(last, first + kSeedGroups);
    for_tiles(
        [&](const std::size_t *who, std::size_t queries) { seed_groups<fold>(work, who, queries, first, seeded); });
    for (first = seeded; first < last; first += panel)
        for_tiles([&](const std::size_t *who, std::size_t queries) {
            scan_groups<fold>(work, who, queries, first, std::min(last, first + panel));
        });
}

// All queries of a block walk together: a node is entered if any of them needs it.
template <Fold fold>
void NearestIndex::search_tree(Workspace &work) const {
    const std::size_t axes = tree_.axes().count();
    const int p = searched_.bounds.power();
    std::uint64_t open = 0;
    for (const std::size_t i : work.open) {
        open |= std::uint64_t(1) << i;
        scan_groups<fold>(work, &i, 1, work.home[i], work.home[i] + 1);
        work.collectors[i].tighten();
    }
    const std::size_t lanes = work.open.back() + 1;
    struct Bound {
        std::size_t node;
        std::uint64_t who;   // the queries that its parent concerned
        float near[kLanes];  // score of each of them to the node's box
    };
    // Looks at the boxes of two children for some of the queries.
    auto bound = [&](std::size_t node, std::uint64_t who, Bound &first, Bound &second) {
        first.node = node;
        second.node = node + 1;
        const float *box = tree_.box(node), *next = tree_.box(node + 1);
        for (std::size_t i = 0; i < lanes; i += kF32) {
            if (!(who >> i & ((std::uint64_t(1) << kF32) - 1))) continue;
            const float *coordinates = work.coordinates.data() + i;
            f32v a{}, b{};
            for (std::size_t axis = 0; axis < axes; axis++) {
                const f32v y = load<f32v>(coordinates + axis * kLanes);
                a = add_gap_to<fold>(a, y, box[2 * axis], box[2 * axis + 1], p);
                b = add_gap_to<fold>(b, y, next[2 * axis], next[2 * axis + 1], p);
            }
            store(first.near + i, a);
            store(second.near + i, b);
        }
    };
    // Those of some queries whose lane of a is at most that of b.
    auto within = [&](std::uint64_t who, const float *a, const float *b) {
        std::uint64_t bits = 0;
        for (std::size_t i = 0; i < lanes; i += kF32)
            bits |= std::uint64_t(at_most(load<f32v>(a + i), load<f32v>(b + i))) << i;
        return bits & who;
    };
    Bound stack[64];
    std::size_t depth = 0;
    stack[depth++] = {0, open, {}};
    while (depth) {
        Bound &at = stack[--depth];
        std::uint64_t who = within(at.who, at.near, work.box_limits.data());
        if (!who) continue;
        if (!tree_.is_leaf(at.node)) {  // the child that is nearer to most goes on top
            const std::size_t node = at.node;
            Bound &far = stack[depth], &near = stack[depth + 1];
            bound(2 * node + 1, who, far, near);
            far.who = near.who = who;
            if (2 * std::popcount(within(who, far.near, near.near)) > std::popcount(who)) std::swap(far, near);
            depth += 2;
            continue;
        }
        const std::size_t leaf = tree_.leaf(at.node);
        std::size_t list[kLanes], count = 0;
        for (; who; who &= who - 1) {
            const std::size_t i = std::countr_zero(who);
            list[count] = i;
            count += work.home[i] != leaf;
        }
        for (std::size_t i = 0; i < count; i += kTile)
            scan_groups<fold>(work, list + i, std::min<std::size_t>(kTile, count - i), leaf, leaf + 1);
        work.scans += count;
    }
    work.scans += work.open.size();
}

// The order in which queries are taken: along the tree, so that neighbours walk it together.
NearestIndex::Walk NearestIndex::plan(const double *Q, std::size_t queries, int threads) const {
    Walk walk{std::vector<std::size_t>(queries), {}};
    std::iota(walk.order.begin(), walk.order.end(), std::size_t(0));
    if (!is_tree_ || groups_ == 0) return walk;
    walk.home.resize(queries);
    const std::size_t d = searched_.X.d;
    parallel_for((queries + kBlock - 1) / kBlock, threads, [&](std::size_t block, int) {
        std::vector<double> scaled(d);
        float axes[kAxes];
        for (std::size_t i = block * kBlock; i < std::min(queries, (block + 1) * kBlock); i++) {
            for (std::size_t c = 0; c < d; c++) scaled[c] = frame_.place(Q[i * d + c], c);
            tree_.axes().project(scaled.data(), axes);
            walk.home[i] = tree_.home(axes);
        }
    });
    if (queries <= kLanes) return walk;
    std::vector<std::size_t> next(groups_ + 1);
    for (const std::size_t leaf : walk.home) next[leaf + 1]++;
    std::partial_sum(next.begin(), next.end(), next.begin());
    for (std::size_t i = 0; i < queries; i++) walk.order[next[walk.home[i]]++] = i;
    return walk;
}

// Calls take(query, neighbours) for each query, on any thread.
template <class Take>
std::size_t NearestIndex::search(const double *Q, std::size_t queries, Wanted wanted, int threads, Take take) const {
    const std::size_t d = searched_.X.d;
    const double each = double(is_tree_ ? std::min<std::size_t>(groups_, 16) : groups_) * double(kGroup * (d + 4));
    const double most = std::max(1.0, each * double(queries) / kThreadWork);
    threads = int(std::min(most, double(std::max(1, threads))));
    const Walk walk = plan(Q, queries, threads);
    const std::vector<std::size_t> &order = walk.order;

    // As many queries in a block as a thread's share of memory holds the candidates of.
    const std::size_t held =
        std::clamp<std::size_t>(kCandidateBytes / (48 * (wanted.k + kGroup)), 1, is_tree_ ? kLanes : kBlock);
    std::size_t block = held, spans = 1;
    if (!is_tree_) {  // equal blocks, a whole number of them for each thread
        const std::size_t rounds = (queries + held * threads - 1) / (held * threads);
        block = (queries + rounds * threads - 1) / (rounds * threads);
        block = std::min((block + kTile - 1) / kTile * kTile, held);
        const std::size_t blocks = (queries + block - 1) / block;
        if (blocks < std::size_t(threads)) spans = std::min<std::size_t>(groups_, (threads + blocks - 1) / blocks);
    }
    const std::size_t blocks = (queries + block - 1) / block;
    std::vector<std::unique_ptr<Workspace>> workspaces(threads);
    std::vector<std::vector<Neighbour>> parts(spans > 1 ? spans * queries : 0);  // (spans, queries)
    std::atomic<std::size_t> scans{0};
    parallel_for(blocks * spans, threads, [&](std::size_t task, int thread) {
        if (!workspaces[thread]) workspaces[thread] = std::make_unique<Workspace>(block, d, wanted);
        Workspace &work = *workspaces[thread];
        const std::size_t begin = task / spans * block, count = std::min(block, queries - begin), span = task % spans;
        const std::size_t first = groups_ * span / spans, last = groups_ * (span + 1) / spans;
        start(work, Q, &order[begin], count, walk.home, wanted);
        work.scans = 0;
        auto run = [&]<Fold fold>() { is_tree_ ? search_tree<fold>(work) : search_brute<fold>(work, first, last); };
        if (first < last && !work.open.empty()) with_fold(searched_.bounds.fold(), run);
        for (std::size_t i = 0; i < count; i++) {
            if (!work.screened[i])
                work.collectors[i].scan(first * kGroup, std::min(searched_.rows.size(), last * kGroup));
            const std::vector<Neighbour> &found = work.collectors[i].finish(span == 0);
            if (spans > 1)
                parts[span * queries + order[begin + i]] = found;
            else
                take(order[begin + i], found);
        }
        scans += work.scans;
    });
    if (spans > 1)
        for (std::size_t i = 0; i < queries; i++) {
            std::vector<Neighbour> &found = parts[i];
            for (std::size_t span = 1; span < spans; span++)
                found.insert(found.end(), parts[span * queries + i].begin(), parts[span * queries + i].end());
            std::sort(found.begin(), found.end());
            take(i, found);
        }
    return scans;
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
    return Found(near);
}

}  // namespace rmodels::RMODELS_ISA
