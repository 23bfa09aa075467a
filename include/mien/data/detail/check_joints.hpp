#pragma once

#include "mien/data/data_set.hpp"

namespace mien::data::detail {

/// Throws ShapeError, naming the recording, unless all joints are [T, J, 3] with one J.
inline void check_joints(const GestureSequences& recordings) {
  for (const GestureSequence& recording : recordings.samples) {
    const Shape& shape = recording.joints.joints.shape();
    const Shape& first = recordings.samples.front().joints.joints.shape();
    if (shape.rank() != 3 || shape[2] != 3 || shape[1] != first[1])
      throw ShapeError(mien::detail::text("`", recording.name, "`: joints ", shape,
                                          " are not [T, J, 3], with J as in `", recordings.samples.front().name, "`, ",
                                          first));
  }
}

}  // namespace mien::data::detail
