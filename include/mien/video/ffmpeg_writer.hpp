#pragma once

/// Films written through FFmpeg's libraries. Needs mien::video in CMake.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "mien/io/file.hpp"
#include "mien/video/detail/ffmpeg_library.hpp"
#include "mien/video/frame_writer.hpp"

namespace mien::video {
namespace detail {

/// Lets FFmpeg write into a file of ours, which gets its name only when all is written.
class FfmpegOutput {
 public:
  explicit FfmpegOutput(const std::filesystem::path& target) : file_(io::detail::followed_link(target)) {
#if LIBAVFORMAT_VERSION_MAJOR >= 61
    constexpr auto write = &FfmpegOutput::write<const std::uint8_t>;
#else
    constexpr auto write = &FfmpegOutput::write<std::uint8_t>;
#endif
    context_ = owned(avio_alloc_context(io_buffer(), io_buffer_bytes, 1, this, nullptr, write, &seek));
  }

  AVIOContext* context() const { return context_.get(); }

  /// Throws what went wrong while FFmpeg was writing.
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

  void commit() {
    avio_flush(context_.get());
    rethrow();
    file_.commit();
  }

 private:
  /// FFmpeg is C, which no exception may pass through.
  template <class Byte>
  static int write(void* self, Byte* bytes, int size) {
    auto& output = *static_cast<FfmpegOutput*>(self);
    try {
      output.file_.write_at(output.position_, std::as_bytes(std::span(bytes, static_cast<std::size_t>(size))));
      output.position_ += static_cast<std::uint64_t>(size);
      output.size_ = std::max(output.size_, output.position_);
      return size;
    } catch (...) {
      output.error_ = std::current_exception();
      return AVERROR(EIO);
    }
  }

  static std::int64_t seek(void* self, std::int64_t offset, int whence) {
    auto& output = *static_cast<FfmpegOutput*>(self);
    const auto size = static_cast<std::int64_t>(output.size_);
    if (whence == AVSEEK_SIZE) return size;
    const std::int64_t from = whence == SEEK_END   ? size
                              : whence == SEEK_CUR ? static_cast<std::int64_t>(output.position_)
                                                   : 0;
    if (from + offset < 0) return AVERROR(EINVAL);
    output.position_ = static_cast<std::uint64_t>(from + offset);
    return from + offset;
  }

  io::detail::TemporaryFile file_;
  Ffmpeg<AVIOContext> context_;
  std::uint64_t position_ = 0;
  std::uint64_t size_ = 0;
  std::exception_ptr error_;
};

}  // namespace detail

/// Writes a film whose name's ending says the format (.mp4, .mkv, .mov, ...), without sound, in yuv420p of BT.601.
/// H.264 has even sizes only: an odd width or height gets its last column or row twice. Times are kept to 1/60000 s.
class FfmpegWriter final : public FrameWriter {
 public:
  /// Throws FileError: an ending that is no film's, a place that cannot be written; ValueError for options that make no
  /// sense and encoders that this FFmpeg lacks.
  explicit FfmpegWriter(const std::filesystem::path& path, const WriterOptions& options = {})
      : FrameWriter(options), name_(path.string()), options_(options), output_(path) {
    detail::silence_ffmpeg();
    const AVOutputFormat* const format = av_guess_format(nullptr, name_.c_str(), nullptr);
    if (format == nullptr || format->video_codec == AV_CODEC_ID_NONE)
      throw FileError(name_, "", "an ending that is no film's", "a name as film.mp4, film.mkv or film.y4m");
    encoder_type_ = choose_encoder(*format);
    AVFormatContext* made = nullptr;
    check(avformat_alloc_output_context2(&made, format, nullptr, nullptr));
    format_.reset(made);
    format_->pb = output_.context();
    // Else FFmpeg would close what it has not opened.
    format_->flags |= AVFMT_FLAG_CUSTOM_IO;
  }

 private:
  const AVCodec* choose_encoder(const AVOutputFormat& format) const {
    const auto named = [](const std::string& name) { return avcodec_find_encoder_by_name(name.c_str()); };
    if (!options_.encoder.empty()) {
      const AVCodec* const asked = named(options_.encoder);
      if (asked == nullptr || asked->type != AVMEDIA_TYPE_VIDEO)
        throw ValueError(detail::text("writing `", name_, "`: this FFmpeg has no encoder `", options_.encoder, "`"));
      return asked;
    }
    for (const AVCodec* const encoder : {named("libx264"), named("mpeg4"), avcodec_find_encoder(format.video_codec)})
      if (encoder != nullptr && avformat_query_codec(&format, encoder->id, FF_COMPLIANCE_NORMAL) == 1) return encoder;
    throw FileError(name_, "", detail::text("the format ", format.name), "one that this FFmpeg has an encoder for");
  }

