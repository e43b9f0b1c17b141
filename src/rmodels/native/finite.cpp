#include "native/finite.hpp"

#include <algorithm>
#include <atomic>
#include <type_traits>
#include <utility>

#include "native/threads.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kTask = 1 << 16;  // values of a task, at least

// Whether values one after the other are finite: 0 · x is 0 if x is, else NaN.
template <class Real>
bool run_is_finite(const Real *x, std::size_t count) {
    using Vector = std::conditional_t<std::is_same_v<Real, float>, f32v, f64v>;
    constexpr std::size_t lanes = sizeof(Vector) / sizeof(Real), together = 8;
    const Vector zero{};
    Vector sums[together] = {};
    std::size_t i = 0;
    for (; i + lanes * together <= count; i += lanes * together) {
#pragma GCC unroll 8
        for (std::size_t j = 0; j < together; j++) sums[j] += zero * load<Vector>(x + i + j * lanes);
    }
    Real sum = 0;
    for (; i < count; i++) sum += 0 * x[i];
    for (const Vector &each : sums)
        for (std::size_t lane = 0; lane < lanes; lane++) sum += each[lane];
    return sum == 0;
}

template <class Real>
bool are_finite(const Real *x, std::size_t count, std::ptrdiff_t stride) {
    if (stride == 1) return run_is_finite(x, count);
    Real sum = 0;
    for (std::size_t i = 0; i < count; i++) sum += 0 * x[std::ptrdiff_t(i) * stride];
    return sum == 0;
}

}  // namespace

bool all_finite(const Strided &array, int threads) {
    Strided lines = array;
    if (lines.column_stride != 1 && lines.row_stride == 1) lines = lines.transposed();
    if (lines.column_stride == 1 && lines.row_stride == std::ptrdiff_t(lines.columns))  // one after the other
        lines = {lines.data, lines.single, 1, lines.rows * lines.columns, 0, 1};
    const std::size_t parts = lines.columns / kTask + 1, width = (lines.columns + parts - 1) / parts;
    const std::size_t together = std::max<std::size_t>(1, kTask / std::max<std::size_t>(1, lines.columns));
    const std::size_t blocks = (lines.rows + together - 1) / together;
    std::atomic<bool> found{true};
    // From the last on: who reads the array next finds its beginning in the caches.
    parallel_for(blocks * parts, threads, [&](std::size_t done, int) {
        const std::size_t task = blocks * parts - 1 - done;
        const std::size_t row = task / parts * together, column = task % parts * width;
        if (column >= lines.columns || !found.load(std::memory_order_relaxed)) return;
        const std::size_t count = std::min(width, lines.columns - column), end = std::min(lines.rows, row + together);
        for (std::size_t i = row; i < end; i++)
            if (!lines.visit(i, column, [&](auto *x) { return are_finite(x, count, lines.column_stride); }))
                found.store(false, std::memory_order_relaxed);
    });
    return found.load();
}

}  // namespace rmodels::RMODELS_ISA
