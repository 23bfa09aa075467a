#pragma once

/// NumPy's array files, .npy and .npy.gz.
///
/// Bytes of a file: "\x93NUMPY", version (two bytes), the header's length (two bytes in version 1, four after it), the
/// header {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }, the elements. Versions 1 to 3 are read, with
/// little-endian integers, booleans and floating-point numbers of 16, 32 and 64 bits, in C or Fortran order.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "mien/core/tensor.hpp"
#include "mien/io/element_type.hpp"
#include "mien/io/file.hpp"
#include "mien/io/gzip.hpp"

namespace mien::io {

namespace detail {

/// What a .npy header says.
struct NpyHeader {
  std::optional<ElementType> type;
  std::optional<bool> fortran_order;
  std::optional<Shape> shape;
};

/// Reads the dictionary of a .npy header: exactly its three keys, in any order.
class NpyHeaderParser {
 public:
  NpyHeaderParser(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  NpyHeader parse() {
    NpyHeader header;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !header.type) {
        header.type = element_type(quoted());
      } else if (key == "fortran_order" && !header.fortran_order) {
        header.fortran_order = boolean();
      } else if (key == "shape" && !header.shape) {
        header.shape = shape();
      } else {
        fail(mien::detail::text("key `", key.substr(0, 40), "`"), "descr, fortran_order and shape, each once");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (position_ != text_.size()) fail("more text", "the end of the header");
    if (!header.type || !header.fortran_order || !header.shape) fail("a missing key", "descr, fortran_order and shape");
    return header;
  }

 private:
  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    throw FileError(file_, mien::detail::text("header, character ", position_), found, expected);
  }

  void skip_space() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
  }

  bool accept(char wanted) {
    skip_space();
    if (position_ == text_.size() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) fail("something else", mien::detail::text("`", wanted, "`"));
  }

  std::string_view quoted() {
    skip_space();
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const std::size_t end = text_.find(quote, position_);
    if (end == std::string_view::npos) fail("no closing quote", "a quoted word");
    const auto word = text_.substr(position_, end - position_);
    position_ = end + 1;
    return word;
  }

  ElementType element_type(std::string_view descr) const {
    static constexpr std::array<std::pair<std::string_view, ElementType>, 12> known = {{{"b1", ElementType::boolean},
                                                                                        {"i1", ElementType::int8},
                                                                                        {"u1", ElementType::uint8},
                                                                                        {"i2", ElementType::int16},
                                                                                        {"u2", ElementType::uint16},
                                                                                        {"i4", ElementType::int32},
                                                                                        {"u4", ElementType::uint32},
                                                                                        {"i8", ElementType::int64},
                                                                                        {"u8", ElementType::uint64},
                                                                                        {"f2", ElementType::float16},
                                                                                        {"f4", ElementType::float32},
                                                                                        {"f8", ElementType::float64}}};
    for (const auto& [name, type] : known) {
      const bool order_matters = element_bytes(type) > 1;
      if (descr.size() == 3 && descr.substr(1) == name && (descr[0] == '<' || (descr[0] == '|' && !order_matters)))
        return type;
    }
    fail(mien::detail::text("elements of type `", descr.substr(0, 40), "`"),
         "a little-endian number: <f2, <f4, <f8, |i1 to <i8, |u1 to <u8, |b1");
  }

  bool boolean() {
    skip_space();
    for (const auto& [word, value] : {std::pair{std::string_view("True"), true}, {"False", false}}) {
      if (!text_.substr(position_).starts_with(word)) continue;
      position_ += word.size();
      return value;
    }
    fail("something else", "True or False");
  }

  Shape shape() {
    Shape out;
    expect('(');
    while (!accept(')')) {
      if (out.rank() == Shape::max_rank) fail("more axes", mien::detail::text("at most ", Shape::max_rank));
      try {
        out.append(extent());
      } catch (const ShapeError& error) {
        fail(error.what(), "a shape that fits in memory");
      }
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return out;
  }

  Index extent() {
    skip_space();
    Index value = 0;
    const std::size_t begin = position_;
    for (; position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9'; ++position_) {
      if (position_ - begin >= 18) fail("a number of too many digits", "an extent");
      value = value * 10 + (text_[position_] - '0');
    }
    if (position_ == begin) fail("no number", "an extent");
    return value;
  }

  std::string_view text_;
  std::string_view file_;
  std::size_t position_ = 0;
};

/// Elements that lie in Fortran order, the first axis closest together, in the library's order.
template <class T>
Tensor<T> from_fortran_order(const Tensor<T>& stored, const Shape& shape) {
  Shape reversed;
  std::vector<Index> order;
  for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
    reversed.append(shape[axis]);
    order.push_back(axis);
  }
  return stored.view(reversed).permute(order).clone();
}

}  // namespace detail

