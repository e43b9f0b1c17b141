// Work shared among threads that live for one call: nothing survives it, so that a process may fork
// at any time between calls. Starting a thread costs about 10 microseconds.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace rmodels::RMODELS_ISA {

// Calls body(task, thread) once for each task in [0, tasks), on at most `threads` threads, the
// caller's among them. Which thread takes which task is not fixed: a result that must not depend on
// it is stored by task. The first exception thrown is thrown again here, once all have stopped.
template <class Body>
void parallel_for(std::size_t tasks, int threads, Body&& body) {
    std::atomic<std::size_t> next{0};
    std::exception_ptr failure;
    std::mutex failure_lock;
    auto work = [&](int thread) {
        try {
            for (std::size_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) body(task, thread);
        } catch (...) {
            next.store(tasks, std::memory_order_relaxed);
            std::lock_guard<std::mutex> hold(failure_lock);
            if (!failure) failure = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    const std::size_t wanted = threads < 1 ? 1 : std::size_t(threads);
    for (std::size_t thread = 1; thread < wanted && thread < tasks; thread++) {
        try {
            others.emplace_back(work, int(thread));
        } catch (const std::system_error&) {
            break;  // the system gives no more threads: those that run do all the work
        }
    }
    work(0);
    for (auto& other : others) other.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace rmodels::RMODELS_ISA
