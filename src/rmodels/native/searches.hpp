// What Python sees of searches for neighbours, and of what they connect.
#pragma once

#include <nanobind/nanobind.h>

namespace rmodels::RMODELS_ISA {

void bind_searches(nanobind::module_ &module);

}  // namespace rmodels::RMODELS_ISA
