#pragma once

/// Follows faces from frame to frame, so that each keeps a number of its own.
///
///     face::FaceTracker tracker;
///     for (const io::Image& frame : frames)
///       for (const face::TrackedFace& face : tracker(detector(frame))) use(face.id, face.box);

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mien/core/error.hpp"
#include "mien/core/shape.hpp"
#include "mien/face/face.hpp"

namespace mien::face {

struct TrackedFace : Face {
  std::uint64_t id = 0;  ///< counted from 0, in the order in which faces were first seen; never used twice
  Index frames = 1;      ///< in which it has been found, this one included
};

struct FaceTrackerOptions {
  /// The least overlap (intersection over union) of a face's box with where it was last.
  double minimum_overlap = 0.3;
  /// A face that has not been found in more frames than this, one after the other, is lost: when it comes back, it is
  /// another one. 0: it has to be found in every frame.
  Index lost_after = 12;
};

/// Of all pairs of a face that is known and one that was found, the one that overlaps most belongs together, then the
/// one that overlaps most of what is left, and so on. Of equal pairs, those of the face that has been known longest
/// come first, then those of the face that was found first: ids depend on the input alone.
class FaceTracker {
 public:
  /// Throws ValueError for options without sense.
  explicit FaceTracker(const FaceTrackerOptions& options = {}) : options_(options) {
    if (!(options.minimum_overlap > 0 && options.minimum_overlap <= 1) || options.lost_after < 0)
      throw ValueError(mien::detail::text("FaceTracker: minimum overlap ", options.minimum_overlap,
                                          " (more than 0, at most 1), lost after ", options.lost_after, " frames"));
  }

  /// The faces of the next frame, in their order, with their ids.
  std::vector<TrackedFace> operator()(std::span<const Face> faces) {
    for (Track& track : tracks_) ++track.missed;
    const std::vector<Index> track_of = tracks_of(faces);
    std::vector<TrackedFace> out;
    for (std::size_t i = 0; i < faces.size(); ++i) {
      Track& track = track_of[i] < 0 ? tracks_.emplace_back(Track{{{}, next_id_++, 0}, 0})
                                     : tracks_[static_cast<std::size_t>(track_of[i])];
      track.missed = 0;
      track.face = {faces[i], track.face.id, track.face.frames + 1};
      out.push_back(track.face);
    }
    std::erase_if(tracks_, [this](const Track& track) { return track.missed > options_.lost_after; });
    return out;
  }

  /// Whether a face of this id is followed still: it was found, or has not been missing for too long.
  bool knows(std::uint64_t id) const {
    return std::any_of(tracks_.begin(), tracks_.end(), [id](const Track& track) { return track.face.id == id; });
  }

  /// Forgets all faces, as at a cut; ids go on.
  void reset() { tracks_.clear(); }

 private:
  struct Track {
    TrackedFace face;
    Index missed = 0;  ///< frames since it was found
  };
  struct Pair {
    double overlap;
    std::size_t track;
    std::size_t face;
  };

  /// For each face the index of its track, or -1.
  std::vector<Index> tracks_of(std::span<const Face> faces) const {
    std::vector<Pair> pairs;
    for (std::size_t t = 0; t < tracks_.size(); ++t)
      for (std::size_t i = 0; i < faces.size(); ++i) {
        const double overlap = intersection_over_union(tracks_[t].face.box, faces[i].box);
        if (overlap >= options_.minimum_overlap) pairs.push_back({overlap, t, i});
      }
    std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.overlap > b.overlap; });
    std::vector<Index> track_of(faces.size(), -1);
    std::vector<bool> is_taken(tracks_.size(), false);
    for (const Pair& pair : pairs) {
      if (is_taken[pair.track] || track_of[pair.face] >= 0) continue;
      is_taken[pair.track] = true;
      track_of[pair.face] = static_cast<Index>(pair.track);
    }
    return track_of;
  }

  FaceTrackerOptions options_;
  std::vector<Track> tracks_;
  std::uint64_t next_id_ = 0;
};

}  // namespace mien::face
