#include <mien/face/detector.hpp>
#include <mien/face/expression.hpp>
#include <mien/io/json.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "io/temporary_folder.hpp"
#include "python.hpp"
#include "random_tensor.hpp"

using namespace mien;
using face::Face;

namespace {

const std::string source = MIEN_SOURCE_DIR "/";
const std::string pictures = MIEN_TEST_DATA_DIR "/face/";
const std::string weights_folder = source + "examples/data/weights";

/// So that the tests run in any folder, as outside the source.
[[maybe_unused]] const int weights_are_told = ::setenv("MIEN_WEIGHTS", weights_folder.c_str(), 1);

io::Image picture(const std::string& name) { return io::read_image(pictures + name); }

/// As the reference was made.
face::FaceDetector reference_detector() {
  return face::FaceDetector(weights_folder + "/face_detector.safetensors", {.score_threshold = 0.5, .longest_side = 0});
}

std::vector<double> numbers_of(const Face& face) {
  std::vector<double> out{face.box.x, face.box.y, face.box.width, face.box.height};
  for (const face::Point& point : face.landmarks.points()) {
    out.push_back(point.x);
    out.push_back(point.y);
  }
  return out;
}

/// Within a pixel, and a hundredth of confidence; the decoders of JPEG files differ by some levels.
void compare_with(const nlohmann::json& reference, const std::string& folder) {
  face::FaceDetector detector = reference_detector();
  REQUIRE(reference.size() > 3);
  for (const auto& [name, expected] : reference.items()) {
    const std::string picture = folder + name;
    CAPTURE(picture);
    const auto faces = detector(io::read_image(picture));
    REQUIRE(faces.size() == expected.size());
    for (std::size_t i = 0; i < faces.size(); ++i) {
      const std::vector<double> found = numbers_of(faces[i]);
      for (std::size_t k = 0; k < found.size(); ++k) CHECK(std::abs(found[k] - expected[i][k].get<double>()) < 1);
      CHECK(std::abs(faces[i].confidence - expected[i][found.size()].get<double>()) < 0.01);
    }
  }
}

/// Pictures side by side on grey.
io::Image beside(const io::Image& left, const io::Image& right, Index gap) {
  io::Image out(left.width + gap + right.width, std::max(left.height, right.height), 3, 128);
  for (const auto& [image, x] : {std::pair(&left, Index{0}), std::pair(&right, left.width + gap)})
    for (Index y = 0; y < image->height; ++y) std::copy_n(image->at(0, y), image->width * 3, out.at(x, y));
  return out;
}

}  // namespace

TEST_CASE("faces are where OpenCV finds them") {
  compare_with(io::parse_json(io::read_text(pictures + "opencv.json"), "opencv.json"), source);
}

TEST_CASE("OpenCV finds the same faces now, with its own network file") {
  if (!testing::python_has("cv2, numpy")) return;
  const bool reads_it = testing::python_succeeds(
      "-c 'import cv2; exit(tuple(map(int, cv2.__version__.split(\".\")[:2])) < (4, 8))'", false);
  if (!reads_it) {
    MESSAGE("skipped: " << testing::python() << " has an OpenCV before 4.8");
    return;
  }
  const TemporaryFolder folder;
  io::write_png(folder / "happy.png", picture("happy.jpg"));
  io::write_png(folder / "wide.png", beside(picture("face.jpg"), picture("sad.jpg"), 31));
  io::write_png(folder / "small.png", io::resize(picture("sad.jpg"), 111, 63));
  io::write_png(folder / "none.png", picture("no_face.jpg"));
  const std::string out = (folder / "found.json").string();
  REQUIRE(testing::python_succeeds("'" + source + "tests/face/opencv_faces.py' '" + pictures +
                                   "face_detection_yunet_2023mar.onnx' '" + folder.path().string() +
                                   "' happy.png wide.png small.png none.png >'" + out + "'"));
  compare_with(io::parse_json(io::read_text(out), out), folder.path().string() + "/");
}

