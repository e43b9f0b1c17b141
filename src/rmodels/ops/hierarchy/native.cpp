// Time and memory: linear in n, and the almost constant steps of union-find.
#include "ops/hierarchy/native.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace rmodels::RMODELS_ISA {
namespace {

// The root of a number, whose way to it is halved.
std::size_t find(std::vector<std::size_t> &above, std::size_t i) {
    while (above[i] != i) i = above[i] = above[above[i]];
    return i;
}

// In which order the points of a tree are reached from point 0, by breadth first.
std::vector<std::size_t> reach(const std::int64_t *ends, std::size_t n) {
    std::vector<std::size_t> starts(n + 1), others(2 * (n - 1)), order(n, n), queue{0};
    for (std::size_t i = 0; i < 2 * (n - 1); i++) starts[std::size_t(ends[i]) + 1]++;
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    std::vector<std::size_t> next(starts.begin(), starts.end() - 1);
    for (std::size_t i = 0; i < 2 * (n - 1); i++) others[next[std::size_t(ends[i])]++] = std::size_t(ends[i ^ 1]);
    order[0] = 0;
    queue.reserve(n);
    for (std::size_t at = 0; at < queue.size(); at++)
        for (std::size_t i = starts[queue[at]]; i < starts[queue[at] + 1]; i++)
            if (order[others[i]] == n) {
                order[others[i]] = queue.size();
                queue.push_back(others[i]);
            }
    return order;
}

}  // namespace

void link(const std::int64_t *ends, const double *weights, std::size_t n, double *linkage) {
    if (n < 2) return;
    std::vector<std::size_t> above(n), number(n), size(n, 1), first = reach(ends, n);
    std::iota(above.begin(), above.end(), std::size_t(0));
    std::iota(number.begin(), number.end(), std::size_t(0));
    for (std::size_t k = 0; k + 1 < n; k++) {
        std::size_t left = find(above, std::size_t(ends[2 * k])), right = find(above, std::size_t(ends[2 * k + 1]));
        if (first[right] < first[left]) std::swap(left, right);
        double *line = linkage + 4 * k;
        line[0] = double(number[left]);
        line[1] = double(number[right]);
        line[2] = weights[k];
        line[3] = double(size[left] + size[right]);
        const std::size_t earliest = first[left];
        if (size[left] < size[right]) std::swap(left, right);
        above[right] = left;
        first[left] = earliest;
        number[left] = n + k;
        size[left] += size[right];
    }
}

std::size_t condense(const double *linkage, std::size_t n, std::int64_t min_size, const Condensed &found) {
    if (n < 2) return 0;
    std::size_t lines = 0;
    auto size = [&](std::size_t node) { return node < n ? 1 : std::int64_t(linkage[4 * (node - n) + 3]); };
    auto child = [&](std::size_t node, std::size_t which) { return std::size_t(linkage[4 * (node - n) + which]); };
    auto add = [&](std::int64_t parent, std::int64_t node, double density, std::int64_t points) {
        found.parents[lines] = parent;
        found.children[lines] = node;
        found.densities[lines] = density;
        found.sizes[lines++] = points;
    };
    std::vector<std::size_t> below;
    auto drop = [&](std::int64_t cluster, std::size_t node, double density) {  // all points below, by breadth first
        below.assign(1, node);
        for (std::size_t at = 0; at < below.size(); at++) {
            if (below[at] < n) {
                add(cluster, std::int64_t(below[at]), density, 1);
            } else {
                below.push_back(child(below[at], 0));
                below.push_back(child(below[at], 1));
            }
        }
    };
    std::int64_t clusters = std::int64_t(n) + 1;
    std::vector<std::pair<std::size_t, std::int64_t>> queue{{2 * n - 2, std::int64_t(n)}};  // and of which cluster
    for (std::size_t at = 0; at < queue.size(); at++) {
        const auto [node, cluster] = queue[at];
        const double distance = linkage[4 * (node - n) + 2];
        const double density = distance > 0 ? 1 / distance : std::numeric_limits<double>::infinity();
        const std::size_t sides[] = {child(node, 0), child(node, 1)};
        const bool splits = std::min(size(sides[0]), size(sides[1])) >= min_size;
        for (const std::size_t side : sides) {
            if (size(side) < min_size) {
                drop(cluster, side, density);
                continue;
            }
            if (splits) add(cluster, clusters, density, size(side));
            queue.emplace_back(side, splits ? clusters++ : cluster);
        }
    }
    return lines;
}

void cut(const double *linkage, std::size_t n, double distance, std::int64_t min_size, std::int64_t *labels) {
    std::vector<std::size_t> whole(2 * n - 1);  // of each cluster the one that it is part of
    std::iota(whole.begin(), whole.end(), std::size_t(0));
    for (std::size_t k = n - 1; k-- > 0;)
        if (linkage[4 * k + 2] < distance)
            for (std::size_t side = 0; side < 2; side++) whole[std::size_t(linkage[4 * k + side])] = whole[n + k];
    std::vector<std::int64_t> numbers(2 * n - 1, -1);
    std::int64_t clusters = 0;
    for (std::size_t i = 0; i < n; i++) {
        const std::size_t cluster = whole[i];
        const std::int64_t size = cluster < n ? 1 : std::int64_t(linkage[4 * (cluster - n) + 3]);
        if (numbers[cluster] < 0 && size >= min_size) numbers[cluster] = clusters++;
        labels[i] = numbers[cluster];
    }
}

}  // namespace rmodels::RMODELS_ISA
