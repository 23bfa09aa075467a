#include <mien/autograd/gradient_check.hpp>
#include <mien/models/two_stream_lstm.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "random_tensor.hpp"

using namespace mien;

TEST_CASE("the defaults are the published sizes, named as the reference names them") {
  models::TwoStreamLstm<float> reader;
  std::vector<std::string> names;
  for (const auto& parameter : reader.named_parameters()) names.push_back(parameter.name);
  const std::vector<std::string> expected{
      "feature_lstm.weight_ih_l0", "feature_lstm.weight_hh_l0", "feature_lstm.bias_ih_l0",
      "feature_lstm.bias_hh_l0",   "feature_fc.weight",         "feature_fc.bias",
      "emotion_lstm.weight_ih_l0", "emotion_lstm.weight_hh_l0", "emotion_lstm.bias_ih_l0",
      "emotion_lstm.bias_hh_l0",   "emotion_fc.weight",         "emotion_fc.bias"};
  CHECK(names == expected);
  CHECK(reader.feature_lstm.out() == 1024);
  CHECK(reader.emotion_lstm.out() == 512);
  CHECK(reader.feature_fc.weight.shape() == Shape{7, 1024});
}

TEST_CASE("videos of unlike length in one batch are read as if each came alone") {
  for (const bool bidirectional : {false, true}) {
    const models::TwoStreamLstm<double> reader({.features = 5,
                                                .classes = 3,
                                                .feature_hidden = 7,
                                                .emotion_hidden = 4,
                                                .layers = 2,
                                                .bidirectional = bidirectional});
    Tensor<double> features = testing::random<double>({3, 4, 5}, 1);
    Tensor<double> clip_logits = testing::random<double>({3, 4, 3}, 2);
    const std::vector<Index> lengths{2, 4, 1};
    for (Index b = 0; b < 3; ++b) {
      features.select(0, b).slice(0, lengths[static_cast<std::size_t>(b)], 4).fill(std::nan(""));
      clip_logits.select(0, b).slice(0, lengths[static_cast<std::size_t>(b)], 4).fill(std::nan(""));
    }
    const Variable<double> z(clip_logits);
    const auto [e1, e2] = reader(Variable<double>(features), softmax(z), lengths);
    const Tensor<double> emotion = models::video_emotion(z, e1, e2, {}, lengths).value();
    for (Index b = 0; b < 3; ++b) {
      const auto alone = [&](const Tensor<double>& x) {
        return Variable<double>(x.slice(0, b, b + 1).slice(1, 0, lengths[static_cast<std::size_t>(b)]));
      };
      const auto [a1, a2] = reader(alone(features), softmax(alone(clip_logits)));
      CHECK(testing::largest_difference(e1.value().slice(0, b, b + 1), a1.value()) < 1e-11);
      CHECK(testing::largest_difference(e2.value().slice(0, b, b + 1), a2.value()) < 1e-11);
      CHECK(testing::largest_difference(emotion.slice(0, b, b + 1),
                                        models::video_emotion(alone(clip_logits), a1, a2).value()) < 1e-11);
    }
  }
}

TEST_CASE("a video's emotion is the weighted mean of three probabilities") {
  const Variable<double> z(Tensor<double>::from({1, 2, 2}, {1, 0, 3, 0}));
  const Variable<double> e1(Tensor<double>::from({1, 2}, {0, 1}));
  const Variable<double> e2(Tensor<double>::from({1, 2}, {0, 0}));
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  const auto equal = models::video_emotion(z, e1, e2).value();
  CHECK(equal(0, 0) == doctest::Approx((sigmoid(2) + sigmoid(-1) + 0.5) / 3));
  CHECK(equal(0, 0) + equal(0, 1) == doctest::Approx(1));
  const auto weighted =
      models::video_emotion(z, e1, e2, {.clips = 0, .feature_stream = 6, .emotion_stream = 2}).value();
  CHECK(weighted(0, 0) == doctest::Approx(0.75 * sigmoid(-1) + 0.25 * 0.5));
  const auto first_clip = models::video_emotion(z, e1, e2, {.clips = 1, .feature_stream = 0, .emotion_stream = 0}, {1});
  CHECK(first_clip.value()(0, 0) == doctest::Approx(sigmoid(1)));
}

TEST_CASE("gradients through both streams and the video's emotion") {
  models::TwoStreamLstm<double> reader({.features = 2, .classes = 3, .feature_hidden = 2, .emotion_hidden = 1});
  std::vector<Variable<double>> inputs = reader.parameters();
  inputs.emplace_back(testing::random<double>({2, 3, 2}, 3), true);
  inputs.emplace_back(testing::random<double>({2, 3, 3}, 4), true);
  const auto result = gradient_check(
      [&](std::vector<Variable<double>>& v) {
        const auto& z = v.back();
        const auto [e1, e2] = reader(v[v.size() - 2], softmax(z), {3, 1});
        return models::video_emotion(z, e1, e2, {.clips = 1, .feature_stream = 2, .emotion_stream = 3}, {3, 1});
      },
      inputs);
  CHECK_MESSAGE(result, result.where);
}

TEST_CASE("what does not belong together is refused") {
  const models::TwoStreamLstm<double> reader({.features = 5, .classes = 3, .feature_hidden = 2, .emotion_hidden = 2});
  const Variable<double> features(testing::random<double>({2, 4, 5}, 1));
  CHECK_THROWS_WITH_AS(reader(features, Variable<double>(testing::random<double>({2, 3, 3}, 1))),
                       "TwoStreamLstm: features [2, 4, 5] and clip emotions [2, 3, 3] are not of the same clips",
                       ShapeError);
  CHECK_THROWS_AS(reader(features, Variable<double>(testing::random<double>({2, 4, 2}, 1))), ShapeError);
  CHECK_THROWS_AS(reader(features, Variable<double>(testing::random<double>({2, 4, 3}, 1)), {4, 5}), ValueError);
  const Variable<double> z(testing::random<double>({2, 4, 3}, 1));
  const Variable<double> e(testing::random<double>({2, 3}, 1));
  CHECK_THROWS_AS(models::video_emotion(z, e, Variable<double>(testing::random<double>({2, 4}, 1))), ShapeError);
  CHECK_THROWS_WITH_AS(models::video_emotion(z, e, e, {}, {4, 0}), "video_emotion: video 1 of [2, 4, 3] has no clip",
                       ValueError);
  CHECK_THROWS_AS(models::video_emotion(Variable<double>(testing::random<double>({2, 0, 3}, 1)), e, e), ValueError);
  CHECK_THROWS_AS(models::video_emotion(z, e, e, {.clips = 0, .feature_stream = 0, .emotion_stream = 0}), ValueError);
  CHECK_THROWS_AS(models::video_emotion(z, e, e, {.clips = -1}), ValueError);
  CHECK_THROWS_AS(models::video_emotion(z, e, e, {.clips = std::nan("")}), ValueError);
}
