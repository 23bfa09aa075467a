#include <mien/core/memory.hpp>
#include <mien/core/tensor.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

using namespace mien;

// Sanitizers end a program that asks for too much, unless told to let it find out by itself.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
extern "C" const char* __msan_default_options() { return "allocator_may_return_null=1"; }
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#elif __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#endif
#endif

TEST_CASE("blocks are aligned, their own, and as large as asked for") {
  CachingAllocator memory;
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (const std::size_t bytes : {0UL, 1UL, 63UL, 64UL, 65UL, 80UL, 81UL, 1000UL, 4096UL, 4097UL, 1000003UL}) {
    void* block = memory.allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % CachingAllocator::alignment == 0);
    std::memset(block, static_cast<int>(blocks.size()), bytes);
    blocks.emplace_back(block, bytes);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto* bytes = static_cast<const unsigned char*>(blocks[i].first);
    bool untouched = true;
    for (std::size_t k = 0; k < blocks[i].second; ++k) untouched = untouched && bytes[k] == i;
    CHECK(untouched);
    memory.deallocate(blocks[i].first, blocks[i].second);
  }
  CHECK(memory.statistics().bytes_in_use == 0);
}

TEST_CASE("a freed block is handed out again to requests of its size class") {
  CachingAllocator memory;
  void* first = memory.allocate(1000);
  memory.deallocate(first, 1000);
  CHECK(memory.allocate(1001) == first);
  CHECK(memory.statistics().requests == 2);
  CHECK(memory.statistics().system_allocations == 1);
  void* other = memory.allocate(2000);
  CHECK(other != first);
  CHECK(memory.statistics().system_allocations == 2);
  memory.deallocate(first, 1001);
  memory.deallocate(other, 2000);
}

TEST_CASE("the counters add up") {
  CachingAllocator memory;
  void* a = memory.allocate(1024);
  void* b = memory.allocate(1024);
  CHECK(memory.statistics().bytes_in_use == 2048);
  memory.deallocate(a, 1024);
  CHECK(memory.statistics().bytes_in_use == 1024);
  CHECK(memory.statistics().bytes_cached == 1024);
  CHECK(memory.statistics().peak_bytes_in_use == 2048);
  memory.reset_peak();
  CHECK(memory.statistics().peak_bytes_in_use == 1024);
  memory.deallocate(b, 1024);
  memory.release_cached();
  CHECK(memory.statistics().bytes_cached == 0);
  CHECK(memory.statistics().bytes_in_use == 0);
  memory.deallocate(memory.allocate(1024), 1024);
  CHECK(memory.statistics().system_allocations == 3);
}

TEST_CASE("at most a fifth of a block is unused") {
  CachingAllocator memory;
  for (std::size_t bytes = 64; bytes < 100000; bytes += 37) {
    const std::size_t before = memory.statistics().bytes_in_use;
    void* block = memory.allocate(bytes);
    const std::size_t taken = memory.statistics().bytes_in_use - before;
    memory.deallocate(block, bytes);
    REQUIRE(taken >= bytes);
    REQUIRE((taken - bytes) * 5 <= taken);
  }
}

#ifdef SANITIZER_ASAN_INTERFACE_H
TEST_CASE("AddressSanitizer sees where a block ends, new or used again, and that it is gone") {
  CachingAllocator memory;
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::size_t{1000}, std::size_t{100}}) {
    CAPTURE(bytes);
    auto* const block = static_cast<std::byte*>(memory.allocate(bytes));
    CHECK(__asan_region_is_poisoned(block, bytes) == nullptr);
    CHECK(__asan_address_is_poisoned(block + bytes) == 1);
    memory.deallocate(block, bytes);
    CHECK(__asan_address_is_poisoned(block) == 1);
  }
}
#endif

#ifdef MSAN_INTERFACE_H
TEST_CASE("MemorySanitizer sees that a block that is used again holds nothing") {
  CachingAllocator memory;
  for (int round = 0; round < 2; ++round) {
    auto* const block = static_cast<std::byte*>(memory.allocate(100));
    CHECK(__msan_test_shadow(block, 100) == 0);
    std::memset(block, 1, 100);
    CHECK(__msan_test_shadow(block, 100) == -1);
    memory.deallocate(block, 100);
  }
  CHECK(memory.statistics().system_allocations == 1);
}
#endif

TEST_CASE("more than the system has is an exception that says how much") {
  CachingAllocator memory;
  constexpr std::size_t bytes = std::size_t{1} << 60;
  CHECK_THROWS_AS(memory.allocate(bytes), OutOfMemory);
  CHECK_THROWS_WITH(memory.allocate(bytes), doctest::Contains("1152921504606846976 bytes asked for"));
  CHECK_THROWS_WITH(memory.allocate(~std::size_t{0}), doctest::Contains("18446744073709551615 bytes asked for"));
  CHECK(memory.statistics().bytes_in_use == 0);
  CHECK_THROWS_AS(Tensor<float>(Shape{Index{1} << 56}), OutOfMemory);
}

TEST_CASE("tensors in a loop ask the system for nothing once it has gone round") {
  const auto round = [] {
    std::vector<Tensor<float>> kept;
    for (Index size = 1; size < 200; size += 7) kept.push_back(Tensor<float>({size, 31}, 1.F));
    for (auto& tensor : kept) tensor = tensor.permute({1, 0}).contiguous();
  };
  round();
  const auto before = cpu_memory().statistics();
  for (int i = 0; i < 50; ++i) round();
  const auto after = cpu_memory().statistics();
  CHECK(after.requests > before.requests);
  CHECK(after.system_allocations == before.system_allocations);
  CHECK(after.bytes_in_use == before.bytes_in_use);
}

TEST_CASE("threads share one allocator") {
  CachingAllocator memory;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&memory, t] {
      for (int i = 0; i < 2000; ++i) {
        const auto bytes = static_cast<std::size_t>(1 + (i * 37 + t * 101) % 5000);
        auto* block = static_cast<unsigned char*>(memory.allocate(bytes));
        block[0] = block[bytes - 1] = static_cast<unsigned char>(t);
        memory.deallocate(block, bytes);
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(memory.statistics().bytes_in_use == 0);
  CHECK(memory.statistics().requests == 8000);
}

TEST_CASE("containers can live in the same memory") {
  const auto before = cpu_memory().statistics();
  {
    std::vector<double, PooledAllocator<double>> values(100, 2.0);
    CHECK(values[99] == 2.0);
    CHECK(cpu_memory().statistics().bytes_in_use >= before.bytes_in_use + 100 * sizeof(double));
  }
  CHECK(cpu_memory().statistics().bytes_in_use == before.bytes_in_use);
}
