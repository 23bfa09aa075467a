#pragma once

/// Ranks that are threads of one program: what is made for several processes can be tried and tested in one, without
/// MPI. It is no way to train faster, which the threads of operations do.
///
///     train::run_ranks(4, [&](train::Communicator& communicator) {
///       Network network;
///       ...
///     });

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mien/core/random.hpp"
#include "mien/train/communicator.hpp"

namespace mien::train {

namespace detail {

/// Where threads meet. Their calls are numbered, each rank's for itself: those of one number belong together.
class ThreadMeeting {
 public:
  enum class Kind { sum, broadcast };

  struct Call {
    Kind kind = Kind::sum;
    Elements elements = {};
    Index root = 0;
  };

  explicit ThreadMeeting(Index size) : size_(size) {}

  Index size() const { return size_; }

  /// The last one to come does the work. Throws RankLost if somebody is gone who has not come, ValueError if the ranks'
  /// calls do not fit together; nobody goes on then.
  void come(Index rank, std::uint64_t number, const Call& call) {
    const std::lock_guard lock(mutex_);
    if (lost_) throw RankLost(*lost_);
    Round& round = rounds_[number];
    for (const auto& [other, earlier] : round.calls) {
      if (call.kind == earlier.kind && call.elements.type == earlier.elements.type &&
          call.elements.count == earlier.elements.count && call.root == earlier.root)
        continue;
      lose(mien::detail::text("rank ", rank, " comes with ", in_words(call), " to call ", number, ", rank ", other,
                              " with ", in_words(earlier)));
      throw ValueError(*lost_);
    }
    round.calls[rank] = call;
    if (static_cast<Index>(round.calls.size()) < size_) return;
    work(round);
    round.is_done = true;
    changed_.notify_all();
  }

  bool is_done(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    return rounds_.at(number).is_done;
  }

  /// Throws RankLost if it never will be.
  void wait(std::uint64_t number) {
    std::unique_lock lock(mutex_);
    const Round& round = rounds_.at(number);
    changed_.wait(lock, [&] { return round.is_done || lost_; });
    if (!round.is_done) throw RankLost(*lost_);
  }

  /// The rank has no more to do with this call.
  void leave(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    const auto round = rounds_.find(number);
    if (!round->second.is_done) {
      // Nobody may write any more to what the rank brought.
      lose("a rank gave up a sum that was not done");
    } else if (++round->second.left == size_) {
      rounds_.erase(round);
    }
  }

  /// The rank will not come again.
  void end(Index rank) {
    const std::lock_guard lock(mutex_);
    lose(mien::detail::text("rank ", rank, " of ", size_, " is gone"));
  }

 private:
  struct Round {
    std::map<Index, Call> calls = {};  ///< by rank
    bool is_done = false;
    Index left = 0;
  };

  static std::string in_words(const Call& call) {
    if (call.kind == Kind::sum) return "a sum of " + to_string(call.elements);
    return mien::detail::text("a broadcast of ", to_string(call.elements), " from rank ", call.root);
  }

  void lose(const std::string& why) {
    if (!lost_) lost_ = why;
    changed_.notify_all();
  }

  static void work(Round& round) {
    const Call& first = round.calls.begin()->second;
    if (first.kind == Kind::broadcast) {
      copy_to_others(round, first.root);
    } else if (first.elements.type == ElementType::float32) {
      add_up<float>(round);
    } else {
      add_up<double>(round);
    }
  }

  /// In the order of the ranks.
  template <class T>
  static void add_up(Round& round) {
    const Elements& all = round.calls.begin()->second.elements;
    const auto count = static_cast<std::size_t>(all.count);
    T* const sum = static_cast<T*>(all.data);
    for (auto call = std::next(round.calls.begin()); call != round.calls.end(); ++call)
      for (std::size_t i = 0; i < count; ++i) sum[i] += static_cast<const T*>(call->second.elements.data)[i];
    copy_to_others(round, round.calls.begin()->first);
  }

  static void copy_to_others(Round& round, Index from) {
    const Elements& source = round.calls.at(from).elements;
    const std::size_t width = source.type == ElementType::bytes ? 1 : source.type == ElementType::float32 ? 4 : 8;
    if (source.count == 0) return;
    for (auto& [rank, call] : round.calls)
      if (rank != from) std::memcpy(call.elements.data, source.data, static_cast<std::size_t>(source.count) * width);
  }

