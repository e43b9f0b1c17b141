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

// Memory that begins on a cache line; much of it in large pages, where the system gives these to who asks: the first
// write to a small one costs as much as filling it. All of its pages are large: it may take up to a third more.
class Memory {
public:
    static void *take(std::size_t bytes) {
        const std::size_t whole = is_large(bytes) ? (bytes + kPage - 1) / kPage * kPage : bytes;
        void *found = ::operator new(whole, alignment(bytes));
#ifdef MADV_HUGEPAGE
        if (is_large(bytes)) madvise(found, whole, MADV_HUGEPAGE);
#endif
        return found;
    }
    static void give_back(void *p, std::size_t bytes) { ::operator delete(p, alignment(bytes)); }

private:
    static constexpr std::size_t kPage = 2 << 20;

    static bool is_large(std::size_t bytes) { return bytes >= kPage * 3 / 2; }
    static std::align_val_t alignment(std::size_t bytes) { return std::align_val_t(is_large(bytes) ? kPage : 64); }
};

template <class T>
struct CacheLines {
    using value_type = T;

    CacheLines() = default;
    template <class Other>
    CacheLines(const CacheLines<Other> &) {}

    T *allocate(std::size_t count) { return static_cast<T *>(Memory::take(count * sizeof(T))); }
    void deallocate(T *p, std::size_t count) { Memory::give_back(p, count * sizeof(T)); }

    template <class Other>
    bool operator==(const CacheLines<Other> &) const {
        return true;
    }
};

using Doubles = std::vector<double, CacheLines<double>>;

// Values that are not initialised.
template <class Value>
class Uninitialised {
public:
    explicit Uninitialised(std::size_t count = 0)
        : values_(static_cast<Value *>(Memory::take(count * sizeof(Value))), Release{count * sizeof(Value)}) {}
    Value *data() { return values_.get(); }
    const Value *data() const { return values_.get(); }

private:
    struct Release {
        std::size_t bytes;
        void operator()(Value *p) const { Memory::give_back(p, bytes); }
    };
    std::unique_ptr<Value[], Release> values_;
};

}  // namespace rmodels::RMODELS_ISA
