// The least tree that spans points by their mutual reachability distances, by Boruvka: every component of points but
// the largest takes its least edge to a point of another, again and again.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "ops/nearest/index.hpp"

namespace rmodels::RMODELS_ISA {

// In the order of weight, distance, and rows, of which `low` is the lesser.
struct Edge {
    static constexpr std::uint32_t kNone = 0xffffffff;

    double weight = kInfinity, distance = kInfinity;
    std::uint32_t low = kNone, high = kNone;

    bool operator<(const Edge &other) const {
        return std::tie(weight, distance, low, high) < std::tie(other.weight, other.distance, other.low, other.high);
    }
};

class Spanning {
public:
    // noted: how many neighbours of each row are kept.
    Spanning(const NearestIndex &index, double alpha, std::size_t noted);

    // Takes in the nearest neighbours of some rows, itself among them, `width` of each in order, and the core
    // distances.
    void note(std::size_t first, std::size_t rows, std::size_t width, const double *distances,
              const std::int64_t *indices, const double *cores);

    // A round: how many blocks are to be searched; each of them, in any order; and what they found.
    std::size_t begin(int threads);
    void search(std::size_t first, std::size_t last, int threads);
    void join();
    std::size_t components() const { return components_; }

    // The edges in their order: ends (n - 1, 2), the lesser row first.
    void finish(std::int64_t *ends, double *weights);

private:
    // What all points of a group, or of all groups below a node, have in common.
    struct Shared {
        static constexpr std::uint32_t kMixed = 0xffffffff;
        std::uint32_t component;  // or mixed
        double core;              // the least
    };
    struct Best {
        Edge edge;
        std::uint32_t from = 0, to = 0;  // components
    };
    struct Work;

    std::uint32_t row(std::size_t point) const;
    double weigh(double distance, double a, double b) const;
    double reach(double weight) const;
    bool offer(std::uint32_t component, std::uint32_t other, const Edge &edge);
    double best(std::uint32_t component) const { return weights_[component].load(std::memory_order_relaxed); }
    void summarise(int threads);
    void look_up(std::size_t point);
    void offer_zeros();
    void limit(Work &work, std::size_t lane, double weight) const;
    void limit_box(Work &work) const;
    bool concerns(const Work &work, const Shared &shared) const;
    void open(Work &work, std::size_t block);
    template <Fold fold>
    void walk_from(Work &work);
    template <Fold fold>
    void visit(Work &work, std::size_t group, std::uint64_t who);
    void take(Work &work, std::size_t lane, std::size_t group, std::uint64_t near);

    const NearestIndex *index_;
    double alpha_;
    std::size_t n_, noted_, components_, main_ = 0;
    // A point is the place of a row in the order of the groups; rows of zeros, in no group, come last.
    std::vector<std::uint32_t> places_;     // of the rows
    std::vector<std::uint32_t> component_;  // (n)
    std::vector<double> cores_;             // (n)
    std::vector<double> floors_;            // (n): no edge to another component weighs less
    std::vector<double> others_;            // (n): nor one to a point that is not noted
    std::vector<std::uint8_t> known_;       // (n): whether the least edge has been offered in this round
    std::vector<std::uint32_t> near_;       // (n, noted): points
    std::vector<double> distances_;         // (n, noted)
    std::vector<Shared> groups_, nodes_;
    // Of each component:
    std::vector<Best> bests_;
    std::unique_ptr<std::atomic<double>[]> weights_;  // of these
    std::array<std::mutex, 64> locks_;
    std::vector<std::uint32_t> wanted_;  // points to be searched, along the groups
    std::vector<std::size_t> blocks_;    // where blocks of them begin
    std::vector<Edge> edges_;
};

}  // namespace rmodels::RMODELS_ISA
