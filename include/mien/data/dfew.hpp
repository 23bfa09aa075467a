#pragma once

/// DFEW (Jiang et al., DFEW: a large-scale database for recognizing dynamic facial expressions in the wild, ACM MM
/// 2020): clips of films, in five folds.

#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/data/detail/layout.hpp"
#include "mien/data/emotion_labels.hpp"
#include "mien/data/frame_folders.hpp"
#include "mien/io/csv.hpp"

namespace mien::data {

inline constexpr std::array<OwnLabel, 7> dfew_labels{{{1, "Happy", Emotion::happiness},
                                                      {2, "Sad", Emotion::sadness},
                                                      {3, "Neutral", Emotion::neutral},
                                                      {4, "Angry", Emotion::anger},
                                                      {5, "Surprise", Emotion::surprise},
                                                      {6, "Disgust", Emotion::disgust},
                                                      {7, "Fear", Emotion::fear}}};

struct DfewOptions {
  ClassOptions classes = {};
  Index fold = 1;  ///< 1 to 5: which set_<fold>.csv
  std::filesystem::path clips =
      {};                      ///< the folder of clips; empty: Clip/clip_224x224, or the next best, under the root
  bool allow_missing = false;  ///< skips rows without their clip, and counts them
};

namespace detail {

/// A clip's frames, or else its file, by the number that a table has without zeros in front and folders with five
/// digits.
inline bool find_dfew_clip(const std::filesystem::path& clips, const std::string& number, FrameSequence& sample,
                           SkippedFiles& skipped) {
  for (const std::string& name : {padded(number, 5), number}) {
    std::error_code unknown;
    if (std::filesystem::is_directory(clips / name, unknown)) {
      sample.frames = paths_of(clips / name, list_folder(clips / name, {}, skipped).pictures);
      if (!sample.frames.empty()) return true;
    }
    for (const char* extension : {".avi", ".mp4"})
      if (const auto video = clips / (name + extension); std::filesystem::is_regular_file(video, unknown)) {
        sample.video = video;
        return true;
      }
  }
  return false;
}

}  // namespace detail

/// One fold of DFEW: `EmoLabel_DataSplit/train(single-labeled)/set_<k>.csv` and the same under
/// `test(single-labeled)`, with columns video_name and label, and the clips as folders of frames
/// (`Clip/clip_224x224/00001/00001_00001.jpg`) or as files, which become the samples' `video`. Samples are named by
/// five digits; their split is "train" or "test". Throws FileError with line and column: another label, a clip that is
/// in both parts or twice in one, and clips that are missing.
inline FrameSequences read_dfew(const std::filesystem::path& root, const DfewOptions& options = {}) {
  if (options.fold < 1 || options.fold > 5)
    throw ValueError(detail::text("read_dfew: fold ", options.fold, " is not 1 to 5"));
  const auto tables = detail::first_existing(root, {"EmoLabel_DataSplit"});
  const auto clips = !options.clips.empty()
                         ? options.clips
                         : detail::first_existing(root, {"Clip/clip_224x224", "Clip/clip_224x224_16f", "Clip/original",
                                                         "clip_224x224", "Clip"});
  const LabelMap labels(dfew_labels, options.classes);
  FrameSequences data{.class_names = labels.class_names()};
  std::map<std::string, std::string> seen;
  for (const std::string split : {"train", "test"}) {
    const auto path = tables / (split + "(single-labeled)") / detail::text("set_", options.fold, ".csv");
    const io::CsvTable table = io::read_csv(path);
    const Index name_column = table.column("video_name");
    const Index label_column = table.column("label");
    for (Index row = 0; row < table.rows(); ++row) {
      const auto number = detail::whole_number(table.text(row, name_column));
      if (!number || *number < 0) table.fail(row, name_column, "the number of a clip");
      const auto place = labels.find(table.integer(row, label_column));
      if (!place) table.fail(row, label_column, labels.expected());
      const std::string name = detail::padded(std::to_string(*number), 5);
      const auto [earlier, first] = seen.emplace(name, split);
      if (!first) table.fail(row, name_column, "a clip that is not in `" + earlier->second + "` already");
      FrameSequence sample{.name = name, .label = *labels.label(*place), .split = split};
      if (detail::find_dfew_clip(clips, std::to_string(*number), sample, data.skipped)) {
        data.samples.push_back(std::move(sample));
      } else if (options.allow_missing) {
        ++data.skipped.missing;
      } else {
        table.fail(row, name_column,
                   "a clip under " + clips.string() + " (DfewOptions::allow_missing skips such rows)");
      }
    }
  }
  return data;
}

}  // namespace mien::data
