// What Python sees of spanning trees and hierarchies.
#pragma once

#include <nanobind/nanobind.h>

namespace rmodels::RMODELS_ISA {

void bind_trees(nanobind::module_ &module);

}  // namespace rmodels::RMODELS_ISA
