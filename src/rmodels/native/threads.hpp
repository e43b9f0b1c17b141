// Work shared among threads that live for one call: nothing survives it but the end of late ones, so that a process
// may fork at any time between calls. Starting a thread costs 10 to 40 microseconds.
#pragma once

#include <pthread.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "native/interrupts.hpp"

namespace rmodels::RMODELS_ISA {

// Has threads that were just started begin at once. Some kernels, of virtual machines above all, leave a new thread
// waiting behind its maker for a few milliseconds while other processors are idle: a thread that waits here is moved
// to another one; one that is elsewhere stays there. Afterwards each may run wherever its maker may.
class Apart {
public:
    void move(std::thread &thread) {
#if defined(__linux__)
        if (!known_) {
            known_ = true;
            CPU_ZERO(&others_);
            const int here = sched_getcpu();
            if (here >= 0 && here < CPU_SETSIZE && !pthread_getaffinity_np(pthread_self(), sizeof(all_), &all_)) {
                others_ = all_;
                CPU_CLR(std::size_t(here), &others_);
            }
        }
        if (!CPU_COUNT(&others_)) return;
        pthread_setaffinity_np(thread.native_handle(), sizeof(others_), &others_);
        pthread_setaffinity_np(thread.native_handle(), sizeof(all_), &all_);
#else
        (void)thread;
#endif
    }

private:
#if defined(__linux__)
    bool known_ = false;
    cpu_set_t all_, others_;  // where the maker may run, and without where it does
#endif
};

struct Helper {
    std::thread thread;
    std::atomic<bool> ended{false};  // set as the last thing it does
};

// Threads that came too late for any task of their call: on busy processors they begin late, and nobody is to wait for
// that. They are joined when there are more of them, and before the process forks.
class Late {
public:
    static Late &all() {
        static Late *late = new Late;  // for good: they may end after what is destroyed with the process
        return *late;
    }

    // Takes helpers, and joins those that have ended.
    void take(std::list<Helper> &helpers) {
        std::lock_guard<std::mutex> hold(lock_);
        helpers_.splice(helpers_.end(), helpers);
        helpers_.remove_if([](Helper &each) {
            const bool ended = each.ended.load(std::memory_order_acquire);
            if (ended) each.thread.join();
            return ended;
        });
    }

private:
    Late() {
        auto unlock = [] { all().lock_.unlock(); };
        pthread_atfork(
            [] {
                all().lock_.lock();
                for (Helper &each : all().helpers_) each.thread.join();
                all().helpers_.clear();
            },
            unlock, unlock);
    }

    std::mutex lock_;
    std::list<Helper> helpers_;
};

// Threads beside the caller's, for one call: where the system gives fewer, or has no memory for them, those that run do
// all the work. They end by themselves, late ones after the call.
class Helpers {
public:
    Helpers() : late_(Late::all()) {}
    Helpers(const Helpers &) = delete;
    Helpers &operator=(const Helpers &) = delete;

    ~Helpers() {
        started_.remove_if([](Helper &each) { return !each.thread.joinable(); });  // that could not be started
        if (!started_.empty()) late_.take(started_);
    }

    // Starts threads that do body(number), from 1 on. Without a task it touches nothing of the caller's: a late one
    // begins after the call.
    template <class Body>
    void start(std::size_t count, const Body &body) {
        Apart apart;
        for (std::size_t number = 1; number <= count; number++) {
            try {
                Helper &helper = started_.emplace_back();
                helper.thread = std::thread([body, number, &helper] {
                    body(int(number));
                    helper.ended.store(true, std::memory_order_release);
                });
                apart.move(helper.thread);
            } catch (const std::exception &) {
                break;
            }
        }
    }

private:
    Late &late_;
    std::list<Helper> started_;
};

// How many threads beside the caller's so many tasks have.
inline std::size_t count_helpers(std::size_t tasks, int threads) {
    return std::min(threads < 1 ? 1 : std::size_t(threads), std::max<std::size_t>(1, tasks)) - 1;
}

// Calls body(task, thread) once for each task in [0, tasks), on at most `threads` threads, the
// caller's among them. Which thread takes which task is not fixed: a result that must not depend on
// it is stored by task. The first exception thrown is thrown again here, once all have stopped; Ctrl-C is
// answered between two tasks of the caller.
template <class Body>
void parallel_for(std::size_t tasks, int threads, Body &&body) {
    struct Shared {
        std::atomic<std::size_t> next{0};
        std::atomic<int> within{0};  // helpers that may be in a task
        std::exception_ptr failure;
        std::mutex failure_lock;
    };
    auto work = [tasks, &body](Shared &shared, int thread) {
        try {
            for (std::size_t task; (task = shared.next.fetch_add(1)) < tasks;) {
                body(task, thread);
                if (thread == 0) answer_interrupts();
            }
        } catch (...) {
            shared.next.store(tasks);
            std::lock_guard<std::mutex> hold(shared.failure_lock);
            if (!shared.failure) shared.failure = std::current_exception();
        }
    };
    const std::size_t others = count_helpers(tasks, threads);
    if (!others) {
        for (std::size_t task = 0; task < tasks; task++) {
            body(task, 0);
            answer_interrupts();
        }
        return;
    }
    const auto shared = std::make_shared<Shared>();
    Helpers helpers;
    helpers.start(others, [=](int thread) {
        shared->within.fetch_add(1);
        work(*shared, thread);
        if (shared->within.fetch_sub(1) == 1) shared->within.notify_all();
    });
    work(*shared, 0);
    for (int within; (within = shared->within.load()) > 0;) shared->within.wait(within);
    if (shared->failure) std::rethrow_exception(shared->failure);
}

// Threads that go through many short loops of one call, without being started anew for each. The caller waits only for
// tasks that another has begun: where threads come late, or have no processor, it does the work.
template <class Body>
class Crew {
public:
    // Loops have `tasks` tasks, each of which is body(task), and at most `threads` threads, the caller's among them.
    Crew(std::size_t tasks, int threads, Body body) : shared_(std::make_shared<Shared>(tasks)), body_(std::move(body)) {
        static_assert(std::is_nothrow_invocable_v<Body &, std::size_t>, "nobody would answer for a failure");
        helpers_.start(count_helpers(tasks, threads), [shared = shared_, this](int) {  // this: only within a task
            while (shared->next_loop()) shared->work([this](std::size_t task) noexcept { body_(task); });
        });
    }
    Crew(const Crew &) = delete;
    Crew &operator=(const Crew &) = delete;

