#include <mien/video/ffmpeg_writer.hpp>
#include <mien/video/read_ahead.hpp>
#include <mien/video/reader.hpp>
#include <mien/video/writer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;

namespace {

const std::filesystem::path shipped = MIEN_SOURCE_DIR "/examples/data/videos/WolfgangLanger_Pexels.mp4";

void put(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string big_endian(std::uint32_t value) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(value >> shift);
  return out;
}

/// A box of an MP4 file.
std::string box(const std::string& name, const std::string& content) {
  return big_endian(static_cast<std::uint32_t>(content.size() + 8)) + name + content;
}

/// Four flat fields: red and green above, blue and white below. Compression leaves their middles alone.
io::Image fields(Index width, Index height) {
  io::Image image(width, height, 3);
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      const bool right = x >= width / 2;
      const bool low = y >= height / 2;
      image.at(x, y)[0] = right == low ? 220 : 30;
      image.at(x, y)[1] = right ? 220 : 30;
      image.at(x, y)[2] = low ? 220 : 30;
    }
  return image;
}

/// The fields' letters, row by row: "RGBW" as they were drawn.
std::string field_names(const io::Image& image) {
  std::string names;
  for (const Index y : {image.height / 4, image.height * 3 / 4})
    for (const Index x : {image.width / 4, image.width * 3 / 4}) {
      const std::uint8_t* const rgb = image.at(x, y);
      const int bits = (rgb[0] > 128 ? 4 : 0) + (rgb[1] > 128 ? 2 : 0) + (rgb[2] > 128 ? 1 : 0);
      names += "?BG?R??W"[bits];
    }
  return names;
}

/// Frames that differ from each other, as of something that moves over a pattern.
io::Image moving(Index width, Index height, Index number) {
  io::Image image(width, height, 3);
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x)
      for (Index c = 0; c < 3; ++c)
        image.at(x, y)[c] =
            static_cast<std::uint8_t>(128 + 100 * std::sin(0.2 * static_cast<double>(x + 3 * number + c * y)));
  return image;
}

void write_film(const std::filesystem::path& path, Index frames, const video::WriterOptions& options = {},
                Index width = 64, Index height = 48) {
  const auto film = video::create_video(path, options);
  for (Index i = 0; i < frames; ++i) film->write(moving(width, height, i));
  film->finish();
}

/// How many frames a film gives, and what it says if it breaks.
struct Outcome {
  Index frames = 0;
  std::optional<video::BrokenVideo> broken = {};
};

Outcome read_all(const std::filesystem::path& path, const video::VideoOptions& options = {}, Index at_most = 1000) {
  Outcome outcome;
  const auto film = video::open_video(path, options);
  try {
    for (video::Frame frame; outcome.frames < at_most && film->read(frame);) ++outcome.frames;
  } catch (const video::BrokenVideo& error) {
    outcome.broken = error;
  }
  return outcome;
}

/// What is written to standard error while it lives, by whomever.
class StandardError {
 public:
  explicit StandardError(const std::filesystem::path& file)
      : file_(file), before_(::dup(STDERR_FILENO)), to_(::open(file.c_str(), O_CREAT | O_WRONLY, 0600)) {
    ::dup2(to_, STDERR_FILENO);
  }
  ~StandardError() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
    ::close(to_);
  }
  std::string text() const { return io::read_text(file_); }

 private:
  std::filesystem::path file_;
  int before_;
  int to_;
};

/// The most memory that the process has at once while it lives (Linux). What is free is given back before, or the next
/// frame would take the place of an earlier one and show nothing.
class MemoryPeak {
 public:
  MemoryPeak() : begin_(lowest()) {}
  std::int64_t growth() const { return highest() - begin_; }

 private:
  static std::int64_t lowest() {
    ::malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << 5 << std::flush;
    return highest();
  }

  static std::int64_t highest() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("VmHWM:")) return 1024 * std::stoll(line.substr(6));
    return 0;
  }

  std::int64_t begin_;
};

double mean_difference(const io::Image& a, const io::Image& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

}  // namespace

