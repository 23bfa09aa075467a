#pragma once

/// Tensors shared with other libraries without a copy, through DLPack (https://dmlc.github.io/dlpack): its structures in
/// memory, as versions 0.8 (`DLManagedTensor`) and 1.0 (`DLManagedTensorVersioned`) define them.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "mien/core/tensor.hpp"

namespace mien::interop {

struct DLDevice {
  std::int32_t device_type;  ///< 1 is the CPU
  std::int32_t device_id;
};

struct DLDataType {
  std::uint8_t code;  ///< 0 signed integer, 1 unsigned integer, 2 IEEE float, 4 bfloat16, 6 boolean
  std::uint8_t bits;
  std::uint16_t lanes;
  bool operator==(const DLDataType&) const = default;
};

struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  ///< in elements; null for row-major without gaps
  std::uint64_t byte_offset;
};

struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor* self);
};

struct DLPackVersion {
  std::uint32_t major;
  std::uint32_t minor;
};

struct DLManagedTensorVersioned {
  DLPackVersion version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned* self);
  std::uint64_t flags;
  DLTensor dl_tensor;
};

inline constexpr std::int32_t dlpack_cpu = 1;
inline constexpr std::uint64_t dlpack_read_only = 1;

/// How DLPack names a type of numbers.
template <class T>
constexpr DLDataType dlpack_type() {
  static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, long double>,
                "DLPack knows booleans, integers and IEEE floating-point numbers");
  const auto bits = static_cast<std::uint8_t>(8 * sizeof(T));
  if (std::is_same_v<T, bool>) return {6, bits, 1};
  if (std::is_floating_point_v<T>) return {2, bits, 1};
  return {static_cast<std::uint8_t>(std::is_signed_v<T> ? 0 : 1), bits, 1};
}

namespace detail {

using mien::detail::text;

/// What an exported tensor keeps alive.
template <class T, class Managed>
struct Exported {
  Managed managed{};
  Tensor<T> tensor;
  std::array<std::int64_t, Shape::max_rank> shape{};
  std::array<std::int64_t, Shape::max_rank> strides{};
};

template <class T, class Managed>
Exported<T, Managed>* export_tensor(Tensor<T> tensor) {
  auto exported = std::make_unique<Exported<T, Managed>>();
  exported->tensor = std::move(tensor);
  for (Index axis = 0; axis < exported->tensor.rank(); ++axis) {
    exported->shape[static_cast<std::size_t>(axis)] = exported->tensor.size(axis);
    exported->strides[static_cast<std::size_t>(axis)] = exported->tensor.stride(axis);
  }
  exported->managed.dl_tensor = {exported->tensor.data(),
                                 {dlpack_cpu, 0},
                                 static_cast<std::int32_t>(exported->tensor.rank()),
                                 dlpack_type<T>(),
                                 exported->shape.data(),
                                 exported->strides.data(),
                                 0};
  exported->managed.manager_ctx = exported.get();
  exported->managed.deleter = [](Managed* self) { delete static_cast<Exported<T, Managed>*>(self->manager_ctx); };
  return exported.release();
}

template <class T, class Managed>
Tensor<T> import_tensor(Managed* managed) {
  if (managed == nullptr) throw ValueError("from_dlpack: no tensor");
  // From here on the tensor is ours to release, whatever happens.
  std::shared_ptr<Managed> owner(managed, [](Managed* self) {
    if (self->deleter != nullptr) self->deleter(self);
  });
  const DLTensor& source = managed->dl_tensor;
  if (source.device.device_type != dlpack_cpu)
    throw ValueError(text("from_dlpack: device type ", source.device.device_type, ", expected the CPU's, ", dlpack_cpu));
  if (!(source.dtype == dlpack_type<T>()))
    throw ValueError(text("from_dlpack: type code ", Index{source.dtype.code}, " of ", Index{source.dtype.bits},
                          " bits and ", Index{source.dtype.lanes}, " lanes, expected code ",
                          Index{dlpack_type<T>().code}, " of ", Index{dlpack_type<T>().bits}, " bits and 1 lane"));
  if (source.ndim < 0 || source.ndim > Shape::max_rank)
    throw ShapeError(text("from_dlpack: rank ", source.ndim, ", expected 0 to ", Shape::max_rank));
  if (source.ndim > 0 && source.shape == nullptr)
    throw ShapeError(text("from_dlpack: rank ", source.ndim, " without a shape"));
  Shape shape;
  for (std::int32_t axis = 0; axis < source.ndim; ++axis) shape.append(source.shape[axis]);
  if (source.data == nullptr && shape.elements() > 0)
    throw ValueError(text("from_dlpack: shape ", shape, " without elements"));
  auto strides = contiguous_strides(shape);
  if (source.strides != nullptr) std::copy_n(source.strides, source.ndim, strides.begin());
  auto* data = reinterpret_cast<T*>(static_cast<std::byte*>(source.data) + source.byte_offset);
  if (reinterpret_cast<std::uintptr_t>(data) % alignof(T) != 0)
    throw ValueError(text("from_dlpack: elements that do not begin at a multiple of ", Index{alignof(T)}, " bytes"));
  return Tensor<T>::borrow(data, shape, strides, std::move(owner));
}

}  // namespace detail

/// A look at the tensor's elements for another library, which calls the deleter when it is done.
template <class T>
DLManagedTensor* to_dlpack(Tensor<T> tensor) {
  return &detail::export_tensor<T, DLManagedTensor>(std::move(tensor))->managed;
}

/// The same in the form of DLPack 1.0.
template <class T>
DLManagedTensorVersioned* to_versioned_dlpack(Tensor<T> tensor) {
  auto* exported = detail::export_tensor<T, DLManagedTensorVersioned>(std::move(tensor));
  exported->managed.version = {1, 0};
  exported->managed.flags = 0;
  return &exported->managed;
}

/// Another library's tensor, whose deleter is called when the last look at it is gone; also if this throws, ValueError
/// for another device or type or missing elements, ShapeError for a shape that no tensor can have.
template <class T>
Tensor<T> from_dlpack(DLManagedTensor* managed) {
  return detail::import_tensor<T>(managed);
}

/// The same in the form of DLPack 1.x; ValueError for another major version. Elements that may only be read are copied.
template <class T>
Tensor<T> from_dlpack(DLManagedTensorVersioned* managed) {
  if (managed != nullptr && managed->version.major != 1) {
    const auto major = managed->version.major;
    if (managed->deleter != nullptr) managed->deleter(managed);
    throw ValueError(mien::detail::text("from_dlpack: DLPack version ", major, ", expected 1"));
  }
  const bool read_only = managed != nullptr && (managed->flags & dlpack_read_only) != 0;
  Tensor<T> tensor = detail::import_tensor<T>(managed);
  return read_only ? tensor.clone() : tensor;
}

}  // namespace mien::interop
