// Bytes: a margin and a label of each row; of X only rows whose margin does not hold. Operations: d products for each
// of those and each centre, in float32, or each that has moved where these tell; d differences in float64 for each
// centre where the scores do not tell. Tolerance: none, labels are those of the defined squares; screen.hpp has the
// bounds on the scores, bounds.hpp those of rows that are not read.
#include "ops/assign/native.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <vector>

#include "native/aligned.hpp"
#include "native/threads.hpp"
#include "native/vectors.hpp"
#include "ops/assign/bounds.hpp"
#include "ops/assign/limbs.hpp"
#include "ops/assign/screen.hpp"
#include "ops/assign/targets.hpp"

namespace rmodels::RMODELS_ISA {

namespace {

constexpr std::size_t kWorth = 3000;  // products that cost as much as to measure the own centre

}  // namespace

struct Assigner::State {
    std::size_t count, columns;
    double scale;
    Targets targets;
    Drifts drifts;
    std::vector<double> centres;         // (count, columns)
    std::vector<float> margins, lowers;  // (rows,); of no rows if nothing is kept, or no centre is ever left out
    std::vector<float> squares;          // (rows,): |x|² as it is scored; of no rows where it is never needed again
    std::size_t with_squares = 0;        // how many rows have theirs
    bool known = false;                  // whether bounds are those of rows
    bool squares_known = false;          // whether squares are, about the shift of now
    bool narrow = false;                 // whether centres that have moved far are asked before the others
    double slow = 0;                     // how far the others have moved at most
    mutable std::atomic<std::size_t> by_pairs{0}, left{0};  // rows scored as integers since then, and left open

    State(std::size_t rows, std::size_t count, std::size_t columns, double scale)
        : count(count), columns(columns), scale(scale), drifts(count), margins(rows) {
        if (count * (columns + 4) > kWorth) lowers.resize(rows);
        if (Targets::may_have_pairs(count, columns)) squares.resize(rows);
    }
};

namespace {

constexpr std::size_t kBlock = 1024;             // rows of a task
constexpr std::size_t kTurnedNumbers = 1 << 16;  // of a task of rows by column, which are laid out by row
constexpr std::size_t kFetched = 64;             // columns of rows that are fetched; longer ones the processor foresees
constexpr std::size_t kLine = 16;                // of rows that lie by column: reading fewer reads them all
constexpr std::size_t kAhead = 16;               // rows
constexpr double kRoom = 4;                      // drifts that a row which is settled by a few centres is to stand
constexpr std::size_t kSome = 512;               // rows that tell how near the others are to their bounds
constexpr std::size_t kWorthPairs = 1024;        // rows that are worth rounding centres to integers
constexpr std::size_t kMostLeft = 4;             // one row in so many, at most, that scores of integers leave open
constexpr float kNever = -1;                     // a margin that never holds
constexpr float kInwards = 1 - 0x1p-20F;         // rounds float32 down, and what is below 0 does not matter
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What a thread keeps of the rows of a task, and adds to sums.
struct Scratch {
    explicit Scratch(std::size_t columns) : turned(columns) {}

    std::vector<std::uint32_t> open;
    RowsByRow turned;
    std::vector<float, CacheLines<float>> panel;
    std::vector<std::int32_t, CacheLines<std::int32_t>> pairs;
    std::vector<float> room;
    LeastScores scores;
    std::optional<PartialSums> sums;
};

template <class Real>
class Task {
public:
    Task(const Real *X, const Strided &shape, const Assigner::State &to, std::int32_t *labels, float *margins,
         float *lowers, float *squares, const MovingSums *sums, const PaddedGrid *grid, std::size_t first,
         Scratch &scratch)
        : X_(X),
          shape_(shape),
          to_(to),
          labels_(labels),
          margins_(margins),
          lowers_(lowers),
          squares_(squares),
          sums_(sums),
          grid_(grid),
          first_(first),
          fetched_(shape.column_stride == 1 && shape.columns <= kFetched ? shape.columns * sizeof(Real) : 0),
          s_(scratch) {}

