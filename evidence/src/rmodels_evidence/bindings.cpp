// What Python sees of the measurements.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "limits.hpp"
#include "steps.hpp"
#include "two_passes.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace rmodels::RMODELS_ISA {
namespace {

using Rows = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Values = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Result = nb::ndarray<double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

double read_values(const Values &values, int threads) {
    nb::gil_scoped_release release;
    return read_all(values.data(), values.shape(0), threads);
}

void two_passes(const Rows &X, const Values &y, double learning_rate, std::size_t steps, int threads, bool wide,
                const Result &coefficients) {
    nb::gil_scoped_release release;
    descend_in_two_passes(X.data(), y.data(), X.shape(0), X.shape(1), learning_rate, steps, threads, wide,
                          coefficients.data());
}

void by_rows(const Rows &X, const Values &y, double eta0, double alpha, std::size_t epochs, std::uint32_t seed,
             bool wide, std::size_t ahead, const Result &coefficients) {
    nb::gil_scoped_release release;
    descend_by_rows(X.data(), y.data(), X.shape(0), X.shape(1), eta0, alpha, epochs, seed, wide, ahead,
                    coefficients.data());
}

template <class Real>
double run_multiply_adds(std::size_t rounds, int threads) {
    nb::gil_scoped_release release;
    return multiply_add<Real>(rounds, threads);
}

}  // namespace
}  // namespace rmodels::RMODELS_ISA

NB_MODULE(RMODELS_MODULE, module) {
    using namespace rmodels::RMODELS_ISA;
    module.def("read_all", &read_values, "values"_a.noconvert(), "threads"_a);
    module.def("descend_in_two_passes", &two_passes, "X"_a.noconvert(), "y"_a.noconvert(), "learning_rate"_a, "steps"_a,
               "threads"_a, "wide"_a, "coefficients"_a.noconvert());
    module.def("descend_by_rows", &by_rows, "X"_a.noconvert(), "y"_a.noconvert(), "eta0"_a, "alpha"_a, "epochs"_a,
               "seed"_a, "wide"_a, "ahead"_a, "coefficients"_a.noconvert());
    module.def("multiply_add_float32", &run_multiply_adds<float>, "rounds"_a, "threads"_a);
    module.def("multiply_add_float64", &run_multiply_adds<double>, "rounds"_a, "threads"_a);
    module.attr("multiply_adds_per_round_float32") = multiply_adds_per_round<float>();
    module.attr("multiply_adds_per_round_float64") = multiply_adds_per_round<double>();
}
