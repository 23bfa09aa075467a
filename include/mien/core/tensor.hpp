#pragma once

/// `Tensor<T, Device>`: a shaped view of shared memory.
///
/// Copying a tensor copies a handle: both see the same elements, as with `std::shared_ptr`; `clone()` copies elements.
/// `slice`, `select`, `permute` and `view` return other looks at the same memory. Operations accept any of them and
/// return tensors without gaps. Maps of videos are [B, T, H, W, C], maps of images [N, H, W, C]: channels last.
///
/// Elements of a tensor on the GPU are reached through a copy on the host: `x.to<Cpu>()`, `Tensor<float>::to<Cuda>()`.

#include <algorithm>
#include <array>
#include <concepts>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "mien/core/device_memory.hpp"
#include "mien/core/number.hpp"
#include "mien/core/shape.hpp"
#include "mien/core/threads.hpp"

namespace mien {

template <class T, class Device = Cpu>
class Tensor {
  static_assert(std::is_trivially_copyable_v<T>, "tensors hold plain numbers");
  static constexpr bool is_on_host = std::same_as<Device, Cpu>;
  using Memory = DeviceMemory<Device>;

 public:
  using Element = T;
  using Strides = mien::Strides;

  /// No elements, shape [0]; `defined()` is false.
  Tensor() : shape_{0}, strides_(contiguous_strides(shape_)) {}

  /// Elements are not initialised.
  explicit Tensor(const Shape& shape)
      : shape_(shape),
        strides_(contiguous_strides(shape)),
        memory_(Memory::template allocate<T>(shape.elements())),
        data_(memory_.get()) {}

  Tensor(const Shape& shape, T value) : Tensor(shape) { fill(value); }

  static Tensor zeros(const Shape& shape) { return Tensor(shape, T{}); }

  /// A copy of `values`, as many as the shape has elements.
  static Tensor from(const Shape& shape, std::span<const T> values) {
    if (static_cast<Index>(values.size()) != shape.elements())
      throw ShapeError(detail::text("Tensor::from: ", values.size(), " values for shape ", shape));
    Tensor out(shape);
    Memory::copy_from_host(values.data(), out.data(), out.elements());
    return out;
  }
  static Tensor from(const Shape& shape, std::initializer_list<T> values) {
    return from(shape, std::span<const T>(values.begin(), values.size()));
  }

  /// A look at memory that somebody else owns; `owner` is kept alive as long as the tensor. Without an owner the memory
  /// must outlive all looks at it.
  static Tensor borrow(T* data, const Shape& shape, const Strides& strides, std::shared_ptr<void> owner) {
    Tensor out;
    out.shape_ = shape;
    out.strides_ = strides;
    out.memory_ = std::shared_ptr<T>(std::move(owner), data);
    out.data_ = data;
    return out;
  }

  const Shape& shape() const { return shape_; }
  Index rank() const { return shape_.rank(); }
  Index size(Index axis) const { return shape_[axis]; }
  Index elements() const { return shape_.elements(); }
  Index stride(Index axis) const { return strides_[static_cast<std::size_t>(shape_.checked_axis(axis))]; }
  const Strides& strides() const { return strides_; }
  bool empty() const { return elements() == 0; }
  bool defined() const { return memory_ != nullptr; }

  T* data() { return data_; }
  const T* data() const { return data_; }

  /// All elements in order; the tensor must be contiguous. Not of a tensor without a name, whose elements a loop over
  /// them would outlive.
  std::span<T> span() & requires is_on_host {
    require_contiguous("span");
    return {data_, static_cast<std::size_t>(elements())};
  }
  std::span<const T> span() const& requires is_on_host {
    require_contiguous("span");
    return {data_, static_cast<std::size_t>(elements())};
  }
  void span() const&& = delete;

