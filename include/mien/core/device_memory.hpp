#pragma once

/// What a tensor needs of its device: memory, and elements that are copied, filled and converted in it.

#include <algorithm>
#include <array>
#include <memory>

#include "mien/core/device.hpp"
#include "mien/core/memory.hpp"
#include "mien/core/shape.hpp"

namespace mien {

/// In elements, one for each axis.
using Strides = std::array<Index, Shape::max_rank>;

namespace detail {
template <class>
inline constexpr bool is_known_device = false;
}  // namespace detail

template <class Device>
struct DeviceMemory {
  static_assert(
      detail::is_known_device<Device>,
      "tensors on the GPU: link mien::cuda, which defines MIEN_WITH_CUDA, and include mien/backend/cuda/device.hpp");
};

template <>
struct DeviceMemory<Cpu> {
  template <class T>
  static std::shared_ptr<T> allocate(Index elements) {
    const auto bytes = static_cast<std::size_t>(elements) * sizeof(T);
    auto release = [bytes](T* block) { cpu_memory().deallocate(block, bytes); };
    return std::shared_ptr<T>(static_cast<T*>(cpu_memory().allocate(bytes)), release, PooledAllocator<T>());
  }

  template <class T>
  static void copy(const T* from, T* to, Index elements) {
    std::copy_n(from, elements, to);
  }
  template <class T>
  static void copy_from_host(const T* from, T* to, Index elements) {
    copy(from, to, elements);
  }
  template <class T>
  static void copy_to_host(const T* from, T* to, Index elements) {
    copy(from, to, elements);
  }
  template <class T>
  static void copy_strided(const T* from, const Strides& from_strides, T* to, const Strides& to_strides,
                           const Shape& shape) {
    copy_axis(from, from_strides, to, to_strides, shape, 0);
  }

  template <class T>
  static void fill(T value, T* to, Index elements) {
    std::fill_n(to, elements, value);
  }
  template <class T>
  static void fill_strided(T value, T* to, const Strides& strides, const Shape& shape) {
    fill_axis(value, to, strides, shape, 0);
  }

  template <class From, class To>
  static void cast(const From* from, To* to, Index elements) {
    std::transform(from, from + elements, to, [](From value) { return static_cast<To>(value); });
  }

 private:
  template <class T>
  static void copy_axis(const T* from, const Strides& from_strides, T* to, const Strides& to_strides,
                        const Shape& shape, Index axis) {
    if (axis == shape.rank()) {
      *to = *from;
      return;
    }
    const auto a = static_cast<std::size_t>(axis);
    if (axis + 1 == shape.rank() && from_strides[a] == 1 && to_strides[a] == 1) {
      std::copy_n(from, shape[axis], to);
      return;
    }
    for (Index i = 0; i < shape[axis]; ++i)
      copy_axis(from + i * from_strides[a], from_strides, to + i * to_strides[a], to_strides, shape, axis + 1);
  }

  template <class T>
  static void fill_axis(T value, T* to, const Strides& strides, const Shape& shape, Index axis) {
    if (axis == shape.rank()) {
      *to = value;
      return;
    }
    for (Index i = 0; i < shape[axis]; ++i)
      fill_axis(value, to + i * strides[static_cast<std::size_t>(axis)], strides, shape, axis + 1);
  }
};

}  // namespace mien
