// Moments of the columns of [X | Y], and inner products of the rows of X.
#pragma once

#include <cstddef>
#include <vector>

#include "native/strided.hpp"

namespace rmodels::RMODELS_ISA {

// Sums over a slab of rows z, shifted by a nearby row c: of √w(z − c) √w(z − c)ᵀ with a last column √w.
struct Slab {
    double weight = 0;
    std::vector<double> shift;     // (columns)
    std::vector<double> products;  // (columns + 1, width): lower triangle
};

// Weight, mean and scatter of the rows added so far. The result depends on the rows and on their
// order, not on threads.
class Moments {
public:
    explicit Moments(std::size_t columns);
    void add(const Strided &X, const Strided &Y, const Strided &weights, int threads);
    double weight() const { return weight_; }
    void finish(double *mean, double *scatter) const;  // (columns), (columns, columns)

private:
    void accumulate(Slab &slab, const Strided &X, const Strided &Y, const Strided &weights, std::size_t first,
                    std::size_t last) const;
    void merge(const Slab &slab);

    std::size_t columns_, width_;
    double weight_ = 0;
    std::vector<double> origin_;   // (columns): shift of the first slab
    std::vector<double> offset_;   // (columns): mean less origin
    std::vector<double> scatter_;  // (columns, width): lower triangle
};

}  // namespace rmodels::RMODELS_ISA
