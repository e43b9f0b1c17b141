#include "ops/span/native.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <stdexcept>

#include "native/threads.hpp"
#include "ops/connect/union.hpp"
#include "ops/nearest/lanes.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSlab = 4096;     // points that a task looks up
constexpr std::size_t kTogether = 512;  // places in a tree that the points of a block may be apart

Edge edge_of(double weight, double distance, std::uint32_t a, std::uint32_t b) {
    return {weight, distance, std::min(a, b), std::max(a, b)};
}

}  // namespace

// One thread's block.
struct Spanning::Work : Lanes {
    std::size_t home = 0;                      // group of the first lane
    std::array<std::uint32_t, kGroup> points;  // of the lanes
    std::array<std::uint32_t, kGroup> components;
    std::array<double, kGroup> most;  // what an edge may weigh
    std::array<QuerySize, kGroup> sizes;
    double heaviest;  // of the open lanes

    using Lanes::Lanes;
};

Spanning::Spanning(const NearestIndex &index, double alpha, std::size_t noted)
    : index_(&index),
      alpha_(alpha),
      n_(index.searched().X.n),
      noted_(noted),
      components_(n_),
      places_(n_),
      component_(n_),
      cores_(n_),
      floors_(n_, 0.0),
      others_(n_),
      known_(n_),
      near_(n_ * noted),
      distances_(n_ * noted),
      groups_(index.groups()),
      nodes_(index.tree() ? index.tree()->nodes() : 0) {
    std::iota(component_.begin(), component_.end(), std::uint32_t(0));
    for (std::size_t point = 0; point < n_; point++) places_[row(point)] = std::uint32_t(point);
    edges_.reserve(n_ - 1);
}

std::uint32_t Spanning::row(std::size_t point) const {
    const std::vector<std::uint32_t> &rows = index_->searched().rows;
    return point < rows.size() ? rows[point] : index_->searched().zeros[point - rows.size()];
}

double Spanning::weigh(double distance, double a, double b) const { return std::max({distance / alpha_, a, b}); }

// A distance that no edge of a weight exceeds: division and product are each rounded.
double Spanning::reach(double weight) const {
    if (alpha_ == 1) return weight;
    return weight * alpha_ * (1 + 0x1p-50) + 4 * std::numeric_limits<double>::denorm_min();
}

void Spanning::note(std::size_t first, std::size_t rows, std::size_t width, const double *distances,
                    const std::int64_t *indices, const double *cores) {
    for (std::size_t i = 0; i < rows; i++) {
        const std::size_t point = places_[first + i];
        cores_[point] = cores[i];
        for (std::size_t k = 0; k < noted_; k++) {
            near_[point * noted_ + k] = places_[std::size_t(indices[i * width + k])];
            distances_[point * noted_ + k] = distances[i * width + k];
        }
        const double last = distances[i * width + noted_ - 1];
        others_[point] = noted_ == n_ ? kInfinity : std::max(last / alpha_, cores[i]);
    }
}

// Keeps an edge if it is the least of a component so far.
bool Spanning::offer(std::uint32_t component, std::uint32_t other, const Edge &edge) {
    if (edge.weight > best(component)) return false;
    const std::lock_guard<std::mutex> hold(locks_[component % locks_.size()]);
    Best &found = bests_[component];
    if (!(edge < found.edge)) return false;
    found = {edge, component, other};
    weights_[component].store(edge.weight, std::memory_order_relaxed);
    return true;
}

void Spanning::summarise(int threads) {
    const std::size_t grouped = index_->searched().rows.size();
    parallel_for(groups_.size(), threads, [&](std::size_t g, int) {
        Shared all{component_[g * kGroup], kInfinity};
        for (std::size_t i = g * kGroup; i < std::min(grouped, (g + 1) * kGroup); i++) {
            if (component_[i] != all.component) all.component = Shared::kMixed;
            all.core = std::min(all.core, cores_[i]);
        }
        groups_[g] = all;
    });
    const Tree *tree = index_->tree();
    for (std::size_t node = nodes_.size(); node-- > 0;) {
        if (!tree->is_there(node)) continue;
        if (tree->is_leaf(node)) {
            nodes_[node] = groups_[tree->leaf(node)];
            continue;
        }
        const Shared &a = nodes_[2 * node + 1], &b = nodes_[2 * node + 2];
        nodes_[node] = {a.component == b.component ? a.component : Shared::kMixed, std::min(a.core, b.core)};
    }
}

