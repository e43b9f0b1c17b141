// What Python sees of the native engine.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "native/finite.hpp"
#include "native/processor.hpp"
#include "native/searches.hpp"
#include "native/steps.hpp"
#include "native/strided.hpp"
#include "native/systems.hpp"
#include "native/trees.hpp"
#include "ops/affine/native.hpp"
#include "ops/assign/native.hpp"
#include "ops/bins/native.hpp"
#include "ops/coordinate/native.hpp"
#include "ops/descent/native.hpp"
#include "ops/donors/native.hpp"
#include "ops/glm/native.hpp"
#include "ops/kernel_sums/native.hpp"
#include "ops/mahalanobis/native.hpp"
#include "ops/moments/groups.hpp"
#include "ops/moments/native.hpp"
#include "ops/moments/sparse.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace rmodels::RMODELS_ISA {
namespace {

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using Vector = std::optional<Array>;
using Input = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;
using Result = nb::ndarray<double, nb::c_contig, nb::device::cpu>;

// A vector is a matrix of one column.
Strided strided(const Array &array) {
    const bool single = array.dtype() == nb::dtype<float>();
    if (!single && array.dtype() != nb::dtype<double>()) throw nb::type_error("arrays must be float32 or float64");
    if (array.ndim() < 1 || array.ndim() > 2) throw nb::type_error("arrays must have one or two dimensions");
    const bool matrix = array.ndim() == 2;
    return {array.data(),    single,
            array.shape(0),  matrix ? array.shape(1) : 1,
            array.stride(0), matrix ? array.stride(1) : 1};
}

Strided strided(const Vector &array) { return array ? strided(*array) : Strided{}; }

bool is_finite(const Array &array, int threads) {
    constexpr std::size_t kFew = 1 << 14;  // values that take less than handing the interpreter on
    const Strided values = strided(array);
    if (reinterpret_cast<std::uintptr_t>(array.data()) % array.itemsize())
        throw nb::type_error("values must begin at multiples of their size");
    if (values.rows * values.columns <= kFew) return all_finite(values, 1);
    nb::gil_scoped_release release;
    return all_finite(values, threads);
}

void add_moments(Moments &moments, const Array &X, const Array &Y, const Vector &weights, std::size_t first,
                 std::size_t last, int threads) {
    const Samples samples{strided(X), strided(Y), strided(weights)};
    nb::gil_scoped_release release;
    moments.add(samples, first, last, threads);
}

using Numbers = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// `numbers` are those of the rows of the first sums, then those of the second, and so on.
void add_groups(const std::vector<Moments *> &sums, const Array &X, const Array &Y, const Vector &weights,
                const Numbers &numbers, const Numbers &counts, int threads) {
    const Samples samples{strided(X), strided(Y), strided(weights)};
    std::vector<Moments::Selection> selections;
    const std::int64_t *number = numbers.data();
    for (std::size_t i = 0; i < sums.size(); i++) {
        const auto count = std::size_t(counts.data()[i]);
        selections.push_back({sums[i], number, count});
        number += count;
    }
    nb::gil_scoped_release release;
    Moments::add_selections(selections, samples, threads);
}

using Whole = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void sort_groups(const Numbers &codes, const Whole &count, const Whole &numbers) {
    nb::gil_scoped_release release;
    sort_by_group(codes.data(), codes.shape(0), count.shape(0), count.data(), numbers.data());
}

void finish_moments(Moments &moments, const Result &mean, const Result &rest, const Result &scatter) {
    nb::gil_scoped_release release;
    moments.finish(mean.data(), rest.data(), scatter.data());
}

template <class Sums>
void add_grouped(Sums &sums, const Array &X, const Array &Y, const Vector &weights, const Numbers &codes,
                 std::size_t first, std::size_t last, int threads) {
    const Samples samples{strided(X), strided(Y), strided(weights)};
    nb::gil_scoped_release release;
    sums.add(samples, codes.data(), first, last, threads);
}

template <class Sums>
void finish_grouped(Sums &sums, const Whole &count, const Result &weight, const Result &mean, const Result &rest,
                    const Result &scatter) {
    nb::gil_scoped_release release;
    sums.finish(count.data(), weight.data(), mean.data(), rest.data(), scatter.data());
}

// Sums over the rows of groups.
template <class Sums>
void define_grouped(nb::module_ &module, const char *name) {
    nb::class_<Sums>(module, name)
        .def(nb::init<std::size_t, std::size_t>(), "groups"_a, "columns"_a)
        .def("add", &add_grouped<Sums>, "X"_a, "Y"_a, "weights"_a.none(), "codes"_a.noconvert(), "first"_a, "last"_a,
             "threads"_a)
        .def("finish", &finish_grouped<Sums>, "count"_a.noconvert(), "weight"_a.noconvert(), "mean"_a.noconvert(),
             "rest"_a.noconvert(), "scatter"_a.noconvert())
        .def_prop_ro("granularity", &Sums::granularity);
}

void new_row_products(RowProducts *self, std::size_t rows, const Vector &weights, bool centre) {
    new (self) RowProducts(rows, strided(weights), centre);
}

void add_row_products(RowProducts &products, const Array &X, const Result &mean, int threads) {
    const Strided x = strided(X);
    nb::gil_scoped_release release;
    products.add(x, mean.data(), threads);
}

void finish_row_products(RowProducts &products, const Result &result) {
    nb::gil_scoped_release release;
    products.finish(result.data());
}

template <class Values>
using Entries = nb::ndarray<const Values, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class Real, class Index>
void sparse_products(const Entries<Real> &values, const Entries<Index> &columns, const Entries<Index> &starts,
                     const std::optional<Input> &weights, std::size_t first, std::size_t last, const Result &products,
                     int threads) {
    const SparseRows<Real, Index> rows{values.data(), columns.data(), starts.data(),
                                       weights ? weights->data() : nullptr};
    nb::gil_scoped_release release;
    add_sparse_products(rows, first, last, products.shape(0), threads, products.data());
}

void mirror_products(const Result &products, int threads) {
    nb::gil_scoped_release release;
    mirror(products.data(), products.shape(0), threads);
}

template <class Real, class Index>
void define_sparse_products(nb::module_ &module) {
    module.def("add_sparse_products", &sparse_products<Real, Index>, "values"_a.noconvert(), "columns"_a.noconvert(),
               "starts"_a.noconvert(), "weights"_a.none(), "first"_a, "last"_a, "products"_a.noconvert(), "threads"_a);
}

Regression regression(const Array &X, const Array &Y, const Vector &weights, const std::optional<Input> &shift) {
    return {strided(X), strided(Y), strided(weights), shift ? shift->data() : nullptr};
}

void gradient(const Array &X, const Array &Y, const Vector &weights, const std::optional<Input> &shift,
              const Input &coefficients, int threads, const Result &slope, const Result &squares) {
    const Regression data = regression(X, Y, weights, shift);
    nb::gil_scoped_release release;
    add_gradient(data, coefficients.data(), threads, slope.data(), squares.data());
}

void steps(const Array &X, const Array &Y, const Vector &weights, double learning_rate, double weight,
           bool fit_intercept, int threads, const Result &coefficients, const Result &squares) {
    const Regression data = regression(X, Y, weights, {});
    const Descending how{learning_rate, weight, fit_intercept, squares.shape(0)};
    nb::gil_scoped_release release;
    descend(data, how, threads, coefficients.data(), squares.data());
}

// What a function finds for each row and each of what `of_each` and `others` are of: (n, columns), (n, …).
template <class Each, void find(const Strided &, const Each &, double *, int)>
void find_for_rows(const Array &X, const Input &of_each, const Input &others, const Result &found, int threads) {
    const Strided x = strided(X);
    const Each each{of_each.data(), others.data(), of_each.shape(0)};
    nb::gil_scoped_release release;
    find(x, each, found.data(), threads);
}

bool classify_rows(const Array &X, const Input &centres, const Input &precisions, const Input &constants,
                   const Whole &places, int threads) {
    const Strided x = strided(X);
    const Centres to{centres.data(), precisions.data(), centres.shape(0)};
    nb::gil_scoped_release release;
    return classify(x, to, constants.data(), places.data(), threads);
}

using Labels = nb::ndarray<std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Places = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void move_centres(Assigner &assigner, const Input &centres, const std::optional<Places> &labels, std::size_t rows) {
    nb::gil_scoped_release release;
    assigner.move(centres.data(), labels ? labels->data() : nullptr, rows);
}

bool bound_own(const Assigner &assigner, const Places &labels, const Result &squares, int threads) {
    nb::gil_scoped_release release;
    return assigner.bound_own(labels.data(), labels.shape(0), squares.data(), threads);
}

using Limbs = nb::ndarray<std::int64_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

void assign(Assigner &assigner, const Array &X, std::size_t first, const Labels &labels, const Vector &weights,
            const std::optional<Input> &shift, const std::optional<Input> &factors, const std::optional<Limbs> &sums,
            const std::optional<Result> &squares, int threads) {
    const Strided x = strided(X);
    std::optional<MovingSums> moving;
    if (sums)
        moving = MovingSums{
            strided(weights), {shift->data(), factors->data()}, sums->data(), squares ? squares->data() : nullptr};
    nb::gil_scoped_release release;
    assigner.assign(x, first, labels.data(), moving ? &*moving : nullptr, threads);
}

void add_cluster_sums(const Array &X, const Vector &weights, const Places &labels,
                      const std::optional<Places> &previous, const Input &shift, const Input &factors,
                      const Limbs &sums, int threads) {
    const Strided x = strided(X), w = strided(weights);
    const Grid grid{shift.data(), factors.data()};
    nb::gil_scoped_release release;
    add_sums(x, w, labels.data(), previous ? previous->data() : nullptr, grid, sums.shape(0), sums.data(), threads);
}

void read_cluster_sums(const nb::ndarray<const std::int64_t, nb::ndim<3>, nb::c_contig, nb::device::cpu> &sums,
                       const Input &factors, const Result &weights, const Result &totals, int threads) {
    nb::gil_scoped_release release;
    read_sums(sums.data(), factors.data(), totals.shape(0), totals.shape(1), weights.data(), totals.data(), threads);
}

bool range(const Array &X, const Result &low, const Result &high, int threads) {
    const Strided x = strided(X);
    nb::gil_scoped_release release;
    return find_range(x, low.data(), high.data(), threads);
}

void measure_own(const Array &X, const Input &centres, const Places &labels, const Result &squares, int threads) {
    const Strided x = strided(X);
    nb::gil_scoped_release release;
    own_squares(x, centres.data(), labels.data(), squares.data(), threads);
}

template <class Real>
using Rows = nb::ndarray<Real, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<std::int64_t, nb::c_contig, nb::device::cpu>;
using Gainers = nb::ndarray<std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void gains(const Array &X, const Vector &weights, const Result &closest, const Labels &nearest, const Input &candidates,
           const Input &quarters, const Result &found, int threads) {
    const Seeding state{strided(X), strided(weights), closest.data(), nearest.data()};
    nb::gil_scoped_release release;
    find_gains(state, candidates.data(), candidates.shape(0), quarters.data(), quarters.shape(1), found.data(),
               threads);
}

void estimates(const Array &X, const Vector &weights, const Result &closest, const Labels &nearest,
               const Input &candidates, const Input &quarters, double scale, const Result &found, const Result &errors,
               const Gainers &gainers, int threads) {
    const Seeding state{strided(X), strided(weights), closest.data(), nearest.data()};
    nb::gil_scoped_release release;
    estimate_gains(state, candidates.data(), candidates.shape(0), quarters.data(), scale, found.data(), errors.data(),
                   gainers.data(), threads);
}

void new_seed_panels(SeedPanels *self, const Array &X, const Input &shift, double scale, int threads) {
    new (self) SeedPanels(strided(X), shift.data(), scale, threads);
}

void estimate_kept(const SeedPanels &self, const Vector &weights, const Result &closest, const Input &candidates,
                   std::size_t first, std::size_t last, const Result &found, const Result &errors,
                   const Gainers &gainers, int threads) {
    const Seeding state{{}, strided(weights), closest.data(), nullptr};
    nb::gil_scoped_release release;
    self.estimate(state, candidates.data(), candidates.shape(0), first, last, found.data(), errors.data(),
                  gainers.data(), threads);
}

std::size_t take_kept_steps(const SeedPanels &self, const Array &X, const Vector &weights, const Result &closest,
                            const Labels &nearest, const Rows<const double> &numbers, std::size_t chosen,
                            const Result &potentials, const Counts &places, int threads) {
    const Seeding state{strided(X), strided(weights), closest.data(), nearest.data()};
    nb::gil_scoped_release release;
    return self.take_steps(state, numbers.data(), numbers.shape(0), numbers.shape(1), chosen, potentials.data(),
                           places.data(), threads);
}

void seed(const Array &X, const Vector &weights, const Result &closest, const Labels &nearest, const Input &centre,
          const std::optional<Gainers> &gainers, unsigned bit, std::size_t chosen, const Result &found, int threads) {
    const Seeding state{strided(X), strided(weights), closest.data(), nearest.data()};
    nb::gil_scoped_release release;
    add_centre(state, centre.data(), gainers ? gainers->data() : nullptr, bit, chosen, found.data(), threads);
}

void new_paths(Paths *self, const Input &Q, const Input &q, const Input &sizes, bool positive,
               const std::optional<Input> &start) {
    const std::size_t stride = Q.shape(0) > 1 ? Q.shape(1) * Q.shape(2) : 0;
    new (self) Paths({Q.data(), q.data(), sizes.data(), stride, q.shape(0), q.shape(1), q.shape(2), positive},
                     start ? start->data() : nullptr);
}

void minimise(Paths &paths, const Input &l1, const Input &l2, const Result &coefficients, const Counts &steps,
              const Result &violations, int threads) {
    nb::gil_scoped_release release;
    paths.minimise(l1.data(), l2.data(), l1.shape(0), threads, coefficients.data(), steps.data(), violations.data());
}

void bind_donors(nb::module_ &module) {
    nb::class_<Donors>(module, "Donors")
        .def(
            "__init__",
            [](Donors *self, const Array &X, int threads) {
                const Strided rows = strided(X);
                nb::gil_scoped_release release;
                new (self) Donors(rows, threads);
            },
            "X"_a.noconvert(), "threads"_a)
        .def(
            "find",
            [](const Donors &self, const Rows<const double> &Q, std::size_t k, const Rows<double> &distances,
               const Rows<std::int64_t> &indices, int threads) {
                nb::gil_scoped_release release;
                self.find(Q.data(), Q.shape(0), k, distances.data(), indices.data(), threads);
            },
            "Q"_a.noconvert(), "k"_a, "distances"_a.noconvert(), "indices"_a.noconvert(), "threads"_a);
}

void bind_kernel_sums(nb::module_ &module) {
    nb::class_<KernelSums>(module, "KernelSums")
        .def(
            "__init__",
            [](KernelSums *self, const NearestIndex &index, const std::optional<Input> &weights, int threads) {
                nb::gil_scoped_release release;
                new (self) KernelSums(index, weights ? weights->data() : nullptr, threads);
            },
            nb::keep_alive<1, 2>(), "index"_a, "weights"_a.noconvert().none(), "threads"_a)
        .def(
            "sum",
            [](const KernelSums &self, const Rows<const double> &Q, const Numbers &near, const std::string &kernel,
               double bandwidth, double absolute, double relative, const Result &found, int threads) {
                const Smoothing how{kernel_named(kernel), bandwidth, absolute, relative};
                nb::gil_scoped_release release;
                self.sum(Q.data(), Q.shape(0), near.data(), how, found.data(), threads);
            },
            "Q"_a.noconvert(), "near"_a.noconvert(), "kernel"_a, "bandwidth"_a, "absolute"_a, "relative"_a,
            "found"_a.noconvert(), "threads"_a);
}

Family family(const std::string &loss, double power) {
    if (loss == "logistic") return {Likelihood::logistic, power};
    if (loss == "multinomial") return {Likelihood::multinomial, power};
    return {loss == "tweedie" ? Likelihood::tweedie : Likelihood::tweedie_identity, power};
}

using OptionalInput = std::optional<Input>;

const double *data(const OptionalInput &array) { return array ? array->data() : nullptr; }

double measure(const std::string &loss, double power, const Input &margins, const Input &y,
               const OptionalInput &weights, const Result &residuals, const Result &curvatures, int threads) {
    nb::gil_scoped_release release;
    return measure_rows(family(loss, power), {y.data(), data(weights)}, margins.shape(0), margins.shape(1),
                        margins.data(), residuals.data(), curvatures.data(), threads);
}

using Choices = nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void evaluate(const std::string &loss, double power, const Array &X, const Input &y, const OptionalInput &weights,
              const Input &coefficients, const std::vector<std::optional<Choices>> &chosen, const OptionalInput &centre,
              const Result &losses, const Result &gradients, const Result &magnitudes,
              const std::vector<std::optional<Result>> &curvatures, const std::optional<Result> &of_rows, int threads) {
    const Strided rows = strided(X);
    nb::gil_scoped_release release;
    const std::size_t outputs = coefficients.shape(1), size = outputs * coefficients.shape(2);
    std::vector<Set> sets;
    for (std::size_t s = 0; s < chosen.size(); s++)
        sets.push_back({coefficients.data() + s * size, chosen[s] ? chosen[s]->data() : nullptr, losses.data() + s,
                        gradients.data() + s * size, magnitudes.data() + s * size,
                        curvatures[s] ? curvatures[s]->data() : nullptr, of_rows ? of_rows->data() : nullptr});
    evaluate_rows(family(loss, power), rows, {y.data(), data(weights)}, data(centre), outputs, sets, threads);
}

}  // namespace

}  // namespace rmodels::RMODELS_ISA

