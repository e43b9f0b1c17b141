#include "ops/kernel_sums/native.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>

#include "native/functions.hpp"
#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kLanes = 64;                 // queries that walk the tree together
constexpr std::size_t kSpan = 4096;                // leaves that are summed up by one task, at most
constexpr int kTogether = 4;                       // vectors of points whose kernels are computed side by side
constexpr double kSlack = 1 + 0x1p-40;             // for bounds that are not those of the distances bit by bit
constexpr double kNegligible = 54;                 // bits below a sum, from which on all that is left is left out
constexpr double kThreadWork = 1e5;                // kernels worth another thread
constexpr double kHalfTurn = 0x1.921fb54442d18p0;  // π / 2
static_assert(kGroup % (kTogether * kF64) == 0);

// Calls a function for each lane.
template <class Function>
f64v by_lanes(f64v v, Function function) {
    for (int lane = 0; lane < kF64; lane++) v[lane] = function(v[lane]);
    return v;
}

// Adds a gap to a sum as Distance does, but for the root at the end.
template <Fold fold>
f64v add_distance(f64v sum, f64v gap, const Distance &metric) {
    if constexpr (fold == Fold::squares) return sum + gap * gap;
    gap = magnitude(gap);
    if constexpr (fold == Fold::magnitudes) return sum + gap;
    if constexpr (fold == Fold::largest) return larger(sum, gap);
    if (!metric.whole) return sum + by_lanes(gap, [&](double x) { return std::pow(x, metric.p); });
    f64v product = gap;
    for (int i = 1; i < metric.whole; i++) product *= gap;
    return sum + product;
}

template <Fold fold>
f64v rooted(f64v sum, const Distance &metric) {
    if constexpr (fold == Fold::squares) return square_root(sum);
    if constexpr (fold != Fold::powers) return sum;
    return by_lanes(sum, [&](double s) { return metric.whole ? root(s, metric.whole) : std::pow(s, 1 / metric.p); });
}

template <Fold fold>
double raised(double distance, const Distance &metric) {
    if constexpr (fold == Fold::squares) return distance * distance;
    if constexpr (fold == Fold::powers) return std::pow(distance, metric.p);
    return distance;
}

// sin x of x from 0 to π / 2, by its series to x^21 / 21!
f64v sine(f64v x) {
    constexpr double kFactors[] = {-1.0 / 121645100408832000,
                                   1.0 / 355687428096000,
                                   -1.0 / 1307674368000,
                                   1.0 / 6227020800,
                                   -1.0 / 39916800,
                                   1.0 / 362880,
                                   -1.0 / 5040,
                                   1.0 / 120,
                                   -1.0 / 6};
    const f64v square = x * x;
    f64v sum = broadcast(1.0 / 51090942171709440000.0);
    for (double factor : kFactors) sum = fma(sum, square, broadcast(factor));
    return fma(sum * square, x, x);
}

}  // namespace

Kernel kernel_named(const std::string &name) {
    constexpr const char *kNames[] = {"gaussian", "tophat", "epanechnikov", "exponential", "linear", "cosine"};
    for (int i = 0; i < 6; i++)
        if (name == kNames[i]) return Kernel(i);
    throw std::invalid_argument("no kernel " + name);
}

struct KernelSums::Terms {
    const Distance *metric;
    double bandwidth, inverse, half;  // h, 1 / h, 1 / (2 h²)
    double edge;                      // compact kernels: sums of gaps from here on give 0
    double absolute, relative, weight;
    bool opens_less;  // whether boxes may be settled before their points are looked at

