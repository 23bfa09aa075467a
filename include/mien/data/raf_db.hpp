#pragma once

/// RAF-DB, single labels (Li et al., Reliable crowdsourcing and deep locality-preserving learning, CVPR 2017).

#include <array>
#include <charconv>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "mien/data/detail/layout.hpp"
#include "mien/data/emotion_labels.hpp"

namespace mien::data {

inline constexpr std::array<OwnLabel, 7> raf_db_labels{{{1, "Surprise", Emotion::surprise},
                                                        {2, "Fear", Emotion::fear},
                                                        {3, "Disgust", Emotion::disgust},
                                                        {4, "Happiness", Emotion::happiness},
                                                        {5, "Sadness", Emotion::sadness},
                                                        {6, "Anger", Emotion::anger},
                                                        {7, "Neutral", Emotion::neutral}}};

struct RafDbOptions {
  ClassOptions classes = {};
  bool aligned = true;         ///< faces as `Image/aligned/<name>_aligned.jpg`; else whole `Image/original/<name>.jpg`
  bool allow_missing = false;  ///< skips lines without their picture, and counts them
};

/// The folder `basic` of RAF-DB, or the one that holds it: `EmoLabel/list_patition_label.txt` (spelled so) with lines
/// "train_00001.jpg 5", and the pictures. What stands before the name's "_" is the split, "train" or "test". Of lines
/// with more columns the first and the last count.
/// Throws FileError with the line: another label, another prefix, a name that comes twice, a picture that is missing.
inline FrameSequences read_raf_db(const std::filesystem::path& root, const RafDbOptions& options = {}) {
  const auto list =
      detail::first_existing(root, {"EmoLabel/list_patition_label.txt", "basic/EmoLabel/list_patition_label.txt",
                                    "EmoLabel/list_partition_label.txt", "basic/EmoLabel/list_partition_label.txt"});
  const auto images = detail::first_existing(list.parent_path().parent_path(), {"Image"});
  const LabelMap labels(raf_db_labels, options.classes);
  FrameSequences data{.class_names = labels.class_names()};
  std::set<std::string> seen;
  for (const detail::TextLine& line : detail::text_lines(list)) {
    const auto fields = detail::words(line.text);
    if (fields.empty()) continue;
    const std::string name(fields.front());
    const auto number = detail::whole_number(fields.back());
    const auto place = number ? labels.find(*number) : std::nullopt;
    if (fields.size() < 2 || !place)
      throw FileError(list.string(), line.place(), detail::text("`", line.text.substr(0, 60), "`"),
                      detail::text("<name>.jpg and ", labels.expected()));
    const std::string split = name.substr(0, name.find('_'));
    if (split != "train" && split != "test")
      throw FileError(list.string(), line.place(), detail::text("the name `", name, "`"), "train_... or test_...");
    if (!seen.insert(name).second)
      throw FileError(list.string(), line.place(), detail::text("`", name, "` a second time"), "every name once");
    const std::string stem = std::filesystem::path(name).stem().string();
    const auto picture = options.aligned ? images / "aligned" / (stem + "_aligned.jpg") : images / "original" / name;
    std::error_code unknown;
    if (!std::filesystem::is_regular_file(picture, unknown)) {
      if (!options.allow_missing)
        throw FileError(list.string(), line.place(), detail::text("no file ", picture.string()),
                        "one (RafDbOptions::allow_missing skips such lines)");
      ++data.skipped.missing;
      continue;
    }
    data.samples.push_back({.name = name, .label = *labels.label(*place), .split = split, .frames = {picture}});
  }
  return data;
}

}  // namespace mien::data
