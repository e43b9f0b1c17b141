// What the files of the library share: errors, views, and the parts of a model.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine.hpp"
#include "rmodels.h"

namespace rmodels {

// An error that a function of rmodels.h returns.
struct Error : std::runtime_error {
    Error(int status, const std::string &message) : std::runtime_error(message), status(status) {}
    int status;
};

[[noreturn]] inline void refuse(const std::string &message) { throw Error(RMODELS_INVALID, message); }

// The engine of the best instruction set, or of that which RMODELS_ISA names, and its name.
struct Chosen {
    const Engine *engine;
    std::string set;
};
const Chosen &choose_engine();

double value_at(const View &view, std::size_t row, std::size_t column);

// Predicts by X coefficients' + intercepts.
struct Linear {
    std::size_t features = 0, targets = 0;
    std::vector<double> coefficients;  // (targets, features)
    std::vector<double> intercepts;    // (targets)
    bool rounds = false;               // predictions for float32 to float32, as Python does those of a model in float32

    void predict(const View &X, int threads, double *predictions) const;
};

// Steps from zero on the moments of [X | Y].
Linear descend_moments(std::size_t features, std::size_t targets, double weight, const std::vector<double> &mean,
                       const std::vector<double> &scatter, std::size_t steps, double learning_rate, bool fit_intercept);

// The largest eigenvalue of a symmetric matrix (n, n).
double largest_eigenvalue(std::vector<double> matrix, std::size_t n);

// Points with what is known of them, and their index.
class Neighbors {
public:
    struct Given {
        std::size_t n = 0, d = 0;
        std::vector<float> singles;  // (n, d): one of the two is empty
        std::vector<double> doubles;
        std::string metric = "euclidean";
        double p = 2;
        std::size_t k = 5;
        bool by_distance = false;
        std::size_t targets = 0;          // of a regressor
        std::vector<double> Y;            // (n, targets)
        bool rounds = false;              // predictions to float32, as those of targets in float32 are
        std::size_t classes = 0;          // of a classifier
        std::vector<std::int64_t> codes;  // (n)
        std::vector<std::string> labels;  // (classes), if they are known
    };

    Neighbors(Given given, int threads);
    ~Neighbors();
    Neighbors(const Neighbors &) = delete;
    Neighbors &operator=(const Neighbors &) = delete;

    void find(const View &X, std::size_t k, int threads, double *distances, std::int64_t *indices) const;
    void predict(const View &X, int threads, double *predictions) const;
    void classify(const View &X, int threads, std::int64_t *codes, double *shares) const;

    const Given &given() const { return given_; }

private:
    void weigh(double *distances, std::size_t k) const;
    template <class Take>
    void for_queries(const View &X, std::size_t k, int threads, Take take) const;

    Given given_;
    void *index_ = nullptr;
};

}  // namespace rmodels

struct rmodels_model {
    std::unique_ptr<rmodels::Linear> linear;  // one of the two
    std::unique_ptr<rmodels::Neighbors> neighbors;
};

namespace rmodels {

// The model that a file holds.
std::unique_ptr<rmodels_model> load_model(const std::string &path);

}  // namespace rmodels
