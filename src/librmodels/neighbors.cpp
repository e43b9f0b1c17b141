// Votes and means of neighbours, as rmodels.neighbors takes them: sums in the order of (distance, index).
#include <algorithm>
#include <cmath>

#include "library.hpp"

namespace rmodels {
namespace {

constexpr std::size_t kQueries = 4096;  // at a time

// A row in float64, divided by its norm; zeros stay zeros: rmodels.ops.nearest.cosine.normalise.
void normalise(double *row, std::size_t d) {
    double scale = 0, squares = 0;
    for (std::size_t j = 0; j < d; j++) scale = std::max(scale, std::fabs(row[j]));
    if (scale > 0)
        for (std::size_t j = 0; j < d; j++) row[j] /= scale;
    for (std::size_t j = 0; j < d; j++) squares += row[j] * row[j];
    if (squares > 0) {
        const double norm = std::sqrt(squares);
        for (std::size_t j = 0; j < d; j++) row[j] /= norm;
    }
}

}  // namespace

Neighbors::Neighbors(Given given, int threads) : given_(std::move(given)) {
    if (given_.metric == "cosine") {
        if (given_.doubles.empty()) given_.doubles.assign(given_.singles.begin(), given_.singles.end());
        given_.singles.clear();
        for (std::size_t i = 0; i < given_.n; i++) normalise(given_.doubles.data() + i * given_.d, given_.d);
    }
    const bool single = !given_.singles.empty();
    index_ = choose_engine().engine->index(single ? given_.singles.data() : nullptr,
                                           single ? nullptr : given_.doubles.data(), given_.n, given_.d,
                                           given_.metric.c_str(), given_.p, threads);
}

Neighbors::~Neighbors() { choose_engine().engine->free_index(index_); }

// Calls take(first query, queries, distances, indices) for a part of the queries after the other.
template <class Take>
void Neighbors::for_queries(const View &X, std::size_t k, int threads, Take take) const {
    const std::size_t most = std::min(kQueries, X.rows);
    std::vector<double> Q(most * given_.d), distances(most * k);
    std::vector<std::int64_t> indices(most * k);
    for (std::size_t first = 0; first < X.rows; first += most) {
        const std::size_t queries = std::min(most, X.rows - first);
        for (std::size_t i = 0; i < queries; i++) {
            double *row = Q.data() + i * given_.d;
            for (std::size_t j = 0; j < given_.d; j++) row[j] = value_at(X, first + i, j);
            if (given_.metric == "cosine") normalise(row, given_.d);
        }
        choose_engine().engine->nearest(index_, Q.data(), queries, k, distances.data(), indices.data(), threads);
        for (std::size_t i = 0; i < queries; i++) take(first + i, distances.data() + i * k, indices.data() + i * k);
    }
}

void Neighbors::find(const View &X, std::size_t k, int threads, double *distances, std::int64_t *indices) const {
    for_queries(X, k, threads, [&](std::size_t query, const double *far, const std::int64_t *who) {
        if (distances) std::copy(far, far + k, distances + query * k);
        if (indices) std::copy(who, who + k, indices + query * k);
    });
}

// Puts weights in the place of distances: where some are infinite, these are 1 and the others 0.
void Neighbors::weigh(double *distances, std::size_t k) const {
    bool touching = false;
    for (std::size_t i = 0; i < k; i++) {
        distances[i] = given_.by_distance ? 1.0 / distances[i] : 1.0;
        touching |= std::isinf(distances[i]);
    }
    if (touching)
        for (std::size_t i = 0; i < k; i++) distances[i] = std::isinf(distances[i]) ? 1.0 : 0.0;
}

void Neighbors::predict(const View &X, int threads, double *predictions) const {
    for_queries(X, given_.k, threads, [&](std::size_t query, double *weights, const std::int64_t *who) {
        weigh(weights, given_.k);
        for (std::size_t t = 0; t < given_.targets; t++) {
            double sum = 0, total = 0;
            for (std::size_t i = 0; i < given_.k; i++) {
                sum += weights[i] * given_.Y[std::size_t(who[i]) * given_.targets + t];
                total += weights[i];
            }
            const double mean = sum / total;
            predictions[query * given_.targets + t] = given_.rounds ? double(float(mean)) : mean;
        }
    });
}

void Neighbors::classify(const View &X, int threads, std::int64_t *codes, double *shares) const {
    std::vector<double> votes(given_.classes);
    for_queries(X, given_.k, threads, [&](std::size_t query, double *weights, const std::int64_t *who) {
        weigh(weights, given_.k);
        std::fill(votes.begin(), votes.end(), 0.0);
        for (std::size_t i = 0; i < given_.k; i++) votes[std::size_t(given_.codes[std::size_t(who[i])])] += weights[i];
        codes[query] = std::max_element(votes.begin(), votes.end()) - votes.begin();
        if (!shares) return;
        double total = 0;
        for (double vote : votes) total += vote;
        for (std::size_t c = 0; c < votes.size(); c++) shares[query * votes.size() + c] = votes[c] / total;
    });
}

}  // namespace rmodels
