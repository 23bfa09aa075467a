#pragma once

/// The GPU as a device of tensors: `Tensor<float, Cuda>`.
///
///     Tensor<float, Cuda> x = images.to<Cuda>();
///     models::Accm<float, Cuda> model(options);
///     Tensor<float> logits = model(x).value().to<Cpu>();
///
/// Link `mien::cuda`, which compiles the kernels, and nothing of one's own needs nvcc. There is no way back to the CPU
/// but to ask for it: where there is no GPU, the first tensor on it throws CudaError.

#include <concepts>
#include <cstdint>
#include <memory>

#include "mien/backend/cuda/kernel_number.hpp"
#include "mien/backend/cuda/kernels/copy.hpp"
#include "mien/backend/cuda/library.hpp"
#include "mien/backend/cuda/stream.hpp"
#include "mien/core/tensor.hpp"

namespace mien {

/// A GPU of NVIDIA's: the one that is current (cudaSetDevice) when a stream is made.
struct Cuda {};

template <>
struct DeviceMemory<Cuda> {
  /// In the memory of the current stream. Throws ValueError where another GPU than its own is current, and OutOfMemory,
  /// with what is free and what was asked for, when what all streams keep for later has been given back and it still
  /// does not fit.
  template <class T>
  static std::shared_ptr<T> allocate(Index elements) {
    const auto bytes = static_cast<std::size_t>(elements) * sizeof(T);
    auto stream = cuda::current_stream().state();
    stream->require_current();
    void* block = nullptr;
    try {
      block = stream->memory().allocate(bytes);
    } catch (const OutOfMemory&) {
      cuda::detail::streams().release_cached();
      block = stream->memory().allocate(bytes);
    }
    auto release = [stream, bytes](T* data) { stream->memory().deallocate(data, bytes); };
    return std::shared_ptr<T>(static_cast<T*>(block), std::move(release), PooledAllocator<T>());
  }

  template <class T>
  static void copy(const T* from, T* to, Index elements) {
    if (elements == 0) return;
    cuda::require("cudaMemcpyAsync", cudaMemcpyAsync(to, from, static_cast<std::size_t>(elements) * sizeof(T),
                                                     cudaMemcpyDeviceToDevice, cuda::current_stream().get()));
  }
  template <class T>
  static void copy_from_host(const T* from, T* to, Index elements) {
    cuda::current_stream().state()->upload(from, to, static_cast<std::size_t>(elements) * sizeof(T));
  }
  template <class T>
  static void copy_to_host(const T* from, T* to, Index elements) {
    cuda::current_stream().state()->download(from, to, static_cast<std::size_t>(elements) * sizeof(T));
  }
  template <class T>
  static void copy_strided(const T* from, const Strides& from_strides, T* to, const Strides& to_strides,
                           const Shape& shape) {
    kernels::copy_strided(from, to, strided(shape, from_strides, to_strides), sizeof(T), cuda::current_stream().get());
  }

  template <class T>
  static void fill(T value, T* to, Index elements) {
    kernels::fill(&value, to, elements, sizeof(T), cuda::current_stream().get());
  }
  template <class T>
  static void fill_strided(T value, T* to, const Strides& strides, const Shape& shape) {
    kernels::fill_strided(&value, to, strided(shape, {}, strides), sizeof(T), cuda::current_stream().get());
  }

  template <class From, class To>
  static void cast(const From* from, To* to, Index elements) {
    static_assert(std::same_as<Accumulated<To>, float> &&
                      (std::same_as<Accumulated<From>, float> || std::same_as<From, std::uint8_t>),
                  "on the GPU numbers of 32 and 16 bits are converted to each other, bytes to them, and nothing else");
    kernels::cast(cuda::kernel_numbers(from), elements, cuda::kernel_numbers(to), cuda::current_stream().get());
  }

 private:
  static kernels::StridedShape strided(const Shape& shape, const Strides& from, const Strides& to) {
    kernels::StridedShape out{static_cast<int>(shape.rank()), {}, {}, {}};
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(shape.rank()); ++axis) {
      out.extents[axis] = shape[static_cast<Index>(axis)];
      out.from_strides[axis] = from[axis];
      out.to_strides[axis] = to[axis];
    }
    return out;
  }
};

namespace cuda {

/// Memory of a tensor on the host that copies to and from the GPU need not stage.
template <class T>
Tensor<T> pinned_tensor(const Shape& shape) {
  auto block = std::make_shared<PinnedBlock>(static_cast<std::size_t>(shape.elements()) * sizeof(T));
  auto* const data = static_cast<T*>(block->data());
  return Tensor<T>::borrow(data, shape, contiguous_strides(shape), std::move(block));
}

/// A tensor for what is written before each run of the graph that is being recorded: in memory that nothing else of the
/// recording works in, before or after. Throws OutOfMemory.
template <class T>
Tensor<T, Cuda> tensor_for_runs(const Shape& shape) {
  const auto stream = current_stream().state();
  auto* const block =
      static_cast<T*>(DeviceMemorySource::allocate(static_cast<std::size_t>(shape.elements()) * sizeof(T)));
  if (block == nullptr) throw OutOfMemory(DeviceMemorySource::description());
  std::shared_ptr<T> owner(block, [stream](T* data) {
    // A run may still read it.
    cudaStreamSynchronize(stream->get());
    DeviceMemorySource::deallocate(data);
  });
  return Tensor<T, Cuda>::borrow(block, shape, contiguous_strides(shape), std::move(owner));
}

/// Queues a copy of the same shape into a tensor without gaps. `from`, pinned memory without gaps, must neither change
/// nor end before the stream has done it.
template <class T>
void copy_async(const Tensor<T>& from, Tensor<T, Cuda>& to) {
  if (from.shape() != to.shape() || !from.is_contiguous() || !to.is_contiguous())
    throw ShapeError(
        mien::detail::text("cuda::copy_async: ", from.shape(), " into ", to.shape(), ", both without gaps"));
  if (from.empty()) return;
  require("cudaMemcpyAsync",
          cudaMemcpyAsync(to.data(), from.data(), static_cast<std::size_t>(from.elements()) * sizeof(T),
                          cudaMemcpyHostToDevice, current_stream().get()));
}

}  // namespace cuda
}  // namespace mien
