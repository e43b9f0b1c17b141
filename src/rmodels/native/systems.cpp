#include "native/systems.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "ops/conjugate/native.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace rmodels::RMODELS_ISA {
namespace {

template <class Value>
using Line = nb::ndarray<Value, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class Value>
using Table = nb::ndarray<Value, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <class Real>
void make(Equations *self, const Line<const Real> &values, const Line<const std::int32_t> &columns,
          const Line<const std::int64_t> &starts, std::size_t width, const std::optional<Line<const double>> &weights,
          bool centred, bool dual) {
    const CompressedRows<Real> rows{values.data(), columns.data(), starts.data(), starts.shape(0) - 1, width};
    nb::gil_scoped_release release;
    new (self) Equations(rows, weights ? weights->data() : nullptr, centred, dual);
}

template <class Real>
void define_equations(nb::class_<Equations> &equations) {
    equations.def("__init__", &make<Real>, "values"_a.noconvert(), "columns"_a.noconvert(), "starts"_a.noconvert(),
                  "width"_a, "weights"_a.noconvert().none(), "centred"_a, "dual"_a);
}

void measure(const Equations &self, const Line<double> &mean, const Line<double> &squares,
             const Line<double> &diagonal) {
    std::copy(self.mean().begin(), self.mean().end(), mean.data());
    std::copy(self.squares().begin(), self.squares().end(), squares.data());
    self.find_diagonal(diagonal.data());
}

template <auto Lead>
void lead(const Equations &self, const Table<const double> &from, const Table<double> &product, int threads) {
    (self.*Lead)(from.data(), from.shape(1), product.data(), threads);
}

Descent begin(const Equations &self, const Line<const double> &inverse_scale, double penalty,
              const Table<const double> &right, const Line<const double> &enough) {
    return {self, inverse_scale.data(), penalty, right.data(), right.shape(1), enough.data()};
}

}  // namespace

void bind_systems(nb::module_ &module) {
    using Released = nb::call_guard<nb::gil_scoped_release>;
    nb::class_<Equations> equations(module, "Equations");
    define_equations<float>(equations);
    define_equations<double>(equations);
    equations
        .def("measure", &measure, Released(), "mean"_a.noconvert(), "squares"_a.noconvert(), "diagonal"_a.noconvert())
        .def("along_rows", &lead<&Equations::lead_along_rows>, Released(), "columns"_a.noconvert(),
             "product"_a.noconvert(), "threads"_a)
        .def("along_columns", &lead<&Equations::lead_along_columns>, Released(), "rows"_a.noconvert(),
             "product"_a.noconvert(), "threads"_a)
        .def("begin", &begin, nb::keep_alive<0, 1>(), "inverse_scale"_a.noconvert(), "penalty"_a, "right"_a.noconvert(),
             "enough"_a.noconvert());
    nb::class_<Descent>(module, "Descent")
        .def("advance", &Descent::advance, Released(), "steps"_a, "threads"_a)
        .def(
            "finish", [](const Descent &self, const Table<double> &solutions) { self.finish(solutions.data()); },
            "solutions"_a.noconvert())
        .def("converged", &Descent::converged, "side"_a)
        .def("lengths", &Descent::lengths, "side"_a)
        .def("kept", &Descent::kept, "side"_a);
}

}  // namespace rmodels::RMODELS_ISA
