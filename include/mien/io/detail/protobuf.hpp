#pragma once

/// Writes messages in protobuf's wire format (https://protobuf.dev/programming-guides/encoding), as much of it as ONNX
/// files need.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

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

}  // namespace mien::io::detail
