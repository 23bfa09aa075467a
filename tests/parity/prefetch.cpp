#include "mien/backend/cuda/prefetch.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <vector>

#include "mien/backend/cuda/graph.hpp"
#include "mien/data/loader.hpp"
#include "mien/ops/activation.hpp"
#include "mien/ops/arithmetic.hpp"

using namespace mien;

namespace {

#if defined(MIEN_EMULATED_GPU)
constexpr Index large = 1 << 10;
#else
constexpr Index large = 1 << 22;
#endif

struct Batch {
  Tensor<float> frames;
  Tensor<std::uint8_t> bytes;
  std::vector<Index> labels;
};

struct Uploaded {
  Tensor<float, Cuda> frames;
  Tensor<float, Cuda> pictures;
  Tensor<std::int64_t, Cuda> labels;
};

/// Batches of different sizes, all numbers of batch i being i + 1.
std::vector<Batch> host_batches(Index count) {
  std::vector<Batch> out;
  for (Index i = 0; i < count; ++i) {
    const Index size = 1 + i * 7 % 5;
    out.push_back({Tensor<float>({size, 31, 3}, static_cast<float>(i + 1)),
                   Tensor<std::uint8_t>({size, 7}, static_cast<std::uint8_t>(i + 1)),
                   std::vector<Index>(static_cast<std::size_t>(size), i + 1)});
  }
  return out;
}

Uploaded upload(const Batch& batch) {
  return {batch.frames.to<Cuda>(), batch.bytes.to<Cuda>().cast<float>(),
          Tensor<std::int64_t, Cuda>::from({static_cast<Index>(batch.labels.size())}, batch.labels)};
}

template <class T>
bool all_are(const Tensor<T, Cuda>& tensor, T value) {
  const Tensor<T> found = tensor.template to<Cpu>();
  return std::all_of(found.span().begin(), found.span().end(), [value](T element) { return element == value; });
}

/// One tensor a batch, of numbers that are the batch's own: 1, 2, ...
std::vector<Tensor<float>> numbered(Index count, Index elements) {
  std::vector<Tensor<float>> out;
  for (Index i = 0; i < count; ++i) out.emplace_back(Shape{elements}, static_cast<float>(i + 1));
  return out;
}

constexpr auto to_device = [](const Tensor<float>& batch) { return batch.to<Cuda>(); };

}  // namespace

TEST_CASE("batches come in order, whole, for the stream that asks for them") {
  const std::vector<Batch> source = host_batches(11);
  const cuda::Stream compute;
  const cuda::StreamScope scope(compute);
  int uploads = 0;
  cuda::Prefetcher batches(source, [&](const Batch& batch) {
    ++uploads;
    CHECK(cuda::current_stream().state() != compute.state());
    return upload(batch);
  });
  CHECK(uploads == 0);
  int count = 0;
  for (const Uploaded& batch : batches) {
    CHECK(cuda::current_stream().state() == compute.state());
    ++count;
    CHECK(uploads == std::min(11, count + 1));
    CHECK(batch.frames.size(0) == source[static_cast<std::size_t>(count - 1)].frames.size(0));
    CHECK(all_are(batch.frames, static_cast<float>(count)));
    CHECK(all_are(batch.pictures, static_cast<float>(count)));
    CHECK(all_are(batch.labels, std::int64_t{count}));
  }
  CHECK(count == 11);
  CHECK(batches.begin() == batches.end());
}

TEST_CASE("a copy neither overtakes the work on what lies in its memory nor is overtaken by the work on it") {
  // The host runs ahead: nothing is waited for until the end.
  const cuda::Stream copies;
  for (int epoch = 0; epoch < 2; ++epoch) {
    Tensor<float, Cuda> total({large}, 0.0F);
    Tensor<float, Cuda> total_of_kept({large}, 0.0F);
    std::optional<Tensor<float, Cuda>> kept;
    const std::vector<Tensor<float>> source = numbered(40, large);
    cuda::Prefetcher batches(source, to_device, copies);
    for (const Tensor<float, Cuda>& batch : batches) {
      Tensor<float, Cuda> slow = batch;
      for (int i = 0; i < 20; ++i) slow = ops::relu(slow);
      total = ops::add(total, ops::add(slow, batch));
      if (kept) total_of_kept = ops::add(total_of_kept, *kept);
      kept = batch;
    }
    CHECK(all_are(total, 2 * 820.0F));
    CHECK(all_are(total_of_kept, 780.0F));
  }
}

