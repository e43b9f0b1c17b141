#include "native/trees.hpp"

#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>

#include "ops/hierarchy/native.hpp"
#include "ops/span/native.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace rmodels::RMODELS_ISA {
namespace {

template <class Value>
using Table = nb::ndarray<Value, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class Value>
using Line = nb::ndarray<Value, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void note(Spanning &tree, std::size_t first, const Table<const double> &distances,
          const Table<const std::int64_t> &indices, const Line<const double> &cores) {
    tree.note(first, distances.shape(0), distances.shape(1), distances.data(), indices.data(), cores.data());
}

void finish(Spanning &tree, const Table<std::int64_t> &ends, const Line<double> &weights) {
    tree.finish(ends.data(), weights.data());
}

void link_edges(const Table<const std::int64_t> &ends, const Line<const double> &weights,
                const Table<double> &linkage) {
    link(ends.data(), weights.data(), ends.shape(0) + 1, linkage.data());
}

std::size_t condense_linkage(const Table<const double> &linkage, std::int64_t min_size,
                             const Line<std::int64_t> &parents, const Line<std::int64_t> &children,
                             const Line<double> &densities, const Line<std::int64_t> &sizes) {
    const Condensed found{parents.data(), children.data(), densities.data(), sizes.data()};
    return condense(linkage.data(), linkage.shape(0) + 1, min_size, found);
}

void cut_linkage(const Table<const double> &linkage, double distance, std::int64_t min_size,
                 const Line<std::int64_t> &labels) {
    cut(linkage.data(), linkage.shape(0) + 1, distance, min_size, labels.data());
}

}  // namespace

void bind_trees(nb::module_ &module) {
    using Released = nb::call_guard<nb::gil_scoped_release>;
    nb::class_<Spanning>(module, "Spanning")
        .def(nb::init<const NearestIndex &, double, std::size_t>(), nb::keep_alive<1, 2>(), "index"_a, "alpha"_a,
             "noted"_a)
        .def("note", &note, Released(), "first"_a, "distances"_a.noconvert(), "indices"_a.noconvert(),
             "cores"_a.noconvert())
        .def_prop_ro("components", &Spanning::components)
        .def("begin", &Spanning::begin, Released(), "threads"_a)
        .def("search", &Spanning::search, Released(), "first"_a, "last"_a, "threads"_a)
        .def("join", &Spanning::join, Released())
        .def("finish", &finish, Released(), "ends"_a.noconvert(), "weights"_a.noconvert());
    module.def("link", &link_edges, Released(), "ends"_a.noconvert(), "weights"_a.noconvert(), "linkage"_a.noconvert());
    module.def("condense", &condense_linkage, Released(), "linkage"_a.noconvert(), "min_size"_a,
               "parents"_a.noconvert(), "children"_a.noconvert(), "densities"_a.noconvert(), "sizes"_a.noconvert());
    module.def("cut", &cut_linkage, Released(), "linkage"_a.noconvert(), "distance"_a, "min_size"_a,
               "labels"_a.noconvert());
}

}  // namespace rmodels::RMODELS_ISA
