#pragma once

/// Ranks that are GPUs, one a process, by NVIDIA's library NCCL. It needs another communicator, such as MPI's, by which
/// ranks find each other, and which exchanges what lies in the hosts' memory.
///
///     train::MpiCommunicator processes;
///     cudaSetDevice(local_rank);
///     train::NcclCommunicator gpus(processes);
///     train::Trainer<float, Cuda> trainer(adam, {.communicator = &gpus});
///
/// In CMake: `-D MIEN_CUDA=ON -D MIEN_NCCL=ON`, and link `mien::cuda`. It compiles against NCCL 2.28, and no GPU has
/// run it yet.

#include <nccl.h>

#include <memory>
#include <thread>
#include <utility>

#include "mien/backend/cuda/device.hpp"
#include "mien/backend/cuda/stream.hpp"
#include "mien/train/communicator.hpp"

namespace mien::train {

/// A call of NCCL failed.
class NcclError : public Error {
 public:
  NcclError(const char* call, ncclResult_t code)
      : Error(mien::detail::text(call, " failed: ", ncclGetErrorString(code))), code_(code) {}

  ncclResult_t code() const { return code_; }

 private:
  ncclResult_t code_;
};

namespace detail {

inline void require_nccl(const char* call, ncclResult_t code) {
  if (code != ncclSuccess) throw NcclError(call, code);
}

/// Work of NCCL's in a stream of its own. Who waits on the host learns of a rank that is lost; a stream would wait for
/// ever.
class NcclRequest final : public Request {
 public:
  NcclRequest(ncclComm_t ranks, cudaStream_t stream) : ranks_(ranks) { done_.record(stream); }

  bool test() override {
    ncclResult_t state = ncclSuccess;
    require_nccl("ncclCommGetAsyncError", ncclCommGetAsyncError(ranks_, &state));
    if (state != ncclSuccess && state != ncclInProgress)
      throw RankLost(mien::detail::text("NCCL: ", ncclGetErrorString(state)));
    return done_.is_reached();
  }

  void wait() override {
    while (!test()) std::this_thread::yield();
  }

 private:
  ncclComm_t ranks_;
  cuda::Event done_;
};

}  // namespace detail

/// All GPUs of a job: each process's current one. The other communicator has to live as long.
class NcclCommunicator final : public Communicator {
 public:
  /// Throws NcclError.
  explicit NcclCommunicator(Communicator& processes) : processes_(processes) {
    ncclUniqueId meeting_place{};
    if (processes.is_first()) detail::require_nccl("ncclGetUniqueId", ncclGetUniqueId(&meeting_place));
    processes.broadcast(Elements{meeting_place.internal, NCCL_UNIQUE_ID_BYTES, ElementType::bytes, false}, 0);
    detail::require_nccl("ncclCommInitRank", ncclCommInitRank(&ranks_, static_cast<int>(processes.size()),
                                                              meeting_place, static_cast<int>(processes.rank())));
  }
  ~NcclCommunicator() override { ncclCommDestroy(ranks_); }

  Index rank() const override { return processes_.rank(); }
  Index size() const override { return processes_.size(); }

  using Communicator::start_sum;
  std::unique_ptr<Request> start_sum(const Elements& elements) override {
    if (!elements.is_on_gpu) return processes_.start_sum(elements);
    // What is summed up has to be computed; what is computed after it need not wait.
    stream_.wait_for(cuda::current_stream());
    detail::require_nccl("ncclAllReduce",
                         ncclAllReduce(elements.data, elements.data, static_cast<std::size_t>(elements.count),
                                       type_of(elements), ncclSum, ranks_, stream_.get()));
    return std::make_unique<detail::NcclRequest>(ranks_, stream_.get());
  }

  using Communicator::broadcast;
  void broadcast(const Elements& elements, Index root) override {
    if (!elements.is_on_gpu) {
      processes_.broadcast(elements, root);
      return;
    }
    stream_.wait_for(cuda::current_stream());
    detail::require_nccl("ncclBroadcast",
                         ncclBroadcast(elements.data, elements.data, static_cast<std::size_t>(elements.count),
                                       type_of(elements), static_cast<int>(root), ranks_, stream_.get()));
    detail::NcclRequest(ranks_, stream_.get()).wait();
  }

  void barrier() override { processes_.barrier(); }

  void abandon(int exit_code) noexcept override {
    ncclCommAbort(ranks_);
    processes_.abandon(exit_code);
  }

 private:
  /// Throws ValueError for bytes, which no tensor on a GPU is sent as.
  static ncclDataType_t type_of(const Elements& elements) {
    if (elements.type == ElementType::bytes) throw ValueError("NcclCommunicator: GPUs exchange float and double");
    return elements.type == ElementType::float32 ? ncclFloat32 : ncclFloat64;
  }

  Communicator& processes_;
  cuda::Stream stream_;
  ncclComm_t ranks_ = nullptr;
};

}  // namespace mien::train
