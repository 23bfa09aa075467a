#pragma once

/// Finds faces in pictures with YuNet (models/yunet.hpp).
///
///     face::FaceDetector detector;
///     for (const face::Face& face : detector(io::read_image("people.jpg"))) use(face.box);

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "mien/core/precision.hpp"
#include "mien/face/face.hpp"
#include "mien/face/weights.hpp"
#include "mien/io/image.hpp"
#include "mien/io/model_file.hpp"
#include "mien/models/yunet.hpp"

namespace mien::face {

struct FaceDetectorOptions {
  double score_threshold = 0.7;  ///< faces of less confidence are none
  /// Of two boxes that share more than this of what both cover, the less confident one is the same face.
  double overlap_threshold = 0.3;
  Index top_k = 5000;  ///< so many of the most confident boxes are compared with each other
  /// Larger pictures are reduced first, so that their longer side has so many pixels; 0: never.
  Index longest_side = 640;
  /// Sizes at which a picture is looked at: in full, halved, and so on. YuNet was
  /// trained with faces of up to 300 pixels; larger ones are such faces in a smaller picture.
  int scales = 1;
  double minimum_size = 0;  ///< of both sides of a box, in pixels of the picture
};

namespace detail {

/// The most confident first, without those that overlap with one before by more than `threshold`. Equals keep their
/// order.
inline std::vector<Face> without_overlaps(std::vector<Face> faces, double threshold, Index top_k) {
  std::stable_sort(faces.begin(), faces.end(),
                   [](const Face& a, const Face& b) { return a.confidence > b.confidence; });
  if (static_cast<Index>(faces.size()) > top_k) faces.resize(static_cast<std::size_t>(top_k));
  std::vector<Face> kept;
  for (const Face& face : faces)
    if (std::none_of(kept.begin(), kept.end(),
                     [&](const Face& other) { return intersection_over_union(face.box, other.box) > threshold; }))
      kept.push_back(face);
  return kept;
}

/// A picture as YuNet takes it: blue, green, red from 0 to 255, and black below and on the right up to a multiple
/// of 32.
inline Tensor<float> yunet_input(const io::Image& image) {
  constexpr Index multiple = models::YuNet<float>::strides.back();
  const auto padded = [](Index extent) { return (extent + multiple - 1) / multiple * multiple; };
  Tensor<float> out = Tensor<float>::zeros({1, padded(image.height), padded(image.width), 3});
  for (Index y = 0; y < image.height; ++y) {
    float* to = out.data() + y * out.size(2) * 3;
    const std::uint8_t* from = image.at(0, y);
    for (Index x = 0; x < image.width; ++x, to += 3, from += image.channels) {
      to[0] = from[image.channels == 3 ? 2 : 0];
      to[1] = from[image.channels == 3 ? 1 : 0];
      to[2] = from[0];
    }
  }
  return out;
}

inline double logistic(float logit) { return 1 / (1 + std::exp(-static_cast<double>(logit))); }

/// The face that a cell of stride s at a column and row tells of, in pixels of YuNet's input.
inline Face face_of_cell(const float* cell, Index column, Index row, Index stride, double confidence) {
  using Channels = models::YuNetChannels;
  const auto s = static_cast<double>(stride);
  const auto point = [&](const float* xy) {
    return Point{(static_cast<double>(column) + static_cast<double>(xy[0])) * s,
                 (static_cast<double>(row) + static_cast<double>(xy[1])) * s};
  };
  const Point centre = point(cell + Channels::box);
  const double width = std::exp(static_cast<double>(cell[Channels::box + 2])) * s;
  const double height = std::exp(static_cast<double>(cell[Channels::box + 3])) * s;
  const float* const marks = cell + Channels::landmarks;
  return {.box = {centre.x - width / 2, centre.y - height / 2, width, height},
          .landmarks = {point(marks), point(marks + 2), point(marks + 4), point(marks + 6), point(marks + 8)},
          .confidence = confidence};
}

/// Appends the faces of a map [1, h, w, 16] of confidence sqrt(p q), where p and q are the probabilities of face and
/// object, from the threshold on.
inline void append_faces(const Tensor<float>& map, Index stride, double threshold, std::vector<Face>& faces) {
  using Channels = models::YuNetChannels;
  const float* cell = map.data();
  for (Index row = 0; row < map.size(1); ++row)
    for (Index column = 0; column < map.size(2); ++column, cell += Channels::count) {
      const double confidence = std::sqrt(logistic(cell[Channels::face]) * logistic(cell[Channels::object]));
      if (confidence >= threshold) faces.push_back(face_of_cell(cell, column, row, stride, confidence));
    }
}

inline Face scaled(const Face& face, double x, double y) {
  const auto point = [&](const Point& p) { return Point{p.x * x, p.y * y}; };
  const Landmarks& marks = face.landmarks;
  return {.box = {face.box.x * x, face.box.y * y, face.box.width * x, face.box.height * y},
          .landmarks = {point(marks.right_eye), point(marks.left_eye), point(marks.nose),
                        point(marks.right_mouth_corner), point(marks.left_mouth_corner)},
          .confidence = face.confidence};
}

}  // namespace detail

/// A network with its weights; calls do not depend on each other, and come from one thread at a time: each has a copy,
/// or one of its own. Confidence is comparable between pictures.
class FaceDetector {
 public:
  /// With the weights that come with the library; see `find_weights`.
  explicit FaceDetector(const FaceDetectorOptions& options = {})
      : FaceDetector(find_weights(detector_weights), options) {}