  const Index size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Round> rounds_;
  std::optional<std::string> lost_;
};

class ThreadRequest final : public Request {
 public:
  ThreadRequest(std::shared_ptr<ThreadMeeting> meeting, std::uint64_t number)
      : meeting_(std::move(meeting)), number_(number) {}
  ~ThreadRequest() override { meeting_->leave(number_); }

  bool test() override { return meeting_->is_done(number_); }
  void wait() override { meeting_->wait(number_); }

 private:
  std::shared_ptr<ThreadMeeting> meeting_;
  std::uint64_t number_;
};

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(std::shared_ptr<ThreadMeeting> meeting, Index rank) : meeting_(std::move(meeting)), rank_(rank) {}
  ~ThreadCommunicator() override { meeting_->end(rank_); }

  Index rank() const override { return rank_; }
  Index size() const override { return meeting_->size(); }

  using Communicator::start_sum;
  std::unique_ptr<Request> start_sum(const Elements& elements) override {
    if (elements.type == ElementType::bytes) throw ValueError("Communicator: bytes cannot be added up");
    return start({ThreadMeeting::Kind::sum, elements, 0});
  }
  using Communicator::broadcast;
  void broadcast(const Elements& elements, Index root) override {
    start({ThreadMeeting::Kind::broadcast, elements, root})->wait();
  }
  void barrier() override { start({ThreadMeeting::Kind::broadcast, {}, 0})->wait(); }
  void abandon(int) noexcept override { meeting_->end(rank_); }

 private:
  std::unique_ptr<Request> start(const ThreadMeeting::Call& call) {
    if (call.elements.is_on_gpu) throw ValueError("Communicator: threads exchange what lies in the host's memory");
    if (call.root < 0 || call.root >= size())
      throw ValueError(mien::detail::text("Communicator: rank ", call.root, " of ", size()));
    meeting_->come(rank_, calls_, call);
    return std::make_unique<ThreadRequest>(meeting_, calls_++);
  }

  std::shared_ptr<ThreadMeeting> meeting_;
  Index rank_;
  std::uint64_t calls_ = 0;
};

/// The first failure that is no consequence of another one; null if there is none at all.
inline std::exception_ptr cause_of(const std::vector<std::exception_ptr>& failures) {
  std::exception_ptr consequence;
  for (const std::exception_ptr& failure : failures) {
    if (!failure) continue;
    try {
      std::rethrow_exception(failure);
    } catch (const RankLost&) {
      if (!consequence) consequence = failure;
    } catch (...) {
      return failure;
    }
  }
  return consequence;
}

}  // namespace detail

/// Calls `body(communicator)` on as many threads as there are ranks, each with a `default_generator` of its own, and
/// returns when all are done. If some of them throw, the others' calls throw RankLost, and the first cause is thrown.
/// Throws ValueError for less than one rank, Error if the system has no more threads.
template <class Body>
void run_ranks(Index ranks, const Body& body) {
  if (ranks < 1) throw ValueError(mien::detail::text("run_ranks: ", ranks, " ranks"));
  const auto meeting = std::make_shared<detail::ThreadMeeting>(ranks);
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(ranks));
  {
    std::vector<std::jthread> threads;
    const auto be_rank = [&](Index rank) {
      detail::ThreadCommunicator communicator(meeting, rank);
      Generator generator;
      const GeneratorScope scope(generator);
      try {
        body(static_cast<Communicator&>(communicator));
      } catch (...) {
        failures[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    };
    for (Index rank = 0; rank < ranks; ++rank) {
      try {
        threads.emplace_back(be_rank, rank);
      } catch (const std::exception& error) {
        // Those that are there would wait for it.
        meeting->end(rank);
        throw Error(mien::detail::text("run_ranks: no thread for rank ", rank, " of ", ranks, ": ", error.what()));
      }
    }
  }
  if (const std::exception_ptr cause = detail::cause_of(failures)) std::rethrow_exception(cause);
}

}  // namespace mien::train
