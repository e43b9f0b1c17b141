// A point is compared exactly if its score leaves open whether it is a neighbour. Scores err by what the bounds say of
// the sizes of point and query alone, so that distances within a sample tell how many points are as near as that.
#include "ops/nearest/fold_trial.hpp"

#include <algorithm>
#include <cmath>

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kQueries = 8;
constexpr std::size_t kNeighbours = 5;
constexpr std::size_t kValues = 1 << 19;  // of the sample, about
constexpr std::size_t kLeast = 512, kMost = 2048;
constexpr double kRefined = 32;  // points that are screened in the time that one is compared exactly

// Scaled squares of the distances of a point to some rows.
std::vector<double> find_squares(const Searched &s, const Frame &frame, const std::uint32_t *rows, std::size_t count,
                                 const double *point) {
    std::vector<double> found(count);
    s.distance.distances(s.X, rows, count, point, found.data());
    const double scale = std::ldexp(1.0, frame.exponent);
    const bool halved = s.distance.metric == Metric::cosine;  // square
    for (double &each : found) each = halved ? 2 * each * scale * scale : each * scale * (each * scale);
    return found;
}

double find_nearest(std::vector<double> squares) {
    const auto last = squares.begin() + std::ptrdiff_t(std::min(kNeighbours, squares.size()) - 1);
    std::nth_element(squares.begin(), last, squares.end());
    return *last;
}

// How many leaves have boxes within a distance of coordinates.
std::size_t count_leaves(const Tree &tree, const float *coordinates, double square) {
    std::size_t found = 0;
    for (std::size_t node = 0; node < tree.nodes(); node++) {
        if (!tree.is_there(node) || !tree.is_leaf(node)) continue;
        double sum = 0;
        for (std::size_t a = 0; a < tree.axes().count(); a++) {
            const float *side = tree.box(node) + 2 * a;
            const double gap = double(coordinates[a]) - std::clamp(coordinates[a], side[0], side[1]);
            sum += gap * gap;
        }
        found += sum <= square;
    }
    return found;
}

}  // namespace

FoldTrial::FoldTrial(const Searched &s, const Frame &frame, const Tree *tree)
    : features_(double(s.X.d)), largest_(frame.largest) {
    const std::size_t n = s.rows.size(), d = s.X.d;
    const std::size_t size = std::min(n, std::clamp(std::min(kValues / d, n / 8), kLeast, kMost));
    share_ = double(n) / double(size);
    std::vector<std::uint32_t> sample(size);
    for (std::size_t i = 0; i < size; i++) sample[i] = s.rows[i * n / size];
    norms_ = find_squares(s, frame, sample.data(), size, frame.centre.data());
    for (const double square : norms_) losses_.push_back(lost(square));
    std::vector<double> point(d), scaled(d);
    for (std::size_t i = 0; i < kQueries; i++) {
        const std::size_t row = s.rows[(2 * i + 1) * n / (2 * kQueries)];
        s.X.typed([&](auto *x) { std::copy_n(x + row * d, d, point.data()); });
        Query query{{0, 0, 0}, 0, find_squares(s, frame, sample.data(), size, point.data())};
        for (std::size_t c = 0; c < d; c++) {
            scaled[c] = frame.place(point[c], c);
            query.size.square += scaled[c] * scaled[c];
            query.size.largest = std::max(query.size.largest, std::fabs(scaled[c]));
        }
        query.size.lost = lost(query.size.square);
        query.nearest = find_nearest(query.squares);
        if (tree) {
            float coordinates[kAxes];
            tree->axes().project(scaled.data(), coordinates);
            const std::size_t first = tree->home(coordinates) * kGroup, count = std::min(kGroup, n - first);
            query.nearest = std::min(query.nearest,
                                     find_nearest(find_squares(s, frame, s.rows.data() + first, count, point.data())));
            screened_ += double(kGroup * count_leaves(*tree, coordinates, query.nearest));
        } else {
            screened_ += double(n);
        }
        queries_.push_back(std::move(query));
    }
}

double FoldTrial::lost(double square) const {
    return std::sqrt(features_ / 12) / pairs_scale(std::sqrt(square), largest_, std::size_t(features_));
}

bool FoldTrial::too_coarse(const Bounds &bounds) const {
    std::vector<double> lowerings(norms_.size());
    for (std::size_t i = 0; i < norms_.size(); i++) lowerings[i] = bounds.lowering(norms_[i], losses_[i]);
    double open = 0;
    for (const Query &each : queries_) {
        const QuerySize &size = each.size;
        if (!bounds.screens(size)) return true;
        const double high = each.nearest - size.square + bounds.lowering(size.square, size.lost);
        const double limit = bounds.limit(size, bounds.reach_of_score(size, high));
        for (std::size_t i = 0; i < norms_.size(); i++)
            open += each.squares[i] > each.nearest && each.squares[i] - size.square - lowerings[i] <= limit;
    }
    return open * share_ * kRefined > screened_ + kRefined * double(queries_.size() * 4 * kNeighbours);
}

}  // namespace rmodels::RMODELS_ISA
