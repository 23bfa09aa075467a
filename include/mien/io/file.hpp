#pragma once

/// Whole files, read and written with every failure told apart and named.

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "mien/core/error.hpp"

namespace mien::io {

/// The most that `read_file` takes in when the caller names no other limit: 16 GiB.
inline constexpr std::uint64_t default_max_file_bytes = std::uint64_t{16} << 30;

namespace detail {

using mien::detail::text;

/// The system's words for an `errno`.
inline std::string system_message(int code) { return std::generic_category().message(code); }

/// An open file that is closed on every way out.
class FileDescriptor {
 public:
  explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { close(); }

  int get() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }

  /// Whether the system took everything that was written: some file systems say only now that the disk is full.
  bool close() {
    const int descriptor = std::exchange(descriptor_, -1);
    return descriptor < 0 || ::close(descriptor) == 0;
  }

 private:
  int descriptor_;
};

inline std::string_view file_kind(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

/// Opens a regular file and tells its size.
inline std::pair<int, std::uint64_t> open_regular(const std::filesystem::path& path) {
  // Without O_NONBLOCK, opening a pipe would wait for somebody to write into it.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw FileError(path.string(), "", system_message(errno), "a readable file");
  struct stat status {};
  const int problem = ::fstat(descriptor, &status) == 0 ? 0 : errno;
  if (problem != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw FileError(path.string(), "", problem != 0 ? system_message(problem) : std::string(file_kind(status.st_mode)),
                    "a regular file");
  }
  return {descriptor, static_cast<std::uint64_t>(status.st_size)};
}

/// Reads a whole file into a container of bytes.
template <class Container>
Container read_whole(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const auto [descriptor, size] = open_regular(path);
  const FileDescriptor file(descriptor);
  if (size > max_bytes) throw FileError(path.string(), "", text(size, " bytes"), text("at most ", max_bytes, " bytes"));
  Container content;
  content.resize(static_cast<std::size_t>(size));
  std::size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t count = ::read(file.get(), content.data() + filled, content.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw FileError(path.string(), text("byte ", filled), system_message(errno), "readable data");
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  if (filled != size)
    throw FileError(path.string(), text("byte ", filled), "the end of the file", text(size, " bytes"));
  return content;
}

/// Makes a folder's entries survive a loss of power. File systems that cannot are left in peace.
inline void sync_folder(const std::filesystem::path& folder) {
  const FileDescriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor.is_open()) return;
  if (::fsync(descriptor.get()) != 0 && errno == EIO)
    throw FileError(folder.string(), "", system_message(errno), "a folder that can be synced");
}

inline constexpr std::string_view temporary_prefix = ".mien-";

/// ".mien-<process>-<number>.tmp", another one each time.
inline std::string temporary_name() {
  static std::atomic<unsigned> counter{0};
  return text(temporary_prefix, static_cast<std::int64_t>(::getpid()), "-", counter++, ".tmp");
}

/// Whether a name is that of a temporary file whose process no longer runs on this machine.
inline bool is_abandoned(std::string_view name) {
  if (!name.starts_with(temporary_prefix) || !name.ends_with(".tmp")) return false;
  name.remove_prefix(temporary_prefix.size());
  pid_t process = 0;
  const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), process);
  if (problem != std::errc() || *end != '-' || process <= 0) return false;
  return ::kill(process, 0) != 0 && errno == ESRCH;
}

/// The permissions of a file that is there; none for a new name. Throws FileError for what is no regular file.
inline std::optional<mode_t> permissions_of(const std::filesystem::path& target) {
  struct stat existing {};
  if (::stat(target.c_str(), &existing) != 0) return std::nullopt;
  if (!S_ISREG(existing.st_mode))
    throw FileError(target.string(), "", file_kind(existing.st_mode), "a regular file or a new name");
  return existing.st_mode & 07777;
}

