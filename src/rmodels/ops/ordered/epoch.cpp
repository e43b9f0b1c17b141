#include "ops/ordered/epoch.hpp"

#include <algorithm>
#include <cmath>

#include "native/aligned.hpp"
#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kGroup = 8;             // rows whose steps are made together
constexpr int kAtOnce = kF64 == 8 ? 2 : 1;    // vectors whose sums are in registers
constexpr int kTogether = kF64 == 8 ? 8 : 4;  // rows of these

// out[i] = powers[i] Σ_l x[i][l] M[l], for rows of `width`.
void multiply(const double *const *x, const double *powers, const double *M, std::size_t count, std::size_t width,
              double *out) {
    for (std::size_t at = 0; at < width; at += kAtOnce * kF64) {
        f64v sums[kGroup][kAtOnce];
#pragma GCC unroll 8
        for (auto &row : sums)
#pragma GCC unroll 8
            for (f64v &sum : row) sum = f64v{};
        for (std::size_t l = 0; l < count; l++) {
            f64v values[kAtOnce];
#pragma GCC unroll 8
            for (int k = 0; k < kAtOnce; k++) values[k] = load<f64v>(M + l * width + at + k * kF64);
#pragma GCC unroll 8
            for (std::size_t i = 0; i < kGroup; i++) {
                const f64v factor = broadcast(x[i][l]);
#pragma GCC unroll 8
                for (int k = 0; k < kAtOnce; k++) sums[i][k] = fma(values[k], factor, sums[i][k]);
            }
        }
#pragma GCC unroll 8
        for (std::size_t i = 0; i < kGroup; i++)
#pragma GCC unroll 8
            for (int k = 0; k < kAtOnce; k++) store(out + i * width + at + k * kF64, sums[i][k] * broadcast(powers[i]));
    }
}

// M[l] ← scale M[l] + Σ_i factors[i][l] V[i] of some l, for rows of `width`.
template <int kRows>
void add_to(double *M, double scale, const double *const *factors, std::size_t first, const double *V,
            std::size_t width) {
    const f64v s = broadcast(scale);
    M += first * width;
    for (std::size_t at = 0; at < width; at += 2 * kF64) {
        f64v sums[kRows][2];
#pragma GCC unroll 8
        for (int l = 0; l < kRows; l++)
#pragma GCC unroll 8
            for (int k = 0; k < 2; k++) sums[l][k] = s * load<f64v>(M + l * width + at + k * kF64);
        for (std::size_t i = 0; i < kGroup; i++) {
            const f64v a = load<f64v>(V + i * width + at), b = load<f64v>(V + i * width + at + kF64);
#pragma GCC unroll 8
            for (int l = 0; l < kRows; l++) {
                const f64v factor = broadcast(factors[i][first + l]);
                sums[l][0] = fma(factor, a, sums[l][0]);
                sums[l][1] = fma(factor, b, sums[l][1]);
            }
        }
#pragma GCC unroll 8
        for (int l = 0; l < kRows; l++)
#pragma GCC unroll 8
            for (int k = 0; k < 2; k++) store(M + l * width + at + k * kF64, sums[l][k]);
    }
}

void add_products(double *M, double scale, const double *const *factors, const double *V, std::size_t count,
                  std::size_t width) {
    std::size_t l = 0;
    for (; l + kTogether <= count; l += kTogether) add_to<kTogether>(M, scale, factors, l, V, width);
    for (; l + 2 <= count; l += 2) add_to<2>(M, scale, factors, l, V, width);
    for (; l < count; l++) add_to<1>(M, scale, factors, l, V, width);
}

// products[i][j] = x[i]·x[j] for j ≤ i.
void multiply_rows(const double *const *x, std::size_t count, double (*products)[kGroup]) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kGroup; i++) {
        f64v sums[kGroup];
#pragma GCC unroll 8
        for (f64v &sum : sums) sum = f64v{};
        std::size_t l = 0;
        for (; l + kF64 <= count; l += kF64) {
            const f64v values = load<f64v>(x[i] + l);
#pragma GCC unroll 8
            for (std::size_t j = 0; j <= i; j++) sums[j] = fma(values, load<f64v>(x[j] + l), sums[j]);
        }
        if (l < count) {
            const int left = int(count - l);
            const f64v values = load_first(x[i] + l, left);
#pragma GCC unroll 8
            for (std::size_t j = 0; j <= i; j++) sums[j] = fma(values, load_first(x[j] + l, left), sums[j]);
        }
#pragma GCC unroll 8
        for (std::size_t j = 0; j < kGroup; j += kF64) store(products[i] + j, lane_sums(sums + j));
    }
}

// What the steps of a group do to all that is linear in v: what each row's gap and product with w are before its step.
struct Group {
    double closed[kGroup][kGroup];  // of a gap before, what its step takes from this product
    double of_gap[kGroup], of_product[kGroup], moves[kGroup], y[kGroup];
};

