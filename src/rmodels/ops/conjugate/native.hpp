// Systems of the products of sparse rows, and their solution by conjugate gradients.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace rmodels::RMODELS_ISA {

// Rows in compressed form.
struct CompressedRows {
    const double *values;
    const std::int32_t *columns;
    const std::int64_t *starts;
    std::size_t count, width;
};

// D Dᵀ or Dᵀ D, D the rows √w (x − μ); without `root`, √w is 1. Inside, shorter rows come first: loops over rows are as
// long as the one before then, which processors foresee.
class Equations {
public:
    Equations(const CompressedRows &rows, const double *mean, const double *root, bool dual);

    std::size_t rows() const { return order_.size(); }
    std::size_t width() const { return mean_.size(); }
    std::size_t size() const { return dual_ ? rows() : width(); }
    std::size_t blocks() const { return blocks_; }
    // Where number i of a vector of the system stands outside.
    std::size_t place(std::size_t i) const { return dual_ ? order_[i] : i; }

    // Multiplies Few vectors, interleaved; `by_rows` has room for as many numbers, `by_columns` for those of each
    // block.
    template <int Few>
    void multiply(const double *from, double *product, double *by_rows, double *by_columns, int threads) const;

private:
    template <int Few>
    void gather(std::size_t first, std::size_t last, const double *from, double *by_rows) const;
    template <int Few>
    void scatter(std::size_t first, std::size_t last, const double *by_rows, double *to) const;
    template <int Few>
    void weigh(std::size_t first, std::size_t last, int times, double *by_rows) const;

    bool dual_;
    std::size_t blocks_;  // of rows, whose products are added up: their number depends on the rows alone
    std::vector<std::uint32_t> order_;
    std::unique_ptr<double[]> values_;
    std::unique_ptr<std::int32_t[]> columns_;
    std::vector<std::int64_t> starts_;
    std::vector<double> mean_, root_, along_mean_;  // the last is X μ
    double square_ = 0.0;                           // of μ
};

// Conjugate gradients from zero for up to four right-hand sides, with the matrix S⁻¹ (D Dᵀ + α) S⁻¹.
class Descent {
public:
    static constexpr std::size_t kMost = 4;

    // Takes right-hand sides (count, size), and the norms of their residuals at which the steps end.
    Descent(const Equations &equations, const double *inverse_scale, double penalty, const double *right,
            std::size_t count, const double *enough);

    // Goes on; returns whether all sides have ended.
    bool advance(std::size_t steps, int threads);

    // Writes the solutions (count, size).
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
    void step(int threads);

    const Equations &equations_;
    std::vector<double> inverse_;
    double penalty_;
    std::size_t count_, few_;
    std::array<Side, kMost> sides_;
    // interleaved, and filled up with zeros
    std::vector<double> x_, residual_, direction_, product_, scaled_, by_rows_, by_columns_;
};

}  // namespace rmodels::RMODELS_ISA
