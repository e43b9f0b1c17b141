// A k-d tree whose leaves are groups of 64 points, as positions in an order, with a box for each node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "ops/nearest/axes.hpp"
#include "ops/nearest/packed.hpp"

namespace rmodels::RMODELS_ISA {

class Tree {
public:
    Tree() = default;
    // Puts the rows into the tree's order. Leaf g has the positions [64 g, 64 g + 64). packed: the leaves as pack_group
    // makes them, blanks infinite, if the axes are the features.
    Tree(const Points &X, const Frame &frame, bool rotate, std::vector<std::uint32_t> &rows, int threads,
         std::optional<Floats> &packed);

    const Axes &axes() const { return axes_; }
    std::size_t leaves() const { return leaves_; }
    std::size_t nodes() const { return nodes_.size(); }
    bool is_there(std::size_t node) const { return nodes_[node].leaves > 0; }
    // Children of node i are 2 i + 1 and 2 i + 2.
    bool is_leaf(std::size_t node) const { return nodes_[node].leaves == 1; }
    std::size_t leaf(std::size_t node) const { return nodes_[node].first; }
    const float *box(std::size_t node) const {
        return boxes_.data() + node * 2 * axes_.count();
    }  // (axes, low and high)

    // The leaf on whose side of every split the coordinates are.
    std::size_t home(const float *coordinates) const {
        std::size_t node = 0;
        while (nodes_[node].leaves > 1) node = 2 * node + (coordinates[nodes_[node].axis] < nodes_[node].split ? 1 : 2);
        return nodes_[node].first;
    }

private:
    struct Node {
        std::uint32_t first, leaves;
        std::uint32_t axis;  // coordinates below the split lie in the first child
        float split;
    };
    struct Keyed {
        float key;
        std::uint32_t id;
    };

    void lay_out(std::size_t node, std::size_t first, std::size_t leaves);
    void split(std::size_t node, const float *coordinates, Keyed *points, std::size_t count, Keyed *scratch);
    void split_below(std::size_t node, const float *coordinates, Keyed *points, std::size_t count, Keyed *scratch,
                     bool near, float *packed);
    void enclose(std::size_t leaf, const float *coordinates, const Keyed *points, std::size_t count, float *packed);
    void join(std::size_t node);
    static Keyed *partition(Keyed *first, Keyed *last, Keyed *scratch, float pivot);
    static void select(Keyed *first, Keyed *nth, Keyed *last, Keyed *scratch);

    Axes axes_;
    std::size_t leaves_ = 0;
    std::vector<Node> nodes_;
    std::vector<float> boxes_;
};

}  // namespace rmodels::RMODELS_ISA