// Offers the least edge to a noted neighbour. If none that is not noted can be less, it is the point's least.
void Spanning::look_up(std::size_t point) {
    const std::uint32_t mine = component_[point], self = row(point);
    Edge least;
    std::uint32_t other = 0;
    for (std::size_t k = 0; k < noted_; k++) {
        const std::uint32_t near = near_[point * noted_ + k];
        if (component_[near] == mine) continue;
        const double distance = distances_[point * noted_ + k];
        const Edge edge = edge_of(weigh(distance, cores_[point], cores_[near]), distance, self, row(near));
        if (edge < least) {
            least = edge;
            other = component_[near];
        }
        if (edge.weight <= cores_[point]) break;  // those that follow are no nearer
    }
    if (least.low != Edge::kNone) offer(mine, other, least);
    // one that weighs as much as those that are not noted is nearer, or has the lesser row
    known_[point] = least.low != Edge::kNone && least.weight <= others_[point];
    floors_[point] = std::max(floors_[point], known_[point] ? least.weight : others_[point]);
}

// Offers the edges of rows of zeros, whose distance from all is 1: of each component the least.
void Spanning::offer_zeros() {
    const std::size_t grouped = index_->searched().rows.size();
    if (grouped == n_) return;
    const double base = std::max(1 / alpha_, cores_[grouped]);  // that of every row of zeros
    struct End {
        double weight = kInfinity;
        std::uint32_t row = Edge::kNone, component = Edge::kNone;
        bool operator<(const End &other) const { return std::tie(weight, row) < std::tie(other.weight, other.row); }
    };
    // The least of all, and the least of those in another component.
    struct Least {
        End first, second;
        void add(const End &end) {
            if (end < first) {
                if (end.component != first.component) second = first;
                first = end;
            } else if (end.component != first.component && end < second) {
                second = end;
            }
        }
        const End &beside(std::uint32_t component) const { return first.component == component ? second : first; }
    };
    Least any, zero;
    std::vector<End> own(components_), own_zeros(components_);
    for (std::size_t point = 0; point < n_; point++) {
        const End end{std::max(base, cores_[point]), row(point), component_[point]};
        any.add(end);
        own[end.component] = std::min(own[end.component], end);
        if (point < grouped) continue;
        zero.add(end);
        own_zeros[end.component] = std::min(own_zeros[end.component], end);
    }
    auto pair = [&](const End &a, const End &b) {
        if (a.row == Edge::kNone || b.row == Edge::kNone) return;
        offer(a.component, b.component, edge_of(std::max(a.weight, b.weight), 1.0, a.row, b.row));
    };
    for (std::uint32_t component = 0; component < components_; component++) {
        pair(own[component], zero.beside(component));
        pair(own_zeros[component], any.beside(component));
    }
}

std::size_t Spanning::begin(int threads) {
    places_ = {};
    std::vector<std::uint32_t> sizes(components_);
    for (const std::uint32_t component : component_) sizes[component]++;
    main_ = std::size_t(std::max_element(sizes.begin(), sizes.end()) - sizes.begin());
    summarise(threads);
    bests_.assign(components_, {});
    weights_ = std::make_unique<std::atomic<double>[]>(components_);
    for (std::size_t c = 0; c < components_; c++) weights_[c].store(kInfinity, std::memory_order_relaxed);
    parallel_for((n_ + kSlab - 1) / kSlab, threads, [&](std::size_t slab, int) {
        for (std::size_t point = slab * kSlab; point < std::min(n_, (slab + 1) * kSlab); point++)
            if (component_[point] != main_) look_up(point);
    });
    offer_zeros();
    const std::size_t grouped = index_->searched().rows.size(), apart = index_->tree() ? kTogether : n_;
    wanted_.clear();
    blocks_.clear();
    for (std::uint32_t point = 0; point < grouped; point++) {
        if (component_[point] == main_ || known_[point] || floors_[point] > best(component_[point])) continue;
        if (blocks_.empty() || wanted_.size() - blocks_.back() == kGroup || point - wanted_[blocks_.back()] >= apart)
            blocks_.push_back(wanted_.size());
        wanted_.push_back(point);
    }
    return blocks_.size();
}