    // A kernel of distances, given as sums of gaps, times exp(reference).
    template <Kernel kernel, Fold fold>
    f64v weigh(f64v sum, f64v reference) const {
        const f64v zero{};
        if constexpr (kernel == Kernel::gaussian) {
            f64v square = sum;
            if constexpr (fold != Fold::squares) {
                const f64v distance = rooted<fold>(sum, *metric);
                square = distance * distance;
            }
            return exp(smaller((reference - square) * broadcast(half), zero));
        } else if constexpr (kernel == Kernel::tophat && fold == Fold::squares) {
            return sum < broadcast(edge) ? broadcast(1.0) : zero;
        } else {
            const f64v distance = rooted<fold>(sum, *metric);
            if constexpr (kernel == Kernel::exponential)
                return exp(smaller((reference - distance) * broadcast(inverse), zero));
            const f64v gap = broadcast(bandwidth) - distance, share = gap * broadcast(inverse);
            f64v found = broadcast(1.0);
            if constexpr (kernel == Kernel::epanechnikov)
                found = share * ((broadcast(bandwidth) + distance) * broadcast(inverse));
            if constexpr (kernel == Kernel::linear) found = share;
            if constexpr (kernel == Kernel::cosine) found = sine(share * broadcast(kHalfTurn));
            return zero < gap ? found : zero;
        }
    }

    // What the exponents of the kernel are measured from, of a sum of gaps.
    template <Kernel kernel, Fold fold>
    double refer(double sum) const {
        if constexpr (kernel == Kernel::gaussian && fold == Fold::squares) return sum;
        const double distance = rooted<fold>(broadcast(sum), *metric)[0];
        if constexpr (kernel == Kernel::gaussian) return distance * distance;
        return kernel == Kernel::exponential ? distance : 0.0;
    }

    template <Kernel kernel>
    double exponent(double reference) const {
        return kernel == Kernel::gaussian ? reference * half : kernel == Kernel::exponential ? reference * inverse : 0;
    }

    // The sum of gaps from which on all points together are negligible.
    template <Kernel kernel, Fold fold>
    double limit(double reference, double weight_near) const {
        if constexpr (kernel != Kernel::gaussian && kernel != Kernel::exponential) return edge;
        const double beyond = std::log(weight) - std::log(weight_near) + kNegligible * 0x1.62e42fefa39efp-1;
        if constexpr (kernel == Kernel::gaussian) {
            const double square = reference + beyond / half;
            return kSlack * (fold == Fold::squares ? square : raised<fold>(std::sqrt(square), *metric));
        }
        return kSlack * raised<fold>(reference + beyond / inverse, *metric);
    }
};

// One thread's queries.
struct KernelSums::Work {
    std::size_t queries;
    std::uint64_t open;
    std::vector<double> rows;     // (kLanes, d)
    std::vector<double> columns;  // (d, kLanes)
    std::array<double, kLanes> references{}, limits{};
    std::array<double, kLanes> budgets{};  // by how much the kernel of a point may be wrong
    std::array<Partial, kLanes> sums;

    explicit Work(std::size_t d) : rows(kLanes * d), columns(kLanes * d) {}
};

// Adds without a loss, but for the rounding of what is lost.
void KernelSums::Partial::add(double value) {
    const double total = sum + value, added = total - sum;
    rest += (sum - (total - added)) + (value - added);
    sum = total;
}

