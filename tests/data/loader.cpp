#include <mien/data/loader.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

using namespace mien;
using data::Loader;
using data::LoaderOptions;

namespace {

/// What a sample is made of: which one it is, and what its generator said.
struct Drawn {
  Index index;
  double chance;
  bool operator==(const Drawn&) const = default;
};

using Batch = std::vector<Drawn>;

Drawn make_drawn(Index index, Generator& generator) { return {index, generator.uniform()}; }
Batch collate_drawn(Batch samples) { return samples; }

Loader<Batch> numbers(Index samples, const LoaderOptions& options, std::vector<Index> labels = {}) {
  return Loader<Batch>(samples, options, make_drawn, collate_drawn, std::move(labels));
}

std::vector<Batch> run(const Loader<Batch>& loader, Index epoch, Index first_batch = 0) {
  std::vector<Batch> batches;
  for (const Batch& batch : loader.epoch(epoch, first_batch)) batches.push_back(batch);
  return batches;
}

struct Numbered {
  using Sample = Drawn;
  using Batch = ::Batch;
  std::vector<Index> classes;

  Index size() const { return static_cast<Index>(classes.size()); }
  const std::vector<Index>& labels() const { return classes; }
  std::string name(Index index) const { return "film " + std::to_string(index); }
  Drawn make(Index index, Generator& generator) const {
    if (classes[static_cast<std::size_t>(index)] == 9) throw FileError("film.mp4", "frame 3", "nothing", "a picture");
    if (classes[static_cast<std::size_t>(index)] == 8) throw std::runtime_error("odd");
    if (classes[static_cast<std::size_t>(index)] == 7) throw std::bad_alloc();
    return make_drawn(index, generator);
  }
  Batch collate(Batch samples) const { return samples; }
};
static_assert(data::Source<Numbered>);

}  // namespace

TEST_CASE("an epoch takes every sample once; the last batch may be smaller, or dropped") {
  for (const Index samples : {1, 7, 8, 9, 31}) {
    const auto loader = numbers(samples, {.batch = 4, .seed = 1});
    const auto batches = run(loader, 0);
    CHECK(static_cast<Index>(batches.size()) == (samples + 3) / 4);
    CHECK(loader.batches() == (samples + 3) / 4);
    std::set<Index> seen;
    for (std::size_t b = 0; b < batches.size(); ++b) {
      for (const Drawn& drawn : batches[b]) CHECK(seen.insert(drawn.index).second);
      if (b + 1 < batches.size()) CHECK(batches[b].size() == 4);
    }
    CHECK(static_cast<Index>(seen.size()) == samples);
  }
  CHECK(run(numbers(9, {.batch = 4, .drop_last = true}), 0).size() == 2);
  CHECK(run(numbers(0, {}), 0).empty());
  CHECK(run(numbers(9, {.batch = std::numeric_limits<Index>::max()}), 0).size() == 1);
}

TEST_CASE("any number of workers gives the same batches, to the bit") {
  std::vector<Index> labels(65);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i < 50 ? 0 : 1;
  for (const bool balanced : {false, true})
    for (const Index epoch : {0, 3}) {
      const auto alone = run(numbers(65, {.batch = 7, .seed = 5, .balanced = balanced, .workers = 0}, labels), epoch);
      for (const Index workers : {1, 3, 8})
        for (const Index prefetch : {1, 2, 20})
          CHECK(run(numbers(65, {.batch = 7, .seed = 5, .balanced = balanced, .workers = workers, .prefetch = prefetch},
                            labels),
                    epoch) == alone);
    }
}