    void run(std::size_t rows) {
        list_open(rows);
        if (sums_) s_.sums->expect(s_.open.size());
        const std::size_t d = shape_.columns;
        if (turns(rows)) {
            const double *turned = s_.turned.take(X_, shape_.column_stride, d, rows);
            const Strided by_row{turned, false, rows, d, s_.turned.stride(), 1};
            Task<double>(turned, by_row, to_, labels_, margins_, lowers_, squares_, sums_, grid_, first_, s_).settle();
        } else {
            settle();
        }
    }

    // Whether rows that lie by column are laid out by row: not for few, which take few lines, nor to lay them out as a
    // panel and no more.
    bool turns(std::size_t rows) const {
        const std::size_t open = s_.open.size();
        const bool panels_only = is_known() && !to_.narrow && open + rows / kLine >= rows;
        return RowsByRow::pays(shape_) && open > rows / kLine && !panels_only;
    }

    // Finds the labels of the open rows.
    void settle() {
        if (is_known() && to_.narrow && to_.targets.screens()) ask_moved();
        settle_panels();
    }

private:
    bool is_known() const { return margins_ && to_.known; }
    const Real *row(std::uint32_t r) const { return X_ + std::ptrdiff_t(r) * shape_.row_stride; }

    // Fetches a row that is read soon: rows at rest between those that are read hide them from the processor. Longer
    // ones into L2, as L1 has too few lines on their way at a time. GCC drops calls of functions that do nothing else,
    // unless they are inlined before it looks.
    [[gnu::always_inline]] void fetch(std::uint32_t r) const {
        const char *x = reinterpret_cast<const char *>(row(r));
        if (fetched_ == 0) return;
        if (fetched_ <= 64) {
            __builtin_prefetch(x);
            __builtin_prefetch(x + fetched_ - 1);
            return;
        }
        for (std::size_t at = 0; at < fetched_; at += 64) __builtin_prefetch(x + at, 0, 2);
        __builtin_prefetch(x + fetched_ - 1, 0, 2);
    }

    // Lists the rows whose margins do not hold.
    void list_open(std::size_t rows) {
        s_.open.resize(rows + kF32);
        std::size_t count = 0;
        if (is_known()) {
            i32v places;
            for (int lane = 0; lane < kF32; lane++) places[lane] = lane;
            std::size_t r = 0;
            for (; r + kF32 <= rows; r += kF32) {
                const f32v limits = gather(to_.drifts.limits(), load<i32v>(labels_ + r));
                const unsigned open = ~at_most(limits, load<f32v>(margins_ + r)) & unsigned((1ULL << kF32) - 1);
                store_selected(s_.open.data() + count, places + int(r), open);
                count += std::size_t(std::popcount(open));
            }
            for (; r < rows; r++) {
                s_.open[count] = std::uint32_t(r);
                count += !(to_.drifts.limits()[labels_[r]] <= margins_[r]);
            }
        } else {
            std::iota(s_.open.begin(), s_.open.end(), 0);
            count = rows;
        }
        s_.open.resize(count);
    }

    // Calls body(i, scaled square to the own centre, distance rounded up) for the open rows.
    template <class Body>
    void for_own(Body &&body) const {
        const std::size_t n = s_.open.size(), d = to_.columns;
        const double *centres = to_.centres.data();
        for (std::size_t first = 0; first < n; first += kF64) {
            const std::size_t count = std::min<std::size_t>(kF64, n - first);
            f64v lanes[kF64];
            for (std::size_t i = first + kAhead; i < std::min(first + kAhead + kF64, n); i++) fetch(s_.open[i]);
            for (std::size_t i = 0; i < kF64; i++) {
                const std::uint32_t r = s_.open[first + std::min(i, count - 1)];
                const Real *ahead = row(s_.open[std::min(first + i + kF64, n - 1)]);
                lanes[i] = gap_squares(row(r), shape_.column_stride, centres + std::size_t(labels_[r]) * d, d, ahead);
            }
            const f64v squares = lane_sums(lanes) * broadcast(to_.scale * to_.scale), reach = square_root(squares);
            for (std::size_t i = 0; i < count; i++) body(first + i, squares[int(i)], double(rounded_up(reach[int(i)])));
        }
    }

