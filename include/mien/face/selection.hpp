#pragma once

/// One picture of a face for each frame of a video, whether the frame shows several faces or none.
///
///     face::FaceSelector selector({.several = face::Several::tracked, .none = face::NoFace::black});
///     for (const io::Image& frame : frames)
///       if (const auto picture = selector(frame, detector(frame))) use(*picture);
///     log(selector.counts().without_face);

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mien/face/alignment.hpp"
#include "mien/face/tracking.hpp"

namespace mien::face {

/// Which face a frame with several is about.
enum class Several {
  largest,         ///< the one whose box has most pixels
  most_confident,  ///< the one that the detector is surest of
  tracked          ///< the one that the video was about before; the largest when it begins, or when that one is lost
};

/// What stands for the face in a frame without one.
enum class NoFace {
  whole_frame,  ///< the frame as it is
  black,        ///< a black picture, so that frames keep their number and a network sees that there is nothing
  nothing       ///< the frame is left out
};

struct FaceSelectorOptions {
  Several several = Several::tracked;
  NoFace none = NoFace::nothing;
  /// Turns faces upright by their landmarks; else squares around their boxes are cut out.
  bool align = false;
  AlignmentOptions picture = {};  ///< of the pictures that come out, black ones too; side 0 only without `align`
  FaceTrackerOptions tracker = {};
};

/// Frames that were seen.
struct FaceCounts {
  std::uint64_t frames = 0;
  std::uint64_t without_face = 0;  ///< or without the one that is tracked
  std::uint64_t with_several = 0;
};

/// Takes the frames of one video in their order.
class FaceSelector {
 public:
  /// Throws ValueError for options without sense.
  explicit FaceSelector(const FaceSelectorOptions& options = {}) : options_(options), tracker_(options.tracker) {
    const double margin = options.picture.margin;
    const bool has_margin = std::isfinite(margin) && (options.align ? margin >= 0 : margin > -0.5);
    if (options.picture.side < (options.align ? 1 : 0) || !has_margin)
      throw ValueError(mien::detail::text("FaceSelector: pictures of side ", options.picture.side, ", margin ",
                                          options.picture.margin));
  }

  /// The face that the next frame is about, of those that were found in it; nothing if there is none, or if all are
  /// others than the one that is tracked.
  std::optional<TrackedFace> select(std::span<const Face> faces) {
    faces_ = tracker_(faces);
    ++counts_.frames;
    if (faces.size() > 1) ++counts_.with_several;
    const std::optional<TrackedFace> chosen = chosen_of(faces_);
    if (!chosen) ++counts_.without_face;
    return chosen;
  }

  /// The picture that stands for a frame: its face, or what `NoFace` says.
  std::optional<io::Image> operator()(const io::Image& frame, std::span<const Face> faces) {
    const std::optional<TrackedFace> face = select(faces);
    if (face) return picture_of(frame, *face);
    switch (options_.none) {
      case NoFace::whole_frame:
        return options_.picture.side == 0 ? frame : io::resize(frame, options_.picture.side, options_.picture.side);
      case NoFace::black:
        return black_picture(frame);
      case NoFace::nothing:
        break;
    }
    return std::nullopt;
  }

  /// All faces of the frame that was seen last, with their ids, in the order in which they were given.
  const std::vector<TrackedFace>& faces() const { return faces_; }

  /// Since the selector was made.
  const FaceCounts& counts() const { return counts_; }

 private:
  std::optional<TrackedFace> chosen_of(const std::vector<TrackedFace>& faces) {
    if (options_.several == Several::most_confident)
      return greatest(faces, [](const TrackedFace& face) { return face.confidence; });
    if (options_.several == Several::tracked && id_) {
      const auto found =
          std::find_if(faces.begin(), faces.end(), [this](const TrackedFace& face) { return face.id == *id_; });
      if (found != faces.end()) return *found;
      if (tracker_.knows(*id_)) return std::nullopt;
    }
    const std::optional<TrackedFace> largest = greatest(faces, [](const TrackedFace& face) { return face.box.area(); });
    id_ = largest ? std::optional(largest->id) : std::nullopt;
    return largest;
  }

  /// The first of the greatest.
  template <class Measure>
  static std::optional<TrackedFace> greatest(const std::vector<TrackedFace>& faces, const Measure& measure) {
    if (faces.empty()) return std::nullopt;
    return *std::max_element(faces.begin(), faces.end(),
                             [&](const TrackedFace& a, const TrackedFace& b) { return measure(a) < measure(b); });
  }

  io::Image picture_of(const io::Image& frame, const Face& face) const {
    return options_.align ? align_face(frame, face.landmarks, options_.picture)
                          : crop_face(frame, face.box, options_.picture);
  }

  io::Image black_picture(const io::Image& frame) const {
    const Index side = options_.picture.side;
    return side == 0 ? io::Image(frame.width, frame.height, frame.channels) : io::Image(side, side, frame.channels);
  }

  FaceSelectorOptions options_;
  FaceTracker tracker_;
  std::vector<TrackedFace> faces_;
  std::optional<std::uint64_t> id_;
  FaceCounts counts_;
};

}  // namespace mien::face
