#pragma once

/// What the CUDA backend calls of CUDA's runtime, for the emulator: device memory is memory of the process that starts
/// as not-a-number and is guarded at both ends, work is done when the call returns. Found before the toolkit's header
/// of the same name by what is compiled for the emulator.

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "emulator/emulator.hpp"

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDevice = 101,
  cudaErrorNotReady = 600,
  cudaErrorStreamCaptureUnsupported = 900
};
enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed = 2 };
using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;
using cudaGraph_t = emulator::Recording*;
using cudaGraphExec_t = emulator::Recording*;
struct cudaUUID_t {
  char bytes[16];
};
struct cudaDeviceProp {
  char name[256];
  cudaUUID_t uuid;
};
inline constexpr unsigned cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDisableTiming = 2;

namespace emulator {

/// Memory that kernels and copies may touch.
class DeviceMemory {
 public:
  /// Bytes that may be in use; whatever is asked for beyond fails as on a device that has no more.
  std::size_t limit = std::size_t{4} << 30;

  std::size_t used() const { return used_; }
  std::size_t blocks() const { return blocks_.size(); }

  cudaError_t allocate(void** out, std::size_t bytes) {
    *out = nullptr;
    if (bytes > limit - std::min(limit, used_)) return cudaErrorMemoryAllocation;
    auto* const whole = static_cast<unsigned char*>(std::aligned_alloc(guard, rounded(bytes) + 2 * guard));
    if (whole == nullptr) return cudaErrorMemoryAllocation;
    std::memset(whole, 0xff, rounded(bytes) + 2 * guard);
#if defined(MIEN_EMULATOR_SANITIZED)
    ASAN_POISON_MEMORY_REGION(whole, guard);
    ASAN_POISON_MEMORY_REGION(whole + guard + bytes, rounded(bytes) - bytes + guard);
#endif
    *out = whole + guard;
    blocks_[*out] = bytes;
    used_ += bytes;
    return cudaSuccess;
  }

  /// Throws Fault if somebody wrote beside the block.
  cudaError_t free(void* data) {
    if (data == nullptr) return cudaSuccess;
    const auto found = blocks_.find(data);
    if (found == blocks_.end()) return cudaErrorInvalidValue;
    const std::size_t bytes = found->second;
    used_ -= bytes;
    blocks_.erase(found);
    auto* const whole = static_cast<unsigned char*>(data) - guard;
    const std::size_t end = rounded(bytes) + 2 * guard;
#if defined(MIEN_EMULATOR_SANITIZED)
    ASAN_UNPOISON_MEMORY_REGION(whole, end);
#endif
    const auto is_touched = [](unsigned char byte) { return byte != 0xff; };
    const bool touched =
        std::any_of(whole, whole + guard, is_touched) || std::any_of(whole + guard + bytes, whole + end, is_touched);
    std::free(whole);
    if (touched) throw Fault("a kernel wrote beside a block of " + std::to_string(bytes) + " bytes");
    return cudaSuccess;
  }

 private:
  static constexpr std::size_t guard = 256;
  static std::size_t rounded(std::size_t bytes) { return (bytes + guard - 1) / guard * guard; }

  std::map<void*, std::size_t> blocks_;
  std::size_t used_ = 0;
};

inline DeviceMemory& device_memory() {
  static DeviceMemory memory;
  return memory;
}

/// What tells the process's device from others; each process of a machine has one of its own.
inline cudaUUID_t& device_uuid() {
  static cudaUUID_t uuid = [] {
    cudaUUID_t out{};
    const pid_t process = ::getpid();
    std::memcpy(out.bytes, &process, sizeof(process));
    return out;
  }();
  return uuid;
}

inline cudaError_t& last_error() {
  static thread_local cudaError_t error = cudaSuccess;
  return error;
}
inline cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) last_error() = error;
  return error;
}

}  // namespace emulator

inline const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
  }
  return "unrecognized error code";
}
inline const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
  }
  return "unrecognized error code";
}
inline cudaError_t cudaPeekAtLastError() { return emulator::last_error(); }
inline cudaError_t cudaGetLastError() { return std::exchange(emulator::last_error(), cudaSuccess); }

inline cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  return emulator::result(emulator::device_memory().allocate(data, bytes));
}
inline cudaError_t cudaFree(void* data) { return emulator::result(emulator::device_memory().free(data)); }
inline cudaError_t cudaMallocHost(void** data, std::size_t bytes) {
  *data = std::malloc(std::max<std::size_t>(1, bytes));
  return emulator::result(*data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}
inline cudaError_t cudaFreeHost(void* data) {
  std::free(data);
  return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(std::size_t* available, std::size_t* total) {
  const emulator::DeviceMemory& memory = emulator::device_memory();
  *total = memory.limit;
  *available = memory.limit - std::min(memory.limit, memory.used());
  return cudaSuccess;
}

inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  if (bytes > 0) std::memmove(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t = nullptr) {
  if (emulator::recording() == nullptr) return cudaMemcpy(to, from, bytes, kind);
  emulator::recording()->push_back([=] { cudaMemcpy(to, from, bytes, kind); });
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t stream = nullptr) {
  if (emulator::recording() != nullptr) {
    emulator::recording()->push_back([=] { cudaMemsetAsync(data, value, bytes, stream); });
  } else if (bytes > 0) {
    std::memset(data, value, bytes);
  }
  return cudaSuccess;
}

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = nullptr;
  return cudaSuccess;
}
inline cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return emulator::result(emulator::recording() == nullptr ? cudaSuccess : cudaErrorStreamCaptureUnsupported);
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = nullptr;
  return cudaSuccess;
}
inline cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }

inline cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  if (emulator::recording() != nullptr) return emulator::result(cudaErrorStreamCaptureUnsupported);
  emulator::recording() = new emulator::Recording;
  return cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = std::exchange(emulator::recording(), nullptr);
  return emulator::result(*graph == nullptr ? cudaErrorInvalidValue : cudaSuccess);
}
inline cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* out, cudaGraph_t graph, unsigned long long) {
  *out = new emulator::Recording(*graph);
  return cudaSuccess;
}
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t) {
  for (const auto& work : *graph) work();
  return cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int device) {
  return emulator::result(device == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return emulator::result(cudaErrorInvalidDevice);
  *properties = {"emulated GPU", emulator::device_uuid()};
  return cudaSuccess;
}

template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute, int bytes) {
  constexpr int most = 227 << 10;
  if (bytes < 0 || bytes > most) return emulator::result(cudaErrorInvalidValue);
  const auto* const function = reinterpret_cast<const void*>(kernel);
  std::erase_if(emulator::shared_limits(), [&](const auto& limit) { return limit.first == function; });
  emulator::shared_limits().emplace_back(function, static_cast<std::size_t>(bytes));
  return cudaSuccess;
}
