// Accumulators: float64. Bytes: X, Y and weights once. Multiply-adds: n d² / 2, in float64 and fused where
// the instruction set can. Tolerance: the contract's.
//
// A block of rows is converted, shifted and packed, and stays in the L1 cache while register tiles of
// the lower triangle take it up; meanwhile the next block is prefetched. Threads work on slabs of
// their own, or, where the triangle is too large for each to have one, on tiles of the same slab.
#include "ops/moments/native.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "ops/moments/products.hpp"

namespace rmodels::RMODELS_ISA {
namespace {

constexpr std::size_t kWide = 256;            // columns from which threads share a slab
constexpr std::size_t kShiftRows = 64;        // rows whose mean is the shift
constexpr std::size_t kBlockRows = 64;        // packed by one thread for itself
constexpr std::size_t kSlabs = 32;            // held at a time, before they are merged
constexpr std::size_t kRowsAhead = 64;        // of the row that is copied: the one that is asked for
constexpr std::size_t kPackRows = 32;         // packed in one task
constexpr std::size_t kBlockBytes = 4 << 20;  // packed by a team: in the L3 cache
constexpr std::size_t kOwnBytes = 4 << 20;    // of products, that each thread may have for itself
constexpr std::size_t kPartFeatures = 512;    // whose products one thread adds up for itself

// How many of so many rows a team packs at a time.
std::size_t shared_rows(std::size_t width, std::size_t rows) {
    const std::size_t most = kBlockBytes / (sizeof(double) * std::max(width, kPanel)) / kPackRows * kPackRows;
    return std::min(rows, std::max(kPackRows, most));
}

// Calls body(row, weight) for as many rows; the weights are 1 if there are none.
template <class Body>
void for_weights(const Strided &weights, std::size_t rows, Body &&body) {
    if (!weights.data) {
        for (std::size_t i = 0; i < rows; i++) body(i, 1.0);
        return;
    }
    weights.visit(0, 0, [&](auto *w) {
        for (std::size_t i = 0; i < rows; i++, w += weights.row_stride) body(i, double(*w));
    });
}

// The mean of as many rows, as the row `anchor` and the mean difference to it: exact for columns that do
// not vary. anchor if they have no weight.
void mean_row(const Samples &samples, const Strided &source, std::size_t rows, std::size_t anchor, double weight,
              double *mean) {
    source.visit(0, 0, [&](auto *p) {
        auto add = [&](std::ptrdiff_t stride) {
            Doubles sums(source.columns);
            double *sum = sums.data();
            auto *row = p + std::ptrdiff_t(anchor) * source.row_stride;
            for (std::size_t j = 0; j < source.columns; j++) mean[j] = double(row[std::ptrdiff_t(j) * stride]);
            if (weight == 0) return;
            for_weights(samples.weights, rows, [&](std::size_t i, double w) {
                auto *from = p + std::ptrdiff_t(i) * source.row_stride;
                for (std::size_t j = 0; j < source.columns; j++)
                    sum[j] += w * (double(from[std::ptrdiff_t(j) * stride]) - mean[j]);
            });
            for (std::size_t j = 0; j < source.columns; j++) mean[j] += sum[j] / weight;
        };
        if (source.column_stride == 1)
            add(1);
        else
            add(source.column_stride);
    });
}

// Writes √w of as many rows to roots, if there are weights; returns Σ w.
double weigh(const Strided &weights, std::size_t rows, double *roots) {
    if (!weights.data) return double(rows);
    double weight = 0;
    for_weights(weights, rows, [&](std::size_t i, double w) { weight += roots[i] = w; });
    for (std::size_t k = 0; k < rows; k++) roots[k] = std::sqrt(roots[k]);
    return weight;
}

// Packs √w (z − shift) and √w of as many rows, from `row` of the block and column `from` of X on.
void pack_samples(const Samples &samples, std::size_t rows, const double *shift, const double *roots,
                  const Panels &packed, std::size_t row, std::size_t from = 0) {
    const std::size_t d = samples.X.columns;
    const double *scale = samples.weights.data ? roots : nullptr;
    pack(samples.X.columns_from(from), 0, rows, shift + from, scale, packed, row, from);
    pack(samples.Y, 0, rows, shift + d, scale, packed, row, d);
    double *last = element(packed, row, d + samples.Y.columns);
    for (std::size_t k = 0; k < rows; k++) last[k * kPanel] = scale ? scale[k] : 1.0;
}

// Asks for the memory of a row.
template <class Real>
[[gnu::always_inline]] inline void prefetch(const Real *row, const Strided &source) {
    if (source.column_stride != 1) return;
    for (std::size_t j = 0; j < source.columns; j += 64 / sizeof(Real)) __builtin_prefetch(row + j, 0, 2);
}

// Copies adjacent elements.
template <class Real>
inline void copy_line(const Real *from, std::size_t columns, double *to) {
    const std::size_t whole = columns / kF64 * kF64;
    for (std::size_t j = 0; j < whole; j += kF64) store(to + j, load_f64(from + j));
    if (whole < columns) {
        const int rest = int(columns - whole);
        store_first(to + whole, load_first(from + whole, rest), rest);
    }
}

// Rows one below the other, in float64.
struct Gathered {
    Doubles X, Y, weights;
    Samples samples;