TEST_CASE("two batches have memory, in every epoch the same") {
  const cuda::Stream copies;
  const std::vector<Tensor<float>> source = numbered(9, 1000);
  const auto run = [&] {
    for (const auto& batch : cuda::Prefetcher(source, to_device, copies)) CHECK(batch.size(0) == 1000);
    return copies.memory_statistics();
  };
  const auto first = run();
  CHECK(first.system_allocations == 2);
  CHECK(first.bytes_in_use == 0);
  CHECK(run().system_allocations == 2);
}

TEST_CASE("batches that are kept outlive the range") {
  std::vector<Tensor<float, Cuda>> kept;
  for (const auto& batch : cuda::Prefetcher(numbered(5, 100), to_device)) kept.push_back(batch);
  CHECK(kept.size() == 5);
  for (std::size_t i = 0; i < kept.size(); ++i) CHECK(all_are(kept[i], static_cast<float>(i + 1)));
}

TEST_CASE("batches of a loader, all or some of them") {
  const data::Loader<Tensor<float>> loader(
      17, {.batch = 2, .shuffle = false, .workers = 2}, [](Index index, Generator&) { return index; },
      [](const std::vector<Index>& samples) {
        return Tensor<float>({static_cast<Index>(samples.size())}, static_cast<float>(samples.front()));
      });
  float next = 0;
  for (const auto& batch : cuda::Prefetcher(loader.epoch(), to_device)) {
    CHECK(all_are(batch, next));
    next += 2;
  }
  CHECK(next == 18);
  for (const auto& batch : cuda::Prefetcher(loader.epoch(), to_device)) {
    CHECK(all_are(batch, 0.0F));
    break;
  }
  CHECK(cuda::Prefetcher(std::vector<Tensor<float>>(), to_device).begin() == std::default_sentinel);
}

TEST_CASE("what a source or an upload throws comes in the batch's turn, and ends the range") {
  const auto count_until_thrown = [](auto&& batches) {
    int count = 0;
    CHECK_THROWS_WITH_AS(
        [&] {
          for (const Tensor<float, Cuda>& batch : batches) {
            ++count;
            CHECK(all_are(batch, static_cast<float>(count)));
          }
        }(),
        doctest::Contains("broken"), ValueError);
    CHECK(batches.begin() == batches.end());
    return count;
  };
  const auto loader = [](Index wrong) {
    return data::Loader<Tensor<float>>(
        6, {.batch = 1, .shuffle = false},
        [wrong](Index index, Generator&) {
          if (index == wrong) throw ValueError("broken");
          return index;
        },
        [](const std::vector<Index>& samples) { return Tensor<float>({3}, static_cast<float>(samples.front() + 1)); });
  };
  for (const int wrong : {0, 1, 4, 5}) {
    CAPTURE(wrong);
    CHECK(count_until_thrown(cuda::Prefetcher(loader(wrong).epoch(), to_device)) == wrong);
    const auto fail_at = [wrong, uploads = 0](const Tensor<float>& batch) mutable {
      if (uploads++ == wrong) throw ValueError("broken");
      return batch.to<Cuda>();
    };
    CHECK(count_until_thrown(cuda::Prefetcher(numbered(6, 3), fail_at)) == wrong);
  }
}

TEST_CASE("batches are refused where a graph is recorded, and overwrite what a graph reads") {
  const std::vector<Tensor<float>> source = numbered(4, 5);
  cuda::Prefetcher batches(source, to_device);
  auto position = batches.begin();
  int runs = 0;
  CHECK_THROWS_AS(cuda::Graph([&] {
                    if (runs++ > 0) ++position;
                  }),
                  ValueError);
  Tensor<float, Cuda> input({5}, 0.0F);
  Tensor<float, Cuda> output;
  const cuda::Graph graph([&] { output = ops::add(input, input); });
  for (float expected = 2; position != batches.end(); ++position, expected += 2) {
    input.copy_from(*position);
    graph.launch();
    CHECK(all_are(output, expected));
  }
}