TEST_CASE("the shipped film: all its frames at their own times, the same with any number of threads and read ahead") {
  const auto film = video::open_video(shipped, {.threads = 1});
  CHECK(film->facts().width == 640);
  CHECK(film->facts().height == 360);
  CHECK(film->facts().frame_rate == doctest::Approx(24000.0 / 1001));
  CHECK(film->facts().frames == 472);
  CHECK(*film->facts().duration == doctest::Approx(19.685).epsilon(1e-3));
  CHECK(contains(film->facts().format, "h264"));
  video::ReadAhead ahead(video::open_video(shipped, {.threads = 3}));
  video::Frame frame;
  video::Frame same;
  Index frames = 0;
  for (; film->read(frame); ++frames) {
    REQUIRE(ahead.read(same));
    REQUIRE(frame.image.pixels == same.image.pixels);
    REQUIRE(frame.time == same.time);
    REQUIRE(frame.index == frames);
    REQUIRE(frame.time == doctest::Approx(static_cast<double>(frames) * 1001 / 24000));
  }
  CHECK(frames == 472);
  CHECK_FALSE(ahead.read(same));
}

TEST_CASE("films of several formats and odd sizes are read as they were written") {
  const TemporaryFolder folder;
  struct Format {
    std::string name;
    std::string encoder;
    bool even;
  };
  for (const Format& format : {Format{"a.mp4", "", true}, Format{"b.mkv", "", true}, Format{"c.mp4", "mpeg4", false}})
    for (const auto& [width, height] : {std::pair<Index, Index>{64, 48}, {51, 37}}) {
      CAPTURE(format.name);
      const auto& [name, encoder, even] = format;
      write_film(folder / name, 12, {.frame_rate = 30, .encoder = encoder, .quality = 5}, width, height);
      const auto film = video::open_video(folder / name);
      // H.264 knows even sizes only.
      const bool padded = even && avcodec_find_encoder_by_name("libx264") != nullptr;
      CHECK(film->facts().width == (padded ? width + width % 2 : width));
      CHECK(film->facts().frame_rate == doctest::Approx(30).epsilon(0.01));
      for (Index i = 0; i < 12; ++i) {
        const auto frame = film->next();
        REQUIRE(frame);
        CHECK(frame->time == doctest::Approx(static_cast<double>(i) / 30).epsilon(0.002));
        CHECK(mean_difference(io::crop(frame->image, 0, 0, width, height), moving(width, height, i)) < 25);
      }
      CHECK_FALSE(film->next());
    }
}

TEST_CASE("flat colours come back as they were") {
  const TemporaryFolder folder;
  const auto film = video::create_video(folder / "a.mp4", {.quality = 1});
  film->write(fields(64, 64));
  film->finish();
  const auto frame = video::open_video(folder / "a.mp4")->next();
  REQUIRE(frame);
  for (const Index y : {16, 48})
    for (const Index x : {16, 48})
      for (Index c = 0; c < 3; ++c) CHECK(std::abs(frame->image.at(x, y)[c] - fields(64, 64).at(x, y)[c]) <= 4);
}

TEST_CASE("variable frame rates keep their rhythm, and the first frame is the beginning") {
  const TemporaryFolder folder;
  const std::vector<double> times{7.0, 7.04, 7.5, 7.51, 9.25};
  for (const char* const name : {"a.mp4", "a.mkv"}) {
    const auto film = video::create_video(folder / name);
    for (std::size_t i = 0; i < times.size(); ++i) film->write(moving(64, 48, static_cast<Index>(i)), times[i]);
    film->finish();
    const auto reader = video::open_video(folder / name);
    for (const double time : times) {
      const auto frame = reader->next();
      REQUIRE(frame);
      CHECK(std::abs(frame->time - (time - 7)) < 2e-3);
    }
    CHECK_FALSE(reader->next());
  }
}

TEST_CASE("a film without times has those of the frame rate that is stated") {
  if (avcodec_find_encoder_by_name("libx264") == nullptr) return;
  const TemporaryFolder folder;
  write_film(folder / "a.h264", 4);  // nothing but what the encoder made
  const auto film = video::open_video(folder / "a.h264", {.frame_rate = 10});
  CHECK(film->facts().frame_rate == 0);
  for (Index i = 0; i < 4; ++i) {
    const auto frame = film->next();
    REQUIRE(frame);
    CHECK(frame->time == doctest::Approx(0.1 * static_cast<double>(i)));
  }
  CHECK_FALSE(film->next());
}

