/* rmodels without Python: moments, gradient descent, exact nearest neighbours, and models that Python saved.
 *
 * Every function that returns an int returns RMODELS_OK, or what kind of error there was; rmodels_error() says the
 * rest. Nothing is written to a result then, but to memory that was given for numbers. Functions may be called from any
 * thread, a model by several at once. Sums and products of rows are taken in float64.
 */
#ifndef RMODELS_H
#define RMODELS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define RMODELS_API __attribute__((visibility("default")))
#else
#define RMODELS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum {
    RMODELS_OK = 0,
    RMODELS_INVALID = 1,   /* an argument that is wrong: of another shape, not finite, out of range */
    RMODELS_NO_MEMORY = 2, /* not enough memory */
    RMODELS_NO_FILE = 3,   /* a file that cannot be read, or is no model that this library can read */
    RMODELS_NO_ENGINE = 4  /* the library of an instruction set is not there */
};

enum { RMODELS_FLOAT32 = 0, RMODELS_FLOAT64 = 1 };

/* How neighbours count. */
enum { RMODELS_UNIFORM = 0, RMODELS_DISTANCE = 1 };

/* A matrix that is yours: it is read while a function runs, and never kept. */
typedef struct rmodels_array {
    const void *data;
    size_t rows, columns;
    ptrdiff_t row_stride, column_stride; /* in elements */
    int32_t dtype;                       /* RMODELS_FLOAT32 or RMODELS_FLOAT64 */
} rmodels_array;

typedef struct rmodels_model rmodels_model;

/* The version of this library. */
RMODELS_API const char *rmodels_version(void);

/* The instruction set in use: the best that the processor runs, or what the environment variable RMODELS_ISA names;
 * NULL if there is none, and rmodels_error() says why. */
RMODELS_API const char *rmodels_instruction_set(void);

/* What the last error of this thread was. */
RMODELS_API const char *rmodels_error(void);

/* In all that follows, weights may be NULL, which is 1 for each row, or a matrix of one column, at least 0 and not all
 * 0; threads is the most that run, 0 for one per processor. Results do not depend on it. */

/* Weight, mean and scatter of the columns z of [X | Y]: weight = sum w, mean = sum w z / weight (columns), and
 * scatter = sum w (z - mean)(z - mean)' (columns, columns). Y may be NULL. Bitwise those of rmodels.ops.moments.moments
 * with the same instruction set. */
RMODELS_API int rmodels_moments(const rmodels_array *X, const rmodels_array *Y, const rmodels_array *weights,
                                int threads, double *weight, double *mean, double *scatter);

/* Steps of gradient descent on half the mean squared error of [X 1] coefficients - Y, each of which reads all rows:
 * coefficients (columns of X + 1, targets), the intercepts last, are where it begins and ends; losses (steps, targets),
 * which may be NULL, are those after each step. */
RMODELS_API int rmodels_descend(const rmodels_array *X, const rmodels_array *Y, const rmodels_array *weights,
                                size_t steps, double learning_rate, int fit_intercept, int threads,
                                double *coefficients, double *losses);

/* Linear regression by the same steps from zero, on the moments: one read of the rows, then steps * columns^2
 * operations. A learning_rate of 0 is one over the largest eigenvalue of the second moments of [X 1]. */
RMODELS_API int rmodels_fit_linear(const rmodels_array *X, const rmodels_array *Y, const rmodels_array *weights,
                                   size_t steps, double learning_rate, int fit_intercept, int threads,
                                   rmodels_model **model);

/* Exact neighbours of points X, and the means of their Y. metric is "euclidean", "manhattan", "chebyshev", "minkowski"
 * or "cosine", p the exponent of "minkowski"; weights RMODELS_UNIFORM or RMODELS_DISTANCE. X and Y are copied. */
RMODELS_API int rmodels_fit_neighbors_regressor(const rmodels_array *X, const rmodels_array *Y, size_t n_neighbors,
                                                const char *metric, double p, int weights, int threads,
                                                rmodels_model **model);

/* The same, and the votes of their classes: one number from 0 to n_classes - 1 for each point. */
RMODELS_API int rmodels_fit_neighbors_classifier(const rmodels_array *X, const int64_t *codes, size_t n_classes,
                                                 size_t n_neighbors, const char *metric, double p, int weights,
                                                 int threads, rmodels_model **model);

/* A model that rmodels.save wrote: a linear regressor, KNeighborsRegressor or KNeighborsClassifier, of rows without
 * columns of text or gaps that were filled in. */
RMODELS_API int rmodels_load(const char *path, rmodels_model **model);

/* NULL is nothing to free. */
RMODELS_API void rmodels_free(rmodels_model *model);

RMODELS_API size_t rmodels_n_features(const rmodels_model *model);
RMODELS_API size_t rmodels_n_targets(const rmodels_model *model); /* 0 of a classifier */
RMODELS_API size_t rmodels_n_classes(const rmodels_model *model); /* 0 of a regressor */

/* The label of a class of a model that was loaded, as text in UTF-8; NULL if there is none. It lives as long as the
 * model. */
RMODELS_API const char *rmodels_label(const rmodels_model *model, size_t code);

/* The coefficients (targets, features) and intercepts (targets) of a linear model. */
RMODELS_API int rmodels_coefficients(const rmodels_model *model, double *coefficients, double *intercepts);

/* The predictions (rows of X, targets) of a regressor: X coefficients' + intercepts, or means of neighbours,
 * NaN where no neighbour weighs anything. Bitwise what predict returns, on every processor. */
RMODELS_API int rmodels_predict(const rmodels_model *model, const rmodels_array *X, int threads, double *predictions);

/* The class (rows of X) of the largest vote, the first of equal ones, and, if it is not NULL, the shares of all classes
 * (rows of X, classes). */
RMODELS_API int rmodels_classify(const rmodels_model *model, const rmodels_array *X, int threads, int64_t *codes,
                                 double *shares);

/* The n_neighbors nearest points of each row of X in the order of (distance, index), with the distances: (rows,
 * n_neighbors). Bitwise what kneighbors returns, on every processor. Either result may be NULL. */
RMODELS_API int rmodels_neighbors(const rmodels_model *model, const rmodels_array *X, size_t n_neighbors, int threads,
                                  double *distances, int64_t *indices);

#ifdef __cplusplus
}
#endif

#endif
