#include "native/searches.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ops/connect/native.hpp"
#include "ops/nearest/index.hpp"
#include "ops/nearest/rows.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace rmodels::RMODELS_ISA {
namespace {

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using Input = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;
using Whole = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Mask = nb::ndarray<bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class Real>
using Rows = nb::ndarray<Real, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class Real>
using Column = nb::ndarray<nb::numpy, Real, nb::ndim<1>>;

template <class Real>
Points points(const Rows<const Real> &X) {
    if constexpr (std::is_same_v<Real, float>)
        return {X.data(), nullptr, X.shape(0), X.shape(1)};
    else
        return {nullptr, X.data(), X.shape(0), X.shape(1)};
}

template <class Real>
std::unique_ptr<NearestIndex> new_index(const Rows<const Real> &X, const std::string &metric, double p,
                                        const std::string &algorithm, int threads) {
    nb::gil_scoped_release release;
    return std::make_unique<NearestIndex>(points(X), metric, p, algorithm, threads);
}

// What algorithm "auto" is.
template <class Real>
std::string choose_algorithm(const Rows<const Real> &X, const std::string &metric, double p, int threads) {
    nb::gil_scoped_release release;
    return NearestIndex::tree_pays(points(X), metric, p, threads) ? "tree" : "brute";
}

// What algorithm "auto" is as far as shapes tell: "auto" itself if a sample has to.
const char *algorithm_by_shape(std::size_t n, std::size_t d) {
    if (NearestIndex::tree_needs_sample(n, d)) return "auto";
    return NearestIndex::tree_pays_by_shape(n, d) ? "tree" : "brute";
}

// None if rows are not searched by the metric.
template <class Real>
std::unique_ptr<RowSearch> new_row_search(const Rows<const Real> &X, const std::string &metric, double p) {
    if (!RowSearch::has(metric, p)) return nullptr;
    return std::make_unique<RowSearch>(points(X), metric, p);
}

template <class Search>
void find_nearest(const Search &search, const Rows<const double> &Q, const Rows<double> &distances,
                  const Rows<std::int64_t> &indices, int threads) {
    nb::gil_scoped_release release;
    search.nearest(Q.data(), Q.shape(0), distances.shape(1), distances.data(), indices.data(), threads);
}

// Writes rows, which lie one after the other, as float64; false if they begin at any byte or are not finite.
template <class Real>
bool take_plain(const Array &rows, std::vector<double> &taken) {
    const auto *values = static_cast<const Real *>(rows.data());
    if (reinterpret_cast<std::uintptr_t>(values) % alignof(Real)) return false;
    double zeros = 0;
    for (std::size_t i = 0; i < taken.size(); i++) {
        taken[i] = double(values[i]);
        zeros += 0 * taken[i];
    }
    return zeros == 0;
}

// Finds the nearest of few queries, so few that it takes less to keep the interpreter than to hand it on; false if they
// are not finite float32 or float64 of the points' columns, one after the other.
template <class Search>
bool answer_few(const Search &search, const Array &Q, const Rows<double> &distances,
                const Rows<std::int64_t> &indices) {
    const std::size_t d = search.points().d;
    if (Q.ndim() != 2 || Q.shape(1) != d || Q.shape(0) != distances.shape(0)) return false;
    if (d > 1 && Q.stride(1) != 1) return false;
    if (Q.shape(0) > 1 && Q.stride(0) != std::ptrdiff_t(d)) return false;
    std::vector<double> queries(Q.shape(0) * d);
    const bool single = Q.dtype() == nb::dtype<float>();
    if (!single && Q.dtype() != nb::dtype<double>()) return false;
    if (!(single ? take_plain<float>(Q, queries) : take_plain<double>(Q, queries))) return false;
    search.nearest(queries.data(), Q.shape(0), distances.shape(1), distances.data(), indices.data(), 1);
    return true;
}

// An array that owns what was in the vector.
template <class Real>
Column<Real> array(std::vector<Real> &&values) {
    auto kept = std::make_unique<std::vector<Real>>(std::move(values));
    std::vector<Real> *held = kept.get();
    nb::capsule owner(held, [](void *p) noexcept { delete static_cast<std::vector<Real> *>(p); });
    kept.release();
    return Column<Real>(held->data(), {held->size()}, owner);
}

template <class Search>
nb::tuple find_within(const Search &search, const Rows<const double> &Q, double radius, int threads) {
    Found found;
    {
        nb::gil_scoped_release release;
        found = search.within(Q.data(), Q.shape(0), radius, threads);
    }
    return nb::make_tuple(array(std::move(found.counts)), array(std::move(found.distances)),
                          array(std::move(found.indices)));
}

template <class Search>
nb::class_<Search> bind_search(nb::module_ &module, const char *name) {
    return nb::class_<Search>(module, name)
        .def("nearest", &find_nearest<Search>, "Q"_a.noconvert(), "distances"_a.noconvert(), "indices"_a.noconvert(),
             "threads"_a)
        .def("answer_few", &answer_few<Search>, "Q"_a, "distances"_a.noconvert(), "indices"_a.noconvert())
        .def("within", &find_within<Search>, "Q"_a.noconvert(), "radius"_a, "threads"_a);
}

void bind_connection(nb::module_ &module) {
    nb::class_<Connection>(module, "Connection")
        .def(
            "__init__",
            [](Connection *self, const NearestIndex &index, double radius, double enough,
               const std::optional<Input> &weights, bool exact) {
                new (self) Connection(index, radius, enough, weights ? weights->data() : nullptr, exact);
            },
            nb::keep_alive<1, 2>(), nb::keep_alive<1, 5>(), "index"_a, "radius"_a, "enough"_a,
            "weights"_a.noconvert().none(), "exact"_a)
        .def_prop_ro("blocks", &Connection::blocks)
        .def("count", &Connection::count, nb::call_guard<nb::gil_scoped_release>(), "first"_a, "last"_a, "threads"_a)
        .def("doubtful", [](const Connection &self) { return array(self.doubtful()); })
        .def(
            "decide", [](Connection &self, const Mask &core) { self.decide(core.data()); }, "core"_a.noconvert())
        .def("seed", &Connection::seed, nb::call_guard<nb::gil_scoped_release>(), "threads"_a)
        .def("join", &Connection::join, nb::call_guard<nb::gil_scoped_release>(), "first"_a, "last"_a, "threads"_a)
        .def(
            "number",
            [](Connection &self, const Whole &labels, const Mask &core) { self.number(labels.data(), core.data()); },
            "labels"_a.noconvert(), "core"_a.noconvert())
        .def(
            "label",
            [](Connection &self, std::size_t first, std::size_t last, const Whole &labels, int threads) {
                nb::gil_scoped_release release;
                self.label(first, last, labels.data(), threads);
            },
            "first"_a, "last"_a, "labels"_a.noconvert(), "threads"_a);
}

}  // namespace

