// Accumulators: float64. Bytes: X and y once. Multiply-adds: 3 · outputs · columns a row, and about 40 for the
// functions of a margin. A block of rows is converted and shifted once, and stays in the L2 cache for its margins,
// their functions and its part of the gradient. Tolerance: the contract's.
#include "ops/glm/native.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "native/aligned.hpp"
#include "native/functions.hpp"
#include "native/packing.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kBlockNumbers = 1 << 14;  // of a block: 128 KB
constexpr std::size_t kMostRows = 64, kLeastRows = 32;
constexpr std::size_t kSlabWork = 1 << 20;  // multiply-adds of margins in a task, about
constexpr std::size_t kSlabs = 32;          // sums held at a time, before they are merged

struct Values {
    f64v loss, residual, curvature;
};

// The loss is log(1 + exp a) with a = −m if y is 1, and its derivative by a is 1 / (1 + exp −a).
inline Values logistic(f64v m, f64v y) {
    const f64v zero{}, one = broadcast(1.0);
    const f64v a = y > zero ? -m : m, e = exp(-magnitude(a));
    const f64v large = one / (one + e), small = e * large, p = a > zero ? large : small;
    return {(a > zero ? a : zero) + log1p_of_fraction(e), y > zero ? -p : p, small * large};
}

// The logarithmic link with a power that is 1, 2 or another.
inline Values poisson(f64v m, f64v y) {
    const f64v mu = exp(m);
    return {mu - y * m, mu - y, mu};
}

inline Values gamma(f64v m, f64v y) {
    const f64v ratio = y * exp(-m);
    return {m + ratio, broadcast(1.0) - ratio, ratio};
}

inline Values tweedie(f64v m, f64v y, double power) {
    const double p = 2 - power, q = 1 - power;
    const f64v a = exp(broadcast(p) * m), b = y * exp(broadcast(q) * m);
    const bool convex = power > 1 && power < 2;
    return {a / broadcast(p) - b / broadcast(q), a - b, convex ? broadcast(p) * a - broadcast(q) * b : a};
}

// The identity link, a row after the other.
void add_identity(double m, double y, double power, double &loss, double &residual, double &curvature) {
    curvature = power == 0 ? 1.0 : std::pow(m, -power);
    residual = (m - y) * curvature;
    if (power == 0)
        loss = 0.5 * m * m - y * m;
    else if (power == 1)
        loss = m - (y == 0 ? 0.0 : y * std::log(m));
    else if (power == 2)
        loss = std::log(m) + y / m;
    else
        loss = std::pow(m, 2 - power) / (2 - power) - y * std::pow(m, 1 - power) / (1 - power);
    if (power != 0 && !(m > 0)) loss = std::nan("");
}

// The first `rows` lanes.
inline double add_lanes(f64v v, std::size_t rows) {
    double sum = 0;
    for (std::size_t lane = 0; lane < std::min<std::size_t>(rows, kF64); lane++) sum += v[lane];
    return sum;
}

// The vector that begins at row `at`, zeros past the last.
inline f64v rows_from(const double *values, std::size_t at, std::size_t rows) {
    return rows - at >= kF64 ? load<f64v>(values + at) : load_first(values + at, int(rows - at));
}

template <class Function>
double measure_single(Function &&function, const Responses &responses, std::size_t rows, double *margins,
                      double *curvatures) {
    f64v sum{};
    double last = 0;
    for (std::size_t i = 0; i < rows; i += kF64) {
        Values found = function(load<f64v>(margins + i), rows_from(responses.y, i, rows));
        if (responses.weights) {
            const f64v w = rows_from(responses.weights, i, rows);
            found = {found.loss * w, found.residual * w, found.curvature * w};
        }
        store(margins + i, found.residual);
        store(curvatures + i, found.curvature);
        if (rows - i >= kF64)
            sum += found.loss;
        else
            last = add_lanes(found.loss, rows - i);
    }
    return add_lanes(sum, kF64) + last;
}