/// A file under a temporary name beside its target, gone again unless `commit` succeeds.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& target) : target_(target), descriptor_(create()) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  void write(std::span<const std::byte> content) {
    while (!content.empty()) {
      const ssize_t count = ::write(descriptor_.get(), content.data(), content.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) fail(count < 0 ? errno : EIO);
      content = content.subspan(static_cast<std::size_t>(count));
    }
  }

  /// Writes from a byte on, over what is there or behind it.
  void write_at(std::uint64_t byte, std::span<const std::byte> content) {
    while (!content.empty()) {
      const ssize_t count = ::pwrite(descriptor_.get(), content.data(), content.size(), static_cast<off_t>(byte));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) fail(count < 0 ? errno : EIO);
      byte += static_cast<std::uint64_t>(count);
      content = content.subspan(static_cast<std::size_t>(count));
    }
  }

  /// Synced before the rename: else a crash can leave an empty file under the good name.
  void commit() {
    if (::fsync(descriptor_.get()) != 0 && errno != EINVAL) fail(errno);
    if (!descriptor_.close()) fail(errno);
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(errno);
    temporary_.clear();
    sync_folder(folder());
  }

 private:
  std::filesystem::path folder() const {
    return target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
  }

  /// The name is short whatever the target's length, and O_EXCL keeps two writers apart.
  int create() {
    const std::optional<mode_t> permissions = permissions_of(target_);
    for (;;) {
      temporary_ = folder() / temporary_name();
      const int descriptor = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor < 0 && errno == EEXIST) continue;
      if (descriptor < 0) {
        const int code = errno;
        temporary_.clear();
        fail(code);
      }
      if (permissions) static_cast<void>(::fchmod(descriptor, *permissions));
      return descriptor;
    }
  }

  [[noreturn]] void fail(int code) const {
    throw FileError(target_.string(), "", system_message(code), "a place that can be written");
  }

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  FileDescriptor descriptor_;
};

/// Removes a file, or a folder with all that is in it. What cannot be removed stays. It asks for no memory by `new`, so
/// that a destructor may call it when there is none left. (`std::filesystem::remove_all` ends the program then.)
inline void remove_tree(int folder, const char* name) noexcept {
  if (::unlinkat(folder, name, 0) == 0) return;
  const int descriptor = ::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return;
  DIR* const stream = ::fdopendir(descriptor);
  if (stream == nullptr) {
    ::close(descriptor);
    return;
  }
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view inner = entry->d_name;
    if (inner != "." && inner != "..") remove_tree(descriptor, entry->d_name);
  }
  ::closedir(stream);
  ::unlinkat(folder, name, AT_REMOVEDIR);
}

inline void remove_tree(const std::filesystem::path& path) noexcept { remove_tree(AT_FDCWD, path.c_str()); }

}  // namespace detail

/// The names of all that lies in a folder, in no order. Throws FileError. (The iterators of std::filesystem end the
/// program where memory runs out.)
inline std::vector<std::string> names_in_folder(const std::filesystem::path& folder) {
  const auto close = [](DIR* stream) { ::closedir(stream); };
  const std::unique_ptr<DIR, decltype(close)> stream(::opendir(folder.c_str()), close);
  if (!stream) throw FileError(folder.string(), "", detail::system_message(errno), "a folder that can be read");
  std::vector<std::string> out;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) throw FileError(folder.string(), "", detail::system_message(errno), "a folder that can be read");
  return out;
}

namespace detail {

/// A folder under a temporary name beside its target, gone again with all that is in it unless `commit` succeeds.
class TemporaryFolder {
 public:
  /// Throws FileError if there is anything at the target but an empty folder.
  explicit TemporaryFolder(const std::filesystem::path& target)
      : target_(target.has_filename() ? target : target.parent_path()) {
    std::error_code unknown;
    const auto kind = std::filesystem::symlink_status(target_, unknown).type();
    const bool is_folder = kind == std::filesystem::file_type::directory;
    if (kind != std::filesystem::file_type::not_found && !(is_folder && names_in_folder(target_).empty()))
      throw FileError(target_.string(), "", "something that is there already", "a new name, or an empty folder");
    auto path = parent() / temporary_name();
    while (::mkdir(path.c_str(), 0777) != 0) {
      if (errno != EEXIST) fail(errno);
      path = parent() / temporary_name();
    }
    path_ = std::move(path);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    if (!path_.empty()) remove_tree(path_);
  }

