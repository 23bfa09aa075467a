#pragma once

/// One small interface to the cores: `parallel_for`. Work is cut into chunks whose borders depend on the range and the
/// grain alone, never on the number of threads, so that a sum over chunks gives the same bits on any machine.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>
#include <type_traits>
#include <vector>

#include "mien/core/shape.hpp"

namespace mien {
namespace detail {

/// Tells the processor that a loop waits.
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits for `ready()` without giving the core away, but not long: what a sleeping thread needs to wake up is saved
/// between jobs that follow each other closely, and little is lost to others where they do not. Whether it came true.
template <class Ready>
bool spin_until(const Ready& ready) {
  constexpr std::chrono::microseconds longest(50);
  const auto begin = std::chrono::steady_clock::now();
  while (!ready()) {
    for (int i = 0; i < 16; ++i) pause();
    if (std::chrono::steady_clock::now() - begin > longest) return ready();
  }
  return true;
}

/// Workers that wait for jobs, awake for a while and then asleep. One job runs at a time; who comes second, or from
/// inside a job, works alone.
class ThreadPool {
 public:
  using Chunk = void (*)(void* context, Index chunk);

  /// Throws Error if the system refuses a thread.
  explicit ThreadPool(int threads) {
    try {
      for (int i = 1; i < threads; ++i) workers_.emplace_back([this](std::stop_token stop) { work_until(stop); });
    } catch (const std::system_error& error) {
      throw Error(text("thread pool: the system gave ", this->threads(), " of ", threads, " threads: ", error.what()));
    }
  }

  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  ~ThreadPool() {
    for (auto& worker : workers_) worker.request_stop();
    wake_.notify_all();
  }

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls `chunk(context, i)` for every i in [0, chunks). Rethrows the first exception once all threads are done.
  void run(Index chunks, Chunk chunk, void* context) {
    std::unique_lock only_job(one_job_, std::defer_lock);
    if (chunks <= 1 || workers_.empty() || inside_job() || !only_job.try_lock()) {
      for (Index i = 0; i < chunks; ++i) chunk(context, i);
      return;
    }
    Job job{chunk, context, chunks};
    {
      std::lock_guard lock(mutex_);
      job_ = &job;
      ++jobs_;
    }
    wake_.notify_all();
    take_chunks(job);
    const auto is_done = [&] { return helpers_ == 0; };
    {
      std::lock_guard lock(mutex_);
      job_ = nullptr;
    }
    if (!spin_until(is_done)) {
      std::unique_lock lock(mutex_);
      done_.wait(lock, is_done);
    }
    if (job.error) std::rethrow_exception(job.error);
  }

 private:
  struct Job {
    Chunk chunk;
    void* context;
    Index chunks;
    std::atomic<Index> next{0};
    std::mutex error_mutex{};
    std::exception_ptr error{};
  };

  static bool& inside_job() {
    thread_local bool inside = false;
    return inside;
  }

  static void take_chunks(Job& job) {
    inside_job() = true;
    try {
      for (Index i = job.next++; i < job.chunks; i = job.next++) job.chunk(job.context, i);
    } catch (...) {
      job.next = job.chunks;
      std::lock_guard lock(job.error_mutex);
      if (!job.error) job.error = std::current_exception();
    }
    inside_job() = false;
  }

  void work_until(const std::stop_token& stop) {
    const auto has_work = [&] { return job_ != nullptr && job_->next < job_->chunks; };
    unsigned seen = 0;
    while (true) {
      const bool news = spin_until([&] { return jobs_ != seen || stop.stop_requested(); });
      std::unique_lock lock(mutex_);
      seen = jobs_;
      if (news && !has_work() && !stop.stop_requested()) continue;  // the others were done with it sooner
      if (!wake_.wait(lock, stop, has_work)) return;
      seen = jobs_;
      Job& job = *job_;
      ++helpers_;
      lock.unlock();
      take_chunks(job);
      lock.lock();
      if (--helpers_ == 0) done_.notify_all();
    }
  }

  std::mutex one_job_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::condition_variable done_;
  Job* job_ = nullptr;
  std::atomic<unsigned> jobs_{0};  ///< so far; changed, like the helpers, under the mutex, and watched without it
  std::atomic<int> helpers_{0};    ///< workers at a job
  std::vector<std::jthread> workers_;  // last, so that the threads end before what they use
};

struct SharedThreadPool {
  std::mutex mutex;
  std::shared_ptr<ThreadPool> pool;
};

inline SharedThreadPool& shared_thread_pool() {
  static auto* const shared = new SharedThreadPool;
  return *shared;
}

inline std::shared_ptr<ThreadPool> thread_pool() {
  SharedThreadPool& shared = shared_thread_pool();
  std::lock_guard lock(shared.mutex);
  if (!shared.pool)
    shared.pool = std::make_shared<ThreadPool>(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
  return shared.pool;
}

}  // namespace detail

/// Threads that operations may use, the caller included. The default is one for each core.
inline int thread_count() { return detail::thread_pool()->threads(); }

/// Results do not depend on this number. Must not be called from inside a `parallel_for`. Throws ValueError unless
/// `threads` is positive, Error if the system refuses that many; the number stays as it was then.
inline void set_thread_count(int threads) {
  if (threads < 1) throw ValueError(detail::text("thread count ", threads, " is not positive"));
  auto pool = std::make_shared<detail::ThreadPool>(threads);
  detail::SharedThreadPool& shared = detail::shared_thread_pool();
  std::lock_guard lock(shared.mutex);
  shared.pool.swap(pool);
}

/// Chunks of `parallel_for` over a range of this length.
inline Index chunk_count(Index length, Index grain) { return (length + grain - 1) / grain; }

/// Calls `body(first, last)` for the chunks of [begin, end), `grain` long each but for the last one, on all threads.
template <class Body>
void parallel_for(Index begin, Index end, Index grain, Body&& body) {
  if (grain < 1) throw ValueError(detail::text("parallel_for: grain ", grain, " is not positive"));
  if (begin >= end) return;
  if (end - begin <= grain) {
    body(begin, end);
    return;
  }
  auto chunk = [&](Index i) { body(begin + i * grain, std::min(end, begin + (i + 1) * grain)); };
  detail::thread_pool()->run(
      chunk_count(end - begin, grain), [](void* context, Index i) { (*static_cast<decltype(chunk)*>(context))(i); },
      &chunk);
}

}  // namespace mien
