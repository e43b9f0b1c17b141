// Accumulators: float64. Bytes: X and y once. Multiply-adds: 3 · outputs · columns a row, about 40 for the functions of
// a margin, and columns² / 2 for the curvature of one output. A block of rows is in the first caches for its margins,
// their functions, and its part of the gradient and of the curvature; meanwhile the next block is prefetched. Rows of
// adjacent elements are taken as they lie, others converted and shifted once. Several sets of coefficients take a block
// one after the other, each the rows that count for it. Tolerance: the contract's.
#include "ops/glm/native.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "native/aligned.hpp"
#include "native/functions.hpp"
#include "native/packing.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"
#include "ops/moments/products.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kBlockNumbers = 1 << 14;  // of a block: 128 KB
constexpr std::size_t kMostRows = 64, kLeastRows = 32;
constexpr std::size_t kFewOutputs = 2;                     // rows for more are converted once
constexpr std::size_t kSlabWork = 1 << 20;                 // multiply-adds of margins in a task, at least about
constexpr std::size_t kSlabNumbers = 1 << 19;              // of the sums of all tasks: 4 MB
constexpr std::size_t kLeastSlabs = 32, kMostSlabs = 256;  // that a call is cut in, before the work of a task is less

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

// Rows of adjacent elements, less a centre that is filled up with zeros to whole vectors, at least one.
template <class T>
struct Lines {
    using Real = T;
    const Real *data;
    std::ptrdiff_t stride;
    std::size_t count, columns;
    const double *centre;

    // Goes from row to row.
    struct Cursor {
        const Real *at;
        std::ptrdiff_t stride;
        const Real *row() const { return at; }
        void next() { at += stride; }
    };

    const Real *row(std::size_t i) const { return data + std::ptrdiff_t(i) * stride; }
    Cursor from(std::size_t column) const { return {data + column, stride}; }
    std::size_t whole() const { return columns / kF64 * kF64; }  // columns in whole vectors
    int rest() const { return int(columns % kF64); }
    std::size_t vectors() const { return (columns + kF64 - 1) / kF64; }
};

// Some of them, by their places.
template <class T>
struct Picked : Lines<T> {
    const std::uint32_t *places;

    struct Cursor {
        const T *first;
        std::ptrdiff_t stride;
        const std::uint32_t *place;
        const T *row() const { return first + std::ptrdiff_t(*place) * stride; }
        void next() { place++; }
    };

    const T *row(std::size_t i) const { return Lines<T>::row(places[i]); }
    Cursor from(std::size_t column) const { return {this->data + column, this->stride, places}; }
};

// Memory that will be read later: pieces of `span` bytes, `stride` bytes from one to the next.
struct Coming {
    const char *piece = nullptr;
    std::size_t pieces = 0, span = 0;
    std::ptrdiff_t stride = 0;
    std::size_t place = 0;  // in the piece

    std::size_t lines() const { return pieces * ((span + 63) / 64); }

    void ask(std::size_t lines) {
        while (lines-- && pieces) {
            __builtin_prefetch(piece + place);
            place += 64;
            if (place < span) continue;
            place = 0;
            piece += stride;
            pieces--;
        }
    }
};

// Writes the margins (outputs, stride) of whole vectors of rows; those past the last are the last's.
template <class Block>
void multiply(const Block &Z, const double *coefficients, std::size_t outputs, std::size_t width, double *margins,
              std::size_t stride, Coming coming) {
    const std::size_t whole = Z.whole(), lines = coming.lines() * kF64 / Z.count + 1;
    const int rest = Z.rest();
    const f64v last_centre = load<f64v>(Z.centre + whole);
    for (std::size_t k = 0; k < outputs; k++) {
        const double *theta = coefficients + k * width;
        const f64v last = rest ? load_first(theta + whole, rest) : f64v{};
        for (std::size_t i = 0; i < Z.count; i += kF64) {
            const typename Block::Real *rows[kF64];
            for (std::size_t lane = 0; lane < kF64; lane++) rows[lane] = Z.row(std::min(i + lane, Z.count - 1));
            f64v sums[kF64]{};
            for (std::size_t j = 0; j < whole; j += kF64) {
                const f64v t = load<f64v>(theta + j), centre = load<f64v>(Z.centre + j);
                for (std::size_t lane = 0; lane < kF64; lane++)
                    sums[lane] = fma(load_f64(rows[lane] + j) - centre, t, sums[lane]);
            }
            if (rest)
                for (std::size_t lane = 0; lane < kF64; lane++)
                    sums[lane] = fma(load_first(rows[lane] + whole, rest) - last_centre, last, sums[lane]);
            store(margins + k * stride + i, lane_sums(sums) + broadcast(theta[Z.columns]));
            coming.ask(lines);
        }
    }
}

