#pragma once

/// eNTERFACE'05 (Martin et al., The eNTERFACE'05 audio-visual emotion database, ICDE Workshops 2006): people who speak
/// five sentences in six emotions.

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/data/detail/layout.hpp"
#include "mien/data/emotion_labels.hpp"
#include "mien/data/frame_folders.hpp"

namespace mien::data {

/// The names are those of the folders; files are named by their first two letters.
inline constexpr std::array<OwnLabel, 6> enterface_labels{{{0, "anger", Emotion::anger},
                                                           {1, "disgust", Emotion::disgust},
                                                           {2, "fear", Emotion::fear},
                                                           {3, "happiness", Emotion::happiness},
                                                           {4, "sadness", Emotion::sadness},
                                                           {5, "surprise", Emotion::surprise}}};

struct EnterfaceOptions {
  ClassOptions classes = {};
  /// Where each video's frames lie as pictures: in a folder of the video's own relative path without its extension.
  /// Empty: samples name their `video`, and have no frames.
  std::filesystem::path frames = {};
  bool allow_missing = false;  ///< skips videos without a folder of frames, and counts them
  std::vector<std::string> extensions = {".avi", ".mp4", ".mov", ".mkv"};  ///< of videos, in either case
};

namespace detail {

/// What eNTERFACE'05's path tells: the folders first, the file's name where they say nothing.
struct EnterfacePath {
  std::string subject;
  std::optional<std::size_t> emotion;
  bool disagrees = false;  ///< the file's name has another subject or emotion than the folders
};

inline EnterfacePath parse_enterface(const std::filesystem::path& relative, const LabelMap& labels) {
  EnterfacePath out;
  for (const auto& part : relative.parent_path()) {
    const std::string folder = lowered(part.string());
    const auto parts = words(folder, " _-\t");
    if (parts.empty()) continue;
    if (parts[0].starts_with("subject")) {
      // "subject 6", and "subject6".
      const auto number = whole_number(parts.size() > 1 ? parts[1] : parts[0].substr(7));
      if (number) out.subject = std::to_string(*number);
    } else if (const auto emotion = labels.find(parts[0])) {
      out.emotion = emotion;
    }
  }
  // "s12_an_3", and "s_12_an_3" in places.
  const std::string stem = lowered(relative.stem().string());
  std::string subject;
  std::optional<std::size_t> emotion;
  for (const std::string_view part : words(stem, " _-")) {
    const auto number = whole_number(part.starts_with('s') ? part.substr(1) : part);
    if (subject.empty() && number) subject = std::to_string(*number);
    for (std::size_t i = 0; i < enterface_labels.size() && !emotion; ++i)
      if (part == enterface_labels[i].name.substr(0, 2)) emotion = i;
  }
  out.disagrees = (!subject.empty() && !out.subject.empty() && subject != out.subject) ||
                  (emotion && out.emotion && *emotion != *out.emotion);
  if (out.subject.empty()) out.subject = subject;
  if (!out.emotion) out.emotion = emotion;
  return out;
}

}  // namespace detail

/// eNTERFACE'05 as it is distributed: `subject 1/anger/sentence 1/s1_an_1.avi`, anywhere below `root`. Some subjects'
/// videos lie outside a folder for the sentence, and some names are wrong: subject and emotion are those of the
/// folders, or of the file where the folders tell none, and files that say something else are counted
/// (`skipped.disagreeing`). Samples are named by their relative path without extension.
///
/// Videos are not decoded here: `video` is the file, and `frames` are filled where `EnterfaceOptions::frames` says.
/// Throws FileError: no videos, a video whose path tells no emotion or no subject, frames that are missing.
inline FrameSequences read_enterface(const std::filesystem::path& root, const EnterfaceOptions& options = {}) {
  const LabelMap words(enterface_labels, {.order = ClassOrder::own});
  const LabelMap labels(enterface_labels, options.classes);
  FrameSequences data{.class_names = labels.class_names()};
  const auto videos = detail::files_below(root, {.extensions = options.extensions}, data.skipped);
  if (videos.empty()) throw FileError(root.string(), "", "no videos", "subject <N>/<emotion>/sentence <M>/<name>.avi");
  for (const auto& video : videos) {
    const auto relative = video.lexically_relative(root);
    const auto parsed = detail::parse_enterface(relative, words);
    if (parsed.subject.empty() || !parsed.emotion)
      throw FileError(video.string(), "", parsed.emotion ? "no subject in its path" : "no emotion in its path",
                      "subject <N>/<emotion>/sentence <M>/s<N>_<an, di, fe, ha, sa or su>_<M>");
    data.skipped.disagreeing += parsed.disagrees;
    const auto stem = relative.parent_path() / relative.stem();
    FrameSequence sample{.name = stem.generic_string(),
                         .label = *labels.label(*parsed.emotion),
                         .subject = parsed.subject,
                         .video = video};
    if (!options.frames.empty()) {
      const auto folder = options.frames / stem;
      std::error_code unknown;
      if (std::filesystem::is_directory(folder, unknown))
        sample.frames = detail::paths_of(folder, detail::list_folder(folder, {}, data.skipped).pictures);
      if (sample.frames.empty()) {
        if (!options.allow_missing)
          throw FileError(folder.string(), "", "no frames",
                          "those of " + video.string() + " (EnterfaceOptions::allow_missing skips such videos)");
        ++data.skipped.missing;
        continue;
      }
    }
    data.samples.push_back(std::move(sample));
  }
  return data;
}

}  // namespace mien::data
