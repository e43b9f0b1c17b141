// Means and sums of squares of the columns of [X | Y], by groups of rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "native/aligned.hpp"
#include "ops/moments/native.hpp"

namespace rmodels::RMODELS_ISA {

// Writes how many of the rows belong to each group (groups), and their numbers, group by group, in order (rows).
template <class Count, class Number>
void sort_by_group(const std::int64_t *codes, std::size_t rows, std::size_t groups, Count *count, Number *numbers) {
    std::fill_n(count, groups, Count(0));
    for (std::size_t i = 0; i < rows; i++) count[codes[i]]++;
    std::vector<std::size_t> next(groups);
    std::exclusive_scan(count, count + groups, next.begin(), std::size_t(0));
    for (std::size_t i = 0; i < rows; i++) numbers[next[std::size_t(codes[i])]++] = Number(i);
}

// Weight, mean and sum of squares about it of each group's rows. They depend on the rows and their order, not on the
// threads.
class GroupSquares {
public:
    GroupSquares(std::size_t groups, std::size_t columns);

    // Adds the rows [first, last), which follow those added before; codes are their groups. Both are multiples of the
    // granularity, or the number of rows.
    void add(const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last, int threads);

    std::size_t granularity() const { return slabs_ * slab_rows_; }

    // Writes count and weight (groups), and mean, what rounding it lost, and squares (groups, columns).
    void finish(std::int64_t *count, double *weight, double *mean, double *rest, double *squares) const;

private:
    // Sums over consecutive rows. The mean of a group is anchor + offset: anchor is one of its rows.
    struct Sums {
        std::vector<std::size_t> count;   // (groups): rows, whatever their weight
        Doubles weight;                   // (groups)
        Doubles anchor, offset, squares;  // (groups, columns)
    };

    // What a thread works with.
    struct Desk {
        Doubles Z, weights;                  // rows in float64, where they do not lie as they are needed
        std::vector<std::uint32_t> numbers;  // of the rows of a slab, group by group
        Sums slab;
    };

    void clear(Sums &sums) const;
    void accumulate(Sums &slab, const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last,
                    Desk &desk) const;
    void merge(Sums &sums, const Sums &more) const;

    std::size_t groups_, columns_, slab_rows_, slabs_;  // slabs in a task
    Sums total_;
};

}  // namespace rmodels::RMODELS_ISA
