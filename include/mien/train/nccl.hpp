#pragma once

/// Ranks that are GPUs, one a process, by NVIDIA's library NCCL. It needs another communicator, such as MPI's, by which
/// ranks find each other, and which exchanges what lies in the hosts' memory.
///
///     train::MpiCommunicator processes;
///     cudaSetDevice(static_cast<int>(processes.local_rank()));  // before the first tensor on a GPU
///     train::NcclCommunicator gpus(processes);
///     train::Trainer<float, Cuda> trainer(adam, {.communicator = &gpus});
///
/// In CMake: `-D MIEN_CUDA=ON -D MIEN_NCCL=ON`, and link `mien::cuda`. It links with NCCL 2.28, and is tested on emulated
/// GPUs with MPI in NCCL's place; no GPU has run it yet.

#include <nccl.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <utility>
#include <vector>

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

/// Throws ValueError, on all ranks, if two of them have the same GPU: NCCL would say that a call was invalid.
inline void require_gpu_of_own(Communicator& processes) {
  int device = 0;
  cudaDeviceProp properties{};
  cuda::require("cudaGetDevice", cudaGetDevice(&device));
  cuda::require("cudaGetDeviceProperties", cudaGetDeviceProperties(&properties, device));
  // What no other GPU has, in numbers as ranks exchange them.
  using Words = std::array<std::uint32_t, sizeof(properties.uuid.bytes) / sizeof(std::uint32_t)>;
  Words own{};
  std::memcpy(own.data(), properties.uuid.bytes, sizeof(own));
  const std::vector<double> all = processes.gather(std::vector<double>(own.begin(), own.end()));
  std::map<Words, Index> owners;
  for (Index rank = 0; rank < processes.size(); ++rank) {
    Words gpu{};
    for (std::size_t i = 0; i < gpu.size(); ++i)
      gpu[i] = static_cast<std::uint32_t>(all[static_cast<std::size_t>(rank) * gpu.size() + i]);
    const auto [owner, is_new] = owners.emplace(gpu, rank);
    if (!is_new)
      throw ValueError(mien::detail::text("NcclCommunicator: ranks ", owner->second, " and ", rank,
                                          " have the same GPU as current device; each rank needs one of its own"));
  }
}

/// Work of NCCL's in a stream of its own. Who waits on the host learns of a rank that is lost; a stream would wait for
/// ever.
class NcclRequest final : public Request {
 public:
  NcclRequest(ncclComm_t ranks, const RankWait& wait, InFlight& in_flight, std::shared_ptr<const void> owner)
      : ranks_(ranks),
        wait_(wait),
        in_flight_(in_flight),
        owner_(in_flight.insert(in_flight.end(), std::move(owner))) {}
  /// The GPU writes to what is not done until the communicator ends.
  ~NcclRequest() override {
    if (is_done_) in_flight_.erase(owner_);
  }

  /// When all of it is in the stream.
  void record(cudaStream_t stream) { done_.record(stream); }

  bool test() override {
    ncclResult_t state = ncclSuccess;
    require_nccl("ncclCommGetAsyncError", ncclCommGetAsyncError(ranks_, &state));
    if (state != ncclSuccess && state != ncclInProgress)
      throw RankLost(mien::detail::text("NCCL: ", ncclGetErrorString(state)));
    return is_done_ = is_done_ || done_.is_reached();
  }

  void wait() override {
    wait_.until([this] { return test(); });
  }

 private:
  ncclComm_t ranks_;
  RankWait wait_;
  InFlight& in_flight_;
  InFlight::iterator owner_;
  cuda::Event done_;
  bool is_done_ = false;
};

}  // namespace detail

/// All GPUs of a job: each process's current one. The other communicator has to live as long.
class NcclCommunicator final : public Communicator {
 public:
  /// Throws ValueError if two ranks have the same GPU, NcclError.
  explicit NcclCommunicator(Communicator& processes, WaitOptions options = {})
      : processes_(processes), options_(std::move(options)), exceptions_(std::uncaught_exceptions()) {
    detail::require_gpu_of_own(processes);
    ncclUniqueId meeting_place{};
    if (processes.is_first()) detail::require_nccl("ncclGetUniqueId", ncclGetUniqueId(&meeting_place));
    processes.broadcast(Elements{meeting_place.internal, NCCL_UNIQUE_ID_BYTES, ElementType::bytes, false}, 0);
    detail::require_nccl("ncclCommInitRank", ncclCommInitRank(&ranks_, static_cast<int>(processes.size()),
                                                              meeting_place, static_cast<int>(processes.rank())));
  }
  ~NcclCommunicator() override {
    if (ranks_ == nullptr) return;
    // A usual end waits for what is on its way, to which other ranks perhaps never come.
    if (!in_flight_.empty() || std::uncaught_exceptions() > exceptions_) {
      ncclCommAbort(ranks_);
    } else {
      ncclCommDestroy(ranks_);
    }
  }

  Index rank() const override { return processes_.rank(); }
  Index size() const override { return processes_.size(); }

  using Communicator::start_sum;
  std::unique_ptr<Request> start_sum(const Elements& elements) override {
    if (!elements.is_on_gpu) return processes_.start_sum(elements);
    const ncclDataType_t type = type_of(elements);
    return start("ncclAllReduce", elements, [&] {
      return ncclAllReduce(elements.data, elements.data, static_cast<std::size_t>(elements.count), type, ncclSum,
                           ranks_, stream_.get());
    });
  }

  using Communicator::broadcast;
  void broadcast(const Elements& elements, Index root) override {
    if (!elements.is_on_gpu) {
      processes_.broadcast(elements, root);
      return;
    }
    const ncclDataType_t type = type_of(elements);
    start("ncclBroadcast", elements, [&] {
      return ncclBroadcast(elements.data, elements.data, static_cast<std::size_t>(elements.count), type,
                           static_cast<int>(root), ranks_, stream_.get());
    })->wait();
  }

  void barrier() override { processes_.barrier(); }

  void abandon(int exit_code) noexcept override {
    if (ranks_ != nullptr) ncclCommAbort(std::exchange(ranks_, nullptr));
    processes_.abandon(exit_code);
  }

 private:
  /// `call()` puts something into the stream, and returns NCCL's code. All memory that this needs is there before.
  template <class Call>
  std::unique_ptr<Request> start(const char* name, const Elements& elements, const Call& call) {
    auto out = std::make_unique<detail::NcclRequest>(ranks_, detail::RankWait(options_, rank(), size()), in_flight_,
                                                     elements.owner);
    // What is exchanged has to be computed; what is computed after it need not wait.
    stream_.wait_for(cuda::current_stream());
    detail::require_nccl(name, call());
    out->record(stream_.get());
    return out;
  }

  /// Throws ValueError for bytes, which no tensor on a GPU is sent as.
  static ncclDataType_t type_of(const Elements& elements) {
    if (elements.type == ElementType::bytes) throw ValueError("NcclCommunicator: GPUs exchange float and double");
    return elements.type == ElementType::float32 ? ncclFloat32 : ncclFloat64;
  }

  Communicator& processes_;
  WaitOptions options_;
  int exceptions_;
  detail::InFlight in_flight_;
  cuda::Stream stream_;
  ncclComm_t ranks_ = nullptr;
};

}  // namespace mien::train