TEST_CASE("slow samples do not change the order") {
  const auto make = [](Index index, Generator& generator) {
    if (index % 5 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
    return make_drawn(index, generator);
  };
  const Loader<Batch> loader(40, {.batch = 2, .seed = 2, .workers = 3, .prefetch = 4}, make, collate_drawn);
  CHECK(run(loader, 1) == run(numbers(40, {.batch = 2, .seed = 2, .workers = 0}), 1));
}

TEST_CASE("seed and epoch decide the order and the samples' chances") {
  const LoaderOptions options{.batch = 10, .seed = 1};
  const auto loader = numbers(50, options);
  const auto first = run(loader, 0);
  CHECK(run(loader, 0) == first);
  CHECK(run(loader, 1) != first);
  CHECK(run(numbers(50, {.batch = 10, .seed = 2}), 0) != first);

  // In their own order samples still get other chances each epoch, and the same ones as when shuffled.
  const auto ordered = run(numbers(50, {.batch = 50, .seed = 1, .shuffle = false}), 0);
  const auto later = run(numbers(50, {.batch = 50, .seed = 1, .shuffle = false}), 1);
  for (std::size_t i = 0; i < 50; ++i) {
    CHECK(ordered[0][i].index == static_cast<Index>(i));
    CHECK(ordered[0][i].chance != later[0][i].chance);
  }
  for (const Batch& batch : first)
    for (const Drawn& drawn : batch) CHECK(drawn == ordered[0][static_cast<std::size_t>(drawn.index)]);
}

TEST_CASE("an epoch can be taken up at any batch") {
  const auto loader = numbers(31, {.batch = 4, .seed = 3, .workers = 2});
  const auto whole = run(loader, 2);
  for (Index first = 0; first <= 8; ++first)
    CHECK(run(loader, 2, first) == std::vector<Batch>(whole.begin() + static_cast<std::ptrdiff_t>(first), whole.end()));
  CHECK_THROWS_AS(loader.epoch(0, 9), IndexError);
  CHECK_THROWS_AS(loader.epoch(0, -1), IndexError);
  CHECK_THROWS_AS(loader.epoch(-1), IndexError);
}

TEST_CASE("balancing repeats samples with other chances each time") {
  std::vector<Index> labels(20, 0);
  labels[7] = 1;
  const auto batches = run(numbers(20, {.batch = 20, .seed = 1, .balanced = true}, labels), 0);
  std::set<double> chances;
  for (const Drawn& drawn : batches[0])
    if (drawn.index == 7) chances.insert(drawn.chance);
  CHECK(chances.size() == 10);
}

TEST_CASE("a loop may be left early, with batches still in the making") {
  std::atomic<int> running = 0;
  const auto make = [&](Index index, Generator& generator) {
    ++running;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    --running;
    return make_drawn(index, generator);
  };
  const Loader<Batch> loader(100, {.batch = 1, .workers = 3, .prefetch = 5}, make, collate_drawn);
  for (int trial = 0; trial < 5; ++trial) {
    for (const Batch& batch : loader.epoch(0)) {
      CHECK(batch.size() == 1);
      break;
    }
    CHECK(running == 0);
  }
  { const auto never_begun = loader.epoch(0); }
  CHECK(running == 0);
}

TEST_CASE("an epoch outlives its loader") {
  auto epoch = numbers(9, {.batch = 4, .workers = 1}).epoch(0);
  Index batches = 0;
  for (auto batch = epoch.begin(); batch != epoch.end(); ++batch) ++batches;
  CHECK(batches == 3);
  CHECK(epoch.batches() == 3);
}

TEST_CASE("no more batches than asked for are made ahead") {
  std::atomic<Index> made = 0;
  const auto make = [&](Index index, Generator& generator) {
    ++made;
    return make_drawn(index, generator);
  };
  const Loader<Batch> loader(50, {.batch = 1, .workers = 2, .prefetch = 3}, make, collate_drawn);
  Index taken = 0;
  for ([[maybe_unused]] const Batch& batch : loader.epoch(0)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ++taken;
    CHECK(made <= taken + 3);
  }
}

TEST_CASE("what goes wrong in a sample comes out in its batch's turn, with its name and kind") {
  for (const Index workers : {0, 1, 3}) {
    CAPTURE(workers);
    Numbered source{std::vector<Index>(20, 0)};
    source.classes[13] = 9;
    const Loader loader(source, {.batch = 4, .shuffle = false, .workers = workers});
    Index seen = 0;
    try {
      for ([[maybe_unused]] const Batch& batch : loader.epoch(0)) ++seen;
      FAIL("no exception");
    } catch (const FileError& error) {
      CHECK(std::string(error.what()) == "sample film 13: film.mp4: frame 3: found nothing, expected a picture");
    }
    CHECK(seen == 3);
  }
  CHECK_THROWS_WITH_AS(Loader(Numbered{{8}}, {}).epoch(0).begin(), "sample film 0: odd", Error);
}

TEST_CASE("two functions are enough, and say what a batch is") {
  const auto make = [](Index index, Generator&) { return static_cast<double>(index); };
  const auto collate = [](const std::vector<double>& samples) { return samples.size(); };
  const Loader loader(Index{5}, LoaderOptions{.batch = 2, .shuffle = false}, make, collate);
  std::vector<std::size_t> sizes;
  for (const std::size_t size : loader.epoch(0)) sizes.push_back(size);
  CHECK(sizes == std::vector<std::size_t>{2, 2, 1});
}

TEST_CASE("the fingerprint is that of the samples' names and labels, and of nothing else") {
  const auto of = [](std::vector<Index> classes, const LoaderOptions& options = {}) {
    return Loader(Numbered{std::move(classes)}, options).fingerprint();
  };
  const std::uint64_t fingerprint = of({0, 1, 2, 1});
  CHECK(of({0, 1, 2, 1}, {.batch = 2, .seed = 7, .shuffle = false, .workers = 3}) == fingerprint);
  CHECK(of({0, 1, 1, 2}) != fingerprint);
  CHECK(of({0, 1, 2}) != fingerprint);
  struct Renamed : Numbered {
    std::string name(Index index) const { return "clip " + std::to_string(index); }
  };
  CHECK(Loader(Renamed{{{0, 1, 2, 1}}}).fingerprint() != fingerprint);
  CHECK(numbers(4, {}).fingerprint() != numbers(5, {}).fingerprint());
}

TEST_CASE("a window shuffles nearly consecutive samples, each once, and no sample comes early") {
  for (const Index samples : {1, 2, 63, 64, 65, 1000})
    for (const Index window : {Index{1}, Index{2}, Index{100}, Index{5000}, std::numeric_limits<Index>::max()}) {
      CAPTURE(samples);
      CAPTURE(window);
      const auto loader = numbers(samples, {.batch = 7, .seed = 3, .shuffle_window = window});
      const auto order = loader.order(2);
      CHECK(loader.order(2) == order);
      CHECK(std::set<Index>(order.begin(), order.end()).size() == static_cast<std::size_t>(samples));
      CHECK(static_cast<Index>(order.size()) == samples);
      if (samples == 1000) CHECK(loader.order(3) != order);
      if (samples == 1000) CHECK(numbers(samples, {.seed = 4, .shuffle_window = window}).order(2) != order);
    }
  // A window of one leaves each block of 64 as it is; the last of 100 has 36.
  const auto blocks = numbers(1000, {.seed = 1, .shuffle_window = 1}).order(0);
  Index begins = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i == 0 || blocks[i] != blocks[i - 1] + 1) {
      ++begins;
      CHECK(blocks[i] % 64 == 0);
    }
  }
  CHECK(begins > 8);
  // With other windows samples come where these are, and at most so many places before.
  const auto near = numbers(1000, {.seed = 1, .shuffle_window = 50}).order(0);
  CHECK(near != blocks);
  std::vector<Index> place(1000);
  for (std::size_t i = 0; i < blocks.size(); ++i) place[static_cast<std::size_t>(blocks[i])] = static_cast<Index>(i);
  for (std::size_t i = 0; i < near.size(); ++i)
    CHECK(place[static_cast<std::size_t>(near[i])] - static_cast<Index>(i) < 50);
}

