// A view of somebody else's array: float32 or float64, any strides.
#pragma once

#include <cstddef>

namespace rmodels::RMODELS_ISA {

struct Strided {
    const void *data = nullptr;  // null stands for an array that was not given
    bool single = false;         // float32; else float64
    std::size_t rows = 0, columns = 0;
    std::ptrdiff_t row_stride = 0, column_stride = 0;  // in elements

    // Calls body(pointer to the element of row `row` and column `column`), typed.
    template <class Body>
    decltype(auto) visit(std::size_t row, std::size_t column, Body &&body) const {
        const std::ptrdiff_t at = std::ptrdiff_t(row) * row_stride + std::ptrdiff_t(column) * column_stride;
        return single ? body(static_cast<const float *>(data) + at) : body(static_cast<const double *>(data) + at);
    }

    double at(std::size_t row, std::size_t column = 0) const {
        return visit(row, column, [](auto *p) { return double(*p); });
    }

    Strided rows_from(std::size_t first, std::size_t count) const {
        const void *from = visit(first, 0, [](auto *p) { return static_cast<const void *>(p); });
        return {from, single, count, columns, row_stride, column_stride};
    }

    Strided transposed() const { return {data, single, columns, rows, column_stride, row_stride}; }
};

}  // namespace rmodels::RMODELS_ISA
