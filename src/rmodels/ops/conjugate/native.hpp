// Systems of the products of sparse rows, and their solution by conjugate gradients.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <vector>

#include "native/threads.hpp"
#include "ops/conjugate/sliced.hpp"

namespace rmodels::RMODELS_ISA {

// Loops over the blocks of rows, one after the other with the same threads: starting them for each would take as long.
class Rounds {
public:
    Rounds(std::size_t blocks, int threads) : crew_(blocks, threads, Task{this}) {}

    // Calls body(block) once for each block.
    template <class Body>
    void run(Body &body) {
        body_ = std::ref(body);
        crew_.run();
    }

private:
    struct Task {
        Rounds *rounds;
        void operator()(std::size_t block) noexcept { rounds->body_(block); }
    };

    std::function<void(std::size_t)> body_;
    Crew<Task> crew_;
};

// D Dᵀ or Dᵀ D, D the rows √w (x − μ); without `weights`, w is 1. Vectors of rows have inside the order of the slices.
class Equations {
public:
    template <class Real>
    Equations(const CompressedRows<Real> &rows, const double *weights, bool centred, bool dual);

    std::size_t rows() const { return rows_.count(); }
    std::size_t width() const { return rows_.width(); }
    std::size_t size() const { return dual_ ? rows() : width(); }
    std::size_t blocks() const { return edges_.size() - 1; }
    // How much room the columns of all blocks take, where no two blocks share a cache line: threads that wrote to the
    // same one would wait for each other.
    std::size_t room_of_columns() const;
    // Where number i of a vector of the system stands outside.
    std::size_t place(std::size_t i) const { return dual_ ? rows_.place(i) : i; }

    const std::vector<double> &mean() const { return mean_; }
    // Σ w (x − μ)² of each column.
    const std::vector<double> &squares() const { return squares_; }
    // Writes the diagonal (size).
    void find_diagonal(double *diagonal) const;

    // Writes D B (rows, count), of B (width, count), of up to four columns.
    void lead_along_rows(const double *from, std::size_t count, double *to, int threads) const;
    // Writes Dᵀ R (width, count), of R (rows, count), of up to four columns.
    void lead_along_columns(const double *from, std::size_t count, double *to, int threads) const;

    // Multiplies Few vectors, interleaved; `by_rows` has room for as many numbers, `by_columns` for those of
    // each block.
    template <int Few>
    void multiply(const double *from, double *product, double *by_rows, double *by_columns, Rounds &rounds) const;

private:
    // Calls body(first, last) for parts of a block's slices, which stay in the cache meanwhile.
    template <class Body>
    void for_parts(std::size_t block, Body &&body) const;
    // Sets the sums of the rows, each times what by_rows has of it, for each block.
    template <int Few>
    void scatter(const double *by_rows, double *by_columns, Rounds &rounds) const;
    // The sum of the blocks for a column.
    template <int Few>
    typename Vector<Few>::type join(const double *by_columns, std::size_t j) const;

    bool dual_;
    SlicedRows rows_;
    std::vector<std::size_t> edges_;  // of blocks of slices, whose products are added up: they depend on the rows alone
    std::vector<double> weights_, root_, mean_, squares_, along_mean_;  // the last is X μ
    double square_ = 0.0;                                               // of μ
};

// Conjugate gradients from zero for up to four right-hand sides, with the matrix S⁻¹ (D Dᵀ + α) S⁻¹.
class Descent {
public:
    static constexpr std::size_t kMost = 4;

    // Takes right-hand sides (size, count), and the norms of their residuals at which the steps end.
    Descent(const Equations &equations, const double *inverse_scale, double penalty, const double *right,
            std::size_t count, const double *enough);

    // Goes on; returns whether all sides have ended.
    bool advance(std::size_t steps, int threads);

    // Writes the solutions (size, count).
    void finish(double *solutions) const;

    bool converged(std::size_t side) const { return sides_[side].square <= sides_[side].enough; }
    const std::vector<double> &lengths(std::size_t side) const { return sides_[side].lengths; }
    const std::vector<double> &kept(std::size_t side) const { return sides_[side].kept; }

private:
    struct Side {
        double unit = 1.0, square = 0.0, enough = 0.0;  // squared norms, over the square of the unit
        bool failed = false;
        std::vector<double> lengths, kept;

        bool ended() const { return failed || square <= enough; }
    };

    template <int Few>
    void step(Rounds &rounds);

    const Equations &equations_;
    std::vector<double> inverse_;
    double penalty_;
    std::size_t count_, few_;
    std::array<Side, kMost> sides_;
    // interleaved, and filled up with zeros
    Doubles x_, residual_, direction_, product_, scaled_, by_rows_, by_columns_;
};

}  // namespace rmodels::RMODELS_ISA