  void begin(const io::Image& image) {
    encoder_ = detail::owned(avcodec_alloc_context3(encoder_type_));
    const bool even = encoder_type_->id == AV_CODEC_ID_H264 || encoder_type_->id == AV_CODEC_ID_HEVC;
    const auto side = [even](Index pixels) { return static_cast<int>(even ? pixels + pixels % 2 : pixels); };
    encoder_->width = side(image.width);
    encoder_->height = side(image.height);
    encoder_->pix_fmt = AV_PIX_FMT_YUV420P;
    encoder_->time_base = {1, ticks};
    encoder_->framerate = av_d2q(frame_rate(), 1'000'000);
    encoder_->colorspace = AVCOL_SPC_SMPTE170M;
    encoder_->color_range = AVCOL_RANGE_MPEG;
    encoder_->thread_count = options_.threads;
    if ((format_->oformat->flags & AVFMT_GLOBALHEADER) != 0) encoder_->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    detail::FfmpegSettings settings;
    set_quality(settings);
    check(avcodec_open2(encoder_.get(), encoder_type_, settings.get()));

    stream_ = avformat_new_stream(format_.get(), nullptr);
    if (stream_ == nullptr) throw Error("FFmpeg has no memory left");
    stream_->time_base = encoder_->time_base;
    stream_->avg_frame_rate = encoder_->framerate;
    check(avcodec_parameters_from_context(stream_->codecpar, encoder_.get()));
    check(avformat_write_header(format_.get(), nullptr));
    rgb_ = detail::frame_with_room(encoder_->width, encoder_->height, AV_PIX_FMT_RGB24);
    picture_ = detail::frame_with_room(encoder_->width, encoder_->height, AV_PIX_FMT_YUV420P);
  }

  void set_quality(detail::FfmpegSettings& settings) {
    if (std::string_view(encoder_type_->name) == "libx264") {
      settings.set("crf", std::to_string(options_.quality));
      settings.set("preset", "fast");
    } else {
      encoder_->flags |= AV_CODEC_FLAG_QSCALE;
      encoder_->global_quality = FF_QP2LAMBDA * (1 + options_.quality * 30 / 51);
    }
  }

  void write_frame(const io::Image& image, double time) override {
    if (!encoder_) begin(image);
    const std::int64_t turn = std::llround(time * ticks);
    if (frames_written() > 0 && turn <= last_turn_)
      throw ValueError(
          detail::text("writing `", name_, "`: a frame at ", time, " s, less than 1/60000 s after the last"));
    last_turn_ = turn;
    copy_rows(image);
    check(av_frame_make_writable(picture_.get()));  // the encoder may still have the one before
    converter_.convert(*rgb_, *picture_);
    picture_->pts = turn;
    check(avcodec_send_frame(encoder_.get(), picture_.get()));
    write_packets();
  }

  /// Into rows that FFmpeg's inner loops like, the last column and row twice where the film is larger by one.
  void copy_rows(const io::Image& image) {
    for (int y = 0; y < rgb_->height; ++y) {
      std::uint8_t* const row = rgb_->data[0] + std::ptrdiff_t{y} * rgb_->linesize[0];
      const Index from = std::min<Index>(y, image.height - 1);
      std::copy_n(image.at(0, from), image.width * 3, row);
      if (rgb_->width > image.width) std::copy_n(image.at(image.width - 1, from), 3, row + image.width * 3);
    }
  }

  void write_packets() {
    while (true) {
      const int code = avcodec_receive_packet(encoder_.get(), packet_.get());
      if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return;
      check(code);
      packet_->stream_index = stream_->index;
      av_packet_rescale_ts(packet_.get(), encoder_->time_base, stream_->time_base);
      check(av_interleaved_write_frame(format_.get(), packet_.get()));
    }
  }

  void finish_file() override {
    check(avcodec_send_frame(encoder_.get(), nullptr));
    write_packets();
    check(av_write_trailer(format_.get()));
    output_.commit();
  }

  void check(int code) const {
    if (code >= 0) return;
    output_.rethrow();
    throw FileError(name_, "", "FFmpeg: " + detail::ffmpeg_message(code), "a film that can be written");
  }

  static constexpr int ticks = 60000;  ///< a second; MPEG-4 part 2 counts no further than 65535

  std::string name_;
  WriterOptions options_;
  detail::FfmpegOutput output_;
  detail::Ffmpeg<AVFormatContext> format_;
  const AVCodec* encoder_type_ = nullptr;
  detail::Ffmpeg<AVCodecContext> encoder_;
  AVStream* stream_ = nullptr;  ///< format_'s
  detail::Ffmpeg<AVFrame> rgb_;
  detail::Ffmpeg<AVFrame> picture_;
  detail::Ffmpeg<AVPacket> packet_ = detail::owned(av_packet_alloc());
  detail::PixelConverter converter_;
  std::int64_t last_turn_ = 0;
};

}  // namespace mien::video
