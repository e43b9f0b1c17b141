#include "ops/connect/native.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>

#include "native/threads.hpp"
#include "ops/nearest/lanes.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSampled = 1024;  // cores that tell which component is large
constexpr std::int32_t kUnlabelled = std::numeric_limits<std::int32_t>::max();

}  // namespace

// One thread's block: its points are queries, a lane each.
struct Connection::Work : Lanes {
    std::size_t group;  // whose points they are
    std::array<float, kGroup> sures;
    std::array<std::uint32_t, kGroup> roots;  // join: of the sets that they were in when last looked at
    std::array<double, kGroup> sums, magnitudes, counts;
    std::array<std::int32_t, kGroup> best;

    using Lanes::Lanes;
};

Connection::Connection(const NearestIndex &index, double radius, double enough, const double *weights, bool exact)
    : index_(&index),
      radius_(radius),
      enough_(enough),
      weights_(weights),
      exact_(exact),
      positive_(true),
      states_(index.searched().X.n),
      cores_(index.groups()),
      noted_(index.searched().X.n * kNoted),
      notes_(index.searched().X.n),
      groups_(index.groups()),
      nodes_(index.tree() ? index.tree()->nodes() : 0),
      sets_(index.searched().X.n) {
    const Searched &searched = index.searched();
    const std::size_t n = searched.X.n, grouped = searched.rows.size();
    if (weights) positive_ = std::all_of(weights, weights + n, [](double w) { return w >= 0; });
    const double most = index.frame().largest, square = double(searched.X.d) * most * most;
    fixed_ = limits_of({square, most, std::sqrt(square)});  // as no point exceeds
    if (const Tree *tree = index.tree()) {
        leaves_.resize(index.groups());
        for (std::size_t node = 0; node < tree->nodes(); node++)
            if (tree->is_there(node) && tree->is_leaf(node)) leaves_[tree->leaf(node)] = std::uint32_t(node);
    }
    if (searched.zeros.empty()) return;
    if (radius < 1) {  // rows of zeros are alone
        for (std::size_t i = grouped; i < n; i++) settle(i, weight(i), std::fabs(weight(i)), 1);
        return;
    }
    double sum = 0, magnitude = 0;
    for (std::size_t i = n; i-- > 0;) {
        sum += weight(i);
        magnitude += std::fabs(weight(i));
        if (i == grouped) zeros_sum_ = sum, zeros_magnitude_ = magnitude;
    }
    zeros_ = double(n - grouped);
    for (std::size_t i = grouped; i < n; i++) settle(i, sum, magnitude, double(n));
}

Connection::Limits Connection::limits_of(const QuerySize &size) const {
    const Bounds &bounds = index_->searched().bounds;
    const double reach = bounds.reach(radius_);
    return {bounds.limit(size, reach), bounds.sure_limit(size, radius_), bounds.box_limit(size, reach),
            bounds.screens(size)};
}

std::uint32_t Connection::row(std::size_t i) const {
    const std::vector<std::uint32_t> &rows = index_->searched().rows;
    return i < rows.size() ? rows[i] : index_->searched().zeros[i - rows.size()];
}

double Connection::weight(std::size_t i) const { return weights_ ? weights_[row(i)] : 1.0; }

// How far a rounded sum of weights can be from the exact one, itself rounded.
double Connection::bound(double magnitude, double count) const {
    return exact_ ? 0 : (count + 2) * 0x1p-52 * magnitude;
}

// Says of a point whether the weights of all its neighbours are enough.
void Connection::settle(std::size_t i, double sum, double magnitude, double count) {
    const bool sure = exact_ || std::fabs(sum - enough_) > bound(magnitude, count);
    states_[i] = !sure ? kDoubtful : sum >= enough_ ? kCore : kOther;
}

std::vector<std::int64_t> Connection::doubtful() const {
    std::vector<std::int64_t> rows;
    for (std::size_t i = 0; i < states_.size(); i++)
        if (states_[i] == kDoubtful) rows.push_back(std::int64_t(row(i)));
    return rows;
}

void Connection::decide(const bool *core) {
    for (State &state : states_)
        if (state == kDoubtful) state = *core++ ? kCore : kOther;
}

