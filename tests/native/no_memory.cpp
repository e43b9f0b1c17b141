// Threads when memory runs out: the n-th allocation fails, and all after it. Prints one line for each n, what came of
// the work, until nothing fails any more.
#include <cstdio>
#include <cstdlib>
#include <new>

#include "native/threads.hpp"

namespace {
std::atomic<long> left{1L << 40};  // allocations that succeed
}

void *operator new(std::size_t size) {
    if (left.fetch_sub(1) <= 0) throw std::bad_alloc();
    if (void *memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }

namespace rmodels::RMODELS_ISA {
void answer_interrupts() {}
}  // namespace rmodels::RMODELS_ISA

namespace {
constexpr int TASKS = 64, THREADS = 9, ROUNDS = 3;
std::atomic<long> done{0};

void independent() {
    rmodels::RMODELS_ISA::parallel_for(TASKS, THREADS, [](std::size_t, int) { done++; });
}

void together() {
    rmodels::RMODELS_ISA::as_team(THREADS, [](rmodels::RMODELS_ISA::Team &team, int) noexcept {
        for (int round = 0; round < ROUNDS; round++) team.for_each(TASKS, [](std::size_t) noexcept { done++; });
    });
}

void in_a_row() {
    rmodels::RMODELS_ISA::Crew crew(TASKS, THREADS, [](std::size_t) noexcept { done++; });
    for (int round = 0; round < ROUNDS; round++) crew.run();
}

// Returns whether an allocation failed.
bool fails(const char *name, void (*work)(), long allowed, long expected) {
    const char *outcome = "done";
    done = 0;
    left = allowed;
    try {
        work();
        if (done != expected) outcome = "wrong";
    } catch (const std::bad_alloc &) {
        outcome = done == 0 ? "refused" : "half done";
    }
    const bool failed = left.exchange(1L << 40) < 0;
    std::printf("%s %s%s\n", name, outcome, failed ? "" : " all");
    std::fflush(stdout);
    return failed;
}
}  // namespace

int main() {
    for (long n = 0; fails("parallel_for", independent, n, TASKS); n++) continue;
    for (long n = 0; fails("as_team", together, n, ROUNDS * TASKS); n++) continue;
    for (long n = 0; fails("Crew", in_a_row, n, ROUNDS * TASKS); n++) continue;
}
