// The emulator itself: what it computes is what a device computes, and each mistake is found and named.

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "emulator/cuda_bf16.h"
#include "emulator/cuda_fp16.h"
#include "emulator/cuda_runtime.h"

namespace {

using emulator::Fault;
using emulator::Order;

/// Every case under each order of blocks and threads.
template <class Case>
void in_every_order(const Case& test) {
  for (const Order order : {Order::forward, Order::reverse, Order::shuffled}) {
    emulator::settings().order = order;
    CAPTURE(static_cast<int>(order));
    test();
  }
  emulator::settings() = {};
}

/// The message of the fault that a launch ends with, or nothing.
template <class... Parameters, class... Arguments>
std::string fault_of(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared, Arguments... arguments) {
  try {
    emulator::launch(kernel, grid, block, shared, arguments...);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string at(unsigned line) { return "emulator.cpp:" + std::to_string(line); }

__global__ void number_threads(int* out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned size = blockDim.x * blockDim.y * blockDim.z;
  out[block * size + thread] += static_cast<int>(block * size + thread);
}

__global__ void reverse_blocks(float* y, const float* x) {
  MIEN_SHARED(float, tile, 256);
  tile[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  __syncthreads();
  y[blockIdx.x * blockDim.x + threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

__global__ void reverse_without_barrier(float* y, const float* x) {
  MIEN_SHARED(float, tile, 256);
  tile[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

__device__ float warp_sum(float value) {
  for (int by = 16; by > 0; by /= 2) value += __shfl_xor_sync(0xffffffffU, value, by);
  return value;
}

__global__ void sum_blocks(float* sums, const float* x, int count) {
  MIEN_SHARED(float, of_warp, 32);
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x))
    sum += x[static_cast<int>(blockIdx.x) * count + i];
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  sum = warp_sum(threadIdx.x < blockDim.x / 32 ? of_warp[threadIdx.x] : 0.0F);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void all_shuffles(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[lane] = __shfl_sync(0xffffffffU, 100 + lane, 5);
  out[32 + lane] = __shfl_sync(0xffffffffU, 100 + lane, 1, 8);
  out[64 + lane] = __shfl_up_sync(0xffffffffU, 100 + lane, 3);
  out[96 + lane] = __shfl_down_sync(0xffffffffU, 100 + lane, 3, 16);
  out[128 + lane] = __shfl_xor_sync(0xffffffffU, 100 + lane, 1);
  out[160 + lane] = static_cast<int>(__ballot_sync(0xffffffffU, lane % 3 == 0));
  out[192 + lane] = __any_sync(0xffffffffU, lane == 31) * 2 + __all_sync(0xffffffffU, lane < 31);
}

__global__ void shuffle_halves(double* out) {
  const unsigned mask = threadIdx.x % 32 < 16 ? 0x0000ffffU : 0xffff0000U;
  out[threadIdx.x] = __shfl_xor_sync(mask, static_cast<double>(threadIdx.x), 15);
}

__global__ void count_up(int* counter, float* sum, int* greatest) {
  atomicAdd(counter, 1);
  atomicAdd(sum, 0.5F);
  atomicMax(greatest, static_cast<int>(threadIdx.x));
}

__global__ void copy_through_dynamic(float* y, const float* x, int count) {
  MIEN_DYNAMIC_SHARED(float, tile);
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) tile[i] = x[i];
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) y[i] = tile[count - 1 - i];
}

constexpr unsigned divergent_line = __LINE__ + 3;
__global__ void divergent_barriers() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}

constexpr unsigned early_line = __LINE__ + 3;
__global__ void early_exit() {
  if (threadIdx.x >= 64) return;
  __syncthreads();
}

constexpr unsigned missing_lane_line = __LINE__ + 4;
__global__ void shuffle_that_one_lane_misses(int* out) {
  int value = static_cast<int>(threadIdx.x);
  if (threadIdx.x != 7) value = __shfl_xor_sync(0xffffffffU, value, 1);
  __syncthreads();
  out[threadIdx.x] = value;
}

__global__ void different_masks() { __shfl_sync(threadIdx.x < 16 ? 0xffffffffU : 0xffff0000U, 1, 16); }
__global__ void not_in_own_mask() { __shfl_sync(0x0000ffffU, 1, 0); }
__global__ void reads_a_lane_that_is_not_there() { __shfl_xor_sync(0xffffffffU, 1, 16); }

constexpr unsigned outside_line = __LINE__ + 3;
__global__ void outside_shared(int* out, int index) {
  MIEN_SHARED(int, numbers, 10);
  numbers[index] = 1;
  *out = numbers[0];
}

__global__ void much_shared_memory(char* out) {
  MIEN_SHARED(char, first, 40000);
  MIEN_SHARED(char, second, 10000);
  first[0] = second[0] = 0;
  *out = first[0];
}

__global__ void empty() {}

}  // namespace

TEST_CASE("every thread of every block runs once, with its own indices") {
  in_every_order([] {
    const dim3 grid(3, 2, 2);
    const dim3 block(5, 3, 2);
    std::vector<int> out(grid.count() * block.count(), 0);
    emulator::launch(number_threads, grid, block, 0, out.data());
    for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] == static_cast<int>(i));
  });
}

TEST_CASE("threads wait for each other at barriers") {
  in_every_order([] {
    std::vector<float> x(3 * 256);
    std::iota(x.begin(), x.end(), 0.0F);
    std::vector<float> y(x.size());
    emulator::launch(reverse_blocks, 3, 256, 0, y.data(), x.data());
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == x[i / 256 * 256 + 255 - i % 256]);
  });
}

