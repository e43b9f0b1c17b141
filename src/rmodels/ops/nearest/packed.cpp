#include "ops/nearest/packed.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kSlab = 4096;  // rows whose column sums are added up by one task
constexpr std::size_t kJoined = 16;
constexpr std::size_t kShort = 8;  // features of rows that lie in a cache line or two: taken up by feature, in vectors
constexpr std::size_t kFeatures = 64;  // packed at a time: their part of a group stays in the first-level cache

}  // namespace

Frame make_frame(const Points &X, int threads) {
    const std::size_t n = X.n, d = X.d, slabs = (n + kSlab - 1) / kSlab;
    std::vector<double> low(slabs * d, kInfinity), high(slabs * d, -kInfinity), sum(slabs * d, 0.0);
    parallel_for(slabs, threads, [&](std::size_t slab, int) {
        // Rows are taken kJoined at a time as one long row, so that few features fill the registers too.
        const std::size_t wide = kJoined * d, last = std::min(n, (slab + 1) * kSlab);
        std::vector<double> l(wide, kInfinity), h(wide, -kInfinity), s(wide, 0.0);
        X.typed([&](auto *x) {
            auto take = [&](auto *values, std::size_t count) {
                for (std::size_t c = 0; c < count; c++) {
                    const double value = values[c];
                    l[c] = value < l[c] ? value : l[c];
                    h[c] = value > h[c] ? value : h[c];
                    s[c] += value;
                }
            };
            std::size_t i = slab * kSlab;
            for (; i + kJoined <= last; i += kJoined) take(x + i * d, wide);
            take(x + i * d, (last - i) * d);
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
        auto put = [&](std::size_t j, std::size_t c) {
            group[c * kGroup + j] = float(frame.place(x[rows[j] * d + c], c));
        };
        if (d <= kShort) {
            for (std::size_t c = 0; c < d; c++)
                for (std::size_t j = 0; j < count; j++) put(j, c);
            return;
        }
        for (std::size_t first = 0; first < d; first += kFeatures)
            for (std::size_t j = 0; j < count; j++)
                for (std::size_t c = first; c < std::min(d, first + kFeatures); c++) put(j, c);
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
    const std::size_t d = X.d, steps = (d + 1) / 2;
    std::vector<double> scaled(d);
    std::vector<std::int16_t> pairs(count * 2 * steps);
    auto place = [&](std::size_t j) {
        X.typed([&](auto *x) {
            for (std::size_t c = 0; c < d; c++) scaled[c] = frame.place(x[rows[j] * d + c], c);
        });
    };
    double norm = 0, largest = 0;
    for (std::size_t j = 0; j < count; j++) {
        place(j);
        double square = 0;
        for (std::size_t c = 0; c < d; c++) {
            square += scaled[c] * scaled[c];
            largest = std::max(largest, std::fabs(scaled[c]));
        }
        norm = std::max(norm, square);
    }
    const double scale = pairs_scale(std::sqrt(norm), largest, d);
    for (std::size_t j = 0; j < count; j++) {
        place(j);
        const Rounded rounded = round_to_pairs(scaled.data(), d, scale, &pairs[j * 2 * steps]);
        squares[j] = rounded.square;
        lost[j] = rounded.lost;
    }
    for (std::size_t first = 0; first < steps; first += kFeatures)
        for (std::size_t j = 0; j < count; j++)
            for (std::size_t c = first; c < std::min(steps, first + kFeatures); c++)
                std::memcpy(&group[c * kGroup + j], &pairs[2 * (j * steps + c)], sizeof(float));
    for (std::size_t c = 0; c < steps; c++)
        for (std::size_t j = count; j < kGroup; j++) group[c * kGroup + j] = 0;
    return scale;
}

}  // namespace rmodels::RMODELS_ISA