    // Settles open rows to which no centre that has hardly moved may be nearer than the own: the others tell. Leaves
    // the rest open.
    void ask_moved() {
        std::uint32_t rows[kPanelRows];
        double own[kPanelRows], before[kPanelRows];
        std::size_t open = 0, some = 0;
        const auto ask = [&](std::size_t next) {
            double squares[kPanelRows];
            pack(rows, 0, some, squares);
            score_ahead(SingleProducts(), s_.panel.data(), to_.columns, to_.targets.first(), next);
            for (std::size_t i = 0; i < some; i++)
                if (!ask_moved(i, squares[i], rows[i], own[i], before[i])) s_.open[open++] = rows[i];
            some = 0;
        };
        for_own([&](std::size_t i, double square, double reach) {
            const std::uint32_t r = s_.open[i];
            const std::int32_t label = labels_[r];
            const double now = lowers_[r] - to_.drifts.rest(label);
            const double others = lowers_[r] - to_.drifts.rest_before(label) - to_.slow;
            if (reach < now) {
                margins_[r] = rounded_down(now - reach + to_.drifts.base(label));
            } else if (reach < others) {
                rows[some] = r;
                own[some] = square;
                before[some] = others;
                if (++some == kPanelRows) ask(i + 1);  // while the rows are in the cache
            } else {
                s_.open[open++] = r;
            }
        });
        if (some) ask(s_.open.size());
        s_.open.resize(open);
    }

    // Settles a row by the scores of centres that have moved far, if they tell: number i of a panel, |x|², the row, the
    // square to its own centre, and the distance that all others have at least.
    bool ask_moved(std::size_t i, double square, std::uint32_t r, double own, double before) {
        const double error = to_.targets.bound().error(square), slack = own * double(to_.columns + 12) * 0x1p-50;
        const double least = s_.scores.least[i] + square, next = s_.scores.next[i] + square;
        const std::int32_t place = s_.scores.place[i],
                           nearest = place < 0 ? -1 : to_.targets.places()[std::size_t(place)];
        std::int32_t label = labels_[r];
        const bool apart = double(s_.scores.next[i]) - double(s_.scores.least[i]) > 2 * error;
        double upper = own + slack, lower = nearest == label ? next : least;
        if (nearest == label ? !apart : !(least - error > upper)) {
            if (nearest == label || !apart || !(least + error < own - slack)) return false;
            upper = least + error;
            if (!(rounded_up(std::sqrt(std::max(upper, 0.0))) < before)) return false;
            lower = std::min(next, own - slack + error);
            label = nearest;
        }
        const double bound = std::min(before, std::sqrt(std::max(lower - error, 0.0)) * (1 - kOut));
        keep(r, label, rounded_up(std::sqrt(std::max(upper, 0.0))), bound);
        if (label != labels_[r]) relabel(r, label);
        return true;
    }

    // Keeps the bounds of a row with its label.
    void keep(std::uint32_t r, std::int32_t label, double upper, double lower) {
        margins_[r] = upper < lower ? rounded_down(lower - upper + to_.drifts.base(label)) : kNever;
        lowers_[r] = rounded_down(lower + to_.drifts.rest(label));
    }

    // Lays out a panel of rows; returns how many there are, and writes |x|².
    std::size_t pack(const std::uint32_t *list, std::size_t first, std::size_t end, double *squares) {
        const std::size_t count = std::min(kPanelRows, end - first);
        std::uint32_t rows[kPanelRows];
        for (std::size_t i = 0; i < kPanelRows; i++) rows[i] = list[first + std::min(i, count - 1)];
        s_.panel.resize(kPanelRows * to_.columns);
        const auto lay_out = [&]<bool kMeasures>(double *about) {
            pack_panel<kMeasures>(X_, shape_.row_stride, shape_.column_stride, to_.columns, rows, to_.targets.shift(),
                                  to_.scale, s_.panel.data(), squares, kMeasures ? sums_->grid.shift : nullptr, about);
        };
        if (sums_ && sums_->squares && !is_known() && !measured_) {
            double about[kPanelRows];
            lay_out.template operator()<true>(about);
            std::copy_n(about, count, sums_->squares + first_ + first);  // all rows are open, in their order
        } else {
            lay_out.template operator()<false>(nullptr);
        }
        fetch_next(list, first, end);
        return count;
    }

