#pragma once

// Numbers and texts in binary files, little-endian, with every length checked; and a hash of content.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/core/error.hpp"

namespace mien::data::detail {

/// FNV-1a of 64 bits (Fowler, Noll, Vo): tells contents apart, and does not resist forgers.
inline std::uint64_t content_hash(std::span<const std::byte> bytes, std::uint64_t start = 0xcbf29ce484222325) {
  std::uint64_t hash = start;
  for (const std::byte byte : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
  return hash;
}

class ByteWriter {
 public:
  void u8(std::uint64_t value) { append(value, 1); }
  void u32(std::uint64_t value) { append(value, 4); }
  void u64(std::uint64_t value) { append(value, 8); }
  void number(double value) { u64(std::bit_cast<std::uint64_t>(value)); }
  void string(std::string_view value) {
    u64(value.size());
    const auto bytes = std::as_bytes(std::span(value));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  void append(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
  }

  std::vector<std::byte> bytes_;
};

class ByteReader {
 public:
  /// `offset` is where in the file the bytes begin, for errors.
  ByteReader(std::span<const std::byte> bytes, std::string file, std::uint64_t offset = 0)
      : bytes_(bytes), file_(std::move(file)), offset_(offset) {}

  std::uint64_t u8() { return number_of(1); }
  std::uint64_t u32() { return number_of(4); }
  std::uint64_t u64() { return number_of(8); }
  double number() { return std::bit_cast<double>(u64()); }
  std::string string() {
    const auto bytes = take(u64());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// A count of things that need at least `least` bytes each: no list is made for more than can be there.
  std::size_t count(std::size_t least) {
    const std::uint64_t value = u64();
    if (value > left() / least)
      fail(mien::detail::text(value, " entries"), mien::detail::text("at most ", left() / least, " in what is left"));
    return static_cast<std::size_t>(value);
  }

  std::span<const std::byte> take(std::uint64_t size) {
    if (size > left())
      fail(mien::detail::text(size, " bytes"), mien::detail::text("at most ", left(), " that are left"));
    const auto taken = bytes_.subspan(at_, static_cast<std::size_t>(size));
    at_ += taken.size();
    return taken;
  }

  std::size_t left() const { return bytes_.size() - at_; }

  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    throw FileError(file_, mien::detail::text("byte ", offset_ + at_), found, expected);
  }

 private:
  std::uint64_t number_of(std::size_t size) {
    std::uint64_t value = 0;
    const auto bytes = take(size);
    for (std::size_t i = 0; i < size; ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
    return value;
  }

  std::span<const std::byte> bytes_;
  std::string file_;
  std::uint64_t offset_;
  std::size_t at_ = 0;
};

}  // namespace mien::data::detail