// Sets the limits of a lane by what an edge may weigh.
void Spanning::limit(Work &work, std::size_t lane, double weight) const {
    const Bounds &bounds = index_->searched().bounds;
    const double far = bounds.reach(reach(weight));
    const bool screens = !(work.unscreened >> lane & 1);
    work.most[lane] = weight;
    work.limits[lane] = bounds.limit(work.sizes[lane], far);
    work.box_limits[lane] = screens ? bounds.box_limit(work.sizes[lane], far) : std::numeric_limits<float>::infinity();
}

void Spanning::limit_box(Work &work) const {
    work.box_limit = -std::numeric_limits<float>::infinity();
    work.heaviest = 0;
    for (std::uint64_t bits = work.open; bits; bits &= bits - 1) {
        const std::size_t lane = std::size_t(std::countr_zero(bits));
        work.box_limit = std::max(work.box_limit, work.box_limits[lane]);
        work.heaviest = std::max(work.heaviest, work.most[lane]);
    }
}

// Makes queries of the points of a block whose least edge may be that of their component.
void Spanning::open(Work &work, std::size_t block) {
    const std::size_t begin = blocks_[block], end = block + 1 < blocks_.size() ? blocks_[block + 1] : wanted_.size();
    const Tree *tree = index_->tree();
    work.clear(tree ? tree->axes().count() : 0);
    for (std::size_t i = begin; i < end; i++) {
        const std::size_t lane = i - begin;
        const std::uint32_t point = wanted_[i], component = component_[point];
        const double weight = best(component);
        if (floors_[point] > weight) continue;
        if (!work.open) work.home = point / kGroup;
        work.points[lane] = point;
        work.components[lane] = component;
        work.sizes[lane] = work.ask(*index_, lane, point);
        limit(work, lane, weight);
    }
    limit_box(work);
}

// Whether some lane can find a lesser edge among points with something in common.
bool Spanning::concerns(const Work &work, const Shared &shared) const {
    if (shared.core > work.heaviest) return false;
    if (shared.component == Shared::kMixed) return true;
    for (std::uint64_t bits = work.open; bits; bits &= bits - 1)
        if (work.components[std::size_t(std::countr_zero(bits))] != shared.component) return true;
    return false;
}

template <Fold fold>
void Spanning::walk_from(Work &work) {
    walk<fold>(
        *index_, work, work.home, [&](std::size_t node) { return concerns(work, nodes_[node]); },
        [&](std::size_t group, std::uint64_t near) {
            const Shared &shared = groups_[group];
            std::uint64_t who = 0;
            bool changed = false;
            for (std::uint64_t bits = near; bits; bits &= bits - 1) {
                const std::size_t lane = std::size_t(std::countr_zero(bits));
                if (shared.component == work.components[lane]) continue;
                const double weight = best(work.components[lane]);
                if (weight < work.most[lane]) {  // others have found less
                    limit(work, lane, weight);
                    changed = true;
                }
                if (floors_[work.points[lane]] > weight)
                    work.open &= ~(std::uint64_t(1) << lane);
                else if (shared.core <= weight)
                    who |= std::uint64_t(1) << lane;
            }
            if (who) visit<fold>(work, group, who);
            if (who || changed) limit_box(work);
        });
}

