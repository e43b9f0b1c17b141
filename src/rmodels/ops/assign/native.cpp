// Bytes: bounds of all rows; of X only rows whose bounds do not hold. Operations: d products for each of those and each
// centre of the groups that may hold a nearer one, in float32; d differences in float64 for each centre where the
// scores do not tell. Tolerance: none, labels are those of the defined squares; screen.hpp has the bounds on the
// scores.
#include "ops/assign/native.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "native/aligned.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"
#include "ops/assign/screen.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kBlock = 1024;  // rows of a task
constexpr double kOut = 0x1p-22;      // by which float32 bounds are rounded outwards
constexpr double kUnknown = -1.0;     // a lower bound that holds nothing

inline float rounded_up(double x) { return float(x * (1 + kOut) + 0x1p-130); }
inline float rounded_down(double x) { return float(x - std::fabs(x) * kOut - 0x1p-130); }

// Σ (x − m)² to a few roundings, in any order.
template <class Real>
double gap_square(const Real *x, std::ptrdiff_t stride, const double *m, std::size_t d) {
    double sum = 0;
    std::size_t j = 0;
    if (stride == 1) {
        f64v sums[2]{};
        for (; j + 2 * kF64 <= d; j += 2 * kF64)
            for (int v = 0; v < 2; v++) {
                const f64v gap = load_f64(x + j + v * kF64) - load<f64v>(m + j + v * kF64);
                sums[v] = fma(gap, gap, sums[v]);
            }
        if (j > 0) {
            sums[0] += sums[1];
            for (int lane = 0; lane < kF64; lane++) sum += sums[0][lane];
        }
    }
    for (; j < d; j++) {
        const double gap = double(x[std::ptrdiff_t(j) * stride]) - m[j];
        sum += gap * gap;
    }
    return sum;
}

// The centres, laid out for both ways to hold a row against them.
class Targets {
public:
    explicit Targets(const Clusters &to)
        : to_(to), d_(to.columns), shift_(to.columns), groups_(to.groups), bound_(to.columns) {
        const std::size_t k = to.count;
        for (std::size_t c = 0; c < k; c++)
            for (std::size_t j = 0; j < d_; j++) shift_[j] += to.centres[c * d_ + j] / double(k);
        stride_ = (k + kWide - 1) / kWide * kWide;
        columns_.assign(stride_ * d_, std::numeric_limits<double>::infinity());
        for (std::size_t c = 0; c < k; c++)
            for (std::size_t j = 0; j < d_; j++) columns_[j * stride_ + c] = to.centres[c * d_ + j];
        std::size_t tiles = 0;
        for (std::size_t g = 0; g < to.groups; g++) tiles += tiles_of(g);
        coefficients_.assign(tiles * kScreenCentres * d_, 0.0F);
        norms_.assign(tiles * kScreenCentres, std::numeric_limits<float>::infinity());
        group_of_.resize(k);
        tiles = 0;
        for (std::size_t g = 0; g < to.groups; g++) {
            const std::size_t at = tiles * kScreenCentres;
            groups_[g] = {coefficients_.data() + at * d_, norms_.data() + at, to.starts[g], tiles_of(g)};
            for (std::int32_t place = to.starts[g]; place < to.starts[g + 1]; place++) {
                const std::size_t c = std::size_t(to.order[place]), i = std::size_t(place - to.starts[g]);
                float *here = coefficients_.data() + (tiles + i / kScreenCentres) * kScreenCentres * d_;
                norms_[at + i] =
                    bound_.add(pack_centre(to.centres + c * d_, shift_.data(), to.scale, d_, here, i % kScreenCentres));
                group_of_[c] = std::int32_t(g);
            }
            tiles += tiles_of(g);
        }
    }

    bool screens() const { return bound_.screens(); }
    const double *shift() const { return shift_.data(); }
    const PackedGroup &group(std::size_t g) const { return groups_[g]; }
    std::size_t group_of(std::int32_t centre) const { return std::size_t(group_of_[std::size_t(centre)]); }

    // E of a row, or infinity where float32 does not hold it.
    double error(double square) const { return bound_.error(square); }

