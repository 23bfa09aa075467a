#pragma once

/// From a data set's own labels to the library's emotions: every set's reader has one table of `OwnLabel`.

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/data/data_set.hpp"

namespace mien::data {

/// One class of a data set.
struct OwnLabel {
  Index number;                    ///< as the set's files write it; its place in the table where they write words
  std::string_view name;           ///< the set's own word
  std::optional<Emotion> emotion;  ///< none for contempt, "other" and the like
};

/// Which classes a reader gives.
enum class ClassOrder {
  library,  ///< the seven of `Emotion`, in the library's order, whether the set has all of them or not
  own       ///< the set's own ones, with its names and in its order
};

struct ClassOptions {
  ClassOrder order = ClassOrder::library;
  /// With the library's order: classes that are no `Emotion` follow behind the seven under their own names. Otherwise
  /// their samples are left out, and counted in `SkippedFiles::other_class`.
  bool keep_other = false;
};

/// A table of labels, ready to be asked.
class LabelMap {
 public:
  explicit LabelMap(std::span<const OwnLabel> table, const ClassOptions& options = {}) : table_(table) {
    if (options.order == ClassOrder::library) class_names_ = emotion_class_names();
    for (const OwnLabel& own : table) {
      if (options.order == ClassOrder::library && own.emotion) {
        labels_.emplace_back(static_cast<Index>(*own.emotion));
      } else if (options.order == ClassOrder::own || options.keep_other) {
        labels_.emplace_back(static_cast<Index>(class_names_.size()));
        class_names_.emplace_back(own.name);
      } else {
        labels_.emplace_back(std::nullopt);
      }
    }
  }

  const std::vector<std::string>& class_names() const { return class_names_; }

  /// The place in the table of the set's own number, if it has it.
  std::optional<std::size_t> find(Index number) const {
    return place_of([&](const OwnLabel& own) { return own.number == number; });
  }
  /// The same for the set's own word, ASCII letters in either case.
  std::optional<std::size_t> find(std::string_view name) const {
    return place_of([&](const OwnLabel& own) {
      return std::equal(own.name.begin(), own.name.end(), name.begin(), name.end(),
                        [](char a, char b) { return small(a) == small(b); });
    });
  }

  /// The label of the class at a place of the table; none if such samples are left out.
  std::optional<Index> label(std::size_t place) const { return labels_.at(place); }

  /// "0 Angry, 1 Disgust, ...", for errors.
  std::string expected() const {
    std::string out;
    for (const OwnLabel& own : table_) out += detail::text(out.empty() ? "" : ", ", own.number, " ", own.name);
    return "one of " + out;
  }

 private:
  static char small(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  }

  template <class Matches>
  std::optional<std::size_t> place_of(Matches&& matches) const {
    const auto found = std::find_if(table_.begin(), table_.end(), matches);
    if (found == table_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - table_.begin());
  }

  std::span<const OwnLabel> table_;
  std::vector<std::optional<Index>> labels_;
  std::vector<std::string> class_names_;
};

/// Words for emotions as folders, sheets and joint tables use them (BRED's among them), in either case.
inline constexpr std::array<OwnLabel, 26> emotion_words{
    {{0, "happiness", Emotion::happiness}, {1, "happy", Emotion::happiness},    {2, "joy", Emotion::happiness},
     {3, "ha", Emotion::happiness},        {4, "sadness", Emotion::sadness},    {5, "sad", Emotion::sadness},
     {6, "sa", Emotion::sadness},          {7, "neutral", Emotion::neutral},    {8, "neutrality", Emotion::neutral},
     {9, "ne", Emotion::neutral},          {10, "anger", Emotion::anger},       {11, "angry", Emotion::anger},
     {12, "an", Emotion::anger},           {13, "surprise", Emotion::surprise}, {14, "surprised", Emotion::surprise},
     {15, "su", Emotion::surprise},        {16, "disgust", Emotion::disgust},   {17, "disgusted", Emotion::disgust},
     {18, "di", Emotion::disgust},         {19, "fear", Emotion::fear},         {20, "fearful", Emotion::fear},
     {21, "afraid", Emotion::fear},        {22, "scared", Emotion::fear},       {23, "fe", Emotion::fear},
     {24, "contempt", std::nullopt},       {25, "other", std::nullopt}}};

/// The same samples with the library's classes: each class name that is one of `emotion_words` becomes that emotion;
/// the others stay behind the seven, or are left out and counted, as `options` say. With the set's own order nothing
/// changes. Votes for what is left out are dropped, and the others made shares again.
template <class Sample>
DataSet<Sample> with_emotion_classes(DataSet<Sample> data, const ClassOptions& options = {}) {
  if (options.order == ClassOrder::own) return data;
  const LabelMap words(emotion_words);
  std::vector<OwnLabel> table;
  for (Index label = 0; label < data.classes(); ++label) {
    const std::string& name = data.class_names[static_cast<std::size_t>(label)];
    const auto known = words.find(name);
    table.push_back({label, name, known ? emotion_words[*known].emotion : std::nullopt});
  }
  const LabelMap labels(table, options);
  DataSet<Sample> out{.class_names = labels.class_names(), .skipped = data.skipped};
  for (Sample& sample : data.samples) {
    if (sample.label != no_label) {
      const auto place = labels.find(sample.label);
      if (!place) throw ValueError(detail::text("`", sample.name, "`: label ", sample.label, " has no class"));
      const auto label = labels.label(*place);
      if (!label) {
        ++out.skipped.other_class;
        continue;
      }
      sample.label = *label;
    }
    if (!sample.votes.empty()) {
      std::vector<double> votes(out.class_names.size(), 0.0);
      double sum = 0;
      for (std::size_t i = 0; i < std::min(sample.votes.size(), table.size()); ++i)
        if (const auto label = labels.label(i)) {
          votes[static_cast<std::size_t>(*label)] += sample.votes[i];
          sum += sample.votes[i];
        }
      for (double& vote : votes) vote = sum > 0 ? vote / sum : 0;
      sample.votes = sum > 0 ? std::move(votes) : std::vector<double>{};
    }
    out.samples.push_back(std::move(sample));
  }
  return out;
}

}  // namespace mien::data