    [[gnu::always_inline]] void fetch_next(const std::uint32_t *list, std::size_t first, std::size_t end) const {
        for (std::size_t i = first + kPanelRows; i < std::min(first + 2 * kPanelRows, end); i++) fetch(list[i]);
    }

    // Labels of a panel, bounds as they are kept, |x|² and by how much E is larger, and which rows the scores tell of.
    struct Settled {
        alignas(64) std::int32_t labels[kPanelRows];
        alignas(64) float margins[kPanelRows], lowers[kPanelRows], squares[kPanelRows], more[kPanelRows] = {};
        unsigned clear[kScreenVectors];
    };

    // Lays out the open rows from `first` on as integers.
    void pack_integers(std::size_t first, std::size_t count, float *units, Settled &found) {
        std::uint32_t rows[kPanelRows];
        for (std::size_t i = 0; i < kPanelRows; i++) {
            rows[i] = s_.open[first + std::min(i, count - 1)];
            found.squares[i] = squares_[rows[i]];
        }
        rmodels::RMODELS_ISA::pack_integers(X_, shape_.row_stride, to_.columns, rows, to_.targets.shift(), to_.scale,
                                            found.squares, to_.targets.pair_scale(), s_.pairs.data(), units,
                                            found.more);
        fetch_next(s_.open.data(), first, s_.open.size());
    }

    // Scores the panel, and has the open rows from `first` on fetched for the next one.
    template <class Products>
    void score_ahead(const Products &products, const typename Products::Number *panel, std::size_t steps,
                     const PackedGroup &group, std::size_t first) {
        const char *rows[kPanelRows];
        std::size_t count = 0;
        if (fetched_ == 0 && shape_.column_stride == 1)
            for (; count < kPanelRows && first + count < s_.open.size(); count++)
                rows[count] = reinterpret_cast<const char *>(row(s_.open[first + count]));
        if (count > 0) {
            RowsAhead fetch(rows, count, to_.columns * sizeof(Real));
            score_panel(products, panel, steps, group, s_.room, s_.scores, fetch);
        } else {
            score_panel(products, panel, steps, group, s_.room, s_.scores);
        }
    }

    // Finds the labels and bounds of the open rows: first by products of integers, if these tell of most.
    void settle_panels() {
        if (to_.targets.has_pairs() && kMostLeft * to_.left <= to_.by_pairs + kBlock) {
            to_.by_pairs += s_.open.size();
            settle_panels<true>();
            to_.left += s_.open.size();
            measured_ = true;
        }
        settle_panels<false>();
    }

