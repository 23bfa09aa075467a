#pragma once

/// A sequence of joints as one timeless picture for each joint, after PoTion (Choutas et al., CVPR 2018) and Wei et al.
/// (Expert Systems with Applications 237, 2024).

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "mien/core/tensor.hpp"
#include "mien/gesture/detail/box.hpp"
#include "mien/gesture/joint_sequence.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/kernels/gesture_representation.hpp"
#include "mien/backend/cuda/steps.hpp"
#endif

namespace mien::gesture {

/// W(t) for frames t = 1..T. With one frame alone every kind gives 1.
enum class TimeWeight {
  linear,      ///< T / (T - 1) * (t - 1)
  quadratic,   ///< (t^2 - t) / (T - 1)
  uniform,     ///< 1
  normalised,  ///< (t - 1) / (T - 1)
};

/// What the sum over time is divided by.
enum class Scale {
  none,
  by_weight_sum,  ///< sum of all W(t): sequences of different length become comparable
  by_maximum,     ///< the greatest value of all joints' maps, if there is any
};

/// Which joints share the square that is laid onto the map.
enum class Box {
  sequence,   ///< one square for all frames: movement through space is kept
  per_frame,  ///< a square for each frame: only the pose is kept
};

/// How `represent` draws; the defaults are a network's usual input.
struct RepresentationOptions {
  Index size = 64;   ///< S: rows and columns of a joint's map
  double sigma = 0;  ///< of the Gaussian about a joint, in map pixels; 0 draws one pixel
  TimeWeight weight = TimeWeight::linear;
  Scale scale = Scale::by_weight_sum;
  bool square_root = false;  ///< taken after the division; keeps rarely visited pixels visible
  Box box = Box::sequence;
  double margin = 0.05;            ///< the box grows by this part of its side on each side
  std::vector<Index> joints = {};  ///< which joints to draw, in this order; empty: all. The box holds these alone.
};

/// W(t) of one frame, `frame` counted from 0 to `frames` - 1.
inline double time_weight(TimeWeight kind, Index frame, Index frames) {
  if (frames == 1 || kind == TimeWeight::uniform) return 1;
  const auto before = static_cast<double>(frame);
  const auto length = static_cast<double>(frames);
  switch (kind) {
    case TimeWeight::linear:
      return length / (length - 1) * before;
    case TimeWeight::quadratic:
      return (before + 1) * before / (length - 1);
    default:
      return before / (length - 1);
  }
}

namespace detail {

using mien::detail::text;

inline void check_options(const RepresentationOptions& options, const Shape& shape) {
  if (shape.rank() != 3 || shape[2] != 3)
    throw ShapeError(text("represent: joints ", shape, " are not [T, J, 3]: x, y, confidence"));
  if (options.size < 1) throw ValueError(text("represent: size ", options.size, " is not positive"));
  if (!(options.sigma >= 0) || !std::isfinite(options.sigma))
    throw ValueError(text("represent: sigma ", options.sigma, " is not zero or positive"));
  if (!(options.margin >= 0) || !std::isfinite(options.margin))
    throw ValueError(text("represent: margin ", options.margin, " is not zero or positive"));
  for (const Index joint : options.joints)
    if (joint < 0 || joint >= shape[1]) throw IndexError(text("represent: joint ", joint, " of ", shape[1], " joints"));
}

inline Index pixel(double place, double low, double side, Index size) {
  const double scaled = std::floor((place - low) / side * static_cast<double>(size));
  return static_cast<Index>(std::clamp(scaled, 0.0, static_cast<double>(size - 1)));
}

/// Adds W(t) to the pixel of each visit: maps [J, S, S].
inline void add_visits(const std::vector<Visit>& visits, const RepresentationOptions& options, Index frames,
                       std::vector<double>& maps) {
  for (auto first = visits.begin(); first != visits.end();) {
    const auto last = options.box == Box::sequence
                          ? visits.end()
                          : std::find_if(first, visits.end(), [&](auto& visit) { return visit.frame != first->frame; });
    const Square box = square_about("represent", first, last, options.margin);
    for (; first != last; ++first) {
      const Index row = pixel(first->y, box.top, box.side, options.size);
      const Index column = pixel(first->x, box.left, box.side, options.size);
      maps[static_cast<std::size_t>((first->channel * options.size + row) * options.size + column)] +=
          time_weight(options.weight, first->frame, frames);
    }
  }
}

/// Spreads every pixel of one [S, S] map as exp(-d^2 / (2 sigma^2)). Because joints are drawn about pixel centres, the
/// sum of all Gaussians is one separable convolution, whose cost does not grow with the number of frames.
inline void spread(double* map, Index size, double sigma) {
  constexpr double negligible = 1e-18;
  std::vector<double> profile;
  for (Index distance = 0; distance < size; ++distance) {
    // Divided before it is squared: the square of a tiny sigma would be 0.
    const double d = static_cast<double>(distance) / sigma;
    const double value = std::exp(-d * d / 2);
    if (value < negligible) break;
    profile.push_back(value);
  }
  const auto reach = static_cast<Index>(profile.size()) - 1;
  std::vector<double> rows(static_cast<std::size_t>(size * size), 0.0);
  std::vector<char> visited(static_cast<std::size_t>(size), 0);
  for (Index row = 0; row < size; ++row)
    for (Index column = 0; column < size; ++column) {
      const double value = std::exchange(map[row * size + column], 0.0);
      if (value == 0) continue;
      visited[static_cast<std::size_t>(row)] = 1;
      for (Index to = std::max<Index>(0, column - reach); to <= std::min(size - 1, column + reach); ++to)
        rows[static_cast<std::size_t>(row * size + to)] +=
            value * profile[static_cast<std::size_t>(std::abs(to - column))];
    }
  for (Index row = 0; row < size; ++row) {
    if (!visited[static_cast<std::size_t>(row)]) continue;
    const double* from = rows.data() + row * size;
    for (Index to = std::max<Index>(0, row - reach); to <= std::min(size - 1, row + reach); ++to) {
      const double weight = profile[static_cast<std::size_t>(std::abs(to - row))];
      for (Index column = 0; column < size; ++column) map[to * size + column] += weight * from[column];
    }
  }
}

inline double divisor(const RepresentationOptions& options, Index frames, const std::vector<double>& maps) {
  double total = 0;
  switch (options.scale) {
    case Scale::none:
      return 1;
    case Scale::by_weight_sum:
      for (Index frame = 0; frame < frames; ++frame) total += time_weight(options.weight, frame, frames);
      break;
    case Scale::by_maximum:
      if (!maps.empty()) total = *std::max_element(maps.begin(), maps.end());
      break;
  }
  return total > 0 ? total : 1;
}

}  // namespace detail

/// G = sum over t of W(t) I_t: [S, S, J], channels last; row and column follow y and x.
///
/// `joints` are [T, J, 3]: x, y, confidence. A confidence of 0 (or less) means absent, whatever x and y say. In I_t
/// joint j draws into channel j: one pixel of value 1, or with `sigma` a Gaussian exp(-d^2 / (2 sigma^2)) about that
/// pixel's centre. Pixels are floor((v - low) / side * S) in a square box about the present joints (see `Box`). Sums
/// run in double. Without any present joint, or without frames, the result is zero. Throws ShapeError (not [T, J, 3]),
/// ValueError (options; a present joint whose coordinates are not finite, with its frame and joint), IndexError (a
/// joint that is not there).
template <class T>
Tensor<T> represent(const Tensor<T>& joints, const RepresentationOptions& options = {}) {
  detail::check_options(options, joints.shape());
  std::vector<Index> drawn = options.joints;
  if (drawn.empty()) {
    drawn.resize(static_cast<std::size_t>(joints.size(1)));
    std::iota(drawn.begin(), drawn.end(), Index{0});
  }
  const auto channels = static_cast<Index>(drawn.size());
  Tensor<T> out({options.size, options.size, channels});
  const Index pixels = options.size * options.size;

  std::vector<double> maps(static_cast<std::size_t>(channels * pixels), 0.0);
  detail::add_visits(detail::present_joints("represent", joints, drawn), options, joints.size(0), maps);
  if (options.sigma > 0)
    for (Index channel = 0; channel < channels; ++channel)
      detail::spread(maps.data() + channel * pixels, options.size, options.sigma);

  const double divisor = detail::divisor(options, joints.size(0), maps);
  for (Index channel = 0; channel < channels; ++channel)
    for (Index i = 0; i < pixels; ++i) {
      const double value = maps[static_cast<std::size_t>(channel * pixels + i)] / divisor;
      out.data()[i * channels + channel] = static_cast<T>(options.square_root ? std::sqrt(value) : value);
    }
  return out;
}

inline Tensor<float> represent(const JointSequence& sequence, const RepresentationOptions& options = {}) {
  return represent(sequence.joints, options);
}

#if defined(MIEN_WITH_CUDA)
/// `represent` of a whole batch on the GPU: joints [N, T, J, 3], of which the first `lengths[n]` frames of sample n
/// count, or all where there are no lengths, to maps [N, S, S, J]. Sums are float, and a sample that `represent` would
/// refuse for its numbers has not-a-number in all of its maps. Throws ShapeError, ValueError and IndexError for shapes,
/// lengths and options as `represent` does.
inline Tensor<float, Cuda> represent(const Tensor<float, Cuda>& joints, const std::vector<Index>& lengths = {},
                                     const RepresentationOptions& options = {}) {
  if (joints.rank() != 4)
    throw ShapeError(mien::detail::text("represent: joints ", joints.shape(), " are not [N, T, J, 3]"));
  detail::check_options(options, joints.shape().without(0));
  if (!lengths.empty() && static_cast<Index>(lengths.size()) != joints.size(0))
    throw ShapeError(mien::detail::text("represent: ", lengths.size(), " lengths for joints ", joints.shape()));
  for (const Index length : lengths)
    if (length < 0 || length > joints.size(1))
      throw ValueError(mien::detail::text("represent: length ", length, " is not in [0, ", joints.size(1), "]"));

  const bool all = options.joints.empty();
  const auto drawn_count = all ? joints.size(2) : static_cast<Index>(options.joints.size());
  const kernels::GestureRepresentation how{.samples = joints.size(0),
                                           .frames = joints.size(1),
                                           .joints = joints.size(2),
                                           .drawn = drawn_count,
                                           .side = options.size,
                                           .sigma = options.sigma,
                                           .margin = options.margin,
                                           .weight = static_cast<kernels::TimeWeight>(options.weight),
                                           .scale = static_cast<kernels::MapScale>(options.scale),
                                           .square_root = options.square_root,
                                           .box_per_frame = options.box == Box::per_frame};
  const auto on_device = backend::upload_lengths(lengths);
  const auto drawn = backend::upload_lengths(options.joints);
  auto workspace = cuda::workspace(kernels::gesture_representation_workspace(how));
  Tensor<float, Cuda> maps({joints.size(0), options.size, options.size, drawn_count});
  kernels::represent(joints.contiguous().data(), on_device.data(), drawn.data(), how, workspace.data(), maps.data(),
                     cuda::current_stream().get());
  return maps;
}
#endif

}  // namespace mien::gesture