TEST_CASE("films that ask to be turned or mirrored are") {
  const TemporaryFolder folder;
  const auto film = video::create_video(folder / "a.mp4", {.quality = 5});
  for (Index i = 0; i < 3; ++i) film->write(fields(64, 32));
  film->finish();
  const std::string bytes = io::read_text(folder / "a.mp4");
  // In a track header of version 0 the matrix stands 40 bytes behind version and flags.
  const std::size_t matrix = bytes.find("tkhd") + 4 + 40;
  REQUIRE(matrix < bytes.size());

  struct Turn {
    int a, b, c, d;
    std::string expected;
  };
  for (const Turn& turn :
       {Turn{1, 0, 0, 1, "RGBW"}, Turn{0, 1, -1, 0, "BRWG"}, Turn{-1, 0, 0, -1, "WBGR"}, Turn{0, -1, 1, 0, "GWRB"},
        Turn{-1, 0, 0, 1, "GRWB"}, Turn{1, 0, 0, -1, "BWRG"}, Turn{0, 1, 1, 0, "RBGW"}}) {
    const auto fixed = [](int value) { return big_endian(static_cast<std::uint32_t>(value * 65536)); };
    std::string turned = bytes;
    turned.replace(matrix, 8, fixed(turn.a) + fixed(turn.b));
    turned.replace(matrix + 12, 8, fixed(turn.c) + fixed(turn.d));
    put(folder / "b.mp4", turned);
    const auto reader = video::open_video(folder / "b.mp4");
    const auto frame = reader->next();
    REQUIRE(frame);
    CHECK(field_names(frame->image) == turn.expected);
    CHECK(frame->image.width == reader->facts().width);
    CHECK(frame->image.height == reader->facts().height);
    CHECK(frame->image.width == (turn.a == 0 ? 32 : 64));
  }
  std::string slanted = bytes;
  slanted.replace(matrix, 8, big_endian(46341) + big_endian(46341));
  slanted.replace(matrix + 12, 8, big_endian(static_cast<std::uint32_t>(-46341)) + big_endian(46341));
  put(folder / "b.mp4", slanted);
  CHECK(contains(message_of<FileError>([&] { video::open_video(folder / "b.mp4"); }), "45 degrees"));
}

TEST_CASE("a film that is cut off gives all its whole frames, and then says where it ends") {
  const TemporaryFolder folder;
  const std::string whole = io::read_text(shipped);
  put(folder / "cut.mp4", whole.substr(0, whole.size() / 5));
  const Outcome cut = read_all(folder / "cut.mp4");
  REQUIRE(cut.broken);
  CHECK(cut.frames > 50);
  CHECK(cut.frames < 150);
  CHECK(cut.broken->frames() == cut.frames);
  // The last of them may be a few frames ahead of others that needed what is missing.
  CHECK(std::abs(cut.broken->time() - static_cast<double>(cut.frames) * 1001 / 24000) < 0.2);
  CHECK(contains(cut.broken->what(), "cut.mp4: after " + std::to_string(cut.frames) + " frames, at "));
  const Outcome allowed = read_all(folder / "cut.mp4", {.allow_damage = true});
  CHECK_FALSE(allowed.broken);
  CHECK(allowed.frames >= cut.frames);

  // Wherever that is: in a frame, in the sound, between the two, where the table knows of more.
  for (std::size_t size = 60'000; size < 130'000; size += 5'003) {
    put(folder / "cut.mp4", whole.substr(0, size));
    const Outcome outcome = read_all(folder / "cut.mp4");
    REQUIRE(outcome.broken);
    CHECK(outcome.broken->frames() == outcome.frames);
    CHECK(outcome.frames > 1);
  }

  for (const std::string name : {"a.mkv", "a.avi"}) {
    CAPTURE(name);
    write_film(folder / name, 40);
    CHECK_FALSE(read_all(folder / name).broken);
    const std::string bytes = io::read_text(folder / name);
    put(folder / ("cut " + name), bytes.substr(0, bytes.size() * 2 / 3));
    const Outcome torn = read_all(folder / ("cut " + name));
    REQUIRE(torn.broken);
    CHECK(torn.frames > 5);
    CHECK(torn.frames <= 40);  // of an AVI film maybe the table at its end alone is missing
  }

  // Without the table at the end nothing can be read.
  write_film(folder / "a.mp4", 12);
  const std::string mp4 = io::read_text(folder / "a.mp4");
  put(folder / "b.mp4", mp4.substr(0, mp4.size() / 2));
  CHECK(contains(message_of<FileError>([&] { video::open_video(folder / "b.mp4"); }), "b.mp4"));
}

