// Arrays that begin on a cache line, so that no vector of theirs lies across two.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

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

// Values that are not initialised; many of them in large pages, where the system gives these to who
// asks: the first write to a small one costs as much as filling it.
template <class Value>
class Uninitialised {
public:
    explicit Uninitialised(std::size_t count = 0) : values_(nullptr, Release{count * sizeof(Value) >= 2 * kPage}) {
        const std::size_t bytes = count * sizeof(Value);
        const bool large = values_.get_deleter().large;
        values_.reset(static_cast<Value *>(::operator new(bytes, alignment(large))));
#ifdef MADV_HUGEPAGE
        if (large) madvise(values_.get(), bytes / kPage * kPage, MADV_HUGEPAGE);
#endif
    }
    Value *data() { return values_.get(); }
    const Value *data() const { return values_.get(); }

private:
    static constexpr std::size_t kPage = 2 << 20;

    static std::align_val_t alignment(bool large) { return std::align_val_t(large ? kPage : 64); }

    struct Release {
        bool large;
        void operator()(Value *p) const { ::operator delete(p, alignment(large)); }
    };
    std::unique_ptr<Value[], Release> values_;
};

}  // namespace rmodels::RMODELS_ISA
