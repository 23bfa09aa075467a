#pragma once

/// Films that are written, frame by frame.

#include <cmath>
#include <string>

#include "mien/io/image.hpp"

namespace mien::video {
namespace detail {

using mien::detail::text;

}

struct WriterOptions {
  double frame_rate = 25;  ///< frames a second of `write(image)`
  /// Of .y4m files: chroma of each pixel, instead of each 2 x 2. Nothing but rounding is lost then, in twice the bytes.
  bool full_chroma = false;
  /// Of other files: FFmpeg's name of an encoder. Empty: libx264 (H.264) where FFmpeg has it, else mpeg4 (MPEG-4 part
  /// 2).
  std::string encoder = {};
  int quality = 20;  ///< of other files: H.264's CRF, 0 (best) to 51; stretched over 1 to 31 for other encoders
  int threads = 0;   ///< for encoding; 0: one a processor
};

/// A film that is being written, under a temporary name until `finish` succeeds: the target is then the whole film, and
/// before that, or if writing fails, what it was before. Not for use by several threads.
class FrameWriter {
 public:
  /// Throws ValueError for options that make no sense.
  explicit FrameWriter(const WriterOptions& options) : frame_rate_(options.frame_rate) {
    if (!(options.frame_rate > 0 && options.frame_rate <= 1e6) || options.quality < 0 || options.quality > 51 ||
        options.threads < 0)
      throw ValueError(detail::text("writing a film: ", options.frame_rate, " frames a second, quality ",
                                    options.quality, " of 0 to 51, ", options.threads, " threads"));
  }
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;
  virtual ~FrameWriter() = default;

  /// Appends a frame at its turn by `WriterOptions::frame_rate`. The first frame decides the film's size. Throws
  /// ValueError for one of another size or that is no RGB image, FileError where it cannot be written.
  void write(const io::Image& image) { append(image, static_cast<double>(frames_) / frame_rate_); }

  /// Appends a frame that is shown at `time`, in seconds from any beginning: the first frame's time is the film's.
  /// Throws ValueError besides for a time that is not later than the one before, and by a .y4m file, which has no
  /// times, for one that is more than half a frame off.
  void write(const io::Image& image, double time) {
    if (!std::isfinite(time)) throw ValueError(detail::text("writing a film: a frame at ", time, " s"));
    if (frames_ == 0) beginning_ = time;
    append(image, time - beginning_);
  }

  /// Ends the film and gives it its name. Throws FileError; and ValueError for a film without frames, or where a frame
  /// could not be written.
  void finish() {
    if (broken_) throw ValueError("writing a film: a frame of it could not be written");
    if (frames_ == 0) throw ValueError("writing a film: it has no frames");
    if (!finished_) finish_file();
    finished_ = true;
  }

  Index frames_written() const { return frames_; }

 protected:
  virtual void write_frame(const io::Image& image, double time) = 0;
  virtual void finish_file() = 0;

  double frame_rate() const { return frame_rate_; }

 private:
  void append(const io::Image& image, double time) {
    if (finished_) throw ValueError("writing a film: it is finished");
    io::detail::check_image_argument(image, "writing a film");
    if (image.channels != 3) throw ValueError("writing a film: a grey frame, expected RGB");
    if (frames_ > 0 && (image.width != width_ || image.height != height_))
      throw ValueError(detail::text("writing a film: a frame of ", image.width, " x ", image.height, " in one of ",
                                    width_, " x ", height_));
    if (frames_ > 0 && !(time > last_time_))
      throw ValueError(detail::text("writing a film: a frame at ", time, " s after one at ", last_time_, " s"));
    width_ = image.width;
    height_ = image.height;
    if (broken_) throw ValueError("writing a film: the frame before could not be written");
    try {
      write_frame(image, time);
    } catch (const ValueError&) {  // nothing was written
      throw;
    } catch (...) {
      broken_ = true;
      throw;
    }
    last_time_ = time;
    ++frames_;
  }

  double frame_rate_;
  double beginning_ = 0;
  double last_time_ = 0;
  Index frames_ = 0;
  Index width_ = 0;
  Index height_ = 0;
  bool finished_ = false;
  bool broken_ = false;  ///< a frame may be there in part
};

}  // namespace mien::video
