#pragma once

/// Where frames come from: films, cameras, pipes and folders of pictures, all read in one way.

#include <optional>
#include <string>
#include <string_view>

#include "mien/io/image.hpp"

namespace mien::video {

/// One frame of a film.
struct Frame {
  io::Image image = {};  ///< RGB
  double time = 0;       ///< when it is shown, in seconds from the film's beginning
  Index index = 0;       ///< its number, from 0
};

/// What a source tells of itself before its frames are read.
struct VideoFacts {
  Index width = 0;  ///< of its frames as they are given out, in pixels
  Index height = 0;
  double frame_rate = 0;                ///< frames a second, on average; 0: unknown
  std::optional<double> duration = {};  ///< in seconds
  /// As the file promises. Not every film keeps it: count what is read.
  std::optional<Index> frames = {};
  std::string format = {};  ///< in words, as "h264, yuv420p"
};

/// A film that ends in the middle, or whose data are damaged.
class BrokenVideo : public FileError {
 public:
  BrokenVideo(std::string_view file, Index frames, double time, std::string_view found, std::string_view expected)
      : FileError(file, mien::detail::text("after ", frames, frames == 1 ? " frame" : " frames", ", at ", time, " s"), found,
                  expected),
        frames_(frames),
        time_(time) {}

  Index frames() const { return frames_; }  ///< how many were read before
  double time() const { return time_; }     ///< where it broke, in seconds from the film's beginning

 private:
  Index frames_;
  double time_;
};

/// A source of frames, which are read one after the other. Frames have the size that `facts()` tells, unless the source
/// itself changes it on the way. Not for use by several threads, but for `cancel`.
class FrameReader {
 public:
  FrameReader() = default;
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  virtual ~FrameReader() = default;

  virtual const VideoFacts& facts() const = 0;

  /// Reads the next frame into `frame`, whose memory is used again: who keeps one `Frame` asks the system for nothing
  /// in a loop. False at the end, and after an error. Throws BrokenVideo for a film that ends in the middle or is
  /// damaged, and FileError where the system refuses to read.
  bool read(Frame& frame) {
    if (ended_) return false;
    ended_ = true;
    if (!read_next(frame)) return false;
    frame.index = frames_read_++;
    ended_ = false;
    return true;
  }

  /// The same as a value of its own: `while (auto frame = film->next()) ...`.
  std::optional<Frame> next() {
    Frame frame;
    if (!read(frame)) return std::nullopt;
    return frame;
  }

  /// From any thread: ends a `read` that waits for a pipe or a camera, by an Error, and all later ones.
  virtual void cancel() noexcept {}

 protected:
  /// Fills image and time; false at the end.
  virtual bool read_next(Frame& frame) = 0;

  Index frames_read() const { return frames_read_; }

 private:
  Index frames_read_ = 0;
  bool ended_ = false;
};

namespace detail {

using mien::detail::text;

/// Makes room for RGB of this size, in the memory that is there if it will do.
inline void reshape(io::Image& image, Index width, Index height) {
  if (image.width == width && image.height == height && image.channels == 3 &&
      static_cast<Index>(image.pixels.size()) == width * height * 3)
    return;
  image = io::Image(width, height, 3);
}

}  // namespace detail
}  // namespace mien::video
