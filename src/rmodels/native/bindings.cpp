// What Python sees of the native engine. The only file that includes the binding library.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "ops/nearest/index.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace rmodels::RMODELS_ISA {
namespace {

// Names of the instruction sets that this processor and its operating system run.
std::vector<std::string> supported_sets() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    std::vector<std::string> sets{"baseline"};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        sets.push_back("avx2");
    if (sets.size() == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        sets.push_back("avx512");
    return sets;
#elif defined(__aarch64__)
    return {"neon"};
#else
    return {"baseline"};
#endif
}

// --- nearest ---

template <class Real>
using Rows = nb::ndarray<Real, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class Real>
using Column = nb::ndarray<nb::numpy, Real, nb::ndim<1>>;

template <class Real>
std::unique_ptr<NearestIndex> new_index(const Rows<const Real>& X, const std::string& metric, double p,
                                        const std::string& algorithm, int threads) {
    Points points{nullptr, nullptr, X.shape(0), X.shape(1)};
    if constexpr (std::is_same_v<Real, float>)
        points.singles = X.data();
    else
        points.doubles = X.data();
    nb::gil_scoped_release release;
    return std::make_unique<NearestIndex>(points, metric, p, algorithm, threads);
}

void find_nearest(const NearestIndex& index, const Rows<const double>& Q, const Rows<double>& distances,
                  const Rows<std::int64_t>& indices, int threads) {
    nb::gil_scoped_release release;
    index.nearest(Q.data(), Q.shape(0), distances.shape(1), distances.data(), indices.data(), threads);
}

// An array that owns what was in the vector.
template <class Real>
Column<Real> array(std::vector<Real>&& values) {
    auto kept = std::make_unique<std::vector<Real>>(std::move(values));
    std::vector<Real>* held = kept.get();
    nb::capsule owner(held, [](void* p) noexcept { delete static_cast<std::vector<Real>*>(p); });
    kept.release();
    return Column<Real>(held->data(), {held->size()}, owner);
}

nb::tuple find_within(const NearestIndex& index, const Rows<const double>& Q, double radius, int threads) {
    Found found;
    {
        nb::gil_scoped_release release;
        found = index.within(Q.data(), Q.shape(0), radius, threads);
    }
    return nb::make_tuple(array(std::move(found.counts)), array(std::move(found.distances)),
                          array(std::move(found.indices)));
}

}  // namespace
}  // namespace rmodels::RMODELS_ISA

NB_MODULE(RMODELS_MODULE, module) {
    using namespace rmodels::RMODELS_ISA;
    module.def("supported_sets", &supported_sets);

    nb::class_<NearestIndex>(module, "NearestIndex")
        .def_prop_ro("algorithm", &NearestIndex::algorithm)
        .def("nearest", &find_nearest, "Q"_a.noconvert(), "distances"_a.noconvert(), "indices"_a.noconvert(),
             "threads"_a)
        .def("within", &find_within, "Q"_a.noconvert(), "radius"_a, "threads"_a);
    module.def("nearest_index", &new_index<float>, nb::keep_alive<0, 1>(), "X"_a.noconvert(), "metric"_a, "p"_a,
               "algorithm"_a, "threads"_a);
    module.def("nearest_index", &new_index<double>, nb::keep_alive<0, 1>(), "X"_a.noconvert(), "metric"_a, "p"_a,
               "algorithm"_a, "threads"_a);
}