void bind_searches(nb::module_ &module) {
    bind_connection(module);
    bind_search<NearestIndex>(module, "NearestIndex").def_prop_ro("algorithm", &NearestIndex::algorithm);
    module.def("nearest_index", &new_index<float>, nb::keep_alive<0, 1>(), "X"_a.noconvert(), "metric"_a, "p"_a,
               "algorithm"_a, "threads"_a);
    module.def("nearest_index", &new_index<double>, nb::keep_alive<0, 1>(), "X"_a.noconvert(), "metric"_a, "p"_a,
               "algorithm"_a, "threads"_a);
    module.def("choose_algorithm", &choose_algorithm<float>, "X"_a.noconvert(), "metric"_a, "p"_a, "threads"_a);
    module.def("choose_algorithm", &choose_algorithm<double>, "X"_a.noconvert(), "metric"_a, "p"_a, "threads"_a);
    module.def("algorithm_by_shape", &algorithm_by_shape, "n_samples"_a, "n_features"_a);
    bind_search<RowSearch>(module, "RowSearch").def("worth", &RowSearch::worth);
    module.def("row_search", &new_row_search<float>, nb::keep_alive<0, 1>(), "X"_a.noconvert(), "metric"_a, "p"_a);
    module.def("row_search", &new_row_search<double>, nb::keep_alive<0, 1>(), "X"_a.noconvert(), "metric"_a, "p"_a);
}

}  // namespace rmodels::RMODELS_ISA
