// Points ready to be searched: packed in groups, in their own order or in that of a tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ops/nearest/collector.hpp"
#include "ops/nearest/packed.hpp"
#include "ops/nearest/tree.hpp"

namespace rmodels::RMODELS_ISA {

class NearestIndex {
public:
    // What "auto" is for some points: whether a tree lets most groups be skipped. Counted on a sample, if there are not
    // few points or few features.
    static bool tree_pays(const Points &X, const std::string &metric, double p, int threads);
    static bool tree_needs_sample(std::size_t n, std::size_t d) { return n > kFewToSample && d > kFewFeatures; }
    static bool tree_pays_by_shape(std::size_t n, std::size_t d) { return n > kFewPoints && d <= kFewFeatures; }

    // algorithm: brute, tree or auto. X is kept by reference.
    NearestIndex(const Points &X, const std::string &metric, double p, const std::string &algorithm, int threads);

    std::string algorithm() const { return is_tree_ ? "tree" : "brute"; }

    // Q: (queries, d) row-major; distances, indices: (queries, k)
    void nearest(const double *Q, std::size_t queries, std::size_t k, double *distances, std::int64_t *indices,
                 int threads) const;
    Found within(const double *Q, std::size_t queries, double radius, int threads) const;

    // What other operations screen the groups by.
    const Searched &searched() const { return searched_; }
    const Points &points() const { return searched_.X; }
    const Frame &frame() const { return frame_; }
    const Tree *tree() const { return is_tree_ && groups_ ? &tree_ : nullptr; }
    std::size_t groups() const { return groups_; }
    std::size_t steps() const { return steps_; }
    float slack(std::size_t g) const { return slack_[g]; }
    // Rounds a scaled query to `steps` values; factor: what its integers are multiplied by. pairs: d + 1 of scratch.
    QuerySize round(const double *scaled, std::int16_t *pairs, float *out, float &factor) const;
    // Calls hit(which of at most kTile queries, group, first point, scores) where a score is at most the query's limit.
    template <Fold fold, class Hit>
    void for_scores(const float *const *rows, const float *factors, std::size_t queries, std::size_t first_group,
                    std::size_t last_group, const float *limits, Hit hit) const;

private:
    static constexpr std::size_t kFewPoints = 1024;    // up to which a tree is not worth its building
    static constexpr std::size_t kFewToSample = 8192;  // up to which comparing costs less than sampling
    static constexpr std::size_t kFewFeatures = 8;     // up to which it is, whatever the points are

    struct Workspace;
    struct Walk {
        std::vector<std::size_t> order;  // of the queries
        std::vector<std::size_t> home;   // tree: the leaf on whose side of every split each of them is
    };

    Walk plan(const double *Q, std::size_t queries, int threads) const;
    // Returns, of a tree, how many pairs of a query and a group were scanned.
    template <class Take>
    std::size_t search(const double *Q, std::size_t queries, Wanted wanted, int threads, Take take) const;
    template <Fold fold>
    void search_brute(Workspace &work, std::size_t first_group, std::size_t last_group) const;
    template <Fold fold>
    void search_tree(Workspace &work) const;
    template <Fold fold, class Hit>
    void for_scores_of(const Workspace &work, const std::size_t *who, std::size_t queries, std::size_t first_group,
                       std::size_t last_group, const float *limits, Hit hit) const;
    template <Fold fold>
    void seed_groups(Workspace &work, const std::size_t *who, std::size_t queries, std::size_t first_group,
                     std::size_t last_group) const;
    template <Fold fold>
    void scan_groups(Workspace &work, const std::size_t *who, std::size_t queries, std::size_t first_group,
                     std::size_t last_group) const;
    void pack_all(int threads, std::optional<Floats> &packed);
    void pack(std::size_t group, std::size_t count);
    void start(Workspace &work, const double *Q, const std::size_t *who, std::size_t queries,
               const std::vector<std::size_t> &home, Wanted wanted) const;

    const float *group(std::size_t g) const { return packed_.data() + g * kGroup * steps_; }

    Frame frame_;
    Searched searched_;
    bool is_tree_ = false;
    Tree tree_;
    std::size_t groups_ = 0;
    std::size_t steps_ = 0;      // features, or pairs of features
    Floats packed_;              // (groups, steps, 64)
    Floats norms_;               // (groups, 64): lowered squared norms, infinite past the last point
    std::vector<float> slack_;   // (groups): by how much a score may be too low
    std::vector<float> scales_;  // (groups): pairs: what a unit of the integers stands for
};

template <Fold fold, class Hit>
void NearestIndex::for_scores(const float *const *rows, const float *factors, std::size_t queries,
                              std::size_t first_group, std::size_t last_group, const float *limits, Hit hit) const {
    const int p = searched_.bounds.power();
    auto scan_all = [&]<int M>() {
        float products[kTile];
        for (std::size_t g = first_group; g < last_group; g++) {
            if constexpr (fold == Fold::pairs)
                for (int m = 0; m < M; m++) products[m] = factors[m] * scales_[g];
            scan<fold, M>(rows, group(g), norms_.data() + g * kGroup, steps_, p, products, limits,
                          [&](int m, std::size_t offset, const float *scores) { hit(m, g, offset, scores); });
        }
    };
    switch (queries) {
        case 1:
            return scan_all.template operator()<1>();
        case 2:
            return scan_all.template operator()<2>();
        case 3:
            return scan_all.template operator()<3>();
        case 4:
            return scan_all.template operator()<4>();
        case 5:
            return scan_all.template operator()<5>();
        default:
            return scan_all.template operator()<kTile>();
    }
}

}  // namespace rmodels::RMODELS_ISA