KernelSums::KernelSums(const NearestIndex &index, const double *weights, int threads)
    : index_(&index), d_(index.searched().X.d) {
    const Searched &searched = index.searched();
    const Tree *tree = index.tree();
    if (!tree) throw std::invalid_argument("sums need a tree");
    const std::size_t n = searched.rows.size(), groups = index.groups(), d = d_;
    points_.resize(groups * d * kGroup);
    weights_.assign(groups * kGroup, 0.0);
    places_.resize(n);
    boxes_.resize(tree->nodes() * 2 * d);
    node_weights_.assign(tree->nodes(), 0.0);
    is_point_.assign(tree->nodes(), 0);
    parallel_for(groups, threads, [&](std::size_t g, int) {
        double *group = points_.data() + g * d * kGroup;
        for (std::size_t j = 0; j < kGroup; j++) {
            const std::size_t place = std::min(g * kGroup + j, n - 1);
            const std::uint32_t row = searched.rows[place];
            searched.X.typed([&](auto *x) {
                for (std::size_t c = 0; c < d; c++) group[c * kGroup + j] = double(x[row * d + c]);
            });
            if (place != g * kGroup + j) continue;
            places_[row] = std::uint32_t(place);
            weights_[place] = weights ? weights[row] : 1.0;
        }
    });
    for (std::size_t node = tree->nodes(); node-- > 0;) {
        if (!tree->is_there(node)) continue;
        double *box = boxes_.data() + node * 2 * d;
        if (tree->is_leaf(node)) {
            const std::size_t g = tree->leaf(node);
            for (std::size_t c = 0; c < d; c++) {
                const double *values = points_.data() + (g * d + c) * kGroup;
                const auto [low, high] = std::minmax_element(values, values + kGroup);
                box[2 * c] = *low;
                box[2 * c + 1] = *high;
            }
            for (std::size_t j = 0; j < kGroup; j++) node_weights_[node] += weights_[g * kGroup + j];
        } else {
            const double *a = boxes_.data() + (2 * node + 1) * 2 * d, *b = a + 2 * d;
            for (std::size_t i = 0; i < 2 * d; i += 2) {
                box[i] = std::min(a[i], b[i]);
                box[i + 1] = std::max(a[i + 1], b[i + 1]);
            }
            node_weights_[node] = node_weights_[2 * node + 1] + node_weights_[2 * node + 2];
        }
        is_point_[node] = 1;
        for (std::size_t i = 0; i < 2 * d; i += 2) is_point_[node] &= box[i] == box[i + 1];
    }
    // The least nodes with few enough leaves: depth first, so that their points are in order.
    const std::size_t levels = std::size_t(std::bit_width((groups + kSpan - 1) / kSpan - 1));
    std::vector<std::size_t> stack{0};
    while (!stack.empty()) {
        const std::size_t node = stack.back();
        stack.pop_back();
        if (tree->is_leaf(node) || std::size_t(std::bit_width(node + 1)) > levels) {
            spans_.push_back(node);
            continue;
        }
        stack.push_back(2 * node + 2);
        stack.push_back(2 * node + 1);
    }
}

template <Fold fold>
KernelSums::Terms KernelSums::terms_of(const Smoothing &how) const {
    const Distance &metric = index_->searched().distance;
    const double h = how.bandwidth;
    double edge = kSlack * raised<fold>(h, metric);
    if constexpr (fold == Fold::squares) {  // the least sum whose root is not below h
        edge = h * h;
        while (std::sqrt(edge) >= h) edge = std::nextafter(edge, 0.0);
        while (std::sqrt(edge) < h) edge = std::nextafter(edge, kInfinity);
    } else if constexpr (fold != Fold::powers) {
        edge = h;
    }
    const bool tolerant = how.absolute > 0 || how.relative > 0;
    return {&metric,
            h,
            1 / h,
            0.5 / (h * h),
            edge,
            how.absolute,
            how.relative,
            node_weights_[0],
            tolerant || how.kernel == Kernel::tophat};
}

// Makes lanes of some queries.
template <Kernel kernel, Fold fold>
void KernelSums::open(Work &work, const Terms &terms, const double *Q, const std::int64_t *near, const std::size_t *who,
                      std::size_t queries) const {
    work.queries = queries;
    work.open = 0;
    work.limits.fill(-kInfinity);
    for (std::size_t i = 0; i < queries; i++) {
        const double *q = Q + who[i] * d_;
        const std::size_t place = places_[std::size_t(near[who[i]])];
        const double *nearest = points_.data() + place / kGroup * d_ * kGroup + place % kGroup;
        f64v gaps{};
        for (std::size_t c = 0; c < d_; c++) {
            work.rows[i * d_ + c] = work.columns[c * kLanes + i] = q[c];
            gaps = add_distance<fold>(gaps, broadcast(nearest[c * kGroup] - q[c]), *terms.metric);
        }
        work.sums[i] = {};
        work.references[i] = terms.refer<kernel, fold>(gaps[0]);
        const double most = terms.weigh<kernel, fold>(gaps, broadcast(work.references[i]))[0];
        if (!(terms.exponent<kernel>(work.references[i]) < kInfinity) || most == 0) continue;  // too far away
        work.open |= std::uint64_t(1) << i;
        const double least = weights_[place] * most;  // of the sum
        work.limits[i] = terms.limit<kernel, fold>(work.references[i], weights_[place]);
        const double absolute =
            terms.absolute > 0 ? terms.absolute * std::exp(terms.exponent<kernel>(work.references[i])) : 0.0;
        work.budgets[i] = (absolute + 0.5 * terms.relative * least) / terms.weight;
    }
}

