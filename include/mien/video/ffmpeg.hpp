#pragma once

/// Films and cameras through FFmpeg's libraries: whatever they can decode. Needs mien::video in CMake.

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "mien/video/detail/announced_size.hpp"
#include "mien/video/detail/byte_source.hpp"
#include "mien/video/detail/ffmpeg_library.hpp"
#include "mien/video/frame_reader.hpp"
#include "mien/video/options.hpp"

namespace mien::video {
namespace detail {

/// How a decoded picture lies to the one that is shown: one of the eight ways in which a rectangle fits itself.
struct Orientation {
  bool transposed = false;      ///< columns become rows
  bool flipped_across = false;  ///< of the shown picture: left and right change places
  bool flipped_down = false;    ///< of the shown picture: top and bottom change places
};

/// From a display matrix (ISO/IEC 14496-12, tkhd): a shown point is (a x + c y, b x + d y), in numbers of 16.16 bits.
/// Nothing if the matrix turns by an angle that is no multiple of 90 degrees.
inline std::optional<Orientation> orientation_of(const std::int32_t* matrix) {
  const auto sign = [&](int place) { return matrix[place] == 0 ? 0 : matrix[place] > 0 ? 1 : -1; };
  const int a = sign(0), b = sign(1), c = sign(3), d = sign(4);
  if (a != 0 && d != 0 && b == 0 && c == 0) return Orientation{false, a < 0, d < 0};
  if (b != 0 && c != 0 && a == 0 && d == 0) return Orientation{true, c < 0, b < 0};
  return std::nullopt;
}

/// Copies RGB rows that are `stride` bytes apart into an image, the way they are shown.
inline void copy_oriented(const std::uint8_t* from, std::ptrdiff_t stride, const Orientation& orientation,
                          io::Image& to) {
  if (!orientation.transposed && !orientation.flipped_across && !orientation.flipped_down) {
    for (Index y = 0; y < to.height; ++y) std::copy_n(from + y * stride, to.width * 3, to.at(0, y));
    return;
  }
  for (Index y = 0; y < to.height; ++y) {
    const Index down = orientation.flipped_down ? to.height - 1 - y : y;
    std::uint8_t* pixel = to.at(0, y);
    for (Index x = 0; x < to.width; ++x, pixel += 3) {
      const Index across = orientation.flipped_across ? to.width - 1 - x : x;
      const Index row = orientation.transposed ? across : down;
      const Index column = orientation.transposed ? down : across;
      std::copy_n(from + row * stride + 3 * column, 3, pixel);
    }
  }
}

/// The display matrix of a stream, if it has one.
inline const std::int32_t* display_matrix(const AVStream& stream) {
  constexpr std::size_t matrix_bytes = 9 * sizeof(std::int32_t);
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
  const AVCodecParameters& parameters = *stream.codecpar;
  const AVPacketSideData* const data =
      av_packet_side_data_get(parameters.coded_side_data, parameters.nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
  return data != nullptr && data->size >= matrix_bytes ? reinterpret_cast<const std::int32_t*>(data->data) : nullptr;
#else
  std::size_t size = 0;
  const std::uint8_t* const data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  return data != nullptr && size >= matrix_bytes ? reinterpret_cast<const std::int32_t*>(data) : nullptr;
#endif
}

/// What is opened: a name that FFmpeg understands, with the device that it belongs to, if any.
struct FfmpegInput {
  std::string url;
  const AVInputFormat* format = nullptr;
  bool is_camera = false;
};

/// A path is never taken for a protocol ("a:b.mp4" is a file), and films may not refer to other places than files. What
/// begins as "rtsp://" is left to FFmpeg as it is.
inline FfmpegInput ffmpeg_input(const std::string& path) {
  std::error_code unknown;
  const bool is_address = path.find("://") != std::string::npos;
  // Cameras have names of their own, too, which are links.
  if (!is_address && std::filesystem::weakly_canonical(path, unknown).string().starts_with("/dev/video")) {
    avdevice_register_all();
    const AVInputFormat* const format = av_find_input_format("video4linux2");
    if (format == nullptr)
      throw FileError(path, "", "an FFmpeg without v4l2", "one whose libavdevice reads cameras (Linux)");
    return {path, format, true};
  }
  return {is_address ? path : "file:" + path};
}

}  // namespace detail

/// Reads a film, or a camera as /dev/video0, by FFmpeg.
///
/// Times are the film's own, counted from its beginning, so that variable frame rates keep their rhythm; a frame
/// without a time, or with one that is not later than the last's, comes one frame's duration after the last. A rotation
/// or reflection that the film asks for (the display matrix) is applied. Covers among the streams are passed over, of
/// several films in one file FFmpeg's choice is taken. Colours go by the film's own matrix and range.
///
/// All frames that come before a damaged place are given out before it is told (BrokenVideo): data that the decoder
/// refuses or can only conceal, a packet that is cut off, a file of MP4, Matroska or AVI that is shorter than it says.
/// `VideoOptions::allow_damage` goes on instead. In other formats, and through a pipe, a film that ends early between
/// two frames cannot be told from a shorter one.
class FfmpegReader final : public FrameReader {
 public:
  /// Throws FileError: no such file, no film that this FFmpeg knows, no decoder.
  explicit FfmpegReader(const std::filesystem::path& path, const VideoOptions& options = {})
      : name_(path.string()), options_(options) {
    detail::check(options);
    detail::silence_ffmpeg();
    open_input(detail::ffmpeg_input(name_));
    open_decoder();
  }