void Connection::seed(int threads) {
    const std::size_t n = states_.size(), grouped = index_->searched().rows.size();
    parallel_for(cores_.size(), threads, [&](std::size_t g, int) {
        cores_[g] = 0;
        for (std::size_t i = g * kGroup; i < std::min(grouped, (g + 1) * kGroup); i++) {
            if (states_[i] != kCore) continue;
            cores_[g] |= std::uint64_t(1) << (i % kGroup);
            const std::uint32_t *noted = &noted_[i * kNoted];
            for (std::size_t k = 0; k < std::min<std::size_t>(notes_[i], kNoted); k++)
                if (states_[noted[k]] == kCore) sets_.join(std::uint32_t(i), noted[k]);
        }
    });
    if (zeros_ > 0 && states_[grouped] == kCore)  // all or none of the rows of zeros are
        for (std::size_t i = 0; i < n; i++)
            if (states_[i] == kCore) sets_.join(std::uint32_t(grouped), std::uint32_t(i));
    std::vector<std::uint32_t> roots;
    for (std::size_t i = 0; i < kSampled; i++)
        if (states_[n * i / kSampled] == kCore) roots.push_back(sets_.find(std::uint32_t(n * i / kSampled)));
    std::sort(roots.begin(), roots.end());
    for (std::size_t i = 0, most = 0; i < roots.size();) {
        const std::size_t same = std::upper_bound(roots.begin(), roots.end(), roots[i]) - roots.begin() - i;
        if (same > most) main_ = roots[i];
        most = std::max(most, same);
        i += same;
    }
}

void Connection::number(std::int64_t *labels, bool *core) {
    const std::size_t n = states_.size(), grouped = index_->searched().rows.size();
    labels_.assign(n, -1);
    for (std::size_t i = 0; i < n; i++) {
        core[row(i)] = states_[i] == kCore;
        labels[row(i)] = core[row(i)] ? std::int64_t(sets_.find(std::uint32_t(i))) : -1;
    }
    std::int32_t components = 0;
    for (std::size_t r = 0; r < n; r++) {  // in the order of the rows
        if (labels[r] < 0) continue;
        std::int32_t &label = labels_[std::size_t(labels[r])];
        if (label < 0) label = components++;
        labels[r] = label;
    }
    for (std::size_t i = 0; i < n; i++) labels_[i] = std::int32_t(labels[row(i)]);
    if (zeros_ == 0 || components == 0) return;
    const bool all = states_[grouped] == kCore;
    for (std::size_t i = all ? 0 : grouped; i < n; i++) labels[row(i)] = labels_[i] = 0;
}

Connection::Shared Connection::combine(const Union &sets, const Shared &a, const Shared &b) {
    Shared both{a.point, std::min(a.least, b.least)};
    if (a.point == Shared::kNone)
        both.point = b.point;
    else if (b.point != Shared::kNone &&
             (a.point == Shared::kMixed || b.point == Shared::kMixed || sets.find(a.point) != sets.find(b.point)))
        both.point = Shared::kMixed;
    return both;
}

Connection::Shared Connection::look(std::size_t group) const {
    Shared found{Shared::kNone, kUnlabelled};
    for (std::uint64_t bits = cores_[group]; bits; bits &= bits - 1) {
        const std::size_t i = group * kGroup + std::size_t(std::countr_zero(bits));
        found = combine(sets_, found, {std::uint32_t(i), labels_.empty() ? kUnlabelled : labels_[i]});
    }
    return found;
}

void Connection::summarise(int threads) {
    parallel_for(groups_.size(), threads, [&](std::size_t g, int) { groups_[g] = look(g); });
    const Tree *tree = index_->tree();
    for (std::size_t node = nodes_.size(); node-- > 0;) {
        if (!tree->is_there(node)) continue;
        nodes_[node] = tree->is_leaf(node) ? groups_[tree->leaf(node)]
                                           : combine(sets_, nodes_[2 * node + 1], nodes_[2 * node + 2]);
    }
}

// The open lanes that points with something in common can tell something new.
template <Connection::Phase phase>
std::uint64_t Connection::concerned(const Work &work, const Shared &shared) const {
    if (phase == Phase::count) return work.open;
    if (shared.point == Shared::kNone) return 0;
    if (phase == Phase::join && shared.point == Shared::kMixed) return work.open;
    const std::uint32_t root = phase == Phase::join ? sets_.find(shared.point) : 0;
    std::uint64_t who = 0;
    for (std::uint64_t bits = work.open; bits; bits &= bits - 1) {
        const std::size_t lane = std::size_t(std::countr_zero(bits));
        const bool news = phase == Phase::join ? work.roots[lane] != root : shared.least < work.best[lane];
        who |= std::uint64_t(news) << lane;
    }
    return who;
}

