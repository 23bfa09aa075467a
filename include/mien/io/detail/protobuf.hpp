#pragma once

/// Messages in protobuf's wire format (https://protobuf.dev/programming-guides/encoding), written and read, as much of
/// it as ONNX files need.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "mien/core/error.hpp"

namespace mien::io::detail {

/// A message, its fields added one by one by their numbers in the .proto file.
class ProtobufMessage {
 public:
  void add_integer(int field, std::int64_t value) {
    append_key(field, 0);
    append_varint(static_cast<std::uint64_t>(value));
  }
  void add_float(int field, float value) {
    append_key(field, 5);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void add_bytes(int field, std::string_view value) {
    append_key(field, 2);
    append_varint(value.size());
    bytes_.append(value);
  }
  void add_message(int field, const ProtobufMessage& message) { add_bytes(field, message.bytes_); }

  const std::string& bytes() const { return bytes_; }

 private:
  void append_key(int field, int kind) {
    append_varint(static_cast<std::uint64_t>(field) << 3 | static_cast<unsigned>(kind));
  }

  void append_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

/// Reads the fields of a message one after the other.
///
///     for (ProtobufReader fields(bytes, file, place); fields.next();)
///       if (fields.field() == 1) name = fields.bytes();
///
/// Throws FileError, which names the message by `place`, for bytes that are no message, and for a field that is asked
/// for as what it is not. The bytes have to outlive the reader and what it gives.
class ProtobufReader {
 public:
  ProtobufReader(std::string_view bytes, std::string_view file, std::string_view place)
      : rest_(bytes), file_(file), place_(place) {}

  /// Goes on to the next field; false at the end.
  bool next() {
    if (rest_.empty()) return false;
    const std::uint64_t key = take_varint();
    kind_ = static_cast<int>(key & 7);
    if (key >> 3 == 0 || key >> 3 > max_field)
      fail(mien::detail::text("a field of number ", key >> 3), "1 to 2^29 - 1");
    field_ = static_cast<int>(key >> 3);
    switch (kind_) {
      case varint:
        number_ = take_varint();
        break;
      case eight_bytes:
        bytes_ = take(8);
        break;
      case length_delimited:
        bytes_ = take(take_varint());
        break;
      case four_bytes:
        bytes_ = take(4);
        break;
      default:
        fail(mien::detail::text("wire type ", kind_, " of field ", field_), "0, 1, 2 or 5");
    }
    return true;
  }

  int field() const { return field_; }

  std::int64_t integer() const {
    require(varint, "an integer");
    return static_cast<std::int64_t>(number_);
  }

  /// Text, bytes or a message.
  std::string_view bytes() const {
    require(length_delimited, "bytes");
    return bytes_;
  }

  /// Appends the integers of a repeated field, which may stand alone or packed.
  template <class Integers>
  void append_integers_to(Integers& out) const {
    if (kind_ == varint) return out.push_back(integer());
    for (ProtobufReader packed(bytes(), file_, place_); !packed.rest_.empty();)
      out.push_back(static_cast<std::int64_t>(packed.take_varint()));
  }

 private:
  static constexpr int varint = 0;
  static constexpr int eight_bytes = 1;
  static constexpr int length_delimited = 2;
  static constexpr int four_bytes = 5;
  static constexpr std::uint64_t max_field = (std::uint64_t{1} << 29) - 1;

  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    throw FileError(file_, place_, found, expected);
  }

  void require(int kind, const char* expected) const {
    if (kind_ != kind)
      fail(mien::detail::text("field ", field_, " of wire type ", kind_), mien::detail::text(expected, " there"));
  }

  std::uint64_t take_varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) fail("the end within a number", "a whole message");
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number of more than ten bytes", "a protobuf message");
  }

  std::string_view take(std::uint64_t count) {
    if (count > rest_.size())
      fail(mien::detail::text(count, " bytes of field ", field_), mien::detail::text("at most ", rest_.size()));
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(static_cast<std::size_t>(count));
    return taken;
  }

  std::string_view rest_;
  std::string_view file_;
  std::string_view place_;
  int field_ = 0;
  int kind_ = 0;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
};

}  // namespace mien::io::detail
