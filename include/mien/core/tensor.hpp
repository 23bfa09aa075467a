#pragma once

/// `Tensor<T, Device>`: a shaped view of shared memory.
///
/// Copying a tensor copies a handle: both see the same elements, as with `std::shared_ptr`; `clone()` copies elements.
/// `slice`, `select`, `permute` and `view` return other looks at the same memory. Operations accept any of them and
/// return tensors without gaps. Maps of videos are [B, T, H, W, C], maps of images [N, H, W, C]: channels last.

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "mien/core/device.hpp"
#include "mien/core/memory.hpp"
#include "mien/core/shape.hpp"
#include "mien/core/threads.hpp"

namespace mien {

template <class T, class Device = Cpu>
class Tensor;

template <class T>
class Tensor<T, Cpu> {
  static_assert(std::is_trivially_copyable_v<T>, "tensors hold plain numbers");

 public:
  using Element = T;
  using Strides = std::array<Index, Shape::max_rank>;

  /// No elements, shape [0]; `defined()` is false.
  Tensor() : shape_{0}, strides_(contiguous_strides(shape_)) {}

  /// Elements are not initialised.
  explicit Tensor(const Shape& shape)
      : shape_(shape), strides_(contiguous_strides(shape)), memory_(allocate(shape.elements())), data_(memory_.get()) {}

  Tensor(const Shape& shape, T value) : Tensor(shape) { fill(value); }

  static Tensor zeros(const Shape& shape) { return Tensor(shape, T{}); }

  /// A copy of `values`, as many as the shape has elements.
  static Tensor from(const Shape& shape, std::span<const T> values) {
    if (static_cast<Index>(values.size()) != shape.elements())
      throw ShapeError(detail::text("Tensor::from: ", values.size(), " values for shape ", shape));
    Tensor out(shape);
    std::copy(values.begin(), values.end(), out.data());
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

  /// All elements in order; the tensor must be contiguous.
  std::span<T> span() {
    require_contiguous("span");
    return {data_, static_cast<std::size_t>(elements())};
  }
  std::span<const T> span() const {
    require_contiguous("span");
    return {data_, static_cast<std::size_t>(elements())};
  }

  template <class... Indices>
  T& operator()(Indices... indices) {
    return data_[offset_of({static_cast<Index>(indices)...})];
  }
  template <class... Indices>
  const T& operator()(Indices... indices) const {
    return data_[offset_of({static_cast<Index>(indices)...})];
  }

  /// The value of a tensor with one element.
  T item() const {
    if (elements() != 1) throw ShapeError(detail::text("Tensor::item: shape ", shape_, " does not have exactly one element"));
    return *data_;
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
    if (source.shape_ != shape_)
      throw ShapeError(detail::text("Tensor::copy_from: ", source.shape_, " into ", shape_));
    if (is_contiguous() && source.is_contiguous()) {
      std::copy_n(source.data_, elements(), data_);
    } else {
      copy_strided(source.data_, source.strides_, data_, strides_, 0);
    }
  }

  void fill(T value) {
    if (is_contiguous()) {
      std::fill_n(data_, elements(), value);
    } else {
      fill_strided(value, data_, 0);
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
      throw IndexError(detail::text("Tensor::slice: [", begin, ", ", end, ") by ", step, " of axis ", axis,
                                    " of shape ", shape_));
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
  Tensor<U, Cpu> cast() const {
    const Tensor source = contiguous();
    Tensor<U, Cpu> out(shape_);
    std::transform(source.data_, source.data_ + elements(), out.data(), [](T v) { return static_cast<U>(v); });
    return out;
  }

  /// Whether others may see this memory too: other handles, or whoever it was borrowed from without an owner.
  bool is_shared() const { return defined() && memory_.use_count() != 1; }

  std::string to_string() const { return detail::text("Tensor", shape_); }

 private:
  static std::shared_ptr<T> allocate(Index elements) {
    const auto bytes = static_cast<std::size_t>(elements) * sizeof(T);
    auto release = [bytes](T* block) { cpu_memory().deallocate(block, bytes); };
    return std::shared_ptr<T>(static_cast<T*>(cpu_memory().allocate(bytes)), release, PooledAllocator<T>());
  }

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
      if (extent != -1) given.append(extent);
    const Index known = given.elements();
    Shape shape;
    bool inferred = false;
    for (const Index extent : extents) {
      const bool infer = extent == -1 && !std::exchange(inferred, true) && known > 0;
      shape.append(infer ? elements() / known : extent);
    }
    if (shape.elements() != elements())
      throw ShapeError(detail::text("Tensor::view: ", shape_, " cannot be seen as ", shape));
    return shape;
  }

  void copy_strided(const T* from, const Strides& from_strides, T* to, const Strides& to_strides, Index axis) {
    if (axis == rank()) {
      *to = *from;
      return;
    }
    const auto a = static_cast<std::size_t>(axis);
    if (axis + 1 == rank() && from_strides[a] == 1 && to_strides[a] == 1) {
      std::copy_n(from, shape_[axis], to);
      return;
    }
    for (Index i = 0; i < shape_[axis]; ++i)
      copy_strided(from + i * from_strides[a], from_strides, to + i * to_strides[a], to_strides, axis + 1);
  }

  void fill_strided(T value, T* to, Index axis) {
    if (axis == rank()) {
      *to = value;
      return;
    }
    for (Index i = 0; i < shape_[axis]; ++i)
      fill_strided(value, to + i * strides_[static_cast<std::size_t>(axis)], axis + 1);
  }

  Shape shape_;
  Strides strides_{};
  std::shared_ptr<T> memory_;
  T* data_ = nullptr;
};

}  // namespace mien
