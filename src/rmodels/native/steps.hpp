// What Python sees of stochastic gradient descent, step by step.
#pragma once

#include <nanobind/nanobind.h>

namespace rmodels::RMODELS_ISA {

void bind_steps(nanobind::module_ &module);

}  // namespace rmodels::RMODELS_ISA
