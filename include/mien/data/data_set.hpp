#pragma once

/// Labelled samples, as all readers give them.

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/data/emotion.hpp"
#include "mien/data/frame_list.hpp"
#include "mien/data/sampling.hpp"
#include "mien/gesture/joint_sequence.hpp"

namespace mien::data {

/// What a reader passed over, and what it had to decide.
struct SkippedFiles {
  Index hidden = 0;   ///< names that begin with a dot, and what systems leave behind (Thumbs.db, desktop.ini, __MACOSX)
  Index other = 0;    ///< files of other kinds, and files or folders where none belong
  Index empty = 0;    ///< videos without frames, where they are allowed
  Index missing = 0;  ///< rows of a sheet, or annotated frames, without their file, where that is allowed
  Index unlabelled = 0;   ///< pictures, frames or sequences that nobody gave a label
  Index ignored = 0;      ///< frames that were marked as not to be used
  Index other_class = 0;  ///< samples of a class that was not asked for, as contempt
  Index undecided = 0;    ///< samples whose voters did not agree, or saw no face
  Index disagreeing = 0;  ///< files that were read although their name says another class than their folder

  /// All of them by name.
  std::array<std::pair<std::string_view, Index>, 9> counts() const {
    return {{{"hidden", hidden},
             {"other", other},
             {"empty", empty},
             {"missing", missing},
             {"unlabelled", unlabelled},
             {"ignored", ignored},
             {"other_class", other_class},
             {"undecided", undecided},
             {"disagreeing", disagreeing}}};
  }
};

class PictureSource;  // data/picture_source.hpp

/// The label of a sample that has no class, as in sets with valence and arousal alone.
inline constexpr Index no_label = -1;

/// Samples and the names of their classes. `Sample` has at least a name, a label, a subject and a split.
template <class Sample>
struct DataSet {
  std::vector<Sample> samples = {};
  std::vector<std::string> class_names = {};  ///< in the order of labels
  SkippedFiles skipped = {};

  Index size() const { return static_cast<Index>(samples.size()); }
  Index classes() const { return static_cast<Index>(class_names.size()); }

  std::vector<Index> labels() const {
    std::vector<Index> out;
    out.reserve(samples.size());
    for (const Sample& sample : samples) out.push_back(sample.label);
    return out;
  }
  /// Who is seen in each sample; empty where that is unknown.
  std::vector<std::string> subjects() const {
    std::vector<std::string> out;
    for (const Sample& sample : samples) out.push_back(sample.subject);
    return out;
  }
  /// The part that the data set's authors put each sample in; empty where they did not.
  std::vector<std::string> splits() const {
    std::vector<std::string> out;
    for (const Sample& sample : samples) out.push_back(sample.split);
    return out;
  }

  /// Some of the samples, in the given order, with all class names. Throws IndexError.
  DataSet subset(const std::vector<Index>& indices) const {
    DataSet out{.class_names = class_names};
    out.samples.reserve(indices.size());
    for (const Index index : indices) {
      if (index < 0 || index >= size()) throw IndexError(detail::text("subset: sample ", index, " of ", size()));
      out.samples.push_back(samples[static_cast<std::size_t>(index)]);
    }
    return out;
  }

  /// Throws ValueError for a label that has no class, with the sample's name. A sample of votes or of valence and
  /// arousal may have `no_label`.
  void check_labels() const {
    const auto may_lack_one = [](const Sample& sample) {
      if constexpr (requires { sample.affect.has_value(); })
        return sample.label == no_label && (sample.affect.has_value() || !sample.votes.empty());
      return false;
    };
    for (const Sample& sample : samples)
      if ((sample.label < 0 || sample.label >= classes()) && !may_lack_one(sample))
        throw ValueError(detail::text("`", sample.name, "`: label ", sample.label, " of ", classes(), " classes"));
  }
};

/// Throws ValueError if two classes have the same name.
inline void check_class_names(const std::vector<std::string>& names) {
  for (auto name = names.begin(); name != names.end(); ++name)
    if (std::find(names.begin(), name, *name) != name)
      throw ValueError(detail::text("two classes are named `", *name, "`"));
}

/// How many samples each class has. Throws ValueError for a label that has no class.
template <class Sample>
std::vector<Index> class_counts(const DataSet<Sample>& data) {
  data.check_labels();
  return class_counts(data.labels(), data.classes());
}

/// A video as a list of pictures; a single picture is a video of one frame.
struct FrameSequence {
  std::string name = {};  ///< unlike all others of the data set, as in "happy/S010_004"
  Index label = 0;
  std::string subject = {};
  std::string split = {};
  FrameList frames = {};                        ///< in the order of time
  std::vector<double> votes = {};               ///< a share for each class, with sum 1; empty where nobody voted
  std::optional<Affect> affect = std::nullopt;  ///< where it was annotated
  std::filesystem::path video = {};  ///< the file, where it is one; `frames` are empty unless they lie beside it
  /// Where `frames` are read from, then names and not files: from a table's pixels, or from a packed file.
  std::shared_ptr<const PictureSource> pictures = nullptr;
};

using FrameSequences = DataSet<FrameSequence>;

/// A labelled recording of a body's joints.
struct GestureSequence {
  std::string name = {};
  Index label = 0;
  std::string subject = {};
  std::string split = {};
  gesture::JointSequence joints = {};
  std::vector<double> votes = {};               ///< a share for each class, with sum 1; empty where nobody voted
  std::optional<Affect> affect = std::nullopt;  ///< where it was annotated
};

using GestureSequences = DataSet<GestureSequence>;

}  // namespace mien::data
