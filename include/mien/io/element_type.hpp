#pragma once

/// The number types that files store, and how they become the library's own.

#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "mien/core/number.hpp"
#include "mien/core/shape.hpp"

namespace mien::io {

static_assert(std::endian::native == std::endian::little, "the readers take little-endian files as memory has them");

/// The types that .safetensors and .npy files know.
enum class ElementType {
  boolean,
  uint8,
  int8,
  uint16,
  int16,
  float16,
  bfloat16,
  uint32,
  int32,
  float32,
  uint64,
  int64,
  float64
};

namespace detail {

/// A type's size and its name in a .safetensors header.
struct ElementTypeFacts {
  ElementType type;
  std::size_t bytes;
  std::string_view name;
};

inline constexpr std::array<ElementTypeFacts, 13> element_types = {{{ElementType::boolean, 1, "BOOL"},
                                                                    {ElementType::uint8, 1, "U8"},
                                                                    {ElementType::int8, 1, "I8"},
                                                                    {ElementType::uint16, 2, "U16"},
                                                                    {ElementType::int16, 2, "I16"},
                                                                    {ElementType::float16, 2, "F16"},
                                                                    {ElementType::bfloat16, 2, "BF16"},
                                                                    {ElementType::uint32, 4, "U32"},
                                                                    {ElementType::int32, 4, "I32"},
                                                                    {ElementType::float32, 4, "F32"},
                                                                    {ElementType::uint64, 8, "U64"},
                                                                    {ElementType::int64, 8, "I64"},
                                                                    {ElementType::float64, 8, "F64"}}};

}  // namespace detail

/// Bytes of one element.
constexpr std::size_t element_bytes(ElementType type) {
  return detail::element_types[static_cast<std::size_t>(type)].bytes;
}

/// As .safetensors headers spell it: "F32", "I64", ...
constexpr std::string_view element_name(ElementType type) {
  return detail::element_types[static_cast<std::size_t>(type)].name;
}

constexpr bool is_floating_point(ElementType type) {
  return type == ElementType::float16 || type == ElementType::bfloat16 || type == ElementType::float32 ||
         type == ElementType::float64;
}

namespace detail {

template <class T>
concept FileElement =
    std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int64_t> || std::same_as<T, std::uint8_t>;

template <FileElement T>
constexpr ElementType element_type_of() {
  if constexpr (std::is_same_v<T, float>) return ElementType::float32;
  if constexpr (std::is_same_v<T, double>) return ElementType::float64;
  if constexpr (std::is_same_v<T, std::int64_t>) return ElementType::int64;
  return ElementType::uint8;
}

/// One stored number as a T, or nothing if T cannot hold it: an integer must survive exactly, a finite floating-point
/// number must stay finite.
template <FileElement T, class Stored>
std::optional<T> convert_element(Stored value) {
  if constexpr (std::is_same_v<T, Stored>) {
    return value;
  } else if constexpr (std::is_floating_point_v<Stored>) {
    if constexpr (sizeof(T) < sizeof(Stored)) {
      if (std::isfinite(value) && std::abs(value) > static_cast<Stored>(std::numeric_limits<T>::max())) return {};
    }
    return static_cast<T>(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    const T converted = static_cast<T>(value);
    if constexpr (std::numeric_limits<Stored>::digits > std::numeric_limits<T>::digits) {
      // The first value beyond the type's range, exact as a power of two: converting it back would be undefined.
      const T limit = std::ldexp(T{1}, std::numeric_limits<Stored>::digits);
      if (converted >= limit || static_cast<Stored>(converted) != value) return {};
    }
    return converted;
  } else {
    if (!std::in_range<T>(value)) return {};
    return static_cast<T>(value);
  }
}

template <FileElement T, class Stored, class Decode>
Index convert_run(const std::byte* from, Index count, T* to, Decode decode) {
  for (Index i = 0; i < count; ++i) {
    // Files promise no alignment.
    Stored stored;
    std::memcpy(&stored, from + static_cast<std::size_t>(i) * sizeof(Stored), sizeof(Stored));
    const auto converted = convert_element<T>(decode(stored));
    if (!converted) return i;
    to[i] = *converted;
  }
  return count;
}

/// Whether numbers of a stored type may be asked for as T at all: nothing with a fraction as an integer, and only what
/// fits a byte as a byte.
template <FileElement T>
constexpr bool is_convertible(ElementType type) {
  if constexpr (std::is_floating_point_v<T>) return true;
  if constexpr (std::is_same_v<T, std::int64_t>) return !is_floating_point(type);
  return type == ElementType::uint8 || type == ElementType::boolean;
}

/// Converts `count` stored numbers. Returns `count`, or the place of the first number that T cannot hold.
/// `is_convertible<T>(type)` must be true.
template <FileElement T>
Index convert_elements(ElementType type, const std::byte* from, Index count, T* to) {
  const auto same = [](auto value) { return value; };
  const auto run = [&]<class Stored>(Stored) { return convert_run<T, Stored>(from, count, to, same); };
  if (type == ElementType::boolean)
    return convert_run<T, std::uint8_t>(from, count, to, [](std::uint8_t v) -> std::uint8_t { return v != 0; });
  if (type == ElementType::uint8) return run(std::uint8_t{});
  if constexpr (!std::is_same_v<T, std::uint8_t>) {
    if (type == ElementType::int8) return run(std::int8_t{});
    if (type == ElementType::uint16) return run(std::uint16_t{});
    if (type == ElementType::int16) return run(std::int16_t{});
    if (type == ElementType::uint32) return run(std::uint32_t{});
    if (type == ElementType::int32) return run(std::int32_t{});
    if (type == ElementType::uint64) return run(std::uint64_t{});
    if (type == ElementType::int64) return run(std::int64_t{});
  }
  if constexpr (std::is_floating_point_v<T>) {
    if (type == ElementType::float32) return run(float{});
    if (type == ElementType::float64) return run(double{});
    const auto to_float = [](auto value) { return static_cast<float>(value); };
    if (type == ElementType::float16) return convert_run<T, float16>(from, count, to, to_float);
    if (type == ElementType::bfloat16) return convert_run<T, bfloat16>(from, count, to, to_float);
  }
  return 0;
}

/// `a * b`, or nothing if that does not fit.
inline std::optional<std::uint64_t> checked_product(std::uint64_t a, std::uint64_t b) {
  if (b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b) return {};
  return a * b;
}

}  // namespace detail
}  // namespace mien::io