TEST_CASE("damaged data are told, with the frames before them, and no word on standard error") {
  const TemporaryFolder folder;
  std::string bytes = io::read_text(shipped);
  for (std::size_t i = 0; i < 4000; ++i) bytes[bytes.size() / 8 + i] = static_cast<char>(i * 37);
  put(folder / "damaged.mp4", bytes);
  Outcome outcome;
  Outcome tolerant;
  std::string said;
  {
    const StandardError watch(folder / "said");
    outcome = read_all(folder / "damaged.mp4");
    tolerant = read_all(folder / "damaged.mp4", {.allow_damage = true}, outcome.frames + 40);
    said = watch.text();
  }
  REQUIRE(outcome.broken);
  CHECK(outcome.frames > 20);
  CHECK(outcome.frames < 150);
  CHECK(outcome.broken->frames() == outcome.frames);
  CHECK_FALSE(tolerant.broken);
  CHECK(tolerant.frames == outcome.frames + 40);
  CHECK(said == "");
}

TEST_CASE("covers are no films") {
  const TemporaryFolder folder;
  write_film(folder / "a.mp4", 5);
  std::string bytes = io::read_text(folder / "a.mp4");
  const auto png = io::encode_png(io::Image(200, 200, 3, 77));
  const std::string picture(reinterpret_cast<const char*>(png.data()), png.size());
  const std::string handler = box("hdlr", big_endian(0) + big_endian(0) + "mdirappl" + std::string(9, '\0'));
  const std::string cover = box("covr", box("data", big_endian(14) + big_endian(0) + picture));
  const std::string appended = box("udta", box("meta", big_endian(0) + handler + box("ilst", cover)));
  // The table is the file's last box.
  const std::size_t table = bytes.rfind("moov");
  const auto size = static_cast<std::uint32_t>(bytes.size() - (table - 4) + appended.size());
  bytes.replace(table - 4, 4, big_endian(size));
  put(folder / "b.mp4", bytes + appended);
  const auto film = video::open_video(folder / "b.mp4");
  CHECK(film->facts().width == 64);
  CHECK(read_all(folder / "b.mp4").frames == 5);
}

TEST_CASE("what is no film is refused, by its name") {
  const TemporaryFolder folder;
  // A second of silence.
  const std::string little =
      std::string("RIFF\x24\x1f\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0", 36);
  put(folder / "sound.wav", little + std::string("data\0\x1f\0\0", 8) + std::string(8000, '\x80'));
  CHECK(contains(message_of<FileError>([&] { video::open_video(folder / "sound.wav"); }),
                 "1 streams, none of them a film"));
  put(folder / "text.mp4", "these are words and no film, whatever the name says");
  CHECK(contains(message_of<FileError>([&] { video::open_video(folder / "text.mp4"); }), "text.mp4"));
  CHECK(contains(message_of<FileError>([&] { video::FfmpegReader(folder / "none.mp4"); }), "No such file"));
  CHECK(contains(message_of<FileError>([&] { video::FfmpegReader("/dev/video99"); }), "/dev/video99"));
}

