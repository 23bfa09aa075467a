#pragma once

/// The extents of a tensor, row-major: the last axis lies closest together in memory.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>

#include "mien/core/error.hpp"

namespace mien {

/// Signed, so that differences and loops that run backwards need no care.
using Index = std::int64_t;

/// Up to `Shape::max_rank` extents, none negative, so few elements that their bytes can be counted by an Index too. No
/// memory is allocated.
class Shape {
 public:
  static constexpr Index max_rank = 8;

  Shape() = default;
  Shape(std::initializer_list<Index> extents) : Shape(std::span<const Index>(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const Index> extents) {
    for (const Index extent : extents) append(extent);
  }

  Index rank() const { return rank_; }

  /// The extent of an axis; negative axes count from the end, as in `shape[-1]`.
  Index operator[](Index axis) const { return extents_[static_cast<std::size_t>(checked_axis(axis))]; }

  Index elements() const {
    Index product = 1;
    for (const Index extent : *this) product *= extent;
    return product;
  }

  /// Adds an axis at the end. The shape stays as it was if this throws.
  void append(Index extent) {
    if (rank_ == max_rank) throw ShapeError(detail::text("shape ", *this, " cannot grow beyond rank ", max_rank));
    if (extent < 0)
      throw ShapeError(detail::text("extent ", extent, " of axis ", rank_, ", after ", *this, ", is negative"));
    // An extent of 0 counts as 1, since the strides of the other axes have to fit as well.
    Index product = 1;
    for (const Index present : *this) product *= std::max<Index>(1, present);
    if (extent > std::numeric_limits<Index>::max() / max_element_bytes / product)
      throw ShapeError(detail::text("shape ", *this, " with another axis of ", extent, " has too many elements"));
    extents_[static_cast<std::size_t>(rank_++)] = extent;
  }

  /// The same shape with another extent on one axis.
  Shape with(Index axis, Index extent) const {
    const Index changed = checked_axis(axis);
    Shape out;
    for (Index i = 0; i < rank_; ++i) out.append(i == changed ? extent : (*this)[i]);
    return out;
  }

  /// The same shape without one axis.
  Shape without(Index axis) const {
    const Index removed = checked_axis(axis);
    Shape out;
    for (Index i = 0; i < rank_; ++i)
      if (i != removed) out.append((*this)[i]);
    return out;
  }

  /// The axes before `count`; used where leading axes are folded into one batch.
  Shape first(Index count) const {
    return Shape(std::span<const Index>(extents_.data(), static_cast<std::size_t>(std::clamp<Index>(count, 0, rank_))));
  }

  /// An axis counted from the front; throws IndexError if there is no such axis.
  Index checked_axis(Index axis) const {
    const Index counted = axis < 0 ? axis + rank_ : axis;
    if (counted < 0 || counted >= rank_) throw IndexError(detail::text("axis ", axis, " of shape ", *this));
    return counted;
  }

  const Index* begin() const { return extents_.data(); }
  const Index* end() const { return extents_.data() + rank_; }

  bool operator==(const Shape& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

  /// As in "[2, 3, 112, 112]".
  std::string to_string() const {
    std::string out = "[";
    for (Index i = 0; i < rank_; ++i) {
      if (i > 0) out += ", ";
      out += std::to_string(extents_[static_cast<std::size_t>(i)]);
    }
    return out + "]";
  }

 private:
  static constexpr Index max_element_bytes = 64;

  std::array<Index, max_rank> extents_{};
  Index rank_ = 0;
};

/// The strides, in elements, of a row-major tensor without gaps.
inline std::array<Index, Shape::max_rank> contiguous_strides(const Shape& shape) {
  std::array<Index, Shape::max_rank> strides{};
  Index step = 1;
  for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<std::size_t>(axis)] = step;
    step *= shape[axis];
  }
  return strides;
}

}  // namespace mien
