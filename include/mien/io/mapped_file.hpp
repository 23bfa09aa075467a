#pragma once

/// A file's bytes without reading all of them first.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>
#include <vector>

#include "mien/io/file.hpp"

#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#define MIEN_HAS_MMAP 1
#endif

namespace mien::io {

/// A whole file, mapped into memory where the system can do that, else read. The system fetches pages when they are
/// looked at and may drop them again. A file that another program shortens meanwhile ends this one (SIGBUS), so it is
/// for files that are replaced as a whole, as `write_file` does.
class MappedFile {
 public:
  /// Throws FileError: missing, no permission, no regular file.
  explicit MappedFile(const std::filesystem::path& path) {
#if defined(MIEN_HAS_MMAP)
    const auto [descriptor, size] = detail::open_regular(path);
    const detail::FileDescriptor file(descriptor);
    if (size > 0 && size <= PTRDIFF_MAX) {
      void* const place = ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, file.get(), 0);
      if (place != MAP_FAILED) {
        mapped_ = {static_cast<const std::byte*>(place), static_cast<std::size_t>(size)};
        return;
      }
    }
#endif
    content_ = read_file(path);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
#if defined(MIEN_HAS_MMAP)
    if (is_mapped()) ::munmap(const_cast<std::byte*>(mapped_.data()), mapped_.size());
#endif
  }

  std::span<const std::byte> bytes() const { return is_mapped() ? mapped_ : std::span(content_); }
  bool is_mapped() const { return mapped_.data() != nullptr; }

  /// Says that a part will soon be looked at: the system may fetch it meanwhile, and does not wait for it.
  void read_ahead(std::size_t begin, std::size_t count) const {
#if defined(MIEN_HAS_MMAP)
    // A call is heeded for as much as the system reads at once, which is 128 KiB at the least.
    constexpr std::size_t step = std::size_t{128} << 10;
    const std::size_t end = std::min(mapped_.size(), begin + count);
    for (std::size_t at = begin / step * step; at < end; at += step)
      static_cast<void>(
          ::madvise(const_cast<std::byte*>(mapped_.data()) + at, std::min(step, end - at), MADV_WILLNEED));
#else
    static_cast<void>(begin + count);
#endif
  }

 private:
  std::span<const std::byte> mapped_;
  std::vector<std::byte> content_;
};

}  // namespace mien::io

#undef MIEN_HAS_MMAP