// Adds a node to the sums of those lanes for which all of its points are alike; returns the others that it matters to.
// A kernel between a and b is taken to be their mean: wrong by at most half of a - b, for each of the weights. Over all
// nodes this is at most the budgets and half of the relative tolerance of the sum.
template <Kernel kernel, Fold fold>
std::uint64_t KernelSums::settle(Work &work, const Terms &terms, std::size_t node, std::uint64_t who) const {
    const double *box = boxes_.data() + node * 2 * d_;
    const Distance &metric = *terms.metric;
    const bool rounds = fold == Fold::powers && !metric.whole;  // whose powers need not grow with the gaps
    const bool settles = terms.opens_less || is_point_[node];
    std::uint64_t left = 0;
    for (std::size_t i = 0; i < kLanes; i += kF64) {
        unsigned lanes = unsigned(who >> i) & ((1u << kF64) - 1);
        if (!lanes) continue;
        f64v near{}, far{};
        for (std::size_t c = 0; c < d_; c++) {
            const f64v q = load<f64v>(work.columns.data() + c * kLanes + i);
            const f64v below = broadcast(box[2 * c]) - q, above = q - broadcast(box[2 * c + 1]);
            near = add_distance<fold>(near, larger(f64v{}, larger(below, above)), metric);
            if (settles) far = add_distance<fold>(far, larger(-below, -above), metric);
        }
        if (rounds) near *= broadcast(1 / kSlack), far *= broadcast(kSlack);
        lanes &= ~at_most(load<f64v>(work.limits.data() + i), near);
        if (settles && lanes) {
            const f64v reference = load<f64v>(work.references.data() + i);
            const f64v most = terms.weigh<kernel, fold>(near, reference),
                       least = terms.weigh<kernel, fold>(far, reference);
            const f64v half = broadcast(0.5);
            const f64v allowed = load<f64v>(work.budgets.data() + i) + half * broadcast(terms.relative) * least;
            const unsigned settled = lanes & at_most(half * (most - least), allowed);
            const f64v mean = half * (most + least);
            for (unsigned bits = settled; bits; bits &= bits - 1) {
                const int lane = std::countr_zero(bits);
                work.sums[i + std::size_t(lane)].add(node_weights_[node] * mean[lane]);
            }
            lanes &= ~settled;
        }
        left |= std::uint64_t(lanes) << i;
    }
    return left;
}

// Σ w K over a group.
template <Kernel kernel, Fold fold>
double KernelSums::sum_group(const double *query, double reference, const Terms &terms, std::size_t group) const {
    const double *points = points_.data() + group * d_ * kGroup, *weights = weights_.data() + group * kGroup;
    const f64v refer = broadcast(reference);
    f64v total{};
    for (std::size_t first = 0; first < kGroup; first += kTogether * kF64) {
        f64v sums[kTogether] = {};
        for (std::size_t c = 0; c < d_; c++) {
            const f64v q = broadcast(query[c]);
#pragma GCC unroll 4
            for (int v = 0; v < kTogether; v++)
                sums[v] =
                    add_distance<fold>(sums[v], load<f64v>(points + c * kGroup + first + v * kF64) - q, *terms.metric);
        }
#pragma GCC unroll 4
        for (int v = 0; v < kTogether; v++) sums[v] = terms.weigh<kernel, fold>(sums[v], refer);
        for (int v = 0; v < kTogether; v++) total = fma(load<f64v>(weights + first + v * kF64), sums[v], total);
    }
    double sum = 0;
    for (int lane = 0; lane < kF64; lane++) sum += total[lane];
    return sum;
}

