#pragma once

/// From clips to a video: two LSTMs, one over the clips' features and one over their emotions (Wei et al., Expert
/// Systems with Applications 237, 2024).

#include <cmath>
#include <vector>

#include "mien/autograd/arithmetic.hpp"
#include "mien/autograd/softmax.hpp"
#include "mien/autograd/steps.hpp"
#include "mien/nn/linear.hpp"
#include "mien/nn/lstm.hpp"

namespace mien::models {

struct TwoStreamLstmOptions {
  Index features = 512;  ///< F, of a clip
  Index classes = 7;
  Index feature_hidden = 1024;
  Index emotion_hidden = 512;
  Index layers = 1;  ///< of both LSTMs
  bool bidirectional = false;
  double dropout = 0;  ///< between the layers of an LSTM
};

/// Logits of the two streams for each video, [B, classes].
template <class T, class Device = Cpu>
struct TwoStreamLogits {
  Variable<T, Device> e1;  ///< of the feature stream
  Variable<T, Device> e2;  ///< of the emotion stream
};

/// E1 = feature_fc(last state of feature_lstm(features)), E2 = emotion_fc(last state of emotion_lstm(clip emotions)).
/// Parameters "feature_lstm.*", "feature_fc.*", "emotion_lstm.*", "emotion_fc.*".
///
///     models::TwoStreamLstm<float> reader({.features = 512, .classes = 7});
///     auto [e1, e2] = reader(features, softmax(clip_logits));
template <class T, class Device = Cpu>
class TwoStreamLstm : public nn::Module<TwoStreamLstm<T, Device>, T, Device> {
 public:
  explicit TwoStreamLstm(const TwoStreamLstmOptions& options = {})
      : feature_lstm(lstm_options(options, options.features, options.feature_hidden)),
        feature_fc({.in = feature_lstm.out(), .out = options.classes}),
        emotion_lstm(lstm_options(options, options.classes, options.emotion_hidden)),
        emotion_fc({.in = emotion_lstm.out(), .out = options.classes}) {}

  /// features [B, K, F]; clip_emotions [B, K, classes], the softmax of the clips' logits; lengths: clips of each video,
  /// if not K for all. A video without clips is read as the streams' answer to nothing.
  TwoStreamLogits<T, Device> operator()(const Variable<T, Device>& features, const Variable<T, Device>& clip_emotions,
                                        const std::vector<Index>& lengths = {}) const {
    if (features.shape().rank() != 3 || clip_emotions.shape().rank() != 3 ||
        features.shape().first(2) != clip_emotions.shape().first(2))
      throw ShapeError(detail::text("TwoStreamLstm: features ", features.shape(), " and clip emotions ",
                                    clip_emotions.shape(), " are not of the same clips"));
    return {feature_fc(feature_lstm(features, lengths).h_n), emotion_fc(emotion_lstm(clip_emotions, lengths).h_n)};
  }

  void visit(auto&& child) {
    child("feature_lstm", feature_lstm);
    child("feature_fc", feature_fc);
    child("emotion_lstm", emotion_lstm);
    child("emotion_fc", emotion_fc);
  }

  nn::Lstm<T, Device> feature_lstm;
  nn::Linear<T, Device> feature_fc;
  nn::Lstm<T, Device> emotion_lstm;
  nn::Linear<T, Device> emotion_fc;

 private:
  static nn::LstmOptions lstm_options(const TwoStreamLstmOptions& options, Index in, Index hidden) {
    return {.in = in,
            .hidden = hidden,
            .layers = options.layers,
            .bidirectional = options.bidirectional,
            .dropout = options.dropout};
  }
};

/// Shares of the three answers in a video's emotion; they need not add up to 1.
struct VideoEmotionWeights {
  double clips = 1;
  double feature_stream = 1;
  double emotion_stream = 1;
};

/// The weighted mean of softmax(mean over clips of z), softmax(E1) and softmax(E2): probabilities [B, classes], which
/// add up to 1. clip_logits z [B, K, classes]; lengths: clips of each video, if not K for all. Throws ValueError if a
/// video has no clip, or unless the weights are finite, none negative and one positive.
template <class T, class Device = Cpu>
Variable<T, Device> video_emotion(const Variable<T, Device>& clip_logits, const Variable<T, Device>& e1,
                                  const Variable<T, Device>& e2, const VideoEmotionWeights& weights = {},
                                  const std::vector<Index>& lengths = {}) {
  const Shape& shape = clip_logits.shape();
  if (shape.rank() != 3 || e1.shape() != shape.without(1) || e2.shape() != e1.shape())
    throw ShapeError(detail::text("video_emotion: clip logits ", shape, ", e1 ", e1.shape(), ", e2 ", e2.shape()));
  ops::require_lengths("video_emotion", shape, lengths);
  const double total = weights.clips + weights.feature_stream + weights.emotion_stream;
  if (!(weights.clips >= 0 && weights.feature_stream >= 0 && weights.emotion_stream >= 0 && total > 0 &&
        std::isfinite(total)))
    throw ValueError(detail::text("video_emotion: weights ", weights.clips, ", ", weights.feature_stream, ", ",
                                  weights.emotion_stream));
  Tensor<T, Device> factors(e1.shape());
  for (Index b = 0; b < shape[0]; ++b) {
    const Index clips = lengths.empty() ? shape[1] : lengths[static_cast<std::size_t>(b)];
    if (clips == 0) throw ValueError(detail::text("video_emotion: video ", b, " of ", shape, " has no clip"));
    factors.select(0, b).fill(static_cast<T>(shape[1]) / static_cast<T>(clips));
  }
  const Variable<T, Device> mean =
      scale_channels(mean_of_positions(mask_steps(clip_logits, lengths)), Variable<T, Device>(factors));
  return scale(softmax(mean), static_cast<T>(weights.clips / total)) +
         scale(softmax(e1), static_cast<T>(weights.feature_stream / total)) +
         scale(softmax(e2), static_cast<T>(weights.emotion_stream / total));
}

}  // namespace mien::models
