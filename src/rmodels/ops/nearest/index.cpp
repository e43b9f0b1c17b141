#include "ops/nearest/index.hpp"

#include "native/threads.hpp"
#include "ops/nearest/best.hpp"
#include "ops/nearest/exact.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kQueryBlock = 16;  // queries of one task

template <class Real>
class Scan final : public NearestIndex {
public:
    Scan(const Real *X, std::size_t n, std::size_t d, Distance distance) : X_(X), n_(n), d_(d), distance_(distance) {
        zero_.assign(n, false);
        if (distance.metric == Metric::cosine)
            for (std::size_t i = 0; i < n; i++) zero_[i] = is_zero(X + i * d);
    }

    std::string algorithm() const override { return "brute"; }

    void nearest(const double *Q, std::size_t queries, std::size_t k, double *distances, std::int64_t *indices,
                 int threads) const override {
        parallel_for((queries + kQueryBlock - 1) / kQueryBlock, threads, [&](std::size_t block, int) {
            Best best(k);
            for (std::size_t i = block * kQueryBlock; i < std::min(queries, (block + 1) * kQueryBlock); i++) {
                each(Q + i * d_, [&](double distance, std::size_t row) { best.offer({distance, std::int64_t(row)}); });
                best.take(distances + i * k, indices + i * k);
            }
        });
    }

    Found within(const double *Q, std::size_t queries, double radius, int threads) const override {
        std::vector<std::vector<Neighbour>> near(queries);
        parallel_for(queries, threads, [&](std::size_t i, int) {
            each(Q + i * d_, [&](double distance, std::size_t row) {
                if (distance <= radius) near[i].push_back({distance, std::int64_t(row)});
            });
            std::sort(near[i].begin(), near[i].end());
        });
        Found found;
        for (const auto &row : near) {
            found.counts.push_back(std::int64_t(row.size()));
            for (const auto &[distance, index] : row) {
                found.distances.push_back(distance);
                found.indices.push_back(index);
            }
        }
        return found;
    }

private:
    template <class Row>
    bool is_zero(const Row *row) const {
        return std::all_of(row, row + d_, [](Row value) { return value == 0; });
    }

    template <class Visit>
    void each(const double *q, Visit visit) const {
        const bool cosine = distance_.metric == Metric::cosine, zero = cosine && is_zero(q);
        for (std::size_t row = 0; row < n_; row++)
            visit(zero || zero_[row] ? 1.0 : distance_.reported(distance_.total(X_ + row * d_, q, d_)), row);
    }

    const Real *X_;
    std::size_t n_, d_;
    Distance distance_;
    std::vector<bool> zero_;  // cosine: rows of zeros
};

}  // namespace

template <class Real>
std::unique_ptr<NearestIndex> make_index(const Real *X, std::size_t n, std::size_t d, const std::string &metric,
                                         double p, const std::string &, int) {
    return std::make_unique<Scan<Real>>(X, n, d, Distance(metric, p));
}

template std::unique_ptr<NearestIndex> make_index(const float *, std::size_t, std::size_t, const std::string &, double,
                                                  const std::string &, int);
template std::unique_ptr<NearestIndex> make_index(const double *, std::size_t, std::size_t, const std::string &, double,
                                                  const std::string &, int);

}  // namespace rmodels::RMODELS_ISA
