// Bytes: 4 d + 4 a row for each step, of which no row is skipped: to ask takes longer. Operations: see seeds.cpp.
#include <type_traits>

#include "native/threads.hpp"
#include "ops/assign/seeds.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kBlockPanels = (kSeedRows + kPanelRows - 1) / kPanelRows;
using PanelBits = std::conditional_t<(kPanelRows > 32), std::uint64_t, std::uint32_t>;  // one for each row
constexpr std::size_t kBits = 8 * sizeof(PanelBits);
static_assert(kPanelRows <= kBits);

// Calls body(number of the panel, its first row, rows in it) for the panels of a block.
template <class Body>
void for_panels(std::size_t block, std::size_t rows, Body &&body) {
    const std::size_t end = std::min(rows, (block + 1) * kSeedRows);
    std::size_t number = block * kBlockPanels;
    for (std::size_t row = block * kSeedRows; row < end; row += kPanelRows)
        body(number++, row, std::min(kPanelRows, end - row));
}

}  // namespace

SeedPanels::SeedPanels(const Strided &X, const double *shift, double scale, int threads)
    : rows_(X.rows), columns_(X.columns), scale_(scale), shift_(shift, shift + X.columns) {
    const std::size_t blocks = (rows_ + kSeedRows - 1) / kSeedRows;
    values_.resize(blocks * kBlockPanels * columns_ * kPanelRows);
    squares_.resize(blocks * kBlockPanels * kPanelRows);
    parallel_for(blocks, threads, [&](std::size_t block, int) {
        for_panels(block, rows_, [&](std::size_t panel, std::size_t row, std::size_t here) {
            std::uint32_t places[kPanelRows];
            for (std::size_t r = 0; r < kPanelRows; r++) places[r] = std::uint32_t(std::min(r, here - 1));
            X.visit(row, 0, [&](auto *x) {
                pack_panel<false>(x, X.row_stride, X.column_stride, columns_, places, shift_.data(), scale_,
                                  values_.data() + panel * columns_ * kPanelRows, squares_.data() + panel * kPanelRows);
            });
        });
    });
}

void SeedPanels::estimate(const Seeding &state, const double *candidates, std::size_t count, std::size_t first,
                          std::size_t last, double *gains, double *errors, std::uint32_t *gainers, int threads) const {
    const PackedCandidates packed(candidates, count, columns_, shift_.data(), scale_);
    parallel_for(last - first, threads, [&](std::size_t task, int) {
        BlockGains found(packed);
        PanelState panel;
        alignas(64) std::uint32_t bits[kPanelRows];
        for_panels(first + task, rows_, [&](std::size_t number, std::size_t row, std::size_t here) {
            add_panel(found,
                      panel.take(
                          values_.data() + number * columns_ * kPanelRows, squares_.data() + number * kPanelRows, here,
                          packed.square_scale, state.weights.data != nullptr,
                          [&](std::size_t r) { return state.closest[row + r]; },
                          [&](std::size_t r) { return weight(state, row + r); }),
                      bits);
            std::copy_n(bits, here, gainers + row);
        });
        found.finish(gains + (first + task) * count, errors[first + task]);
    });
}

// Steps of k-means++ over rows that are kept in float32: of each row also what its scores are held against, and of each
// panel which rows may gain.
class SeedPanels::Steps {
public:
    Steps(const SeedPanels &kept, const Seeding &state, std::size_t trials, double *potentials)
        : kept_(kept),
          state_(state),
          trials_(trials),
          blocks_((kept.rows_ + kSeedRows - 1) / kSeedRows),
          potentials_(potentials),
          limits_(blocks_),
          bases_(blocks_ * kBlockPanels * kPanelRows, -std::numeric_limits<float>::infinity()),
          widest_(blocks_ * kBlockPanels),
          farthest_(widest_.size()),
          heavy_(widest_.size()),
          weights_(state.weights.data ? bases_.size() : 0),
          gainers_(widest_.size() * trials),
          drawn_(trials),
          candidates_(trials * kept.columns_),
          gains_(blocks_ * trials),
          errors_(blocks_) {}

    std::size_t blocks() const { return blocks_; }