TEST_CASE("several faces are told apart, the most confident first; larger ones alone if asked for") {
  const io::Image two = beside(picture("face.jpg"), io::resize(picture("happy.jpg"), 240, 135), 20);
  face::FaceDetector detector;
  const auto faces = detector(two);
  REQUIRE(faces.size() == 2);
  CHECK(faces[0].confidence >= faces[1].confidence);
  CHECK(face::intersection_over_union(faces[0].box, faces[1].box) == 0);
  for (const Face& face : faces) {
    CHECK(face.landmarks.right_eye.x < face.landmarks.left_eye.x);
    CHECK(face.landmarks.left_eye.y < face.landmarks.nose.y);
    CHECK(face.landmarks.nose.y < face.landmarks.left_mouth_corner.y);
  }
  face::FaceDetector large_only({.minimum_size = 100});
  REQUIRE(large_only(two).size() == 1);
  CHECK(large_only(two)[0].box.width > 100);
  CHECK(face::FaceDetector({.score_threshold = 0.999})(two).empty());
  CHECK(face::FaceDetector({.top_k = 1})(two).size() == 1);
}

TEST_CASE("pictures of every size and colour") {
  face::FaceDetector detector;
  CHECK(detector(io::Image(1, 1, 3)).empty());
  CHECK(detector(io::Image(33, 7, 1, 200)).empty());
  CHECK(detector(picture("no_face.jpg")).empty());
  const io::Image grey = io::read_image(pictures + "face.jpg", {.channels = 1});
  REQUIRE(detector(grey).size() == 1);
  CHECK(face::intersection_over_union(detector(grey)[0].box, detector(picture("face.jpg"))[0].box) > 0.85);
  CHECK_THROWS_AS(detector(io::Image{}), ValueError);
}

TEST_CASE("a large picture is reduced, and found faces are in its own pixels") {
  const io::Image image = picture("happy.jpg");
  const io::Image large = io::resize(image, 2 * image.width + 6, 2 * image.height);
  face::FaceDetector detector;
  const auto faces = detector(image);
  const auto found = detector(large);
  REQUIRE(faces.size() == 1);
  REQUIRE(found.size() == 1);
  const face::Box& box = faces[0].box;
  CHECK(face::intersection_over_union(found[0].box, {2 * box.x, 2 * box.y, 2 * box.width, 2 * box.height}) > 0.9);
  // A face that is too large for the network is found where the picture is halved, and halved again.
  const io::Image huge = io::resize(image, 4 * image.width, 4 * image.height);
  CHECK(face::FaceDetector({.longest_side = 0})(huge).empty());
  const auto at_a_quarter = face::FaceDetector({.longest_side = 0, .scales = 3})(huge);
  REQUIRE(at_a_quarter.size() == 1);
  CHECK(face::intersection_over_union(at_a_quarter[0].box, {4 * box.x, 4 * box.y, 4 * box.width, 4 * box.height}) >
        0.95);
  CHECK(at_a_quarter[0].confidence == doctest::Approx(faces[0].confidence).epsilon(0.01));
  // At several sizes a face is found several times, and told once.
  CHECK(face::FaceDetector({.scales = 3})(image).size() == 1);
}

TEST_CASE("options without sense and files of other models are refused") {
  CHECK_THROWS_AS(face::FaceDetector({.score_threshold = 1.5}), ValueError);
  CHECK_THROWS_AS(face::FaceDetector({.overlap_threshold = -1}), ValueError);
  CHECK_THROWS_AS(face::FaceDetector({.top_k = 0}), ValueError);
  CHECK_THROWS_AS(face::FaceDetector({.longest_side = -1}), ValueError);
  CHECK_THROWS_AS(face::FaceDetector({.scales = 0}), ValueError);
  CHECK_THROWS_AS(face::FaceDetector({.minimum_size = -1}), ValueError);
  const std::filesystem::path expression = weights_folder + "/face_expression.safetensors";
  const std::filesystem::path detector = weights_folder + "/face_detector.safetensors";
  CHECK_THROWS_AS(face::FaceDetector{expression}, FileError);
  CHECK_THROWS_AS(face::ExpressionRecogniser{detector}, FileError);
  CHECK_THROWS_AS(face::FaceDetector{std::filesystem::path("absent.safetensors")}, FileError);
}