    // The centre that is nearest to a row by the defined squares, and that square.
    template <class Real>
    std::int32_t find(const Real *x, std::ptrdiff_t stride, double &square) const {
        std::int32_t nearest = 0;
        square = std::numeric_limits<double>::infinity();
        for (std::size_t c = 0; c < stride_; c += kWide) {
            f64v sums[kVectors]{};
            for (std::size_t j = 0; j < d_; j++) {
                const f64v value = broadcast(double(x[std::ptrdiff_t(j) * stride]));
                for (int v = 0; v < kVectors; v++) {
                    const f64v gap = value - load<f64v>(columns_.data() + j * stride_ + c + v * kF64);
                    sums[v] += gap * gap;
                }
            }
            alignas(64) double found[kWide];
            for (int v = 0; v < kVectors; v++) store(found + v * kF64, sums[v]);
            for (std::size_t i = 0; i < kWide && c + i < to_.count; i++)
                if (found[i] < square) {
                    square = found[i];
                    nearest = std::int32_t(c + i);
                }
        }
        return nearest;
    }

private:
    static constexpr int kVectors = 4;
    static constexpr std::size_t kWide = kVectors * kF64;

    std::size_t tiles_of(std::size_t g) const {
        return (std::size_t(to_.starts[g + 1] - to_.starts[g]) + kScreenCentres - 1) / kScreenCentres;
    }

    const Clusters &to_;
    std::size_t d_, stride_;
    std::vector<double> shift_;
    Doubles columns_;
    std::vector<float, CacheLines<float>> coefficients_, norms_;
    std::vector<PackedGroup> groups_;
    std::vector<std::int32_t> group_of_;
    ErrorBound bound_;
};

// How far the centres of each group have moved at most, without one of them.
struct GroupDrift {
    double most, next;
    std::int32_t which;

    double without(std::int32_t centre) const { return centre == which ? next : most; }
};

std::vector<GroupDrift> group_drifts(const Clusters &to) {
    std::vector<GroupDrift> found(to.groups, {0, 0, -1});
    for (std::size_t g = 0; g < to.groups; g++)
        for (std::int32_t place = to.starts[g]; place < to.starts[g + 1]; place++) {
            const std::int32_t c = to.order[place];
            const double drift = to.drift[c];
            GroupDrift &most = found[g];
            if (most.which < 0 || drift > most.most)
                most = {drift, most.which < 0 ? 0 : most.most, c};
            else
                most.next = std::max(most.next, drift);
        }
    return found;
}

// What is known of the rows of a task that are held against centres.
struct Scratch {
    std::vector<std::uint32_t> open, list;
    std::vector<double> own, squares;  // scaled square to the own centre, or below 0; |x|²
    std::vector<float> reach, rest;    // to the own centre, and to any other at least
    std::vector<float> least, next;    // (rows, groups)
    std::vector<std::int32_t> place;   // below 0: not scored
    std::vector<float, CacheLines<float>> panel;
    LeastScores scores;
};

template <class Real>
class Task {
public:
    Task(const Real *X, const Strided &shape, const Clusters &to, const Targets &targets,
         const std::vector<GroupDrift> &drifts, std::int32_t *labels, float *bounds, Scratch &scratch)
        : X_(X),
          shape_(shape),
          to_(to),
          targets_(targets),
          drifts_(drifts),
          labels_(labels),
          bounds_(bounds),
          s_(scratch) {}

    void run(std::size_t rows) {
        open(rows);
        const std::size_t n = s_.open.size(), g = to_.groups;
        if (n == 0) return;
        if (g == 1 && targets_.screens()) return settle_panels();
        s_.squares.assign(n, std::numeric_limits<double>::infinity());
        s_.least.resize(n * g);
        s_.next.resize(n * g);
        s_.place.assign(n * g, -1);
        if (targets_.screens())
            for (std::size_t group = 0; group < g; group++) score(group);
        for (std::size_t i = 0; i < n; i++) settle(i);
    }

private:
    const Real *row(std::uint32_t r) const { return X_ + std::ptrdiff_t(r) * shape_.row_stride; }
    float *bounds(std::uint32_t r) const { return bounds_ + std::size_t(r) * (1 + to_.groups); }

