// Ctrl-C while native code runs.
#pragma once

namespace rmodels::RMODELS_ISA {

// Runs Python's signal handlers if 50 ms have passed since they last ran, and throws what they raise. For the thread
// that Python called, with or without the interpreter's lock.
void answer_interrupts();

}  // namespace rmodels::RMODELS_ISA
