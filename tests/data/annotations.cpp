#include <mien/data/annotations.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

using namespace mien;

TEST_CASE("labels become targets, and what is no label nothing") {
  const auto targets = data::class_targets({2, data::no_label, 0}, 3);
  const std::vector<float> expected{0, 0, 1, 0, 0, 0, 1, 0, 0};
  CHECK(std::equal(expected.begin(), expected.end(), targets.data()));
  CHECK_THROWS_AS(data::class_targets({3}, 3), ValueError);
  CHECK_THROWS_AS(data::class_targets({-2}, 3), ValueError);
}

TEST_CASE("batches hold votes, valence and arousal where a set has them") {
  data::DataSet<data::FrameSequence> set{.class_names = {"a", "b", "c"}};
  set.samples.push_back({.name = "voted", .label = 1, .votes = {0.25, 0.75, 0}});
  set.samples.push_back({.name = "felt", .label = data::no_label, .affect = data::Affect{-0.5, 0.25}});
  set.samples.push_back({.name = "plain", .label = 2});
  set.check_labels();
  const data::detail::AnnotationKinds kinds(set);
  struct Batch {
    std::vector<Index> labels;
    std::vector<std::string> names;
    Tensor<float> votes, affect;
    Tensor<std::uint8_t> affect_mask;
  } batch;
  data::detail::annotate(batch, set.samples, kinds, 3);
  CHECK(batch.labels == set.labels());
  CHECK(batch.names == std::vector<std::string>{"voted", "felt", "plain"});
  const std::vector<float> votes{0.25F, 0.75F, 0, 0, 0, 0, 0, 0, 1};
  CHECK(std::equal(votes.begin(), votes.end(), batch.votes.data()));
  CHECK(batch.affect(1, 0) == -0.5F);
  CHECK(batch.affect(1, 1) == 0.25F);
  CHECK(batch.affect_mask(0) == 0);
  CHECK(batch.affect_mask(1) == 1);

  set.samples[2].label = data::no_label;  // of which nothing is known
  CHECK_THROWS_AS(set.check_labels(), ValueError);
  set.samples[2].votes = {0.5, 0.5};
  CHECK_THROWS_AS(data::detail::check_votes(set), ValueError);
}
