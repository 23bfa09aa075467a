#pragma once

/// Tells expressions from faces with the network of models/expression_network.hpp.
///
///     face::FaceDetector detector;
///     face::ExpressionRecogniser recogniser;
///     for (const face::Face& face : detector(image)) use(recogniser(image, face));

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>

#include "mien/autograd/softmax.hpp"
#include "mien/core/precision.hpp"
#include "mien/data/emotion.hpp"
#include "mien/face/alignment.hpp"
#include "mien/face/weights.hpp"
#include "mien/io/model_file.hpp"
#include "mien/models/class_activation_map.hpp"
#include "mien/models/expression_network.hpp"

namespace mien::face {

/// Probabilities in the order of data::Emotion.
using EmotionProbabilities = std::array<float, data::emotion_names.size()>;

inline data::Emotion most_probable(const EmotionProbabilities& probabilities) {
  return static_cast<data::Emotion>(std::max_element(probabilities.begin(), probabilities.end()) -
                                    probabilities.begin());
}

/// A network with its weights; calls do not depend on each other, and come from one thread at a time: each has a copy,
/// or one of its own.
class ExpressionRecogniser {
 public:
  /// Around the box, on each side, as a share of its longer one.
  static constexpr double margin = 0.075;

  /// With the weights that come with the library; see `find_weights`.
  ExpressionRecogniser() : ExpressionRecogniser(find_weights(expression_weights)) {}

  /// Reads a file that "mien-weights import-expression" wrote, and checks that the network computes what it says.
  /// Throws FileError.
  explicit ExpressionRecogniser(const std::filesystem::path& weights) {
    const PrecisionScope exact(Precision::highest);
    const NoGradient not_recorded;
    network_.evaluate();
    io::load(network_, weights, {.self_check = [this](const Tensor<float>& input) { return network_(input).value(); }});
    network_.freeze();
  }

  /// Of the square around a face's box, in colour. Throws ValueError for a box without area.
  EmotionProbabilities operator()(const io::Image& image, const Face& face) { return (*this)(crop(image, face)); }

  /// Of a picture that shows a face alone; whatever its size, it is seen as a square of 112 pixels.
  EmotionProbabilities operator()(const io::Image& face) {
    constexpr Index side = models::ExpressionNetwork<float>::side;
    const NoGradient not_recorded;
    const Tensor<float> probabilities = softmax(network_(input_of(io::resize(face, side, side)))).value();
    EmotionProbabilities out{};
    std::copy_n(probabilities.data(), out.size(), out.begin());
    return out;
  }

  /// The square around a face's box that the network sees, in its own size.
  static io::Image crop(const io::Image& image, const Face& face) {
    return crop_face(image, face.box, {.side = models::ExpressionNetwork<float>::side, .margin = margin});
  }

  /// Where in a picture that shows a face alone the network sees an emotion: how much each of 7 x 7 places adds to that
  /// emotion's logit (models/class_activation_map.hpp), which is their mean and a constant. `report::activation_over`
  /// lays it over the picture.
  Tensor<float> activation_map(const io::Image& face, data::Emotion emotion) {
    constexpr Index side = models::ExpressionNetwork<float>::side;
    const NoGradient not_recorded;
    const Tensor<float> maps = network_.feature_maps(Variable<float>(input_of(io::resize(face, side, side)))).value();
    return models::class_activation_map(maps, network_.fc.weight.value(), static_cast<Index>(emotion)).select(0, 0);
  }

 private:
  /// [1, 112, 112, 3]; grey is every colour.
  static Tensor<float> input_of(const io::Image& face) {
    constexpr auto& mean = models::ExpressionNetwork<float>::mean;
    Tensor<float> out({1, face.height, face.width, 3});
    float* to = out.data();
    for (Index i = 0; i < face.width * face.height; ++i)
      for (Index c = 0; c < 3; ++c)
        *to++ = static_cast<float>(face.pixels[static_cast<std::size_t>(i * face.channels + c % face.channels)]) / 255 -
                mean[static_cast<std::size_t>(c)];
    return out;
  }

  models::ExpressionNetwork<float> network_;
};

}  // namespace mien::face
