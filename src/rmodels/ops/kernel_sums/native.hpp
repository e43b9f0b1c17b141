// Weighted sums of a kernel over points, near each of some queries: a walk of the tree that opens a box only where its
// points differ by more than the sum may be wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ops/nearest/index.hpp"

namespace rmodels::RMODELS_ISA {

enum class Kernel { gaussian, tophat, epanechnikov, exponential, linear, cosine };

// Which kernel is added up, and how far a sum S may be from the true one: absolute + relative S, and rounding.
struct Smoothing {
    Kernel kernel;
    double bandwidth;
    double absolute, relative;
};

Kernel kernel_named(const std::string &name);

class KernelSums {
public:
    // index: with a tree, kept by reference. weights: one a row, above 0, or null for ones.
    KernelSums(const NearestIndex &index, const double *weights, int threads);

    // Q: (queries, d) row-major. near: the nearest point of each, a row. found: log Σ w K(distance / bandwidth).
    void sum(const double *Q, std::size_t queries, const std::int64_t *near, const Smoothing &how, double *found,
             int threads) const;

private:
    struct Terms;
    struct Partial {  // a sum, and what rounding has taken from it
        double sum = 0, rest = 0;
        void add(double value);
    };
    struct Work;

    template <Kernel kernel, Fold fold>
    void sum_all(const double *Q, std::size_t queries, const std::int64_t *near, const Terms &terms, double *found,
                 int threads) const;
    template <Kernel kernel, Fold fold>
    void open(Work &work, const Terms &terms, const double *Q, const std::int64_t *near, const std::size_t *who,
              std::size_t queries) const;
    template <Kernel kernel, Fold fold>
    void walk(Work &work, const Terms &terms, std::size_t node) const;
    template <Kernel kernel, Fold fold>
    std::uint64_t settle(Work &work, const Terms &terms, std::size_t node, std::uint64_t who) const;
    template <Kernel kernel, Fold fold>
    double sum_group(const double *query, double reference, const Terms &terms, std::size_t group) const;
    template <Fold fold>
    Terms terms_of(const Smoothing &how) const;
    template <class Run>
    void with_kernel(Kernel kernel, Run run) const;

    const NearestIndex *index_;
    std::size_t d_;
    std::vector<double> points_;         // (groups, d, kGroup): past the last point its copies
    std::vector<double> weights_;        // (groups, kGroup): 0 past the last point
    std::vector<double> boxes_;          // (nodes, d, low and high)
    std::vector<double> node_weights_;   // (nodes)
    std::vector<char> is_point_;         // (nodes): whether the box is a point
    std::vector<std::uint32_t> places_;  // (n): of the rows among the points
    std::vector<std::size_t> spans_;     // nodes whose points together are all, in their order
};

}  // namespace rmodels::RMODELS_ISA
