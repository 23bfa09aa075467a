#pragma once

/// Films in, emotions out: faces are found and followed from frame to frame, and each is recognised, alone or as one of
/// the frames of a clip; with joints of the same film the body is recognised too.

#include <filesystem>
#include <optional>
#include <string>

#include "gesture.hpp"
#include "mien/face/detector.hpp"
#include "mien/face/selection.hpp"
#include "mien/models/fusion.hpp"
#include "mien/video/options.hpp"
#include "program.hpp"

namespace mien::examples {

/// What a row of the result is about.
enum class FilmRows { faces, clips };

struct FilmOptions {
  std::filesystem::path input;  ///< a film, a camera, a folder of frames, or "-"
  std::string pixel_format = {};
  video::VideoOptions video = {};
  face::FaceDetectorOptions detector = {};
  face::Several several = face::Several::tracked;
  double margin = 0.1;     ///< around faces, for models that are given
  std::string model = {};  ///< of train_face, train_image or train_valence_arousal; else the one that is shipped
  std::optional<FilmRows> rows = {};
  Index frames = 0;         ///< of a clip, 0: as many as the model looks at, or a second
  Index step = 0;           ///< from a clip to the next, 0: a clip's length
  std::string joints = {};  ///< OpenPose's folder of the same film
  std::string joint_layout = "body_25";
  std::string joint_model = {};  ///< of train_gesture
  models::DecisionRule fusion = models::DecisionRule::average;
  std::string annotated = {};  ///< a film to be written, with everything drawn on it
  std::string html = {};       ///< a report to be written
};

void add_film_options(CLI::App& app, FilmOptions& options);

/// Recognises a film and prints its rows as CSV, or as one JSON object, while it is read; says on standard error how
/// fast that was. Throws as the models' readers do, and what reading the film throws once everything that was read is
/// printed, drawn and reported.
template <class Device>
void recognise_film(const FilmOptions& options, const Program& program);

}  // namespace mien::examples
