// Sparse rows as products with vectors read them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "native/aligned.hpp"

namespace rmodels::RMODELS_ISA {

// Rows in compressed form.
template <class Real>
struct CompressedRows {
    const Real *values;
    const std::int32_t *columns;
    const std::int64_t *starts;
    std::size_t count, width;
};

// A number of each of a few vectors, which are interleaved.
template <int Few>
struct Vector {
    typedef double type __attribute__((vector_size(Few * sizeof(double))));
};
template <>
struct Vector<1> {
    using type = double;
};

template <int Few>
typename Vector<Few>::type take(const double *p) {
    typename Vector<Few>::type v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

template <int Few>
void put(double *p, typename Vector<Few>::type v) {
    std::memcpy(p, &v, sizeof v);
}

// Rows in slices: the shorter ones first, eight of about the same length side by side, their first entries, then their
// second ones and so on, so that a loop works on eight sums that do not wait for each other and is as long as the one
// before, which processors foresee. Long rows, and up to seven others, have a slice of their own, eight entries side by
// side. What slices lack are zeros.
class SlicedRows {
public:
    static constexpr std::size_t kTogether = 8;

    // Throws std::invalid_argument if an entry stands in no column.
    template <class Real>
    explicit SlicedRows(const CompressedRows<Real> &rows);

    std::size_t count() const { return order_.size(); }
    std::size_t width() const { return width_; }
    std::size_t slices() const { return starts_.size() - 1; }
    // Where row i of this order stands outside.
    std::size_t place(std::size_t i) const { return order_[i]; }
    // The first slice, of `from` and those after it, with at least so many entries before it.
    std::size_t find_slice(std::size_t from, std::size_t entries) const;
    // The first row of a slice, in this order.
    std::size_t find_row(std::size_t slice) const {
        return slice < together_ ? kTogether * slice : slice + (kTogether - 1) * together_;
    }
    // How many entries, and zeros among them, are before a slice.
    std::size_t before(std::size_t slice) const { return kTogether * starts_[slice]; }

    // Calls use(row, sum) with the sum of each row's term(value, column), for rows of the slices [first, last).
    template <class Sum, class Term, class Use>
    void add_up(std::size_t first, std::size_t last, Term &&term, Use &&use) const {
        const auto sum_slice = [&term, values = values_.data(), columns = columns_.data()](
                                   std::size_t from, std::size_t stop, Sum(&sums)[kTogether]) {
            for (std::size_t at = from; at < stop; at += kTogether)
#pragma GCC unroll 8
                for (std::size_t lane = 0; lane < kTogether; lane++)
                    sums[lane] += term(values[at + lane], std::size_t(columns[at + lane]));
        };
        std::size_t slice = first, row = find_row(first);
        for (const std::size_t stop = std::min(last, together_); slice < stop; slice++, row += kTogether) {
            Sum sums[kTogether] = {};
            sum_slice(before(slice), before(slice + 1), sums);
#pragma GCC unroll 8
            for (std::size_t lane = 0; lane < kTogether; lane++) use(row + lane, sums[lane]);
        }
        for (; slice < last; slice++, row++) {
            Sum sums[kTogether] = {};
            sum_slice(before(slice), before(slice + 1), sums);
            use(row, ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])));
        }
    }

    // Calls visit(value, column, of(row)) for the entries of the slices [first, last).
    template <class Of, class Visit>
    void for_each(std::size_t first, std::size_t last, Of &&of, Visit &&visit) const {
        const double *values = values_.data();
        const std::int32_t *columns = columns_.data();
        std::size_t slice = first, row = find_row(first);
        for (const std::size_t end = std::min(last, together_); slice < end; slice++, row += kTogether) {
            decltype(of(row)) each[kTogether];
#pragma GCC unroll 8
            for (std::size_t lane = 0; lane < kTogether; lane++) each[lane] = of(row + lane);
            for (std::size_t at = before(slice), stop = before(slice + 1); at < stop; at += kTogether)
#pragma GCC unroll 8
                for (std::size_t lane = 0; lane < kTogether; lane++)
                    visit(values[at + lane], std::size_t(columns[at + lane]), each[lane]);
        }
        for (; slice < last; slice++, row++) {
            const auto each = of(row);
            for (std::size_t at = before(slice), stop = before(slice + 1); at < stop; at++)
                visit(values[at], std::size_t(columns[at]), each);
        }
    }

    // Calls use(row, product) with the product of each row and interleaved vectors.
    template <int Few, class Use>
    void gather(std::size_t first, std::size_t last, const double *from, Use &&use) const {
        using V = typename Vector<Few>::type;
        add_up<V>(
            first, last, [=](double value, std::size_t column) -> V { return value * take<Few>(from + Few * column); },
            use);
    }

    // Adds the rows, each times what by_rows has of it, to interleaved vectors.
    template <int Few>
    void scatter(std::size_t first, std::size_t last, const double *by_rows, double *to) const {
        using V = typename Vector<Few>::type;
        for_each(
            first, last, [=](std::size_t row) { return take<Few>(by_rows + Few * row); },
            [=](double value, std::size_t column, V share) {
                double *place = to + Few * column;
                put<Few>(place, take<Few>(place) + value * share);
            });
    }

private:
    std::size_t width_, together_;  // the last: how many slices have eight rows
    std::vector<std::uint32_t> order_;
    std::vector<std::size_t> starts_;  // of slices, in steps of eight entries
    Uninitialised<double> values_;
    Uninitialised<std::int32_t> columns_;
};

}  // namespace rmodels::RMODELS_ISA
