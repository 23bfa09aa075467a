#pragma once

/// From valence and arousal to an emotion: neutral near the middle of the plane, else the emotion whose angle is
/// nearest.
///
///     data::emotion_of({.valence = 0.7, .arousal = 0.2});   // happiness
///     data::emotion_of(affect, {.neutral_radius = 0.1, .angles = {{Emotion::happiness, 45}, {Emotion::anger, 120}}});

#include <cmath>
#include <numbers>
#include <vector>

#include "mien/core/error.hpp"
#include "mien/data/emotion.hpp"

namespace mien::data {

/// Where an emotion lies: degrees from pleasant (0) by excited (90) and unpleasant (180) to calm (270).
struct EmotionAngle {
  Emotion emotion;
  double degrees;
};

/// The order is that in which the emotions follow each other on the circle, and the angles are a convention, not a
/// measurement. Fear, surprise and sadness stand near the places of afraid (116), astonished (70) and sad (208) in
/// Russell, A circumplex model of affect (1980); anger (there 99) and happiness (8) nearer to where faces are usually
/// annotated, and to the pleasure and arousal of these words in Russell and Mehrabian, Journal of Research in
/// Personality 11 (1977) 273, whence disgust comes, which Russell's words lack. Borders lie half-way, at 52.5, 95, 125,
/// 147.5, 185 and 300 degrees. Fear, anger and disgust are close together on this plane, and a data set's own may lie
/// elsewhere.
inline std::vector<EmotionAngle> usual_emotion_angles() {
  return {{Emotion::happiness, 30}, {Emotion::surprise, 75}, {Emotion::fear, 115},
          {Emotion::anger, 135},    {Emotion::disgust, 160}, {Emotion::sadness, 210}};
}

struct EmotionSectors {
  double neutral_radius = 0.2;  ///< nearer to the middle than this is neutral
  std::vector<EmotionAngle> angles = usual_emotion_angles();
};

/// Throws ValueError for numbers that are not finite, a negative radius, and sectors without an emotion.
inline Emotion emotion_of(const Affect& affect, const EmotionSectors& sectors = {}) {
  const auto all_finite = [&] {
    for (const EmotionAngle& one : sectors.angles)
      if (!std::isfinite(one.degrees)) return false;
    return std::isfinite(affect.valence) && std::isfinite(affect.arousal);
  };
  if (sectors.angles.empty() || !(sectors.neutral_radius >= 0) || !all_finite())
    throw ValueError(mien::detail::text("emotion_of: valence ", affect.valence, ", arousal ", affect.arousal,
                                        ", neutral radius ", sectors.neutral_radius, ", ", sectors.angles.size(),
                                        " angles; numbers must be finite, the radius not negative"));
  if (std::hypot(affect.valence, affect.arousal) < sectors.neutral_radius) return Emotion::neutral;
  const double degrees = std::atan2(affect.arousal, affect.valence) * 180 / std::numbers::pi;
  const EmotionAngle* nearest = nullptr;
  double least = 0;
  for (const EmotionAngle& one : sectors.angles) {
    const double away = std::abs(std::remainder(degrees - one.degrees, 360));
    if (nearest != nullptr && away >= least) continue;
    nearest = &one;
    least = away;
  }
  return nearest->emotion;
}

}  // namespace mien::data
