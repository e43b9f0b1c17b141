#include "native/systems.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ops/conjugate/native.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace rmodels::RMODELS_ISA {
namespace {

template <class Value>
using Line = nb::ndarray<const Value, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class Value>
using Table = nb::ndarray<Value, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void make(Equations *self, const Line<double> &values, const Line<std::int32_t> &columns,
          const Line<std::int64_t> &starts, const Line<double> &mean, const std::optional<Line<double>> &root,
          bool dual) {
    const CompressedRows rows{values.data(), columns.data(), starts.data(), starts.shape(0) - 1, mean.shape(0)};
    nb::gil_scoped_release release;
    new (self) Equations(rows, mean.data(), root ? root->data() : nullptr, dual);
}

Descent begin(const Equations &self, const Line<double> &inverse_scale, double penalty,
              const Table<const double> &right, const Line<double> &enough) {
    return {self, inverse_scale.data(), penalty, right.data(), right.shape(0), enough.data()};
}

}  // namespace

void bind_systems(nb::module_ &module) {
    using Released = nb::call_guard<nb::gil_scoped_release>;
    nb::class_<Equations>(module, "Equations")
        .def("__init__", &make, "values"_a.noconvert(), "columns"_a.noconvert(), "starts"_a.noconvert(),
             "mean"_a.noconvert(), "root"_a.noconvert().none(), "dual"_a)
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
