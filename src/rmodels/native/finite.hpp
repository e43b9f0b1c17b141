// Whether there is a NaN or an infinity in an array.
#pragma once

#include "native/strided.hpp"

namespace rmodels::RMODELS_ISA {

bool all_finite(const Strided &array, int threads);

}  // namespace rmodels::RMODELS_ISA