TEST_CASE("a barrier that is missing shows in one order or the other") {
  std::vector<float> x(256, 1.0F);
  in_every_order([&] {
    std::vector<float> y(x.size());
    emulator::launch(reverse_without_barrier, 1, 256, 0, y.data(), x.data());
    // Shared memory starts as not-a-number, which is what a thread finds that comes too early.
    CHECK(std::count_if(y.begin(), y.end(), [](float value) { return std::isnan(value); }) > 0);
  });
}

TEST_CASE("a block's sum by shuffles and shared memory") {
  in_every_order([] {
    for (const int count : {1, 31, 65, 1000}) {
      std::vector<float> x(static_cast<std::size_t>(7 * count));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 13) - 4;
      std::vector<float> sums(7);
      emulator::launch(sum_blocks, 7, 128, 0, sums.data(), x.data(), count);
      for (std::size_t block = 0; block < 7; ++block) {
        const auto first = x.begin() + static_cast<std::ptrdiff_t>(block) * count;
        CHECK(sums[block] == std::accumulate(first, first + count, 0.0F));
      }
    }
  });
}

TEST_CASE("shuffles and votes") {
  in_every_order([] {
    std::vector<int> out(7 * 32);
    emulator::launch(all_shuffles, 1, 32, 0, out.data());
    for (int lane = 0; lane < 32; ++lane) {
      const auto i = static_cast<std::size_t>(lane);
      CHECK(out[i] == 105);
      CHECK(out[32 + i] == 100 + lane / 8 * 8 + 1);
      CHECK(out[64 + i] == 100 + (lane < 3 ? lane : lane - 3));
      CHECK(out[96 + i] == 100 + (lane % 16 > 12 ? lane : lane + 3));
      CHECK(out[128 + i] == 100 + (lane ^ 1));
      CHECK(out[160 + i] == 0x49249249);
      CHECK(out[192 + i] == 2);
    }
    std::vector<double> halves(64);
    emulator::launch(shuffle_halves, 1, 64, 0, halves.data());
    for (std::size_t i = 0; i < 64; ++i) CHECK(halves[i] == static_cast<double>(i ^ 15U));
  });
}

TEST_CASE("atomics count every thread") {
  in_every_order([] {
    int counter = 0;
    int greatest = -1;
    float sum = 0;
    emulator::launch(count_up, 5, 33, 0, &counter, &sum, &greatest);
    CHECK(counter == 165);
    CHECK(sum == 82.5F);
    CHECK(greatest == 32);
  });
}

TEST_CASE("dynamic shared memory has the size of the launch") {
  in_every_order([] {
    std::vector<float> x(300);
    std::iota(x.begin(), x.end(), 0.0F);
    std::vector<float> y(300);
    emulator::launch(copy_through_dynamic, 1, 64, 300 * sizeof(float), y.data(), x.data(), 300);
    for (std::size_t i = 0; i < 300; ++i) CHECK(y[i] == x[299 - i]);
    const std::string fault =
        fault_of(copy_through_dynamic, 1, 64, 299 * sizeof(float), y.data(), static_cast<const float*>(x.data()), 300);
    CHECK(contains(fault, "index 299 of a shared array of 299"));
  });
}

TEST_CASE("barriers that not all threads come to") {
  in_every_order([] {
    const std::string divergent = fault_of(divergent_barriers, 1, 64, 0);
    CHECK(contains(divergent, "divergent barriers"));
    CHECK(contains(divergent, at(divergent_line)));
    CHECK(contains(divergent, at(divergent_line + 2)));
    const std::string early = fault_of(early_exit, 1, 256, 0);
    CHECK(contains(early, "192 of 256 threads never reach"));
    CHECK(contains(early, at(early_line)));
  });
}

TEST_CASE("operations of a warp that go wrong") {
  in_every_order([] {
    int out[32];
    const std::string missing = fault_of(shuffle_that_one_lane_misses, 1, 32, 0, static_cast<int*>(out));
    CHECK(contains(missing, "lane 7 never comes"));
    CHECK(contains(missing, at(missing_lane_line)));
    CHECK(contains(fault_of(different_masks, 1, 32, 0), "with mask 0xffff0000"));
    CHECK(contains(fault_of(not_in_own_mask, 1, 32, 0), "is not in the mask of __shfl_sync"));
    CHECK(contains(fault_of(reads_a_lane_that_is_not_there, 1, 24, 0), ", which is not there"));
  });
}

