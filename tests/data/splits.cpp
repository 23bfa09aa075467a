#include <mien/data/splits.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

using namespace mien;
using data::Split;

namespace {

/// 40 subjects with 1 to 9 samples of 5 unlike classes.
struct People {
  std::vector<std::string> subjects;
  std::vector<Index> labels;
};

People people() {
  Generator generator(9);
  People out;
  for (int subject = 0; subject < 40; ++subject)
    for (Index i = 1 + generator.below(9); i > 0; --i) {
      out.subjects.push_back("S" + std::to_string(subject));
      out.labels.push_back(std::min(generator.below(5), generator.below(5)));
    }
  return out;
}

std::set<std::string> named(const std::vector<std::string>& column, const std::vector<Index>& samples) {
  std::set<std::string> out;
  for (const Index i : samples) out.insert(column[static_cast<std::size_t>(i)]);
  return out;
}

/// Ascending on both sides, every sample on exactly one.
void check_partition(const Split& split, std::size_t samples) {
  CHECK(std::is_sorted(split.train.begin(), split.train.end()));
  CHECK(std::is_sorted(split.test.begin(), split.test.end()));
  std::vector<Index> all = split.train;
  all.insert(all.end(), split.test.begin(), split.test.end());
  std::sort(all.begin(), all.end());
  std::vector<Index> expected(samples);
  std::iota(expected.begin(), expected.end(), Index{0});
  CHECK(all == expected);
}

void check_disjoint_subjects(const Split& split, const std::vector<std::string>& subjects) {
  const auto train = named(subjects, split.train);
  for (const auto& subject : named(subjects, split.test)) CHECK(train.count(subject) == 0);
}

std::vector<Index> all_tested(const std::vector<Split>& splits) {
  std::vector<Index> tested;
  for (const auto& split : splits) tested.insert(tested.end(), split.test.begin(), split.test.end());
  std::sort(tested.begin(), tested.end());
  return tested;
}

}  // namespace

TEST_CASE("by a column; other values are left out") {
  const std::vector<std::string> column{"train", "val", "test", "train", ""};
  const Split split = data::split_by_column(column);
  CHECK(split.train == std::vector<Index>{0, 3});
  CHECK(split.test == std::vector<Index>{2});
  CHECK(data::samples_where(column, "val") == std::vector<Index>{1});
  CHECK_THROWS_WITH_AS(data::split_by_column(column, "train", "validation"),
                       "no sample has `validation`; the column holds ``, `test`, `train`, `val`", ValueError);
  CHECK_THROWS_AS(data::split_by_column({}), ValueError);
}

TEST_CASE("by subject: nobody is on both sides, and the seed alone decides") {
  const People data = people();
  std::set<std::vector<Index>> seen;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Split split = data::split_by_subject(data.subjects, 0.8, seed);
    check_partition(split, data.subjects.size());
    check_disjoint_subjects(split, data.subjects);
    CHECK(named(data.subjects, split.train).size() == 32);
    CHECK(data::split_by_subject(data.subjects, 0.8, seed).train == split.train);
    seen.insert(split.train);
  }
  CHECK(seen.size() > 15);
}

TEST_CASE("by subject: the order of samples does not matter to who goes where") {
  const People data = people();
  auto turned = data.subjects;
  std::reverse(turned.begin(), turned.end());
  CHECK(named(data.subjects, data::split_by_subject(data.subjects, 0.5, 3).train) ==
        named(turned, data::split_by_subject(turned, 0.5, 3).train));
}

TEST_CASE("by subject: both sides get somebody, and what is impossible is refused") {
  CHECK(data::split_by_subject({"a", "b"}, 0.99, 1).test.size() == 1);
  CHECK(data::split_by_subject({"a", "b"}, 0.01, 1).train.size() == 1);
  CHECK_THROWS_AS(data::split_by_subject({"a", "a"}, 0.5, 1), ValueError);
  CHECK_THROWS_AS(data::split_by_subject({}, 0.5, 1), ValueError);
  CHECK_THROWS_WITH_AS(data::split_by_subject({"a", ""}, 0.5, 1), "split by subject: sample 1 has no subject",
                       ValueError);
  for (const double fraction : {0.0, 1.0, -1.0, std::nan("")})
    CHECK_THROWS_AS(data::split_by_subject({"a", "b"}, fraction, 1), ValueError);
}

TEST_CASE("stratified split: every class keeps its share on both sides") {
  std::vector<Index> labels;
  for (int i = 0; i < 50; ++i) labels.push_back(1);
  for (int i = 0; i < 10; ++i) labels.push_back(0);
  labels.insert(labels.end(), {3, 3, 4});
  const Split split = data::split_stratified(labels, 0.8, 1);
  check_partition(split, labels.size());
  std::vector<Index> tested(5, 0);
  for (const Index i : split.test) ++tested[static_cast<std::size_t>(labels[static_cast<std::size_t>(i)])];
  CHECK(tested == std::vector<Index>{2, 10, 0, 1, 0});
  CHECK(data::split_stratified(labels, 0.8, 1).test == split.test);
  CHECK(data::split_stratified(labels, 0.8, 2).test != split.test);
  CHECK_THROWS_AS(data::split_stratified({0, 1, 2}, 0.5, 1), ValueError);
  CHECK_THROWS_AS(data::split_stratified({0, -1}, 0.5, 1), ValueError);
  CHECK_THROWS_AS(data::split_stratified({0, 0}, 1, 1), ValueError);
}

