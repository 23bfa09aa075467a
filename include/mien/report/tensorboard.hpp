#pragma once

/// Event files for TensorBoard: numbers, pictures and words over steps, written while a program runs.
///
///     report::EventLog log("work/face");
///     log.scalar("loss/train", 0.82, epoch);
///     log.image("mistakes/1", io::encode_png(frame), epoch);
///
/// `tensorboard --logdir work` shows them. A file is a row of records, each a length, its check sum, an Event message
/// in the protocol buffers' encoding, and its check sum (TFRecord; event.proto and summary.proto of TensorFlow).

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "mien/core/error.hpp"
#include "mien/core/shape.hpp"
#include "mien/io/file.hpp"
#include "mien/train/history.hpp"

namespace mien::report {

/// CRC-32C (Castagnoli), as in RFC 3720, section B.4.
inline std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> out{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t value = byte;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1U) != 0 ? 0x82F63B78U : 0U);
      out[byte] = value;
    }
    return out;
  }();
  std::uint32_t sum = 0xFFFFFFFFU;
  for (const char byte : bytes) sum = table[(sum ^ static_cast<unsigned char>(byte)) & 0xFFU] ^ (sum >> 8);
  return ~sum;
}

namespace detail {

using mien::detail::text;

/// Check sums of data that hold check sums are easily the same; so they are stored turned and shifted.
inline std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t sum = crc32c(bytes);
  return ((sum >> 15) | (sum << 17)) + 0xA282EAD8U;
}

/// An unsigned number in so many bytes, the least significant first.
inline std::string little_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  return out;
}

/// A record of a TFRecord file.
inline std::string event_record(std::string_view message) {
  const std::string length = little_endian(message.size(), 8);
  std::string out = length + little_endian(masked_crc32c(length), 4);
  out += message;
  return out + little_endian(masked_crc32c(message), 4);
}

/// A message of the protocol buffers, field by field.
class Message {
 public:
  Message& varint(int field, std::uint64_t value) {
    append_key(field, 0);
    append(value);
    return *this;
  }
  Message& number(int field, double value) {
    append_key(field, 1);
    bytes_ += little_endian(std::bit_cast<std::uint64_t>(value), 8);
    return *this;
  }
  Message& number(int field, float value) {
    append_key(field, 5);
    bytes_ += little_endian(std::bit_cast<std::uint32_t>(value), 4);
    return *this;
  }
  Message& bytes(int field, std::string_view value) {
    append_key(field, 2);
    append(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return bytes(field, value.bytes_); }

  const std::string& encoded() const { return bytes_; }

 private:
  void append_key(int field, int kind) { append(static_cast<std::uint64_t>(field * 8 + kind)); }
  void append(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(static_cast<unsigned char>(value | 0x80U));
    bytes_ += static_cast<char>(static_cast<unsigned char>(value));
  }

  std::string bytes_;
};

/// Event: wall_time = 1, step = 2. What happened is still to be added.
inline Message event(double wall_time, Index step) {
  Message out;
  out.number(1, wall_time);
  if (step != 0) out.varint(2, static_cast<std::uint64_t>(step));
  return out;
}

/// Event: summary = 5; Summary: value = 1; Value: tag = 1, before what it is.
inline Message summary_event(double wall_time, Index step, const Message& value) {
  return event(wall_time, step).message(5, Message().message(1, value));
}

/// Value: simple_value = 2.
inline Message scalar_value(std::string_view tag, double value) {
  return Message().bytes(1, tag).number(2, static_cast<float>(value));
}

/// Width and height of a PNG, which its header says. Throws ValueError for anything else.
inline std::array<std::uint32_t, 2> png_size(std::span<const std::byte> png) {
  constexpr std::array<unsigned char, 8> magic{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  bool matches = png.size() >= 24;
  for (std::size_t i = 0; matches && i < magic.size(); ++i) matches = png[i] == static_cast<std::byte>(magic[i]);
  if (!matches) throw ValueError(text("EventLog: a picture of ", png.size(), " bytes is no PNG"));
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = (value << 8) | std::to_integer<std::uint32_t>(png[at + i]);
    return value;
  };
  return {number(16), number(20)};
}

/// Value: image = 4; Image: height = 1, width = 2, colorspace = 3, encoded_image_string = 4.
inline Message image_value(std::string_view tag, std::span<const std::byte> png) {
  const auto [width, height] = png_size(png);
  constexpr std::uint64_t rgb = 3;
  Message image;
  image.varint(1, height).varint(2, width).varint(3, rgb);
  image.bytes(4, {reinterpret_cast<const char*>(png.data()), png.size()});
  return Message().bytes(1, tag).message(4, image);
}

/// Value: metadata = 9 that names the plugin "text", tensor = 8 of one string.
inline Message text_value(std::string_view tag, std::string_view words) {
  constexpr std::uint64_t string_type = 7;
  const Message metadata = Message().message(1, Message().bytes(1, "text"));
  const Message shape = Message().message(2, Message().varint(1, 1));
  return Message()
      .bytes(1, tag)
      .message(9, metadata)
      .message(8, Message().varint(1, string_type).message(2, shape).bytes(8, words));
}

/// "loss/train" for "train_loss": TensorBoard puts what has the same word before the stroke into one group.
inline std::string history_tag(std::string_view column) {
  for (const std::string_view part : {std::string_view("train"), std::string_view("validation")})
    if (column.size() > part.size() + 1 && column.starts_with(part) && column[part.size()] == '_')
      return text(column.substr(part.size() + 1), "/", part);
  return std::string(column);
}

}  // namespace detail

