#include <mien/core/threads.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace mien;

namespace {

/// Sets the number of threads for the length of a test.
class Threads {
 public:
  explicit Threads(int count) : before_(thread_count()) { set_thread_count(count); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() { set_thread_count(before_); }

 private:
  int before_;
};

}  // namespace

TEST_CASE("every index is visited once") {
  for (const int threads : {1, 2, 5}) {
    const Threads set(threads);
    CHECK(thread_count() == threads);
    for (const Index length : {0, 1, 7, 31, 1000}) {
      for (const Index grain : {1, 7, 64, 5000}) {
        std::vector<std::atomic<int>> visits(static_cast<std::size_t>(length));
        parallel_for(3, 3 + length, grain, [&](Index first, Index last) {
          for (Index i = first; i < last; ++i) ++visits[static_cast<std::size_t>(i - 3)];
        });
        bool once = true;
        for (const auto& count : visits) once = once && count == 1;
        CHECK(once);
      }
    }
  }
}

TEST_CASE("an empty or reversed range calls nothing") {
  bool called = false;
  parallel_for(5, 5, 1, [&](Index, Index) { called = true; });
  parallel_for(5, -5, 1, [&](Index, Index) { called = true; });
  CHECK_FALSE(called);
}

TEST_CASE("borders depend on range and grain, not on threads") {
  std::vector<std::set<std::pair<Index, Index>>> chunks;
  for (const int threads : {1, 2, 5}) {
    const Threads set(threads);
    std::mutex mutex;
    chunks.emplace_back();
    parallel_for(10, 110, 7, [&](Index first, Index last) {
      const std::lock_guard lock(mutex);
      chunks.back().emplace(first, last);
    });
  }
  CHECK(static_cast<Index>(chunks[0].size()) == chunk_count(100, 7));
  CHECK(chunks[0].contains({10, 17}));
  CHECK(chunks[0].contains({108, 110}));
  CHECK(chunks[0] == chunks[1]);
  CHECK(chunks[0] == chunks[2]);
}

TEST_CASE("several threads do take part") {
  const Threads set(3);
  std::atomic<int> inside{0};
  std::set<std::thread::id> ids;
  std::mutex mutex;
  parallel_for(0, 3, 1, [&](Index, Index) {
    // Nobody leaves before all three are here, so that one thread alone could not pass.
    ++inside;
    while (inside < 3) std::this_thread::yield();
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  CHECK(ids.size() == 3);
}

TEST_CASE("an exception reaches the caller, and the threads go on working") {
  for (const int threads : {1, 2, 5}) {
    const Threads set(threads);
    for (int round = 0; round < 20; ++round) {
      CHECK_THROWS_WITH_AS(parallel_for(0, 1000, 1,
                                        [](Index first, Index) {
                                          if (first == 37) throw std::runtime_error("chunk 37");
                                        }),
                           "chunk 37", std::runtime_error);
      std::atomic<Index> sum{0};
      parallel_for(0, 1000, 10, [&](Index first, Index last) { sum += last - first; });
      CHECK(sum == 1000);
    }
  }
}

TEST_CASE("many exceptions at once are one") {
  const Threads set(5);
  for (int round = 0; round < 20; ++round)
    CHECK_THROWS_AS(parallel_for(0, 100, 1, [](Index, Index) { throw std::runtime_error("each"); }),
                    std::runtime_error);
}

TEST_CASE("a loop inside a loop does its work too, and so do exceptions in it") {
  const Threads set(4);
  std::atomic<Index> sum{0};
  parallel_for(0, 20, 1,
               [&](Index, Index) { parallel_for(0, 50, 1, [&](Index first, Index last) { sum += last - first; }); });
  CHECK(sum == 1000);
  CHECK_THROWS_AS(parallel_for(0, 20, 1,
                               [](Index, Index) {
                                 parallel_for(0, 5, 1, [](Index, Index) { throw std::runtime_error("inside"); });
                               }),
                  std::runtime_error);
}

TEST_CASE("several threads of the caller's own may call at once") {
  const Threads set(3);
  std::atomic<Index> sum{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round)
        parallel_for(0, 100, 3, [&](Index first, Index last) { sum += last - first; });
    });
  for (auto& caller : callers) caller.join();
  CHECK(sum == 4 * 50 * 100);
}

TEST_CASE("numbers that make no sense are refused") {
  CHECK_THROWS_WITH_AS(set_thread_count(0), "thread count 0 is not positive", ValueError);
  CHECK_THROWS_AS(set_thread_count(-2), ValueError);
  CHECK_THROWS_AS(parallel_for(0, 10, 0, [](Index, Index) {}), ValueError);
}
