#include <mien/data/sampling.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

using namespace mien;

TEST_CASE("counts and inverse-frequency weights") {
  const std::vector<Index> labels{0, 0, 0, 2, 2, 3};
  CHECK(data::class_counts(labels, 5) == std::vector<Index>{3, 0, 2, 1, 0});
  const auto weights = data::class_weights(labels, 5);
  REQUIRE(weights.size() == 5);
  CHECK(weights[0] == doctest::Approx(6.0 / (3 * 3)));
  CHECK(weights[1] == 0);
  CHECK(weights[2] == doctest::Approx(6.0 / (3 * 2)));
  CHECK(weights[3] == doctest::Approx(6.0 / (3 * 1)));
  double total = 0;
  for (const Index label : labels) total += weights[static_cast<std::size_t>(label)];
  CHECK(total == doctest::Approx(6));
  CHECK(data::class_weights({}, 2) == std::vector<double>{0, 0});
}

TEST_CASE("labels outside the classes are named") {
  CHECK_THROWS_WITH_AS(data::class_counts({0, 1, 7}, 7), "sample 2: label 7 is not in 0..6", ValueError);
  CHECK_THROWS_AS(data::class_counts({-1}, 7), ValueError);
  CHECK_THROWS_AS(data::class_counts({}, -1), ValueError);
}

TEST_CASE("a balanced order draws classes equally often and uses up a class before it repeats") {
  std::vector<Index> labels;
  for (int i = 0; i < 50; ++i) labels.push_back(0);
  for (int i = 0; i < 9; ++i) labels.push_back(4);
  labels.push_back(2);
  Generator generator(1);
  const auto order = data::balanced_order(labels, generator);
  REQUIRE(order.size() == 60);
  std::vector<Index> times(60, 0);
  std::vector<Index> drawn(5, 0);
  for (const Index sample : order) {
    ++times[static_cast<std::size_t>(sample)];
    ++drawn[static_cast<std::size_t>(labels[static_cast<std::size_t>(sample)])];
  }
  CHECK(drawn == std::vector<Index>{20, 0, 20, 0, 20});
  CHECK(*std::max_element(times.begin(), times.begin() + 50) == 1);
  CHECK(*std::min_element(times.begin() + 50, times.begin() + 59) == 2);
  CHECK(*std::max_element(times.begin() + 50, times.begin() + 59) == 3);
  CHECK(times[59] == 20);
  // Shuffled: classes do not simply take turns.
  bool neighbours = false;
  for (std::size_t i = 1; i < 60; ++i)
    neighbours |= labels[static_cast<std::size_t>(order[i])] == labels[static_cast<std::size_t>(order[i - 1])];
  CHECK(neighbours);

  Generator again(1);
  CHECK(data::balanced_order(labels, again) == order);
  CHECK(data::balanced_order(labels, again) != order);
}

TEST_CASE("a balanced order of nothing and of one") {
  Generator generator(1);
  CHECK(data::balanced_order({}, generator).empty());
  CHECK(data::balanced_order({3}, generator) == std::vector<Index>{0});
}

TEST_CASE("which class is drawn once more than others is chance") {
  std::set<Index> seen;
  Generator generator(1);
  for (int i = 0; i < 50; ++i) {
    std::vector<Index> drawn(3, 0);
    const std::vector<Index> labels{0, 1, 2, 2};
    for (const Index sample : data::balanced_order(labels, generator))
      ++drawn[static_cast<std::size_t>(labels[static_cast<std::size_t>(sample)])];
    seen.insert(std::max_element(drawn.begin(), drawn.end()) - drawn.begin());
  }
  CHECK(seen.size() == 3);
}
