#pragma once

/// CK+, the extended Cohn-Kanade data set (Lucey et al., CVPR Workshops 2010): sequences from a neutral face to the
/// peak of an expression.

#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/data/detail/layout.hpp"
#include "mien/data/emotion_labels.hpp"
#include "mien/data/frame_folders.hpp"

namespace mien::data {

/// Contempt is no emotion of the library's: see `ClassOptions::keep_other`. No sequence is labelled neutral.
inline constexpr std::array<OwnLabel, 8> ck_plus_labels{{{0, "neutral", Emotion::neutral},
                                                         {1, "anger", Emotion::anger},
                                                         {2, "contempt", std::nullopt},
                                                         {3, "disgust", Emotion::disgust},
                                                         {4, "fear", Emotion::fear},
                                                         {5, "happy", Emotion::happiness},
                                                         {6, "sadness", Emotion::sadness},
                                                         {7, "surprise", Emotion::surprise}}};

struct CkPlusOptions {
  ClassOptions classes = {};
  Index last_frames = 0;  ///< only so many of a sequence's frames, up to the peak; 0: all
  std::vector<std::string> extensions = FolderOptions{}.extensions;
};

namespace detail {

/// The number of a sequence's label file; none if there is no such file. Throws FileError for several, or for one that
/// says something else.
inline std::optional<Index> ck_plus_label(const std::filesystem::path& folder, SkippedFiles& skipped) {
  std::error_code unknown;
  if (!std::filesystem::is_directory(folder, unknown)) return std::nullopt;
  const auto files = list_folder(folder, {.extensions = {".txt"}}, skipped).pictures;
  if (files.empty()) return std::nullopt;
  if (files.size() > 1)
    throw FileError(folder.string(), "", text("label files ", enumerate(files)), "one <sequence>_emotion.txt");
  const auto path = folder / files[0];
  const std::string content = io::read_text(path, 4096);
  io::refuse_utf_16(content, path.string());
  // "   3.0000000e+00" is how they are written.
  const auto value = finite_number(content);
  if (!value || !(*value >= 0 && *value <= 7) || *value != std::floor(*value))
    throw FileError(path.string(), "line 1", text("`", content.substr(0, 40), "`"),
                    LabelMap(ck_plus_labels).expected());
  return static_cast<Index>(*value);
}

}  // namespace detail

/// CK+ as it is distributed: `cohn-kanade-images/S005/001/S005_001_00000011.png` beside
/// `Emotion/S005/001/S005_001_00000011_emotion.txt`, each also inside `extended-cohn-kanade-images` and
/// `Emotion_labels`. A sequence is a sample named "S005/001"; its subject is "S005".
/// Many sequences have no label, some of them an empty folder for it: they are left out and counted in
/// `skipped.unlabelled`. Throws FileError: folders that are not there, a label file that says something else.
inline FrameSequences read_ck_plus(const std::filesystem::path& root, const CkPlusOptions& options = {}) {
  if (options.last_frames < 0) throw ValueError(detail::text("read_ck_plus: ", options.last_frames, " last frames"));
  const auto images =
      detail::first_existing(root, {"cohn-kanade-images", "extended-cohn-kanade-images/cohn-kanade-images", "images"});
  const auto labels_at = detail::first_existing(root, {"Emotion", "Emotion_labels/Emotion"});
  const LabelMap labels(ck_plus_labels, options.classes);
  const FolderOptions folders{.extensions = options.extensions};
  FrameSequences data{.class_names = labels.class_names()};
  const auto subjects = detail::list_folder(images, folders, data.skipped);
  data.skipped.other += static_cast<Index>(subjects.pictures.size());
  for (const std::string& subject : subjects.folders) {
    const auto sequences = detail::list_folder(images / subject, folders, data.skipped);
    data.skipped.other += static_cast<Index>(sequences.pictures.size());
    for (const std::string& sequence : sequences.folders) {
      const auto folder = images / subject / sequence;
      const auto frames = detail::list_folder(folder, folders, data.skipped);
      const auto number = detail::ck_plus_label(labels_at / subject / sequence, data.skipped);
      const auto label = number ? labels.label(*labels.find(*number)) : std::nullopt;
      if (frames.pictures.empty()) {
        ++data.skipped.empty;
      } else if (!number) {
        ++data.skipped.unlabelled;
      } else if (!label) {
        ++data.skipped.other_class;
      } else {
        auto paths = detail::paths_of(folder, frames.pictures);
        if (options.last_frames > 0 && std::ssize(paths) > options.last_frames)
          paths.erase(paths.begin(), paths.end() - options.last_frames);
        data.samples.push_back(
            {.name = subject + "/" + sequence, .label = *label, .subject = subject, .frames = std::move(paths)});
      }
    }
  }
  return data;
}

}  // namespace mien::data
