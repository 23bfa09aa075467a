#include <mien/face/selection.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

using namespace mien;
using face::Box;
using face::Face;
using face::Point;

namespace {

Face face_at(double x, double y, double side = 10, double confidence = 0.9) {
  return {.box = {x, y, side, side}, .landmarks = {}, .confidence = confidence};
}

std::vector<std::uint64_t> ids(const std::vector<face::TrackedFace>& faces) {
  std::vector<std::uint64_t> out;
  for (const auto& face : faces) out.push_back(face.id);
  return out;
}

using Ids = std::vector<std::uint64_t>;

/// A picture that grows brighter to the right in red and downwards in green.
io::Image ramp(Index width, Index height) {
  io::Image out(width, height, 3);
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      out.at(x, y)[0] = static_cast<std::uint8_t>(2 * x);
      out.at(x, y)[1] = static_cast<std::uint8_t>(2 * y);
      out.at(x, y)[2] = 77;
    }
  return out;
}

}  // namespace

TEST_CASE("intersection over union") {
  const Box box{2, 3, 10, 6};
  CHECK(face::intersection_over_union(box, box) == 1);
  CHECK(face::intersection_over_union(box, {7, 3, 10, 6}) == doctest::Approx(30.0 / 90));
  CHECK(face::intersection_over_union(box, {12, 3, 10, 6}) == 0);  // side by side
  CHECK(face::intersection_over_union(box, {40, 40, 1, 1}) == 0);
  CHECK(face::intersection_over_union(box, {4, 4, 0, 0}) == 0);
  CHECK(face::intersection_over_union({}, {}) == 0);
  CHECK(face::intersection_over_union({-5, -5, 10, 10}, {0, 0, 10, 10}) == doctest::Approx(25.0 / 175));
}

TEST_CASE("a similarity transform is found again from points, and undone by its inverse") {
  const face::SimilarityTransform truth{1.5 * std::cos(0.7), 1.5 * std::sin(0.7), -12, 31};
  CHECK(truth.scale() == doctest::Approx(1.5));
  CHECK(truth.angle() == doctest::Approx(0.7));
  std::array<Point, 5> from = face::canonical_landmarks.points();
  std::array<Point, 5> to = from;
  for (Point& p : to) p = truth(p);
  const auto found = face::similarity_transform(from, to);
  CHECK(found.a == doctest::Approx(truth.a));
  CHECK(found.b == doctest::Approx(truth.b));
  CHECK(found.shift_x == doctest::Approx(truth.shift_x));
  CHECK(found.shift_y == doctest::Approx(truth.shift_y));
  const Point back = truth.inverse()(truth({3, -8}));
  CHECK(back.x == doctest::Approx(3));
  CHECK(back.y == doctest::Approx(-8));
  CHECK_THROWS_AS((face::SimilarityTransform{0, 0, 1, 1}.inverse()), ValueError);
}

TEST_CASE("of points that do not fit exactly the transform has the least sum of squares") {
  const std::vector<Point> from{{0, 0}, {10, 1}, {4, 9}, {-3, 5}};
  const std::vector<Point> to{{1, 2}, {8, 14}, {-7, 9}, {-4, 1}};
  const auto best = face::similarity_transform(from, to);
  const auto squares = [&](const face::SimilarityTransform& transform) {
    double sum = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
      const Point p = transform(from[i]);
      sum += std::pow(p.x - to[i].x, 2) + std::pow(p.y - to[i].y, 2);
    }
    return sum;
  };
  const double least = squares(best);
  for (const double step : {-1e-3, 1e-3}) {
    CHECK(squares({best.a + step, best.b, best.shift_x, best.shift_y}) > least);
    CHECK(squares({best.a, best.b + step, best.shift_x, best.shift_y}) > least);
    CHECK(squares({best.a, best.b, best.shift_x + step, best.shift_y}) > least);
    CHECK(squares({best.a, best.b, best.shift_x, best.shift_y + step}) > least);
  }
}

TEST_CASE("points that say nothing about a transform are refused") {
  const std::vector<Point> one{{1, 1}};
  const std::vector<Point> two{{1, 1}, {2, 2}};
  const std::vector<Point> same{{1, 1}, {1, 1}};
  const std::vector<Point> no_number{{1, 1}, {std::numeric_limits<double>::quiet_NaN(), 2}};
  CHECK_THROWS_AS(face::similarity_transform(one, one), ValueError);
  CHECK_THROWS_AS(face::similarity_transform(one, two), ValueError);
  CHECK_THROWS_AS(face::similarity_transform(same, two), ValueError);
  CHECK_THROWS_AS(face::similarity_transform(no_number, two), ValueError);
  CHECK_THROWS_AS(face::similarity_transform(two, no_number), ValueError);
}