TEST_CASE("shared arrays have ends") {
  int out = 0;
  CHECK(fault_of(outside_shared, 1, 1, 0, &out, 9) == "");
  for (const int index : {-1, 10}) {
    const std::string fault = fault_of(outside_shared, 1, 1, 0, &out, index);
    CHECK(contains(fault, "index " + std::to_string(index) + " of a shared array of 10"));
    CHECK(contains(fault, at(outside_line)));
    CHECK(contains(fault, "thread (0, 0, 0)"));
  }
}

TEST_CASE("launches that no device takes") {
  CHECK(contains(fault_of(empty, 1, 1025, 0), "blocks of (1025, 1, 1) threads"));
  CHECK(contains(fault_of(empty, 1, dim3(1, 1, 65), 0), "blocks of (1, 1, 65) threads"));
  CHECK(contains(fault_of(empty, 1, dim3(32, 0), 0), "blocks of (32, 0, 1) threads"));
  CHECK(contains(fault_of(empty, 0, 32, 0), "launch of (0, 1, 1) blocks"));
  CHECK(contains(fault_of(empty, dim3(1, 65536), 32, 0), "launch of (1, 65536, 1) blocks"));
  CHECK(contains(fault_of(empty, 1, 32, 50000), "50000 bytes of shared memory, a block has 49152"));
  char out = 0;
  CHECK(contains(fault_of(much_shared_memory, 1, 1, 0, &out), "shared memory of 50000 bytes"));
  CHECK(cudaFuncSetAttribute(empty, cudaFuncAttributeMaxDynamicSharedMemorySize, 60000) == cudaSuccess);
  CHECK(fault_of(empty, 1, 32, 50000) == "");
  CHECK(cudaFuncSetAttribute(empty, cudaFuncAttributeMaxDynamicSharedMemorySize, 1 << 20) == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaSuccess);
}

TEST_CASE("a kernel after a faulty one runs as if nothing had been") {
  CHECK(fault_of(early_exit, 1, 256, 0) != "");
  std::vector<int> out(12, 0);
  emulator::launch(number_threads, 2, 6, 0, out.data());
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] == static_cast<int>(i));
}

TEST_CASE("device memory starts as not-a-number, ends when there is no more, and is given back once") {
  emulator::DeviceMemory& memory = emulator::device_memory();
  const std::size_t before = memory.used();
  void* data = nullptr;
  REQUIRE(cudaMalloc(&data, 7 * sizeof(float)) == cudaSuccess);
  CHECK(memory.used() == before + 28);
  for (std::size_t i = 0; i < 7; ++i) CHECK(std::isnan(static_cast<float*>(data)[i]));
  CHECK(cudaFree(data) == cudaSuccess);
  CHECK(memory.used() == before);
  CHECK(cudaFree(data) == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);

  memory.limit = before + 1000;
  std::size_t available = 0;
  std::size_t total = 0;
  REQUIRE(cudaMemGetInfo(&available, &total) == cudaSuccess);
  CHECK(available == 1000);
  CHECK(cudaMalloc(&data, 1001) == cudaErrorMemoryAllocation);
  CHECK(data == nullptr);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  memory.limit = std::size_t{4} << 30;
}

TEST_CASE("numbers of sixteen bits are rounded to the nearest, ties to the even one") {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const __half half{static_cast<std::uint16_t>(bits)};
    const __nv_bfloat16 bfloat{static_cast<std::uint16_t>(bits)};
    if (!std::isnan(__half2float(half))) CHECK(__float2half(__half2float(half)).bits == bits);
    if (!std::isnan(__bfloat162float(bfloat))) CHECK(__float2bfloat16(__bfloat162float(bfloat)).bits == bits);
  }
  const auto as_half = [](float value) { return __half2float(__float2half(value)); };
  CHECK(as_half(1 + 0x1p-11F) == 1);
  CHECK(as_half(1 + 3 * 0x1p-11F) == 1 + 2 * 0x1p-10F);
  CHECK(as_half(1 + 0x1.1p-11F) == 1 + 0x1p-10F);
  CHECK(as_half(2047.5F) == 2048);
  CHECK(as_half(65519) == 65504);
  CHECK(std::isinf(as_half(65520)));
  CHECK(as_half(-0x1p-24F) == -0x1p-24F);
  CHECK(as_half(0x1p-25F) == 0);
  CHECK(std::isnan(as_half(std::nanf(""))));
  const auto as_bfloat = [](float value) { return __bfloat162float(__float2bfloat16(value)); };
  CHECK(as_bfloat(1 + 0x1p-8F) == 1);
  CHECK(as_bfloat(1 + 3 * 0x1p-8F) == 1 + 2 * 0x1p-7F);
  CHECK(as_bfloat(1 + 0x1.1p-8F) == 1 + 0x1p-7F);
  CHECK(std::isnan(as_bfloat(std::nanf(""))));
}