// p_k = exp(m_k − m_top) / (1 + Σ of the others), so that what is left of 1 keeps its digits.
double measure_multinomial(const Responses &responses, std::size_t rows, std::size_t outputs, double *margins,
                           double *curvatures, std::size_t stride) {
    double loss = 0;
    alignas(64) double others[kF64], largest[kF64], chosen[kF64], rest[kF64];
    for (std::size_t i = 0; i < rows; i += kF64) {
        const std::size_t here = std::min<std::size_t>(kF64, rows - i);
        f64v most = load<f64v>(margins + i), top{};
        for (std::size_t k = 1; k < outputs; k++) {
            const f64v m = load<f64v>(margins + k * stride + i), place = broadcast(double(k));
            top = m > most ? place : top;
            most = m > most ? m : most;
        }
        f64v sum{};
        for (std::size_t k = 0; k < outputs; k++) {
            const f64v e = exp(load<f64v>(margins + k * stride + i) - most);
            const f64v other = broadcast(double(k)) == top ? f64v{} : e;
            sum += other;
            store(curvatures + k * stride + i, e);
        }
        store(others, sum);
        store(largest, most);
        for (std::size_t lane = 0; lane < here; lane++)
            chosen[lane] = margins[std::size_t(responses.y[i + lane]) * stride + i + lane];
        const f64v scale = broadcast(1.0) / (broadcast(1.0) + sum), y = rows_from(responses.y, i, rows);
        const f64v w = responses.weights ? rows_from(responses.weights, i, rows) : broadcast(1.0);
        f64v wrong{};
        for (std::size_t k = 0; k < outputs; k++) {
            const f64v p = load<f64v>(curvatures + k * stride + i) * scale;
            store(curvatures + k * stride + i, p);
            wrong += broadcast(double(k)) == y ? f64v{} : p;
            store(margins + k * stride + i, p * w);
        }
        store(rest, wrong * w);
        for (std::size_t lane = 0; lane < here; lane++) {
            margins[std::size_t(responses.y[i + lane]) * stride + i + lane] = -rest[lane];
            loss += (std::log1p(others[lane]) + (largest[lane] - chosen[lane])) * w[lane];
        }
    }
    return loss;
}

// A block's rows, padded to whole vectors, with a last column of ones.
struct Block {
    const double *rows;
    std::size_t count, width, columns;
};

// Writes the margins (outputs, stride) of whole vectors of rows.
void multiply(const Block &Z, const double *coefficients, std::size_t outputs, double *margins, std::size_t stride) {
    for (std::size_t k = 0; k < outputs; k++) {
        const double *theta = coefficients + k * Z.width;
        for (std::size_t i = 0; i < Z.count; i += kF64) {
            const double *row = Z.rows + i * Z.width;
            f64v sums[kF64]{};
            for (std::size_t j = 0; j < Z.width; j += kF64) {
                const f64v t = load<f64v>(theta + j);
                for (std::size_t lane = 0; lane < kF64; lane++)
                    sums[lane] = fma(load<f64v>(row + lane * Z.width + j), t, sums[lane]);
            }
            store(margins + k * stride + i, lane_sums(sums));
        }
    }
}

// sums[v] += Σ_i r_i z_i and sizes[v] += Σ_i |r_i| |z_i| of Vectors vectors of columns.
template <int Vectors>
inline void add_columns(const double *rows, std::size_t count, std::size_t width, const double *residuals, double *sums,
                        double *sizes) {
    f64v sum[Vectors]{}, size[Vectors]{};
    for (std::size_t i = 0; i < count; i++, rows += width) {
        const f64v r = broadcast(residuals[i]), a = magnitude(r);
        for (int v = 0; v < Vectors; v++) {
            const f64v z = load<f64v>(rows + v * kF64);
            sum[v] = fma(r, z, sum[v]);
            size[v] = fma(a, magnitude(z), size[v]);
        }
    }
    for (int v = 0; v < Vectors; v++) {
        store(sums + v * kF64, load<f64v>(sums + v * kF64) + sum[v]);
        store(sizes + v * kF64, load<f64v>(sizes + v * kF64) + size[v]);
    }
}

void add_gradient(const Block &Z, const double *residuals, std::size_t outputs, std::size_t stride, double *gradient,
                  double *magnitudes) {
    constexpr std::size_t kStep = 4 * kF64;
    for (std::size_t k = 0; k < outputs; k++) {
        const double *r = residuals + k * stride;
        double *g = gradient + k * Z.width, *a = magnitudes + k * Z.width;
        std::size_t j = 0;
        for (; j + kStep <= Z.width; j += kStep) add_columns<4>(Z.rows + j, Z.count, Z.width, r, g + j, a + j);
        for (; j < Z.width; j += kF64) add_columns<1>(Z.rows + j, Z.count, Z.width, r, g + j, a + j);
    }
}

// Of margins (outputs, stride), a row beside the other, returns the loss and replaces the margins by residuals; writes
// to curvatures (outputs, stride). Whole vectors are read and written; what rows past the last hold is not counted.
double measure_margins(const Family &family, const Responses &responses, std::size_t rows, std::size_t outputs,
                       double *margins, double *curvatures, std::size_t stride) {
    auto single = [&](auto &&function) { return measure_single(function, responses, rows, margins, curvatures); };
    switch (family.loss) {
        case Likelihood::multinomial:
            return measure_multinomial(responses, rows, outputs, margins, curvatures, stride);
        case Likelihood::logistic:
            return single(logistic);
        case Likelihood::tweedie:
            if (family.power == 1) return single(poisson);
            if (family.power == 2) return single(gamma);
            return single([&](f64v m, f64v y) { return tweedie(m, y, family.power); });
        case Likelihood::tweedie_identity:
            break;
    }
    double loss = 0;
    for (std::size_t i = 0; i < rows; i++) {
        double value, residual;
        add_identity(margins[i], responses.y[i], family.power, value, residual, curvatures[i]);
        const double w = responses.weights ? responses.weights[i] : 1.0;
        loss += value * w;
        margins[i] = residual * w;
        curvatures[i] *= w;
    }
    return loss;
}

