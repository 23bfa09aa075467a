#pragma once

/// Memory for tensors: aligned, and kept for the next request, so that a training step in steady state asks the system
/// for nothing.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "mien/core/error.hpp"
#include "mien/core/sanitizers.hpp"

namespace mien {

/// The system could not give the memory that was asked for.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

/// Counters of a caching allocator, since it was made.
struct MemoryStatistics {
  std::uint64_t requests = 0;            ///< blocks handed out
  std::uint64_t system_allocations = 0;  ///< of those, how many the system had to give
  std::size_t bytes_in_use = 0;          ///< rounded up to size classes
  std::size_t peak_bytes_in_use = 0;     ///< since it was made, or since `reset_peak`
  std::size_t bytes_cached = 0;          ///< free, kept for the next request
};

/// The host's memory, as a source of blocks.
struct SystemMemory {
  static constexpr std::size_t alignment = 64;
  static constexpr bool is_seen_by_sanitizers = true;

  /// Null where there is none.
  static void* allocate(std::size_t bytes) noexcept {
    return ::operator new (bytes, std::align_val_t{alignment}, std::nothrow);
  }
  static void deallocate(void* block) noexcept { ::operator delete (block, std::align_val_t{alignment}); }
  /// For the message of an error.
  static std::string description() { return "out of memory"; }
};

/// Keeps freed blocks of a source in size classes, four to each power of two, so that at most a fifth of a block is
/// unused; only blocks of less than `alignment` bytes waste more. Every member may be called from any thread.
/// Sanitizers see what of a block is in use (core/sanitizers.hpp).
template <class Source>
class BlockCache {
 public:
  static constexpr std::size_t alignment = Source::alignment;

  BlockCache() = default;
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;
  ~BlockCache() { release_cached_unlocked(); }

  /// `bytes` bytes or a few more, aligned, not initialised. Throws OutOfMemory.
  void* allocate(std::size_t bytes) {
    std::lock_guard lock(mutex_);
    // The size class of what is larger still could not be told.
    if (bytes > std::numeric_limits<std::size_t>::max() / 2) throw out_of_memory(bytes);
    const SizeClass size = size_class(bytes);
    auto& cached = free_[size.index];
    void* block = nullptr;
    if (cached.empty()) {
      block = allocate_from_system(size.bytes);
      ++statistics_.system_allocations;
    } else {
      block = cached.back();
      cached.pop_back();
      statistics_.bytes_cached -= size.bytes;
    }
    ++statistics_.requests;
    statistics_.bytes_in_use += size.bytes;
    statistics_.peak_bytes_in_use = std::max(statistics_.peak_bytes_in_use, statistics_.bytes_in_use);
    if constexpr (Source::is_seen_by_sanitizers) detail::mark_used(static_cast<std::byte*>(block), bytes, size.bytes);
    return block;
  }

  /// `bytes` is what `allocate` was asked for.
  void deallocate(void* block, std::size_t bytes) noexcept {
    const SizeClass size = size_class(bytes);
    std::lock_guard lock(mutex_);
    statistics_.bytes_in_use -= size.bytes;
    if constexpr (Source::is_seen_by_sanitizers) detail::mark_unused(static_cast<std::byte*>(block), size.bytes);
    try {
      free_[size.index].push_back(block);
      statistics_.bytes_cached += size.bytes;
    } catch (const std::bad_alloc&) {
      if (!keeps_cached_) Source::deallocate(block);
    }
  }

  MemoryStatistics statistics() const {
    std::lock_guard lock(mutex_);
    return statistics_;
  }

  /// The peak of memory begins anew with what is in use now.
  void reset_peak() {
    std::lock_guard lock(mutex_);
    statistics_.peak_bytes_in_use = statistics_.bytes_in_use;
  }

  /// Gives every cached block back to the system, unless they are to be kept.
  void release_cached() noexcept {
    std::lock_guard lock(mutex_);
    if (!keeps_cached_) release_cached_unlocked();
  }

  /// Whether cached blocks stay, even where the system has no more: somebody knows their addresses.
  void keep_cached(bool keep) noexcept {
    std::lock_guard lock(mutex_);
    keeps_cached_ = keep;
  }

 private:
  struct SizeClass {
    std::size_t index;
    std::size_t bytes;
  };

  static constexpr SizeClass size_class(std::size_t bytes) {
    if (bytes <= alignment) return {0, alignment};
    const auto octave = static_cast<std::size_t>(std::bit_width(bytes - 1) - 1);
    const std::size_t step = (std::size_t{1} << octave) / 4;
    const std::size_t steps = (bytes - (std::size_t{1} << octave) + step - 1) / step;
    return {octave * 4 + steps, (std::size_t{1} << octave) + steps * step};
  }

  void* allocate_from_system(std::size_t bytes) {
    void* block = Source::allocate(bytes);
    if (block == nullptr && !keeps_cached_) {
      // Blocks of other sizes may be all that stands in the way.
      release_cached_unlocked();
      block = Source::allocate(bytes);
    }
    if (block == nullptr) throw out_of_memory(bytes);
    return block;
  }

  OutOfMemory out_of_memory(std::size_t bytes) const {
    return OutOfMemory(detail::text(Source::description(), ": ", bytes, " bytes asked for, ", statistics_.bytes_in_use,
                                    " bytes in use by tensors"));
  }

  void release_cached_unlocked() noexcept {
    for (auto& cached : free_) {
      for (void* block : cached) Source::deallocate(block);
      cached.clear();
    }
    statistics_.bytes_cached = 0;
  }

  mutable std::mutex mutex_;
  std::array<std::vector<void*>, 4 * (std::numeric_limits<std::size_t>::digits + 1)> free_;
  MemoryStatistics statistics_;
  bool keeps_cached_ = false;
};

using CachingAllocator = BlockCache<SystemMemory>;

/// The allocator of all CPU tensors. It is never destroyed, because tensors in static storage may outlive anything.
inline CachingAllocator& cpu_memory() {
  static auto* const memory = new CachingAllocator;
  return *memory;
}

/// A standard allocator on top of `cpu_memory`, for containers and control blocks on hot paths.
template <class T>
struct PooledAllocator {
  using value_type = T;
  static_assert(alignof(T) <= CachingAllocator::alignment);

  PooledAllocator() = default;
  template <class U>
  PooledAllocator(const PooledAllocator<U>&) noexcept {}

  T* allocate(std::size_t count) { return static_cast<T*>(cpu_memory().allocate(count * sizeof(T))); }
  void deallocate(T* block, std::size_t count) noexcept { cpu_memory().deallocate(block, count * sizeof(T)); }

  bool operator==(const PooledAllocator&) const = default;
};

}  // namespace mien