// Takes a neighbour of a lane's point in; returns whether the lane may look for more.
template <Connection::Phase phase>
bool Connection::accept(Work &work, std::size_t lane, std::uint32_t point) {
    const std::size_t mine = work.group * kGroup + lane;
    if constexpr (phase == Phase::count) {
        if (notes_[mine] < kNoted) noted_[mine * kNoted + notes_[mine]] = point;
        notes_[mine] = std::uint8_t(std::min<std::size_t>(notes_[mine] + 1u, kNoted + 1));
        work.sums[lane] += weight(point);
        if (exact_ && positive_) return work.sums[lane] < enough_;
        work.magnitudes[lane] += std::fabs(weight(point));
        work.counts[lane] += 1;
        return !(positive_ && work.sums[lane] - bound(work.magnitudes[lane], work.counts[lane]) >= enough_);
    } else if constexpr (phase == Phase::join) {
        sets_.join(std::uint32_t(mine), point);
        work.roots[lane] = sets_.find(std::uint32_t(mine));
        return work.roots[lane] != sets_.find(main_);
    } else {
        work.best[lane] = std::min(work.best[lane], labels_[point]);
        return work.best[lane] > 0;
    }
}

// Looks at points of a group, as bits: near if the scores leave open that they are neighbours, sure if they are.
template <Connection::Phase phase>
void Connection::take(Work &work, std::size_t lane, std::size_t group, std::uint64_t near, std::uint64_t sure) {
    const Searched &searched = index_->searched();
    const std::uint32_t first = std::uint32_t(group * kGroup);
    near &= phase == Phase::count ? bits_below(searched.rows.size() - first) : cores_[group];
    if (group == work.group) near &= ~(std::uint64_t(1) << lane);
    auto news = [&](std::uint32_t point) {
        if (phase == Phase::join) return sets_.find(point) != (work.roots[lane] = sets_.find(work.roots[lane]));
        return phase != Phase::label || labels_[point] < work.best[lane];
    };
    auto look = [&](std::uint32_t point) {
        if (news(point) && !accept<phase>(work, lane, point)) work.open &= ~(std::uint64_t(1) << lane);
        return work.open >> lane & 1;
    };
    for (std::uint64_t bits = near & sure; bits; bits &= bits - 1)
        if (!look(first + std::uint32_t(std::countr_zero(bits)))) return;
    std::uint32_t points[kGroup], rows[kGroup];
    double distances[kGroup];
    std::size_t count = 0;
    for (std::uint64_t bits = near & ~sure; bits; bits &= bits - 1) {
        const std::uint32_t point = first + std::uint32_t(std::countr_zero(bits));
        if (!news(point)) continue;
        rows[count] = searched.rows[point];
        points[count++] = point;
    }
    searched.distance.distances(searched.X, rows, count, work.queries.data() + lane * searched.X.d, distances);
    for (std::size_t i = 0; i < count; i++)
        if (distances[i] <= radius_ && !look(points[i])) return;
}

template <Fold fold, Connection::Phase phase>
void Connection::visit(Work &work, std::size_t group, std::uint64_t who) {
    for (std::uint64_t bits = who & work.unscreened; bits; bits &= bits - 1)
        take<phase>(work, std::size_t(std::countr_zero(bits)), group, ~std::uint64_t(0), 0);
    const f32v slack = broadcast(index_->slack(group));
    std::uint64_t near[kTile] = {}, sure[kTile] = {};
    work.score<fold>(
        *index_, group, who & ~work.unscreened,
        [&](std::size_t m, std::size_t lane, std::size_t offset, const float *scores) {
            const f32v limit = broadcast(work.limits[lane]), surely = broadcast(work.sures[lane]);
            for (std::size_t v = 0; v < kTilePoints; v += kF32) {
                const f32v score = load<f32v>(scores + v);
                near[m] |= std::uint64_t(at_most(score, limit)) << (offset + v);
                sure[m] |= std::uint64_t(at_most(score + slack, surely)) << (offset + v);
            }
        },
        [&](std::size_t m, std::size_t lane) {
            if (near[m]) take<phase>(work, lane, group, near[m], sure[m]);
            near[m] = sure[m] = 0;
        });
}

// Whether cores of a group, all of one component, may be neighbours of cores of another.
template <Fold fold>
bool Connection::meets_others(std::size_t group) const {
    const Tree &tree = *index_->tree();
    const float *box = tree.box(leaves_[group]);
    const std::uint32_t root = sets_.find(groups_[group].point);
    if (root == sets_.find(main_)) return false;
    std::size_t stack[64], depth = 0;
    stack[depth++] = 0;
    while (depth) {
        const std::size_t node = stack[--depth];
        const std::uint32_t point = nodes_[node].point;
        if (point == Shared::kNone || (point != Shared::kMixed && sets_.find(point) == root)) continue;
        if (box_gap<fold>(box, tree.box(node), tree.axes().count(), index_->searched().bounds.power()) > fixed_.box)
            continue;
        if (tree.is_leaf(node)) return true;
        stack[depth++] = 2 * node + 1;
        stack[depth++] = 2 * node + 2;
    }
    return false;
}