  template <class... Indices>
  requires is_on_host T& operator()(Indices... indices) { return data_[offset_of({static_cast<Index>(indices)...})]; }
  template <class... Indices>
  requires is_on_host const T& operator()(Indices... indices) const {
    return data_[offset_of({static_cast<Index>(indices)...})];
  }

  /// The value of a tensor with one element. On the GPU this waits for all work that leads to it.
  T item() const {
    if (elements() != 1)
      throw ShapeError(detail::text("Tensor::item: shape ", shape_, " does not have exactly one element"));
    T value;
    Memory::copy_to_host(data_, &value, 1);
    return value;
  }

  bool is_contiguous() const {
    const Strides tight = contiguous_strides(shape_);
    for (Index axis = 0; axis < rank(); ++axis) {
      const auto i = static_cast<std::size_t>(axis);
      if (shape_[axis] > 1 && strides_[i] != tight[i]) return empty();
    }
    return true;
  }

  /// This tensor if it has no gaps, else a copy that has none.
  Tensor contiguous() const { return is_contiguous() ? *this : clone(); }

  Tensor clone() const {
    Tensor out(shape_);
    out.copy_from(*this);
    return out;
  }

  /// Overwrites all elements with those of a tensor of the same shape, which must not be another look at some of them.
  void copy_from(const Tensor& source) {
    if (source.shape_ != shape_) throw ShapeError(detail::text("Tensor::copy_from: ", source.shape_, " into ", shape_));
    if (is_contiguous() && source.is_contiguous()) {
      Memory::copy(source.data_, data_, elements());
    } else {
      Memory::copy_strided(source.data_, source.strides_, data_, strides_, shape_);
    }
  }

  void fill(T value) {
    if (is_contiguous()) {
      Memory::fill(value, data_, elements());
    } else {
      Memory::fill_strided(value, data_, strides_, shape_);
    }
  }

  /// The same elements under another shape; one extent may be -1. The tensor must be contiguous.
  Tensor view(std::initializer_list<Index> extents) const {
    return view(std::span<const Index>(extents.begin(), extents.size()));
  }
  Tensor view(const Shape& shape) const { return view(std::span<const Index>(shape.begin(), shape.end())); }
  Tensor view(std::span<const Index> extents) const {
    require_contiguous("view");
    const Shape shape = resolve(extents);
    Tensor out = *this;
    out.shape_ = shape;
    out.strides_ = contiguous_strides(shape);
    return out;
  }

  /// Elements [begin, end) of one axis, every `step`-th.
  Tensor slice(Index axis, Index begin, Index end, Index step = 1) const {
    const Index sliced = shape_.checked_axis(axis);
    if (begin < 0 || end < begin || end > shape_[sliced] || step < 1)
      throw IndexError(
          detail::text("Tensor::slice: [", begin, ", ", end, ") by ", step, " of axis ", axis, " of shape ", shape_));
    Tensor out = *this;
    const Index length = end - begin;
    const Index taken = std::min(step, std::max<Index>(1, length));
    out.shape_ = shape_.with(sliced, (length + taken - 1) / taken);
    out.strides_[static_cast<std::size_t>(sliced)] *= taken;
    if (!out.empty()) out.data_ += begin * stride(sliced);
    return out;
  }

  /// One element of an axis; the axis is gone from the result.
  Tensor select(Index axis, Index index) const {
    const Index selected = shape_.checked_axis(axis);
    if (index < 0 || index >= shape_[selected])
      throw IndexError(detail::text("Tensor::select: index ", index, " of axis ", axis, " of shape ", shape_));
    Tensor out = slice(selected, index, index + 1);
    out.shape_ = shape_.without(selected);
    std::copy(strides_.begin() + selected + 1, strides_.end(), out.strides_.begin() + selected);
    return out;
  }

