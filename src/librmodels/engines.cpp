// The libraries of the instruction sets, which lie beside this one.
#include <dlfcn.h>

#include <cstdlib>

#include "library.hpp"
#include "native/processor.hpp"

namespace rmodels {
namespace {

std::string folder() {
    Dl_info info;
    if (!dladdr(reinterpret_cast<const void *>(&choose_engine), &info) || !info.dli_fname)
        throw Error(RMODELS_NO_ENGINE, "the folder of librmodels cannot be found");
    const std::string path = info.dli_fname;
    const std::size_t end = path.rfind('/');
    return end == std::string::npos ? "." : path.substr(0, end);
}

Chosen choose() {
    const std::vector<std::string> sets = supported_sets();
    std::string set = sets.back();
    if (const char *forced = std::getenv("RMODELS_ISA"); forced && *forced) {
        set = forced;
        std::string known;
        bool usable = false;
        for (const std::string &each : sets) {
            usable |= each == set;
            known += (known.empty() ? "" : ", ") + each;
        }
        if (!usable)
            throw Error(RMODELS_NO_ENGINE, "RMODELS_ISA='" + set + "' cannot be used here: choose one of " + known);
    }
    const std::string path = folder() + "/librmodels_" + set + RMODELS_SUFFIX;
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) throw Error(RMODELS_NO_ENGINE, std::string(dlerror()) + ": it has to lie beside librmodels");
    const auto get = reinterpret_cast<const Engine *(*)()>(dlsym(library, "rmodels_engine"));
    if (!get) throw Error(RMODELS_NO_ENGINE, path + " is not a library of rmodels");
    return {get(), set};
}

}  // namespace

const Chosen &choose_engine() {
    static const Chosen chosen = choose();  // again, if it throws
    return chosen;
}

}  // namespace rmodels
