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

// Weights and means of groups of rows. The mean of a group is anchor + offset: anchor is one of its rows.
struct GroupMeans {
    std::vector<std::size_t> count;  // (groups): rows, whatever their weight
    Doubles weight;                  // (groups)
    Doubles anchor, offset;          // (groups, columns)

    void clear(std::size_t groups, std::size_t columns);
    void finish(std::int64_t *count, double *weight, double *mean, double *rest) const;
};

// Consecutive rows: their elements adjacent, and their numbers, group by group.
struct GroupedRows {
    Doubles memory, weight_memory;  // of rows in float64, where they do not lie as they are needed
    std::vector<std::uint32_t> numbers;
    Strided Z;
    const double *weights;  // may be null

    // Takes the rows [first, last), at most as many as a slab has; writes how many belong to each group.
    void take(const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last,
              std::size_t groups, std::size_t *count);
};

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
    // Sums over consecutive rows.
    struct Sums {
        GroupMeans means;
        Doubles squares;  // (groups, columns)
    };

    // What a thread works with.
    struct Desk {
        GroupedRows rows;
        Doubles gap;  // (columns)
        Sums slab;
    };

    void clear(Sums &sums) const;
    void accumulate(Sums &slab, const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last,
                    Desk &desk) const;
    void merge(Sums &sums, const Sums &more, Doubles &gap) const;

    std::size_t groups_, columns_, slab_rows_, slabs_;  // slabs in a task
    Sums total_;
};

// Weight and mean of each group's rows, and the sum of their scatter matrices. They depend on the rows and their order,
// not on the threads.
class PooledScatter {
public:
    PooledScatter(std::size_t groups, std::size_t columns);

    // As in GroupSquares.
    void add(const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last, int threads);

    std::size_t granularity() const { return kSlabs * slab_rows_; }

    // Writes count and weight (groups), mean and what rounding it lost (groups, columns), and the scatter (columns,
    // columns); nothing can be added after it.
    void finish(std::int64_t *count, double *weight, double *mean, double *rest, double *scatter);

private:
    static constexpr std::size_t kSlabs = 8;  // in a task

    struct Sums {
        GroupMeans means;
        Doubles products;  // (columns, width): lower triangle, until finish as add_products leaves it
    };

    // What a thread works with.
    struct Desk {
        GroupedRows rows;
        GroupMeans slab;
        Doubles centres;  // (groups, columns): the means, rounded
        Doubles block;    // packed rows
        Doubles gap;      // (columns)
    };

    void accumulate(Sums &sums, const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last,
                    Desk &desk) const;
    void merge(Sums &sums, const GroupMeans &more, Desk &desk) const;

    std::size_t groups_, columns_, width_, slab_rows_;
    Sums total_;
};

}  // namespace rmodels::RMODELS_ISA
