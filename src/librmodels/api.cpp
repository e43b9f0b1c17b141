// The functions of rmodels.h: what is wrong is said before work starts.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <thread>

#include "library.hpp"

namespace rmodels {

double value_at(const View &view, std::size_t row, std::size_t column) {
    const std::ptrdiff_t at = std::ptrdiff_t(row) * view.row_stride + std::ptrdiff_t(column) * view.column_stride;
    return view.single ? double(static_cast<const float *>(view.data)[at]) : static_cast<const double *>(view.data)[at];
}

namespace {

thread_local std::string last_error;

// Runs a body, and returns what kind of error there was.
template <class Body>
int run(Body body) noexcept {
    int status = RMODELS_OK;
    try {
        try {
            body();
        } catch (const Error &error) {
            status = error.status;
            last_error = error.what();
        } catch (const std::bad_alloc &) {
            status = RMODELS_NO_MEMORY;
            last_error = "not enough memory";
        } catch (const std::exception &error) {
            status = RMODELS_INVALID;
            last_error = error.what();
        }
    } catch (...) {  // no memory for the message
        if (status == RMODELS_OK) status = RMODELS_INVALID;
        last_error.clear();
    }
    return status;
}

void need(const void *pointer, const char *name) {
    if (!pointer) refuse(std::string(name) + " is NULL");
}

// A view of a matrix with rows, columns and finite numbers.
View check(const rmodels_array *array, const char *name) {
    need(array, name);
    need(array->data, name);
    const std::string called = name;
    if (array->dtype != RMODELS_FLOAT32 && array->dtype != RMODELS_FLOAT64)
        refuse(called + " has dtype " + std::to_string(array->dtype) +
               ", which is neither RMODELS_FLOAT32 nor RMODELS_FLOAT64");
    if (!array->rows || !array->columns) refuse(called + " is empty");
    const View view{array->data,       array->dtype == RMODELS_FLOAT32,
                    array->rows,       array->columns,
                    array->row_stride, array->column_stride};
    for (std::size_t row = 0; row < view.rows; row++)
        for (std::size_t column = 0; column < view.columns; column++)
            if (!std::isfinite(value_at(view, row, column)))
                refuse(called + " has a value that is not finite in row " + std::to_string(row) + ", column " +
                       std::to_string(column));
    return view;
}

View check_rows(const rmodels_array *array, const char *name, std::size_t rows) {
    const View view = check(array, name);
    if (view.rows != rows)
        refuse(std::string(name) + " has " + std::to_string(view.rows) + " rows, and X has " + std::to_string(rows));
    return view;
}

// Weights of rows, if there are some, and their sum.
View check_weights(const rmodels_array *array, std::size_t rows, double &sum) {
    sum = double(rows);
    if (!array) return {};
    const View view = check_rows(array, "weights", rows);
    if (view.columns != 1) refuse("weights have " + std::to_string(view.columns) + " columns, and need one");
    sum = 0;
    for (std::size_t row = 0; row < rows; row++) {
        const double weight = value_at(view, row, 0);
        if (weight < 0) refuse("weights are below 0 in row " + std::to_string(row));
        sum += weight;
    }
    if (!(sum > 0)) refuse("weights are all 0");
    return view;
}

View check_queries(const rmodels_model *model, const rmodels_array *array) {
    need(model, "model");
    const View view = check(array, "X");
    if (view.columns != rmodels_n_features(model))
        refuse("X has " + std::to_string(view.columns) + " features, and the model takes " +
               std::to_string(rmodels_n_features(model)));
    return view;
}

double check_rate(double rate, bool automatic) {
    if (!std::isfinite(rate) || rate < 0 || (rate == 0 && !automatic))
        refuse("learning_rate must be finite and above 0");
    return rate;
}

int count_threads(int threads) {
    if (threads < 0) refuse("threads must be at least 0");
    return threads ? threads : std::max(1, int(std::thread::hardware_concurrency()));
}

struct Sums {
    double weight = 0;
    std::vector<double> mean, scatter;
};

Sums take_moments(const View &X, const View &Y, const View &weights, int threads) {
    const std::size_t columns = X.columns + Y.columns;
    Sums sums{0, std::vector<double>(columns), std::vector<double>(columns * columns)};
    choose_engine().engine->moments(X, Y, weights, threads, &sums.weight, sums.mean.data(), sums.scatter.data());
    for (std::size_t j = 0; j < columns; j++)
        if (!std::isfinite(sums.scatter[j * columns + j]))
            refuse("squares of column " + std::to_string(j) + " of [X | Y] overflow: scale it");
    return sums;
}

Neighbors::Given keep(const View &X, std::size_t k, const char *metric, double p, int weights) {
    static const char *const known[] = {"euclidean", "manhattan", "chebyshev", "minkowski", "cosine"};
    need(metric, "metric");
    if (std::none_of(std::begin(known), std::end(known), [&](const char *each) { return !std::strcmp(each, metric); }))
        refuse(std::string("metric is '") + metric +
               "', and must be one of euclidean, manhattan, chebyshev, minkowski, cosine");
    if (!(p > 0)) refuse("p must be above 0");
    if (weights != RMODELS_UNIFORM && weights != RMODELS_DISTANCE)
        refuse("weights must be RMODELS_UNIFORM or RMODELS_DISTANCE");
    if (!k || k > X.rows)
        refuse("n_neighbors is " + std::to_string(k) + ", and has to be from 1 to the " + std::to_string(X.rows) +
               " points");
    if (!std::strcmp(metric, "minkowski") && std::isinf(p)) metric = "chebyshev";
    Neighbors::Given given;
    given.n = X.rows, given.d = X.columns, given.metric = metric, given.p = p, given.k = k;
    given.by_distance = weights == RMODELS_DISTANCE;
    if (X.single)
        given.singles.resize(X.rows * X.columns);
    else
        given.doubles.resize(X.rows * X.columns);
    for (std::size_t row = 0; row < X.rows; row++)
        for (std::size_t j = 0; j < X.columns; j++) {
            const double value = value_at(X, row, j);
            if (X.single)
                given.singles[row * X.columns + j] = float(value);
            else
                given.doubles[row * X.columns + j] = value;
        }
    return given;
}

const Neighbors &neighbors_of(const rmodels_model *model) {
    if (!model->neighbors) refuse("the model is linear, and has no neighbours");
    return *model->neighbors;
}

rmodels_model *give(Neighbors::Given given, int threads) {
    auto made = std::make_unique<rmodels_model>();
    made->neighbors = std::make_unique<Neighbors>(std::move(given), threads);
    return made.release();
}

}  // namespace
}  // namespace rmodels