TEST_CASE("weights whose network computes something else do not pass") {
  const TemporaryFolder folder;
  const auto file = io::read_safetensors(weights_folder + "/face_detector.safetensors");
  io::SafetensorsWriter writer;
  for (const std::string& name : file.names()) {
    auto tensor = file.tensor<float>(name);
    if (name == "neck.lateral_convs.1.conv1.bias") tensor.span()[5] += 0.5F;
    writer.add(name, tensor);
  }
  writer.write(folder / "other.safetensors");
  CHECK_THROWS_WITH_AS(face::FaceDetector{folder / "other.safetensors"}, doctest::Contains("self-check"), FileError);
}

TEST_CASE("weights are found in the folder that MIEN_WEIGHTS names, or above the working folder") {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  REQUIRE(::unsetenv("MIEN_WEIGHTS") == 0);
  std::filesystem::current_path(source + "tests/data");
  CHECK(std::filesystem::equivalent(face::find_weights(face::detector_weights),
                                    weights_folder + "/face_detector.safetensors"));
  CHECK_THROWS_WITH_AS(face::find_weights("absent.safetensors"), doctest::Contains("MIEN_WEIGHTS"), FileError);
  std::filesystem::create_directories(folder / "share/mien/weights");
  std::filesystem::create_directories(folder / "bin");
  io::write_file(folder / "share/mien/weights/face_detector.safetensors", std::string_view("installed"));
  std::filesystem::current_path(folder / "bin");
  CHECK(io::read_text(face::find_weights(face::detector_weights)) == "installed");
  std::filesystem::current_path(before);
  REQUIRE(::setenv("MIEN_WEIGHTS", folder.path().c_str(), 1) == 0);
  CHECK_THROWS_AS(face::find_weights(face::detector_weights), FileError);
  io::write_file(folder / "face_detector.safetensors", std::string_view("something"));
  CHECK(face::find_weights(face::detector_weights) == folder / "face_detector.safetensors");
  CHECK_THROWS_AS(face::FaceDetector(), FileError);
  REQUIRE(::setenv("MIEN_WEIGHTS", weights_folder.c_str(), 1) == 0);
}

TEST_CASE("YuNet takes multiples of 32 alone, several pictures at a time, and learns") {
  models::YuNet<float> network;
  CHECK(network.parameter_count() == 53104);
  const auto x = testing::random<float>({2, 32, 96, 3}, 1);
  const auto maps = network(x);
  CHECK(maps[0].shape() == Shape{2, 4, 12, 16});
  CHECK(maps[1].shape() == Shape{2, 2, 6, 16});
  CHECK(maps[2].shape() == Shape{2, 1, 3, 16});
  CHECK_THROWS_AS(network(Tensor<float>({1, 32, 48, 3}, 0)), ShapeError);
  CHECK_THROWS_AS(network(Tensor<float>({1, 32, 32, 1}, 0)), ShapeError);
  CHECK_THROWS_AS(network(Tensor<float>({32, 32, 3}, 0)), ShapeError);
  const auto cells = network.cells(x);
  CHECK(cells.shape() == Shape{2, 48 + 12 + 3, 16});
  CHECK(cells.value()(1, 48 + 12, 5) == maps[2].value()(1, 0, 0, 5));
  // With and without gradients, and frozen, the same comes out.
  const NoGradient not_recorded;
  CHECK(testing::largest_difference(network.cells(x).value(), cells.value()) < 1e-4);
  network.freeze();
  CHECK(testing::largest_difference(network.cells(x).value(), cells.value()) < 1e-4);
}

