// Work shared among threads that live for one call: nothing survives it, so that a process may fork
// at any time between calls. Starting a thread costs about 10 microseconds.
#pragma once

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

#include "native/interrupts.hpp"

namespace rmodels::RMODELS_ISA {

// Calls body(task, thread) once for each task in [0, tasks), on at most `threads` threads, the
// caller's among them. Which thread takes which task is not fixed: a result that must not depend on
// it is stored by task. The first exception thrown is thrown again here, once all have stopped; Ctrl-C is
// answered between two tasks of the caller.
template <class Body>
void parallel_for(std::size_t tasks, int threads, Body &&body) {
    std::atomic<std::size_t> next{0};
    std::exception_ptr failure;
    std::mutex failure_lock;
    auto work = [&](int thread) {
        try {
            for (std::size_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) {
                body(task, thread);
                if (thread == 0) answer_interrupts();
            }
        } catch (...) {
            next.store(tasks, std::memory_order_relaxed);
            std::lock_guard<std::mutex> hold(failure_lock);
            if (!failure) failure = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    const std::size_t wanted = std::min(threads < 1 ? 1 : std::size_t(threads), tasks);
    others.reserve(wanted);  // nothing may throw once they run
    for (std::size_t thread = 1; thread < wanted; thread++) {
        try {
            others.emplace_back(work, int(thread));
        } catch (const std::exception &) {
            break;  // no more threads, or no memory for one: those that run do all the work
        }
    }
    work(0);
    for (auto &other : others) other.join();
    if (failure) std::rethrow_exception(failure);
}

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
    body(team, 0);
    for (auto &other : others) other.join();
}

}  // namespace rmodels::RMODELS_ISA