TEST_CASE("warping by the identity changes nothing, and a shift by whole pixels moves them") {
  const io::Image image = ramp(31, 17);
  CHECK(face::warp(image, {}, 31, 17).pixels == image.pixels);
  const io::Image moved = face::warp(image, {1, 0, 3, -2}, 31, 17);
  CHECK(moved.at(10, 5)[0] == image.at(7, 7)[0]);
  CHECK(moved.at(10, 5)[1] == image.at(7, 7)[1]);
  CHECK(moved.at(1, 5)[0] == 0);  // what the picture does not cover
  CHECK(moved.at(1, 5)[2] == 0);
}

TEST_CASE("warping between pixels is bilinear, turns, and takes means where it shrinks") {
  const io::Image image = ramp(64, 64);
  CHECK(face::warp(image, {1, 0, -0.5, -0.25}, 8, 8).at(3, 4)[0] == 7);            // 2 (3 + 0.5)
  CHECK(face::warp(image, {0, 1, 63, 0}, 64, 64).at(10, 20)[1] == 2 * (63 - 10));  // a quarter turn
  io::Image stripes(64, 64, 1);
  for (Index y = 0; y < 64; ++y)
    for (Index x = 0; x < 64; x += 2) stripes.at(x, y)[0] = 200;
  const io::Image small = face::warp(stripes, {0.25, 0, -0.375, -0.375}, 16, 16);
  for (Index x = 1; x < 15; ++x) CHECK(std::abs(static_cast<int>(small.at(x, 7)[0]) - 100) <= 1);
  CHECK_THROWS_AS(face::warp(image, {0.001, 0, 0, 0}, 4, 4), ValueError);
  CHECK_THROWS_AS(face::warp(image, {std::numeric_limits<double>::quiet_NaN(), 0, 0, 0}, 4, 4), ValueError);
  CHECK_THROWS_AS(face::warp(io::Image{}, {}, 4, 4), ValueError);
}

TEST_CASE("alignment puts a turned face's points where they belong") {
  const face::SimilarityTransform pose{1.8 * std::cos(-0.4), 1.8 * std::sin(-0.4), 90, 140};
  const auto marks = face::canonical_landmarks.points();
  const face::Landmarks turned{pose(marks[0]), pose(marks[1]), pose(marks[2]), pose(marks[3]), pose(marks[4])};
  const Point eye = face::alignment_of(turned)(turned.right_eye);
  CHECK(eye.x == doctest::Approx(face::canonical_landmarks.right_eye.x));
  CHECK(eye.y == doctest::Approx(face::canonical_landmarks.right_eye.y));
  // With a margin of a quarter, what was 112 pixels is two thirds of the picture, around its centre.
  const Point with_margin = face::alignment_of(turned, {.side = 168, .margin = 0.25})(turned.nose);
  CHECK(with_margin.x == doctest::Approx(face::canonical_landmarks.nose.x + 28));
  CHECK(with_margin.y == doctest::Approx(face::canonical_landmarks.nose.y + 28));
  const Point smaller = face::alignment_of(turned, {.side = 56})(turned.nose);
  CHECK(smaller.x == doctest::Approx((face::canonical_landmarks.nose.x + 0.5) / 2 - 0.5));

  io::Image image(400, 400, 1);
  const auto x = static_cast<Index>(std::lround(turned.left_eye.x));
  const auto y = static_cast<Index>(std::lround(turned.left_eye.y));
  for (Index i = -4; i <= 4; ++i)
    for (Index j = -4; j <= 4; ++j) *image.at(x + j, y + i) = 255;
  const io::Image aligned = face::align_face(image, turned);
  CHECK(aligned.width == 112);
  CHECK(aligned.at(74, 52)[0] > 200);
  CHECK(aligned.at(38, 52)[0] == 0);

  CHECK_THROWS_AS(face::alignment_of(face::Landmarks{}), ValueError);
  CHECK_THROWS_AS(face::alignment_of(turned, {.side = 0}), ValueError);
  CHECK_THROWS_AS(face::alignment_of(turned, {.margin = -0.1}), ValueError);
}