struct EventLogOptions {
  /// Where a program goes on that was interrupted: what earlier files of the folder say of this step and later ones,
  /// TensorBoard forgets.
  Index first_step = 0;
};

/// A new event file in a folder, which TensorBoard takes together with those that are there already. Every record is
/// handed to the system as a whole at once: a program that dies loses none, and TensorBoard can read along.
class EventLog {
 public:
  /// Makes the folder if there is none. Throws FileError.
  explicit EventLog(const std::filesystem::path& folder, const EventLogOptions& options = {})
      : path_(new_name(folder)),
        file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666)) {
    if (!file_.is_open()) fail(errno);
    write(detail::event(now(), 0).bytes(3, "brain.Event:2"));
    // SessionLog: status = 1, which is START.
    constexpr std::uint64_t start = 1;
    write(detail::event(now(), options.first_step).message(7, detail::Message().varint(1, start)));
  }

  const std::filesystem::path& path() const { return path_; }

  /// A number, which is stored as a float. "group/name" puts it among others of its group. Throws FileError, as all do;
  /// the file is then as it was before.
  void scalar(std::string_view tag, double value, Index step) { add(detail::scalar_value(tag, value), step); }

  /// A picture. Throws ValueError unless it is a PNG.
  void image(std::string_view tag, std::span<const std::byte> png, Index step) {
    add(detail::image_value(tag, png), step);
  }

  /// Words; TensorBoard understands Markdown.
  void text(std::string_view tag, std::string_view words, Index step) { add(detail::text_value(tag, words), step); }

  /// All numbers of one row of a history, its epoch being the step: "train_loss" as "loss/train" and so on. Throws
  /// IndexError.
  void scalars(const train::History& history, Index row) {
    const std::vector<double>& values = history.row(row);
    const auto step = static_cast<Index>(std::lround(values.front()));
    for (std::size_t i = 1; i < values.size(); ++i) scalar(detail::history_tag(history.columns()[i]), values[i], step);
  }

  /// Waits until the disk has everything, so that a loss of power loses none of it.
  void flush() {
    if (::fsync(file_.get()) != 0 && errno != EINVAL) fail(errno);
  }

 private:
  static double now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  /// TensorBoard reads a folder's files in the order of their names: that of their seconds, and of their number where
  /// two have the same.
  static std::filesystem::path new_name(const std::filesystem::path& folder) {
    std::error_code problem;
    std::filesystem::create_directories(folder, problem);
    if (problem) throw FileError(folder.string(), "", problem.message(), "a folder that can be written");
    Index number = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder, problem))
      if (entry.path().filename().string().find("tfevents") != std::string::npos) ++number;
    if (problem) throw FileError(folder.string(), "", problem.message(), "a folder that can be read");
    char name[96];
    std::snprintf(name, sizeof name, "events.out.tfevents.%010lld.%04lld.%ld", static_cast<long long>(now()),
                  static_cast<long long>(number), static_cast<long>(::getpid()));
    return folder / name;
  }

  void add(const detail::Message& value, Index step) { write(detail::summary_event(now(), step, value)); }

  void write(const detail::Message& message) {
    const std::string record = detail::event_record(message.encoded());
    std::string_view rest = record;
    while (!rest.empty()) {
      const ssize_t count = ::write(file_.get(), rest.data(), rest.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        const int code = errno;
        // A part of a record would make all that follow unreadable.
        static_cast<void>(::ftruncate(file_.get(), static_cast<off_t>(written_)));
        fail(code);
      }
      rest.remove_prefix(static_cast<std::size_t>(count));
    }
    written_ += record.size();
  }

  [[noreturn]] void fail(int code) const {
    throw FileError(path_.string(), "", io::detail::system_message(code), "a place that can be written");
  }

  std::filesystem::path path_;
  io::detail::FileDescriptor file_;
  std::uint64_t written_ = 0;
};

}  // namespace mien::report
