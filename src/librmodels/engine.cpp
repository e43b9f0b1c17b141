// The library of one instruction set.
#include "engine.hpp"

#include <vector>

#include "native/interrupts.hpp"
#include "native/strided.hpp"
#include "ops/affine/native.hpp"
#include "ops/descent/native.hpp"
#include "ops/moments/native.hpp"
#include "ops/nearest/index.hpp"

namespace rmodels::RMODELS_ISA {

void answer_interrupts() {}  // there is no interpreter whose signals would wait

namespace {

Strided strided(const View &view) {
    return {view.data, view.single, view.rows, view.columns, view.row_stride, view.column_stride};
}

void take_moments(const View &X, const View &Y, const View &weights, int threads, double *weight, double *mean,
                  double *scatter) {
    Moments sums(X.columns + Y.columns);
    sums.add({strided(X), strided(Y), strided(weights)}, 0, X.rows, threads);
    std::vector<double> rest(X.columns + Y.columns);
    sums.finish(mean, rest.data(), scatter);
    *weight = sums.weight();
}

void take_steps(const View &X, const View &Y, const View &weights, const Steps &steps, int threads,
                double *coefficients, double *squares) {
    const Regression data{strided(X), strided(Y), strided(weights), nullptr};
    descend(data, {steps.learning_rate, steps.weight, steps.fit_intercept, steps.count}, threads, coefficients,
            squares);
    std::vector<double> slope((X.columns + 1) * Y.columns);
    add_gradient(data, coefficients, threads, slope.data(), squares + steps.count * Y.columns);
}

void predict(const View &X, const double *coefficients, const double *intercepts, std::size_t targets, int threads,
             double *predictions) {
    predict_affine(strided(X), {coefficients, intercepts, targets}, predictions, threads);
}

void *new_index(const float *singles, const double *doubles, std::size_t n, std::size_t d, const char *metric, double p,
                int threads) {
    return new NearestIndex({singles, doubles, n, d}, metric, p, "auto", threads);
}

void free_index(void *index) { delete static_cast<NearestIndex *>(index); }

void find_nearest(const void *index, const double *Q, std::size_t queries, std::size_t k, double *distances,
                  std::int64_t *indices, int threads) {
    static_cast<const NearestIndex *>(index)->nearest(Q, queries, k, distances, indices, threads);
}

}  // namespace
}  // namespace rmodels::RMODELS_ISA

extern "C" __attribute__((visibility("default"))) const rmodels::Engine *rmodels_engine() {
    using namespace rmodels::RMODELS_ISA;
    static const rmodels::Engine engine{&take_moments, &take_steps, &predict, &new_index, &free_index, &find_nearest};
    return &engine;
}
