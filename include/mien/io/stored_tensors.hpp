#pragma once

/// Named tensors as a file holds them, whatever its format: what `read_safetensors` and `read_pytorch_archive` return.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "mien/core/tensor.hpp"
#include "mien/io/element_type.hpp"

namespace mien::io {

/// Text beside the tensors; keys in order.
using Metadata = std::map<std::string, std::string>;

/// A checked file in memory: names, shapes, and elements that are row-major, without gaps and little-endian. Copies
/// share the bytes.
class StoredTensors {
 public:
  const Metadata& metadata() const { return metadata_; }

  /// The names of all tensors, in the order of the file.
  const std::vector<std::string>& names() const { return names_; }

  bool contains(std::string_view name) const { return entries_.find(name) != entries_.end(); }

  /// Throws FileError if there is no such tensor, as all that follow.
  const Shape& shape(std::string_view name) const { return entry(name).shape; }

  ElementType type(std::string_view name) const { return entry(name).type; }

  /// The stored bytes; valid as long as this object or a copy of it lives.
  std::span<const std::byte> data(std::string_view name) const {
    const Entry& found = entry(name);
    return {found.data.get(), found.bytes()};
  }

  /// A copy of a tensor as float, double, std::int64_t or std::uint8_t. All stored types convert to float and double
  /// (16-bit floats exactly, doubles to float by rounding), integers to std::int64_t, bytes and booleans to
  /// std::uint8_t. Throws FileError where a number would change its meaning: a fraction asked for as an integer, an
  /// integer that T cannot hold exactly, a finite double beyond float.
  template <class T>
  Tensor<T> tensor(std::string_view name) const {
    static_assert(detail::FileElement<T>, "tensors of float, double, std::int64_t and std::uint8_t are read");
    const Entry& found = entry(name);
    if (!detail::is_convertible<T>(found.type))
      throw FileError(file_, place(name), text_of(found.type),
                      std::is_same_v<T, std::int64_t> ? "an integer type" : "U8 or BOOL");
    Tensor<T> out(found.shape);
    const Index elements = out.elements();
    const Index converted = detail::convert_elements<T>(found.type, found.data.get(), elements, out.data());
    if (converted != elements)
      throw FileError(file_, mien::detail::text(place(name), ", element ", converted),
                      mien::detail::text("a value of type ", element_name(found.type)),
                      mien::detail::text("one that ", element_name(detail::element_type_of<T>()), " can hold"));
    return out;
  }

 protected:
  struct Entry {
    ElementType type = ElementType::float32;
    Shape shape = {};
    std::shared_ptr<const std::byte> data = {};  ///< the first of its bytes; owns them all

    std::size_t bytes() const { return static_cast<std::size_t>(shape.elements()) * element_bytes(type); }
  };

  /// `file` is only named in errors.
  explicit StoredTensors(std::string file) : file_(std::move(file)) {}

  static std::string place(std::string_view name) { return mien::detail::text("tensor `", name.substr(0, 200), "`"); }
  static std::string text_of(ElementType type) { return mien::detail::text("elements of type ", element_name(type)); }

  const Entry& entry(std::string_view name) const {
    const auto found = entries_.find(name);
    if (found != entries_.end()) return found->second;
    std::string some;
    for (std::size_t i = 0; i < std::min<std::size_t>(names_.size(), 12); ++i) some += (i > 0 ? ", " : "") + names_[i];
    if (names_.size() > 12) some += ", ...";
    throw FileError(file_, place(name), "no such tensor",
                    names_.empty() ? std::string("none: the file is empty") : "one of " + some);
  }

  std::string file_;
  Metadata metadata_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<std::string> names_;
};

}  // namespace mien::io