TEST_CASE("within a window of all samples every place is as likely as any other") {
  // 8 samples are one block: it is the window that shuffles them.
  std::vector<Index> counts(64, 0);
  const auto loader = numbers(8, {.seed = 1, .shuffle_window = 8});
  for (Index epoch = 0; epoch < 8000; ++epoch) {
    const auto order = loader.order(epoch);
    for (std::size_t i = 0; i < 8; ++i) ++counts[8 * i + static_cast<std::size_t>(order[i])];
  }
  // Of 1000 expected each, with a standard deviation of 30.
  for (const Index count : counts) CHECK(std::abs(count - 1000) < 150);
}

TEST_CASE("with a window too, workers and ranks change nothing, and an epoch can be taken up at any batch") {
  const LoaderOptions options{.batch = 7, .seed = 5, .workers = 0, .shuffle_window = 30};
  const auto alone = run(numbers(500, options), 1);
  for (const Index workers : {1, 3}) {
    auto others = options;
    others.workers = workers;
    CHECK(run(numbers(500, others), 1) == alone);
    CHECK(run(numbers(500, others), 1, 40) == std::vector<Batch>(alone.begin() + 40, alone.end()));
  }
  // Three ranks make the same batches of their parts.
  std::vector<Batch> together(alone.size());
  for (Index rank = 0; rank < 3; ++rank) {
    std::size_t number = 0;
    for (const Batch& part : numbers(500, options).epoch(1, 0, {.rank = rank, .ranks = 3})) {
      together[number].insert(together[number].end(), part.begin(), part.end());
      ++number;
    }
  }
  CHECK(together == alone);
}

