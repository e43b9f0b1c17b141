// Accumulators: float64. Reads X once for each gradient; 2 n d t multiply-adds.
#include "ops/descent/native.hpp"

#include <algorithm>
#include <vector>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSlabs = 64;

}  // namespace

double add_gradient(const Strided &X, const Strided &Y, const Strided &weights, const double *shift,
                    const double *coefficients, int threads, double *gradient, double *losses) {
    const std::size_t d = X.columns, t = Y.columns;
    const std::size_t rows = std::max<std::size_t>(64, (X.rows + kSlabs - 1) / kSlabs);
    const std::size_t slabs = (X.rows + rows - 1) / rows;
    const std::size_t size = (d + 1) * t + t + 1;
    std::vector<double> sums(slabs * size);
    parallel_for(slabs, threads, [&](std::size_t slab, int) {
        double *g = sums.data() + slab * size, *loss = g + (d + 1) * t;
        std::vector<double> x(d), r(t);
        for (std::size_t i = slab * rows; i < std::min(X.rows, (slab + 1) * rows); i++) {
            const double w = weights.data ? weights.at(i) : 1.0;
            loss[t] += w;
            for (std::size_t c = 0; c < d; c++) x[c] = X.at(i, c) - (shift ? shift[c] : 0.0);
            for (std::size_t k = 0; k < t; k++) {
                r[k] = coefficients[d * t + k] - Y.at(i, k);
                for (std::size_t c = 0; c < d; c++) r[k] += x[c] * coefficients[c * t + k];
                loss[k] += 0.5 * w * r[k] * r[k];
                r[k] *= w;
                g[d * t + k] += r[k];
                for (std::size_t c = 0; c < d; c++) g[c * t + k] += x[c] * r[k];
            }
        }
    });
    double weight = 0;
    for (std::size_t slab = 0; slab < slabs; slab++) {
        const double *g = sums.data() + slab * size;
        for (std::size_t c = 0; c < (d + 1) * t; c++) gradient[c] += g[c];
        for (std::size_t k = 0; k < t; k++) losses[k] += g[(d + 1) * t + k];
        weight += g[size - 1];
    }
    return weight;
}

}  // namespace rmodels::RMODELS_ISA
