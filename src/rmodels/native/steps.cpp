#include "native/steps.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "ops/ordered/epoch.hpp"
#include "ops/ordered/native.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace rmodels::RMODELS_ISA {
namespace {

template <class Real>
using Values = nb::ndarray<const Real, nb::device::cpu>;
template <class Value>
using Line = nb::ndarray<const Value, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class Value>
using OptionalLine = std::optional<Line<Value>>;

template <class Real>
RowSet<Real> samples(const Values<Real> &X, const OptionalLine<std::int32_t> &indices,
                     const OptionalLine<std::int64_t> &starts, std::size_t count, std::size_t columns,
                     const Line<Real> &y, const OptionalLine<Real> &weights,
                     const OptionalLine<std::uint8_t> &held_out) {
    const std::size_t stride = starts ? 0 : std::size_t(X.stride(0));
    return {X.data(), indices ? indices->data() : nullptr, starts ? starts->data() : nullptr,    count, columns, stride,
            y.data(), weights ? weights->data() : nullptr, held_out ? held_out->data() : nullptr};
}

template <class Real>
void bind_walks(nb::module_ &module, const char *name) {
    using Vector = nb::ndarray<Real, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
    nb::class_<Walks<Real>>(module, name)
        .def(nb::init<const Rule &>(), "rule"_a)
        .def("add",
             [](Walks<Real> &self, double label, double negative, double positive_weight, double negative_weight,
                std::uint32_t seed, const Line<Real> &w, const Line<Real> &average, double intercept,
                double average_intercept, double t) {
                 self.add({label, negative, positive_weight, negative_weight, seed}, w.shape(0), w.data(),
                          average.data(), intercept, average_intercept, t);
             })
        .def(
            "run",
            [](Walks<Real> &self, const Values<Real> &X, const OptionalLine<std::int32_t> &indices,
               const OptionalLine<std::int64_t> &starts, std::size_t count, std::size_t columns, const Line<Real> &y,
               const OptionalLine<Real> &weights, const OptionalLine<std::uint8_t> &held_out, std::size_t rows,
               int threads) {
                const RowSet<Real> given = samples<Real>(X, indices, starts, count, columns, y, weights, held_out);
                nb::gil_scoped_release release;
                return self.run(given, rows, threads);
            },
            "X"_a.noconvert(), "indices"_a.none(), "starts"_a.none(), "count"_a, "columns"_a, "y"_a.noconvert(),
            "weights"_a.none(), "held_out"_a.none(), "rows"_a, "threads"_a)
        .def(
            "step",
            [](Walks<Real> &self, const Values<Real> &X, const OptionalLine<std::int32_t> &indices,
               const OptionalLine<std::int64_t> &starts, std::size_t count, std::size_t columns, const Line<Real> &y,
               const OptionalLine<Real> &weights, const OptionalLine<std::uint8_t> &held_out, int threads) {
                const RowSet<Real> given = samples<Real>(X, indices, starts, count, columns, y, weights, held_out);
                nb::gil_scoped_release release;
                self.step(given, threads);
            },
            "X"_a.noconvert(), "indices"_a.none(), "starts"_a.none(), "count"_a, "columns"_a, "y"_a.noconvert(),
            "weights"_a.none(), "held_out"_a.none(), "threads"_a)
        .def("end_epoch",
             [](Walks<Real> &self) {
                 for (std::size_t i = 0; i < self.size(); i++)
                     if (!self[i].ended()) self[i].end_epoch();
             })
        .def("pause",
             [](Walks<Real> &self) {
                 for (std::size_t i = 0; i < self.size(); i++) self[i].pause();
             })
        .def("multiply",
             [](Walks<Real> &self) {
                 for (std::size_t i = 0; i < self.size(); i++) self[i].multiply();
             })
        .def("ended", [](Walks<Real> &self, std::size_t i) { return self[i].ended(); })
        .def("overflowed", [](Walks<Real> &self, std::size_t i) { return self[i].overflowed(); })
        .def("waits", [](Walks<Real> &self, std::size_t i) { return self[i].waits(); })
        .def("epochs", [](Walks<Real> &self, std::size_t i) { return self[i].epochs(); })
        .def("intercept", [](Walks<Real> &self, std::size_t i) { return self[i].intercept(); })
        .def("average_intercept", [](Walks<Real> &self, std::size_t i) { return self[i].average_intercept(); })
        .def("last_objective", [](Walks<Real> &self, std::size_t i) { return self[i].last_objective(); })
        .def("judge", [](Walks<Real> &self, std::size_t i, double score) { self[i].judge(score); })
        .def("summary",
             [](Walks<Real> &self, std::size_t i) {
                 const Summary &sums = self[i].summary();
                 return nb::make_tuple(self[i].norm(), sums.loss, self[i].objective(), sums.seen, sums.steps);
             })
        .def(
            "read",
            [](Walks<Real> &self, std::size_t i, const Vector &w, const Vector &average) {
                std::copy_n(self[i].coefficients(), w.shape(0), w.data());
                if (self[i].average()) std::copy_n(self[i].average(), average.shape(0), average.data());
            },
            "number"_a, "w"_a.noconvert(), "average"_a.noconvert());
}

}  // namespace

void bind_steps(nb::module_ &module) {
    nb::class_<Rule>(module, "Rule")
        .def(nb::init<>())
        .def_rw("loss", &Rule::loss)
        .def_rw("penalty", &Rule::penalty)
        .def_rw("rate", &Rule::rate)
        .def_rw("edge", &Rule::edge)
        .def_rw("alpha", &Rule::alpha)
        .def_rw("share", &Rule::share)
        .def_rw("eta0", &Rule::eta0)
        .def_rw("power_t", &Rule::power_t)
        .def_rw("origin", &Rule::origin)
        .def_rw("intercept_decay", &Rule::intercept_decay)
        .def_rw("tol", &Rule::tol)
        .def_rw("fit_intercept", &Rule::fit_intercept)
        .def_rw("one_class", &Rule::one_class)
        .def_rw("shuffle", &Rule::shuffle)
        .def_rw("scored", &Rule::scored)
        .def_rw("average", &Rule::average)
        .def_rw("max_iter", &Rule::max_iter)
        .def_rw("n_iter_no_change", &Rule::n_iter_no_change);
    module.def(
        "compose_steps",
        [](const Values<double> &X, const Line<double> &y, const OptionalLine<double> &weights, double eta,
           double alpha, double intercept, std::size_t size,
           const nb::ndarray<double, nb::ndim<3>, nb::c_contig, nb::device::cpu> &maps,
           const nb::ndarray<double, nb::ndim<3>, nb::c_contig, nb::device::cpu> &forms, int threads) {
            const RowSet<double> rows = samples<double>(X, {}, {}, y.shape(0), maps.shape(1) - 2, y, weights, {});
            nb::gil_scoped_release release;
            compose(rows, {eta, alpha, intercept}, size, maps.data(), forms.data(), maps.shape(2), threads);
        },
        "X"_a.noconvert(), "y"_a.noconvert(), "weights"_a.noconvert().none(), "eta"_a, "alpha"_a, "intercept"_a,
        "size"_a, "maps"_a.noconvert(), "forms"_a.noconvert(), "threads"_a);
    bind_walks<float>(module, "WalksOfFloats");
    bind_walks<double>(module, "WalksOfDoubles");
}

}  // namespace rmodels::RMODELS_ISA