    // One of the loops over the blocks that a step is made of.
    void work(std::size_t block) noexcept {
        switch (loop_) {
            case Loop::begin:
                return begin(block);
            case Loop::estimate:
                return estimate(block);
            case Loop::measure:
                return find(block);
            case Loop::take:
                return take(block);
        }
    }

    // Takes up to as many steps, by numbers (steps, trials); returns how many.
    template <class Run>
    std::size_t take_steps(const double *numbers, std::size_t steps, std::size_t chosen, std::int64_t *places,
                           Run &&run) {
        auto go = [&](Loop loop) {
            loop_ = loop;
            run();
        };
        go(Loop::begin);
        for (std::size_t step = 0; step < steps; step++) {
            if (!draw(numbers + step * trials_)) return step;
            const PackedCandidates packed(candidates_.data(), trials_, kept_.columns_, kept_.shift_.data(),
                                          kept_.scale_);
            packed_ = &packed;
            go(Loop::estimate);
            if (find_open(); open_.size() > 1) {
                go(Loop::measure);
                open_ = {best_of_open()};
            }
            number_ = chosen + step;
            go(Loop::take);
            places[step] = std::int64_t(drawn_[open_[0]]);
        }
        return steps;
    }

private:
    enum class Loop { begin, estimate, measure, take };

    double square_scale() const { return kept_.scale_ * kept_.scale_; }
    const double *candidate(std::size_t c) const { return candidates_.data() + c * kept_.columns_; }

    void begin(std::size_t block) noexcept {
        for_panels(block, kept_.rows_, [&](std::size_t panel, std::size_t row, std::size_t here) {
            const double *squares = kept_.squares_.data() + panel * kPanelRows;
            farthest_[panel] = largest(squares, here);
            heavy_[panel] = state_.weights.data ? 0.0 : double(here);
            for (std::size_t r = 0; r < here; r++) {
                bases_[panel * kPanelRows + r] = score_base(state_.closest[row + r] * square_scale(), squares[r]);
                if (!state_.weights.data) continue;
                weights_[panel * kPanelRows + r] = weight(state_, row + r);
                heavy_[panel] += weights_[panel * kPanelRows + r];
            }
        });
        find_widest(block);
    }

    void find_widest(std::size_t block) noexcept {
        for_panels(block, kept_.rows_, [&](std::size_t panel, std::size_t row, std::size_t here) {
            widest_[panel] = largest(state_.closest + row, here) * square_scale();
        });
    }

    // Draws candidates as RandomState.choice and searchsorted would; says whether potentials tell.
    bool draw(const double *numbers) {
        double sum = 0;
        for (std::size_t block = 0; block < blocks_; block++) limits_[block] = sum += potentials_[block];
        if (!std::isfinite(sum)) return false;
        for (std::size_t c = 0; c < trials_; c++) {
            const double wanted = numbers[c] * sum;
            const auto found = std::lower_bound(limits_.begin(), limits_.end() - 1, wanted);
            const std::size_t block = std::size_t(found - limits_.begin());
            const double rest = block ? wanted - limits_[block - 1] : wanted;
            std::size_t row = block * kSeedRows;
            const std::size_t last = std::min(kept_.rows_, row + kSeedRows) - 1;
            for (double up_to = 0; row < last; row++) {
                up_to += weight(state_, row) * state_.closest[row];
                if (up_to >= rest) break;
            }
            drawn_[c] = row;
            state_.X.visit(row, 0, [&](auto *x) {
                for (std::size_t j = 0; j < kept_.columns_; j++)
                    candidates_[c * kept_.columns_ + j] = double(x[std::ptrdiff_t(j) * state_.X.column_stride]);
            });
        }
        return true;
    }

