#include "ops/nearest/packed.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "native/functions.hpp"
#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSlab = 4096;    // rows whose column sums are added up by one task
constexpr std::size_t kJoined = 16;    // short rows that are taken as one long row, at most
constexpr std::size_t kLong = 512;     // features of a row that is not joined with others
constexpr std::size_t kShort = 8;      // features of rows that lie in a cache line or two: taken by feature, in vectors
constexpr std::size_t kWords = 32;     // packed at a time: their part of a group stays in the first-level cache
constexpr std::size_t kFeatures = 64;  // the same, as pairs

// Calls take(c, scaled values from the feature c on, chain) for the features [first, last) of a row, a vector at a time
// with zeros after the last; chain: below kChains, for sums that do not wait for each other.
constexpr int kChains = 4;

template <class Real, class Take>
inline void for_values(const Frame &frame, const Real *x, std::size_t first, std::size_t last, Take take) {
    const f64v before = broadcast(frame.before), after = broadcast(frame.after);
    const double *centre = frame.centre.data();
    std::size_t c = first;
    for (; c + kChains * kF64 <= last; c += kChains * kF64) {
#pragma GCC unroll 4
        for (int chain = 0; chain < kChains; chain++) {
            const std::size_t at = c + std::size_t(chain * kF64);
            take(at, (load_f64(x + at) * before - load<f64v>(centre + at)) * after, chain);
        }
    }
    for (; c + kF64 <= last; c += kF64) take(c, (load_f64(x + c) * before - load<f64v>(centre + c)) * after, 0);
    if (c < last) {
        const int rest = int(last - c);
        take(c, (load_first(x + c, rest) * before - load_first(centre + c, rest)) * after, 0);
    }
}

// Has the first lines of rows fetched: they lie anywhere. GCC drops calls of functions that do nothing else, unless
// they are inlined before it looks.
template <class Real>
[[gnu::always_inline]] inline void fetch(const Real *x, std::size_t d, const std::uint32_t *rows, std::size_t count) {
    constexpr std::size_t kLine = 64 / sizeof(Real), kLines = 4;
    for (std::size_t j = 0; j < count; j++)
        for (std::size_t c = 0; c < std::min(d, kLines * kLine); c += kLine) __builtin_prefetch(x + rows[j] * d + c);
}

// Puts the columns of `words` into a group, one after the other.
void put_columns(const std::uint32_t (&words)[kGroup][kWords], std::size_t columns, float *group) {
    for (std::size_t c = 0; c < columns; c++)
        for (std::size_t j = 0; j < kGroup; j++) std::memcpy(group + c * kGroup + j, &words[j][c], sizeof(float));
}

}  // namespace

Frame make_frame(const Points &X, int threads) {
    const std::size_t n = X.n, d = X.d, slabs = (n + kSlab - 1) / kSlab;
    std::vector<double> low(slabs * d, kInfinity), high(slabs * d, -kInfinity), sum(slabs * d, 0.0);
    parallel_for(slabs, threads, [&](std::size_t slab, int) {
        // Rows are taken some at a time as one long row, so that few features fill the registers too.
        const std::size_t joined = std::clamp<std::size_t>(kLong / std::max<std::size_t>(1, d), 1, kJoined);
        const std::size_t wide = joined * d, last = std::min(n, (slab + 1) * kSlab);
        std::vector<double> l(wide, kInfinity), h(wide, -kInfinity), s(wide, 0.0);
        X.typed([&](auto *x) {
            auto take = [&]<std::size_t Rows>(auto *values, std::size_t count) {  // of as many long rows at once
                std::size_t c = 0;
                for (; c + kF64 <= count; c += kF64) {
                    f64v least = load<f64v>(&l[c]), most = load<f64v>(&h[c]), total{};
#pragma GCC unroll 4
                    for (std::size_t row = 0; row < Rows; row++) {
                        const f64v value = load_f64(values + row * wide + c);
                        least = smaller(least, value);
                        most = larger(most, value);
                        total += value;
                    }
                    store(&l[c], least);
                    store(&h[c], most);
                    store(&s[c], load<f64v>(&s[c]) + total);
                }
                for (; c < count; c++)
                    for (std::size_t row = 0; row < Rows; row++) {
                        const double value = values[row * wide + c];
                        l[c] = std::min(l[c], value);
                        h[c] = std::max(h[c], value);
                        s[c] += value;
                    }
            };
            std::size_t i = slab * kSlab;
            for (; i + 4 * joined <= last; i += 4 * joined) take.template operator()<4>(x + i * d, wide);
            for (; i + joined <= last; i += joined) take.template operator()<1>(x + i * d, wide);
            take.template operator()<1>(x + i * d, (last - i) * d);
        });
        for (std::size_t c = 0; c < wide; c++) {
            double &least = low[slab * d + c % d], &most = high[slab * d + c % d];
            least = std::min(least, l[c]);
            most = std::max(most, h[c]);
            sum[slab * d + c % d] += s[c];
        }
    });
    for (std::size_t slab = 1; slab < slabs; slab++)
        for (std::size_t c = 0; c < d; c++) {
            low[c] = std::min(low[c], low[slab * d + c]);
            high[c] = std::max(high[c], high[slab * d + c]);
            sum[c] += sum[slab * d + c];
        }
    double largest = 0;
    for (std::size_t c = 0; c < d; c++) largest = std::max({largest, -low[c], high[c]});
    Frame frame{std::vector<double>(d), largest < 0x1p1000 ? 1.0 : 0x1p-100, 1.0, 0, 0.0};
    for (std::size_t c = 0; c < d; c++) {
        const double mean = std::isfinite(sum[c]) ? sum[c] / double(n) : low[c] / 2 + high[c] / 2;
        frame.centre[c] = std::clamp(mean, low[c], high[c]) * frame.before;
        frame.largest = std::max(
            {frame.largest, high[c] * frame.before - frame.centre[c], frame.centre[c] - low[c] * frame.before});
    }
    if (frame.largest > 0) {
        int exponent;
        std::frexp(frame.largest, &exponent);
        frame.after = std::ldexp(1.0, std::min(1000, -exponent));
        frame.largest *= frame.after;
    }
    frame.exponent = std::ilogb(frame.before) + std::ilogb(frame.after);
    return frame;
}

