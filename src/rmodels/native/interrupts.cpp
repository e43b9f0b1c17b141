#include "native/interrupts.hpp"

#include <nanobind/nanobind.h>

#include <chrono>

namespace nb = nanobind;

namespace rmodels::RMODELS_ISA {

void answer_interrupts() {
    using Clock = std::chrono::steady_clock;
    static thread_local Clock::time_point last;
    const Clock::time_point now = Clock::now();
    if (now - last < std::chrono::milliseconds(50)) return;
    last = now;
    const nb::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals()) throw nb::python_error();
}

}  // namespace rmodels::RMODELS_ISA
