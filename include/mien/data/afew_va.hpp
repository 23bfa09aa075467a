#pragma once

/// AFEW-VA (Kossaifi et al., Image and Vision Computing 65, 2017): scenes of films with valence and arousal a frame.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/data/detail/layout.hpp"
#include "mien/data/frame_folders.hpp"
#include "mien/io/json.hpp"

namespace mien::data {

struct AfewVaOptions {
  Index every = 1;             ///< takes every n-th frame of a scene
  bool allow_missing = false;  ///< skips frames without their picture, and counts them
  std::vector<std::string> extensions = FolderOptions{}.extensions;
};

namespace detail {

/// Valence or arousal of a frame, from -10..10 to -1..1.
inline double afew_va_number(const nlohmann::json& frame, const char* key, const std::string& file,
                             const std::string& place) {
  const bool is_number = frame.is_object() && frame.contains(key) && frame[key].is_number();
  const double value = is_number ? frame[key].get<double>() : 11;
  if (!(std::abs(value) <= 10))
    throw FileError(file, text(place, ", ", key),
                    is_number             ? text(value)
                    : !frame.is_object()  ? std::string(frame.type_name())
                    : frame.contains(key) ? std::string(frame[key].type_name())
                                          : std::string("nothing"),
                    "a number from -10 to 10");
  return value / 10;
}

/// Landmarks are not kept, but a frame whose 68 are not there is damaged.
inline void check_landmarks(const nlohmann::json& frame, const std::string& file, const std::string& place) {
  if (!frame.contains("landmarks")) return;
  const auto& points = frame["landmarks"];
  const auto is_point = [](const nlohmann::json& point) {
    return point.is_array() && point.size() == 2 && point[0].is_number() && point[1].is_number();
  };
  if (!points.is_array() || points.size() != 68 || !std::all_of(points.begin(), points.end(), is_point))
    throw FileError(file, text(place, ", landmarks"), text(points.type_name(), " of ", points.size()), "68 pairs");
}

}  // namespace detail

/// AFEW-VA: one JSON file a scene, anywhere below `root` (as in `01/001/001.json`). It has
/// `frames.<id>.valence` and `.arousal` from -10 to 10, and the frames `<id>.png` beside it. A sample is one frame,
/// named "001/00000", without a class (`no_label`); valence and arousal are divided by 10. Its subject is the scene's
/// `actor`, or where the file tells none the scene.
/// Throws FileError with the frame: numbers that are not there or too great, frames without their picture.
inline FrameSequences read_afew_va(const std::filesystem::path& root, const AfewVaOptions& options = {}) {
  if (options.every < 1) throw ValueError(detail::text("read_afew_va: every ", options.every, "th frame"));
  FrameSequences data;
  SkippedFiles pictures_and_others;
  const auto files = detail::files_below(root, {.extensions = {".json"}}, pictures_and_others);
  data.skipped.hidden = pictures_and_others.hidden;
  if (files.empty()) throw FileError(root.string(), "", "no annotations", "<scene>/<scene>.json");
  for (const auto& file : files) {
    const auto document = io::read_json(file);
    const std::string scene = file.stem().string();
    if (!document.is_object() || !document.contains("frames") || !document["frames"].is_object())
      throw FileError(file.string(), "", "no object `frames`", "AFEW-VA's annotation of a scene");
    const bool has_actor = document.contains("actor") && document["actor"].is_string();
    const std::string subject = has_actor ? document["actor"].get<std::string>() : scene;
    std::map<std::string, std::filesystem::path> pictures;
    SkippedFiles beside;
    for (const auto& name :
         detail::list_folder(file.parent_path(), {.extensions = options.extensions}, beside).pictures)
      pictures[std::filesystem::path(name).stem().string()] = file.parent_path() / name;
    Index seen = 0;
    std::vector<std::string> ids;
    for (const auto& [id, unused] : document["frames"].items()) ids.push_back(id);
    std::sort(ids.begin(), ids.end(), natural_less);
    for (const std::string& id : ids) {
      const auto& frame = document["frames"][id];
      const std::string place = "frame " + id;
      const Affect affect{detail::afew_va_number(frame, "valence", file.string(), place),
                          detail::afew_va_number(frame, "arousal", file.string(), place)};
      detail::check_landmarks(frame, file.string(), place);
      const auto picture = pictures.find(id);
      if (picture == pictures.end()) {
        if (!options.allow_missing)
          throw FileError(file.string(), place, "no picture", id + ".png beside it (AfewVaOptions::allow_missing)");
        ++data.skipped.missing;
      } else {
        if (seen++ % options.every == 0)
          data.samples.push_back({.name = scene + "/" + id,
                                  .label = no_label,
                                  .subject = subject,
                                  .frames = {picture->second},
                                  .affect = affect});
        pictures.erase(picture);
      }
    }
    data.skipped.unlabelled += static_cast<Index>(pictures.size());
  }
  return data;
}

}  // namespace mien::data