template <Fold fold>
void Spanning::visit(Work &work, std::size_t group, std::uint64_t who) {
    for (std::uint64_t bits = who & work.unscreened; bits; bits &= bits - 1)
        take(work, std::size_t(std::countr_zero(bits)), group, ~std::uint64_t(0));
    std::uint64_t near[kTile] = {};
    work.score<fold>(
        *index_, group, who & ~work.unscreened,
        [&](std::size_t m, std::size_t lane, std::size_t offset, const float *scores) {
            for (std::size_t v = 0; v < kTilePoints; v += kF32)
                near[m] |= std::uint64_t(at_most(load<f32v>(scores + v), broadcast(work.limits[lane]))) << (offset + v);
        },
        [&](std::size_t m, std::size_t lane) {
            if (near[m]) take(work, lane, group, near[m]);
            near[m] = 0;
        });
}

// Offers the edges of a lane to points of a group, as bits.
void Spanning::take(Work &work, std::size_t lane, std::size_t group, std::uint64_t near) {
    const Searched &searched = index_->searched();
    const std::uint32_t first = std::uint32_t(group * kGroup), point = work.points[lane];
    const std::uint32_t mine = work.components[lane];
    const double most = best(mine);
    std::uint32_t points[kGroup], rows[kGroup];
    double distances[kGroup];
    std::size_t count = 0;
    for (std::uint64_t bits = near & bits_below(searched.rows.size() - first); bits; bits &= bits - 1) {
        const std::uint32_t other = first + std::uint32_t(std::countr_zero(bits));
        if (component_[other] == mine || cores_[other] > most) continue;
        rows[count] = searched.rows[other];
        points[count++] = other;
    }
    if (count == 0) return;
    searched.distance.distances(searched.X, rows, count, work.queries.data() + lane * searched.X.d, distances);
    bool found = false;
    for (std::size_t i = 0; i < count; i++) {
        const double weight = weigh(distances[i], cores_[point], cores_[points[i]]);
        found |= offer(mine, component_[points[i]], edge_of(weight, distances[i], searched.rows[point], rows[i]));
    }
    if (!found) return;
    const double less = best(mine);
    for (std::uint64_t bits = work.open; bits; bits &= bits - 1) {
        const std::size_t other = std::size_t(std::countr_zero(bits));
        if (work.components[other] == mine && less < work.most[other]) limit(work, other, less);
    }
}

void Spanning::search(std::size_t first, std::size_t last, int threads) {
    std::vector<std::unique_ptr<Work>> works(std::max(1, threads));
    parallel_for(last - first, threads, [&](std::size_t block, int thread) {
        if (!works[thread]) works[thread] = std::make_unique<Work>(*index_);
        Work &work = *works[thread];
        open(work, first + block);
        if (!work.open) return;
        const std::uint64_t asked = work.open;
        with_fold(index_->searched().bounds.fold(), [&]<Fold fold>() { walk_from<fold>(work); });
        // what was left out weighs more than the least edge did then
        for (std::uint64_t bits = asked; bits; bits &= bits - 1) {
            const std::size_t lane = std::size_t(std::countr_zero(bits));
            double &floor = floors_[work.points[lane]];
            floor = std::max(floor, best(work.components[lane]));
        }
    });
}

void Spanning::join() {
    Union sets(components_);
    for (std::size_t component = 0; component < components_; component++) {
        if (component == main_) continue;
        const Best &best = bests_[component];
        if (best.edge.low == Edge::kNone) throw std::logic_error("a component has no edge to another");
        if (sets.find(best.from) == sets.find(best.to)) continue;  // the other has taken the same
        sets.join(best.from, best.to);
        edges_.push_back(best.edge);
    }
    std::vector<std::uint32_t> numbers(components_);
    std::uint32_t count = 0;
    for (std::uint32_t component = 0; component < components_; component++)  // a set is known by its least
        numbers[component] = sets.find(component) == component ? count++ : numbers[sets.find(component)];
    for (std::uint32_t &component : component_) component = numbers[component];
    components_ = count;
}

void Spanning::finish(std::int64_t *ends, double *weights) {
    std::sort(edges_.begin(), edges_.end());
    for (std::size_t i = 0; i < edges_.size(); i++) {
        ends[2 * i] = edges_[i].low;
        ends[2 * i + 1] = edges_[i].high;
        weights[i] = edges_[i].weight;
    }
}

}  // namespace rmodels::RMODELS_ISA