TEST_CASE("frames beyond the caller's limit are refused before there is memory for one") {
  const TemporaryFolder folder;
  const auto refusal = [&](const std::filesystem::path& film) {
    return message_of<FileError>([&] { video::FfmpegReader(film, {.max_pixels = 4000 * 2000 - 1, .threads = 1}); });
  };
  // FFmpeg looks into streams with decoders of its own, of which some know no size but the file's.
  for (const char* const name : {"a.mp4", "a.mkv", "a.avi", "lossless.avi"}) {
    CAPTURE(std::string(name));
    const bool is_lossless = std::string_view(name) == "lossless.avi";
    video::FfmpegWriter film(folder / name, {.encoder = is_lossless ? "ffv1" : ""});
    film.write(io::Image(4000, 2000, 3, 90));
    film.finish();
    const MemoryPeak refused;
    CHECK(contains(refusal(folder / name), "found frames of 4000 x 2000 pixels, expected at most 7999999"));
    CHECK(refused.growth() < 4000 * 2000);
    const MemoryPeak read;
    CHECK(read_all(folder / name, {.max_pixels = 4000 * 2000}).frames == 1);
    CHECK(read.growth() > 4000 * 2000);
  }
}

TEST_CASE("a name is a path and no protocol") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "concat:x");
  write_film(folder / "concat:x" / "a:b.mp4", 3);
  CHECK(read_all(folder / "concat:x" / "a:b.mp4").frames == 3);
  // A list of other files is not followed to anywhere but files.
  put(folder / "list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n");
  CHECK_THROWS_AS(video::open_video(folder / "list.m3u8"), FileError);
}

TEST_CASE("films come through pipes") {
  const TemporaryFolder folder;
  write_film(folder / "a.mkv", 9);
  const auto pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::thread writer([&] { put(pipe, io::read_text(folder / "a.mkv")); });
  CHECK(read_all(pipe).frames == 9);
  writer.join();
}

TEST_CASE("writing: nothing is left of a film that was not finished, endings and encoders are checked") {
  const TemporaryFolder folder;
  put(folder / "a.mp4", "the old one");
  {
    const auto film = video::create_video(folder / "a.mp4");
    for (Index i = 0; i < 5; ++i) film->write(moving(64, 48, i));
    CHECK_THROWS_AS(film->write(moving(64, 50, 0)), ValueError);
  }
  CHECK(io::read_text(folder / "a.mp4") == "the old one");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
  CHECK(contains(message_of<FileError>([&] { video::create_video(folder / "a.txt"); }), "an ending"));
  CHECK(contains(message_of<FileError>([&] { video::create_video(folder / "no" / "a.mp4"); }), "no/a.mp4"));
  CHECK(contains(message_of<ValueError>([&] { video::create_video(folder / "a.mp4", {.encoder = "xyz"}); }), "xyz"));
  const auto film = video::create_video(folder / "b.mp4");
  film->write(moving(64, 48, 0), 0);
  CHECK_THROWS_AS(film->write(moving(64, 48, 0), 1e-6), ValueError);
}

TEST_CASE("colours go by the frame's own matrix and range") {
  using namespace video::detail;
  struct Case {
    AVColorSpace matrix;
    AVColorRange range;
    int y, cb, cr;
  };
  // Red, in each.
  for (const Case& c :
       {Case{AVCOL_SPC_BT709, AVCOL_RANGE_MPEG, 63, 102, 240}, Case{AVCOL_SPC_SMPTE170M, AVCOL_RANGE_MPEG, 81, 90, 240},
        Case{AVCOL_SPC_UNSPECIFIED, AVCOL_RANGE_UNSPECIFIED, 81, 90, 240},
        Case{AVCOL_SPC_BT470BG, AVCOL_RANGE_JPEG, 76, 85, 255}}) {
    const auto from = frame_with_room(32, 8, AV_PIX_FMT_YUV444P);
    const auto to = frame_with_room(32, 8, AV_PIX_FMT_RGB24);
    from->colorspace = c.matrix;
    from->color_range = c.range;
    for (int row = 0; row < 8; ++row) {
      std::fill_n(from->data[0] + row * from->linesize[0], 32, static_cast<std::uint8_t>(c.y));
      std::fill_n(from->data[1] + row * from->linesize[1], 32, static_cast<std::uint8_t>(c.cb));
      std::fill_n(from->data[2] + row * from->linesize[2], 32, static_cast<std::uint8_t>(c.cr));
    }
    PixelConverter().convert(*from, *to);
    CAPTURE(static_cast<int>(c.matrix));
    CHECK(to->data[0][0] >= 252);
    CHECK(to->data[0][1] <= 3);
    CHECK(to->data[0][2] <= 3);
  }
}
