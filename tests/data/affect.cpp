#include <mien/data/affect.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

using namespace mien;
using data::Emotion;

TEST_CASE("an emotion is that of its sector, and near the middle there is none") {
  const auto at = [](double degrees, double radius = 0.6) {
    const double angle = degrees * std::numbers::pi / 180;
    return data::emotion_of({radius * std::cos(angle), radius * std::sin(angle)});
  };
  for (const auto& [emotion, degrees] : data::usual_emotion_angles()) {
    CHECK(at(degrees) == emotion);
    CHECK(at(degrees - 360) == emotion);
    CHECK(at(degrees, 0.19) == Emotion::neutral);
  }
  CHECK(at(52) == Emotion::happiness);
  CHECK(at(53) == Emotion::surprise);
  CHECK(at(299) == Emotion::sadness);
  CHECK(at(301) == Emotion::happiness);
  CHECK(at(-1) == Emotion::happiness);
  CHECK(data::emotion_of({0, 0}) == Emotion::neutral);
  CHECK(data::emotion_of({0, 0}, {.neutral_radius = 0}) == Emotion::happiness);
}

TEST_CASE("the sectors are data") {
  const data::EmotionSectors two{.neutral_radius = 0.5, .angles = {{Emotion::fear, 90}, {Emotion::disgust, -90}}};
  CHECK(data::emotion_of({0.1, 0.6}, two) == Emotion::fear);
  CHECK(data::emotion_of({0.1, -0.6}, two) == Emotion::disgust);
  CHECK(data::emotion_of({0.1, 0.4}, two) == Emotion::neutral);
  CHECK_THROWS_AS(data::emotion_of({0, 0}, {.angles = {}}), ValueError);
  CHECK_THROWS_AS(data::emotion_of({std::nan(""), 0}), ValueError);
  CHECK_THROWS_AS(data::emotion_of({0, 0}, {.neutral_radius = -1}), ValueError);
  CHECK_THROWS_AS(data::emotion_of({0, 0}, {.angles = {{Emotion::fear, std::numeric_limits<double>::infinity()}}}),
                  ValueError);
}
