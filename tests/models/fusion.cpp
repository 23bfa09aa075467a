#include <mien/autograd/gradient_check.hpp>
#include <mien/models/fusion.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace mien;
using models::DecisionRule;
using models::fuse_decisions;

namespace {

Tensor<double> random(const Shape& shape, std::uint64_t seed) {
  Tensor<double> out(shape);
  Generator(seed).fill_uniform(out, 0.01, 1);
  return out;
}

void check_row(const Tensor<double>& found, Index row, const std::vector<double>& expected) {
  REQUIRE(found.size(1) == static_cast<Index>(expected.size()));
  for (Index c = 0; c < found.size(1); ++c)
    CHECK(found(row, c) == doctest::Approx(expected[static_cast<std::size_t>(c)]).epsilon(1e-12));
}

const auto face = Tensor<double>::from({2, 3}, {0.6, 0.3, 0.1, 0.0, 1.0, 0.0});
const auto body = Tensor<double>::from({2, 3}, {0.2, 0.7, 0.1, 1.0, 0.0, 0.0});

}  // namespace

TEST_CASE("each rule fuses as it says") {
  const auto fuse = [&](const models::DecisionFusionOptions& options) {
    const auto fused = fuse_decisions<double>({face, body}, options);
    for (Index b = 0; b < 2; ++b) {
      CHECK(fused.scores(b, 0) + fused.scores(b, 1) + fused.scores(b, 2) == doctest::Approx(1));
      CHECK_FALSE(fused.fell_back(b));
    }
    return fused.scores;
  };
  check_row(fuse({.rule = DecisionRule::maximum}), 0, {0.6 / 1.4, 0.7 / 1.4, 0.1 / 1.4});
  check_row(fuse({.rule = DecisionRule::average}), 0, {0.4, 0.5, 0.1});
  check_row(fuse({}), 1, {0.5, 0.5, 0});
  check_row(fuse({.rule = DecisionRule::product}), 0, {0.12 / 0.34, 0.21 / 0.34, 0.01 / 0.34});
  check_row(fuse({.rule = DecisionRule::weighted, .weights = {3, 1}}), 0, {0.5, 0.4, 0.1});
}

TEST_CASE("a product of contradicting certainties stays undecided between the two") {
  const auto fused = fuse_decisions<double>({face, body}, {.rule = DecisionRule::product});
  CHECK(fused.scores(1, 0) == doctest::Approx(0.5));
  CHECK(fused.scores(1, 1) == doctest::Approx(0.5));
  CHECK(fused.scores(1, 2) < 1e-11);
}

TEST_CASE("top k counts votes, and ties go by the summed probability") {
  const auto voters = [](const std::vector<std::vector<double>>& rows) {
    std::vector<models::ModalityProbabilities<double>> out;
    for (const auto& row : rows) out.push_back({Tensor<double>::from({1, static_cast<Index>(row.size())}, row)});
    return out;
  };
  const auto winner = [](const auto& modalities, Index k) {
    return models::most_probable(fuse_decisions(modalities, {.rule = DecisionRule::top_k, .k = k}).scores)[0];
  };
  // Class 0 has the greatest sum, class 1 two first places of three.
  const auto three = voters({{0.98, 0.01, 0.01}, {0.3, 0.4, 0.3}, {0.3, 0.4, 0.3}});
  CHECK(winner(three, 1) == 1);
  CHECK(models::most_probable(fuse_decisions(three).scores)[0] == 0);
  // One vote each: the surer one wins, whichever comes first.
  CHECK(winner(voters({{0.6, 0.4, 0.0}, {0.2, 0.1, 0.7}}), 1) == 0);
  CHECK(winner(voters({{0.2, 0.1, 0.7}, {0.1, 0.6, 0.3}}), 1) == 2);
  CHECK(winner(voters({{0.1, 0.7, 0.2}, {0.0, 0.1, 0.9}}), 1) == 2);
  // Second in both beats first in one.
  CHECK(winner(voters({{0.6, 0.4, 0.0, 0.0}, {0.0, 0.4, 0.0, 0.6}}), 2) == 1);
  // All classes voted for: the summed probability alone decides.
  CHECK(winner(voters({{0.1, 0.9}, {0.3, 0.7}}), 31) == 1);
}