// Makes gaps of products of rows before any of these steps, and what each adds to the form.
void close_gaps(const Group &group, double of_intercept, double *gaps, double *sums, double *intercept,
                const double *unit, std::size_t width) {
    for (std::size_t at = 0; at < width; at += kF64) {
        f64v found[kGroup], b = load<f64v>(intercept + at);
        const f64v one = load<f64v>(unit + at);
#pragma GCC unroll 8
        for (std::size_t i = 0; i < kGroup; i++) {
            f64v product = load<f64v>(gaps + i * width + at);
#pragma GCC unroll 8
            for (std::size_t j = 0; j < i; j++) product = fma(broadcast(-group.closed[i][j]), found[j], product);
            found[i] = fma(broadcast(-group.y[i]), one, product + b);
            b = fma(broadcast(-of_intercept * group.moves[i]), found[i], b);
            store(gaps + i * width + at, found[i]);
            store(sums + i * width + at,
                  fma(broadcast(group.of_gap[i]), found[i], broadcast(group.of_product[i]) * product));
        }
        store(intercept + at, b);
    }
}

// Composes the steps of the rows from `first` to `last`; seen[k] is Σ (1 − η α)^2l of l < k.
void compose_part(const RowSet<double> &rows, const AffineStep &step, std::size_t first, std::size_t last,
                  const double *seen, double *given_map, double *given_form, std::size_t width) {
    const std::size_t d = rows.columns, m = d + 2;
    Doubles own_map(given_map, given_map + m * width), own_form(given_form, given_form + m * width);  // aligned
    double *const map = own_map.data(), *const form = own_form.data();
    const double eta = step.eta, s = 1 - eta * step.alpha;
    Doubles gaps(kGroup * width), sums(kGroup * width), intercept(width), unit(width), nothing(d);
    unit[m - 1] = 1;
    double powers[kGroup + 1] = {1};
    for (std::size_t i = 0; i < kGroup; i++) powers[i + 1] = powers[i] * s;
    const double *of_gaps[kGroup];
    for (std::size_t i = 0; i < kGroup; i++) of_gaps[i] = gaps.data() + i * width;
    std::copy_n(map + d * width, width, intercept.data());
    for (std::size_t at = first; at < last; at += kGroup) {
        const std::size_t count = std::min(kGroup, last - at);
        Group group{};  // rows that are not there do nothing
        const double *x[kGroup];
        double squares[kGroup][kGroup];
        for (std::size_t i = 0; i < kGroup; i++)
            x[i] = i < count ? rows.values + (at + i) * rows.stride : nothing.data();
        multiply(x, powers, map, d, width, gaps.data());
        multiply_rows(x, d, squares);
        for (std::size_t i = 0; i < count; i++) {
            group.y[i] = rows.y[at + i];
            const double move = group.moves[i] = eta * (rows.weights ? rows.weights[at + i] : 1);
            for (std::size_t j = 0; j < i; j++) group.closed[i][j] = group.moves[j] * powers[i - 1 - j] * squares[i][j];
            // Of ‖w‖² each step changes what all later rows see.
            const double later = seen[last - 1 - at - i];
            group.of_product[i] = -step.alpha * s * move * later;
            group.of_gap[i] = 0.5 + 0.5 * step.alpha * move * move * squares[i][i] * later;
        }
        close_gaps(group, step.intercept, gaps.data(), sums.data(), intercept.data(), unit.data(), width);
        add_products(form, 1, of_gaps, sums.data(), m, width);
        for (std::size_t i = 0; i < kGroup; i++) {
            const double factor = i < count ? -group.moves[i] * powers[count - 1 - i] : 0;
            for (std::size_t k = 0; k < width; k++) sums[i * width + k] = factor * gaps[i * width + k];
        }
        add_products(map, powers[count], x, sums.data(), d, width);
    }
    std::copy_n(intercept.data(), width, map + d * width);
    std::copy_n(map, m * width, given_map);
    std::copy_n(form, m * width, given_form);
}

}  // namespace

void compose(const RowSet<double> &rows, const AffineStep &step, std::size_t size, double *maps, double *forms,
             std::size_t width, int threads) {
    const std::size_t m = rows.columns + 2, parts = (rows.count + size - 1) / size;
    const double lost = step.eta * step.alpha * (2 - step.eta * step.alpha);
    const double log_s = std::log1p(-step.eta * step.alpha);
    Doubles seen(size);
    for (std::size_t k = 0; k < size; k++) seen[k] = lost > 0 ? -std::expm1(2 * double(k) * log_s) / lost : double(k);
    parallel_for(parts, threads, [&](std::size_t part, int) {
        compose_part(rows, step, part * size, std::min(rows.count, (part + 1) * size), seen.data(),
                     maps + part * m * width, forms + part * m * width, width);
    });
}

}  // namespace rmodels::RMODELS_ISA
