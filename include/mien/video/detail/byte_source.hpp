#pragma once

/// Bytes from files and pipes, read from the front to the back.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mien/io/file.hpp"

namespace mien::video::detail {

using mien::detail::text;

/// Two descriptors of which the first becomes readable when somebody raises the signal, for good.
class Signal {
 public:
  Signal() {
    if (::pipe(ends_.data()) != 0) throw Error("no pipe can be made: " + io::detail::system_message(errno));
    for (const int end : ends_) static_cast<void>(::fcntl(end, F_SETFD, FD_CLOEXEC));
  }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() {
    for (const int end : ends_) ::close(end);
  }

  void raise() const noexcept { static_cast<void>(!::write(ends_[1], "", 1)); }
  int descriptor() const { return ends_[0]; }

 private:
  std::array<int, 2> ends_{-1, -1};
};

/// A file, a pipe or the standard input, with a buffer that can be looked into. What cannot be read is FileError.
class ByteSource {
 public:
  /// Standard input, which stays open afterwards.
  ByteSource() : name_("standard input"), descriptor_(STDIN_FILENO) { learn_size(); }

  explicit ByteSource(const std::filesystem::path& path)
      : name_(path.string()), owned_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), descriptor_(owned_.get()) {
    if (!owned_.is_open()) throw FileError(name_, "", io::detail::system_message(errno), "a readable file or pipe");
    learn_size();
  }

  const std::string& name() const { return name_; }
  bool is_standard_input() const { return !owned_.is_open(); }
  std::uint64_t position() const { return position_; }                ///< bytes taken so far
  const std::optional<std::uint64_t>& size() const { return size_; }  ///< of a file; pipes have none

  /// The next `count` bytes, or all that are left if they are fewer, without taking them.
  std::span<const std::byte> peek(std::size_t count) {
    if (buffer_.size() < first_ + count) {
      buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(first_));
      last_ -= std::exchange(first_, 0);
      buffer_.resize(std::max(count, buffer_bytes));
    }
    while (last_ - first_ < count) {
      const std::size_t got = read_now(std::span(buffer_).subspan(last_));
      if (got == 0) break;
      last_ += got;
    }
    return std::span(buffer_).subspan(first_, std::min(count, last_ - first_));
  }

  /// Takes what there is, at least one byte, at most as many as fit; 0 at the end.
  std::size_t read_some(std::span<std::byte> to) {
    if (first_ == last_) {
      const std::size_t got = read_now(to);
      position_ += got;
      return got;
    }
    const std::size_t count = std::min(to.size(), last_ - first_);
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(first_), count, to.begin());
    first_ += count;
    position_ += count;
    return count;
  }

  /// Takes as many bytes as fit; fewer only at the end.
  std::size_t read(std::span<std::byte> to) {
    std::size_t filled = 0;
    while (filled < to.size()) {
      const std::size_t got = read_some(to.subspan(filled));
      if (got == 0) break;
      filled += got;
    }
    return filled;
  }

  /// Takes up to the next line feed, which is not in the result; nothing if there is none within `longest` bytes.
  std::optional<std::string> read_line(std::size_t longest) {
    // Few bytes at a time, so that a pipe is not waited for longer than the line needs.
    for (std::size_t count = 1; count <= longest; ++count) {
      const auto ahead = peek(count);
      if (ahead.size() < count) return std::nullopt;
      if (ahead.back() != std::byte{'\n'}) continue;
      std::string line(reinterpret_cast<const char*>(ahead.data()), count - 1);
      first_ += count;
      position_ += count;
      return line;
    }
    return std::nullopt;
  }

  /// From any thread: ends a read that waits, and all later ones, by an Error.
  void cancel() noexcept { cancelled_.raise(); }

 private:
  static constexpr std::size_t buffer_bytes = std::size_t{1} << 16;

  void learn_size() {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) throw FileError(name_, "", io::detail::system_message(errno), "a file");
    if (S_ISDIR(status.st_mode)) throw FileError(name_, "", "a folder", "a file or a pipe");
    if (S_ISREG(status.st_mode)) size_ = static_cast<std::uint64_t>(status.st_size);
  }

  std::size_t read_now(std::span<std::byte> to) {
    while (true) {
      std::array<pollfd, 2> waited{{{descriptor_, POLLIN, 0}, {cancelled_.descriptor(), POLLIN, 0}}};
      if (::poll(waited.data(), waited.size(), -1) < 0 && errno != EINTR) fail(errno);
      if (waited[1].revents != 0) throw Error(name_ + ": reading was cancelled");
      if (waited[0].revents == 0) continue;
      const ssize_t count = ::read(descriptor_, to.data(), to.size());
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR && errno != EAGAIN) fail(errno);
    }
  }

  [[noreturn]] void fail(int code) const {
    throw FileError(name_, text("byte ", position_), io::detail::system_message(code), "readable data");
  }

  std::string name_;
  io::detail::FileDescriptor owned_{-1};
  int descriptor_;
  Signal cancelled_ = {};
  std::optional<std::uint64_t> size_ = {};
  std::vector<std::byte> buffer_ = {};
  std::size_t first_ = 0;  ///< of the buffer's bytes that were read and not yet taken
  std::size_t last_ = 0;
  std::uint64_t position_ = 0;
};

}  // namespace mien::video::detail