TEST_CASE("stratified folds: each sample is tested once, sizes and classes are even") {
  const People data = people();
  const auto counts = data::class_counts(data.labels, 5);
  for (const Index folds : {2, 5, 7}) {
    const auto splits = data::stratified_folds(data.labels, folds, 4);
    REQUIRE(static_cast<Index>(splits.size()) == folds);
    CHECK(all_tested(splits).size() == data.labels.size());
    for (const auto& split : splits) {
      check_partition(split, data.labels.size());
      const auto size = static_cast<Index>(split.test.size());
      CHECK(size >= static_cast<Index>(data.labels.size()) / folds);
      CHECK(size <= static_cast<Index>(data.labels.size()) / folds + 1);
      std::vector<Index> held(5, 0);
      for (const Index i : split.test) ++held[static_cast<std::size_t>(data.labels[static_cast<std::size_t>(i)])];
      for (std::size_t c = 0; c < 5; ++c) {
        CHECK(held[c] >= counts[c] / folds);
        CHECK(held[c] <= counts[c] / folds + 1);
      }
    }
  }
  CHECK(data::stratified_folds(data.labels, 5, 4)[2].test == data::stratified_folds(data.labels, 5, 4)[2].test);
  CHECK(data::stratified_folds(data.labels, 5, 4)[2].test != data::stratified_folds(data.labels, 5, 5)[2].test);
  CHECK_THROWS_AS(data::stratified_folds({0, 1}, 3, 1), ValueError);
  CHECK_THROWS_AS(data::stratified_folds({0, 1}, 1, 1), ValueError);
}

TEST_CASE("subject folds: nobody is on both sides, each sample is tested once, classes are nearly even") {
  const People data = people();
  const auto counts = data::class_counts(data.labels, 5);
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto splits = data::subject_folds(data.subjects, data.labels, 5, seed);
    REQUIRE(splits.size() == 5);
    CHECK(all_tested(splits).size() == data.labels.size());
    for (const auto& split : splits) {
      check_partition(split, data.labels.size());
      check_disjoint_subjects(split, data.subjects);
      std::vector<Index> held(5, 0);
      for (const Index i : split.test) ++held[static_cast<std::size_t>(data.labels[static_cast<std::size_t>(i)])];
      for (std::size_t c = 0; c < 5; ++c)
        CHECK(std::abs(static_cast<double>(held[c]) - static_cast<double>(counts[c]) / 5) <= 4);
    }
    CHECK(data::subject_folds(data.subjects, data.labels, 5, seed)[1].test == splits[1].test);
  }
}

TEST_CASE("subject folds: as many folds as subjects leaves one out at a time") {
  const std::vector<std::string> subjects{"c", "a", "b", "a", "c", "c"};
  const auto splits = data::subject_folds(subjects, {0, 0, 1, 1, 0, 2}, 3, 1);
  for (const auto& split : splits) CHECK(named(subjects, split.test).size() == 1);
  CHECK(all_tested(splits).size() == 6);
  CHECK_THROWS_AS(data::subject_folds(subjects, {0, 0, 1, 1, 0, 2}, 4, 1), ValueError);
  CHECK_THROWS_AS(data::subject_folds(subjects, {0, 0, 1, 1, 0, 2}, 1, 1), ValueError);
  CHECK_THROWS_AS(data::subject_folds(subjects, {0}, 2, 1), ValueError);
  CHECK_THROWS_AS(data::subject_folds({"a", "b", ""}, {0, 0, 1}, 2, 1), ValueError);
}

TEST_CASE("subject folds: the seed decides, and a rare class weighs more than a frequent one") {
  const People data = people();
  bool other = false;
  for (std::uint64_t seed = 1; seed < 10; ++seed)
    other = other || data::subject_folds(data.subjects, data.labels, 5, seed)[1].test !=
                         data::subject_folds(data.subjects, data.labels, 5, 0)[1].test;
  CHECK(other);

  // 10 of class 0; 4 of class 1; 2 of class 0 and one of class 1, which cost 2 * 10 / 12^2 beside the first and 4 / 5^2
  // beside the second.
  std::vector<std::string> subjects(10, "a");
  std::vector<Index> labels(10, 0);
  subjects.insert(subjects.end(), {"b", "b", "b", "b", "c", "c", "c"});
  labels.insert(labels.end(), {1, 1, 1, 1, 0, 0, 1});
  for (const auto& split : data::subject_folds(subjects, labels, 2, 1))
    CHECK((named(subjects, split.test) == std::set<std::string>{"b"} ||
           named(subjects, split.test) == std::set<std::string>{"a", "c"}));
}
