// Accumulators: 64-bit integers, a pair for each exponent; values that follow each other are mostly of few exponents,
// so that four sets of pairs spare waiting for the sum before. Bytes: the values once. Tolerance: none.
#include "ops/bins/native.hpp"

#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kBlock = 8192;
constexpr std::size_t kSets = 4;
constexpr std::uint64_t kFraction = (std::uint64_t(1) << 52) - 1;
constexpr int kLower = 26;
constexpr std::size_t kSpecial = 2047;  // the exponent of what is not finite
constexpr std::size_t kNormal = 51;     // what the place of a value is beyond its exponent

struct Parts {
    std::int64_t pairs[kSets][kBins][2] = {};
    double special = 0;

    void add(double value, std::size_t set) {
        const auto bits = std::bit_cast<std::uint64_t>(value);
        const std::size_t exponent = bits >> 52 & 2047;
        std::uint64_t whole = (bits & kFraction) | (kFraction + 1);
        std::size_t place = exponent + kNormal;
        if (exponent == kSpecial) {
            special += value;
            return;
        }
        if (exponent == 0) {  // its fraction does not begin with 1, unless it is made to
            const std::uint64_t fraction = bits & kFraction;
            if (fraction == 0) return;
            const int shift = std::countl_zero(fraction) - 11;
            whole = fraction << shift;
            place = kNormal + 1 - std::size_t(shift);
        }
        const std::int64_t sign = std::int64_t(bits) >> 63;
        std::int64_t *pair = pairs[set][place];
        pair[0] += (std::int64_t(whole >> kLower) ^ sign) - sign;
        pair[1] += (std::int64_t(whole & ((1 << kLower) - 1)) ^ sign) - sign;
    }
};

}  // namespace

double bin_values(const double *values, std::size_t count, std::int64_t *bins, int threads) {
    std::vector<std::unique_ptr<Parts>> parts(std::size_t(std::max(threads, 1)));
    parallel_for((count + kBlock - 1) / kBlock, threads, [&](std::size_t task, int thread) {
        auto &part = parts[std::size_t(thread)];
        if (!part) part = std::make_unique<Parts>();
        const std::size_t last = std::min(count, (task + 1) * kBlock);
        for (std::size_t i = task * kBlock; i < last; i++) part->add(values[i], i % kSets);
    });
    double special = 0;
    for (const auto &part : parts) {
        if (!part) continue;
        special += part->special;
        for (const auto &set : part->pairs)
            for (std::size_t place = 0; place < kBins; place++)
                for (std::size_t line = 0; line < 2; line++) bins[line * kBins + place] += set[place][line];
    }
    return special;
}

}  // namespace rmodels::RMODELS_ISA