TEST_CASE("a missing modality leaves the decision to the others, and the result says so") {
  Tensor<double> half = body.clone();
  half.select(0, 1).fill(std::nan(""));
  for (const DecisionRule rule :
       {DecisionRule::maximum, DecisionRule::average, DecisionRule::product, DecisionRule::weighted}) {
    CAPTURE(static_cast<int>(rule));
    const models::DecisionFusionOptions options{.rule = rule, .weights = {0.3, 0.7}};
    const auto fused = fuse_decisions<double>({face, {half, {true, false}}}, options);
    CHECK(fused.used == std::vector<std::vector<bool>>{{true, true}, {true, false}});
    CHECK_FALSE(fused.fell_back(0));
    CHECK(fused.fell_back(1));
    for (Index c = 0; c < 3; ++c) CHECK(fused.scores(1, c) == doctest::Approx(face(1, c)));
    const auto alone = fuse_decisions<double>({std::nullopt, body}, options);
    CHECK(alone.used == std::vector<std::vector<bool>>{{false, false}, {true, true}});
    for (Index c = 0; c < 3; ++c) CHECK(alone.scores(0, c) == doctest::Approx(body(0, c)));
  }
}

TEST_CASE("a modality of weight 0 decides if it is the only one left") {
  const models::DecisionFusionOptions options{.rule = DecisionRule::weighted, .weights = {1, 0}};
  check_row(fuse_decisions<double>({face, body}, options).scores, 0, {0.6, 0.3, 0.1});
  CHECK_THROWS_AS(fuse_decisions<double>({face, body}, options).fell_back(2), IndexError);
  CHECK_THROWS_AS(fuse_decisions<double>({face, body}, options).fell_back(-1), IndexError);
  check_row(fuse_decisions<double>({{}, body}, options).scores, 0, {0.2, 0.7, 0.1});
}

TEST_CASE("three modalities, one sample, one class, and no samples") {
  const auto third = Tensor<double>::from({2, 3}, {0.1, 0.2, 0.7, 0.0, 0.0, 1.0});
  check_row(fuse_decisions<double>({face, body, third}).scores, 0, {0.3, 0.4, 0.3});
  check_row(fuse_decisions<double>({{Tensor<double>({1, 1}, 0.0)}}).scores, 0, {1.0});
  CHECK(fuse_decisions<double>({{Tensor<double>({0, 3})}}).scores.shape() == Shape{0, 3});
}

TEST_CASE("decisions that cannot be fused are refused") {
  using Modalities = std::vector<models::ModalityProbabilities<double>>;
  const auto refused = [](const Modalities& modalities, const models::DecisionFusionOptions& options = {}) {
    fuse_decisions(modalities, options);
  };
  CHECK_THROWS_WITH_AS(refused({{face, {true, false}}, {body, {true, false}}}),
                       "fuse_decisions: every modality is missing in sample 1; leave it out", ValueError);
  CHECK_THROWS_AS(refused({{}, {}}), ValueError);
  CHECK_THROWS_AS(refused({}), ValueError);
  CHECK_THROWS_AS(refused({face, {Tensor<double>({2, 4}, 0.25)}}), ShapeError);
  CHECK_THROWS_AS(refused({{face, {true}}}), ShapeError);
  CHECK_THROWS_AS(refused({{Tensor<double>({3}, 0.5)}}), ShapeError);
  CHECK_THROWS_WITH_AS(refused({face, {Tensor<double>({2, 3}, -0.5)}}),
                       "fuse_decisions: probability -0.5 of class 0 in sample 0 of modality 1", ValueError);
  CHECK_THROWS_AS(refused({{Tensor<double>({2, 3}, std::nan(""))}}), ValueError);
  CHECK_THROWS_AS(refused({face, body}, {.rule = DecisionRule::weighted, .weights = {1}}), ValueError);
  CHECK_THROWS_AS(refused({face, body}, {.rule = DecisionRule::weighted, .weights = {1, -1}}), ValueError);
  CHECK_THROWS_AS(refused({face, body}, {.rule = DecisionRule::top_k, .k = 0}), ValueError);
}

TEST_CASE("the weight is chosen by accuracy, and of equals nearest to one half") {
  // The face is right in samples 0 and 1; the body in sample 2, where the face errs by little.
  const auto faces = Tensor<double>::from({3, 2}, {0.9, 0.1, 0.2, 0.8, 0.55, 0.45});
  const auto bodies = Tensor<double>::from({3, 2}, {0.2, 0.8, 0.9, 0.1, 0.1, 0.9});
  const std::vector<Index> labels{0, 1, 1};
  const auto chosen = models::choose_weight(faces, bodies, labels);
  CHECK(chosen.accuracy == 1);
  CHECK(chosen.face == doctest::Approx(0.6));
  CHECK(chosen.weights()[1] == doctest::Approx(0.4));
  CHECK(models::choose_weight(faces, faces, labels).face == 0.5);
  const auto fused =
      fuse_decisions<double>({faces, bodies}, {.rule = DecisionRule::weighted, .weights = chosen.weights()});
  CHECK(models::most_probable(fused.scores) == labels);
  CHECK_THROWS_AS(models::most_probable(Tensor<double>({3})), ShapeError);
  const auto only_body = models::choose_weight(faces, bodies, std::vector<Index>{1, 0, 1}, 1);
  CHECK(only_body.face == 0);
  CHECK(only_body.accuracy == 1);
}

