#pragma once

/// FFmpeg's libraries, whose headers are included here alone, with owners for what they hand out.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavdevice/avdevice.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include "mien/core/error.hpp"

namespace mien::video::detail {

using mien::detail::text;

struct FfmpegDeleter {
  void operator()(AVFormatContext* context) const {
    if (context->iformat != nullptr) {
      avformat_close_input(&context);
    } else {
      avformat_free_context(context);
    }
  }
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
  void operator()(SwsContext* context) const { sws_freeContext(context); }
  void operator()(AVIOContext* io) const {
    av_freep(&io->buffer);
    avio_context_free(&io);
  }
};

template <class T>
using Ffmpeg = std::unique_ptr<T, FfmpegDeleter>;

/// What FFmpeg gives out, or an Error where it has no memory left.
template <class T>
Ffmpeg<T> owned(T* made) {
  if (made == nullptr) throw Error("FFmpeg has no memory left");
  return Ffmpeg<T>(made);
}

/// FFmpeg's words for one of its errors.
inline std::string ffmpeg_message(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> words{};
  av_strerror(code, words.data(), words.size());
  return words.data();
}

/// FFmpeg writes to standard error unless it is told not to, once for the whole process. Programs that want its words
/// call av_log_set_level after the first film was opened.
inline void silence_ffmpeg() {
  static const bool done = [] {
    av_log_set_level(AV_LOG_QUIET);
    return true;
  }();
  static_cast<void>(done);
}

/// Settings by name, as FFmpeg takes them: one set, or one for each of several streams.
class FfmpegSettings {
 public:
  explicit FfmpegSettings(std::size_t count = 1) : dictionaries_(count, nullptr) {}
  FfmpegSettings(const FfmpegSettings&) = delete;
  FfmpegSettings& operator=(const FfmpegSettings&) = delete;
  ~FfmpegSettings() {
    for (AVDictionary*& dictionary : dictionaries_) av_dict_free(&dictionary);
  }

  void set(const char* name, const std::string& value, std::size_t stream = 0) {
    av_dict_set(&dictionaries_[stream], name, value.c_str(), 0);
  }
  AVDictionary** get() { return dictionaries_.data(); }

 private:
  std::vector<AVDictionary*> dictionaries_;
};

inline double seconds(std::int64_t time, AVRational base) { return static_cast<double>(time) * av_q2d(base); }

/// A buffer for an AVIOContext, which owns it from then on.
inline constexpr int io_buffer_bytes = 1 << 16;
inline unsigned char* io_buffer() {
  auto* const buffer = static_cast<unsigned char*>(av_malloc(io_buffer_bytes));
  if (buffer == nullptr) throw Error("FFmpeg has no memory left");
  return buffer;
}

/// Converts between pixel formats of frames of one size; keeps its tables from frame to frame.
class PixelConverter {
 public:
  /// Writes `from` into `to`, whose size and format are set. Colours by the frame's own matrix and range; BT.601 and
  /// the limited range, as FFmpeg's own programs, where it does not tell.
  void convert(const AVFrame& from, AVFrame& to) {
    prepare(from, to);
    const int rows = sws_scale(context_.get(), from.data, from.linesize, 0, from.height, to.data, to.linesize);
    if (rows != to.height) throw Error("FFmpeg cannot convert a frame's pixels");
  }

 private:
  struct Setting {
    int width;
    int height;
    int from;
    int to;
    int matrix;
    bool full_range;
    bool operator==(const Setting&) const = default;
  };

  void prepare(const AVFrame& from, const AVFrame& to) {
    const Setting wanted{from.width, from.height,     from.format,
                         to.format,  from.colorspace, from.color_range == AVCOL_RANGE_JPEG};
    if (context_ && wanted == setting_) return;
    context_.reset(sws_getContext(from.width, from.height, static_cast<AVPixelFormat>(from.format), to.width, to.height,
                                  static_cast<AVPixelFormat>(to.format), SWS_BILINEAR | SWS_ACCURATE_RND, nullptr,
                                  nullptr, nullptr));
    if (!context_) throw Error(text("FFmpeg cannot convert pixels of format ", name_of(from.format)));
    setting_ = wanted;
    set_colours(from);
  }

  void set_colours(const AVFrame& from) {
    int* table = nullptr;
    int* to_table = nullptr;
    int from_range = 0, to_range = 0, brightness = 0, contrast = 0, saturation = 0;
    if (sws_getColorspaceDetails(context_.get(), &table, &from_range, &to_table, &to_range, &brightness, &contrast,
                                 &saturation) < 0)
      return;  // RGB to RGB has none
    const int matrix = from.colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : static_cast<int>(from.colorspace);
    const int range = from.color_range == AVCOL_RANGE_JPEG ? 1 : from_range;
    sws_setColorspaceDetails(context_.get(), sws_getCoefficients(matrix), range, to_table, to_range, brightness,
                             contrast, saturation);
  }

  static std::string name_of(int format) {
    const char* const name = av_get_pix_fmt_name(static_cast<AVPixelFormat>(format));
    return name != nullptr ? name : "unknown";
  }

  Ffmpeg<SwsContext> context_ = {};
  Setting setting_ = {};
};

/// A frame of FFmpeg's with room for pixels, whose rows are as far apart as its inner loops want.
inline Ffmpeg<AVFrame> frame_with_room(int width, int height, AVPixelFormat format) {
  auto frame = owned(av_frame_alloc());
  frame->width = width;
  frame->height = height;
  frame->format = format;
  constexpr int alignment = 64;
  const int code = av_frame_get_buffer(frame.get(), alignment);
  if (code < 0) throw Error("FFmpeg: no memory for a frame: " + ffmpeg_message(code));
  return frame;
}

}  // namespace mien::video::detail
