#pragma once

/// What AddressSanitizer and MemorySanitizer are told of memory that is kept for reuse, so that in a program that is
/// linked with them they find what they find in memory of the system's: bytes beyond a tensor's end, tensors that are
/// gone, values that nobody has written. Nothing in other programs.

#include <cstddef>

#ifdef __ELF__
// Weak, and asked for at run time, so that files that are compiled with a sanitizer and without it can be in one
// program.
extern "C" {
[[gnu::weak]] void __asan_poison_memory_region(const volatile void* block, std::size_t bytes);
[[gnu::weak]] void __asan_unpoison_memory_region(const volatile void* block, std::size_t bytes);
[[gnu::weak]] void __msan_allocated_memory(const volatile void* block, std::size_t bytes);
}
#endif

namespace mien::detail {

/// The first `bytes` of a block of `block_bytes` are in use from now on, and hold nothing yet.
inline void mark_used([[maybe_unused]] std::byte* block, [[maybe_unused]] std::size_t bytes,
                      [[maybe_unused]] std::size_t block_bytes) {
#ifdef __ELF__
  if (__asan_poison_memory_region != nullptr) {
    __asan_unpoison_memory_region(block, bytes);
    __asan_poison_memory_region(block + bytes, block_bytes - bytes);
  }
  if (__msan_allocated_memory != nullptr) __msan_allocated_memory(block, block_bytes);
#endif
}

/// Nothing of a block is in use any more.
inline void mark_unused([[maybe_unused]] std::byte* block, [[maybe_unused]] std::size_t block_bytes) {
#ifdef __ELF__
  if (__asan_poison_memory_region != nullptr) __asan_poison_memory_region(block, block_bytes);
  if (__msan_allocated_memory != nullptr) __msan_allocated_memory(block, block_bytes);
#endif
}

}  // namespace mien::detail
