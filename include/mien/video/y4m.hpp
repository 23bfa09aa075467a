#pragma once

/// Y4M (YUV4MPEG2) films: frames without compression, behind one line of text. Every encoder and decoder speaks it, so
/// that a pipe from and to any of them works without their libraries.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/video/detail/byte_source.hpp"
#include "mien/video/detail/luma_chroma.hpp"
#include "mien/video/frame_reader.hpp"
#include "mien/video/frame_writer.hpp"
#include "mien/video/options.hpp"

namespace mien::video {
namespace detail {

inline constexpr std::string_view y4m_magic = "YUV4MPEG2";

/// What the first line of a Y4M file says.
struct Y4mHeader {
  PlaneLayout planes = {};
  std::string chroma = "420jpeg";
  Index rate_numerator = 0;  ///< 0: it does not tell
  Index rate_denominator = 0;
};

struct Y4mChroma {
  std::string_view name;
  bool has_chroma;
  Siting columns;
  Siting blue_rows;
  Siting red_rows;
};

/// In 420paldv, Cr lies on the even lines and Cb on the odd ones; 422 is sited as in MPEG-2.
inline constexpr std::array<Y4mChroma, 7> y4m_chromas{{
    {"420jpeg", true, Siting::centre, Siting::centre, Siting::centre},
    {"420", true, Siting::centre, Siting::centre, Siting::centre},
    {"420mpeg2", true, Siting::first, Siting::centre, Siting::centre},
    {"420paldv", true, Siting::first, Siting::second, Siting::first},
    {"422", true, Siting::first, Siting::each, Siting::each},
    {"444", true, Siting::each, Siting::each, Siting::each},
    {"mono", false, Siting::each, Siting::each, Siting::each},
}};

/// Reads the first line, word by word.
class Y4mHeaderParser {
 public:
  Y4mHeaderParser(std::string_view line, std::string_view file) : line_(line), file_(file) {}

  Y4mHeader parse() {
    for (std::size_t at = y4m_magic.size(); at < line_.size();) {
      const std::size_t end = std::min(line_.find(' ', at + 1), line_.size());
      const std::string_view word = line_.substr(at + 1, end - at - 1);
      if (line_[at] != ' ') fail(line_, "a space behind YUV4MPEG2");
      if (!word.empty()) parse_word(word);
      at = end;
    }
    if (header_.planes.width < 1 || header_.planes.height < 1) fail("no width or no height", "W and H");
    return std::move(header_);
  }

 private:
  void parse_word(std::string_view word) {
    const std::string_view value = word.substr(1);
    switch (word.front()) {
      case 'W':
        header_.planes.width = number(word, value);
        break;
      case 'H':
        header_.planes.height = number(word, value);
        break;
      case 'F':
        std::tie(header_.rate_numerator, header_.rate_denominator) = ratio(word, value);
        break;
      case 'C':
        set_chroma(value);
        break;
      case 'I':
      case 'A':
        break;  // interlaced frames are taken as they are woven, pixels as squares
      case 'X':
        set_extension(value);
        break;
      default:
        fail(word, "one of W, H, F, C, I, A, X");
    }
  }

  Index number(std::string_view word, std::string_view digits) const {
    Index value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value < 0 || value > 1'000'000'000)
      fail(word, "a number");
    return value;
  }

  std::pair<Index, Index> ratio(std::string_view word, std::string_view value) const {
    const std::size_t colon = std::min(value.find(':'), value.size());
    if (colon == value.size()) fail(word, "a ratio as F30:1");
    return {number(word, value.substr(0, colon)), number(word, value.substr(colon + 1))};
  }

  void set_chroma(std::string_view name) {
    for (const Y4mChroma& known : y4m_chromas)
      if (known.name == name) {
        header_.chroma = name;
        header_.planes.has_chroma = known.has_chroma;
        header_.planes.columns = known.columns;
        header_.planes.blue_rows = known.blue_rows;
        header_.planes.red_rows = known.red_rows;
        return;
      }
    fail(text("C", name), "C420jpeg, C420mpeg2, C420paldv, C420, C422, C444 or Cmono, of 8 bits");
  }

  /// Other extensions are remarks.
  void set_extension(std::string_view value) {
    if (value == "COLORRANGE=FULL") header_.planes.full_range = true;
  }

  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    throw FileError(file_, "the first line", text("`", found.substr(0, 80), "`"), expected);
  }

  std::string_view line_;
  std::string_view file_;
  Y4mHeader header_;
};

inline Y4mHeader read_y4m_header(ByteSource& source) {
  const auto line = source.read_line(4096);
  if (!line || !line->starts_with(y4m_magic))
    throw FileError(source.name(), "the first line", "something else", "YUV4MPEG2 and a film's size and rate");
  Y4mHeaderParser parser(*line, source.name());
  return parser.parse();
}

inline void check_frame_size(const ByteSource& source, Index width, Index height, const VideoOptions& options) {
  if (width > options.max_pixels / height)
    throw FileError(source.name(), "", text("frames of ", width, " x ", height, " pixels"),
                    text("at most ", options.max_pixels, " (VideoOptions::max_pixels)"));
}

/// Fills `bytes` with a frame. `frames` and `time` tell where in the film that is.
inline void read_frame_bytes(ByteSource& source, std::span<std::byte> bytes, Index frames, double time) {
  const std::size_t got = source.read(bytes);
  if (got < bytes.size())
    throw BrokenVideo(source.name(), frames, time, text("the end after ", got, " bytes of a frame"),
                      text("a frame of ", bytes.size(), " bytes"));
}

}  // namespace detail

