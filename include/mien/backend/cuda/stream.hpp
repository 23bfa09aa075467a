#pragma once

/// Streams: queues of work for the GPU, each with memory of its own.
///
/// Everything that a thread does with tensors on the GPU goes into its current stream, in order: the program's stream,
/// unless a `StreamScope` names another one. Calls return as soon as the work is queued; only what comes back to the
/// host is waited for (`item()`, `to<Cpu>()`, `synchronize()`).
///
///     cuda::Stream copies;
///     Tensor<float, Cuda> next;
///     {
///       const cuda::StreamScope scope(copies);
///       next = batch.to<Cuda>();              // while the current stream computes
///     }
///     cuda::current_stream().wait_for(copies);
///
/// Memory belongs to the stream that a tensor was made in, and a freed block is there for that stream's next work at
/// once. So a tensor that another stream works with has to live until its own stream has waited for that one.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "mien/backend/cuda/error.hpp"
#include "mien/backend/cuda/memory.hpp"
#include "mien/core/random.hpp"

namespace mien::cuda {

/// A point in a stream's work.
class Event {
 public:
  Event() { require("cudaEventCreateWithFlags", cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  ~Event() {
    if (event_ != nullptr) cudaEventDestroy(event_);
  }

  void record(cudaStream_t stream) { require("cudaEventRecord", cudaEventRecord(event_, stream)); }
  bool is_reached() const {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) {
      cudaGetLastError();
      return false;
    }
    require("cudaEventQuery", status);
    return true;
  }
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// A block of pinned memory, which goes back to its cache.
class PinnedBlock {
 public:
  explicit PinnedBlock(std::size_t bytes) : data_(pinned_memory().allocate(bytes)), bytes_(bytes) {}
  PinnedBlock(PinnedBlock&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  PinnedBlock& operator=(PinnedBlock&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~PinnedBlock() {
    if (data_ != nullptr) pinned_memory().deallocate(data_, bytes_);
  }
  void* data() const { return data_; }

 private:
  void* data_;
  std::size_t bytes_;
};

/// The default generator of a thread that records a graph: its state when that began, and on the GPU what it is in a
/// run, as seed, stream and counter.
struct RecordedGenerator {
  Generator::State first;
  const std::uint64_t* now;
};

/// What a stream is made of; shared by handles and by the tensors in its memory.
class StreamState {
 public:
  StreamState() {
    require("cudaGetDevice", cudaGetDevice(&device_));
    require("cudaStreamCreateWithFlags", cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  }
  StreamState(const StreamState&) = delete;
  StreamState& operator=(const StreamState&) = delete;
  ~StreamState() {
    // Blocks go back to the device, so that work on them has to be done.
    cudaStreamSynchronize(stream_);
    cudaStreamDestroy(stream_);
  }

  cudaStream_t get() const { return stream_; }
  int device() const { return device_; }
  /// Throws ValueError where this thread's current device is another one, whose memory would be of no use here.
  void require_current() const {
    int current = 0;
    require("cudaGetDevice", cudaGetDevice(&current));
    if (current != device_)
      throw ValueError(mien::detail::text("a stream of GPU ", device_, " where GPU ", current,
                                          " is current: choose it before the first tensor on a GPU, or work in a "
                                          "stream of its own (cuda::StreamScope)"));
  }
  BlockCache<DeviceMemorySource>& memory() { return memory_; }

  /// Copies what is at `from` when this is called; it may change right after.
  void upload(const void* from, void* to, std::size_t bytes) {
    if (bytes == 0) return;
    PinnedBlock staging(bytes);
    std::memcpy(staging.data(), from, bytes);
    require("cudaMemcpyAsync", cudaMemcpyAsync(to, staging.data(), bytes, cudaMemcpyHostToDevice, stream_));
    std::lock_guard lock(mutex_);
    if (recorded_generator_) {
      recorded_.push_back(std::move(staging));
      return;
    }
    while (!staged_.empty() && staged_.front().copied.is_reached()) staged_.pop_front();
    staged_.push_back({std::move(staging), Event()});
    staged_.back().copied.record(stream_);
  }

  void download(const void* from, void* to, std::size_t bytes) {
    if (bytes == 0) return;
    require("cudaMemcpyAsync", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_));
    synchronize();
  }

  void synchronize() { require("cudaStreamSynchronize", cudaStreamSynchronize(stream_)); }

  /// While a graph records, what it uploads has to last as long as the graph, and what it draws is drawn anew by each
  /// run.
  void begin_recording(const RecordedGenerator& generator) {
    std::lock_guard lock(mutex_);
    recorded_generator_ = generator;
  }
  /// What has to be called before each run of what was recorded, in this order.
  std::vector<std::function<void()>> end_recording() {
    std::lock_guard lock(mutex_);
    recorded_generator_.reset();
    return std::exchange(calls_before_runs_, {});
  }
  bool is_recording() { return recorded_generator().has_value(); }
  /// For recorded work that differs from run to run by what the host knows.
  void before_each_run(std::function<void()> call) {
    std::lock_guard lock(mutex_);
    calls_before_runs_.push_back(std::move(call));
  }
  std::optional<RecordedGenerator> recorded_generator() {
    std::lock_guard lock(mutex_);
    return recorded_generator_;
  }

 private:
  struct Staged {
    PinnedBlock block;
    Event copied;
  };

  int device_ = 0;
  cudaStream_t stream_ = nullptr;
  BlockCache<DeviceMemorySource> memory_;
  std::mutex mutex_;
  std::deque<Staged> staged_;
  std::vector<PinnedBlock> recorded_;
  std::optional<RecordedGenerator> recorded_generator_;
  std::vector<std::function<void()>> calls_before_runs_;
};

namespace detail {

/// All streams there are, to give back what they keep when memory runs out.
class StreamRegistry {
 public:
  void add(const std::shared_ptr<StreamState>& stream) {
    std::lock_guard lock(mutex_);
    std::erase_if(streams_, [](const auto& known) { return known.expired(); });
    streams_.push_back(stream);
  }
  void release_cached() {
    std::lock_guard lock(mutex_);
    for (const auto& known : streams_)
      if (const auto stream = known.lock()) stream->memory().release_cached();
  }

 private:
  std::mutex mutex_;
  std::vector<std::weak_ptr<StreamState>> streams_;
};

inline StreamRegistry& streams() {
  static auto* const registry = new StreamRegistry;
  return *registry;
}

}  // namespace detail

/// A handle: copies are the same stream.
class Stream {
 public:
  /// A new one, on the current device.
  Stream() : state_(std::make_shared<StreamState>()) { detail::streams().add(state_); }

  cudaStream_t get() const { return state_->get(); }

  /// Waits until all work so far is done.
  void synchronize() const { state_->synchronize(); }

  /// Work that is queued here from now on begins when that of the other stream is done which is queued there already.
  void wait_for(const Stream& other) const {
    Event reached;
    reached.record(other.get());
    require("cudaStreamWaitEvent", cudaStreamWaitEvent(get(), reached.get(), 0));
  }

  MemoryStatistics memory_statistics() const { return state_->memory().statistics(); }

  const std::shared_ptr<StreamState>& state() const { return state_; }

 private:
  std::shared_ptr<StreamState> state_;
};

namespace detail {

inline const Stream*& thread_stream() {
  thread_local const Stream* stream = nullptr;
  return stream;
}

}  // namespace detail

/// The stream of everything that no scope claims, for all threads. Never destroyed: static tensors may outlive it.
inline const Stream& program_stream() {
  static const auto* const stream = new Stream;
  return *stream;
}

inline const Stream& current_stream() {
  const Stream* own = detail::thread_stream();
  if (own != nullptr) return *own;
  // A thread begins on device 0, wherever the program's stream is.
  thread_local const bool is_on_device =
      (require("cudaSetDevice", cudaSetDevice(program_stream().state()->device())), true);
  static_cast<void>(is_on_device);
  return program_stream();
}

/// Waits until all work of the current stream is done; what went wrong in it is thrown here.
inline void synchronize() { current_stream().synchronize(); }

/// Throws ValueError, which says why, while the current stream records a graph.
inline void require_not_recording(const char* what, const char* why = "every run would do the same") {
  if (current_stream().state()->is_recording())
    throw ValueError(
        mien::detail::text("cuda::Graph: ", what, " cannot be recorded, since ", why, "; leave it out of the graph"));
}

/// While one lives, this thread's work goes into that stream, and its current device is the stream's.
class StreamScope {
 public:
  explicit StreamScope(const Stream& stream) : stream_(stream) {
    require("cudaGetDevice", cudaGetDevice(&device_before_));
    require("cudaSetDevice", cudaSetDevice(stream_.state()->device()));
    before_ = std::exchange(detail::thread_stream(), &stream_);
  }
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;
  ~StreamScope() {
    detail::thread_stream() = before_;
    cudaSetDevice(device_before_);
  }

 private:
  Stream stream_;
  const Stream* before_ = nullptr;
  int device_before_ = 0;
};

}  // namespace mien::cuda
