#pragma once

/// What kernels/gesture_representation.cu offers to host code: joints as maps, see gesture/representation.hpp. T is
/// float, __nv_bfloat16 or __half. Pointers are the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// As gesture::TimeWeight.
enum class TimeWeight { linear, quadratic, uniform, normalised };

/// As gesture::Scale.
enum class MapScale { none, by_weight_sum, by_maximum };

/// How sequences [samples, frames, joints, (x, y, confidence)] become maps [samples, side, side, drawn].
struct GestureRepresentation {
  std::int64_t samples, frames, joints;
  std::int64_t drawn;  ///< joints that have a map
  std::int64_t side;   ///< at most 2048
  double sigma;        ///< 0 draws one pixel
  double margin;
  TimeWeight weight;
  MapScale scale;
  bool square_root;
  bool box_per_frame;
};

/// Floats that `represent` needs for itself.
std::int64_t gesture_representation_workspace(const GestureRepresentation& representation);

/// The maps of all samples. `lengths`, [samples] or null, are the frames that count of each, no more than there are;
/// `drawn`, [drawn] or null, says which joints have a map, in this order, all of them if null. Options must be what
/// gesture::represent accepts. A sample that it would refuse, for a confidence that is not a number or a present joint
/// without a place, has maps of NaN. Throws Error for a side or a count beyond what the kernels count with.
template <class T>
void represent(const float* joints, const std::int64_t* lengths, const std::int64_t* drawn,
               const GestureRepresentation& representation, float* workspace, T* maps, cudaStream_t stream);

}  // namespace mien::kernels