TEST_CASE("every parameter of both networks has a gradient") {
  models::YuNet<float> detector;
  backward(sum(detector.cells(testing::random<float>({1, 32, 32, 3}, 1))));
  models::ExpressionNetwork<float> expression({.classes = 5, .width = 4});
  backward(sum(expression(testing::random<float>({2, 16, 32, 3}, 2))));
  const auto check = [](auto& network) {
    for (const auto& parameter : network.named_parameters()) {
      CAPTURE(parameter.name);
      CHECK(parameter.variable.gradient().shape() == parameter.variable.shape());
    }
  };
  check(detector);
  check(expression);
}

TEST_CASE("the expression network computes what face-api's does") {
  io::Image image(112, 112, 3);
  for (Index y = 0; y < 112; ++y)
    for (Index x = 0; x < 112; ++x) {
      image.at(x, y)[0] = static_cast<std::uint8_t>(2 * x);
      image.at(x, y)[1] = static_cast<std::uint8_t>(2 * y);
      image.at(x, y)[2] = static_cast<std::uint8_t>(x * y / 48);
    }
  // By its formula in double precision, in the order of data::Emotion.
  const std::vector<double> expected{0.05276473, 0.04973800, 0.82860096, 0.03577087,
                                     0.01511050, 0.00860739, 0.00940756};
  const auto found = face::ExpressionRecogniser()(image);
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(static_cast<double>(found[i]) - expected[i]) < 1e-4);
}

TEST_CASE("an activation map adds up to what the expression network says") {
  face::ExpressionRecogniser recogniser;
  // By how much one class is more likely than another, but for what their biases make of it.
  const auto by_probabilities = [&](const io::Image& face) {
    const auto found = recogniser(face);
    return std::log(static_cast<double>(found[1])) - std::log(static_cast<double>(found[4]));
  };
  const auto by_maps = [&](const io::Image& face) {
    const auto more = recogniser.activation_map(face, static_cast<data::Emotion>(1));
    const auto less = recogniser.activation_map(face, static_cast<data::Emotion>(4));
    REQUIRE(more.shape() == Shape{7, 7});
    double sum = 0;
    for (Index y = 0; y < 7; ++y)
      for (Index x = 0; x < 7; ++x) sum += static_cast<double>(more(y, x)) - static_cast<double>(less(y, x));
    return sum / 49;
  };
  const io::Image one = picture("sad.jpg");
  const io::Image other = picture("happy.jpg");
  CHECK(by_maps(one) - by_maps(other) ==
        doctest::Approx(by_probabilities(one) - by_probabilities(other)).epsilon(1e-4));
}

TEST_CASE("the expression network of two forms is one network") {
  models::ExpressionNetwork<float> network({.classes = 3, .width = 4});
  const auto x = testing::random<float>({3, 48, 32, 3}, 4);
  const auto recorded = network(x);
  CHECK(recorded.shape() == Shape{3, 3});
  const NoGradient not_recorded;
  CHECK(testing::largest_difference(network(x).value(), recorded.value()) < 1e-5);
  network.freeze();
  CHECK(testing::largest_difference(network(x).value(), recorded.value()) < 1e-5);
  CHECK_THROWS_AS(network(Tensor<float>({1, 48, 40, 3}, 0)), ShapeError);
}

TEST_CASE("an actor who cries and laughs") {
  face::FaceDetector detector;
  face::ExpressionRecogniser recogniser;
  const auto expression_of = [&](const io::Image& image) {
    const auto faces = detector(image);
    REQUIRE(faces.size() == 1);
    return recogniser(image, faces[0]);
  };
  const auto crying = expression_of(picture("sad.jpg"));
  const auto laughing = expression_of(picture("happy.jpg"));
  CHECK(face::most_probable(crying) == data::Emotion::sadness);
  CHECK(face::most_probable(laughing) == data::Emotion::happiness);
  CHECK(crying[static_cast<std::size_t>(data::Emotion::sadness)] > 0.9F);
  CHECK(laughing[static_cast<std::size_t>(data::Emotion::happiness)] > 0.9F);
  float sum = 0;
  for (const float probability : laughing) sum += probability;
  CHECK(sum == doctest::Approx(1));
  CHECK_THROWS_AS(recogniser(picture("sad.jpg"), Face{}), ValueError);
}
