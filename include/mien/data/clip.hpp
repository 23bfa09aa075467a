#pragma once

/// Which frames of a video a network sees: T frames, in order, from each of K equal parts.

#include <vector>

#include "mien/core/random.hpp"

namespace mien::data {

/// How frames are picked inside a part.
enum class ClipSampling {
  centred,  ///< the middles of T equal stretches: always the same, for evaluation
  random,   ///< T different frames by chance, for training
};

/// What happens to a video, or a part of one, with fewer frames than are asked for.
enum class ShortVideo {
  repeat,  ///< its frames are repeated evenly, each as often as any other or once more
  reject,  ///< ValueError
};

struct ClipOptions {
  Index clips = 3;   ///< K
  Index frames = 8;  ///< T
  ClipSampling sampling = ClipSampling::centred;
  ShortVideo short_video = ShortVideo::repeat;
};

namespace detail {

using mien::detail::text;

inline void check_options(const ClipOptions& options, Index length) {
  constexpr Index most = 1'000'000;
  if (options.clips < 1 || options.frames < 1 || options.clips > most || options.frames > most)
    throw ValueError(text("clip_frames: ", options.clips, " clips of ", options.frames,
                          " frames; both must be positive, and at most ", most));
  if (length < 1) throw ValueError("clip_frames: the video has no frames");
  if (options.short_video == ShortVideo::reject && length < options.clips * options.frames)
    throw ValueError(text("clip_frames: the video has ", length, " frames, fewer than ", options.clips, " clips of ",
                          options.frames));
}

/// Appends `count` different numbers of [begin, end), in ascending order (Vitter 1984, method S).
inline void append_sorted_choice(Index begin, Index end, Index count, Generator& generator, std::vector<Index>& out) {
  for (Index i = begin; count > 0; ++i)
    if (generator.below(end - i) < count) {
      out.push_back(i);
      --count;
    }
}

}  // namespace detail

/// K * T frame numbers in ascending order, clip after clip, for a video of `length` frames.
///
/// Part k holds frames floor(k N / K) to floor((k + 1) N / K) - 1, with N = `length`. `random` draws T different ones
/// of them. `centred` cuts the whole video into K T equal stretches and takes frame floor((i + 1/2) N / (K T)) for
/// stretch i; so does `random` for a part that is shorter than T, which repeats its frames evenly.
/// `generator` is drawn from in `random` alone. Throws ValueError (K, T or N not positive, K or T beyond a million; a
/// short video if rejected).
inline std::vector<Index> clip_frames(Index length, const ClipOptions& options, Generator& generator) {
  detail::check_options(options, length);
  const Index total = options.clips * options.frames;
  std::vector<Index> out;
  out.reserve(static_cast<std::size_t>(total));
  for (Index clip = 0; clip < options.clips; ++clip) {
    const Index begin = clip * length / options.clips;
    const Index end = (clip + 1) * length / options.clips;
    if (options.sampling == ClipSampling::random && end - begin >= options.frames) {
      detail::append_sorted_choice(begin, end, options.frames, generator, out);
    } else {
      for (Index i = clip * options.frames; i < (clip + 1) * options.frames; ++i)
        out.push_back((2 * i + 1) * length / (2 * total));
    }
  }
  return out;
}

}  // namespace mien::data
