// What the library of an instruction set gives: functions of plain types, so that no other code of a set is linked to
// that of another.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rmodels {

struct View {
    const void *data = nullptr;  // null stands for an array that was not given
    bool single = false;         // float32; else float64
    std::size_t rows = 0, columns = 0;
    std::ptrdiff_t row_stride = 0, column_stride = 0;  // in elements
};

struct Steps {
    double learning_rate, weight;
    bool fit_intercept;
    std::size_t count;
};

struct Engine {
    // Y and weights may be none.
    void (*moments)(const View &X, const View &Y, const View &weights, int threads, double *weight, double *mean,
                    double *scatter);
    // coefficients (columns + 1, targets); squares (steps + 1, targets) before each step and after the last
    void (*descend)(const View &X, const View &Y, const View &weights, const Steps &steps, int threads,
                    double *coefficients, double *squares);
    // coefficients (targets, columns), intercepts (targets); predictions (rows, targets)
    void (*affine)(const View &X, const double *coefficients, const double *intercepts, std::size_t targets,
                   int threads, double *predictions);
    // X (n, d) row-major, one of the two, and kept by reference
    void *(*index)(const float *singles, const double *doubles, std::size_t n, std::size_t d, const char *metric,
                   double p, int threads);
    void (*free_index)(void *index);
    // Q (queries, d) row-major; distances, indices (queries, k)
    void (*nearest)(const void *index, const double *Q, std::size_t queries, std::size_t k, double *distances,
                    std::int64_t *indices, int threads);
};

}  // namespace rmodels