    // Lists the rows whose bounds do not hold; without branches that depend on a row, which cannot be foreseen.
    void open(std::size_t rows) {
        s_.open.resize(rows);
        s_.own.assign(rows, -1);
        if (!to_.drift) {
            std::iota(s_.open.begin(), s_.open.end(), 0);
            return;
        }
        s_.rest.resize(rows);
        s_.reach.resize(rows);
        std::size_t moved = 0, open = 0;
        for (std::uint32_t r = 0; r < rows; r++) {
            float *b = bounds(r);
            const std::int32_t label = labels_[r];
            b[0] = rounded_up(double(b[0]) + to_.drift[label]);
            float least = std::numeric_limits<float>::infinity();
            for (std::size_t g = 0; g < to_.groups; g++) {
                b[1 + g] = rounded_down(double(b[1 + g]) - drifts_[g].without(label));
                least = std::min(least, b[1 + g]);
            }
            s_.open[moved] = r;
            s_.rest[moved] = least;
            moved += !(b[0] < least);
        }
        for (std::size_t i = 0; i < moved; i++) {
            const double *own = to_.centres + std::size_t(labels_[s_.open[i]]) * to_.columns;
            s_.own[i] = gap_square(row(s_.open[i]), shape_.column_stride, own, to_.columns) * to_.scale * to_.scale;
        }
        for (std::size_t i = 0; i < moved; i++) s_.reach[i] = rounded_up(std::sqrt(s_.own[i]));
        for (std::size_t i = 0; i < moved; i++) {
            const std::uint32_t r = s_.open[i];
            bounds(r)[0] = s_.reach[i];
            s_.open[open] = r;
            s_.own[open] = s_.own[i];
            open += !(s_.reach[i] < s_.rest[i]);
        }
        s_.open.resize(open);
        s_.own.resize(open);
    }

    // Scores a panel of open rows against a group; returns how many there are, and writes |x|².
    template <class Place>
    std::size_t score_rows(std::size_t group, std::size_t first, std::size_t end, Place place, double *squares) {
        const std::size_t count = std::min(kPanelRows, end - first);
        std::uint32_t rows[kPanelRows];
        for (std::size_t i = 0; i < kPanelRows; i++) rows[i] = s_.open[place(first + std::min(i, count - 1))];
        s_.panel.resize(kPanelRows * to_.columns);
        pack_panel(X_, shape_.row_stride, shape_.column_stride, to_.columns, rows, targets_.shift(), to_.scale,
                   s_.panel.data(), squares);
        score_panel(s_.panel.data(), to_.columns, targets_.group(group), s_.scores);
        return count;
    }

    // Finds the labels and bounds of the open rows where all centres are one group: a panel at a time.
    void settle_panels() {
        const LeastScores &found = s_.scores;
        for (std::size_t first = 0; first < s_.open.size(); first += kPanelRows) {
            double squares[kPanelRows], apart[kPanelRows], upper[kPanelRows], lower[kPanelRows];
            const auto same = [](std::size_t i) { return i; };
            const std::size_t count = score_rows(0, first, s_.open.size(), same, squares);
            for (std::size_t i = 0; i < kPanelRows; i++) {
                const double error = targets_.error(squares[i]), least = found.least[i], next = found.next[i];
                apart[i] = next - least - 2 * error;
                upper[i] = std::sqrt(std::max(least + squares[i] + error, 0.0));
                lower[i] = std::sqrt(std::max(next + squares[i] - error, 0.0));
            }
            for (std::size_t i = 0; i < count; i++) {
                const std::uint32_t r = s_.open[first + i];
                const std::int32_t before = s_.own[first + i] < 0 ? -1 : labels_[r], place = found.place[i];
                const std::int32_t nearest = place < 0 ? -1 : to_.order[place];
                double reach = upper[i], other = lower[i];
                std::int32_t label = nearest;
                if (!(apart[i] > 0)) {
                    double exact;
                    label = targets_.find(row(r), shape_.column_stride, exact);
                    reach = std::sqrt(exact) * to_.scale;
                    if (label != nearest)
                        other = std::sqrt(std::max(found.least[i] + squares[i] - targets_.error(squares[i]), 0.0));
                }
                labels_[r] = label;
                if (!bounds_) continue;
                float *b = bounds(r);
                if (label != before) b[0] = rounded_up(reach);  // else it is that of the own square
                b[1] = other > 0 ? rounded_down(other) : float(kUnknown);
            }
        }
    }