TEST_CASE("a face is cut out as a square with a margin, black beyond the picture") {
  const io::Image image = ramp(60, 40);
  const io::Image cut = face::crop_face(image, {20, 10, 10, 16}, {.side = 0});
  CHECK(cut.width == 16);
  CHECK(cut.height == 16);
  CHECK(cut.at(0, 0)[0] == 2 * 17);
  CHECK(cut.at(0, 0)[1] == 2 * 10);
  CHECK(face::crop_face(image, {20, 10, 10, 16}, {.side = 0, .margin = 0.25}).width == 24);
  CHECK(face::crop_face(image, {20, 10, 10, 16}, {.side = 48}).height == 48);
  const io::Image corner = face::crop_face(image, {-10, -10, 20, 20}, {.side = 0});
  CHECK(corner.at(3, 3)[2] == 0);
  CHECK(corner.at(10, 10)[2] == 77);
  CHECK_THROWS_AS(face::crop_face(image, {3, 3, 0, 0}), ValueError);
  CHECK_THROWS_AS(face::crop_face(image, {3, 3, 1e9, 4}), ValueError);
  CHECK_THROWS_AS(face::crop_face(image, {std::numeric_limits<double>::quiet_NaN(), 3, 4, 4}), ValueError);
  CHECK_THROWS_AS(face::crop_face(image, {3, 3, 4, 4}, {.side = -1}), ValueError);
  CHECK_THROWS_AS(face::crop_face(image, {3, 3, 4, 4}, {.margin = -0.5}), ValueError);
}

TEST_CASE("faces keep their ids while they move, whatever their order in a frame") {
  face::FaceTracker tracker;
  CHECK(ids(tracker(std::vector{face_at(0, 0), face_at(50, 0)})) == Ids{0, 1});
  const auto moved = tracker(std::vector{face_at(52, 1), face_at(2, 1)});
  CHECK(ids(moved) == Ids{1, 0});
  CHECK(moved[0].frames == 2);
  CHECK(moved[0].box.x == 52);
  CHECK(ids(tracker(std::vector{face_at(4, 2), face_at(100, 100), face_at(54, 2)})) == Ids{0, 2, 1});
}

TEST_CASE("the pair that overlaps most belongs together, though another face comes first") {
  face::FaceTracker tracker;
  tracker(std::vector{face_at(0, 0)});
  CHECK(ids(tracker(std::vector{face_at(4, 0), face_at(1, 0)})) == Ids{1, 0});
  // Two that are equally near: the one that was found first.
  face::FaceTracker other;
  other(std::vector{face_at(0, 0)});
  CHECK(ids(other(std::vector{face_at(2, 0), face_at(-2, 0)})) == Ids{0, 1});
}

TEST_CASE("a face that is missing for some frames comes back, after more it is another") {
  face::FaceTracker tracker({.lost_after = 2});
  tracker(std::vector{face_at(0, 0)});
  for (int i = 0; i < 2; ++i) CHECK(tracker({}).empty());
  CHECK(tracker.knows(0));
  CHECK(ids(tracker(std::vector{face_at(1, 0)})) == Ids{0});
  for (int i = 0; i < 3; ++i) tracker({});
  CHECK_FALSE(tracker.knows(0));
  CHECK(ids(tracker(std::vector{face_at(1, 0)})) == Ids{1});
  tracker.reset();
  CHECK(ids(tracker(std::vector{face_at(1, 0)})) == Ids{2});

  face::FaceTracker strict({.lost_after = 0});
  strict(std::vector{face_at(0, 0)});
  CHECK(ids(strict(std::vector{face_at(0, 0)})) == Ids{0});
  strict({});
  CHECK(ids(strict(std::vector{face_at(0, 0)})) == Ids{1});
}

TEST_CASE("a face that jumps further than boxes overlap is another, as is a tracker without sense an error") {
  face::FaceTracker tracker({.minimum_overlap = 0.5});
  tracker(std::vector{face_at(0, 0)});
  CHECK(ids(tracker(std::vector{face_at(4, 0)})) == Ids{1});  // 60 of 140
  CHECK_THROWS_AS(face::FaceTracker({.minimum_overlap = 0}), ValueError);
  CHECK_THROWS_AS(face::FaceTracker({.minimum_overlap = 1.1}), ValueError);
  CHECK_THROWS_AS(face::FaceTracker({.lost_after = -1}), ValueError);
}

