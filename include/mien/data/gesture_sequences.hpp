#pragma once

/// Joint recordings, as the readers of tables give them, as a labelled data set.

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/data/data_set.hpp"
#include "mien/data/natural_order.hpp"
#include "mien/io/joint_table.hpp"

namespace mien::data {

struct GestureSequencesOptions {
  std::vector<std::string> class_names = {};  ///< in the order of labels; empty: all that occur, in natural order
  bool skip_other_labels = false;  ///< leaves out recordings of other classes, and counts them in `skipped.other`
  std::string valence = {};  ///< the attribute of recordings that says it; where its text is empty nothing is known
  std::string arousal = {};
};

namespace detail {

/// What a message about a recording begins with: where it stands in its table, if it is of one, and its name.
inline std::string told(const io::JointRecording& recording) {
  return mien::detail::text(recording.place, recording.place.empty() ? "" : ": ", "recording `",
                            recording.sequence.name, "`");
}

/// Valence and arousal of a recording's attributes, where both are told.
inline std::optional<Affect> affect_of(const io::JointRecording& recording, const GestureSequencesOptions& options) {
  if (options.valence.empty() || options.arousal.empty()) return std::nullopt;
  const auto number = [&](const std::string& name) -> std::optional<double> {
    const auto found = recording.attributes.find(name);
    if (found == recording.attributes.end())
      throw ValueError(mien::detail::text(told(recording), " has no column `", name, "`"));
    const std::string& digits = found->second;
    if (digits.empty()) return std::nullopt;
    double value = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (problem != std::errc() || end != digits.data() + digits.size() || !(value >= -1 && value <= 1))
      throw ValueError(mien::detail::text(told(recording), ": ", name, " `", digits, "` is no number from -1 to 1"));
    return value;
  };
  const auto valence = number(options.valence);
  const auto arousal = number(options.arousal);
  if (!valence || !arousal) return std::nullopt;
  return Affect{*valence, *arousal};
}

[[noreturn]] inline void refuse_label(const io::JointRecording& recording, Index classes) {
  const std::string& label = recording.label;
  throw ValueError(mien::detail::text(
      told(recording), ": ", label.empty() ? "the label is empty, expected one" : "label `" + label + "` is none",
      " of the ", classes, " named classes"));
}

}  // namespace detail

/// Labels become numbers; a recording without one may have valence and arousal alone. Throws ValueError for a label
/// that is no named class, unless such recordings are left out, for a class that is named twice, and for a valence or
/// arousal that is no number from -1 to 1. The messages have file and line where recordings are of a table.
inline GestureSequences gesture_sequences(std::vector<io::JointRecording> recordings,
                                          const GestureSequencesOptions& options = {}) {
  check_class_names(options.class_names);
  GestureSequences data{.class_names = options.class_names};
  if (data.class_names.empty()) {
    std::set<std::string> names;
    for (const io::JointRecording& recording : recordings)
      if (!recording.label.empty()) names.insert(recording.label);
    data.class_names.assign(names.begin(), names.end());
    std::sort(data.class_names.begin(), data.class_names.end(), natural_less);
  }
  const auto& names = data.class_names;
  for (io::JointRecording& recording : recordings) {
    const auto named = std::find(names.begin(), names.end(), recording.label);
    const bool has_class = named != names.end();
    std::optional<Affect> affect;
    if (has_class || recording.label.empty()) affect = detail::affect_of(recording, options);
    if (!has_class && !affect) {
      if (!options.skip_other_labels) detail::refuse_label(recording, data.classes());
      ++data.skipped.other;
      continue;
    }
    GestureSequence sample{.name = recording.sequence.name,
                           .label = has_class ? static_cast<Index>(named - names.begin()) : no_label,
                           .subject = std::move(recording.subject),
                           .split = std::move(recording.split),
                           .affect = affect};
    sample.joints = std::move(recording.sequence);
    data.samples.push_back(std::move(sample));
  }
  return data;
}

}  // namespace mien::data