  /// From a pipe that is already open: films whose format can be read without going back.
  explicit FfmpegReader(std::unique_ptr<detail::ByteSource> source, const VideoOptions& options = {})
      : name_(source->name()), options_(options), source_(std::move(source)) {
    detail::check(options);
    detail::silence_ffmpeg();
    io_ = detail::owned(
        avio_alloc_context(detail::io_buffer(), detail::io_buffer_bytes, 0, this, &read_bytes, nullptr, nullptr));
    open_input({"", nullptr, false});
    open_decoder();
  }

  const VideoFacts& facts() const override { return facts_; }

  void cancel() noexcept override {
    cancelled_ = true;
    if (source_) source_->cancel();
  }

 private:
  static int is_cancelled(void* self) { return static_cast<FfmpegReader*>(self)->cancelled_ ? 1 : 0; }

  /// FFmpeg is C, which no exception may pass through.
  static int read_bytes(void* self, std::uint8_t* to, int size) {
    auto& reader = *static_cast<FfmpegReader*>(self);
    try {
      const auto got = reader.source_->read_some(std::as_writable_bytes(std::span(to, static_cast<std::size_t>(size))));
      return got == 0 ? AVERROR_EOF : static_cast<int>(got);
    } catch (...) {
      reader.source_error_ = std::current_exception();
      return AVERROR(EIO);
    }
  }

  void open_input(const detail::FfmpegInput& input) {
    auto context = detail::owned(avformat_alloc_context());
    context->interrupt_callback = {&is_cancelled, this};
    if (io_) context->pb = io_.get();
    detail::FfmpegSettings settings;
    if (input.is_camera) ask_camera(settings);
    if (input.url.starts_with("file:")) look_into_file();
    if (input.url.starts_with("file:") || source_) settings.set("protocol_whitelist", "file,pipe");
    AVFormatContext* opened = context.release();  // which FFmpeg frees itself if it cannot open
    const int code = avformat_open_input(&opened, input.url.c_str(), input.format, settings.get());
    if (code < 0) refuse(code);
    format_.reset(opened);
    look_into_streams();
  }

  /// FFmpeg decodes the first frames to learn what they are, by decoders of its own, which have to know the limit too.
  /// It forgets what the file says of the size of frames that it may not decode.
  void look_into_streams() {
    const std::span streams(format_->streams, format_->nb_streams);
    detail::FfmpegSettings settings(streams.size());
    for (std::size_t i = 0; i < streams.size(); ++i) {
      const AVCodecParameters& parameters = *streams[i]->codecpar;
      if (is_film(streams[i])) check_size(parameters);
      settings.set("max_pixels", std::to_string(decoder_limit(parameters)), i);
    }
    const int found = avformat_find_stream_info(format_.get(), settings.get());
    if (found < 0) refuse(found);
  }