// Adds what is below a node to the sums of the open lanes, in the order of the points: no lane's depends on another's.
template <Kernel kernel, Fold fold>
void KernelSums::walk(Work &work, const Terms &terms, std::size_t node) const {
    const Tree &tree = *index_->tree();
    struct Entry {
        std::size_t node;
        std::uint64_t who;
    };
    Entry stack[64];
    std::size_t depth = 0;
    stack[depth++] = {node, work.open};
    while (depth) {
        const Entry at = stack[--depth];
        std::uint64_t who = settle<kernel, fold>(work, terms, at.node, at.who);
        if (!who) continue;
        if (!tree.is_leaf(at.node)) {
            stack[depth++] = {2 * at.node + 2, who};
            stack[depth++] = {2 * at.node + 1, who};
            continue;
        }
        const std::size_t group = tree.leaf(at.node);
        for (; who; who &= who - 1) {
            const std::size_t i = std::size_t(std::countr_zero(who));
            work.sums[i].add(sum_group<kernel, fold>(work.rows.data() + i * d_, work.references[i], terms, group));
        }
    }
}

template <Kernel kernel, Fold fold>
void KernelSums::sum_all(const double *Q, std::size_t queries, const std::int64_t *near, const Terms &terms,
                         double *found, int threads) const {
    // Queries near each other walk together.
    std::vector<std::size_t> order(queries);
    std::iota(order.begin(), order.end(), std::size_t(0));
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        const std::uint32_t first = places_[std::size_t(near[a])], second = places_[std::size_t(near[b])];
        return first < second || (first == second && a < b);
    });
    const std::size_t blocks = (queries + kLanes - 1) / kLanes, spans = spans_.size();
    const double most = double(queries) * double(places_.size()) / kThreadWork;
    threads = int(std::clamp(most, 1.0, double(std::max(1, threads))));
    std::vector<std::unique_ptr<Work>> works(threads);
    std::vector<Partial> sums(queries * spans);
    std::vector<double> references(queries);
    parallel_for(blocks * spans, threads, [&](std::size_t task, int thread) {
        if (!works[thread]) works[thread] = std::make_unique<Work>(d_);
        Work &work = *works[thread];
        const std::size_t begin = task / spans * kLanes, span = task % spans;
        open<kernel, fold>(work, terms, Q, near, &order[begin], std::min(kLanes, queries - begin));
        walk<kernel, fold>(work, terms, spans_[span]);
        for (std::size_t i = 0; i < work.queries; i++) {
            sums[order[begin + i] * spans + span] = work.sums[i];
            if (span == 0) references[order[begin + i]] = work.references[i];
        }
    });
    for (std::size_t q = 0; q < queries; q++) {
        Partial total;
        for (std::size_t span = 0; span < spans; span++) {
            total.add(sums[q * spans + span].sum);
            total.rest += sums[q * spans + span].rest;
        }
        const double sum = total.sum + total.rest;
        found[q] = sum > 0 ? std::log(sum) - terms.exponent<kernel>(references[q]) : -kInfinity;
    }
}

// Calls run, a template over the kernel.
template <class Run>
void KernelSums::with_kernel(Kernel kernel, Run run) const {
    switch (kernel) {
        case Kernel::gaussian:
            return run.template operator()<Kernel::gaussian>();
        case Kernel::tophat:
            return run.template operator()<Kernel::tophat>();
        case Kernel::epanechnikov:
            return run.template operator()<Kernel::epanechnikov>();
        case Kernel::exponential:
            return run.template operator()<Kernel::exponential>();
        case Kernel::linear:
            return run.template operator()<Kernel::linear>();
        case Kernel::cosine:
            return run.template operator()<Kernel::cosine>();
    }
}

void KernelSums::sum(const double *Q, std::size_t queries, const std::int64_t *near, const Smoothing &how,
                     double *found, int threads) const {
    with_kernel(how.kernel, [&]<Kernel kernel>() {
        with_sums(index_->searched().distance,
                  [&]<Fold fold>() { sum_all<kernel, fold>(Q, queries, near, terms_of<fold>(how), found, threads); });
    });
}

}  // namespace rmodels::RMODELS_ISA
