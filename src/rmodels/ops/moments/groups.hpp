// Means and sums of squares of the columns of [X | Y], by groups of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/aligned.hpp"
#include "ops/moments/native.hpp"

namespace rmodels::RMODELS_ISA {

// Writes how many of the rows belong to each group (groups), and their numbers, group by group, in order (rows).
void sort_by_group(const std::int64_t *codes, std::size_t rows, std::size_t groups, std::int64_t *count,
                   std::int64_t *numbers);

// Weight, mean and sum of squares about it of each group's rows. They depend on the rows and their order, not on the
// threads.
class GroupSquares {
public:
    GroupSquares(std::size_t groups, std::size_t columns);

    // Adds the rows [first, last), which follow those added before; codes are their groups. Both are multiples of the
    // granularity, or the number of rows.
    void add(const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last, int threads);

    std::size_t granularity() const { return slab_rows_; }

    // Writes count and weight (groups), and mean, what rounding it lost, and squares (groups, columns).
    void finish(std::int64_t *count, double *weight, double *mean, double *rest, double *squares) const;

private:
    // Sums over consecutive rows. The mean of a group is anchor + offset: anchor is one of its rows.
    struct Slab {
        std::vector<std::size_t> count;   // (groups): rows, whatever their weight
        Doubles weight, heaviest;         // (groups): of all rows, and of the one that weighs most
        Doubles anchor, offset, squares;  // (groups, columns)
    };

    void clear(Slab &slab) const;
    void accumulate(Slab &slab, const Samples &samples, const std::int64_t *codes, std::size_t first, std::size_t last,
                    Doubles &buffer) const;
    void merge(const Slab &slab);

    std::size_t groups_, columns_, slab_rows_;
    Slab total_;
};

}  // namespace rmodels::RMODELS_ISA
