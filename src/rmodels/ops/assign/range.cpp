// The least and the largest value of each column. Bytes: X once. Operations: 4 a value.
#include <algorithm>
#include <limits>
#include <vector>

#include "native/aligned.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"
#include "ops/assign/limbs.hpp"
#include "ops/assign/native.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kNumbers = 1 << 18;  // of a task
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The range of some lines of `width` numbers each, and a sum that is NaN unless all are finite.
struct Range {
    Doubles low, high;
    f64v check{};

    void begin(std::size_t width) {
        if (!low.empty()) return;
        low.assign((width + kF64 - 1) / kF64 * kF64, kInfinity);
        high.assign(low.size(), -kInfinity);
    }

    // Takes up to four lines at once, those that are not there again instead.
    template <class Real>
    void take(const Real *x, std::ptrdiff_t stride, std::size_t lines, std::size_t width) {
        const Real *from[4];
        for (std::size_t i = 0; i < 4; i++) from[i] = x + std::ptrdiff_t(std::min(i, lines - 1)) * stride;
        std::size_t j = 0;
        // what comes after the next lines is fetched in the order of memory
        const bool dense = stride == std::ptrdiff_t(width);
        const Real *ahead = x + 8 * width;
        for (; j + kF64 <= width; j += kF64) {
            if (dense)
                for (std::size_t i = 0; i < 4; i++) __builtin_prefetch(ahead + 4 * j + i * kF64, 0, 2);
            keep(j, load_f64(from[0] + j), load_f64(from[1] + j), load_f64(from[2] + j), load_f64(from[3] + j));
        }
        if (j == width) return;
        const int count = int(width - j);
        keep(j, load_first(from[0] + j, count), load_first(from[1] + j, count), load_first(from[2] + j, count),
             load_first(from[3] + j, count));
    }

    void keep(std::size_t j, f64v a, f64v b, f64v c, f64v d) {
        const f64v least = smaller(smaller(a, b), smaller(c, d)), most = larger(larger(a, b), larger(c, d));
        store(low.data() + j, smaller(load<f64v>(low.data() + j), least));
        store(high.data() + j, larger(load<f64v>(high.data() + j), most));
        check += ((a - a) + (b - b)) + ((c - c) + (d - d));
    }
};

}  // namespace

bool find_range(const Strided &X, double *low, double *high, int threads) {
    const std::size_t d = X.columns;
    std::fill_n(low, d, kInfinity);
    std::fill_n(high, d, -kInfinity);
    if (X.rows == 0 || d == 0) return true;
    const bool by_column = RowsByRow::pays(X);
    if (X.column_stride != 1 && !by_column) {
        bool finite = true;
        for (std::size_t i = 0; i < X.rows; i++)
            for (std::size_t j = 0; j < d; j++) {
                const double x = X.at(i, j);
                low[j] = std::min(low[j], x);
                high[j] = std::max(high[j], x);
                finite = finite && x - x == 0;
            }
        return finite;
    }
    // rows without gaps between them: several as one, which fill vectors
    const bool dense = !by_column && X.row_stride == std::ptrdiff_t(d) && d < 4 * kF64;
    const std::size_t joined = dense ? kF64 : 1, width = joined * d, lines = X.rows / joined;
    const std::size_t step = std::max<std::size_t>(1, kNumbers / width);
    std::vector<Range> parts(std::size_t(std::max(threads, 1)));
    parallel_for((lines + step - 1) / step, threads, [&](std::size_t task, int thread) {
        Range &part = parts[std::size_t(thread)];
        part.begin(width);
        const std::size_t last = std::min(lines, (task + 1) * step);
        if (!by_column) {
            for (std::size_t i = task * step; i < last; i += 4)
                X.visit(i * joined, 0, [&](auto *x) {
                    part.take(x, std::ptrdiff_t(joined) * X.row_stride, std::min<std::size_t>(4, last - i), width);
                });
            return;
        }
        RowsByRow turned(d);
        for (std::size_t i = task * step; i < last; i += kTurned) {
            const std::size_t here = std::min(kTurned, last - i);
            const double *rows = X.visit(i, 0, [&](auto *x) { return turned.take(x, X.column_stride, d, here); });
            for (std::size_t r = 0; r < here; r += 4)
                part.take(rows + std::ptrdiff_t(r) * turned.stride(), turned.stride(),
                          std::min<std::size_t>(4, here - r), d);
        }
    });
    Range rest;
    rest.begin(d);
    for (std::size_t i = lines * joined; i < X.rows; i++)
        X.visit(i, 0, [&](auto *x) { rest.take(x, X.row_stride, 1, d); });
    bool finite = true;
    const auto join = [&](const Range &part, std::size_t times) {
        for (std::size_t j = 0; j < times * d; j++) {
            low[j % d] = std::min(low[j % d], part.low[j]);
            high[j % d] = std::max(high[j % d], part.high[j]);
        }
        for (int lane = 0; lane < kF64; lane++) finite = finite && part.check[lane] == 0;
    };
    join(rest, 1);
    for (const Range &part : parts)
        if (!part.low.empty()) join(part, joined);
    return finite;
}

}  // namespace rmodels::RMODELS_ISA
