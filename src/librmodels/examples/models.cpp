// A linear model and nearest neighbours in C++: prints what examples/models.rs prints.
//     g++ -std=c++17 models.cpp -I include -L build/library -lrmodels
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "rmodels.h"

namespace {

// Ends the program if there was an error.
void check(int status) {
    if (status == RMODELS_OK) return;
    std::fprintf(stderr, "rmodels: error: %s\n", rmodels_error());
    std::exit(1);
}

rmodels_array matrix(const std::vector<double> &values, std::size_t columns) {
    return {values.data(), values.size() / columns, columns, std::ptrdiff_t(columns), 1, RMODELS_FLOAT64};
}

}  // namespace

int main() {
    // Points on a grid; y = 3 + 2 a - b, and whether that is above 3.
    std::vector<double> points, targets;
    std::vector<std::int64_t> codes;
    for (int i = 0; i < 40; i++) {
        const double a = i % 8 / 8.0, b = i / 8 / 5.0, y = 3 + 2 * a - b;
        points.insert(points.end(), {a, b});
        targets.push_back(y);
        codes.push_back(y > 3);
    }
    const rmodels_array X = matrix(points, 2), Y = matrix(targets, 1);

    rmodels_model *linear = nullptr;
    check(rmodels_fit_linear(&X, &Y, nullptr, 1000, 0.05, 1, 0, &linear));
    double coefficients[2], intercept, predicted;
    check(rmodels_coefficients(linear, coefficients, &intercept));
    std::printf("coefficients %.17g %.17g %.17g\n", coefficients[0], coefficients[1], intercept);
    const std::vector<double> query{0.3, 0.45};
    const rmodels_array Q = matrix(query, 2);
    check(rmodels_predict(linear, &Q, 0, &predicted));
    std::printf("prediction %.17g\n", predicted);
    rmodels_free(linear);

    rmodels_model *neighbors = nullptr;
    check(rmodels_fit_neighbors_classifier(&X, codes.data(), 2, 3, "euclidean", 2, RMODELS_UNIFORM, 0, &neighbors));
    double distances[3], shares[2];
    std::int64_t indices[3], code;
    check(rmodels_neighbors(neighbors, &Q, 3, 0, distances, indices));
    for (int i = 0; i < 3; i++) std::printf("neighbour %lld %.17g\n", static_cast<long long>(indices[i]), distances[i]);
    check(rmodels_classify(neighbors, &Q, 0, &code, shares));
    std::printf("class %lld %.17g\n", static_cast<long long>(code), shares[code]);
    rmodels_free(neighbors);
}
