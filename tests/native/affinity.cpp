// Whether threads that the engine starts may run wherever their maker may; prints the name of what keeps to it.
#include <atomic>
#include <cstdio>
#include <thread>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {
void answer_interrupts() {}
}  // namespace rmodels::RMODELS_ISA

namespace {

cpu_set_t allowed() {
    cpu_set_t found;
    pthread_getaffinity_np(pthread_self(), sizeof(found), &found);
    return found;
}

// Whether a thread and its maker, each of which calls meet(thread), may run in the same places once the maker works.
class Meeting {
public:
    void meet(int thread) {
        if (thread == 0) {
            begun_ = true;
            while (!same_) std::this_thread::yield();
            return;
        }
        while (!begun_) std::this_thread::yield();
        const cpu_set_t found = allowed();
        same_ = CPU_EQUAL(&found, &before_) ? 1 : -1;
    }
    void tell(const char *name) const {
        if (same_ == 1) std::puts(name);
    }

private:
    const cpu_set_t before_ = allowed();
    std::atomic<bool> begun_{false};
    std::atomic<int> same_{0};
};

}  // namespace

int main() {
    using namespace rmodels::RMODELS_ISA;
    const cpu_set_t before = allowed();
    Meeting tasks, members;
    parallel_for(2, 2, [&](std::size_t, int thread) { tasks.meet(thread); });
    tasks.tell("parallel_for");
    as_team(2, [&](Team &, int member) noexcept { members.meet(member); });
    members.tell("as_team");
    const cpu_set_t after = allowed();
    if (CPU_EQUAL(&before, &after)) std::puts("maker");
}
