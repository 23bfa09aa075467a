#pragma once

/// Emotions under the library's own names and in its own order, which every data set's labels are mapped to.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mien::data {

/// The seven classes, in the order of their labels. This is the only place that fixes that order.
enum class Emotion { happiness, sadness, neutral, anger, surprise, disgust, fear };

inline constexpr std::array<std::string_view, 7> emotion_names{"happiness", "sadness", "neutral", "anger",
                                                               "surprise",  "disgust", "fear"};

inline std::string_view name_of(Emotion emotion) { return emotion_names[static_cast<std::size_t>(emotion)]; }

/// The names as a data set's `class_names`.
inline std::vector<std::string> emotion_class_names() { return {emotion_names.begin(), emotion_names.end()}; }

/// How pleasant a feeling is and how strongly it moves, both from -1 to 1 (Russell, A circumplex model of affect,
/// Journal of Personality and Social Psychology 39 (1980) 1161).
struct Affect {
  double valence = 0;
  double arousal = 0;

  friend bool operator==(const Affect&, const Affect&) = default;
};

}  // namespace mien::data