  const std::filesystem::path& path() const { return path_; }

  /// Gives the folder its name. What is in it is synced before.
  void commit() {
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail(errno);
    path_.clear();
    sync_folder(parent());
  }

 private:
  std::filesystem::path parent() const {
    return target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
  }

  [[noreturn]] void fail(int code) const {
    throw FileError(target_.string(), "", system_message(code), "a place that can be written");
  }

  std::filesystem::path target_;
  std::filesystem::path path_;
};

/// The file that a symbolic link leads to; any other path as it is.
inline std::filesystem::path followed_link(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_symlink(path, error)) return path;
  const auto resolved = std::filesystem::weakly_canonical(path, error);
  return error ? path : resolved;
}

}  // namespace detail

/// All bytes of a regular file. Throws FileError that names the path and the reason: missing, no permission, a folder,
/// a pipe, larger than `max_bytes`, shortened while it was read.
inline std::vector<std::byte> read_file(const std::filesystem::path& path,
                                        std::uint64_t max_bytes = default_max_file_bytes) {
  return detail::read_whole<std::vector<std::byte>>(path, max_bytes);
}

/// As `read_file`, as text; the bytes are taken as they are.
inline std::string read_text(const std::filesystem::path& path, std::uint64_t max_bytes = default_max_file_bytes) {
  return detail::read_whole<std::string>(path, max_bytes);
}

/// Throws FileError for a text that begins as UTF-16 does, in which spreadsheets save "Unicode text". `file` is only
/// named in errors.
inline void refuse_utf_16(std::string_view content, std::string_view file) {
  if (content.starts_with("\xff\xfe") || content.starts_with("\xfe\xff"))
    throw FileError(file, "", "text in UTF-16", "UTF-8: save it as that (in Excel as `CSV UTF-8`)");
}

/// Replaces a file as a whole or not at all: written under a temporary name in the same folder, synced, renamed, the
/// folder synced. A reader sees the old content or the new one, never a part; after a failure the old one stands and
/// the temporary file is gone. A symbolic link to a file is followed; permissions of an existing file are kept. Throws
/// FileError (no such folder, no permission, disk full, target is not a regular file).
inline void write_file(const std::filesystem::path& path, std::span<const std::byte> content) {
  detail::TemporaryFile file(detail::followed_link(path));
  file.write(content);
  file.commit();
}

inline void write_file(const std::filesystem::path& path, std::string_view content) {
  write_file(path, std::as_bytes(std::span(content)));
}

/// Throws FileError for what is there and is neither a regular file nor a link to one, as `write_file` would: before
/// the work whose result is to be written.
inline void require_replaceable(const std::filesystem::path& path) { static_cast<void>(detail::permissions_of(path)); }

/// Makes a folder and those above it, unless they are there. Throws FileError.
inline void create_folders(const std::filesystem::path& folder) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) throw FileError(folder.string(), "", problem.message(), "a folder that can be made");
}

/// Removes what `write_file` and other writers left in a folder where the process was killed in the middle of it:
/// temporary files and folders of processes that no longer run. For folders that one machine writes into, as processes
/// of others cannot be seen. What cannot be removed stays as it is. Throws FileError for a folder that cannot be read.
inline void remove_abandoned_files(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) return;
  for (const std::string& name : names_in_folder(folder))
    if (detail::is_abandoned(name)) detail::remove_tree(folder / name);
}

}  // namespace mien::io
