#include "ops/nearest/tree.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSlab = 4096;  // rows projected by one task
constexpr std::size_t kLook = 128;   // points that decide along which axis a node is split
constexpr std::size_t kSmall = 32;   // keys below which the standard library selects
constexpr std::size_t kPivots = 64;
constexpr std::size_t kFew = 1024;      // keys up to which fewer pivots do
constexpr std::size_t kNear = 1 << 16;  // coordinates that stay in the cache while a subtree is split

}  // namespace

Tree::Tree(const Points &X, const Frame &frame, bool rotate, std::vector<std::uint32_t> &rows, int threads,
           std::optional<Floats> &packed)
    : axes_(X, frame, rows, rotate), leaves_((rows.size() + kGroup - 1) / kGroup) {
    const std::size_t n = rows.size(), d = X.d, axes = axes_.count();
    if (n == 0) return;
    std::size_t full = 1;
    while (full < leaves_) full *= 2;
    nodes_.resize(2 * full - 1);
    lay_out(0, 0, leaves_);

    Floats coordinates(n * axes);
    Uninitialised<Keyed> keyed(n), scratch(n);
    parallel_for((n + kSlab - 1) / kSlab, threads, [&](std::size_t slab, int) {
        std::vector<double> scaled(d);
        for (std::size_t i = slab * kSlab; i < std::min(n, (slab + 1) * kSlab); i++) {
            X.typed([&](auto *x) {
                for (std::size_t c = 0; c < d; c++) scaled[c] = frame.place(x[rows[i] * d + c], c);
            });
            axes_.project(scaled.data(), coordinates.data() + i * axes);
            keyed.data()[i].id = std::uint32_t(i);
        }
    });

    boxes_.resize(nodes_.size() * 2 * axes);
    if (axes_.are_features()) packed.emplace(leaves_ * kGroup * d);
    float *groups = packed ? packed->data() : nullptr;
    auto points = [&](std::size_t node) { return keyed.data() + nodes_[node].first * kGroup; };
    auto rest = [&](std::size_t node) { return scratch.data() + nodes_[node].first * kGroup; };
    auto count = [&](std::size_t node) {
        return std::min(n - nodes_[node].first * kGroup, nodes_[node].leaves * kGroup);
    };
    std::size_t level = 1;  // nodes of a level: the first levels one after the other, then all that is below each node
    for (; level < std::size_t(4 * threads) && level < full; level *= 2)
        parallel_for(level, threads, [&](std::size_t i, int) {
            const std::size_t node = level - 1 + i;
            if (nodes_[node].leaves > 1) split(node, coordinates.data(), points(node), count(node), rest(node));
        });
    parallel_for(level, threads, [&](std::size_t i, int) {
        const std::size_t node = level - 1 + i;
        if (nodes_[node].leaves > 0)
            split_below(node, coordinates.data(), points(node), count(node), rest(node), false, groups);
    });
    for (std::size_t node = level - 1; node-- > 0;) {
        if (nodes_[node].leaves > 1) join(node);
        if (nodes_[node].leaves == 1) enclose(node, coordinates.data(), points(node), count(node), groups);
    }
    std::vector<std::uint32_t> ordered(n);
    parallel_for((n + kSlab - 1) / kSlab, threads, [&](std::size_t slab, int) {
        for (std::size_t i = slab * kSlab; i < std::min(n, (slab + 1) * kSlab); i++)
            ordered[i] = rows[keyed.data()[i].id];
    });
    rows = std::move(ordered);
}

void Tree::lay_out(std::size_t node, std::size_t first, std::size_t leaves) {
    nodes_[node] = {std::uint32_t(first), std::uint32_t(leaves), 0, 0};
    if (leaves == 1) return;
    const std::size_t left = (leaves + 1) / 2;
    lay_out(2 * node + 1, first, left);
    lay_out(2 * node + 2, first + left, leaves - left);
}

// The box of a leaf. packed: all groups, if they are to be made.
void Tree::enclose(std::size_t leaf, const float *coordinates, const Keyed *points, std::size_t count, float *packed) {
    const std::size_t axes = axes_.count();
    float *box = boxes_.data() + leaf * 2 * axes;
    alignas(64) float columns[kAxes * kGroup];
    float *group = packed ? packed + nodes_[leaf].first * kGroup * axes : columns;
    for (std::size_t i = 0; i < kGroup; i++) {  // the last point stands for those that are not there
        const float *at = coordinates + points[std::min(i, count - 1)].id * axes;
        for (std::size_t a = 0; a < axes; a++) group[a * kGroup + i] = at[a];
    }
    for (std::size_t a = 0; a < axes; a++) {
        const float *column = group + a * kGroup;
        f32v low = load<f32v>(column), high = low;
        for (std::size_t i = kF32; i < kGroup; i += kF32) {
            low = smaller(low, load<f32v>(column + i));
            high = larger(high, load<f32v>(column + i));
        }
        box[2 * a] = smallest_lane(low);
        box[2 * a + 1] = largest_lane(high);
        for (std::size_t i = count; i < kGroup; i++) group[a * kGroup + i] = std::numeric_limits<float>::infinity();
    }
}