// sums[v] += Σ_i r_i z_i and sizes[v] += Σ_i |r_i| |z_i| of Vectors vectors of columns from `column` on; `rest`: how
// many columns the last one has, all if 0.
template <class Block, int Vectors, bool kRest>
void add_columns(const Block &Z, std::size_t column, int rest, const double *residuals, double *sums, double *sizes) {
    constexpr int kLast = Vectors - 1;
    f64v sum[Vectors]{}, size[Vectors]{}, centre[Vectors];
    for (int v = 0; v < Vectors; v++) centre[v] = load<f64v>(Z.centre + column + v * kF64);
    auto cursor = Z.from(column);
    for (std::size_t i = 0; i < Z.count; i++, cursor.next()) {
        const typename Block::Real *row = cursor.row();
        const f64v r = broadcast(residuals[i]), a = magnitude(r);
        for (int v = 0; v < Vectors; v++) {
            const f64v x = kRest && v == kLast ? load_first(row + v * kF64, rest) : load_f64(row + v * kF64);
            const f64v z = x - centre[v];
            sum[v] = fma(r, z, sum[v]);
            size[v] = fma(a, magnitude(z), size[v]);
        }
    }
    for (int v = 0; v < Vectors; v++) {
        store(sums + v * kF64, load<f64v>(sums + v * kF64) + sum[v]);
        store(sizes + v * kF64, load<f64v>(sizes + v * kF64) + size[v]);
    }
}

template <class Block>
using AddColumns = void (*)(const Block &, std::size_t, int, const double *, double *, double *);

constexpr std::size_t kMostVectors = 6;  // of columns that are summed at a time: their sums are in registers

template <class Block, bool kRest, std::size_t... I>
constexpr std::array<AddColumns<Block>, sizeof...(I)> adding(std::index_sequence<I...>) {
    return {&add_columns<Block, int(I) + 1, kRest>...};
}

template <class Block>
void add_gradient(const Block &Z, const double *residuals, std::size_t outputs, std::size_t width, std::size_t stride,
                  double *gradient, double *magnitudes) {
    static constexpr auto kAdd = adding<Block, false>(std::make_index_sequence<kMostVectors>());
    static constexpr auto kAddRest = adding<Block, true>(std::make_index_sequence<kMostVectors>());
    const std::size_t all = Z.vectors();
    for (std::size_t k = 0; k < outputs; k++) {
        const double *r = residuals + k * stride;
        double *g = gradient + k * width, *a = magnitudes + k * width;
        for (std::size_t at = 0; at < all;) {
            // fewer vectors than four wait for the sums of the row before
            const std::size_t left = all - at, here = left > kMostVectors ? 4 : left, j = at * kF64;
            const auto &add = here == left && Z.rest() ? kAddRest : kAdd;
            add[here - 1](Z, j, Z.rest(), r, g + j, a + j);
            at += here;
        }
        f64v sum{}, size{};
        for (std::size_t i = 0; i < Z.count; i += kF64) {
            const f64v some = rows_from(r, i, Z.count);
            sum += some;
            size += magnitude(some);
        }
        g[Z.columns] += add_lanes(sum, kF64);
        a[Z.columns] += add_lanes(size, kF64);
    }
}

// C (width, width) += Σ_i h_i z_i z_iᵀ with z = (x − centre, 1), its squares on the diagonal waiting for unrotate.
// `curvatures` holds whole vectors and becomes their roots; scaled takes the rows in panels.
template <class Block>
void add_curvature(const Block &Z, double *curvatures, double *scaled, double *C, std::size_t width) {
    const std::size_t whole = Z.whole();
    const int rest = Z.rest();
    for (std::size_t i = 0; i < Z.count; i += kF64) store(curvatures + i, square_root(load<f64v>(curvatures + i)));
    const Panels panels{scaled, Z.count, kPanel};
    for (std::size_t j = 0; j < whole; j += kF64) {
        const f64v centre = load<f64v>(Z.centre + j);
        double *to = element(panels, 0, j);
        auto from = Z.from(j);
        for (std::size_t i = 0; i < Z.count; i++, from.next(), to += kPanel)
            store(to, (load_f64(from.row()) - centre) * broadcast(curvatures[i]));
    }
    const f64v centre = load<f64v>(Z.centre + whole);
    double *to = element(panels, 0, whole);
    for (std::size_t i = 0; i < Z.count; i++, to += kPanel) {
        const f64v x = rest ? load_first(Z.row(i) + whole, rest) : f64v{};
        store(to, (x - centre) * broadcast(curvatures[i]));
        to[rest] = curvatures[i];
    }
    Ahead nothing;
    Load none;
    for (std::size_t left = 0; left <= Z.columns; left += kPanel)
        add_products(panels, 0, Z.count, 0, Z.columns + 1, left, C, width, nothing, none);
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
    Doubles curvature;            // (width, width), if asked for
};