  /// Before FFmpeg reads the file itself. Pipes are left alone, whose first bytes would be lost.
  void look_into_file() {
    std::error_code unknown;
    if (!std::filesystem::is_regular_file(name_, unknown)) return;
    detail::ByteSource file(name_);
    announced_size_ = detail::announced_size(file.peek(detail::announced_size_bytes));
  }

  void ask_camera(detail::FfmpegSettings& settings) const {
    if (options_.width > 0 && options_.height > 0)
      settings.set("video_size", detail::text(options_.width, "x", options_.height));
    if (!(options_.frame_rate > 0)) return;
    char digits[32];  // by no locale's rules
    const auto end = std::to_chars(digits, digits + sizeof digits, options_.frame_rate).ptr;
    settings.set("framerate", std::string(digits, end));
  }

  [[noreturn]] void refuse(int code) {
    if (source_error_) std::rethrow_exception(source_error_);
    if (cancelled_) throw Error(name_ + ": reading was cancelled");
    throw FileError(name_, "", detail::ffmpeg_message(code), "a film that FFmpeg can read");
  }

  void open_decoder() {
    stream_ = choose_stream();
    const AVCodecParameters& parameters = *stream_->codecpar;
    check_size(parameters);
    const AVCodec* const decoder = avcodec_find_decoder(parameters.codec_id);
    if (decoder == nullptr)
      throw FileError(name_, "", detail::text("a film in ", avcodec_get_name(parameters.codec_id)),
                      "one that this FFmpeg has a decoder for");
    decoder_ = detail::owned(avcodec_alloc_context3(decoder));
    const int copied = avcodec_parameters_to_context(decoder_.get(), &parameters);
    if (copied < 0) refuse(copied);
    decoder_->pkt_timebase = stream_->time_base;
    decoder_->thread_count = options_.threads;
    decoder_->max_pixels = decoder_limit(parameters);
    decoder_->err_recognition |= AV_EF_CRCCHECK;
    const int opened = avcodec_open2(decoder_.get(), decoder, nullptr);
    if (opened < 0) refuse(opened);
    learn_facts(parameters);
  }

  static bool is_film(const AVStream* stream) {
    return stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
           (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) == 0;
  }

  bool is_too_large(const AVCodecParameters& parameters) const {
    return parameters.width > 0 && parameters.height > options_.max_pixels / parameters.width;
  }

  void check_size(const AVCodecParameters& parameters) const {
    if (is_too_large(parameters))
      throw FileError(name_, "", detail::text("frames of ", parameters.width, " x ", parameters.height, " pixels"),
                      detail::text("at most ", options_.max_pixels, " (VideoOptions::max_pixels)"));
  }

  /// Decoders count the pixels of their blocks, which may reach beyond the frame: some count in steps of 64.
  std::int64_t decoder_limit(const AVCodecParameters& parameters) const {
    if (is_too_large(parameters)) return options_.max_pixels;
    const auto blocks = [](std::int64_t pixels) { return (pixels + 63) / 64 * 64; };
    return std::max<std::int64_t>(options_.max_pixels, blocks(parameters.width) * blocks(parameters.height));
  }