    // The same a panel at a time. By integers, rows are left open of which scores do not tell.
    template <bool kByPairs>
    void settle_panels() {
        Settled found;
        std::size_t left = 0;
        for (std::size_t first = 0; first < s_.open.size(); first += kPanelRows) {
            const std::size_t count = std::min(kPanelRows, s_.open.size() - first);
            const bool at_once = kByPairs && to_.squares_known && shape_.column_stride == 1;
            if (!at_once) {
                double squares[kPanelRows];
                pack(s_.open.data(), first, s_.open.size(), squares);
                for (std::size_t i = 0; i < kPanelRows; i += kF64)
                    store(found.squares + i, narrowed(load<f64v>(squares + i)));
            }
            if constexpr (kByPairs) {
                const std::size_t steps = (to_.columns + 1) / 2;
                alignas(64) float units[kPanelRows];
                s_.pairs.resize(kPanelRows * steps);
                if (at_once)
                    pack_integers(first, count, units, found);
                else
                    round_panel(s_.panel.data(), to_.columns, found.squares, to_.targets.pair_scale(), s_.pairs.data(),
                                units, found.more);
                score_ahead(PairProducts{units}, s_.pairs.data(), steps, to_.targets.all(), first + kPanelRows);
                for (int v = 0; v < kScreenVectors; v++) read_scores(v, found);
            } else if (to_.targets.screens()) {
                score_ahead(SingleProducts(), s_.panel.data(), to_.columns, to_.targets.all(), first + kPanelRows);
                for (int v = 0; v < kScreenVectors; v++) read_scores(v, found);
            } else {
                std::fill_n(s_.scores.place, kPanelRows, -1);
                std::fill_n(found.clear, kScreenVectors, 0U);
            }
            for (int v = 0; v < kScreenVectors; v++)
                for (unsigned open = ~found.clear[v] & unsigned((1ULL << kF32) - 1); open && !kByPairs;
                     open &= open - 1) {
                    const std::size_t i = std::size_t(v * kF32 + std::countr_zero(open));
                    if (i < count) find_exactly(i, s_.open[first + i], found);
                }
            std::size_t moved[kPanelRows], n = 0, unsettled = 0;
            std::uint32_t open[kPanelRows];
            for (std::size_t i = 0; i < count; i++) {
                const std::uint32_t r = s_.open[first + i];
                if (squares_ && !is_known()) squares_[r] = found.squares[i];
                if (kByPairs && !(found.clear[i / kF32] >> (i % kF32) & 1)) {
                    open[unsettled++] = r;
                    continue;
                }
                if (margins_) margins_[r] = found.margins[i];
                if (lowers_) lowers_[r] = found.lowers[i];
                moved[n] = i;
                n += labels_[r] != found.labels[i];
            }
            std::uint32_t rows[kPanelRows];
            std::int32_t before[kPanelRows];
            for (std::size_t i = 0; i < n; i++) {
                const std::uint32_t r = rows[i] = s_.open[first + moved[i]];
                before[i] = labels_[r];
                labels_[r] = found.labels[moved[i]];
            }
            if (sums_ && n > 0) move(rows, before, n);
            std::copy_n(open, unsettled, s_.open.data() + left);
            left += unsettled;
        }
        s_.open.resize(left);
    }

    // Reads a vector of scores: labels where they tell, and bounds.
    void read_scores(int v, Settled &found) const {
        const std::size_t at = std::size_t(v) * kF32;
        const ErrorBound::Line line = to_.targets.bound().line();
        const f32v square = load<f32v>(found.squares + at), zero{};
        const f32v least = load<f32v>(s_.scores.least + at), next = load<f32v>(s_.scores.next + at);
        f32v error = broadcast(line.a) * (square + broadcast(line.b)) + load<f32v>(found.more + at);
        error = square < broadcast(kLargestSquare) ? error : broadcast(kInfinity);
        const f32v largest = broadcast(std::numeric_limits<float>::max());  // an error beyond it tells of nothing
        found.clear[v] = at_most(error * broadcast(2 + 0x1p-10F), next - least) & at_most(error, largest);
        const std::int32_t *places = to_.targets.places().data();
        for (std::size_t i = at; i < at + kF32; i++) found.labels[i] = places[std::max(s_.scores.place[i], 0)];
        const i32v label = load<i32v>(found.labels + at);
        if (!margins_) return;
        const f32v upper = square_root(larger(least + square + error, zero)) * broadcast(1 + 0x1p-21F);
        const f32v lower = square_root(larger(next + square - error, zero)) * broadcast(1 - 0x1p-21F);
        const f32v margin = (lower - upper + gather(to_.drifts.bases(), label)) * broadcast(kInwards);
        store(found.margins + at, upper < lower ? margin - broadcast(0x1p-100F) : broadcast(kNever));
        if (!lowers_) return;
        const f32v kept = (lower + gather(to_.drifts.rests(), label)) * broadcast(kInwards);
        store(found.lowers + at, kept - broadcast(0x1p-100F));
    }

    // Finds the label of a row that scores do not tell, and its bounds.
    void find_exactly(std::size_t i, std::uint32_t r, Settled &found) const {
        const std::int32_t place = s_.scores.place[i];
        double exact;
        const std::int32_t label = to_.targets.find(row(r), shape_.column_stride, exact);
        found.labels[i] = label;
        if (!margins_) return;
        double other = 0;
        if (place >= 0) {
            const bool told = to_.targets.places()[std::size_t(place)] == label;
            const double square = found.squares[i], error = to_.targets.bound().error(square) * (1 + 0x1p-10);
            other = double(told ? s_.scores.next[i] : s_.scores.least[i]) + square - error;
            if (!(other > 0)) other = 0;  // an error may be infinite
        }
        const double upper = rounded_up(std::sqrt(exact) * to_.scale), lower = rounded_down(std::sqrt(other));
        found.margins[i] = upper < lower ? rounded_down(lower - upper + to_.drifts.base(label)) : kNever;
        found.lowers[i] = rounded_down(lower + to_.drifts.rest(label));
    }

