// Arrays of float64 that begin on a cache line, so that no vector of theirs lies across two.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace rmodels::RMODELS_ISA {

template <class T>
struct CacheLines {
    using value_type = T;
    static constexpr std::align_val_t kLine{64};

    CacheLines() = default;
    template <class Other>
    CacheLines(const CacheLines<Other> &) {}

    T *allocate(std::size_t count) { return static_cast<T *>(::operator new(count * sizeof(T), kLine)); }
    void deallocate(T *p, std::size_t) { ::operator delete(p, kLine); }

    template <class Other>
    bool operator==(const CacheLines<Other> &) const {
        return true;
    }
};

using Doubles = std::vector<double, CacheLines<double>>;

}  // namespace rmodels::RMODELS_ISA
