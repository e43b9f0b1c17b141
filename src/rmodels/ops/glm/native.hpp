// Losses of linear predictors, their gradient, and the weights of their curvature.
#pragma once

#include <cstddef>
#include <vector>

#include "native/strided.hpp"

namespace rmodels::RMODELS_ISA {

enum class Likelihood { logistic, multinomial, tweedie, tweedie_identity };

struct Family {
    Likelihood loss;
    double power;  // of tweedie and tweedie_identity
};

// Targets and weights of consecutive rows; weights may be null.
struct Responses {
    const double *y, *weights;
};

// Of margins (rows, outputs) returns the loss; writes the residuals, and the weights of the curvature, of multinomial
// the probabilities, to (rows, outputs) each.
double measure_rows(const Family &family, const Responses &responses, std::size_t rows, std::size_t outputs,
                    const double *margins, double *residuals, double *curvatures, int threads);

// Coefficients (outputs, columns + 1), of which the last is the intercept, which rows count for them, and where their
// sums are added: of the gradient and its magnitude (outputs, columns + 1) each, and, unless it is null, of the
// curvature (columns + 1, columns + 1), of one output. The weights of the curvature, of multinomial the probabilities,
// are written to curvatures (rows, outputs) unless it is null; of rows that do not count they are 0.
struct Set {
    const double *coefficients;
    const bool *chosen;  // of each row, or null: all
    double *loss, *gradient, *magnitude, *curvature, *curvatures;
};

// Adds the sums of rows less a centre, which may be null, for each of some sets, in one read. The same bits for any
// number of threads.
void evaluate_rows(const Family &family, const Strided &X, const Responses &responses, const double *centre,
                   std::size_t outputs, const std::vector<Set> &sets, int threads);

}  // namespace rmodels::RMODELS_ISA