// Sums of a slab of rows.
struct Sums {
    double loss = 0;
    Doubles gradient, magnitude;  // (outputs, width)
};

// What a thread needs for a block.
struct Space {
    Doubles rows, margins, curvatures;
};

}  // namespace

double measure_rows(const Family &family, const Responses &responses, std::size_t rows, std::size_t outputs,
                    const double *margins, double *residuals, double *curvatures, int threads) {
    const std::size_t blocks = (rows + kMostRows - 1) / kMostRows;
    std::vector<Space> spaces(std::size_t(std::max(threads, 1)));
    Doubles losses(blocks);
    parallel_for(blocks, threads, [&](std::size_t task, int thread) {
        const std::size_t first = task * kMostRows, here = std::min(kMostRows, rows - first);
        Space &space = spaces[std::size_t(thread)];
        space.margins.resize(outputs * kMostRows);
        space.curvatures.resize(outputs * kMostRows);
        double *m = space.margins.data(), *h = space.curvatures.data();
        for (std::size_t i = 0; i < here; i++)
            for (std::size_t k = 0; k < outputs; k++) m[k * kMostRows + i] = margins[(first + i) * outputs + k];
        const double *w = responses.weights ? responses.weights + first : nullptr;
        losses[task] = measure_margins(family, {responses.y + first, w}, here, outputs, m, h, kMostRows);
        for (std::size_t i = 0; i < here; i++)
            for (std::size_t k = 0; k < outputs; k++) {
                residuals[(first + i) * outputs + k] = m[k * kMostRows + i];
                curvatures[(first + i) * outputs + k] = h[k * kMostRows + i];
            }
    });
    double loss = 0;
    for (double part : losses) loss += part;
    return loss;
}

double evaluate_rows(const Family &family, const Strided &X, const Responses &responses, const Predictor &predictor,
                     double *gradient, double *magnitude, double *curvatures, int threads) {
    const std::size_t d = X.columns, outputs = predictor.outputs, width = (d + kF64) / kF64 * kF64;
    const std::size_t block = std::clamp(kBlockNumbers / width / kF64 * kF64, kLeastRows, kMostRows);
    const std::size_t blocks = std::clamp<std::size_t>(kSlabWork / (block * width * outputs), 1, 16);
    const std::size_t slab = block * blocks, count = (X.rows + slab - 1) / slab;
    Doubles coefficients(outputs * width);
    for (std::size_t k = 0; k < outputs; k++)
        std::copy_n(predictor.coefficients + k * (d + 1), d + 1, coefficients.data() + k * width);
    std::vector<Space> spaces(std::size_t(std::max(threads, 1)));
    std::vector<Sums> slabs(std::min(count, kSlabs));
    double loss = 0;
    for (std::size_t first = 0; first < count; first += kSlabs) {
        const std::size_t here = std::min(kSlabs, count - first);
        parallel_for(here, threads, [&](std::size_t task, int thread) {
            Sums &sums = slabs[task];
            sums.loss = 0;
            sums.gradient.assign(outputs * width, 0.0);
            sums.magnitude.assign(outputs * width, 0.0);
            Space &space = spaces[std::size_t(thread)];
            space.rows.resize(block * width);  // columns past the last stay 0
            space.margins.resize(outputs * block);
            space.curvatures.resize(outputs * block);
            const std::size_t begin = (first + task) * slab, end = std::min(X.rows, begin + slab);
            for (std::size_t at = begin; at < end; at += block) {
                const std::size_t rows = std::min(block, end - at), whole = (rows + kF64 - 1) / kF64 * kF64;
                double *z = space.rows.data();
                if (d) pack(X, at, rows, predictor.centre, nullptr, {z, block, width}, 0, 0);
                for (std::size_t i = 0; i < rows; i++) z[i * width + d] = 1.0;
                std::fill(z + rows * width, z + whole * width, 0.0);
                multiply({z, whole, width, d}, coefficients.data(), outputs, space.margins.data(), block);
                sums.loss +=
                    measure_margins(family, {responses.y + at, responses.weights ? responses.weights + at : nullptr},
                                    rows, outputs, space.margins.data(), space.curvatures.data(), block);
                add_gradient({z, rows, width, d}, space.margins.data(), outputs, block, sums.gradient.data(),
                             sums.magnitude.data());
                if (curvatures)
                    for (std::size_t i = 0; i < rows; i++)
                        for (std::size_t k = 0; k < outputs; k++)
                            curvatures[(at + i) * outputs + k] = space.curvatures[k * block + i];
            }
        });
        for (std::size_t task = 0; task < here; task++) {
            loss += slabs[task].loss;
            for (std::size_t k = 0; k < outputs; k++)
                for (std::size_t j = 0; j <= d; j++) {
                    gradient[k * (d + 1) + j] += slabs[task].gradient[k * width + j];
                    magnitude[k * (d + 1) + j] += slabs[task].magnitude[k * width + j];
                }
        }
    }
    return loss;
}

}  // namespace rmodels::RMODELS_ISA