  /// Reads a file that "mien-weights import-yunet" wrote, and checks that the network computes what it says. Throws
  /// FileError, and ValueError for options without sense.
  explicit FaceDetector(const std::filesystem::path& weights, const FaceDetectorOptions& options = {})
      : options_(options) {
    check_options();
    const PrecisionScope exact(Precision::highest);
    const NoGradient not_recorded;
    network_.evaluate();
    io::load(network_, weights,
             {.self_check = [this](const Tensor<float>& input) { return network_.cells(input).value(); }});
    network_.freeze();
  }

  /// The faces of a picture, the most confident first. Throws ValueError for an image that is none.
  std::vector<Face> operator()(const io::Image& image) {
    io::detail::check_image_argument(image, "FaceDetector");
    const NoGradient not_recorded;
    std::vector<Face> faces;
    for (int scale = 0; scale < options_.scales; ++scale) append_faces_at(image, scale, faces);
    std::erase_if(
        faces, [this](const Face& face) { return std::min(face.box.width, face.box.height) < options_.minimum_size; });
    return detail::without_overlaps(std::move(faces), options_.overlap_threshold, options_.top_k);
  }

  const FaceDetectorOptions& options() const { return options_; }

 private:
  void check_options() const {
    const bool sensible = options_.score_threshold >= 0 && options_.score_threshold <= 1 &&
                          options_.overlap_threshold >= 0 && options_.overlap_threshold <= 1 && options_.top_k >= 1 &&
                          options_.longest_side >= 0 && options_.scales >= 1 && options_.minimum_size >= 0;
    if (!sensible)
      throw ValueError(mien::detail::text("FaceDetector: score threshold ", options_.score_threshold,
                                          ", overlap threshold ", options_.overlap_threshold, " (both 0 to 1), top k ",
                                          options_.top_k, ", scales ", options_.scales,
                                          " (both 1 or more), longest side ", options_.longest_side, ", minimum size ",
                                          options_.minimum_size, " (both 0 or more)"));
  }

  /// At the size that the options allow, halved `scale` times.
  void append_faces_at(const io::Image& image, int scale, std::vector<Face>& faces) {
    const Index longest = std::max(image.width, image.height);
    const bool fits = options_.longest_side == 0 || longest <= options_.longest_side;
    const double factor = (fits ? 1.0 : static_cast<double>(options_.longest_side) / static_cast<double>(longest)) /
                          std::exp2(static_cast<double>(scale));
    const auto reduced = [&](Index extent) {
      return std::max<Index>(1, std::llround(static_cast<double>(extent) * factor));
    };
    const bool same = factor == 1;
    const io::Image smaller = same ? io::Image{} : io::resize(image, reduced(image.width), reduced(image.height));
    const io::Image& seen = same ? image : smaller;
    std::vector<Face> found;
    const auto maps = network_(detail::yunet_input(seen));
    for (std::size_t i = 0; i < maps.size(); ++i)
      detail::append_faces(maps[i].value(), models::YuNet<float>::strides[i], options_.score_threshold, found);
    for (const Face& face : found)
      faces.push_back(detail::scaled(face, static_cast<double>(image.width) / static_cast<double>(seen.width),
                                     static_cast<double>(image.height) / static_cast<double>(seen.height)));
  }

  FaceDetectorOptions options_;
  models::YuNet<float> network_;
};

}  // namespace mien::face
