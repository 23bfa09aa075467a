#pragma once

/// CUDA graphs: work that is recorded once and then starts as one, without the host's time for each kernel.
///
///     Tensor<float, Cuda> clip({1, 8, 112, 112, 3}), emotion;
///     cuda::Graph graph([&] { emotion = softmax(face(clip).logits).value(); });
///     copy_async(next_clip, clip);
///     graph.launch();
///     use(emotion.to<Cpu>());
///
/// A whole training step is one graph, and making it is the first of them:
///
///     cuda::Graph step([&] {
///       adam.zero_grad();
///       backward(cross_entropy(face(clips).logits, labels));   // labels on the GPU
///       limit_gradient_norm(face.parameters(), 1);
///       adam.step();
///     });
///     for (...) {
///       copy_async(next_clips, clips);
///       copy_async(next_labels, labels);
///       schedule.apply_to(adam);
///       step.launch();
///     }

#include <array>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "mien/backend/cuda/device.hpp"
#include "mien/core/random.hpp"

namespace mien::cuda {

/// What is recorded are kernels, copies and the memory they work in, not decisions of the host: sizes, addresses, and
/// numbers that come from the host are those of the recording. Tensors that another run shall see anew are overwritten
/// in place before it (`copy_from`, `copy_async`). Two things differ from run to run by what the host knows, and do so
/// as without a graph: dropout draws from the default generator anew and moves it on, its gradient has to be in the
/// same graph; an optimiser's step counts, and takes the learning rate and momentum that the optimiser has when the run
/// is launched. What the host decides by a result, `optim::clip_gradient_norm` and `optim::LossScale`, is refused with
/// ValueError.
class Graph {
 public:
  /// Does `work` once, and then records it, in a stream of its own. Tensors that it leaves, like the result above,
  /// belong to the graph's memory and hold what the last run has put there. Throws what `work` throws, and CudaError if
  /// it waits for the GPU (`item()`, `to<Cpu>()`), which no graph can.
  template <class Work>
  explicit Graph(Work&& work) {
    const StreamScope scope(stream_);
    do_once(work);
    generator_ = Tensor<std::uint64_t, Cuda>({3});
    memory_.emplace(stream_);
    const Generator::State first = default_generator().state();
    // No call of another thread disturbs a recording, and an allocation does not end it.
    require("cudaStreamBeginCapture", cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeRelaxed));
    stream_.state()->begin_recording({first, generator_.data()});
    std::exception_ptr failure;
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    before_runs_ = stream_.state()->end_recording();
    // Nothing has been drawn yet.
    drawn_ = default_generator().state().counter - first.counter;
    default_generator().set_state(first);
    cudaGraph_t graph = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(stream_.get(), &graph);
    if (failure) {
      if (graph != nullptr) cudaGraphDestroy(graph);
      cudaGetLastError();
      std::rethrow_exception(failure);
    }
    require("cudaStreamEndCapture", ended);
    const cudaError_t made = cudaGraphInstantiateWithFlags(&runnable_, graph, 0);
    cudaGraphDestroy(graph);
    require("cudaGraphInstantiateWithFlags", made);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() {
    cudaStreamSynchronize(stream_.get());  // a run still works in the memory
    if (runnable_ != nullptr) cudaGraphExecDestroy(runnable_);
  }

  /// Queues all of it, after what the current stream has to do; that stream goes on after it. Throws ValueError where
  /// another graph is recorded.
  void launch() const {
    require_not_recording("a run of another graph");
    const Stream& caller = current_stream();
    stream_.wait_for(caller);
    if (drawn_ > 0) move_generator();
    {
      const StreamScope scope(stream_);
      for (const auto& prepare : before_runs_) prepare();
    }
    require("cudaGraphLaunch", cudaGraphLaunch(runnable_, stream_.get()));
    caller.wait_for(stream_);
  }

 private:
  /// What is recorded has addresses in the stream's memory, which therefore is the graph's own, even where it is free
  /// between two runs.
  class KeptMemory {
   public:
    explicit KeptMemory(const Stream& stream) : stream_(stream) { stream_.state()->memory().keep_cached(true); }
    KeptMemory(const KeptMemory&) = delete;
    KeptMemory& operator=(const KeptMemory&) = delete;
    ~KeptMemory() { stream_.state()->memory().keep_cached(false); }

   private:
    Stream stream_;
  };

  /// The caller's stream goes on after it, whatever becomes of it and of the recording, in which nothing is done.
  template <class Work>
  void do_once(Work& work) {
    stream_.wait_for(outer_);
    try {
      work();
    } catch (...) {
      outer_.wait_for(stream_);
      throw;
    }
    outer_.wait_for(stream_);
  }

  void move_generator() const {
    Generator::State state = default_generator().state();
    const std::array now{state.seed, state.stream, state.counter};
    stream_.state()->upload(now.data(), generator_.data(), sizeof now);
    state.counter += drawn_;
    default_generator().set_state(state);
  }

  Stream outer_ = current_stream();
  Stream stream_;
  mutable Tensor<std::uint64_t, Cuda> generator_;  ///< its state in this run
  std::uint64_t drawn_ = 0;                        ///< counters of it that a run takes
  std::vector<std::function<void()>> before_runs_;
  std::optional<KeptMemory> memory_;
  cudaGraphExec_t runnable_ = nullptr;
};

}  // namespace mien::cuda