TEST_CASE("labels that do not belong to the probabilities are refused") {
  CHECK_THROWS_AS(models::choose_weight(face, body, std::vector<Index>{0}), ShapeError);
  CHECK_THROWS_AS(models::choose_weight(face, body, std::vector<Index>{0, 3}), ValueError);
  CHECK_THROWS_AS(models::choose_weight(face, body, std::vector<Index>{0, 1}, 0), ValueError);
  CHECK_THROWS_AS(models::choose_weight(Tensor<double>({0, 3}), Tensor<double>({0, 3}), std::vector<Index>{}),
                  ShapeError);
}

TEST_CASE("feature fusion: names, and gradients with and without a hidden layer") {
  for (const Index hidden : {0, 3}) {
    models::FeatureFusion<double> fusion({.features = {4, 1}, .classes = 2, .hidden = hidden});
    std::vector<std::string> names;
    for (const auto& parameter : fusion.named_parameters()) names.push_back(parameter.name);
    const std::vector<std::string> linear{"fc.weight", "fc.bias"};
    const std::vector<std::string> two_layers{"hidden.weight", "hidden.bias", "fc.weight", "fc.bias"};
    CHECK(names == (hidden > 0 ? two_layers : linear));
    std::vector<Variable<double>> inputs = fusion.parameters();
    inputs.emplace_back(random({3, 4}, 1), true);
    inputs.emplace_back(random({3, 1}, 2), true);
    const auto result = gradient_check(
        [&](std::vector<Variable<double>>& v) {
          return fusion({v[v.size() - 2], v.back()}).logits;
        },
        inputs);
    CHECK_MESSAGE(result, result.where);
  }
}

TEST_CASE("a missing modality adds nothing to the logits, and the result says so") {
  const models::FeatureFusion<double> fusion({.features = {4, 3}, .classes = 2});
  const Variable<double> body_features(random({5, 3}, 1));
  const auto fused = fusion({std::nullopt, body_features});
  CHECK(fused.used == std::vector<bool>{false, true});
  const Tensor<double> expected =
      ops::linear(body_features.value(), fusion.fc.weight.value().slice(1, 4, 7).clone(), fusion.fc.bias.value());
  for (Index i = 0; i < 10; ++i) CHECK(fused.logits.value().data()[i] == doctest::Approx(expected.data()[i]));
  CHECK(fusion({Variable<double>(random({5, 4}, 2)), body_features}).used == std::vector<bool>{true, true});
}

TEST_CASE("dropout of feature fusion acts in training alone") {
  models::FeatureFusion<double> fusion({.features = {31, 65}, .classes = 7, .hidden = 31, .dropout = 0.5});
  const Variable<double> a(random({7, 31}, 1));
  const Variable<double> b(random({7, 65}, 2));
  const auto equal = [&] {
    const Tensor<double> first = fusion({a, b}).logits.value();
    const Tensor<double> second = fusion({a, b}).logits.value();
    return std::ranges::equal(first.span(), second.span());
  };
  CHECK_FALSE(equal());
  fusion.evaluate();
  CHECK(equal());
}

TEST_CASE("features that cannot be fused are refused") {
  using Fusion = models::FeatureFusion<double>;
  CHECK_THROWS_AS(Fusion(models::FeatureFusionOptions{}), ValueError);
  CHECK_THROWS_AS(Fusion({.features = {3, 0}}), ValueError);
  CHECK_THROWS_AS(Fusion({.features = {3}, .hidden = -1}), ValueError);
  CHECK_THROWS_AS(Fusion({.features = {3}, .dropout = 1}), ValueError);
  const Fusion fusion({.features = {4, 3}});
  const Variable<double> x(random({2, 4}, 1));
  CHECK_THROWS_WITH_AS(fusion({x, x}), "FeatureFusion: features [2, 4], [2, 4]; expected widths [4, 3]", ShapeError);
  CHECK_THROWS_AS(fusion({x}), ShapeError);
  const Fusion nine({.features = {1, 2, 3, 4, 5, 6, 7, 8, 9}});
  CHECK_THROWS_WITH_AS(nine(std::vector<std::optional<Variable<double>>>(9, x)),
                       doctest::Contains("expected widths [1, 2, 3, 4, 5, 6, 7, 8, 9]"), ShapeError);
  CHECK_THROWS_AS(fusion({x, Variable<double>(random({3, 3}, 1))}), ShapeError);
  CHECK_THROWS_AS(fusion({std::nullopt, std::nullopt}), ValueError);
}
