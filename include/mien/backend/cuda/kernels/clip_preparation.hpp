#pragma once

/// What kernels/clip_preparation.cu offers to host code: pictures as a network's input frames, see
/// data/augmentation.hpp. T is float, __nv_bfloat16 or __half. Pointers are the device's. Throws Error if the kernel
/// cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// One picture [height, width, stored], and what was drawn for it: the numbers of a data::ClipTransform as
/// data::detail::resample uses them. Pictures of one video share all but the origin, which drifts; pictures may differ
/// in size.
struct PreparedPicture {
  std::int64_t first;  ///< of its bytes among those of all pictures
  std::int32_t width, height;
  double origin[2], per_column[2], per_row[2];  ///< data::detail::SourceMap
  std::int32_t across, down;                    ///< samples of a pixel along each axis, at least one
  float contrast, offset;                       ///< value * contrast + offset, values being 0..1
};

/// How pictures become frames [pictures, side, side, channels].
struct ClipPreparation {
  std::int64_t pictures;
  std::int64_t side;            ///< at most 32768
  std::int32_t stored;          ///< channels of the pictures, 1 or 3
  std::int32_t channels;        ///< of the frames, 1 or 3
  bool black_outside;           ///< letterbox; else the picture goes on as at its edge
  float mean[3], deviation[3];  ///< by channel
};

/// The frames of all pictures, whose bytes are `pixels`.
template <class T>
void prepare_clips(const std::uint8_t* pixels, const PreparedPicture* pictures, const ClipPreparation& preparation,
                   T* frames, cudaStream_t stream);

}  // namespace mien::kernels