/// The array of a .npy file in memory, as float, double, std::int64_t or std::uint8_t; numbers convert as in
/// `Safetensors::tensor`. `file` is only named in errors. Throws FileError.
template <class T>
Tensor<T> parse_npy(std::span<const std::byte> bytes, std::string_view file = "npy in memory") {
  static_assert(detail::FileElement<T>, "arrays of float, double, std::int64_t and std::uint8_t are read");
  constexpr std::string_view magic = "\x93NUMPY";
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!start.starts_with(magic) || start.size() < 10) throw FileError(file, "", "another file", "a .npy file");
  const char version = start[6];
  if (version < 1 || version > 3)
    throw FileError(file, "byte 6", detail::text("version ", static_cast<int>(version)), "1, 2 or 3");
  std::uint32_t header_bytes = 0;
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  std::memcpy(&header_bytes, bytes.data() + 8, std::min(length_bytes, bytes.size() - 8));
  const std::size_t header_begin = 8 + length_bytes;
  constexpr std::uint32_t max_header_bytes = 1 << 16;
  if (header_begin > bytes.size() || header_bytes > max_header_bytes || header_bytes > bytes.size() - header_begin)
    throw FileError(file, "byte 8", detail::text("a header of ", header_bytes, " bytes"), "one within the file");

  const auto header = detail::NpyHeaderParser(start.substr(header_begin, header_bytes), file).parse();
  const auto data = bytes.subspan(header_begin + header_bytes);
  const Index elements = header.shape->elements();
  const std::uint64_t expected = static_cast<std::uint64_t>(elements) * element_bytes(*header.type);
  if (data.size() != expected)
    throw FileError(file, "", detail::text(data.size(), " bytes of elements"),
                    detail::text(expected, " for shape ", *header.shape, " of ", element_name(*header.type)));
  if (!detail::is_convertible<T>(*header.type))
    throw FileError(file, "", detail::text("elements of type ", element_name(*header.type)),
                    detail::text("what converts to ", element_name(detail::element_type_of<T>())));
  Tensor<T> out(*header.shape);
  const Index converted = detail::convert_elements<T>(*header.type, data.data(), elements, out.data());
  if (converted != elements)
    throw FileError(file, detail::text("element ", converted), "a value beyond its range",
                    detail::text("one that ", element_name(detail::element_type_of<T>()), " can hold"));
  return *header.fortran_order ? detail::from_fortran_order(out, *header.shape) : out;
}

/// Reads a .npy or .npy.gz file; what it is, its first bytes tell. At most `max_bytes` are taken in, packed or
/// unpacked. Throws FileError.
template <class T>
Tensor<T> read_npy(const std::filesystem::path& path, std::uint64_t max_bytes = std::uint64_t{4} << 30) {
  const auto bytes = read_file(path, max_bytes);
  if (!is_gzip(bytes)) return parse_npy<T>(bytes, path.string());
  return parse_npy<T>(gunzip(bytes, max_bytes, path.string()), path.string());
}

/// The bytes of a .npy file, version 1, in C order.
template <class T>
std::vector<std::byte> serialize_npy(const Tensor<T>& tensor) {
  static_assert(detail::FileElement<T>, "arrays of float, double, std::int64_t and std::uint8_t are written");
  constexpr std::string_view descr = std::is_same_v<T, float>          ? "<f4"
                                     : std::is_same_v<T, double>       ? "<f8"
                                     : std::is_same_v<T, std::int64_t> ? "<i8"
                                                                       : "|u1";
  std::string extents;
  for (const Index extent : tensor.shape()) extents += std::to_string(extent) + ", ";
  if (tensor.rank() > 1) extents.resize(extents.size() - 2);
  if (tensor.rank() == 1) extents.resize(extents.size() - 1);
  std::string header = detail::text("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", extents, "), }");
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string start("\x93NUMPY\x01\x00", 8);
  start += static_cast<char>(header.size() & 0xff);
  start += static_cast<char>(header.size() >> 8);
  start += header;

  const auto tight = tensor.contiguous();
  const auto data = std::as_bytes(std::span(tight.data(), static_cast<std::size_t>(tight.elements())));
  const auto prefix = std::as_bytes(std::span(start));
  std::vector<std::byte> out(prefix.begin(), prefix.end());
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

/// Writes a .npy file as a whole or not at all; see `write_file`.
template <class T>
void write_npy(const std::filesystem::path& path, const Tensor<T>& tensor) {
  write_file(path, serialize_npy(tensor));
}

}  // namespace mien::io