// What a thread needs for a block, and of rows that count for a set: their places, targets and weights.
struct Space {
    Doubles rows, margins, curvatures, scaled;
    std::uint32_t places[kMostRows];
    double y[kMostRows], weights[kMostRows];
};

// How the rows of a call are cut: blocks that a thread has in its cache, and slabs of blocks that add up.
struct Cut {
    std::size_t block, slab, slabs;

    Cut(std::size_t rows, std::size_t width, std::size_t outputs, std::size_t sets, std::size_t curved)
        : block(std::clamp(kBlockNumbers / width / kF64 * kF64, kLeastRows, kMostRows)) {
        const std::size_t numbers = std::max<std::size_t>(1, 2 * sets * outputs * width + curved * width * width);
        const std::size_t most = std::clamp(kSlabNumbers / numbers, kLeastSlabs, kMostSlabs);
        const std::size_t blocks = (rows + block - 1) / block;
        const std::size_t least =
            std::clamp<std::size_t>(kSlabWork / (block * width * outputs * std::max<std::size_t>(1, sets)), 1, 16);
        slab = block * std::max(least, (blocks + most - 1) / most);
        slabs = (rows + slab - 1) / slab;
    }
};

// The places of what is true, in their order; returns how many there are.
std::size_t find_chosen(const bool *chosen, std::size_t count, std::uint32_t *places) {
    std::size_t found = 0;
    for (std::size_t i = 0; i < count; i++) {
        places[found] = std::uint32_t(i);
        found += chosen[i];
    }
    return found;
}

// The rows [first, last) of X, if those of a row or of a column lie one after the other.
Coming coming_rows(const Strided &X, std::size_t first, std::size_t last) {
    if (first >= last || !X.columns) return {};
    return X.visit(first, 0, [&](auto *p) -> Coming {
        const char *from = reinterpret_cast<const char *>(p);
        const std::size_t rows = last - first, bytes = sizeof *p;
        const auto apart = std::ptrdiff_t(bytes);
        if (X.column_stride == 1 && X.row_stride == std::ptrdiff_t(X.columns))
            return {from, 1, rows * X.columns * bytes};
        if (X.column_stride == 1) return {from, rows, X.columns * bytes, X.row_stride * apart};
        if (X.row_stride == 1) return {from, X.columns, rows * bytes, X.column_stride * apart};
        return {};
    });
}

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