    void relabel(std::uint32_t r, std::int32_t label) {
        const std::int32_t before = labels_[r];
        labels_[r] = label;
        if (sums_) move(&r, &before, 1);
    }

    // Moves rows between the sums, from where they were before.
    [[gnu::noinline]] void move(const std::uint32_t *rows, const std::int32_t *before, std::size_t count) {
        PartialSums &sums = *s_.sums;
        for (std::size_t i = 0; i < count; i++) {
            const std::uint32_t r = rows[i];
            const double weight = sums_->weights.data ? sums_->weights.at(first_ + r) : 1.0;
            std::int64_t *from = sums.of(before[i]), *to = sums.of(labels_[r]);
            grid_->move(row(r), shape_.column_stride, weight, from, to);
        }
    }

    const Real *X_;
    const Strided &shape_;
    const Assigner::State &to_;
    std::int32_t *labels_;
    float *margins_, *lowers_, *squares_;
    const MovingSums *sums_;
    const PaddedGrid *grid_;
    std::size_t first_, fetched_;
    bool measured_ = false;  // whether the squares about the middle are written
    Scratch &s_;
};

// Finds by some rows up to which drift centres are better asked after the others, or whether it pays to ask all at
// once.
bool find_slow(Assigner::State &s, const std::vector<double> &drift, const std::int32_t *labels) {
    std::vector<double> drifts = drift, gaps;  // how far a row is from where the others would have to be asked
    std::sort(drifts.begin(), drifts.end(), std::greater<>());
    for (std::size_t r = 0; r < s.margins.size(); r += 1 + s.margins.size() / kSome) {
        const std::int32_t label = labels[r];
        const float margin = s.margins[r];
        if (s.drifts.limits()[label] <= margin) continue;
        const double others = s.drifts.rest(label) - s.drifts.rest_before(label);
        const double own = drift[std::size_t(label)];
        gaps.push_back(margin == kNever ? kNever : double(margin) - s.drifts.base(label) + others + own);
    }
    std::sort(gaps.begin(), gaps.end());
    const double k = double(s.count), all = double(std::max<std::size_t>(gaps.size(), 1));
    double least = k;
    for (std::size_t first = kScreenCentres; first < s.count; first += kScreenCentres) {
        const auto asked = std::upper_bound(gaps.begin(), gaps.end(), kRoom * drifts[first]) - gaps.begin();
        const double products = double(first) + double(asked) / all * k;
        if (products < least) {
            least = products;
            s.slow = drifts[first];
        }
    }
    return (k - least) * double(s.columns + 4) > double(kWorth);
}

}  // namespace

double find_scale(const double *centres, std::size_t count, std::size_t d) {
    constexpr int most = 400;  // beyond, squares may underflow before scores do
    std::vector<double> middle(d);
    for (std::size_t c = 0; c < count; c++)
        for (std::size_t j = 0; j < d; j++) middle[j] += centres[c * d + j] / double(count);
    double reach = 0;
    for (std::size_t c = 0; c < count; c++)
        for (std::size_t j = 0; j < d; j++) {
            const double gap = std::fabs(centres[c * d + j] - middle[j]);
            if (!(gap <= reach)) reach = gap;
        }
    if (!(reach > 0 && std::isfinite(reach))) return 1;
    int exponent;
    std::frexp(reach, &exponent);
    return std::ldexp(1.0, std::clamp(-exponent, -most, most));
}

Assigner::Assigner(std::size_t rows, std::size_t count, std::size_t columns, double scale)
    : state_(std::make_unique<State>(rows, count, columns, scale)) {}
Assigner::Assigner(Assigner &&) noexcept = default;
Assigner::~Assigner() = default;

void Assigner::move(const double *centres, const std::int32_t *labels, std::size_t rows) {
    State &s = *state_;
    const std::size_t d = s.columns, k = s.count;
    bool known = !s.centres.empty() && !s.margins.empty();
    std::vector<double> drift(known ? k : 0);
    if (known) {
        for (std::size_t c = 0; c < k; c++) {
            double square = 0;
            for (std::size_t j = 0; j < d; j++) {
                const double gap = (centres[c * d + j] - s.centres[c * d + j]) * s.scale;
                square += gap * gap;
            }
            drift[c] = std::sqrt(square) * (1 + 0x1p-40 + double(d) * 0x1p-50);
            known = known && std::isfinite(drift[c]);
        }
        known = known && s.drifts.add(drift);
        if (!known) s.drifts.forget();
    }
    s.known = known;
    s.by_pairs = s.left = 0;
    s.narrow = known && !s.lowers.empty() && find_slow(s, drift, labels);
    std::vector<char> first(s.narrow ? k : 0);
    for (std::size_t c = 0; c < first.size(); c++) first[c] = drift[c] > s.slow;
    s.centres.assign(centres, centres + k * d);
    const bool same = s.targets.set(s.centres.data(), k, d, s.scale, s.narrow ? &first : nullptr, rows >= kWorthPairs);
    s.squares_known = known && same && s.with_squares == s.squares.size();
    if (!s.squares_known) s.with_squares = 0;
}

void Assigner::assign(const Strided &X, std::size_t first, std::int32_t *labels, const MovingSums *sums, int threads) {
    const State &s = *state_;
    float *margins = s.margins.empty() ? nullptr : state_->margins.data() + first;
    float *lowers = s.lowers.empty() ? nullptr : state_->lowers.data() + first;
    float *squares = s.squares.empty() ? nullptr : state_->squares.data() + first;
    std::vector<Scratch> scratch(std::size_t(std::max(threads, 1)), Scratch(s.columns));
    std::optional<PaddedGrid> grid;
    std::mutex lock;
    if (sums) {
        grid.emplace(s.columns, sums->grid);
        for (Scratch &each : scratch) each.sums.emplace(sums->sums, s.count, *grid, lock);
    }
    const std::size_t fit = kTurnedNumbers / std::max<std::size_t>(X.columns, 1) / kPanelRows * kPanelRows;
    const std::size_t block = RowsByRow::pays(X) ? std::clamp(fit, kPanelRows, kBlock) : kBlock;
    parallel_for((X.rows + block - 1) / block, threads, [&](std::size_t task, int thread) {
        const std::size_t from = task * block, rows = std::min(block, X.rows - from);
        X.visit(from, 0, [&](auto *x) {
            Task(x, X, s, labels + from, margins ? margins + from : nullptr, lowers ? lowers + from : nullptr,
                 squares ? squares + from : nullptr, sums, grid ? &*grid : nullptr, from, scratch[std::size_t(thread)])
                .run(rows);
        });
    });
    if (sums)
        for (Scratch &each : scratch) each.sums->flush();
    if (!s.known) state_->with_squares += X.rows;
}

// The lower bound on the distance to the others less the margin is an upper bound on that to the own centre, but for
// roundings of both inwards: 2^-19 of what they are made of, each.
bool Assigner::bound_own(const std::int32_t *labels, std::size_t rows, double *squares, int threads) const {
    const State &s = *state_;
    if (s.lowers.empty()) return false;
    const double room = (1 + double(s.columns + 12) * 0x1p-50) / s.scale / s.scale;
    parallel_for((rows + kBlock - 1) / kBlock, threads, [&](std::size_t task, int) {
        for (std::size_t r = task * kBlock; r < std::min(rows, (task + 1) * kBlock); r++) {
            const double lower = s.lowers[r], margin = s.margins[r];
            const double base = s.drifts.base(labels[r]), rest = s.drifts.rest(labels[r]);
            const double reach =
                lower - rest - (margin - base) + 0x1p-17 * (std::fabs(lower) + std::fabs(margin) + base);
            const double square = (reach + 0x1p-90) * (reach + 0x1p-90) * room;
            const bool holds = s.margins[r] != kNever && square < std::numeric_limits<double>::infinity();
            squares[r] = holds ? square : std::numeric_limits<double>::infinity();
        }
    });
    return true;
}

}  // namespace rmodels::RMODELS_ISA
