#pragma once

// What a reader of files is fuzzed by: bytes go in, and nothing but an Error of the library may come out.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mien/core/error.hpp>
#include <mien/io/file.hpp>

namespace mien::fuzzing {

using Bytes = std::span<const std::byte>;

/// One reader, or several that read the same format.
struct Target {
  void (*read)(Bytes) = nullptr;
  /// Whole files that `read` takes without an error.
  std::vector<std::string> (*seeds)() = nullptr;
  /// What such files consist of, for guesses that are better than single bytes.
  std::vector<std::string> words = {};
};

/// Whether the bytes are read. Whatever is thrown besides an Error goes through, and is a find.
inline bool is_read(const Target& target, Bytes bytes) {
  try {
    target.read(bytes);
    return true;
  } catch (const Error&) {
    return false;
  }
}

inline std::string text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline std::vector<std::byte> copy_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
inline Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A file of the repository.
inline std::string repository_file(const std::string& path) {
  return io::read_text(std::filesystem::path(MIEN_SOURCE_DIR) / path);
}

/// A file in memory, for readers that want a path.
class MemoryFile {
 public:
  explicit MemoryFile(Bytes bytes) : file_(::memfd_create("fuzzed", MFD_CLOEXEC)) {
    if (!file_.is_open()) throw std::runtime_error("no file can be made in memory");
    while (!bytes.empty()) {
      const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
      if (count <= 0) throw std::runtime_error("the file in memory cannot be written");
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
  }

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(file_.get()); }

 private:
  io::detail::FileDescriptor file_;
};

/// A folder of this process, in memory where the system has such a place.
class MemoryFolder {
 public:
  MemoryFolder() {
    std::error_code unknown;
    const std::filesystem::path memory = "/dev/shm";
    const auto parent =
        std::filesystem::is_directory(memory, unknown) ? memory : std::filesystem::temp_directory_path();
    std::string name = (parent / "mien-fuzz-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder can be made in " + parent.string());
    path_ = name;
  }
  MemoryFolder(const MemoryFolder&) = delete;
  MemoryFolder& operator=(const MemoryFolder&) = delete;
  ~MemoryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

  /// Writes a file below the folder, and gives its path.
  std::filesystem::path write(const std::filesystem::path& name, Bytes bytes) const {
    const auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
    return path;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace mien::fuzzing
