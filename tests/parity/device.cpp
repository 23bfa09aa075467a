#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "mien/autograd/activation.hpp"
#include "mien/autograd/linear.hpp"
#include "mien/backend/cuda/device.hpp"
#include "mien/backend/cuda/graph.hpp"
#include "mien/core/random.hpp"

#if defined(MIEN_EMULATED_GPU)
#include "emulator/cuda_runtime.h"
#endif

using namespace mien;

namespace {

Tensor<float> counted(const Shape& shape) {
  Tensor<float> out(shape);
  std::iota(out.span().begin(), out.span().end(), 1.0F);
  return out;
}

bool equal(const Tensor<float>& a, const Tensor<float>& b) {
  return a.shape() == b.shape() &&
         std::equal(a.contiguous().data(), a.contiguous().data() + a.elements(), b.contiguous().data());
}

/// What `call` throws.
template <class Expected, class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Expected& error) {
    return error.what();
  }
  FAIL("nothing was thrown");
  return {};
}

}  // namespace

TEST_CASE("tensors go to the GPU and come back, views and copies are those of the CPU") {
  for (const Shape& shape : {Shape{0, 3}, Shape{1}, Shape{7, 31}, Shape{3, 5, 2, 7}}) {
    CAPTURE(shape.to_string());
    const Tensor<float> x = counted(shape);
    const Tensor<float, Cuda> on_device = x.to<Cuda>();
    CHECK(on_device.shape() == shape);
    CHECK(equal(on_device.to<Cpu>(), x));
    CHECK(equal(on_device.clone().to<Cpu>(), x));
  }
  const Tensor<float> x = counted({3, 5, 7});
  const Tensor<float, Cuda> on_device = x.to<Cuda>();
  CHECK(equal(on_device.permute({2, 0, 1}).to<Cpu>(), x.permute({2, 0, 1})));
  CHECK(equal(on_device.slice(1, 1, 5, 2).to<Cpu>(), x.slice(1, 1, 5, 2)));
  CHECK(equal(on_device.select(0, 2).contiguous().to<Cpu>(), x.select(0, 2)));
  CHECK(equal(on_device.view({-1, 7}).to<Cpu>(), x.view({-1, 7})));

  Tensor<float, Cuda> target = on_device.clone();
  target.select(2, 3).fill(-1);
  target.slice(0, 0, 1).copy_from(on_device.slice(0, 2, 3));
  Tensor<float> expected = x.clone();
  expected.select(2, 3).fill(-1);
  expected.slice(0, 0, 1).copy_from(x.slice(0, 2, 3));
  CHECK(equal(target.to<Cpu>(), expected));
  CHECK(Tensor<float, Cuda>({1, 1}, 2.5F).item() == 2.5F);
  CHECK_THROWS_AS(on_device.item(), ShapeError);
  CHECK_THROWS_AS(on_device.permute({2, 0, 1}).view({-1}), ShapeError);

  const auto labels = Tensor<std::int64_t, Cuda>::from({3}, {4, -1, 7});
  CHECK(labels.to<Cpu>()(2) == 7);
  const auto bytes = Tensor<std::uint8_t, Cuda>::from({2}, {0, 255});
  CHECK(bytes.cast<float>().to<Cpu>()(1) == 255);
}

TEST_CASE("an upload is of what was there when it was asked for") {
  Tensor<float> x = counted({1000});
  const Tensor<float, Cuda> on_device = x.to<Cuda>();
  x.fill(0);
  CHECK(on_device.to<Cpu>()(999) == 1000);
  const Tensor<float> pinned = cuda::pinned_tensor<float>({4, 3});
  Tensor<float>(pinned).copy_from(counted({4, 3}));
  Tensor<float, Cuda> target({4, 3});
  cuda::copy_async(pinned, target);
  cuda::synchronize();
  CHECK(equal(target.to<Cpu>(), counted({4, 3})));
  CHECK_THROWS_AS(cuda::copy_async(counted({3, 4}), target), ShapeError);
}

TEST_CASE("memory that is free again is used again, in its own stream") {
  const cuda::Stream own;
  const cuda::StreamScope scope(own);
  const float* first = nullptr;
  {
    const Tensor<float, Cuda> block({1000});
    first = block.data();
  }
  const std::uint64_t before = own.memory_statistics().system_allocations;
  const Tensor<float, Cuda> again({1000});
  CHECK(again.data() == first);
  CHECK(own.memory_statistics().system_allocations == before);
  {
    const cuda::Stream other;
    const cuda::StreamScope inner(other);
    const Tensor<float, Cuda> elsewhere({1000});
    CHECK(other.memory_statistics().bytes_in_use >= 4000);
    CHECK(own.memory_statistics().bytes_in_use < 8000);
  }
}

