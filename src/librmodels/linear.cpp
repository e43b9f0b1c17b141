// Gradient descent on moments, and linear predictions by the engine.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "library.hpp"

namespace rmodels {
namespace {

// Sturm's count: how many eigenvalues of a tridiagonal matrix are below x.
std::size_t count_below(const std::vector<double> &diagonal, const std::vector<double> &beside, double x) {
    std::size_t count = 0;
    double pivot = 1.0;
    for (std::size_t i = 0; i < diagonal.size(); i++) {
        const double square = i ? beside[i] * beside[i] : 0.0;
        pivot = diagonal[i] - x - square / pivot;
        if (pivot == 0) pivot = 1e-300;
        count += pivot < 0;
    }
    return count;
}

std::string text(double value) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.6g", value);
    return buffer;
}

}  // namespace

// By reflections to a tridiagonal matrix, and bisection.
double largest_eigenvalue(std::vector<double> A, std::size_t n) {
    if (!n) return 0.0;
    double scale = 0;
    for (double value : A) scale = std::max(scale, std::fabs(value));
    if (scale == 0 || !std::isfinite(scale)) return scale;
    for (double &value : A) value /= scale;
    std::vector<double> diagonal(n), beside(n), v(n), w(n);
    for (std::size_t k = 0; k + 2 < n; k++) {
        double norm = 0;
        for (std::size_t i = k + 1; i < n; i++) norm += A[i * n + k] * A[i * n + k];
        norm = std::sqrt(norm);
        beside[k + 1] = A[(k + 1) * n + k];
        if (norm == 0) continue;
        const double first = A[(k + 1) * n + k], alpha = first > 0 ? -norm : norm;
        for (std::size_t i = k + 1; i < n; i++) v[i] = A[i * n + k];
        v[k + 1] -= alpha;
        double square = 0;
        for (std::size_t i = k + 1; i < n; i++) square += v[i] * v[i];
        beside[k + 1] = alpha;
        if (square == 0) continue;
        double product = 0;
        for (std::size_t i = k + 1; i < n; i++) {
            double sum = 0;
            for (std::size_t j = k + 1; j < n; j++) sum += A[i * n + j] * v[j];
            w[i] = 2 * sum / square;
            product += w[i] * v[i];
        }
        for (std::size_t i = k + 1; i < n; i++) w[i] -= product / square * v[i];
        for (std::size_t i = k + 1; i < n; i++)
            for (std::size_t j = k + 1; j < n; j++) A[i * n + j] -= v[i] * w[j] + w[i] * v[j];
    }
    for (std::size_t i = 0; i < n; i++) diagonal[i] = A[i * n + i];
    if (n > 1) beside[n - 1] = A[(n - 1) * n + n - 2];
    double low = -double(n), high = double(n);  // by rows: no entry is above 1
    while (true) {
        const double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high) break;
        (count_below(diagonal, beside, middle) == n ? high : low) = middle;
    }
    return high * scale;
}

Linear descend_moments(std::size_t d, std::size_t targets, double weight, const std::vector<double> &mean,
                       const std::vector<double> &scatter, std::size_t steps, double learning_rate,
                       bool fit_intercept) {
    const std::size_t columns = d + targets, size = d + fit_intercept;
    std::vector<double> H(size * size);  // second moments of [X 1]
    for (std::size_t i = 0; i < d; i++) {
        for (std::size_t j = 0; j < d; j++) H[i * size + j] = scatter[i * columns + j] / weight + mean[i] * mean[j];
        if (fit_intercept) H[i * size + d] = H[d * size + i] = mean[i];
    }
    if (fit_intercept) H[size * size - 1] = 1.0;
    const double largest = largest_eigenvalue(H, size);
    const double rate = learning_rate > 0 ? learning_rate : largest > 0 ? 1.0 / largest : 1.0;
    Linear found{d, targets, std::vector<double>(targets * d), std::vector<double>(targets)};
    std::vector<double> slope(d);
    for (std::size_t t = 0; t < targets; t++) {
        double *w = found.coefficients.data() + t * d, &b = found.intercepts[t];
        for (std::size_t step = 0; step < steps; step++) {
            double residual = b - mean[d + t];  // mean of what is predicted less that of y
            for (std::size_t j = 0; j < d; j++) residual += mean[j] * w[j];
            for (std::size_t i = 0; i < d; i++) {
                double sum = -scatter[i * columns + d + t];
                for (std::size_t j = 0; j < d; j++) sum += scatter[i * columns + j] * w[j];
                slope[i] = sum / weight + mean[i] * residual;
            }
            for (std::size_t i = 0; i < d; i++) w[i] -= rate * slope[i];
            if (fit_intercept) b -= rate * residual;
        }
        bool finite = std::isfinite(b);
        for (std::size_t i = 0; i < d; i++) finite &= std::isfinite(w[i]);
        if (!finite)
            refuse("gradient descent diverges with learning_rate=" + text(rate) + ": it has to be below " +
                   text(2.0 / largest));
    }
    return found;
}

void Linear::predict(const View &X, int threads, double *predictions) const {
    choose_engine().engine->affine(X, coefficients.data(), intercepts.data(), targets, threads, predictions);
    if (!rounds || !X.single) return;
    std::transform(predictions, predictions + X.rows * targets, predictions,
                   [](double each) { return double(float(each)); });
}

}  // namespace rmodels