void evaluate_rows(const Family &family, const Strided &X, const Responses &responses, const double *centre,
                   std::size_t outputs, const std::vector<Set> &sets, int threads) {
    const std::size_t d = X.columns, width = (d + kF64) / kF64 * kF64;
    std::size_t curved = 0;
    for (const Set &set : sets) curved += set.curvature != nullptr;
    const Cut cut(X.rows, width, outputs, sets.size(), curved);
    const std::size_t block = cut.block, count = cut.slabs;
    const bool as_it_lies = X.column_stride == 1 && outputs * sets.size() <= kFewOutputs;
    Doubles coefficients(sets.size() * outputs * width), shift(width), none(width);
    for (std::size_t s = 0; s < sets.size(); s++)
        for (std::size_t k = 0; k < outputs; k++)
            std::copy_n(sets[s].coefficients + k * (d + 1), d + 1, coefficients.data() + (s * outputs + k) * width);
    if (centre) std::copy_n(centre, d, shift.data());
    std::vector<Space> spaces(std::size_t(std::max(threads, 1)));
    std::vector<Sums> slabs(count * sets.size());  // of each slab and set
    parallel_for(count, threads, [&](std::size_t task, int thread) {
        Space &space = spaces[std::size_t(thread)];
        space.margins.resize(outputs * block);
        space.curvatures.resize(outputs * block);
        if (!as_it_lies) space.rows.resize(block * width);
        if (curved) space.scaled.resize(block * ((width + kPanel - 1) / kPanel * kPanel));
        for (std::size_t s = 0; s < sets.size(); s++) {
            Sums &sums = slabs[task * sets.size() + s];
            sums.gradient.assign(outputs * width, 0.0);
            sums.magnitude.assign(outputs * width, 0.0);
            if (sets[s].curvature) sums.curvature.assign(width * width, 0.0);
        }
        const std::size_t begin = task * cut.slab, end = std::min(X.rows, begin + cut.slab);
        for (std::size_t at = begin; at < end; at += block) {
            const std::size_t rows = std::min(block, end - at);
            Coming coming = coming_rows(X, at + rows, std::min(end, at + rows + block));
            double *m = space.margins.data(), *h = space.curvatures.data();
            auto add = [&](const auto &Z, const Responses &of_rows, std::size_t s) {
                Sums &sums = slabs[task * sets.size() + s];
                multiply(Z, coefficients.data() + s * outputs * width, outputs, width, m, block, coming);
                coming = {};
                sums.loss += measure_margins(family, of_rows, Z.count, outputs, m, h, block);
                add_gradient(Z, m, outputs, width, block, sums.gradient.data(), sums.magnitude.data());
                if (sets[s].curvature) add_curvature(Z, h, space.scaled.data(), sums.curvature.data(), width);
            };
            const Responses all{responses.y + at, responses.weights ? responses.weights + at : nullptr};
            auto add_set = [&](const auto &Z, std::size_t s) {
                const Set &set = sets[s];
                std::size_t here = rows;
                if (set.chosen) {
                    here = find_chosen(set.chosen + at, rows, space.places);
                    for (std::size_t i = 0; i < here; i++) space.y[i] = all.y[space.places[i]];
                    for (std::size_t i = 0; all.weights && i < here; i++)
                        space.weights[i] = all.weights[space.places[i]];
                }
                using Real = typename std::decay_t<decltype(Z)>::Real;
                if (here == rows)
                    add(Z, all, s);
                else if (here)
                    add(Picked<Real>{{Z.data, Z.stride, here, d, Z.centre}, space.places},
                        Responses{space.y, all.weights ? space.weights : nullptr}, s);
                if (!set.curvatures) return;
                double *to = set.curvatures + at * outputs;
                if (here < rows) std::fill_n(to, rows * outputs, 0.0);
                for (std::size_t i = 0; i < here; i++)
                    for (std::size_t k = 0; k < outputs; k++)
                        to[(here < rows ? space.places[i] : i) * outputs + k] = h[k * block + i];
            };
            if (as_it_lies) {
                X.visit(at, 0, [&](auto *x) {
                    for (std::size_t s = 0; s < sets.size(); s++)
                        add_set(Lines<std::decay_t<decltype(*x)>>{x, X.row_stride, rows, d, shift.data()}, s);
                });
            } else {
                if (d) pack(X, at, rows, shift.data(), nullptr, {space.rows.data(), block, width}, 0, 0);
                for (std::size_t s = 0; s < sets.size(); s++)
                    add_set(Lines<double>{space.rows.data(), std::ptrdiff_t(width), rows, d, none.data()}, s);
            }
        }
    });
    for (std::size_t s = 0; s < sets.size(); s++) {
        const Set &set = sets[s];
        double loss = 0;
        for (std::size_t task = 0; task < count; task++) {
            const Sums &sums = slabs[task * sets.size() + s];
            loss += sums.loss;
            for (std::size_t k = 0; k < outputs; k++)
                for (std::size_t j = 0; j <= d; j++) {
                    set.gradient[k * (d + 1) + j] += sums.gradient[k * width + j];
                    set.magnitude[k * (d + 1) + j] += sums.magnitude[k * width + j];
                }
        }
        *set.loss += loss;
        if (!set.curvature || !count) continue;
        Doubles &C = slabs[s].curvature;
        for (std::size_t task = 1; task < count; task++) {
            const Doubles &more = slabs[task * sets.size() + s].curvature;
            for (std::size_t e = 0; e < C.size(); e++) C[e] += more[e];
        }
        unrotate(C.data(), d + 1, width);
        Doubles both((d + 1) * (d + 1));
        mirror(C.data(), d + 1, width, both.data());
        for (std::size_t e = 0; e < both.size(); e++) set.curvature[e] += both[e];
    }
}

}  // namespace rmodels::RMODELS_ISA