  AVStream* choose_stream() const {
    const std::span streams(format_->streams, format_->nb_streams);
    auto chosen = std::find_if(streams.begin(), streams.end(), is_film);
    if (chosen == streams.end())
      throw FileError(name_, "", detail::text(streams.size(), " streams, none of them a film"), "a film");
    const int best = av_find_best_stream(format_.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (best >= 0 && is_film(streams[static_cast<std::size_t>(best)])) chosen = streams.begin() + best;
    for (AVStream* const stream : streams)
      if (stream != *chosen) stream->discard = AVDISCARD_ALL;
    return *chosen;
  }

  void learn_facts(const AVCodecParameters& parameters) {
    const std::int32_t* const matrix = detail::display_matrix(*stream_);
    if (matrix != nullptr) orientation_ = checked_orientation(matrix);
    facts_.width = orientation_.transposed ? parameters.height : parameters.width;
    facts_.height = orientation_.transposed ? parameters.width : parameters.height;
    for (const AVRational rate : {stream_->avg_frame_rate, stream_->r_frame_rate})
      if (facts_.frame_rate == 0 && is_frame_rate(rate)) facts_.frame_rate = av_q2d(rate);
    if (stream_->duration != AV_NOPTS_VALUE && stream_->duration > 0) {
      facts_.duration = detail::seconds(stream_->duration, stream_->time_base);
    } else if (format_->duration != AV_NOPTS_VALUE && format_->duration > 0) {
      facts_.duration = detail::seconds(format_->duration, AVRational{1, AV_TIME_BASE});
    }
    if (stream_->nb_frames > 0) facts_.frames = stream_->nb_frames;
    const char* const pixels = av_get_pix_fmt_name(static_cast<AVPixelFormat>(parameters.format));
    facts_.format = detail::text(avcodec_get_name(parameters.codec_id), ", ", pixels != nullptr ? pixels : "unknown");
    if (format_->start_time != AV_NOPTS_VALUE)
      beginning_ = detail::seconds(format_->start_time, AVRational{1, AV_TIME_BASE});
  }

  /// Films that know none may name the ticks of their clock instead.
  static bool is_frame_rate(AVRational rate) { return rate.num > 0 && rate.den > 0 && av_q2d(rate) <= 1000; }

  detail::Orientation checked_orientation(const std::int32_t* matrix) const {
    const auto orientation = detail::orientation_of(matrix);
    if (!orientation)
      throw FileError(name_, "the display matrix",
                      detail::text("a turn by ", av_display_rotation_get(matrix), " degrees"), "a multiple of 90");
    return *orientation;
  }

  bool read_next(Frame& frame) override {
    while (true) {
      const int code = avcodec_receive_frame(decoder_.get(), picture_.get());
      if (code == 0) {
        if (is_damaged(*picture_)) fail("data that can only be concealed");
        give(*picture_, frame);
        return true;
      }
      if (code == AVERROR_EOF) {
        if (!problem_.empty()) fail(problem_);
        return false;
      }
      if (code == AVERROR(EAGAIN)) {
        feed();
      } else if (!options_.allow_damage) {
        fail(detail::ffmpeg_message(code));
      }
    }
  }

  bool is_damaged(const AVFrame& picture) const {
    return !options_.allow_damage && (picture.decode_error_flags != 0 || (picture.flags & AV_FRAME_FLAG_CORRUPT) != 0);
  }

  /// Hands the film's next packet to the decoder. What goes wrong here is kept until the decoder has given out all that
  /// came before.
  void feed() {
    const int code = av_read_frame(format_.get(), packet_.get());
    if (code == AVERROR(EAGAIN)) return;
    if (source_error_) std::rethrow_exception(source_error_);
    if (cancelled_) throw Error(name_ + ": reading was cancelled");
    if (code == AVERROR_EOF) {
      finish(missing_end());
    } else if (code < 0) {
      finish(detail::ffmpeg_message(code));
    } else {
      if (packet_->stream_index == stream_->index) decode_packet();
      av_packet_unref(packet_.get());
    }
  }

  void decode_packet() {
    ++packets_;
    if ((packet_->flags & AV_PKT_FLAG_CORRUPT) != 0 && !options_.allow_damage) {
      finish("a packet that is cut off or damaged");
      return;
    }
    const int code = avcodec_send_packet(decoder_.get(), packet_.get());
    if (code < 0 && !options_.allow_damage) finish(detail::ffmpeg_message(code));
  }

  /// No more packets; `problem` is why, if that is not the film's end.
  void finish(std::string problem) {
    if (problem_.empty() && !options_.allow_damage) problem_ = std::move(problem);
    avcodec_send_packet(decoder_.get(), nullptr);
  }

  /// What tells, at the end of a film, that it was to go on; empty if nothing does.
  std::string missing_end() const {
    const bool is_mp4 = std::string_view(format_->iformat->name).find("mp4") != std::string_view::npos;
    const int entries = avformat_index_get_entries_count(stream_);
    if (is_mp4 && packets_ < entries)
      return detail::text("the end of the file with ", packets_, " of ", entries, " frames");
    if (!announced_size_) return "";
    const std::int64_t size = avio_size(format_->pb);
    if (size < 0 || static_cast<std::uint64_t>(size) >= *announced_size_) return "";
    return detail::text("the end of the file after ", size, " of ", *announced_size_, " bytes");
  }

  [[noreturn]] void fail(std::string_view found) {
    throw BrokenVideo(name_, frames_read(), next_time_, found, "a whole film");
  }

  void give(AVFrame& picture, Frame& frame) {
    frame.time = time_of(picture);
    // Some films carry the matrix with each frame instead of once.
    detail::Orientation orientation = orientation_;
    const AVFrameSideData* const turned = av_frame_get_side_data(&picture, AV_FRAME_DATA_DISPLAYMATRIX);
    if (turned != nullptr && turned->size >= 9 * sizeof(std::int32_t))
      orientation = checked_orientation(reinterpret_cast<const std::int32_t*>(turned->data));
    if (!rgb_ || rgb_->width != picture.width || rgb_->height != picture.height)
      rgb_ = detail::frame_with_room(picture.width, picture.height, AV_PIX_FMT_RGB24);
    converter_.convert(picture, *rgb_);
    detail::reshape(frame.image, orientation.transposed ? picture.height : picture.width,
                    orientation.transposed ? picture.width : picture.height);
    detail::copy_oriented(rgb_->data[0], rgb_->linesize[0], orientation, frame.image);
    av_frame_unref(&picture);
  }

  double time_of(const AVFrame& picture) {
    double time = next_time_;
    if (picture.best_effort_timestamp != AV_NOPTS_VALUE) {
      const double shown = detail::seconds(picture.best_effort_timestamp, stream_->time_base);
      if (!beginning_) beginning_ = shown;
      time = shown - *beginning_;
      // The next frame follows all the same; and where films were joined, and a clock began anew, so do all after it.
      if (frames_read() > 0 && time <= last_time_) {
        if (last_time_ - time > restart_seconds) *beginning_ += time - next_time_;
        time = next_time_;
      }
    }
    last_time_ = time;
    next_time_ = time + 1 / (facts_.frame_rate > 0 ? facts_.frame_rate : detail::rate_or_default(options_));
    return time;
  }

  /// Less is a frame that is out of step, after which the clock goes on as it was.
  static constexpr double restart_seconds = 1;

  std::string name_;
  VideoOptions options_;
  std::atomic<bool> cancelled_ = false;
  std::unique_ptr<detail::ByteSource> source_;
  std::exception_ptr source_error_;
  detail::Ffmpeg<AVIOContext> io_;
  detail::Ffmpeg<AVFormatContext> format_;
  AVStream* stream_ = nullptr;  ///< format_'s
  detail::Ffmpeg<AVCodecContext> decoder_;
  detail::Ffmpeg<AVPacket> packet_ = detail::owned(av_packet_alloc());
  detail::Ffmpeg<AVFrame> picture_ = detail::owned(av_frame_alloc());
  detail::Ffmpeg<AVFrame> rgb_;
  detail::PixelConverter converter_;
  VideoFacts facts_;
  detail::Orientation orientation_;
  std::optional<double> beginning_;  ///< by the film's own clock
  double last_time_ = 0;             ///< of the frame before
  double next_time_ = 0;             ///< when the next frame is to be expected
  Index packets_ = 0;
  std::optional<std::uint64_t> announced_size_;
  std::string problem_;
};

}  // namespace mien::video