void pack_group(const Points &X, const Frame &frame, const std::uint32_t *rows, std::size_t count, float blank,
                float *group) {
    const std::size_t d = X.d;
    X.typed([&](auto *x) {
        fetch(x, d, rows, count);
        auto put = [&](std::size_t j, std::size_t c) {
            group[c * kGroup + j] = float(frame.place(x[rows[j] * d + c], c));
        };
        if (d <= kShort) {
            for (std::size_t c = 0; c < d; c++)
                for (std::size_t j = 0; j < count; j++) put(j, c);
            return;
        }
        alignas(64) std::uint32_t words[kGroup][kWords];
        for (std::size_t first = 0; first < d; first += kWords) {
            const std::size_t last = std::min(d, first + kWords);
            for (std::size_t j = 0; j < count; j++)
                for_values(frame, x + rows[j] * d, first, last,
                           [&](std::size_t c, f64v values, int) { store(&words[j][c - first], narrowed(values)); });
            put_columns(words, last - first, group + first * kGroup);
        }
    });
    for (std::size_t c = 0; c < d; c++)
        for (std::size_t j = count; j < kGroup; j++) group[c * kGroup + j] = blank;
}

double pairs_scale(double norm, double largest, std::size_t d) {
    if (norm < 0x1p-40) return 1;  // all become 0: products of smaller units would underflow in float32
    return std::min((46340 - std::sqrt(double(d)) / 2 - 1) / norm, 32767 / largest);
}

Rounded round_to_pairs(const double *scaled, std::size_t d, double scale, std::int16_t *pairs) {
    double square = 0, lost = 0;
    for (std::size_t c = 0; c < d; c++) {
        const double exact = scaled[c] * scale, whole = std::nearbyint(exact);
        square += scaled[c] * scaled[c];
        lost += (exact - whole) * (exact - whole);
        pairs[c] = std::int16_t(whole);
    }
    if (d % 2) pairs[d] = 0;
    return {scale, square, std::sqrt(lost) / scale};
}

double pack_pairs(const Points &X, const Frame &frame, const std::uint32_t *rows, std::size_t count, float *group,
                  double *squares, double *lost) {
    return X.typed([&](auto *x) {
        const std::size_t d = X.d;
        fetch(x, d, rows, count);
        double norm = 0, largest = 0;
        for (std::size_t j = 0; j < count; j++) {
            f64v square[kChains] = {}, most[kChains] = {};
            for_values(frame, x + rows[j] * d, 0, d, [&](std::size_t, f64v values, int chain) {
                square[chain] = fma(values, values, square[chain]);
                most[chain] = larger(most[chain], magnitude(values));
            });
            double lanes[2 * kF64];
            store(lanes, (square[0] + square[1]) + (square[2] + square[3]));
            store(lanes + kF64, larger(larger(most[0], most[1]), larger(most[2], most[3])));
            squares[j] = std::accumulate(lanes, lanes + kF64, 0.0);
            norm = std::max(norm, squares[j]);
            largest = std::max(largest, *std::max_element(lanes + kF64, lanes + 2 * kF64));
        }
        const double scale = pairs_scale(std::sqrt(norm), largest, d);
        f64v rest[kGroup] = {};
        alignas(64) std::uint32_t words[kGroup][kWords] = {};
        for (std::size_t first = 0; first < d; first += kFeatures) {
            const std::size_t last = std::min(d, first + kFeatures), wide = (last - first + 15) / 16 * 16;
            for (std::size_t j = 0; j < count; j++) {
                alignas(64) double whole[kFeatures];
                std::fill(whole + (last - first), whole + wide, 0.0);
                for_values(frame, x + rows[j] * d, first, last, [&](std::size_t c, f64v values, int) {
                    const f64v exact = values * broadcast(scale), near = nearest_integer(exact);
                    rest[j] = fma(exact - near, exact - near, rest[j]);
                    store(whole + (c - first), near);
                });
                std::int16_t pairs[kFeatures];
                for (std::size_t c = 0; c < wide; c++) pairs[c] = std::int16_t(whole[c]);
                std::memcpy(words[j], pairs, wide * sizeof(std::int16_t));
            }
            put_columns(words, (last - first + 1) / 2, group + first / 2 * kGroup);
        }
        for (std::size_t j = 0; j < count; j++) {
            double lanes[kF64];
            store(lanes, rest[j]);
            lost[j] = std::sqrt(std::accumulate(lanes, lanes + kF64, 0.0)) / scale;
        }
        return scale;
    });
}

}  // namespace rmodels::RMODELS_ISA