    ~Crew() { shared_->publish(kEnd); }

    // Calls body(task) once for each task. Ctrl-C is answered after it.
    void run() {
        shared_->done.store(0, std::memory_order_relaxed);
        shared_->publish(++loop_);
        shared_->work(body_);
        shared_->wait_for_all();
        answer_interrupts();
    }

private:
    static constexpr std::uint64_t kEnd = 0xffffffff;
    static constexpr int kPatience = 2000;  // looks before a thread sleeps: some 20 microseconds

    struct Shared {
        const std::uint64_t tasks;
        // The number of the loop, and the next task: in one, so that nobody takes a task of a loop that has ended.
        std::atomic<std::uint64_t> ticket;
        std::atomic<std::uint32_t> done{0};

        explicit Shared(std::size_t tasks) : tasks(tasks), ticket(tasks) {}

        static std::uint64_t task_of(std::uint64_t ticket) { return ticket & 0xffffffff; }

        void publish(std::uint64_t loop) {
            ticket.store(loop << 32, std::memory_order_release);
            ticket.notify_all();
        }

        // Waits for one with a task; returns false at the end.
        bool next_loop() {
            for (int looks = 0;; looks++) {
                const std::uint64_t seen = ticket.load(std::memory_order_acquire);
                if (seen >> 32 == kEnd) return false;
                if (task_of(seen) < tasks) return true;
                if (looks < kPatience)
                    relax();
                else
                    ticket.wait(seen, std::memory_order_acquire);
            }
        }

        template <class Work>
        void work(Work &&body) {
            for (;;) {
                const std::uint64_t mine = ticket.fetch_add(1, std::memory_order_acq_rel);
                if (mine >> 32 == kEnd || task_of(mine) >= tasks) return;
                body(std::size_t(task_of(mine)));
                if (done.fetch_add(1, std::memory_order_acq_rel) + 1 == tasks) done.notify_one();
            }
        }

        void wait_for_all() {
            for (int looks = 0;; looks++) {
                const std::uint32_t seen = done.load(std::memory_order_acquire);
                if (seen == tasks) return;
                if (looks < kPatience)
                    relax();
                else
                    done.wait(seen, std::memory_order_acquire);
            }
        }
    };

    static void relax() {
#if defined(__SSE2__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }

    std::shared_ptr<Shared> shared_;
    Body body_;
    std::uint64_t loop_ = 0;
    Helpers helpers_;
};

// Threads that go through several loops together, without being started anew for each.
class Team {
public:
    // Calls body(task) once for each task in [0, tasks), shared among the members, and returns when
    // all are done. Every member makes the same calls, in the same order.
    template <class Body>
    void for_each(std::size_t tasks, Body &&body) {
        static_assert(std::is_nothrow_invocable_v<Body &, std::size_t>, "nobody would wait for the others");
        for (std::size_t task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks;) body(task);
        if (all_done_)
            all_done_->arrive_and_wait();
        else
            next_.store(0, std::memory_order_relaxed);
    }

private:
    struct Restart {
        std::atomic<std::size_t> *next;
        void operator()() noexcept { next->store(0, std::memory_order_relaxed); }
    };

    template <class Body>
    friend void as_team(int threads, Body &&body);

    std::atomic<std::size_t> next_{0};
    std::optional<std::barrier<Restart>> all_done_;  // none for a team of one
};

// Calls body(team, member) on at most `threads` threads, the caller's among them, and on fewer where the
// system gives no more.
template <class Body>
void as_team(int threads, Body &&body) {
    static_assert(std::is_nothrow_invocable_v<Body &, Team &, int>, "nobody would wait for the others");
    Team team;
    std::atomic<bool> complete{false};
    std::vector<std::thread> others;
    if (threads > 1) {  // nothing may throw once they run
        others.reserve(std::size_t(threads));
        team.all_done_.emplace(std::ptrdiff_t(threads), Team::Restart{&team.next_});
    }
    for (int thread = 1; thread < threads; thread++) {
        try {
            others.emplace_back([&, thread] {
                complete.wait(false);
                body(team, thread);
            });
        } catch (const std::exception &) {
            break;
        }
    }
    if (others.empty()) team.all_done_.reset();
    if (team.all_done_)
        for (int absent = int(others.size()) + 1; absent < threads; absent++) team.all_done_->arrive_and_drop();
    complete.store(true);
    complete.notify_all();
    Apart apart;
    for (auto &other : others) apart.move(other);
    body(team, 0);
    for (auto &other : others) other.join();
}

}  // namespace rmodels::RMODELS_ISA