    void resize(const Samples &source, std::size_t rows) {
        samples = {};
        auto take = [&](const Strided &part, Doubles &to, Strided &view) {
            if (!part.data) return;
            to.resize(rows * part.columns);
            view = {to.data(), false, rows, part.columns, std::ptrdiff_t(part.columns), 1};
        };
        take(source.X, X, samples.X);
        take(source.Y, Y, samples.Y);
        take(source.weights, weights, samples.weights);
        samples.Y.rows = rows;  // also of no columns
    }

    // Copies `count` rows by their numbers, to the places from `place` on; `following` numbers begin there.
    void copy(const Samples &source, const std::int64_t *numbers, std::size_t place, std::size_t count,
              std::size_t following) {
        auto take = [&](const Strided &part, double *to) {
            if (!part.data) return;
            part.visit(0, 0, [&](auto *p) {
                for (std::size_t i = 0; i < count; i++) {
                    auto *from = p + std::ptrdiff_t(numbers[i]) * part.row_stride;
                    if (i + kRowsAhead < following)
                        prefetch(p + std::ptrdiff_t(numbers[i + kRowsAhead]) * part.row_stride, part);
                    if (part.column_stride == 1) {
                        copy_line(from, part.columns, to + i * part.columns);
                        continue;
                    }
                    for (std::size_t j = 0; j < part.columns; j++)
                        to[i * part.columns + j] = double(from[std::ptrdiff_t(j) * part.column_stride]);
                }
            });
        };
        take(source.X, X.data() + place * source.X.columns);
        take(source.Y, Y.data() + place * source.Y.columns);
        take(source.weights, weights.data() + place);
    }
};

// The lines of X (their `columns` elements adjacent) with these numbers, which are asked for between the tiles of the
// products of `width` columns.
Ahead some_lines(const Strided &X, const std::int64_t *number, const std::int64_t *last, std::size_t width) {
    std::size_t tiles = 0;
    for (std::size_t left = 0; left < width; left += kPanel) tiles += (width - left + kTileRows - 1) / kTileRows;
    const std::size_t bytes = X.single ? sizeof(float) : sizeof(double);
    Ahead found;
    found.lines = X.visit(0, 0, [](auto *p) { return reinterpret_cast<const char *>(p); });
    found.number = number;
    found.last = last;
    found.stride = X.row_stride * std::ptrdiff_t(bytes);
    found.bytes = X.columns * bytes;
    found.at_once = (std::size_t(last - number) + tiles - 1) / tiles;
    return found;
}

constexpr std::size_t kStreams = 16;  // columns that the processor itself asks for in time
constexpr std::size_t kLine = 8;      // elements of a row: shorter ones share cache lines

constexpr auto kInTurn = [] {
    std::array<std::int64_t, kWide> numbers{};
    for (std::size_t i = 0; i < numbers.size(); i++) numbers[i] = std::int64_t(i);
    return numbers;
}();

// The rows [first, last) of X, if rows lie in one piece of memory or nearly so, or columns do; they are asked for while
// the products of as many rows of `columns` columns are computed.
Ahead lines(const Strided &X, std::size_t first, std::size_t last, std::size_t columns) {
    if (first >= last || !X.columns) return {};
    if (X.row_stride == 1 && X.columns > kStreams)
        return some_lines(X.rows_from(first, last - first).transposed(), kInTurn.data(), kInTurn.data() + X.columns,
                          columns);
    return rows_ahead(X, first, last, columns);
}

// Rows one after the other, numbered from `first` on.
struct InOrder {
    const Samples &samples;
    std::size_t first;

