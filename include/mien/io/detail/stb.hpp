#pragma once

/// stb_image and stb_image_write inside a namespace of our own, with what makes them safe to hold:
///
/// - every block of memory comes zeroed, from a budget, and belongs to a `StbSession`, so that nothing leaks when a
///   decoder gives up in the middle;
/// - its assertions throw instead of aborting;
/// - no standard input or output, and only the formats whose files are checked before (see image_checks.hpp).
///
/// All of it has internal linkage, so several translation units may include it, and a program may use its own stb.

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <unordered_map>

#include <zlib.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "mien/core/error.hpp"

namespace mien::io::detail {

/// Owns the memory of one call into stb on this thread.
class StbSession {
 public:
  explicit StbSession(std::size_t budget) : budget_(budget), outer_(current()) { current() = this; }
  StbSession(const StbSession&) = delete;
  StbSession& operator=(const StbSession&) = delete;
  ~StbSession() {
    for (const auto& [block, size] : blocks_) std::free(block);
    current() = outer_;
  }

  static void* allocate(std::size_t size) { return current()->allocate_block(size); }

  static void* reallocate(void* block, std::size_t size) {
    if (block == nullptr) return allocate(size);
    void* const grown = allocate(size);
    if (grown == nullptr) return nullptr;
    std::memcpy(grown, block, std::min(size, current()->blocks_.at(block)));
    release(block);
    return grown;
  }

  static void release(void* block) {
    const auto found = current()->blocks_.find(block);
    if (found == current()->blocks_.end()) return;
    current()->budget_ += found->second;
    std::free(block);
    current()->blocks_.erase(found);
  }

 private:
  static StbSession*& current() {
    thread_local StbSession* session = nullptr;
    return session;
  }

  void* allocate_block(std::size_t size) {
    if (size > budget_) return nullptr;
    std::unique_ptr<void, void (*)(void*)> block(std::calloc(std::max<std::size_t>(size, 1), 1), &std::free);
    if (block == nullptr) return nullptr;
    blocks_.emplace(block.get(), size);
    budget_ -= size;
    return block.release();
  }

  std::size_t budget_;
  StbSession* outer_;
  std::unordered_map<void*, std::size_t> blocks_;
};

/// What stb would have aborted on.
[[noreturn]] inline void stb_assertion_failed() { throw Error("the image decoder met a state it does not handle"); }

/// zlib's compressor in place of stb's own, which packs worse.
inline unsigned char* stb_compress(unsigned char* data, int size, int* packed_size, int level) {
  uLongf packed = compressBound(static_cast<uLong>(size));
  auto* const out = static_cast<unsigned char*>(StbSession::allocate(packed));
  if (out == nullptr || compress2(out, &packed, data, static_cast<uLong>(size), level) != Z_OK) return nullptr;
  *packed_size = static_cast<int>(packed);
  return out;
}

}  // namespace mien::io::detail

#pragma push_macro("STBI_INCLUDE_STB_IMAGE_H")
#pragma push_macro("INCLUDE_STB_IMAGE_WRITE_H")
#undef STBI_INCLUDE_STB_IMAGE_H
#undef INCLUDE_STB_IMAGE_WRITE_H

// What a program's own stb, included before, leaves behind.
#include "mien/io/detail/undefine_stb.hpp"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 16384
#define STBI_MALLOC(size) ::mien::io::detail::StbSession::allocate(size)
#define STBI_REALLOC(block, size) ::mien::io::detail::StbSession::reallocate(block, size)
#define STBI_FREE(block) ::mien::io::detail::StbSession::release(block)
#define STBI_ASSERT(condition) ((condition) ? static_cast<void>(0) : ::mien::io::detail::stb_assertion_failed())

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#define STBIW_ZLIB_COMPRESS ::mien::io::detail::stb_compress
#define STBIW_MALLOC(size) ::mien::io::detail::StbSession::allocate(size)
#define STBIW_REALLOC(block, size) ::mien::io::detail::StbSession::reallocate(block, size)
#define STBIW_FREE(block) ::mien::io::detail::StbSession::release(block)
#define STBIW_ASSERT(condition) ((condition) ? static_cast<void>(0) : ::mien::io::detail::stb_assertion_failed())

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

namespace mien::io::detail::stb {
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#else
#include <stb_image.h>
#include <stb_image_write.h>
#endif
}  // namespace mien::io::detail::stb

#pragma GCC diagnostic pop

#include "mien/io/detail/undefine_stb.hpp"
#pragma pop_macro("STBI_INCLUDE_STB_IMAGE_H")
#pragma pop_macro("INCLUDE_STB_IMAGE_WRITE_H")
