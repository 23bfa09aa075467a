/// Faces in pictures as cameras take them, found and read with the weights that come with the library; see
/// docs/faces.md.

#include <mien/face/detector.hpp>
#include <mien/face/expression.hpp>

#include <memory>

#include "common.hpp"

namespace {

using namespace mien;

struct Size {
  const char* name;
  Index width;
  Index height;
};

/// Some pattern: what a network takes does not depend on what a picture shows.
io::Image picture(Index width, Index height) {
  io::Image out(width, height, 3);
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x)
      for (Index c = 0; c < 3; ++c) out.at(x, y)[c] = static_cast<std::uint8_t>((x * (c + 1) + y * y / 7) % 251);
  return out;
}

const int registered = [] {
  for (const Size& size : {Size{"640x480", 640, 480}, Size{"640x360", 640, 360}, Size{"320x240", 320, 240}})
    bench::add({"face_detector", size.name}, [size] {
      return [image = picture(size.width, size.height), detector = std::make_shared<face::FaceDetector>()] {
        benchmark::DoNotOptimize((*detector)(image).data());
      };
    });
  bench::add({"expression_recogniser", "of_a_box_of_200"}, [] {
    const face::Face face{.box = {220, 120, 160, 200}, .landmarks = {}, .confidence = 1};
    return [face, image = picture(640, 480), recogniser = std::make_shared<face::ExpressionRecogniser>()] {
      benchmark::DoNotOptimize((*recogniser)(image, face)[0]);
    };
  });
  return 0;
}();

}  // namespace