  /// The axes in another order: axis i of the result is axis `order[i]` of this tensor.
  Tensor permute(std::initializer_list<Index> order) const {
    return permute(std::span<const Index>(order.begin(), order.size()));
  }
  Tensor permute(std::span<const Index> order) const {
    std::array<bool, Shape::max_rank> seen{};
    Tensor out = *this;
    out.shape_ = Shape();
    for (const Index axis : order) {
      const auto from = static_cast<std::size_t>(shape_.checked_axis(axis));
      if (std::exchange(seen[from], true))
        throw IndexError(detail::text("Tensor::permute: axis ", axis, " of shape ", shape_, " is named twice"));
      out.strides_[static_cast<std::size_t>(out.rank())] = strides_[from];
      out.shape_.append(shape_[static_cast<Index>(from)]);
    }
    if (out.rank() != rank())
      throw IndexError(detail::text("Tensor::permute: ", order.size(), " axes for shape ", shape_));
    return out;
  }

  /// The same numbers as another type.
  template <class U>
  Tensor<U, Device> cast() const {
    const Tensor source = contiguous();
    Tensor<U, Device> out(shape_);
    Memory::cast(source.data(), out.data(), elements());
    return out;
  }

  /// The same numbers on another device, without gaps; on its own device a tensor stays what it is. A copy to the host
  /// waits for all work that leads to it.
  template <class Other>
  Tensor<T, Other> to() const {
    if constexpr (std::same_as<Device, Other>) {
      return *this;
    } else {
      const Tensor source = contiguous();
      Tensor<T, Other> out(shape_);
      if constexpr (is_on_host) {
        DeviceMemory<Other>::copy_from_host(source.data(), out.data(), elements());
      } else {
        static_assert(std::same_as<Other, Cpu>, "from one GPU's kind to another's, tensors go through the host");
        Memory::copy_to_host(source.data(), out.data(), elements());
      }
      return out;
    }
  }

  /// Whether others may see this memory too: other handles, or whoever it was borrowed from without an owner.
  bool is_shared() const { return defined() && memory_.use_count() != 1; }

  std::string to_string() const { return detail::text("Tensor", shape_); }

 private:
  void require_contiguous(const char* member) const {
    if (!is_contiguous())
      throw ShapeError(detail::text("Tensor::", member, ": shape ", shape_, " has gaps in memory; use contiguous()"));
  }

  Index offset_of(std::initializer_list<Index> indices) const {
    if (static_cast<Index>(indices.size()) != rank())
      throw IndexError(detail::text(indices.size(), " indices for shape ", shape_));
    Index offset = 0;
    Index axis = 0;
    for (const Index index : indices) {
      if (index < 0 || index >= shape_[axis])
        throw IndexError(detail::text("index ", index, " of axis ", axis, " of shape ", shape_));
      offset += index * strides_[static_cast<std::size_t>(axis++)];
    }
    return offset;
  }

  /// Replaces an extent of -1 by what the number of elements leaves for it.
  Shape resolve(std::span<const Index> extents) const {
    Shape given;
    for (const Index extent : extents)
      if (extent >= 0) given.append(extent);
    const Index known = given.elements();
    const bool has_all = given.rank() == static_cast<Index>(extents.size());
    const bool lacks_one = given.rank() + 1 == static_cast<Index>(extents.size()) &&
                           std::find(extents.begin(), extents.end(), -1) != extents.end();
    const bool fits = has_all ? known == elements() : lacks_one && known > 0 && elements() % known == 0;
    if (!fits) throw ShapeError(detail::text("Tensor::view: ", shape_, " cannot be seen as ", listed(extents)));
    Shape shape;
    for (const Index extent : extents) shape.append(extent == -1 ? elements() / known : extent);
    return shape;
  }

  /// As the caller gave them, -1 too.
  static std::string listed(std::span<const Index> extents) {
    std::string out = "[";
    for (const Index extent : extents) out += detail::text(out.size() > 1 ? ", " : "", extent);
    return out + "]";
  }

  Shape shape_;
  Strides strides_{};
  std::shared_ptr<T> memory_;
  T* data_ = nullptr;
};

}  // namespace mien
