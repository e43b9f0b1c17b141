#include "ops/conjugate/sliced.hpp"

#include <numeric>
#include <stdexcept>

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kLong = 64;  // entries of a row from which on what its slice lacks costs little

template <class Real>
std::size_t find_length(const CompressedRows<Real> &rows, std::size_t row) {
    return std::size_t(rows.starts[row + 1] - rows.starts[row]);
}

// Numbers of rows, shorter ones first.
template <class Real>
std::vector<std::uint32_t> sort_by_length(const CompressedRows<Real> &rows) {
    std::size_t longest = 0;
    for (std::size_t row = 0; row < rows.count; row++) longest = std::max(longest, find_length(rows, row));
    std::vector<std::size_t> next(longest + 2, 0);
    for (std::size_t row = 0; row < rows.count; row++) next[find_length(rows, row) + 1]++;
    std::partial_sum(next.begin(), next.end(), next.begin());
    std::vector<std::uint32_t> order(rows.count);
    for (std::size_t row = 0; row < rows.count; row++) order[next[find_length(rows, row)]++] = std::uint32_t(row);
    return order;
}

}  // namespace

template <class Real>
SlicedRows::SlicedRows(const CompressedRows<Real> &rows)
    : width_(rows.width), together_(0), order_(sort_by_length(rows)), starts_{0} {
    const auto length = [&](std::size_t i) { return find_length(rows, order_[i]); };
    std::size_t i = 0;
    for (; i + kTogether <= count() && length(i + kTogether - 1) < kLong; i += kTogether)
        starts_.push_back(starts_.back() + length(i + kTogether - 1));
    together_ = i / kTogether;
    for (; i < count(); i++) starts_.push_back(starts_.back() + (length(i) + kTogether - 1) / kTogether);
    values_ = Uninitialised<double>(before(slices()));
    columns_ = Uninitialised<std::int32_t>(before(slices()));
    bool inside = true;
    const auto fill = [&](std::size_t row, std::size_t at, std::size_t step, std::size_t stop) {
        for (auto from = std::size_t(rows.starts[row]); from < std::size_t(rows.starts[row + 1]); from++, at += step) {
            values_.data()[at] = double(rows.values[from]);
            columns_.data()[at] = rows.columns[from];
            inside &= std::uint32_t(rows.columns[from]) < rows.width;
        }
        for (; at < stop; at += step) {
            values_.data()[at] = 0.0;
            columns_.data()[at] = 0;
        }
    };
    for (std::size_t slice = 0; slice < slices(); slice++) {
        const std::size_t row = find_row(slice);
        if (slice < together_)
            for (std::size_t lane = 0; lane < kTogether; lane++)
                fill(order_[row + lane], before(slice) + lane, kTogether, before(slice + 1));
        else
            fill(order_[row], before(slice), 1, before(slice + 1));
    }
    if (!inside)
        throw std::invalid_argument("X has column indices that are negative or too large: X.check_format() tells more");
}

std::size_t SlicedRows::find_slice(std::size_t from, std::size_t entries) const {
    const auto found = std::lower_bound(starts_.begin() + std::ptrdiff_t(from), starts_.end() - 1,
                                        (entries + kTogether - 1) / kTogether);
    return std::size_t(found - starts_.begin());
}

template SlicedRows::SlicedRows(const CompressedRows<float> &);
template SlicedRows::SlicedRows(const CompressedRows<double> &);

}  // namespace rmodels::RMODELS_ISA
