#pragma once

// Numbers and texts in binary files, little-endian, with every length checked; and a hash of content.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/core/error.hpp"

namespace mien::data::detail {

/// Eight bytes as a little-endian number; fewer as if zeros followed.
inline std::uint64_t little_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  if (std::endian::native == std::endian::little && bytes.size() == 8) {
    std::memcpy(&value, bytes.data(), 8);
    return value;
  }
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

/// A hash of 64 bits that tells contents apart, and does not resist forgers: as FNV-1a (Fowler, Noll, Vo) multiplies
/// bytes in, this does eight of them at once, and folds the upper half onto the lower so that all bits count.
inline std::uint64_t content_hash(std::span<const std::byte> bytes, std::uint64_t start = 0xcbf29ce484222325) {
  const auto add = [](std::uint64_t hash, std::uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
  };
  std::uint64_t hash = add(start, bytes.size());
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) hash = add(hash, little_endian(bytes.first<8>()));
  return bytes.empty() ? hash : add(hash, little_endian(bytes));
}

class ByteWriter {
 public:
  void u8(std::uint64_t value) { append(value, 1); }
  void u32(std::uint64_t value) { append(value, 4); }
  void u64(std::uint64_t value) { append(value, 8); }
  void number(double value) { u64(std::bit_cast<std::uint64_t>(value)); }
  void string(std::string_view value) {
    u64(value.size());
    append(std::as_bytes(std::span(value)));
  }

  void append(std::span<const std::byte> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

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
  std::string string() { return std::string(string_view()); }
  /// As long as the bytes are there.
  std::string_view string_view() {
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
  std::uint64_t number_of(std::size_t size) { return little_endian(take(size)); }

  std::span<const std::byte> bytes_;
  std::string file_;
  std::uint64_t offset_;
  std::size_t at_ = 0;
};

}  // namespace mien::data::detail