/// Reads Y4M, 8 bits: 4:2:0 in all its sitings, 4:2:2, 4:4:4 and grey; colours by BT.601, in the limited range unless
/// the file says XCOLORRANGE=FULL. Chroma is interpolated linearly. The frames of interlaced films are given as they
/// are woven, pixels that are not square as if they were.
class Y4mReader final : public FrameReader {
 public:
  /// Throws FileError: no such file, a header that cannot be understood.
  explicit Y4mReader(const std::filesystem::path& path, const VideoOptions& options = {})
      : Y4mReader(std::make_unique<detail::ByteSource>(path), options) {}

  /// From what is already open, at the first line.
  explicit Y4mReader(std::unique_ptr<detail::ByteSource> source, const VideoOptions& options = {})
      : source_(std::move(source)), header_(checked_header(*source_, options)), planes_(header_.planes) {
    const bool tells_rate = header_.rate_numerator > 0 && header_.rate_denominator > 0;
    facts_.width = header_.planes.width;
    facts_.height = header_.planes.height;
    facts_.frame_rate =
        tells_rate ? static_cast<double>(header_.rate_numerator) / static_cast<double>(header_.rate_denominator)
                   : detail::rate_or_default(options);
    facts_.format = "Y4M, " + header_.chroma;
    count_frames();
    bytes_.resize(header_.planes.frame_bytes());
  }

  const VideoFacts& facts() const override { return facts_; }
  void cancel() noexcept override { source_->cancel(); }

 private:
  static detail::Y4mHeader checked_header(detail::ByteSource& source, const VideoOptions& options) {
    detail::check(options);
    detail::Y4mHeader header = detail::read_y4m_header(source);
    detail::check_frame_size(source, header.planes.width, header.planes.height, options);
    return header;
  }

  /// If all frames begin with the plain line FRAME, as they do but for rare files.
  void count_frames() {
    if (!source_->size()) return;
    const std::uint64_t frame = frame_line.size() + 1 + header_.planes.frame_bytes();
    const std::uint64_t left = *source_->size() - std::min(source_->position(), *source_->size());
    if (left % frame != 0) return;
    facts_.frames = static_cast<Index>(left / frame);
    facts_.duration = static_cast<double>(*facts_.frames) / facts_.frame_rate;
  }

  bool read_next(Frame& frame) override {
    const double time = static_cast<double>(frames_read()) / facts_.frame_rate;
    const auto ahead = source_->peek(1);
    if (ahead.empty()) return false;
    const auto line = source_->read_line(4096);
    if (!line || !(*line == frame_line || line->starts_with("FRAME ")))
      throw BrokenVideo(source_->name(), frames_read(), time, "something else", "a line that begins with FRAME");
    detail::read_frame_bytes(*source_, bytes_, frames_read(), time);
    detail::reshape(frame.image, facts_.width, facts_.height);
    planes_.convert(bytes_, frame.image);
    frame.time = time;
    return true;
  }

  static constexpr std::string_view frame_line = "FRAME";

  std::unique_ptr<detail::ByteSource> source_;
  detail::Y4mHeader header_;
  detail::PlanesToRgb planes_;
  VideoFacts facts_;
  std::vector<std::byte> bytes_;
};

/// Writes Y4M: 4:2:0 with chroma in the middle of four pixels (420jpeg), or 4:4:4; BT.601, limited range.
class Y4mWriter final : public FrameWriter {
 public:
  /// Throws FileError where nothing can be written, ValueError for options that make no sense.
  explicit Y4mWriter(const std::filesystem::path& path, const WriterOptions& options = {})
      : FrameWriter(options), full_chroma_(options.full_chroma), file_(io::detail::followed_link(path)) {}

 private:
  void write_frame(const io::Image& image, double time) override {
    const double turn = static_cast<double>(frames_written()) / frame_rate();
    if (std::abs(time - turn) > 0.5 / frame_rate())
      throw ValueError(detail::text("writing a .y4m film: frame ", frames_written(), " at ", time, " s, where ",
                                    frame_rate(), " frames a second have it at ", turn,
                                    " s; such a film has no times"));
    if (frames_written() == 0) begin(image.width, image.height);
    put("FRAME\n");
    detail::rgb_to_planes(image, planes_, bytes_);
    file_.write(bytes_);
  }

  void finish_file() override { file_.commit(); }

  void begin(Index width, Index height) {
    const auto siting = full_chroma_ ? detail::Siting::each : detail::Siting::centre;
    planes_ = {.width = width, .height = height, .columns = siting, .blue_rows = siting, .red_rows = siting};
    const auto [numerator, denominator] = rate();
    put(detail::text(detail::y4m_magic, " W", width, " H", height, " F", numerator, ":", denominator, " Ip A1:1 C",
                     full_chroma_ ? "444" : "420jpeg", "\n"));
  }

  /// As 30000:1001 where that is meant, else to a thousandth.
  std::pair<Index, Index> rate() const {
    for (const Index denominator : {1, 1001}) {
      const double numerator = frame_rate() * static_cast<double>(denominator);
      if (std::abs(numerator - std::round(numerator)) < 1e-3) return {std::llround(numerator), denominator};
    }
    return {std::max<Index>(1, std::llround(frame_rate() * 1000)), 1000};
  }

  void put(std::string_view words) { file_.write(std::as_bytes(std::span(words))); }

  bool full_chroma_;
  io::detail::TemporaryFile file_;
  detail::PlaneLayout planes_;
  std::vector<std::byte> bytes_;
};

}  // namespace mien::video