// The box of a node, from those of its children.
void Tree::join(std::size_t node) {
    const std::size_t axes = axes_.count();
    const float *a = box(2 * node + 1), *b = box(2 * node + 2);
    float *joined = boxes_.data() + node * 2 * axes;
    for (std::size_t i = 0; i < 2 * axes; i += 2) {
        joined[i] = std::min(a[i], b[i]);
        joined[i + 1] = std::max(a[i + 1], b[i + 1]);
    }
}

// Splits down to the leaves. near: whether the coordinates are few enough to stay in the cache.
void Tree::split_below(std::size_t node, const float *coordinates, Keyed *points, std::size_t count, Keyed *scratch,
                       bool near, float *packed) {
    const std::size_t axes = axes_.count();
    if (nodes_[node].leaves == 1) return enclose(node, coordinates, points, count, packed);
    if (!near && count * axes <= kNear) {  // in a copy of these points' coordinates, under new numbers
        std::vector<float> copy(count * axes);
        std::vector<std::uint32_t> ids(count);
        for (std::size_t i = 0; i < count; i++) {
            ids[i] = points[i].id;
            for (std::size_t a = 0; a < axes; a++) copy[i * axes + a] = coordinates[ids[i] * axes + a];
            points[i].id = std::uint32_t(i);
        }
        split_below(node, copy.data(), points, count, scratch, true, packed);
        for (std::size_t i = 0; i < count; i++) points[i].id = ids[points[i].id];
        return;
    }
    split(node, coordinates, points, count, scratch);
    const std::size_t left = (nodes_[node].leaves + 1) / 2 * kGroup;
    split_below(2 * node + 1, coordinates, points, left, scratch, near, packed);
    split_below(2 * node + 2, coordinates, points + left, count - left, scratch + left, near, packed);
    join(node);
}

// Orders a node's points so that its first child has the smaller ones along the axis of most spread.
void Tree::split(std::size_t node, const float *coordinates, Keyed *points, std::size_t count, Keyed *scratch) {
    Node &self = nodes_[node];
    const std::size_t axes = axes_.count(), step = std::max<std::size_t>(1, count / kLook);
    float low[kAxes], high[kAxes];
    std::fill(low, low + axes, std::numeric_limits<float>::infinity());
    std::fill(high, high + axes, -std::numeric_limits<float>::infinity());
    for (std::size_t i = 0; i < count; i += step)
        for (std::size_t a = 0; a < axes; a++) {
            const float y = coordinates[points[i].id * axes + a];
            low[a] = std::min(low[a], y);
            high[a] = std::max(high[a], y);
        }
    std::size_t axis = 0;
    for (std::size_t a = 1; a < axes; a++)
        if (high[a] - low[a] > high[axis] - low[axis]) axis = a;
    for (std::size_t i = 0; i < count; i++) points[i].key = coordinates[points[i].id * axes + axis];
    Keyed *middle = points + (self.leaves + 1) / 2 * kGroup;
    select(points, middle, points + count, scratch);
    self.axis = std::uint32_t(axis);
    self.split = middle->key;
}

// Puts the keys below a pivot first, without a branch to mispredict; returns their end. scratch: as long.
Tree::Keyed *Tree::partition(Keyed *first, Keyed *last, Keyed *scratch, float pivot) {
    Keyed *out = first, *rest = scratch;
#if defined(__AVX512F__)
    for (; last - first >= 8; first += 8) {
        const __m512i moved = _mm512_loadu_si512(first);
        const unsigned lanes = at_most(broadcast(pivot), (f32v)moved);  // every other lane is a key
        const auto above = __mmask8(_pext_u32(lanes, 0x5555));
        const int count = __builtin_popcount(above);
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi64(__mmask8(~above), moved));  // not past what is read
        _mm512_mask_storeu_epi64(rest, __mmask8((1u << count) - 1), _mm512_maskz_compress_epi64(above, moved));
        out += 8 - count;
        rest += count;
    }
#endif
    for (; first < last; first++) {
        const std::ptrdiff_t below = first->key < pivot;
        *out = *rest = *first;
        out += below;
        rest += 1 - below;
    }
    std::memcpy(out, scratch, std::size_t(rest - scratch) * sizeof(Keyed));
    return out;
}

// std::nth_element by key.
void Tree::select(Keyed *first, Keyed *nth, Keyed *last, Keyed *scratch) {
    while (std::size_t(last - first) > kSmall) {
        const std::size_t count = last - first, sampled = count > kFew ? kPivots : kPivots / 4;
        float pivots[kPivots];
        for (std::size_t i = 0; i < sampled; i++) pivots[i] = first[i * count / sampled].key;
        float *pivot = pivots + std::size_t(nth - first) * sampled / count;
        std::nth_element(pivots, pivot, pivots + sampled);
        Keyed *middle = partition(first, last, scratch, *pivot);
        if (nth < middle) {
            last = middle;
            continue;
        }
        if (middle == first) {  // the pivot is the smallest: set its equals apart
            middle = partition(first, last, scratch, std::nextafter(*pivot, std::numeric_limits<float>::infinity()));
            if (nth < middle) return;
        }
        first = middle;
    }
    std::nth_element(first, nth, last, [](const Keyed &a, const Keyed &b) { return a.key < b.key; });
}

}  // namespace rmodels::RMODELS_ISA