using namespace rmodels;

extern "C" {

const char *rmodels_version(void) { return RMODELS_VERSION; }

const char *rmodels_instruction_set(void) {
    const char *name = nullptr;
    run([&] { name = choose_engine().set.c_str(); });
    return name;
}

const char *rmodels_error(void) { return last_error.c_str(); }

int rmodels_moments(const rmodels_array *X, const rmodels_array *Y, const rmodels_array *weights, int threads,
                    double *weight, double *mean, double *scatter) {
    return run([&] {
        const View rows = check(X, "X"), targets = Y ? check_rows(Y, "Y", rows.rows) : View{};
        double sum;
        const View weighed = check_weights(weights, rows.rows, sum);
        need(weight, "weight"), need(mean, "mean"), need(scatter, "scatter");
        View none{rows.data, rows.single, rows.rows, 0, rows.row_stride, rows.column_stride};
        const Sums sums = take_moments(rows, Y ? targets : none, weighed, count_threads(threads));
        *weight = sums.weight;
        std::copy(sums.mean.begin(), sums.mean.end(), mean);
        std::copy(sums.scatter.begin(), sums.scatter.end(), scatter);
    });
}

int rmodels_descend(const rmodels_array *X, const rmodels_array *Y, const rmodels_array *weights, size_t steps,
                    double learning_rate, int fit_intercept, int threads, double *coefficients, double *losses) {
    return run([&] {
        const View rows = check(X, "X"), targets = check_rows(Y, "Y", rows.rows);
        double sum;
        const View weighed = check_weights(weights, rows.rows, sum);
        check_rate(learning_rate, false);
        need(coefficients, "coefficients");
        const std::size_t size = (rows.columns + 1) * targets.columns;
        std::vector<double> w(coefficients, coefficients + size), squares((steps + 1) * targets.columns);
        if (!fit_intercept) std::fill(w.end() - std::ptrdiff_t(targets.columns), w.end(), 0.0);
        choose_engine().engine->descend(rows, targets, weighed, {learning_rate, sum, fit_intercept != 0, steps},
                                        count_threads(threads), w.data(), squares.data());
        for (double value : w)
            if (!std::isfinite(value)) refuse("gradient descent diverges: set a smaller learning_rate");
        std::copy(w.begin(), w.end(), coefficients);
        if (!losses) return;
        for (std::size_t i = targets.columns; i < squares.size(); i++)
            losses[i - targets.columns] = squares[i] / (2 * sum);
    });
}

int rmodels_fit_linear(const rmodels_array *X, const rmodels_array *Y, const rmodels_array *weights, size_t steps,
                       double learning_rate, int fit_intercept, int threads, rmodels_model **model) {
    return run([&] {
        const View rows = check(X, "X"), targets = check_rows(Y, "Y", rows.rows);
        double sum;
        const View weighed = check_weights(weights, rows.rows, sum);
        check_rate(learning_rate, true);
        need(model, "model");
        const Sums sums = take_moments(rows, targets, weighed, count_threads(threads));
        auto made = std::make_unique<rmodels_model>();
        made->linear =
            std::make_unique<Linear>(descend_moments(rows.columns, targets.columns, sums.weight, sums.mean,
                                                     sums.scatter, steps, learning_rate, fit_intercept != 0));
        *model = made.release();
    });
}

int rmodels_fit_neighbors_regressor(const rmodels_array *X, const rmodels_array *Y, size_t n_neighbors,
                                    const char *metric, double p, int weights, int threads, rmodels_model **model) {
    return run([&] {
        const View rows = check(X, "X"), targets = check_rows(Y, "Y", rows.rows);
        need(model, "model");
        Neighbors::Given given = keep(rows, n_neighbors, metric, p, weights);
        given.targets = targets.columns;
        for (std::size_t row = 0; row < rows.rows; row++)
            for (std::size_t t = 0; t < targets.columns; t++) given.Y.push_back(value_at(targets, row, t));
        given.rounds = targets.single && !given.by_distance;
        *model = give(std::move(given), count_threads(threads));
    });
}

int rmodels_fit_neighbors_classifier(const rmodels_array *X, const int64_t *codes, size_t n_classes, size_t n_neighbors,
                                     const char *metric, double p, int weights, int threads, rmodels_model **model) {
    return run([&] {
        const View rows = check(X, "X");
        need(codes, "codes"), need(model, "model");
        Neighbors::Given given = keep(rows, n_neighbors, metric, p, weights);
        for (std::size_t row = 0; row < rows.rows; row++)
            if (codes[row] < 0 || std::size_t(codes[row]) >= n_classes)
                refuse("codes have " + std::to_string(codes[row]) + " in row " + std::to_string(row) +
                       ", and there are " + std::to_string(n_classes) + " classes, from 0 on");
        given.classes = n_classes;
        given.codes.assign(codes, codes + rows.rows);
        *model = give(std::move(given), count_threads(threads));
    });
}

int rmodels_load(const char *path, rmodels_model **model) {
    return run([&] {
        need(path, "path"), need(model, "model");
        *model = load_model(path).release();
    });
}

void rmodels_free(rmodels_model *model) { delete model; }

size_t rmodels_n_features(const rmodels_model *model) {
    if (!model) return 0;
    return model->linear ? model->linear->features : model->neighbors->given().d;
}

size_t rmodels_n_targets(const rmodels_model *model) {
    if (!model) return 0;
    return model->linear ? model->linear->targets : model->neighbors->given().targets;
}

size_t rmodels_n_classes(const rmodels_model *model) {
    return model && model->neighbors ? model->neighbors->given().classes : 0;
}

const char *rmodels_label(const rmodels_model *model, size_t code) {
    if (!model || !model->neighbors || code >= model->neighbors->given().labels.size()) return nullptr;
    return model->neighbors->given().labels[code].c_str();
}

int rmodels_coefficients(const rmodels_model *model, double *coefficients, double *intercepts) {
    return run([&] {
        need(model, "model"), need(coefficients, "coefficients"), need(intercepts, "intercepts");
        if (!model->linear) refuse("the model is one of neighbours, and has no coefficients");
        std::copy(model->linear->coefficients.begin(), model->linear->coefficients.end(), coefficients);
        std::copy(model->linear->intercepts.begin(), model->linear->intercepts.end(), intercepts);
    });
}

int rmodels_predict(const rmodels_model *model, const rmodels_array *X, int threads, double *predictions) {
    return run([&] {
        const View rows = check_queries(model, X);
        need(predictions, "predictions");
        const int most = count_threads(threads);
        if (model->linear) return model->linear->predict(rows, most, predictions);
        if (!neighbors_of(model).given().targets) refuse("the model tells classes: ask rmodels_classify");
        model->neighbors->predict(rows, most, predictions);
    });
}

int rmodels_classify(const rmodels_model *model, const rmodels_array *X, int threads, int64_t *codes, double *shares) {
    return run([&] {
        const View rows = check_queries(model, X);
        need(codes, "codes");
        const int most = count_threads(threads);
        if (!rmodels_n_classes(model)) refuse("the model predicts numbers: ask rmodels_predict");
        model->neighbors->classify(rows, most, codes, shares);
    });
}

int rmodels_neighbors(const rmodels_model *model, const rmodels_array *X, size_t n_neighbors, int threads,
                      double *distances, int64_t *indices) {
    return run([&] {
        const View rows = check_queries(model, X);
        const Neighbors &index = neighbors_of(model);
        const int most = count_threads(threads);
        if (!n_neighbors || n_neighbors > index.given().n)
            refuse("n_neighbors is " + std::to_string(n_neighbors) + ", and has to be from 1 to the " +
                   std::to_string(index.given().n) + " points");
        index.find(rows, n_neighbors, most, distances, indices);
    });
}

}  // extern "C"
