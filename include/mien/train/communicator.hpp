#pragma once

/// What several processes that train one network together have to say to each other. A process is called a rank, and
/// has a number from 0 on; every call below is made by all ranks, in the same order and with as many elements.
///
///     communicator.sum(gradient);                       // in place, on every rank
///     auto request = communicator.start_sum(bucket);    // the same, while this rank goes on computing
///     ...
///     request->wait();
///
/// Ranks are processes that `mpirun` starts (`train::MpiCommunicator` of train/mpi.hpp), GPUs
/// (`train::NcclCommunicator` of train/nccl.hpp), or threads of one program (`train::run_ranks`, for tests).

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mien/core/tensor.hpp"

namespace mien::train {

/// Another rank is gone, or did not answer in time.
class RankLost : public Error {
 public:
  using Error::Error;
};

/// How long ranks of several processes wait for each other.
struct WaitOptions {
  /// Longest wait. Ranks wait for one that validates, saves or reads, so this is no short time.
  std::chrono::seconds patience{1800};
  /// Asked while others are waited for; true gives up. A program sets it from its handler of SIGTERM, which `mpirun`
  /// sends to the ranks that are left when one is lost.
  std::function<bool()> gives_up = {};
};

enum class ElementType { bytes, float32, float64 };

/// What is exchanged, in place.
struct Elements {
  void* data = nullptr;
  Index count = 0;
  ElementType type = ElementType::bytes;
  bool is_on_gpu = false;
  /// Keeps them in memory while they are on their way, whatever exception the caller leaves by; null: the caller does.
  std::shared_ptr<const void> owner = {};

  /// Throws ShapeError for a tensor that has gaps in memory.
  template <class T, class Device>
  static Elements of(Tensor<T, Device>& tensor) {
    static_assert(std::same_as<T, float> || std::same_as<T, double>, "ranks add up numbers of float and double");
    if (!tensor.is_contiguous())
      throw ShapeError(mien::detail::text("Communicator: tensor ", tensor.shape(), " has gaps in memory"));
    return {tensor.data(), tensor.elements(), std::same_as<T, float> ? ElementType::float32 : ElementType::float64,
            !std::same_as<Device, Cpu>, std::make_shared<const Tensor<T, Device>>(tensor)};
  }
};

/// As in "31 float32".
inline std::string to_string(const Elements& elements) {
  const char* const names[] = {"bytes", "float32", "float64"};
  return mien::detail::text(elements.count, " ", names[static_cast<int>(elements.type)]);
}

/// Something that was started and goes on beside the caller's work. The elements must not be touched before it is done,
/// and the communicator has to live as long.
class Request {
 public:
  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  virtual ~Request() = default;

  /// Whether it is done. Ask now and then: some kinds go on only while they are asked.
  virtual bool test() = 0;
  /// Throws RankLost if it never will be.
  virtual void wait() = 0;
};

class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  virtual Index rank() const = 0;
  virtual Index size() const = 0;
  /// The one that writes files and says how far training is.
  bool is_first() const { return rank() == 0; }

  /// Starts to replace every element by its sum over all ranks: the same bits on each of them, and in every run with as
  /// many. Throws ValueError for bytes, and for elements that this kind of communicator does not reach.
  virtual std::unique_ptr<Request> start_sum(const Elements& elements) = 0;
  /// Everybody gets what `root` has.
  virtual void broadcast(const Elements& elements, Index root) = 0;
  /// Nobody goes on before all have come here.
  virtual void barrier() = 0;
  /// This rank cannot go on, and nobody must wait for it. Where ranks are processes this ends all of them.
  virtual void abandon(int exit_code) noexcept = 0;

  template <class T, class Device>
  std::unique_ptr<Request> start_sum(Tensor<T, Device>& tensor) {
    return start_sum(Elements::of(tensor));
  }
  template <class T, class Device>
  void sum(Tensor<T, Device>& tensor) {
    start_sum(tensor)->wait();
  }
  void sum(std::span<double> numbers) {
    exchange(numbers, [this](auto& all) { sum(all); });
  }
  /// What all ranks have, one rank after the other: as many numbers of each.
  std::vector<double> gather(std::span<const double> own) {
    std::vector<double> all(own.size() * static_cast<std::size_t>(size()), 0.0);
    std::copy(own.begin(), own.end(), all.begin() + rank() * std::ssize(own));
    sum(all);
    return all;
  }
  template <class T, class Device>
  void broadcast(Tensor<T, Device>& tensor, Index root = 0) {
    broadcast(Elements::of(tensor), root);
  }
  void broadcast(std::span<double> numbers, Index root = 0) {
    exchange(numbers, [&](auto& all) { broadcast(all, root); });
  }

 private:
  /// In memory of our own: a caller's numbers may be gone before what works on them, once RankLost is thrown.
  template <class Action>
  static void exchange(std::span<double> numbers, const Action& action) {
    Tensor<double> all({std::ssize(numbers)});
    std::copy(numbers.begin(), numbers.end(), all.data());
    action(all);
    std::copy(all.data(), all.data() + all.elements(), numbers.begin());
  }
};

namespace detail {

/// Memory that a library works on, even if nobody else knows of it any more.
using InFlight = std::list<std::shared_ptr<const void>>;

/// Asks until something is done that other ranks take part in.
class RankWait {
 public:
  /// `options` have to live as long.
  RankWait(const WaitOptions& options, Index rank, Index size) : options_(options), rank_(rank), size_(size) {}

  /// Throws RankLost.
  template <class Done>
  void until(const Done& done) const {
    const auto begin = std::chrono::steady_clock::now();
    while (!done()) {
      const auto waited = std::chrono::steady_clock::now() - begin;
      if (options_.gives_up && options_.gives_up()) lose("was told to end");
      // In whole seconds, of which any number is a patience that can be compared with.
      if (std::chrono::duration_cast<std::chrono::seconds>(waited) >= options_.patience)
        lose(mien::detail::text("waited ", options_.patience.count(), " s"));
      // Whoever has the core meanwhile may be the rank that is waited for.
      if (waited > std::chrono::milliseconds(1)) std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }

 private:
  [[noreturn]] void lose(const std::string& why) const {
    throw RankLost(mien::detail::text("rank ", rank_, " of ", size_, " ", why,
                                      " while it waited for the others; one of them is lost, or has stopped"));
  }

  const WaitOptions& options_;
  Index rank_, size_;
};

}  // namespace detail

}  // namespace mien::train