NB_MODULE(RMODELS_MODULE, module) {
    using namespace rmodels::RMODELS_ISA;
    // Whoever keeps a model until the interpreter ends has not lost it.
    nb::set_leak_warnings(false);
    module.def("supported_sets", &rmodels::supported_sets);
    module.def("all_finite", &is_finite, "A"_a, "threads"_a);

    nb::class_<Moments>(module, "Moments")
        .def(nb::init<std::size_t>(), "columns"_a)
        .def("add", &add_moments, "X"_a, "Y"_a, "weights"_a.none(), "first"_a, "last"_a, "threads"_a)
        .def("finish", &finish_moments, "mean"_a.noconvert(), "rest"_a.noconvert(), "scatter"_a.noconvert())
        .def_prop_ro("granularity", &Moments::granularity)
        .def_prop_ro("slab_rows", &Moments::slab_rows)
        .def_prop_ro("weight", &Moments::weight);
    module.def("add_groups", &add_groups, "sums"_a, "X"_a, "Y"_a, "weights"_a.none(), "numbers"_a.noconvert(),
               "counts"_a.noconvert(), "threads"_a);
    module.def("sort_groups", &sort_groups, "codes"_a.noconvert(), "count"_a.noconvert(), "numbers"_a.noconvert());
    define_grouped<GroupSquares>(module, "GroupSquares");
    define_grouped<PooledScatter>(module, "PooledScatter");
    nb::class_<RowProducts>(module, "RowProducts")
        .def("__init__", &new_row_products, "rows"_a, "weights"_a.none(), "centre"_a)
        .def("add", &add_row_products, "X"_a, "mean"_a.noconvert(), "threads"_a)
        .def("finish", &finish_row_products, "products"_a.noconvert());
    define_sparse_products<float, std::int32_t>(module);
    define_sparse_products<float, std::int64_t>(module);
    define_sparse_products<double, std::int32_t>(module);
    define_sparse_products<double, std::int64_t>(module);
    module.def("mirror", &mirror_products, "products"_a.noconvert(), "threads"_a);
    module.def("gradient", &gradient, "X"_a, "Y"_a, "weights"_a.none(), "shift"_a.none(), "coefficients"_a.noconvert(),
               "threads"_a, "slope"_a.noconvert(), "squares"_a.noconvert());
    module.def("descend", &steps, "X"_a, "Y"_a, "weights"_a.none(), "learning_rate"_a, "weight"_a, "fit_intercept"_a,
               "threads"_a, "coefficients"_a.noconvert(), "squares"_a.noconvert());

    module.def("affine", &find_for_rows<Affine, predict_affine>, "X"_a, "coefficients"_a.noconvert(),
               "intercepts"_a.noconvert(), "found"_a.noconvert(), "threads"_a);
    module.def("diagonal_distances", &find_for_rows<Centres, diagonal_distances>, "X"_a, "centres"_a.noconvert(),
               "precisions"_a.noconvert(), "found"_a.noconvert(), "threads"_a);
    module.def("classify", &classify_rows, "X"_a, "centres"_a.noconvert(), "precisions"_a.noconvert(),
               "constants"_a.noconvert(), "places"_a.noconvert(), "threads"_a);
    module.def("full_distances", &find_for_rows<Centres, full_distances>, "X"_a, "centres"_a.noconvert(),
               "factors"_a.noconvert(), "found"_a.noconvert(), "threads"_a);

    module.def("measure_rows", &measure, "loss"_a, "power"_a, "margins"_a.noconvert(), "y"_a.noconvert(),
               "weights"_a.noconvert().none(), "residuals"_a.noconvert(), "curvatures"_a.noconvert(), "threads"_a);
    module.def("evaluate_rows", &evaluate, "loss"_a, "power"_a, "X"_a, "y"_a.noconvert(),
               "weights"_a.noconvert().none(), "coefficients"_a.noconvert(), "chosen"_a.noconvert(),
               "centre"_a.noconvert().none(), "losses"_a.noconvert(), "gradients"_a.noconvert(),
               "magnitudes"_a.noconvert(), "curvatures"_a.noconvert(), "of_rows"_a.noconvert().none(), "threads"_a);
    module.def(
        "bin_values",
        [](const Input &values, const nb::ndarray<std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu> &bins,
           int threads) {
            nb::gil_scoped_release release;
            return bin_values(values.data(), values.shape(0), bins.data(), threads);
        },
        "values"_a.noconvert(), "bins"_a.noconvert(), "threads"_a);
    module.def(
        "find_scale",
        [](const Input &centres) { return find_scale(centres.data(), centres.shape(0), centres.shape(1)); },
        "centres"_a.noconvert());
    nb::class_<Assigner>(module, "Assigner")
        .def(nb::init<std::size_t, std::size_t, std::size_t, double>(), "rows"_a, "count"_a, "columns"_a, "scale"_a)
        .def("move", &move_centres, "centres"_a.noconvert(), "labels"_a.none(), "rows"_a)
        .def("assign", &assign, "X"_a, "first"_a, "labels"_a.noconvert(), "weights"_a.none(), "shift"_a.none(),
             "factors"_a.none(), "sums"_a.none(), "squares"_a.none(), "threads"_a)
        .def("bound_own", &bound_own, "labels"_a.noconvert(), "squares"_a.noconvert(), "threads"_a);
    module.def("add_cluster_sums", &add_cluster_sums, "X"_a, "weights"_a.none(), "labels"_a.noconvert(),
               "previous"_a.none(), "shift"_a.noconvert(), "factors"_a.noconvert(), "sums"_a.noconvert(), "threads"_a);
    module.def("read_cluster_sums", &read_cluster_sums, "sums"_a.noconvert(), "factors"_a.noconvert(),
               "weights"_a.noconvert(), "totals"_a.noconvert(), "threads"_a);
    module.def("find_range", &range, "X"_a, "low"_a.noconvert(), "high"_a.noconvert(), "threads"_a);
    module.def("own_squares", &measure_own, "X"_a, "centres"_a.noconvert(), "labels"_a.noconvert(),
               "squares"_a.noconvert(), "threads"_a);
    module.def("gains", &gains, "X"_a, "weights"_a.none(), "closest"_a.noconvert(), "nearest"_a.noconvert(),
               "candidates"_a.noconvert(), "quarters"_a.noconvert(), "found"_a.noconvert(), "threads"_a);
    module.def("estimate_gains", &estimates, "X"_a, "weights"_a.none(), "closest"_a.noconvert(),
               "nearest"_a.noconvert(), "candidates"_a.noconvert(), "quarters"_a.noconvert(), "scale"_a,
               "found"_a.noconvert(), "errors"_a.noconvert(), "gainers"_a.noconvert(), "threads"_a);
    nb::class_<SeedPanels>(module, "SeedPanels")
        .def("__init__", &new_seed_panels, "X"_a, "shift"_a.noconvert(), "scale"_a, "threads"_a)
        .def("estimate", &estimate_kept, "weights"_a.none(), "closest"_a.noconvert(), "candidates"_a.noconvert(),
             "first"_a, "last"_a, "found"_a.noconvert(), "errors"_a.noconvert(), "gainers"_a.noconvert(), "threads"_a)
        .def("take_steps", &take_kept_steps, "X"_a, "weights"_a.none(), "closest"_a.noconvert(),
             "nearest"_a.noconvert(), "numbers"_a.noconvert(), "chosen"_a, "potentials"_a.noconvert(),
             "places"_a.noconvert(), "threads"_a);
    module.def("seed", &seed, "X"_a, "weights"_a.none(), "closest"_a.noconvert(), "nearest"_a.noconvert(),
               "centre"_a.noconvert(), "gainers"_a.none(), "bit"_a, "chosen"_a, "found"_a.noconvert(), "threads"_a);

    nb::class_<Paths>(module, "Paths")
        .def("__init__", &new_paths, nb::keep_alive<1, 2>(), nb::keep_alive<1, 3>(), "Q"_a.noconvert(),
             "q"_a.noconvert(), "sizes"_a.noconvert(), "positive"_a, "start"_a.none())
        .def("minimise", &minimise, "l1"_a.noconvert(), "l2"_a.noconvert(), "coefficients"_a.noconvert(),
             "steps"_a.noconvert(), "violations"_a.noconvert(), "threads"_a);
    bind_steps(module);
    bind_systems(module);
    bind_searches(module);
    bind_donors(module);
    bind_kernel_sums(module);
    bind_trees(module);
}
