// The nearest centre of each row, sums of the rows of each centre, and the seeds of k-means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "native/aligned.hpp"
#include "native/strided.hpp"

namespace rmodels::RMODELS_ISA {

// The power of two that makes centres less their mean at most about 1.
double find_scale(const double *centres, std::size_t count, std::size_t columns);

// Where the fixed-point sums of `w (x − shift)` and of w have their grid: each times its factor, a power of two, is in
// [−1, 1]. (columns,) and (columns + 1,).
struct Grid {
    const double *shift, *factors;
};

// Rows that change their centre move between fixed-point sums: see add_sums. The weights may be null. Of rows of which
// nothing is known, Σ_j (x_j − shift_j)² is written, in the order of the columns, unless squares is null.
struct MovingSums {
    Strided weights;
    Grid grid;
    std::int64_t *sums;
    double *squares;
};

// Assigns rows to centres that move, and keeps of each row what spares reading it again: a lower bound on the
// distances to all centres but its own, and the margin by which these are farther than the own, both float32 and in
// units of 1 / scale, a power of two.
class Assigner {
public:
    // Of no rows nothing is kept.
    Assigner(std::size_t rows, std::size_t count, std::size_t columns, double scale);
    Assigner(Assigner &&) noexcept;
    ~Assigner();

    // Takes centres, (count, columns): those that so many rows are assigned to from here on. `labels` is what was said
    // of all rows, if anything is kept of them.
    void move(const double *centres, const std::int32_t *labels, std::size_t rows);

    // Writes to labels which centre is nearest to each row, the first of equal ones. X is the rows from `first` on; if
    // all have been assigned before, labels hold what was said of them. Rows whose labels change move between the sums,
    // unless these are null.
    void assign(const Strided &X, std::size_t first, std::int32_t *labels, const MovingSums *sums, int threads);

    // Writes for all rows at least Σ_j (x_j − m_j)² of their own centre: infinity where nothing is known. Returns
    // whether anything is known at all; else nothing is written.
    bool bound_own(const std::int32_t *labels, std::size_t rows, double *squares, int threads) const;

    struct State;

private:
    std::unique_ptr<State> state_;
};

// Adds the rows, of which labels say the centre, to integers (count, 3, columns + 1); a row that had another centre,
// `previous`, moves. A label below 0 is none. previous and the weights may be null.
void add_sums(const Strided &X, const Strided &weights, const std::int32_t *labels, const std::int32_t *previous,
              const Grid &grid, std::size_t count, std::int64_t *sums, int threads);

// Writes Σ w and Σ w (x − shift), (count, columns), of sums as add_sums has them.
void read_sums(const std::int64_t *sums, const double *factors, std::size_t count, std::size_t columns, double *weights,
               double *totals, int threads);

// Writes the least and the largest value of each column; returns whether all are finite, else these are not told.
bool find_range(const Strided &X, double *low, double *high, int threads);

// Writes Σ_j (x_j − m_j)² of each row and its centre, in the order of the columns.
void own_squares(const Strided &X, const double *centres, const std::int32_t *labels, double *squares, int threads);

// The state of k-means++: of each row the square of the distance to the nearest centre so far, and which.
struct Seeding {
    Strided X, weights;
    double *closest;
    std::int32_t *nearest;
};

constexpr std::size_t kSeedRows = 1024;  // whose potential is summed at once

// Writes Σ w max(closest − |x − candidate|², 0) of each block of kSeedRows rows and each candidate: (blocks, count).
// quarters: of the squares of the distances of candidates to the centres so far, (count, chosen), rounded down.
void find_gains(const Seeding &state, const double *candidates, std::size_t count, const double *quarters,
                std::size_t chosen, double *gains, int threads);

// Writes the same to within the error of each block; and of each row which of at most 32 candidates may be nearer than
// its centre, as bits. quarters: the least of all candidates, (chosen,). scale: a power of two that makes candidates
// less their mean at most about 1.
void estimate_gains(const Seeding &state, const double *candidates, std::size_t count, const double *quarters,
                    double scale, double *gains, double *errors, std::uint32_t *gainers, int threads);

// Rows less a shift and times a power of two, kept in float32 by panels, for estimates of one set of candidates after
// the other.
class SeedPanels {
public:
    SeedPanels(const Strided &X, const double *shift, double scale, int threads);

    // As estimate_gains, of the blocks [first, last). The state is that of the same rows.
    void estimate(const Seeding &state, const double *candidates, std::size_t count, std::size_t first,
                  std::size_t last, double *gains, double *errors, std::uint32_t *gainers, int threads) const;

    // Takes steps of k-means++, each by as many numbers in [0, 1) as candidates are drawn, (steps, trials): writes the
    // rows that become centres, of number `chosen` on, and brings the state and the potentials of the blocks up to
    // date. Returns how many were taken: fewer if potentials overflow.
    std::size_t take_steps(const Seeding &state, const double *numbers, std::size_t steps, std::size_t trials,
                           std::size_t chosen, double *potentials, std::int64_t *places, int threads) const;

private:
    class Steps;

    std::size_t rows_, columns_;
    double scale_;
    std::vector<double> shift_;
    std::vector<float, CacheLines<float>> values_;  // (panels, columns, rows of a panel)
    std::vector<double> squares_;                   // (panels, rows of a panel)
};

// Makes a point the centre of number `chosen`, and writes the potential of each block in which a row has it. Rows
// without the bit among their gainers are not nearer; null: any may be.
void add_centre(const Seeding &state, const double *centre, const std::uint32_t *gainers, std::uint32_t bit,
                std::size_t chosen, double *potentials, int threads);

}  // namespace rmodels::RMODELS_ISA
