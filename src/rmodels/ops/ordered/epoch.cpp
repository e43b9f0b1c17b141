#include "ops/ordered/epoch.hpp"

#include <algorithm>
#include <cmath>

#include "native/aligned.hpp"
#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kGroup = 8;  // rows whose steps are made together

// out[i] = Σ_l factors[l][i] M[l], for rows of `width`.
void multiply(const double *factors, const double *M, std::size_t count, std::size_t width, double *out) {
    for (std::size_t at = 0; at < width; at += kF64) {
        f64v sums[kGroup] = {};
        for (std::size_t l = 0; l < count; l++) {
            const f64v values = load<f64v>(M + l * width + at);
            for (std::size_t i = 0; i < kGroup; i++) sums[i] = fma(values, broadcast(factors[l * kGroup + i]), sums[i]);
        }
        for (std::size_t i = 0; i < kGroup; i++) store(out + i * width + at, sums[i]);
    }
}

// M[l] ← scale M[l] + Σ_i factors[l][i] V[i], for rows of `width`.
template <int kRows>
void add_to(double *M, double scale, const double *factors, const double *V, std::size_t width) {
    const f64v s = broadcast(scale);
    for (std::size_t at = 0; at < width; at += 2 * kF64) {
        f64v sums[kRows][2];
        for (int l = 0; l < kRows; l++)
            for (int k = 0; k < 2; k++) sums[l][k] = s * load<f64v>(M + l * width + at + k * kF64);
        for (std::size_t i = 0; i < kGroup; i++) {
            const f64v a = load<f64v>(V + i * width + at), b = load<f64v>(V + i * width + at + kF64);
            for (int l = 0; l < kRows; l++) {
                const f64v factor = broadcast(factors[l * kGroup + i]);
                sums[l][0] = fma(factor, a, sums[l][0]);
                sums[l][1] = fma(factor, b, sums[l][1]);
            }
        }
        for (int l = 0; l < kRows; l++)
            for (int k = 0; k < 2; k++) store(M + l * width + at + k * kF64, sums[l][k]);
    }
}

void add_products(double *M, double scale, const double *factors, const double *V, std::size_t count,
                  std::size_t width) {
    std::size_t l = 0;
    for (; l + 4 <= count; l += 4) add_to<4>(M + l * width, scale, factors + l * kGroup, V, width);
    for (; l < count; l++) add_to<1>(M + l * width, scale, factors + l * kGroup, V, width);
}

// Composes the steps of the rows from `first` to `last`.
void compose_part(const RowSet<double> &rows, const AffineStep &step, std::size_t first, std::size_t last, double *map,
                  double *form, std::size_t width) {
    const std::size_t d = rows.columns, m = d + 2;
    const double eta = step.eta, s = 1 - eta * step.alpha;
    Doubles x(d * kGroup), shrunk(d * kGroup), squares(kGroup * kGroup), gaps(kGroup * width), sums(kGroup * width),
        factors(m * kGroup), intercept(width);
    double powers[kGroup + 1] = {1};
    for (std::size_t i = 0; i < kGroup; i++) powers[i + 1] = powers[i] * s;
    const double log_s = std::log1p(-eta * step.alpha), lost = eta * step.alpha * (2 - eta * step.alpha);
    for (std::size_t at = first; at < last; at += kGroup) {
        const std::size_t count = std::min(kGroup, last - at);
        double y[kGroup] = {}, weights[kGroup] = {};
        for (std::size_t i = 0; i < kGroup; i++) {
            const bool here = i < count;
            const double *row = rows.values + (at + (here ? i : 0)) * rows.stride;
            for (std::size_t l = 0; l < d; l++) {
                x[l * kGroup + i] = here ? row[l] : 0;
                shrunk[l * kGroup + i] = here ? row[l] * powers[i] : 0;
            }
            if (!here) continue;
            y[i] = rows.y[at + i];
            weights[i] = rows.weights ? rows.weights[at + i] : 1;
        }
        // Gaps before any of these steps; then each without those that steps before it close.
        multiply(shrunk.data(), map, d, width, gaps.data());
        for (std::size_t l = 0; l < kGroup * kGroup; l++) squares[l] = 0;
        for (std::size_t l = 0; l < d; l++)
            for (std::size_t i = 0; i < kGroup; i++)
                for (std::size_t j = 0; j < kGroup; j++)
                    squares[i * kGroup + j] += x[l * kGroup + i] * x[l * kGroup + j];
        std::copy_n(map + d * width, width, intercept.data());
        for (std::size_t i = 0; i < count; i++) {
            double *gap = gaps.data() + i * width, *sum = sums.data() + i * width;
            for (std::size_t j = 0; j < i; j++) {
                const double *before = gaps.data() + j * width;
                const double closed = eta * weights[j] * powers[i - 1 - j] * squares[i * kGroup + j];
                for (std::size_t k = 0; k < width; k++) gap[k] -= closed * before[k];
            }
            // Here it is x·w; of ‖w‖² each step changes what all later rows see.
            const double left = double(last - 1 - at - i);
            const double seen = lost > 0 ? -std::expm1(2 * left * log_s) / lost : left;
            const double move = eta * weights[i], of_product = -step.alpha * s * move * seen;
            const double of_gap = 0.5 + 0.5 * step.alpha * move * move * squares[i * kGroup + i] * seen;
            for (std::size_t k = 0; k < width; k++) {
                const double product = gap[k];
                gap[k] += intercept[k];
                if (k == m - 1) gap[k] -= y[i];
                sum[k] = of_gap * gap[k] + of_product * product;
                intercept[k] -= step.intercept * move * gap[k];
            }
        }
        for (std::size_t i = count; i < kGroup; i++) {
            std::fill_n(gaps.data() + i * width, width, 0.0);
            std::fill_n(sums.data() + i * width, width, 0.0);
        }
        for (std::size_t l = 0; l < d; l++)
            for (std::size_t i = 0; i < kGroup; i++)
                factors[l * kGroup + i] = i < count ? -eta * weights[i] * powers[count - 1 - i] * x[l * kGroup + i] : 0;
        add_products(map, powers[count], factors.data(), gaps.data(), d, width);
        std::copy_n(intercept.data(), width, map + d * width);
        for (std::size_t l = 0; l < m; l++)
            for (std::size_t i = 0; i < kGroup; i++) factors[l * kGroup + i] = gaps[i * width + l];
        add_products(form, 1, factors.data(), sums.data(), m, width);
    }
}

}  // namespace

void compose(const RowSet<double> &rows, const AffineStep &step, std::size_t size, double *maps, double *forms,
             std::size_t width, int threads) {
    const std::size_t m = rows.columns + 2, parts = (rows.count + size - 1) / size;
    parallel_for(parts, threads, [&](std::size_t part, int) {
        compose_part(rows, step, part * size, std::min(rows.count, (part + 1) * size), maps + part * m * width,
                     forms + part * m * width, width);
    });
}

}  // namespace rmodels::RMODELS_ISA
