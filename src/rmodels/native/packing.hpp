// Rows of a strided array, converted to float64 and laid out for the kernels.
#pragma once

#include <cstddef>

#include "native/strided.hpp"

namespace rmodels::RMODELS_ISA {

// A block of rows whose columns are cut in panels: (panels, rows, width).
struct Panels {
    double *data;
    std::size_t rows, width;

    double *at(std::size_t row, std::size_t column) const {
        return data + (column / width * rows + row) * width + column % width;
    }
};

// Writes (x − shift[j]) · scale[k] for the rows first + k, k < rows, and all columns j of source, to
// packed from (row, column) on, and nothing else. shift and scale may be null.
void pack(const Strided &source, std::size_t first, std::size_t rows, const double *shift, const double *scale,
          const Panels &packed, std::size_t row, std::size_t column);

}  // namespace rmodels::RMODELS_ISA
