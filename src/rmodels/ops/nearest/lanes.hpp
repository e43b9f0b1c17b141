// Up to 64 points of an index as queries, a lane each, that walk through its groups together.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "ops/nearest/index.hpp"

namespace rmodels::RMODELS_ISA {

inline std::uint64_t bits_below(std::size_t count) {
    return count < 64 ? (std::uint64_t(1) << count) - 1 : ~std::uint64_t(0);
}

// One thread's. Limits are set by who asks: of scores, and of scores of boxes.
struct Lanes {
    std::uint64_t open = 0;        // lanes that still look for something
    std::uint64_t unscreened = 0;  // lanes that scores say nothing about
    std::vector<double> queries;   // (kGroup, d)
    std::array<float, kGroup> limits, box_limits;
    float box_limit;  // the largest of the open lanes

    explicit Lanes(const NearestIndex &index)
        : queries(kGroup * index.searched().X.d),
          scaled_(index.searched().X.d),
          pairs_(index.searched().X.d + 1),
          rounded_(kGroup * index.steps()),
          coordinates_(kAxes * kGroup) {}

    void clear(std::size_t axes) {
        constexpr float infinity = std::numeric_limits<float>::infinity();
        open = unscreened = 0;
        box_limits.fill(-infinity);
        box_limit = -infinity;
        for (std::size_t i = 0; i < 2 * axes; i += 2) box_[i] = infinity, box_[i + 1] = -infinity;
    }

    // Makes a query of a point, by its place in the groups; its limits are to be set.
    QuerySize ask(const NearestIndex &index, std::size_t lane, std::size_t point) {
        const Searched &searched = index.searched();
        const std::size_t d = searched.X.d;
        double *query = queries.data() + lane * d;
        searched.X.typed([&](auto *x) { std::copy_n(x + searched.rows[point] * d, d, query); });
        for (std::size_t c = 0; c < d; c++) scaled_[c] = index.frame().place(query[c], c);
        const QuerySize size =
            index.round(scaled_.data(), pairs_.data(), rounded_.data() + lane * index.steps(), factors_[lane]);
        open |= std::uint64_t(1) << lane;
        if (!searched.bounds.screens(size)) unscreened |= std::uint64_t(1) << lane;
        if (const Tree *tree = index.tree()) {
            float at[kAxes];
            tree->axes().project(scaled_.data(), at);
            for (std::size_t a = 0; a < tree->axes().count(); a++) {
                coordinates_[a * kGroup + lane] = at[a];
                box_[2 * a] = std::min(box_[2 * a], at[a]);
                box_[2 * a + 1] = std::max(box_[2 * a + 1], at[a]);
            }
        }
        return size;
    }

    // The open lanes that a box is near enough to.
    template <Fold fold>
    std::uint64_t near(const float *box, std::size_t axes, int p) const {
        std::uint64_t who = 0;
        for (std::size_t i = 0; i < kGroup; i += kF32) {
            if (!(open >> i & bits_below(kF32))) continue;
            f32v near{};
            for (std::size_t a = 0; a < axes; a++) {
                const f32v y = load<f32v>(coordinates_.data() + a * kGroup + i);
                near = add_gap_to<fold>(near, y, box[2 * a], box[2 * a + 1], p);
            }
            who |= std::uint64_t(at_most(near, load<f32v>(box_limits.data() + i))) << i;
        }
        return who & open;
    }

    const float *box() const { return box_; }  // of all lanes: (axes, low and high)

    // Scores the points of a group for some lanes, a tile at a time: calls mark(which of the tile, lane, first point in
    // the group, scores) where a score is at most the lane's limit, then take(which of the tile, lane) for each.
    template <Fold fold, class Mark, class Take>
    void score(const NearestIndex &index, std::size_t group, std::uint64_t who, Mark mark, Take take) const {
        while (who) {
            const float *rows[kTile];
            float factors[kTile], most[kTile];
            std::size_t lanes[kTile], count = 0;
            for (; who && count < std::size_t(kTile); who &= who - 1, count++) {
                const std::size_t lane = lanes[count] = std::size_t(std::countr_zero(who));
                rows[count] = rounded_.data() + lane * index.steps();
                factors[count] = factors_[lane];
                most[count] = limits[lane];
            }
            index.for_scores<fold>(rows, factors, count, group, group + 1, most,
                                   [&](int m, std::size_t, std::size_t offset, const float *scores) {
                                       mark(std::size_t(m), lanes[m], offset, scores);
                                   });
            for (std::size_t m = 0; m < count; m++) take(m, lanes[m]);
        }
    }

private:
    std::vector<double> scaled_;         // (d)
    std::vector<std::int16_t> pairs_;    // (d + 1)
    std::vector<float> rounded_;         // (kGroup, steps)
    std::array<float, kGroup> factors_;  // what the integers of a lane are multiplied by
    std::vector<float> coordinates_;     // (kAxes, kGroup)
    float box_[2 * kAxes];
};

// The score of two boxes.
template <Fold fold>
float box_gap(const float *a, const float *b, std::size_t axes, int p) {
    f32v near{};
    for (std::size_t i = 0; i < 2 * axes; i += 2)
        near = add_gap<fold>(near, broadcast(std::max({0.0f, a[i] - b[i + 1], b[i] - a[i + 1]})), p);
    float score[kF32];
    store(score, near);
    return score[0];
}

// Calls meet(group, lanes) for the groups whose box is near enough to open lanes: `home` first, then nearer ones before
// farther ones; of all groups if there is no tree. concerns(node): whether what is below a node concerns any lane.
template <Fold fold, class Concerns, class Meet>
void walk(const NearestIndex &index, const Lanes &lanes, std::size_t home, Concerns concerns, Meet meet) {
    meet(home, lanes.open);
    const Tree *tree = index.tree();
    if (!tree) {
        for (std::size_t i = 1; i < index.groups() && lanes.open; i++) meet((home + i) % index.groups(), lanes.open);
        return;
    }
    const std::size_t axes = tree->axes().count();
    const int p = index.searched().bounds.power();
    struct Entry {
        std::size_t node;
        float near;  // how near its box is to that of the lanes
    };
    auto entry = [&](std::size_t node) { return Entry{node, box_gap<fold>(lanes.box(), tree->box(node), axes, p)}; };
    Entry stack[64];
    std::size_t depth = 0;
    stack[depth++] = entry(0);
    while (depth && lanes.open) {
        const Entry at = stack[--depth];
        if (at.near > lanes.box_limit || !concerns(at.node)) continue;
        if (tree->is_leaf(at.node)) {
            const std::size_t leaf = tree->leaf(at.node);
            if (leaf != home) meet(leaf, lanes.near<fold>(tree->box(at.node), axes, p));
            continue;
        }
        Entry far = entry(2 * at.node + 1), near = entry(2 * at.node + 2);
        if (far.near < near.near) std::swap(far, near);
        stack[depth++] = far;
        stack[depth++] = near;
    }
}

}  // namespace rmodels::RMODELS_ISA
