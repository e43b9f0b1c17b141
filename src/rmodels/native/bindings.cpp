// What Python sees of the native engine. The only file that includes the binding library.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

namespace nb = nanobind;

namespace rmodels::RMODELS_ISA {
namespace {

// Names of the instruction sets that this processor and its operating system run.
std::vector<std::string> supported_sets() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    std::vector<std::string> sets{"baseline"};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        sets.push_back("avx2");
    if (sets.size() == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        sets.push_back("avx512");
    return sets;
#elif defined(__aarch64__)
    return {"neon"};
#else
    return {"baseline"};
#endif
}

}  // namespace
}  // namespace rmodels::RMODELS_ISA

NB_MODULE(RMODELS_MODULE, module) {
    using namespace rmodels::RMODELS_ISA;
    module.def("supported_sets", &supported_sets);
}
