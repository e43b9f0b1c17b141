#include "ops/nearest/tree.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSlab = 4096;  // rows projected by one task
constexpr std::size_t kLook = 128;   // points that decide along which axis a node is split
constexpr std::size_t kSmall = 256;  // keys below which the standard library selects
constexpr std::size_t kPivots = 64;

}  // namespace

Tree::Tree(const Points &X, const Frame &frame, bool rotate, std::vector<std::uint32_t> &rows, int threads)
    : axes_(X, frame, rows, rotate), leaves_((rows.size() + kGroup - 1) / kGroup) {
    const std::size_t n = rows.size(), d = X.d, axes = axes_.count();
    if (n == 0) return;
    std::size_t full = 1;
    while (full < leaves_) full *= 2;
    nodes_.resize(2 * full - 1);
    lay_out(0, 0, leaves_);

    Floats coordinates(n * axes);
    std::vector<Keyed> keyed(n);
    parallel_for((n + kSlab - 1) / kSlab, threads, [&](std::size_t slab, int) {
        std::vector<double> scaled(d);
        for (std::size_t i = slab * kSlab; i < std::min(n, (slab + 1) * kSlab); i++) {
            X.typed([&](auto *x) {
                for (std::size_t c = 0; c < d; c++) scaled[c] = frame.place(x[rows[i] * d + c], c);
            });
            axes_.project(scaled.data(), coordinates.data() + i * axes);
            keyed[i].id = std::uint32_t(i);
        }
    });

    std::size_t level = 1;  // nodes of a level, split one level after the other until there is one for each thread
    for (; level < std::size_t(4 * threads) && level < full; level *= 2)
        parallel_for(level, threads,
                     [&](std::size_t i, int) { split(level - 1 + i, coordinates.data(), keyed.data(), n); });
    parallel_for(level, threads,
                 [&](std::size_t i, int) { split_below(level - 1 + i, coordinates.data(), keyed.data(), n); });

    boxes_.resize(nodes_.size() * 2 * axes);
    constexpr float inf = std::numeric_limits<float>::infinity();
    parallel_for((nodes_.size() + kSlab - 1) / kSlab, threads, [&](std::size_t slab, int) {
        for (std::size_t node = slab * kSlab; node < std::min(nodes_.size(), (slab + 1) * kSlab); node++) {
            if (nodes_[node].leaves != 1) continue;
            float *box = &boxes_[node * 2 * axes];
            for (std::size_t a = 0; a < axes; a++) box[2 * a] = inf, box[2 * a + 1] = -inf;
            const std::size_t first = nodes_[node].first * kGroup;
            for (std::size_t i = first; i < std::min(n, first + kGroup); i++) {
                const float *y = coordinates.data() + keyed[i].id * axes;
                for (std::size_t a = 0; a < axes; a++) {
                    box[2 * a] = std::min(box[2 * a], y[a]);
                    box[2 * a + 1] = std::max(box[2 * a + 1], y[a]);
                }
            }
        }
    });
    for (std::size_t node = nodes_.size(); node-- > 0;) {
        if (nodes_[node].leaves <= 1) continue;
        const float *a = box(2 * node + 1), *b = box(2 * node + 2);
        float *box = &boxes_[node * 2 * axes];
        for (std::size_t i = 0; i < 2 * axes; i += 2) {
            box[i] = std::min(a[i], b[i]);
            box[i + 1] = std::max(a[i + 1], b[i + 1]);
        }
    }
    std::vector<std::uint32_t> ordered(n);
    for (std::size_t i = 0; i < n; i++) ordered[i] = rows[keyed[i].id];
    rows = std::move(ordered);
}

void Tree::lay_out(std::size_t node, std::size_t first, std::size_t leaves) {
    nodes_[node] = {std::uint32_t(first), std::uint32_t(leaves), 0, 0};
    if (leaves == 1) return;
    const std::size_t left = (leaves + 1) / 2;
    lay_out(2 * node + 1, first, left);
    lay_out(2 * node + 2, first + left, leaves - left);
}

void Tree::split_below(std::size_t node, const float *coordinates, Keyed *keyed, std::size_t n) {
    if (node >= nodes_.size() || nodes_[node].leaves <= 1) return;
    split(node, coordinates, keyed, n);
    split_below(2 * node + 1, coordinates, keyed, n);
    split_below(2 * node + 2, coordinates, keyed, n);
}

// Orders a node's points so that its first child has the smaller ones along the axis of most spread.
void Tree::split(std::size_t node, const float *coordinates, Keyed *keyed, std::size_t n) {
    Node &self = nodes_[node];
    if (self.leaves <= 1) return;
    const std::size_t axes = axes_.count();
    Keyed *first = keyed + self.first * kGroup, *last = keyed + std::min(n, (self.first + self.leaves) * kGroup);
    const std::size_t count = last - first, step = std::max<std::size_t>(1, count / kLook);
    float low[kAxes], high[kAxes];
    std::fill(low, low + axes, std::numeric_limits<float>::infinity());
    std::fill(high, high + axes, -std::numeric_limits<float>::infinity());
    for (std::size_t i = 0; i < count; i += step)
        for (std::size_t a = 0; a < axes; a++) {
            const float y = coordinates[first[i].id * axes + a];
            low[a] = std::min(low[a], y);
            high[a] = std::max(high[a], y);
        }
    std::size_t axis = 0;
    for (std::size_t a = 1; a < axes; a++)
        if (high[a] - low[a] > high[axis] - low[axis]) axis = a;
    for (Keyed *k = first; k < last; k++) k->key = coordinates[k->id * axes + axis];
    Keyed *middle = first + std::size_t((self.leaves + 1) / 2) * kGroup;
    select(first, middle, last);
    self.axis = std::uint32_t(axis);
    self.split = middle->key;
}

// std::nth_element by key, with a partition that has no branches to mispredict.
void Tree::select(Keyed *first, Keyed *nth, Keyed *last) {
    while (std::size_t(last - first) > kSmall) {
        const std::size_t count = last - first;
        float pivots[kPivots];
        for (std::size_t i = 0; i < kPivots; i++) pivots[i] = first[i * count / kPivots].key;
        const std::size_t rank = std::size_t(nth - first) * kPivots / count;
        std::nth_element(pivots, pivots + rank, pivots + kPivots);
        const float pivot = pivots[rank];
        auto partition = [&](auto before) {
            Keyed *out = first;
            for (Keyed *k = first; k < last; k++) {  // moved as one word: two halves would stall the next load
                const auto moved = std::bit_cast<std::uint64_t>(*k);
                *k = std::bit_cast<Keyed>(std::bit_cast<std::uint64_t>(*out));
                *out = std::bit_cast<Keyed>(moved);
                out += before(std::bit_cast<Keyed>(moved).key);
            }
            return out;
        };
        Keyed *middle = partition([pivot](float key) { return key < pivot; });
        if (nth < middle) {
            last = middle;
            continue;
        }
        if (middle == first) {  // the pivot is the smallest: set its equals apart
            middle = partition([pivot](float key) { return key <= pivot; });
            if (nth < middle) return;
        }
        first = middle;
    }
    std::nth_element(first, nth, last, [](const Keyed &a, const Keyed &b) { return a.key < b.key; });
}

}  // namespace rmodels::RMODELS_ISA
