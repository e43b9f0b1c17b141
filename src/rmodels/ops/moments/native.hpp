// Moments of the columns of [X | Y], and inner products of the rows of X.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/aligned.hpp"
#include "native/packing.hpp"
#include "native/strided.hpp"
#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {

// Rows of [X | Y] and their weights; weights.data may be null: then they are 1.
struct Samples {
    Strided X, Y, weights;
};

// Sums over a slab of consecutive rows z. They are shifted by a constant c near their mean, so that
// the products keep the digits of the differences: Σ √w(z − c) √w(z − c)ᵀ, with a last column √w.
struct Slab {
    std::size_t rows = 0;
    double weight = 0;
    Doubles shift;     // (columns)
    Doubles products;  // (columns + 1, width): lower triangle, until it is merged as add_products leaves it
};

// Weight, mean and scatter of the rows added so far. They depend on the rows and their order, not on
// the threads.
class Moments {
public:
    explicit Moments(std::size_t columns);

    // Adds the rows [first, last), which follow those added before. Both are multiples of the granularity, or the
    // number of rows.
    void add(const Samples &samples, std::size_t first, std::size_t last, int threads);

    // Rows by their numbers, and the sums that they are added to; as many as a multiple of slab_rows, but for the last.
    struct Selection {
        Moments *sums;
        const std::int64_t *numbers;
        std::size_t count;
    };

    // Adds several selections; the sums have as many columns, and rows are not added by `add` too.
    static void add_selections(const std::vector<Selection> &selections, const Samples &samples, int threads);

    std::size_t granularity() const;
    std::size_t slab_rows() const { return slab_rows_; }

    // Writes mean, what rounding it lost (columns) and scatter (columns, columns); nothing can be added after it.
    void finish(double *mean, double *rest, double *scatter);

    double weight() const { return weight_; }

private:
    bool wide() const;
    template <class Rows>
    void begin(Slab &slab, const Rows &rows, std::size_t count) const;
    template <class Rows>
    void accumulate(Slab &slab, const Rows &rows, std::size_t count) const;
    void accumulate_together(Slab &slab, const Samples &samples, std::size_t first, std::size_t last, int threads,
                             Doubles &memory) const;
    std::size_t add_apart(const Samples &samples, std::size_t first, std::size_t last, int threads);
    void add_selected(const Samples &samples, const std::int64_t *numbers, std::size_t count, int threads);  // wide
    void merge(Slab &slab);

    std::size_t columns_, width_, slab_rows_;
    double weight_ = 0;
    Doubles origin_;   // (columns): shift of the first slab that weighs anything
    Doubles offset_;   // (columns): mean less origin, which keeps digits that the mean has not
    Doubles scatter_;  // (columns or one more, width): lower triangle; empty before anything is merged
    Slab open_;        // wide: the slab that the next rows go to
    Doubles block_;    // wide: packed rows
};

// Inner products of the rows of X, a block of columns at a time.
class RowProducts {
public:
    RowProducts(std::size_t rows, const Strided &weights, bool centre);

    // Adds columns of X (rows, any); writes their means.
    void add(const Strided &X, double *mean, int threads);

    // Writes products (rows, rows); nothing can be added after it.
    void finish(double *products);

private:
    void accumulate(const Strided &features, std::size_t first, std::size_t last, double *mean,
                    Doubles &products) const;
    void add_together(const Strided &features, double *mean, int threads);
    void subtract_means(const Panels &block, std::size_t first, std::size_t count, double *mean) const;

    std::size_t rows_, width_;
    bool weighted_, centre_;
    double weight_ = 0;
    Doubles weights_;   // (width)
    Doubles products_;  // (rows, width): lower triangle, until finish as add_products leaves it
    Doubles block_;     // packed columns of X
};

}  // namespace rmodels::RMODELS_ISA