TEST_CASE("a call that fails says which, why and where, and the next one goes on") {
  const std::string message = message_of<CudaError>([] { cuda::require("cudaSetDevice", cudaSetDevice(1000)); });
  CHECK(message.find("cudaSetDevice failed: cudaErrorInvalidDevice") == 0);
  CHECK(message.find("device.cpp:") != std::string::npos);
  CHECK(equal(counted({5}).to<Cuda>().to<Cpu>(), counted({5})));
}

#if defined(MIEN_EMULATED_GPU)
TEST_CASE("memory that runs out is given back first, and then an error with all that is needed to know") {
  auto& memory = emulator::device_memory();
  const std::size_t limit = memory.limit;
  const cuda::Stream hungry;
  const cuda::Stream spare;
  {
    const cuda::StreamScope scope(spare);
    const Tensor<float, Cuda> freed({1 << 18});
  }
  {
    const cuda::StreamScope scope(hungry);
    // Only with what the other stream keeps for later is there room.
    memory.limit = memory.used() + (1 << 18);
    const Tensor<float, Cuda> fits({1 << 18});
    CHECK(spare.memory_statistics().bytes_cached == 0);
    const std::string message = message_of<OutOfMemory>([] { Tensor<float, Cuda>({1 << 20}); });
    CHECK(message.find("out of GPU memory: ") == 0);
    CHECK(message.find(" bytes are free") != std::string::npos);
    CHECK(message.find("4194304 bytes asked for") != std::string::npos);
    memory.limit = limit;
    CHECK(equal(counted({9}).to<Cuda>().to<Cpu>(), counted({9})));
  }
}
#endif

TEST_CASE("a graph does again what was recorded, with the numbers that its tensors have then") {
  Tensor<float> start({2, 7});
  Generator(1).fill_uniform(start, -1, 1);
  Tensor<float> weight({5, 7});
  Generator(2).fill_uniform(weight, -1, 1);
  const Variable<float, Cuda> w(weight.to<Cuda>());
  Tensor<float, Cuda> x = start.to<Cuda>();
  Tensor<float, Cuda> y;
  const cuda::Graph graph([&] { y = relu(linear(Variable<float, Cuda>(x), w)).value(); });
  for (std::uint64_t seed : {3U, 4U}) {
    Tensor<float> next({2, 7});
    Generator(seed).fill_uniform(next, -1, 1);
    x.copy_from(next.to<Cuda>());
    graph.launch();
    const Tensor<float> expected = relu(linear(Variable<float>(next), Variable<float>(weight))).value();
    const Tensor<float> found = y.to<Cpu>();
    for (Index i = 0; i < found.elements(); ++i)
      CHECK(found.data()[i] == doctest::Approx(expected.data()[i]).epsilon(1e-5));
  }
}

TEST_CASE("a run of a graph is no part of another one") {
  Tensor<float, Cuda> x({3}, 1.0F);
  const cuda::Graph inner([&] { x.fill(2); });
  CHECK_THROWS_WITH_AS(cuda::Graph([&] { inner.launch(); }),
                       doctest::Contains("cuda::Graph: a run of another graph cannot be recorded"), ValueError);
  x.fill(1);
  inner.launch();
  CHECK(x.to<Cpu>()(0) == 2);
}

#if defined(MIEN_EMULATED_GPU)
TEST_CASE("what is recorded stays where it is when memory runs out") {
  auto& memory = emulator::device_memory();
  const std::size_t limit = memory.limit;
  int runs = 0;
  Tensor<float, Cuda> result;
  CHECK_THROWS_AS(cuda::Graph([&] {
                    { const Tensor<float, Cuda> temporary({1 << 18}, 1.0F); }
                    // There would be room if the temporary's memory, which is in the recording, were given back.
                    if (++runs == 2) memory.limit = memory.used();
                    result = Tensor<float, Cuda>({runs << 16});
                  }),
                  OutOfMemory);
  memory.limit = limit;
  CHECK(runs == 2);
}

TEST_CASE("a graph's memory is its own as long as it lives, and comes free with it, whatever tensors it has left") {
  auto& memory = emulator::device_memory();
  Tensor<float, Cuda> left;
  std::size_t used = 0;
  {
    const cuda::Graph graph([&] {
      { const Tensor<float, Cuda> temporary({1 << 18}, 1.0F); }
      left = Tensor<float, Cuda>({7}, 3.0F);
    });
    graph.launch();
    cuda::detail::streams().release_cached();
    used = memory.used();
    CHECK(used >= std::size_t{1} << 20);
  }
  cuda::detail::streams().release_cached();
  CHECK(memory.used() <= used - (std::size_t{1} << 20));
  CHECK(left.to<Cpu>()(6) == 3);
}
#endif

TEST_CASE("work that waits for the GPU cannot be recorded, and leaves everything as it was") {
  const Tensor<float, Cuda> x({1}, 3.0F);
  int runs = 0;
  CHECK_THROWS_AS(cuda::Graph([&] {
                    ++runs;
                    static_cast<void>(x.item());
                  }),
                  CudaError);
  CHECK(runs == 2);
  CHECK(x.item() == 3);
}