// Visits the groups that may hold neighbours of the open lanes, their own first.
template <Fold fold, Connection::Phase phase>
void Connection::search(Work &work) {
    walk<fold>(
        *index_, work, work.group,
        [&](std::size_t node) { return phase == Phase::count || concerned<phase>(work, nodes_[node]); },
        [&](std::size_t group, std::uint64_t near) {
            if (phase == Phase::join && groups_[group].point < Shared::kMixed)
                for (std::uint64_t bits = near & work.open; bits; bits &= bits - 1) {
                    std::uint32_t &root = work.roots[std::size_t(std::countr_zero(bits))];
                    root = sets_.find(root);
                }
            const std::uint64_t who = near & concerned<phase>(work, groups_[group]);
            if (who) visit<fold, phase>(work, group, who);
        });
}

// Makes queries of the points of a block that look for something; returns whether there are some.
template <Connection::Phase phase>
bool Connection::open(Work &work) const {
    const Searched &searched = index_->searched();
    const Tree *tree = index_->tree();
    const std::size_t first = work.group * kGroup, n = std::min(kGroup, searched.rows.size() - first);
    const std::uint32_t main = phase == Phase::join ? sets_.find(main_) : 0;
    work.clear(tree ? tree->axes().count() : 0);
    for (std::size_t i = 0; i < n; i++) {
        const std::size_t point = first + i;
        if constexpr (phase == Phase::count) {
            work.sums[i] = weight(point) + zeros_sum_;
            work.magnitudes[i] = std::fabs(weight(point)) + zeros_magnitude_;
            work.counts[i] = 1 + zeros_;
            // nothing of those with negative weights can be left out
            if (positive_ && work.sums[i] - bound(work.magnitudes[i], work.counts[i]) >= enough_) continue;
        } else if constexpr (phase == Phase::join) {
            if (states_[point] != kCore) continue;
            work.roots[i] = sets_.find(std::uint32_t(point));
            if (work.roots[i] == main) continue;
        } else {
            work.best[i] = kUnlabelled;
            if (states_[point] == kCore) continue;
            const std::uint32_t *noted = &noted_[point * kNoted];
            for (std::size_t k = 0; k < std::min<std::size_t>(notes_[point], kNoted); k++)
                if (states_[noted[k]] == kCore) work.best[i] = std::min(work.best[i], labels_[noted[k]]);
            if (notes_[point] <= kNoted || work.best[i] == 0) continue;
        }
        const QuerySize size = work.ask(*index_, i, point);
        const Limits limits = searched.bounds.has_norms() ? limits_of(size) : fixed_;
        work.limits[i] = limits.near;
        work.sures[i] = limits.sure;
        work.box_limits[i] = limits.screens ? fixed_.box : std::numeric_limits<float>::infinity();
        work.box_limit = std::max(work.box_limit, work.box_limits[i]);
    }
    return work.open != 0;
}

// Keeps what was found of a block.
template <Connection::Phase phase>
void Connection::close(Work &work, std::int64_t *labels) {
    const std::size_t first = work.group * kGroup, n = index_->searched().rows.size();
    for (std::size_t i = 0; i < std::min(kGroup, n - first); i++) {
        if constexpr (phase == Phase::count) settle(first + i, work.sums[i], work.magnitudes[i], work.counts[i]);
        if constexpr (phase == Phase::label)
            if (states_[first + i] != kCore && work.best[i] != kUnlabelled) labels[row(first + i)] = work.best[i];
    }
}

template <Connection::Phase phase>
void Connection::run(std::size_t first, std::size_t last, std::int64_t *labels, int threads) {
    if (phase != Phase::count) summarise(threads);
    std::vector<std::unique_ptr<Work>> works(std::max(1, threads));
    parallel_for(last - first, threads, [&](std::size_t block, int thread) {
        if (!works[thread]) works[thread] = std::make_unique<Work>(*index_);
        Work &work = *works[thread];
        work.group = first + block;
        with_fold(index_->searched().bounds.fold(), [&]<Fold fold>() {
            const bool uniform = phase == Phase::join && leaves_.size() && groups_[work.group].point < Shared::kMixed;
            if (uniform && fixed_.screens && !meets_others<fold>(work.group)) return;
            if (open<phase>(work)) search<fold, phase>(work);
        });
        close<phase>(work, labels);
    });
}

void Connection::count(std::size_t first, std::size_t last, int threads) {
    run<Phase::count>(first, last, nullptr, threads);
}

void Connection::join(std::size_t first, std::size_t last, int threads) {
    run<Phase::join>(first, last, nullptr, threads);
}

void Connection::label(std::size_t first, std::size_t last, std::int64_t *labels, int threads) {
    run<Phase::label>(first, last, labels, threads);
}

}  // namespace rmodels::RMODELS_ISA
