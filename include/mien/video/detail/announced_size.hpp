#pragma once

/// How long a film's file is by its own first bytes, where its format says that: what FFmpeg does not compare.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace mien::video::detail {

/// As many bytes as `announced_size` may want to see.
inline constexpr std::size_t announced_size_bytes = 4096;

/// Reads Matroska's numbers (RFC 8794): as many zero bits as bytes follow the first, a one, and the value.
class EbmlNumbers {
 public:
  explicit EbmlNumbers(std::span<const std::byte> bytes) : bytes_(bytes) {}

  /// The next number with its leading one, as an element's name is written.
  std::optional<std::uint64_t> name() { return next(true); }

  /// The next number as a size; nothing for the one that means unknown, too.
  std::optional<std::uint64_t> size() {
    const std::size_t begin = place_;
    const auto value = next(false);
    const auto bits = 7 * (place_ - begin);
    if (value && *value == (std::uint64_t{1} << bits) - 1) return std::nullopt;
    return value;
  }

  void skip(std::uint64_t count) { place_ += static_cast<std::size_t>(count); }
  std::size_t place() const { return place_; }

 private:
  std::optional<std::uint64_t> next(bool with_one) {
    if (place_ >= bytes_.size()) return std::nullopt;
    const auto first = std::to_integer<std::uint8_t>(bytes_[place_]);
    const auto length = static_cast<std::size_t>(std::countl_zero(first)) + 1;
    if (length > 8 || length > bytes_.size() - place_) return std::nullopt;
    std::uint64_t value = with_one ? first : first & (0xFFU >> length);
    for (std::size_t i = 1; i < length; ++i) value = value << 8 | std::to_integer<std::uint64_t>(bytes_[place_ + i]);
    place_ += length;
    return value;
  }

  std::span<const std::byte> bytes_;
  std::size_t place_ = 0;
};

inline std::optional<std::uint64_t> announced_matroska_size(std::span<const std::byte> begin) {
  constexpr std::uint64_t header = 0x1A45DFA3;
  constexpr std::uint64_t segment = 0x18538067;
  EbmlNumbers numbers(begin);
  if (numbers.name() != header) return std::nullopt;
  const auto header_size = numbers.size();
  if (!header_size || *header_size > begin.size()) return std::nullopt;
  numbers.skip(*header_size);
  if (numbers.name() != segment) return std::nullopt;
  const auto size = numbers.size();
  if (!size) return std::nullopt;
  return numbers.place() + *size;
}

/// RIFF, the format of AVI files.
inline std::optional<std::uint64_t> announced_riff_size(std::span<const std::byte> begin) {
  constexpr std::size_t header = 8;
  if (begin.size() < header || std::string_view(reinterpret_cast<const char*>(begin.data()), 4) != "RIFF")
    return std::nullopt;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) size |= std::to_integer<std::uint64_t>(begin[4 + i]) << (8 * i);
  if (size == 0 || size == 0xFFFFFFFF) return std::nullopt;  // of writers that could not know
  return header + size;
}

/// The file's size by its first bytes, if they tell.
inline std::optional<std::uint64_t> announced_size(std::span<const std::byte> begin) {
  const auto matroska = announced_matroska_size(begin);
  return matroska ? matroska : announced_riff_size(begin);
}

}  // namespace mien::video::detail