namespace {

/// Knows what it was told of, and what was made before it was told.
struct Foreseen : Numbered {
  struct Log {
    std::mutex mutex;
    std::vector<int> told;
    Index unforeseen = 0;
    std::vector<Index> blocks;
  };
  std::shared_ptr<Log> log = std::make_shared<Log>();

  void read_ahead(Index begin, Index end) const {
    const std::lock_guard lock(log->mutex);
    log->told.resize(classes.size());
    for (Index i = begin; i < end; ++i) ++log->told.at(static_cast<std::size_t>(i));
    log->blocks.push_back(begin);
  }
  Drawn make(Index index, Generator& generator) const {
    const std::lock_guard lock(log->mutex);
    log->told.resize(classes.size());
    log->unforeseen += log->told[static_cast<std::size_t>(index)] == 0;
    return make_drawn(index, generator);
  }
};

}  // namespace

TEST_CASE("a source is told of the samples of a window before they are made, block by block and once") {
  for (const Index window : {1, 100, 10'000}) {
    CAPTURE(window);
    Foreseen source;
    source.classes = std::vector<Index>(1000, 0);
    const Loader loader(source, {.batch = 9, .seed = 2, .workers = 0, .shuffle_window = window});
    auto epoch = loader.epoch(0);
    static_cast<void>(epoch.begin());
    // No more than the window and a batch reach, in whole blocks.
    CHECK(static_cast<Index>(source.log->blocks.size()) <= (window + 9) / 64 + 2);
    while (epoch.begin() != epoch.end()) ++epoch.begin();
    CHECK(source.log->unforeseen == 0);
    CHECK(std::all_of(source.log->told.begin(), source.log->told.end(), [](int times) { return times == 1; }));
  }
  Foreseen source;
  source.classes = std::vector<Index>(100, 0);
  for ([[maybe_unused]] const auto& batch : Loader(source, {.batch = 9}).epoch(0)) continue;
  CHECK(source.log->blocks.empty());
}

TEST_CASE("options that make no sense are refused") {
  CHECK_THROWS_AS(numbers(5, {.shuffle_window = -1}), ValueError);
  CHECK_THROWS_AS(numbers(5, {.shuffle = false, .shuffle_window = 2}), ValueError);
  CHECK_THROWS_WITH_AS(numbers(5, {.balanced = true, .shuffle_window = 2}, {0, 1, 0, 1, 0}),
                       "Loader: a window of 2 to shuffle in, and balancing, which draws from all samples", ValueError);
  CHECK_THROWS_AS(numbers(5, {.batch = 0}), ValueError);
  CHECK_THROWS_AS(numbers(5, {.workers = -1}), ValueError);
  CHECK_THROWS_AS(numbers(5, {.prefetch = 0}), ValueError);
  CHECK_THROWS_AS(numbers(5, {.balanced = true}), ValueError);
  CHECK_THROWS_AS(numbers(5, {.batch = 6, .drop_last = true}), ValueError);
  CHECK_THROWS_AS(numbers(-1, {}), ValueError);
}

TEST_CASE("a sample for which memory runs out says so") {
  const Loader loader(
      3, LoaderOptions{.batch = 2}, [](Index, Generator&) -> Index { throw OutOfMemory("no room"); },
      [](std::vector<Index> samples) { return samples; });
  CHECK_THROWS_WITH_AS(loader.epoch(0).begin(), doctest::Contains("no room"), OutOfMemory);
  CHECK_THROWS_WITH_AS(Loader(Numbered{{7}}, {}).epoch(0).begin(), "sample film 0: not enough memory", OutOfMemory);
}