    Samples rows(std::size_t at, std::size_t count) const {
        auto part = [&](const Strided &of) { return of.data ? of.rows_from(first + at, count) : of; };
        return {part(samples.X), part(samples.Y), part(samples.weights)};
    }
    Strided weights(std::size_t at, std::size_t count) const { return rows(at, count).weights; }
    Ahead ahead(std::size_t at, std::size_t columns) const {
        return lines(samples.X, first + at, std::min(samples.X.rows, first + at + kBlockRows), columns);
    }
};

// Some of the rows, by their numbers; kBlockRows at most at a time.
struct Selected {
    const Samples &samples;
    const std::int64_t *numbers;
    std::size_t count;
    Gathered &gathered;

    Samples rows(std::size_t at, std::size_t some) const {
        gathered.copy(samples, numbers + at, 0, some, 0);
        return gathered.samples;
    }
    Strided weights(std::size_t at, std::size_t some) const {
        for (std::size_t i = 0; i < some; i++) gathered.weights[i] = samples.weights.at(std::size_t(numbers[at + i]));
        return gathered.samples.weights;
    }
    Ahead ahead(std::size_t at, std::size_t columns) const {
        if (at >= count || samples.X.column_stride != 1 || samples.X.columns < kLine) return {};
        return some_lines(samples.X, numbers + at, numbers + std::min(count, at + kBlockRows), columns);
    }
};

}  // namespace

Moments::Moments(std::size_t columns)
    : columns_(columns),
      width_(padded(columns + 1)),
      slab_rows_(columns < 96 || columns >= kWide ? 4096 : 1024),
      origin_(columns),
      offset_(columns) {}

bool Moments::wide() const { return columns_ >= kWide; }

std::size_t Moments::granularity() const { return wide() ? kPackRows : slab_rows_; }

template <class Rows>
void Moments::begin(Slab &slab, const Rows &rows, std::size_t count) const {
    slab.rows = 0;
    slab.weight = 0;
    slab.shift.resize(columns_);
    slab.products.assign((columns_ + 1) * width_, 0.0);
    // The shift is the mean of the rows that weigh most, as many as a 64th of the slab: so it lies within 8 standard
    // deviations of the slab's mean, whatever the weights and the order of the rows.
    std::size_t from = 0;
    double most = 0;
    for (std::size_t at = 0; rows.samples.weights.data && at < count; at += kShiftRows) {
        double weight = 0;
        const std::size_t some = std::min(kShiftRows, count - at);
        for_weights(rows.weights(at, some), some, [&](std::size_t, double w) { weight += w; });
        if (weight > most) {
            most = weight;
            from = at;
        }
    }
    const std::size_t some = std::min(kShiftRows, count - from);
    const Samples part = rows.rows(from, some);
    std::size_t anchor = 0;
    double heaviest = 0, weight = 0;
    for_weights(part.weights, some, [&](std::size_t i, double w) {
        weight += w;
        if (w > heaviest) {
            heaviest = w;
            anchor = i;
        }
    });
    mean_row(part, part.X, some, anchor, weight, slab.shift.data());
    mean_row(part, part.Y, some, anchor, weight, slab.shift.data() + part.X.columns);
}

template <class Rows>
void Moments::accumulate(Slab &slab, const Rows &rows, std::size_t count) const {
    begin(slab, rows, count);
    slab.rows = count;
    const double *shift = slab.shift.data();
    Doubles memory(2 * kBlockRows * width_);  // a block in work, and the next
    double *blocks[2] = {memory.data(), memory.data() + kBlockRows * width_};
    double roots[kBlockRows];
    std::size_t now = std::min(kBlockRows, count);
    const Samples start = rows.rows(0, now);
    slab.weight = weigh(start.weights, now, roots);
    pack_samples(start, now, shift, roots, {blocks[0], now, kPanel}, 0);
    for (std::size_t at = 0; at < count;) {
        const Panels block{blocks[0], now, kPanel};
        const std::size_t next = at + now, following = std::min(kBlockRows, count - next);
        const Samples part = rows.rows(next, following);
        slab.weight += weigh(part.weights, following, roots);
        Load load;
        if (following == now && part.X.column_stride == 1)
            load = {part.X, shift, part.weights.data ? roots : nullptr, {blocks[1], now, kPanel}, part.X.columns / kF64,
                    0};
        Ahead ahead = rows.ahead(load.strips ? next + following : next, columns_ + 1);
        for (std::size_t left = 0; left <= columns_; left += kPanel)
            add_products(block, 0, now, 0, columns_ + 1, left, slab.products.data(), width_, ahead, load);
        pack_samples(part, following, shift, roots, {blocks[1], following, kPanel}, 0, load.next * kF64);
        std::swap(blocks[0], blocks[1]);
        at = next;
        now = following;
    }
}

void Moments::accumulate_together(Slab &slab, const Samples &samples, std::size_t first, std::size_t last, int threads,
                                  Doubles &memory) const {
    const std::size_t block_rows = shared_rows(width_, last - first);
    memory.resize(std::max(memory.size(), block_rows * width_));
    Doubles weights((last - first + kPackRows - 1) / kPackRows);
    as_team(threads, [&](Team &team, int) noexcept {
        for (std::size_t at = first; at < last; at += block_rows) {
            const std::size_t rows = std::min(block_rows, last - at);
            const Panels block{memory.data(), rows, kPanel};
            team.for_each((rows + kPackRows - 1) / kPackRows, [&](std::size_t task) noexcept {
                const std::size_t row = task * kPackRows;
                const std::size_t count = std::min(kPackRows, rows - row);
                double roots[kPackRows];
                const Samples part = InOrder{samples, at + row}.rows(0, count);
                weights[(at + row - first) / kPackRows] = weigh(part.weights, count, roots);
                pack_samples(part, count, slab.shift.data(), roots, block, row);
            });
            add_products(team, block, rows, columns_ + 1, slab.products.data(), width_);
        }
    });
    for (const double weight : weights) slab.weight += weight;
    slab.rows += last - first;
}

void Moments::merge(Slab &slab) {
    unrotate(slab.products.data(), columns_ + 1, width_);
    const bool first = scatter_.empty();
    if (first) scatter_.swap(slab.products);  // and nothing is left there
    const double *C = first ? scatter_.data() : slab.products.data(), *sums = C + columns_ * width_;
    if (slab.weight == 0) {  // its products are 0, or NaN where the rows hold something not finite
        for (std::size_t i = 0; !first && i < columns_ * width_; i++) scatter_[i] += C[i];
        return;
    }
    if (weight_ == 0) origin_ = slab.shift;
    const double weight = weight_ + slab.weight, share = slab.weight / weight, pull = weight_ * share;
    Doubles centres(columns_), gaps(columns_);
    double *centre = centres.data(), *gap = gaps.data();
    for (std::size_t j = 0; j < columns_; j++) {
        centre[j] = sums[j] / slab.weight;
        gap[j] = slab.shift[j] - origin_[j] + centre[j] - offset_[j];
        offset_[j] += share * gap[j];
    }
    for (std::size_t i = 0; i < columns_; i++) {
        const double sum = sums[i], pulled = pull * gap[i];
        const double *from = C + i * width_;
        double *to = scatter_.data() + i * width_;
        if (first)
            for (std::size_t j = 0; j <= i; j++) to[j] -= sum * centre[j];
        else
            for (std::size_t j = 0; j <= i; j++) to[j] += from[j] - sum * centre[j] + pulled * gap[j];
    }
    weight_ = weight;
}

void Moments::add(const Samples &samples, std::size_t first, std::size_t last, int threads) {
    if (wide()) {
        first = add_apart(samples, first, last, threads);
        while (first < last) {
            const std::size_t slab_end = (first / slab_rows_ + 1) * slab_rows_, end = std::min(last, slab_end);
            if (open_.rows == 0) begin(open_, InOrder{samples, first}, std::min(samples.X.rows, slab_end) - first);
            accumulate_together(open_, samples, first, end, threads, block_);
            if (end == slab_end) {
                merge(open_);
                open_.rows = 0;
            }
            first = end;
        }
        return;
    }
    std::vector<Slab> slabs;
    for (; first < last; first = std::min(last, first + kSlabs * slab_rows_)) {
        slabs.resize(std::min(kSlabs, (last - first + slab_rows_ - 1) / slab_rows_));
        parallel_for(slabs.size(), threads, [&](std::size_t task, int) {
            const std::size_t start = first + task * slab_rows_;
            accumulate(slabs[task], InOrder{samples, start}, std::min(last - start, slab_rows_));
        });
        for (Slab &slab : slabs) merge(slab);
    }
}

// Adds whole slabs, as many as threads at a time, each by a thread that shares nothing, and returns the row after them.
// The sums are the same as those of a team.
std::size_t Moments::add_apart(const Samples &samples, std::size_t first, std::size_t last, int threads) {
    const auto members = std::size_t(std::max(threads, 1)), rows = members * slab_rows_;
    if (members == 1 || first % slab_rows_ || sizeof(double) * (columns_ + 1) * width_ > kOwnBytes) return first;
    std::vector<Slab> slabs(members);
    std::vector<Doubles> blocks(members);
    for (; last - first >= rows; first += rows) {
        parallel_for(members, threads, [&](std::size_t task, int thread) {
            const std::size_t start = first + task * slab_rows_;
            begin(slabs[task], InOrder{samples, start}, slab_rows_);
            accumulate_together(slabs[task], samples, start, start + slab_rows_, 1, blocks[std::size_t(thread)]);
        });
        for (Slab &slab : slabs) merge(slab);
    }
    return first;
}

void Moments::add_selected(const Samples &samples, const std::int64_t *numbers, std::size_t count, int threads) {
    Gathered gathered;
    for (std::size_t first = 0; first < count; first += slab_rows_) {
        const std::size_t rows = std::min(slab_rows_, count - first);
        gathered.resize(samples, rows);
        parallel_for((rows + kPackRows - 1) / kPackRows, threads, [&](std::size_t task, int) {
            const std::size_t from = task * kPackRows;
            gathered.copy(samples, numbers + first + from, from, std::min(kPackRows, rows - from), rows - from);
        });
        begin(open_, InOrder{gathered.samples, 0}, rows);
        accumulate_together(open_, gathered.samples, 0, rows, threads, block_);
        merge(open_);
        open_.rows = 0;
    }
}

void Moments::add_selections(const std::vector<Selection> &selections, const Samples &samples, int threads) {
    std::vector<Selection> parts;  // of a slab each
    for (const Selection &each : selections) {
        if (each.sums->wide()) {
            each.sums->add_selected(samples, each.numbers, each.count, threads);
            continue;
        }
        const std::size_t step = each.sums->slab_rows_;
        for (std::size_t first = 0; first < each.count; first += step)
            parts.push_back({each.sums, each.numbers + first, std::min(step, each.count - first)});
    }
    std::vector<Slab> slabs;
    std::vector<Gathered> gathered(std::size_t(std::max(threads, 1)));
    for (std::size_t first = 0; first < parts.size(); first += kSlabs) {
        slabs.resize(std::min(kSlabs, parts.size() - first));
        parallel_for(slabs.size(), threads, [&](std::size_t task, int thread) {
            const Selection &part = parts[first + task];
            Gathered &local = gathered[std::size_t(thread)];
            local.resize(samples, kBlockRows);
            part.sums->accumulate(slabs[task], Selected{samples, part.numbers, part.count, local}, part.count);
        });
        for (std::size_t i = 0; i < slabs.size(); i++) parts[first + i].sums->merge(slabs[i]);
    }
}

void Moments::finish(double *mean, double *rest, double *scatter) {
    if (open_.rows) merge(open_);
    if (scatter_.empty()) scatter_.resize(columns_ * width_);
    for (std::size_t j = 0; j < columns_; j++) {
        mean[j] = origin_[j] + offset_[j];
        rest[j] = (origin_[j] - mean[j]) + offset_[j];
    }
    mirror(scatter_.data(), columns_, width_, scatter);
}

RowProducts::RowProducts(std::size_t rows, const Strided &weights, bool centre)
    : rows_(rows), width_(padded(rows)), weighted_(weights.data), weights_(width_), products_(rows * width_) {
    for (std::size_t i = 0; i < rows; i++) weight_ += weights_[i] = weights.data ? weights.at(i) : 1.0;
    centre_ = centre && weight_ != 0;
}

void RowProducts::add(const Strided &X, double *mean, int threads) {
    const Strided features = X.transposed();
    if (rows_ >= kWide) {
        add_together(features, mean, threads);
        return;
    }
    std::vector<Doubles> parts;
    for (std::size_t first = 0; first < features.rows; first += kSlabs * kPartFeatures) {
        parts.resize(std::min(kSlabs, (features.rows - first + kPartFeatures - 1) / kPartFeatures));
        parallel_for(parts.size(), threads, [&](std::size_t task, int) {
            const std::size_t start = first + task * kPartFeatures;
            accumulate(features, start, std::min(features.rows, start + kPartFeatures), mean, parts[task]);
        });
        for (const Doubles &part : parts)
            for (std::size_t i = 0; i < part.size(); i++) products_[i] += part[i];
    }
}

void RowProducts::accumulate(const Strided &features, std::size_t first, std::size_t last, double *mean,
                             Doubles &products) const {
    products.assign(rows_ * width_, 0.0);
    Doubles memory(kBlockRows * width_);
    for (std::size_t at = first; at < last; at += kBlockRows) {
        const std::size_t count = std::min(kBlockRows, last - at);
        const Panels block{memory.data(), count, kPanel};
        pack(features, at, count, nullptr, nullptr, block, 0, 0);
        if (centre_) subtract_means(block, 0, count, mean + at);
        Ahead ahead;
        Load none;
        for (std::size_t left = 0; left < rows_; left += kPanel)
            add_products(block, 0, count, 0, rows_, left, products.data(), width_, ahead, none);
    }
}

void RowProducts::add_together(const Strided &features, double *mean, int threads) {
    const std::size_t block_rows = shared_rows(width_, features.rows);
    block_.resize(std::max(block_.size(), block_rows * width_));
    as_team(threads, [&](Team &team, int) noexcept {
        for (std::size_t at = 0; at < features.rows; at += block_rows) {
            const std::size_t rows = std::min(block_rows, features.rows - at);
            const Panels block{block_.data(), rows, kPanel};
            team.for_each((rows + kPackRows - 1) / kPackRows, [&](std::size_t task) noexcept {
                const std::size_t row = task * kPackRows, count = std::min(kPackRows, rows - row);
                pack(features, at + row, count, nullptr, nullptr, block, row, 0);
                if (centre_) subtract_means(block, row, count, mean + at + row);
            });
            add_products(team, block, rows, rows_, products_.data(), width_);
        }
    });
}

// Subtracts from packed features their means, in two steps: the second removes the rounding of the first.
void RowProducts::subtract_means(const Panels &block, std::size_t first, std::size_t count, double *mean) const {
    const std::size_t whole = rows_ / kF64 * kF64;
    const int rest = int(rows_ - whole);
    const f64v weight = broadcast(weight_);
    for (std::size_t at = first; at < first + count; at += kF64) {
        const int features = int(std::min(std::size_t(kF64), first + count - at));
        double means[2][kF64] = {};
        auto sum_about = [&](const double *centre, double *found) {
            f64v sums[kF64]{};
            for (int k = 0; k < features; k++) {
                const f64v c = broadcast(centre[k]);
                const std::size_t feature = at + std::size_t(k);
                for (std::size_t i = 0; i < whole; i += kF64)
                    sums[k] = fma(load<f64v>(weights_.data() + i), load<f64v>(element(block, feature, i)) - c, sums[k]);
                if (rest) {
                    const f64v w = load_first(weights_.data() + whole, rest);
                    sums[k] = fma(w, load_first(element(block, feature, whole), rest) - c, sums[k]);
                }
            }
            store(found, lane_sums(sums) / weight);
        };
        double zeros[kF64] = {};
        sum_about(zeros, means[0]);
        sum_about(means[0], means[1]);
        for (int k = 0; k < features; k++) {
            const f64v c = broadcast(means[0][k]), more = broadcast(means[1][k]);
            const std::size_t feature = at + std::size_t(k);
            for (std::size_t i = 0; i < whole; i += kF64) {
                double *to = element(block, feature, i);
                store(to, load<f64v>(to) - c - more);
            }
            if (rest) {
                double *to = element(block, feature, whole);
                store_first(to, load_first(to, rest) - c - more, rest);
            }
            mean[at - first + std::size_t(k)] = means[0][k] + means[1][k];
        }
    }
}

void RowProducts::finish(double *products) {
    unrotate(products_.data(), rows_, width_);
    mirror(products_.data(), rows_, width_, products);
    if (!weighted_) return;
    Doubles roots(rows_);
    for (std::size_t i = 0; i < rows_; i++) roots[i] = std::sqrt(weights_[i]);
    for (std::size_t i = 0; i < rows_; i++)
        for (std::size_t j = 0; j < rows_; j++) products[i * rows_ + j] *= roots[i] * roots[j];
}

}  // namespace rmodels::RMODELS_ISA