TEST_CASE("of several faces the largest, the most confident, or the one of before is taken") {
  const std::vector<Face> first{face_at(0, 0, 10, 0.95), face_at(50, 0, 30, 0.8)};
  const std::vector<Face> then{face_at(0, 0, 40, 0.99), face_at(52, 0, 28, 0.7)};
  face::FaceSelector largest({.several = face::Several::largest});
  CHECK(largest.select(first)->box.width == 30);
  CHECK(largest.select(then)->box.width == 40);
  face::FaceSelector confident({.several = face::Several::most_confident});
  CHECK(confident.select(first)->confidence == 0.95);
  CHECK(confident.select(then)->confidence == 0.99);
  face::FaceSelector tracked({.several = face::Several::tracked, .tracker = {.lost_after = 1}});
  CHECK(tracked.select(first)->id == 1);
  CHECK(tracked.select(then)->id == 1);
  CHECK(tracked.counts().with_several == 2);
  // While it may come back, no other face takes its place.
  const std::vector<Face> without{face_at(0, 0, 40)};
  CHECK_FALSE(tracked.select(without));
  CHECK(tracked.select(without)->box.width == 40);
  CHECK(tracked.counts().frames == 4);
  CHECK(tracked.counts().without_face == 1);
}

TEST_CASE("a frame without a face is left out, kept, or black, and counted") {
  const io::Image frame = ramp(60, 40);
  const std::vector<Face> faces{face_at(20, 10, 16)};
  face::FaceSelector leaves_out({.picture = {.side = 24}});
  CHECK_FALSE(leaves_out(frame, {}));
  CHECK(leaves_out(frame, faces)->width == 24);
  CHECK(leaves_out.counts().frames == 2);
  CHECK(leaves_out.counts().without_face == 1);

  face::FaceSelector keeps({.none = face::NoFace::whole_frame, .picture = {.side = 0}});
  CHECK(keeps(frame, {})->pixels == frame.pixels);
  CHECK(keeps(frame, faces)->pixels == face::crop_face(frame, faces[0].box, {.side = 0}).pixels);
  face::FaceSelector shrinks({.none = face::NoFace::whole_frame, .picture = {.side = 24}});
  CHECK(shrinks(frame, {})->width == 24);

  face::FaceSelector masks({.none = face::NoFace::black, .picture = {.side = 24}});
  CHECK(masks(frame, {})->pixels == io::Image(24, 24, 3).pixels);
  face::FaceSelector masks_whole({.none = face::NoFace::black, .picture = {.side = 0}});
  CHECK(masks_whole(frame, {})->width == 60);

  Face upright = face_at(0, 0, 40);
  upright.landmarks = face::canonical_landmarks;
  face::FaceSelector aligns({.align = true, .picture = {.side = 112}});
  CHECK(aligns(frame, std::vector{upright})->pixels == face::align_face(frame, upright.landmarks).pixels);
  CHECK_THROWS_AS(face::FaceSelector({.align = true, .picture = {.side = 0}}), ValueError);
  CHECK_THROWS_AS(face::FaceSelector({.picture = {.margin = -0.5}}), ValueError);
}

TEST_CASE("a box that overlaps just as much as is asked for is the same face") {
  face::FaceTracker tracker({.minimum_overlap = 0.5});
  tracker(std::vector<Face>{{.box = {0, 0, 12, 10}}});
  CHECK(ids(tracker(std::vector<Face>{{.box = {4, 0, 12, 10}}})) == Ids{0});  // 80 of 160
}

TEST_CASE("frames of one face or none are not counted among those of several") {
  face::FaceSelector tracked;
  tracked.select({});
  tracked.select(std::vector{face_at(0, 0)});
  CHECK(tracked.counts().with_several == 0);
  tracked.select(std::vector{face_at(0, 0), face_at(50, 0)});
  CHECK(tracked.counts().with_several == 1);
}

TEST_CASE("whoever takes the place of a lost face is followed too") {
  face::FaceSelector tracked({.several = face::Several::tracked, .tracker = {.lost_after = 0}});
  CHECK(tracked.select(std::vector{face_at(0, 0)})->id == 0);
  CHECK(tracked.select(std::vector{face_at(50, 0, 20)})->id == 1);
  CHECK(tracked.select(std::vector{face_at(50, 0, 20), face_at(100, 0, 40)})->id == 1);
}

TEST_CASE("where warping shrinks, all pixels count, not only those about the middles of the new ones") {
  io::Image stripes(64, 64, 1);
  for (Index y = 0; y < 64; ++y)
    for (Index x = 0; x < 64; x += 2) stripes.at(x, y)[0] = 200;
  const io::Image small = face::warp(stripes, {0.25, 0, 0, 0}, 16, 16);  // the middles lie on bright columns
  for (Index x = 1; x < 15; ++x) CHECK(std::abs(static_cast<int>(small.at(x, 7)[0]) - 100) <= 1);
}