    void estimate(std::size_t block) noexcept {
        BlockGains found(*packed_);
        for_panels(block, kept_.rows_, [&](std::size_t panel, std::size_t, std::size_t) {
            const SeedPanel rows{kept_.values_.data() + panel * kept_.columns_ * kPanelRows,
                                 bases_.data() + panel * kPanelRows,
                                 weights_.empty() ? nullptr : weights_.data() + panel * kPanelRows,
                                 heavy_[panel],
                                 widest_[panel],
                                 farthest_[panel]};
            PanelBits *gainers = gainers_.data() + panel * trials_;
            const bool told = found.add(rows, [&](std::size_t c, const f32v *scores, const f32v *limits) {
                PanelBits bits = 0;
#pragma GCC unroll 8
                for (int v = 0; v < kScreenVectors; v++) bits |= PanelBits(at_most(scores[v], limits[v])) << (v * kF32);
                gainers[c] = bits;
            });
            if (!told) std::fill_n(gainers, trials_, ~PanelBits{});
        });
        found.finish(gains_.data() + block * trials_, errors_[block]);
    }

    // Finds the candidates that may take off most.
    void find_open() {
        double error = 0;
        std::vector<double> taken(trials_);
        for (std::size_t block = 0; block < blocks_; block++) {
            error += errors_[block];
            for (std::size_t c = 0; c < trials_; c++) taken[c] += gains_[block * trials_ + c];
        }
        // sums of the definition are rounded: each of a block has an eighth of its rows
        const double roundings = double(blocks_ + kSeedRows / 4 + kept_.columns_);
        error = error * (1 + 0x1p-40) + roundings * 0x1p-52 * limits_.back();
        const double most = *std::max_element(taken.begin(), taken.end());
        open_.clear();
        for (std::size_t c = 0; c < trials_; c++)
            if (!(taken[c] + error < most - error)) open_.push_back(c);
    }

    RowList list(std::size_t block, std::size_t c) noexcept {
        RowList found;
        for_panels(block, kept_.rows_, [&](std::size_t panel, std::size_t row, std::size_t here) {
            const std::size_t place = row - block * kSeedRows;
            PanelBits bits = gainers_[panel * trials_ + c] & (~PanelBits{} >> (kBits - here));
            for (; bits; bits &= bits - 1)
                found.rows[found.count++] = std::uint32_t(place + std::size_t(std::countr_zero(bits)));
        });
        return found;
    }

    void find(std::size_t block) noexcept {
        for (std::size_t c : open_)
            gains_[block * trials_ + c] = measure_gain(state_, block * kSeedRows, list(block, c), candidate(c));
    }

    std::size_t best_of_open() const {
        std::size_t best = open_[0];
        double most = -1;
        for (std::size_t c : open_) {
            double sum = 0;
            for (std::size_t block = 0; block < blocks_; block++) sum += gains_[block * trials_ + c];
            if (sum > most) {
                most = sum;
                best = c;
            }
        }
        return best;
    }

    void take(std::size_t block) noexcept {
        const std::size_t first = block * kSeedRows, last = std::min(kept_.rows_, first + kSeedRows);
        const std::size_t before = block * kBlockPanels * kPanelRows;
        auto taken = [&](std::size_t row) {
            const std::size_t place = before + row - first;
            bases_[place] = score_base(state_.closest[row] * square_scale(), kept_.squares_[place]);
        };
        if (!take_rows(state_, first, list(block, open_[0]), candidate(open_[0]), number_, taken)) return;
        potentials_[block] = sum_potential(state_, first, last);
        find_widest(block);
    }

    const SeedPanels &kept_;
    const Seeding &state_;
    std::size_t trials_, blocks_;
    double *potentials_;
    std::vector<double> limits_;
    std::vector<float, CacheLines<float>> bases_;
    std::vector<double> widest_, farthest_, heavy_, weights_;
    std::vector<PanelBits> gainers_;  // (panels, trials)
    std::vector<std::size_t> drawn_, open_;
    std::vector<double> candidates_, gains_, errors_;
    const PackedCandidates *packed_ = nullptr;
    std::size_t number_ = 0;
    Loop loop_ = Loop::begin;
};

std::size_t SeedPanels::take_steps(const Seeding &state, const double *numbers, std::size_t steps, std::size_t trials,
                                   std::size_t chosen, double *potentials, std::int64_t *places, int threads) const {
    Steps found(*this, state, trials, potentials);
    Crew crew(found.blocks(), threads, [&](std::size_t block) noexcept { found.work(block); });
    return found.take_steps(numbers, steps, chosen, places, [&] { crew.run(); });
}

}  // namespace rmodels::RMODELS_ISA
