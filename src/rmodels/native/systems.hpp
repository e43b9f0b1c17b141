// What Python sees of systems of sparse rows.
#pragma once

#include <nanobind/nanobind.h>

namespace rmodels::RMODELS_ISA {

void bind_systems(nanobind::module_ &module);

}  // namespace rmodels::RMODELS_ISA
