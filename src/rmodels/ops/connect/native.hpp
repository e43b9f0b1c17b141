// Neighbourhoods within a radius: which points have neighbours enough, and which of these belong together. A point's
// neighbours are looked at and forgotten, but for a few.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/connect/union.hpp"
#include "ops/nearest/index.hpp"

namespace rmodels::RMODELS_ISA {

class Connection {
public:
    // weights: one a row, or none for ones; exact: whether their sums are, in any order. Both are kept by reference.
    Connection(const NearestIndex &index, double radius, double enough, const double *weights, bool exact);

    // A block is a group of 64 points. These are called once for each block, one after the other:
    std::size_t blocks() const { return groups_.size(); }
    void count(std::size_t first, std::size_t last, int threads);                        // who is core
    void join(std::size_t first, std::size_t last, int threads);                         // cores to cores
    void label(std::size_t first, std::size_t last, std::int64_t *labels, int threads);  // others to cores

    // Rows whose neighbours' weights add up to so nearly enough that rounding decides, after count; and what is true.
    std::vector<std::int64_t> doubtful() const;
    void decide(const bool *core);
    // Joins what count has noted.
    void seed(int threads);
    // Numbers the components by their least core rows: labels of these, -1 of others; and who is core.
    void number(std::int64_t *labels, bool *core);

private:
    static constexpr std::size_t kNoted = 8;  // neighbours of a point that are not forgotten

    enum State : std::uint8_t { kOther, kCore, kDoubtful };
    enum class Phase { count, join, label };
    // What all cores of a group, or of all groups below a node, have in common.
    struct Shared {
        static constexpr std::uint32_t kNone = 0xffffffff, kMixed = 0xfffffffe;
        std::uint32_t point;  // one of them if they are of one component; none, or mixed
        std::int32_t least;   // of their labels
    };
    struct Work;
    // Largest scores of what may be a neighbour, surely is one, and of a box that may hold one.
    struct Limits {
        float near, sure, box;
        bool screens;  // whether scores say anything
    };

    template <Phase phase>
    void run(std::size_t first, std::size_t last, std::int64_t *labels, int threads);
    Limits limits_of(const QuerySize &size) const;
    template <Fold fold>
    bool meets_others(std::size_t group) const;
    template <Phase phase>
    bool open(Work &work) const;
    template <Fold fold, Phase phase>
    void search(Work &work);
    template <Fold fold, Phase phase>
    void visit(Work &work, std::size_t group, std::uint64_t who);
    template <Phase phase>
    void take(Work &work, std::size_t lane, std::size_t group, std::uint64_t near, std::uint64_t sure);
    template <Phase phase>
    bool accept(Work &work, std::size_t lane, std::uint32_t point);
    template <Phase phase>
    std::uint64_t concerned(const Work &work, const Shared &shared) const;
    template <Phase phase>
    void close(Work &work, std::int64_t *labels);
    void summarise(int threads);
    Shared look(std::size_t group) const;
    static Shared combine(const Union &sets, const Shared &a, const Shared &b);
    void settle(std::size_t i, double sum, double magnitude, double count);
    std::uint32_t row(std::size_t i) const;
    double weight(std::size_t i) const;
    double bound(double magnitude, double count) const;

    const NearestIndex *index_;
    double radius_, enough_;
    const double *weights_;
    bool exact_, positive_;
    double zeros_sum_ = 0, zeros_magnitude_ = 0, zeros_ = 0;  // of rows that are near to all
    // A point is the place of a row in the order of the groups; rows of zeros, in no group, come last.
    std::vector<State> states_;         // (n)
    std::vector<std::uint64_t> cores_;  // (groups): bits of the points
    std::vector<std::uint32_t> noted_;  // (n, kNoted)
    std::vector<std::uint8_t> notes_;   // (n): how many; kNoted + 1: there were more
    std::vector<std::int32_t> labels_;  // (n), once they are numbered
    std::vector<Shared> groups_, nodes_;
    std::vector<std::uint32_t> leaves_;  // (groups): their nodes, in a tree
    Limits fixed_;                       // of any point, where scores have no norms; its box always
    Union sets_;
    std::uint32_t main_ = 0;  // a point of a large component
};

}  // namespace rmodels::RMODELS_ISA
