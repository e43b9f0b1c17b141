// Accumulators: the type's own. Bytes: read_all reads 8 n, multiply_add none. Operations: n additions;
// kChains vectors of multiply-adds a round. Tolerance: the sum of read_all is that of n float64
// additions in some fixed order.
#include "limits.hpp"

#include <algorithm>
#include <array>
#include <type_traits>
#include <vector>

#include "native/threads.hpp"
#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kBlock = 1 << 17;  // values that a thread takes at a time: 1 MiB
// Enough to hide an addition's or a product's latency, few enough for 16 registers.
constexpr int kChains = 10;

template <class Real>
using Lanes = std::conditional_t<std::is_same_v<Real, float>, f32v, f64v>;

double sum(const double *values, std::size_t n) {
    std::array<f64v, 8> sums{};
    std::size_t i = 0;
    for (; i + 8 * kF64 <= n; i += 8 * kF64)
        for (std::size_t j = 0; j < 8; j++) sums[j] += load<f64v>(values + i + j * kF64);
    double total = 0;
    for (const f64v &lanes : sums)
        for (int lane = 0; lane < kF64; lane++) total += lanes[lane];
    for (; i < n; i++) total += values[i];
    return total;
}

}  // namespace

double read_all(const double *values, std::size_t n, int threads) {
    std::vector<double> sums((n + kBlock - 1) / kBlock);
    parallel_for(sums.size(), threads, [&](std::size_t block, int) {
        sums[block] = sum(values + block * kBlock, std::min(kBlock, n - block * kBlock));
    });
    double total = 0;
    for (double part : sums) total += part;
    return total;
}

template <class Real>
double multiply_add(std::size_t rounds, int threads) {
    using Vector = Lanes<Real>;
    std::vector<double> sums(std::size_t(std::max(1, threads)));
    parallel_for(sums.size(), threads, [&](std::size_t task, int) {
        const Vector factor = Vector{} + Real(0.5), term = Vector{} + Real(task + 1);
        std::array<Vector, kChains> chains{};
        for (std::size_t round = 0; round < rounds; round++)
            for (Vector &chain : chains) chain = fma(chain, factor, term);
        Vector total{};
        for (const Vector &chain : chains) total += chain;
        for (std::size_t lane = 0; lane < sizeof total / sizeof(Real); lane++) sums[task] += double(total[lane]);
    });
    double total = 0;
    for (double part : sums) total += part;
    return total;
}

template <class Real>
std::size_t multiply_adds_per_round() {
    return kChains * sizeof(Lanes<Real>) / sizeof(Real);
}

template double multiply_add<float>(std::size_t, int);
template double multiply_add<double>(std::size_t, int);
template std::size_t multiply_adds_per_round<float>();
template std::size_t multiply_adds_per_round<double>();

}  // namespace rmodels::RMODELS_ISA
