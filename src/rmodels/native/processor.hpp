// What the processor runs.
#pragma once

#include <string>
#include <vector>

namespace rmodels {

// Names of the instruction sets that this processor and its operating system run, the best last.
inline std::vector<std::string> supported_sets() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    std::vector<std::string> sets{"baseline"};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        sets.push_back("avx2");
    if (sets.size() == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
        sets.push_back("avx512");
    return sets;
#elif defined(__aarch64__)
    return {"neon"};
#else
    return {"baseline"};
#endif
}

}  // namespace rmodels