    // Scores the open rows that may be nearer to a centre of a group.
    void score(std::size_t group) {
        s_.list.clear();
        for (std::size_t i = 0; i < s_.open.size(); i++)
            if (s_.own[i] < 0 || bounds(s_.open[i])[1 + group] <= bounds(s_.open[i])[0])
                s_.list.push_back(std::uint32_t(i));
        for (std::size_t first = 0; first < s_.list.size(); first += kPanelRows) {
            double squares[kPanelRows];
            const auto listed = [&](std::size_t i) { return s_.list[i]; };
            const std::size_t count = score_rows(group, first, s_.list.size(), listed, squares);
            for (std::size_t i = 0; i < count; i++) {
                const std::size_t at = s_.list[first + i], cell = at * to_.groups + group;
                s_.squares[at] = squares[i];
                s_.least[cell] = s_.scores.least[i];
                s_.next[cell] = s_.scores.next[i];
                s_.place[cell] = s_.scores.place[i];
            }
        }
    }

    // Finds the label of an open row, and its bounds.
    void settle(std::size_t i) {
        const std::uint32_t r = s_.open[i];
        const std::size_t groups = to_.groups, cell = i * groups;
        const double square = s_.squares[i], own = s_.own[i], error = targets_.error(square);
        const std::int32_t before = own < 0 ? -1 : labels_[r];
        double least = std::numeric_limits<double>::infinity(), next = least, upper;
        std::int32_t label = -1;
        for (std::size_t g = 0; g < groups; g++) {
            if (s_.place[cell + g] < 0) continue;
            const double first = s_.least[cell + g];
            if (first < least) {
                next = std::min(least, double(s_.next[cell + g]));
                least = first;
                label = to_.order[s_.place[cell + g]];
            } else {
                next = std::min(next, first);
            }
        }
        const bool beside = before >= 0 && s_.place[cell + targets_.group_of(before)] < 0;  // own is not among them
        const double slack = own * double(to_.columns + 12) * 0x1p-50;
        bool clear = label >= 0 && std::isfinite(error) && next - least > 2 * error;
        if (clear && beside) clear = least + square + error < own - slack;
        if (clear) {
            upper = label == before ? own + slack : least + square + error;
        } else if (beside && label >= 0 && std::isfinite(error) && least + square - error > own + slack) {
            label = before;
            upper = own + slack;
        } else {
            double exact;
            label = targets_.find(row(r), shape_.column_stride, exact);
            upper = exact * to_.scale * to_.scale;
        }
        labels_[r] = label;
        if (!bounds_) return;
        float *b = bounds(r);
        b[0] = rounded_up(std::sqrt(std::max(upper, 0.0)));
        for (std::size_t g = 0; g < groups; g++) {
            if (s_.place[cell + g] < 0) {
                if (before < 0 || !targets_.screens()) b[1 + g] = kUnknown;
                continue;
            }
            const bool here = to_.order[s_.place[cell + g]] == label;
            const double lower = double(here ? s_.next[cell + g] : s_.least[cell + g]) + square - error;
            b[1 + g] = lower > 0 ? rounded_down(std::sqrt(lower)) : float(kUnknown);
        }
        if (beside && label != before) {
            float &lower = b[1 + targets_.group_of(before)];
            lower = std::min(lower, rounded_down(std::sqrt(std::max(own - slack, 0.0))));
        }
    }

    const Real *X_;
    const Strided &shape_;
    const Clusters &to_;
    const Targets &targets_;
    const std::vector<GroupDrift> &drifts_;
    std::int32_t *labels_;
    float *bounds_;
    Scratch &s_;
};

}  // namespace

void assign_rows(const Strided &X, const Clusters &to, std::int32_t *labels, float *bounds, int threads) {
    const Targets targets(to);
    const std::vector<GroupDrift> drifts = to.drift ? group_drifts(to) : std::vector<GroupDrift>();
    std::vector<Scratch> scratch(std::size_t(std::max(threads, 1)));
    parallel_for((X.rows + kBlock - 1) / kBlock, threads, [&](std::size_t task, int thread) {
        const std::size_t first = task * kBlock, rows = std::min(kBlock, X.rows - first);
        X.visit(first, 0, [&](auto *x) {
            Task(x, X, to, targets, drifts, labels + first, bounds ? bounds + first * (1 + to.groups) : nullptr,
                 scratch[std::size_t(thread)])
                .run(rows);
        });
    });
}

}  // namespace rmodels::RMODELS_ISA
