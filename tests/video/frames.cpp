#include <mien/video/raw_frames.hpp>
#include <mien/video/read_ahead.hpp>
#include <mien/video/reader.hpp>
#include <mien/video/writer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;

namespace {

void put(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out += static_cast<char>(value);
  return out;
}

/// Red at a pixel, and so on.
int red(const io::Image& image, Index x, Index y) { return image.at(x, y)[0]; }
int green(const io::Image& image, Index x, Index y) { return image.at(x, y)[1]; }
int blue(const io::Image& image, Index x, Index y) { return image.at(x, y)[2]; }

/// A smooth picture in colour, another one for each number.
io::Image picture(Index width, Index height, Index number) {
  io::Image image(width, height, 3);
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      image.at(x, y)[0] = static_cast<std::uint8_t>(40 + 160 * x / width);
      image.at(x, y)[1] = static_cast<std::uint8_t>(40 + 160 * y / height);
      image.at(x, y)[2] = static_cast<std::uint8_t>((60 + 20 * number) % 200);
    }
  return image;
}

int greatest_difference(const io::Image& a, const io::Image& b) {
  REQUIRE(a.pixels.size() == b.pixels.size());
  int greatest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) greatest = std::max(greatest, std::abs(a.pixels[i] - b.pixels[i]));
  return greatest;
}

io::Image first_frame(const std::filesystem::path& path, const video::VideoOptions& options = {}) {
  auto frame = video::open_video(path, options)->next();
  REQUIRE(frame);
  return frame->image;
}

/// The one grey frame of a Y4M film whose chroma is given in planes of 2 x 2, for 4 x 4 pixels.
io::Image chroma_frame(const TemporaryFolder& folder, const std::string& siting, const std::string& blue_plane,
                       const std::string& red_plane) {
  put(folder / "c.y4m",
      "YUV4MPEG2 W4 H4 F25:1 C" + siting + "\nFRAME\n" + std::string(16, '\x80') + blue_plane + red_plane);
  return first_frame(folder / "c.y4m");
}

/// Counts from 0 to the number of frames and then ends, or fails.
class CountingReader : public video::FrameReader {
 public:
  CountingReader(Index frames, bool fails) : frames_(frames), fails_(fails) {}
  const video::VideoFacts& facts() const override { return facts_; }
  std::set<const std::uint8_t*> memory;  ///< of all frames that were read into
  std::atomic<Index> made = 0;

 protected:
  bool read_next(video::Frame& frame) override {
    if (made == frames_ && fails_) throw video::BrokenVideo("film", made, 1.5, "a hole", "a frame");
    if (made == frames_) return false;
    video::detail::reshape(frame.image, 5, 3);
    memory.insert(frame.image.pixels.data());
    frame.time = 0.25 * static_cast<double>(made++);
    return true;
  }

 private:
  Index frames_;
  bool fails_;
  video::VideoFacts facts_{.width = 5, .height = 3};
};

/// Keeps the times of its frames, and throws as it is told.
class FailingWriter : public video::FrameWriter {
 public:
  FailingWriter() : FrameWriter(video::WriterOptions{}) {}
  std::function<void()> next = [] {};
  std::vector<double> times;
  bool is_finished = false;

 protected:
  void write_frame(const io::Image&, double time) override {
    next();
    times.push_back(time);
  }
  void finish_file() override { is_finished = true; }
};

}  // namespace

TEST_CASE("Y4M: the numbers of BT.601 become its colours, in both ranges") {
  const TemporaryFolder folder;
  // Black, white, red, blue in the limited range; 4:4:4, so that each pixel is itself.
  put(folder / "a.y4m", "YUV4MPEG2 W4 H1 F25:1 Ip A1:1 C444\nFRAME\n" + bytes({16, 235, 81, 41}) +
                            bytes({128, 128, 90, 240}) + bytes({128, 128, 240, 110}));
  const io::Image image = first_frame(folder / "a.y4m");
  const std::vector<std::uint8_t> expected{0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255};
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(image.pixels[i] - expected[i]) <= 1);

  put(folder / "b.y4m", "YUV4MPEG2 W4 H1 F25:1 C444 XCOLORRANGE=FULL\nFRAME\n" + bytes({0, 255, 76, 64}) +
                            bytes({128, 128, 85, 128}) + bytes({128, 128, 255, 128}));
  const io::Image full = first_frame(folder / "b.y4m");
  CHECK(red(full, 0, 0) == 0);
  CHECK(green(full, 1, 0) == 255);
  CHECK(red(full, 2, 0) >= 253);
  CHECK(green(full, 2, 0) <= 1);
  CHECK(red(full, 3, 0) == 64);  // 56 in the limited range
}

TEST_CASE("Y4M: chroma lies where its siting says") {
  const TemporaryFolder folder;
  // Cr high in the left column of samples, Cb high in the upper row.
  const std::string upper = bytes({208, 208, 128, 128});
  const std::string left = bytes({208, 128, 208, 128});
  const auto level = [](int share) {  // of red, with Cr at 128 + 80 share / 16
    return std::min(255, static_cast<int>(std::lround(1.164383 * (128 - 16) + 1.596027 * 80 * share / 16)));
  };
  const auto column_of = [&](const io::Image& image) {
    return std::vector<int>{red(image, 0, 0), red(image, 1, 0), red(image, 2, 0), red(image, 3, 0)};
  };
  const auto is_near = [](const std::vector<int>& found, const std::vector<int>& expected) {
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= 1);
  };
  // In the middle of two pixels: those between two samples have 3/4 of the nearer one.
  for (const char* const siting : {"420jpeg", "420"}) {
    const io::Image image = chroma_frame(folder, siting, upper, left);
    is_near(column_of(image), {level(16), level(12), level(4), level(0)});
    CHECK(blue(image, 0, 1) > blue(image, 0, 2));
  }
  // At the first of two pixels: the one behind it has half of each.
  for (const char* const siting : {"420mpeg2", "420paldv"})
    is_near(column_of(chroma_frame(folder, siting, upper, left)), {level(16), level(8), level(0), level(0)});

  // DV of PAL has Cr on the even lines and Cb on the odd ones.
  const io::Image paldv = chroma_frame(folder, "420paldv", upper, upper);
  is_near({red(paldv, 0, 0), red(paldv, 0, 1), red(paldv, 0, 2), red(paldv, 0, 3)},
          {level(16), level(8), level(0), level(0)});
  const auto blue_level = [](int share) {
    return std::min(255, static_cast<int>(std::lround(1.164383 * (128 - 16) + 2.017232 * 80 * share / 16)));
  };
  is_near({blue(paldv, 0, 0), blue(paldv, 0, 1), blue(paldv, 0, 2), blue(paldv, 0, 3)},
          {blue_level(16), blue_level(16), blue_level(8), blue_level(0)});
}

TEST_CASE("Y4M: 4:2:2 has its chroma in every line, grey has none, odd sizes round up") {
  const TemporaryFolder folder;
  put(folder / "a.y4m", "YUV4MPEG2 W3 H2 F25:1 C422\nFRAME\n" + std::string(6, '\x80') + std::string(4, '\x80') +
                            bytes({208, 208, 128, 128}));
  const io::Image image = first_frame(folder / "a.y4m");
  CHECK(red(image, 0, 0) > 200);
  CHECK(red(image, 2, 0) > 200);
  CHECK(std::abs(red(image, 0, 1) - 130) <= 1);

  put(folder / "b.y4m", "YUV4MPEG2 W2 H1 F25:1 Cmono\nFRAME\n" + bytes({16, 126}));
  const io::Image grey = first_frame(folder / "b.y4m");
  CHECK(red(grey, 0, 0) == 0);
  CHECK(red(grey, 1, 0) == 128);
  CHECK(blue(grey, 1, 0) == 128);

  put(folder / "c.y4m", "YUV4MPEG2 W1 H1 F25:1\nFRAME\n" + bytes({235, 128, 128}));
  CHECK(red(first_frame(folder / "c.y4m"), 0, 0) == 255);
}

TEST_CASE("Y4M: facts and times come from the first line") {
  const TemporaryFolder folder;
  const std::string frame = "FRAME\n" + std::string(12, '\x80');
  put(folder / "a.y4m", "YUV4MPEG2 W4 H3 F30000:1001 It A10:11 Cmono XYSCSS=420JPEG\n" + frame + "FRAME Ip XREMARK\n" +
                            std::string(12, '\x80') + frame);
  const auto film = video::open_video(folder / "a.y4m");
  CHECK(film->facts().width == 4);
  CHECK(film->facts().height == 3);
  CHECK(film->facts().frame_rate == doctest::Approx(29.97002997));
  CHECK_FALSE(film->facts().frames);  // one of the frames is longer than the others
  for (Index i = 0; i < 3; ++i) {
    const auto next = film->next();
    REQUIRE(next);
    CHECK(next->index == i);
    CHECK(next->time == doctest::Approx(static_cast<double>(i) * 1001 / 30000));
  }
  CHECK_FALSE(film->next());
  CHECK_FALSE(film->next());

  put(folder / "b.y4m", "YUV4MPEG2 W4 H3 F50:1 Cmono\n" + frame + frame);
  CHECK(video::open_video(folder / "b.y4m")->facts().frames == 2);
  CHECK(video::open_video(folder / "b.y4m")->facts().duration == doctest::Approx(0.04));

  put(folder / "c.y4m", "YUV4MPEG2 W4 H3 F0:0 Cmono\n" + frame);
  CHECK(video::open_video(folder / "c.y4m", {.frame_rate = 12})->facts().frame_rate == 12);
}

TEST_CASE("Y4M: a film that ends in the middle says how many frames were read, and where it broke") {
  const TemporaryFolder folder;
  const std::string frame = "FRAME\n" + std::string(12, '\x80');
  const std::string header = "YUV4MPEG2 W4 H3 F10:1 Cmono\n";
  const auto read_all = [&](const std::string& film) {
    put(folder / "a.y4m", film);
    const auto reader = video::open_video(folder / "a.y4m");
    while (reader->next()) {
    }
  };
  put(folder / "a.y4m", header + frame + frame + "FRAME\n1234567");
  const auto reader = video::open_video(folder / "a.y4m");
  CHECK(reader->next());
  CHECK(reader->next());
  try {
    reader->next();
    FAIL("nothing thrown");
  } catch (const video::BrokenVideo& error) {
    CHECK(error.frames() == 2);
    CHECK(error.time() == doctest::Approx(0.2));
    const std::string message = error.what();
    for (const char* const part : {"a.y4m", "after 2 frames", "0.2 s", "7 bytes", "12 bytes"})
      CHECK(contains(message, part));
  }
  CHECK_FALSE(reader->next());  // and no more after that

  CHECK(contains(message_of<video::BrokenVideo>([&] { read_all(header + frame + "FRA"); }), "after 1 frame,"));
  CHECK(contains(message_of<video::BrokenVideo>([&] { read_all(header + frame + "X" + frame); }), "begins with FRAME"));
  CHECK(contains(message_of<video::BrokenVideo>([&] { read_all(header + "FRAMES\n"); }), "after 0 frames"));
}

TEST_CASE("Y4M: first lines that make no sense are refused, with what was found") {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& line) {
    put(folder / "a.y4m", line);
    return message_of<FileError>([&] { video::open_video(folder / "a.y4m"); });
  };
  CHECK(contains(refused("YUV4MPEG2 H3 F25:1\n"), "W and H"));
  CHECK(contains(refused("YUV4MPEG2 W0 H3 F25:1\n"), "W and H"));
  CHECK(contains(refused("YUV4MPEG2 W-4 H3 F25:1\n"), "W-4"));
  CHECK(contains(refused("YUV4MPEG2 W4 H3x F25:1\n"), "H3x"));
  CHECK(contains(refused("YUV4MPEG2 W4 H3 F25\n"), "F30:1"));
  CHECK(contains(refused("YUV4MPEG2 W4 H3 F25:1 C420p10\n"), "C420p10"));
  CHECK(contains(refused("YUV4MPEG2 W4 H3 F25:1 Q7\n"), "Q7"));
  CHECK(contains(refused("YUV4MPEG2000 W4 H3 F25:1\n"), "a space"));
  CHECK(contains(refused("YUV4MPEG2 W4 H3 F25:1"), "the first line"));
  CHECK(contains(refused("YUV4MPEG2 W99999 H99999 F25:1\n"), "max_pixels"));
  CHECK(contains(refused(""), "nothing"));
}

TEST_CASE("a film written as Y4M is read as it was: to rounding with full chroma, and nearly with a quarter of it") {
  const TemporaryFolder folder;
  for (const auto& [width, height] : {std::pair<Index, Index>{16, 12}, {7, 5}, {1, 1}, {1, 4}})
    for (const bool full : {true, false}) {
      const auto film = video::create_video(folder / "a.y4m", {.frame_rate = 30000.0 / 1001, .full_chroma = full});
      for (Index i = 0; i < 3; ++i) film->write(picture(width, height, i));
      CHECK_FALSE(std::filesystem::exists(folder / "a.y4m"));
      film->finish();
      const auto reader = video::open_video(folder / "a.y4m");
      CHECK(reader->facts().frames == 3);
      CHECK(reader->facts().frame_rate == doctest::Approx(30000.0 / 1001).epsilon(1e-9));
      for (Index i = 0; i < 3; ++i) {
        const auto frame = reader->next();
        REQUIRE(frame);
        // A quarter of the chroma blurs the ramps a little.
        CHECK(greatest_difference(frame->image, picture(width, height, i)) <= (full ? 2 : 40));
      }
      std::filesystem::remove(folder / "a.y4m");
    }
}

TEST_CASE("writing: nothing is left of a film that was not finished, and the old one stays") {
  const TemporaryFolder folder;
  put(folder / "a.y4m", "the old one");
  {
    const auto film = video::create_video(folder / "a.y4m");
    film->write(picture(4, 4, 0));
  }
  CHECK(io::read_text(folder / "a.y4m") == "the old one");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
  const auto empty = video::create_video(folder / "b.y4m");
  CHECK(contains(message_of<ValueError>([&] { empty->finish(); }), "no frames"));
  CHECK(contains(message_of<FileError>([&] { video::create_video(folder / "no" / "b.y4m"); }), "no/b.y4m"));
  CHECK(contains(message_of<FileError>([&] { video::create_video(folder / "b.mp4"); }), "MIEN_VIDEO"));
}

TEST_CASE("writing: frames that do not fit are refused") {
  const TemporaryFolder folder;
  const auto film = video::create_video(folder / "a.y4m", {.frame_rate = 10});
  film->write(picture(4, 4, 0), 100.0);
  CHECK(contains(message_of<ValueError>([&] { film->write(picture(4, 5, 0)); }), "4 x 5"));
  CHECK_THROWS_AS(film->write(io::Image(4, 4, 1)), ValueError);
  CHECK_THROWS_AS(film->write(picture(4, 4, 0), 100.0), ValueError);
  CHECK_THROWS_AS(film->write(picture(4, 4, 0), 100.16), ValueError);  // no rhythm of ten a second
  CHECK_THROWS_AS(film->write(picture(4, 4, 0), std::nan("")), ValueError);
  film->write(picture(4, 4, 0), 100.13);
  film->finish();
  CHECK(film->frames_written() == 2);
  CHECK_THROWS_AS(film->write(picture(4, 4, 0)), ValueError);
  CHECK_THROWS_AS(video::create_video(folder / "b.y4m", {.frame_rate = 0}), ValueError);
}

TEST_CASE("writing: a film of which a frame could not be written takes no more of them, and gets no name") {
  const io::Image image = picture(4, 4, 0);
  for (const bool memory : {false, true}) {
    FailingWriter film;
    film.write(image, 3);
    film.next = [memory] {
      if (memory) throw std::bad_alloc();
      throw FileError("film", "", "a full disk", "room");
    };
    if (memory) CHECK_THROWS_AS(film.write(image, 4), std::bad_alloc);
    if (!memory) CHECK_THROWS_AS(film.write(image, 4), FileError);
    film.next = [] {};
    CHECK(contains(message_of<ValueError>([&] { film.write(image, 5); }), "the frame before could not be written"));
    CHECK(contains(message_of<ValueError>([&] { film.finish(); }), "a frame of it could not be written"));
    CHECK_FALSE(film.is_finished);
    CHECK(film.times == std::vector<double>{0});
  }
  // A frame that was refused is no harm.
  FailingWriter film;
  film.next = [] { throw ValueError("not this one"); };
  CHECK_THROWS_AS(film.write(image, 3), ValueError);
  film.next = [] {};
  film.write(image, 7);
  film.finish();
  CHECK(film.is_finished);
}

TEST_CASE("writing: every frame is later than the one before, if only a little") {
  const io::Image image = picture(4, 4, 0);
  FailingWriter film;
  film.write(image, -2);
  for (const double time : {-2.0, -2.5})
    CHECK(contains(message_of<ValueError>([&] { film.write(image, time); }), "s after one at 0 s"));
  film.write(image, -2 + 1e-9);
  film.write(image, 1);
  REQUIRE(film.times.size() == 3);
  CHECK(film.times[1] == doctest::Approx(1e-9));
  CHECK(film.times[2] == 3);
}

TEST_CASE("raw frames of a stated format, from files and pipes") {
  const TemporaryFolder folder;
  put(folder / "rgb", bytes({1, 2, 3, 4, 5, 6}) + bytes({7, 8, 9, 10, 11, 12}));
  const auto film = video::open_video(
      folder / "rgb", {.pixel_format = video::pixel_format("rgb24"), .width = 2, .height = 1, .frame_rate = 4});
  CHECK(film->facts().frames == 2);
  CHECK(film->facts().duration == doctest::Approx(0.5));
  CHECK(film->next()->image.pixels == std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6});
  const auto second = film->next();
  REQUIRE(second);
  CHECK(second->image.pixels == std::vector<std::uint8_t>{7, 8, 9, 10, 11, 12});
  CHECK(second->time == doctest::Approx(0.25));
  CHECK_FALSE(film->next());

  put(folder / "grey", bytes({0, 77, 255}));
  const io::Image grey =
      first_frame(folder / "grey", {.pixel_format = video::PixelFormat::gray, .width = 3, .height = 1});
  CHECK(grey.pixels == std::vector<std::uint8_t>{0, 0, 0, 77, 77, 77, 255, 255, 255});

  put(folder / "yuv", bytes({16, 235, 235}) + bytes({128, 128, 128, 128}));
  const video::VideoOptions yuv{.pixel_format = video::PixelFormat::yuv420p, .width = 3, .height = 1};
  CHECK(first_frame(folder / "yuv", yuv).pixels == std::vector<std::uint8_t>{0, 0, 0, 255, 255, 255, 255, 255, 255});

  put(folder / "cut", bytes({1, 2, 3, 4}));
  const auto cut =
      video::open_video(folder / "cut", {.pixel_format = video::PixelFormat::rgb24, .width = 1, .height = 1});
  CHECK(cut->next());
  CHECK(contains(message_of<video::BrokenVideo>([&] { cut->next(); }), "after 1 frame"));

  CHECK_THROWS_AS(video::pixel_format("nv12"), ValueError);
  CHECK(contains(message_of<ValueError>([&] {
                   video::open_video(folder / "rgb", {.pixel_format = video::PixelFormat::rgb24, .width = 2});
                 }),
                 "width and height"));
}

TEST_CASE("a pipe is read while it is written, and a read that waits can be cancelled") {
  const TemporaryFolder folder;
  const auto pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::promise<void> read_first;
  std::promise<void> may_end;
  std::thread writer([&] {
    std::ofstream out(pipe, std::ios::binary);
    // In pieces, as pipes give them.
    out << "YUV4MP" << std::flush << "EG2 W2 H1 F25:1 Cmono\nFRA" << std::flush << "ME\n" << bytes({16}) << std::flush;
    out << bytes({235}) << std::flush;
    read_first.get_future().wait();
    out << "FRAME\n" << bytes({16}) << std::flush;
    may_end.get_future().wait();
  });
  const auto film = video::open_video(pipe);
  CHECK_FALSE(film->facts().frames);
  const auto frame = film->next();
  REQUIRE(frame);
  CHECK(frame->image.pixels == std::vector<std::uint8_t>{0, 0, 0, 255, 255, 255});
  read_first.set_value();
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    film->cancel();
  });
  CHECK(contains(message_of<Error>([&] { film->next(); }), "cancelled"));
  canceller.join();
  may_end.set_value();
  writer.join();
}

TEST_CASE("a folder of pictures is a film in natural order") {
  const TemporaryFolder folder;
  for (const Index number : {1, 2, 10}) {
    io::Image image(3, 2, 3);
    image.at(0, 0)[0] = static_cast<std::uint8_t>(number);
    io::write_png(folder / ("frame " + std::to_string(number) + ".png"), image);
  }
  put(folder / "notes.txt", "no picture");
  const auto film = video::open_video(folder.path(), {.frame_rate = 8});
  CHECK(film->facts().width == 3);
  CHECK(film->facts().frames == 3);
  CHECK(film->facts().duration == doctest::Approx(0.375));
  for (const int number : {1, 2, 10}) {
    const auto frame = film->next();
    REQUIRE(frame);
    CHECK(red(frame->image, 0, 0) == number);
  }
  CHECK_FALSE(film->next());

  const TemporaryFolder empty;
  CHECK(contains(message_of<FileError>([&] { video::open_video(empty.path()); }), "no pictures"));
}

TEST_CASE("what cannot be opened is named, with what would help") {
  const TemporaryFolder folder;
  CHECK(contains(message_of<FileError>([&] { video::open_video(folder / "none.mp4"); }), "none.mp4"));
  put(folder / "film.mp4", "this is no Y4M");
  const std::string message = message_of<FileError>([&] { video::open_video(folder / "film.mp4"); });
  CHECK(contains(message, "MIEN_VIDEO"));
  CHECK(contains(message, "yuv4mpegpipe"));
  CHECK(contains(message_of<FileError>([&] { video::open_video("/dev/null"); }), "MIEN_VIDEO"));
  CHECK_THROWS_AS(video::open_video(folder / "film.mp4", {.frame_rate = -1}), ValueError);
}

TEST_CASE("reading ahead gives the same frames, in a bounded memory that goes round") {
  auto counting = std::make_unique<CountingReader>(50, false);
  CountingReader& film = *counting;
  video::ReadAhead ahead(std::move(counting), 3);
  CHECK(ahead.facts().width == 5);
  while (film.made < 3) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(film.made == 3);  // and no further before one is taken
  video::Frame frame;
  Index frames = 0;
  for (; ahead.read(frame); ++frames) {
    CHECK(frame.index == frames);
    CHECK(frame.time == doctest::Approx(0.25 * static_cast<double>(frames)));
  }
  CHECK(frames == 50);
  CHECK_FALSE(ahead.read(frame));
  CHECK(film.memory.size() <= 4);
}

TEST_CASE("reading ahead hands on what went wrong, in its turn") {
  video::ReadAhead ahead(std::make_unique<CountingReader>(2, true));
  CHECK(ahead.next());
  CHECK(ahead.next());
  CHECK(contains(message_of<video::BrokenVideo>([&] { ahead.next(); }), "a hole"));
  CHECK_FALSE(ahead.next());
  CHECK_THROWS_AS(video::ReadAhead(nullptr), ValueError);
  CHECK_THROWS_AS(video::ReadAhead(std::make_unique<CountingReader>(2, false), 0), ValueError);
}

TEST_CASE("reading ahead ends at once, even while it waits for a pipe") {
  for (const bool cancelled : {false, true}) {
    const TemporaryFolder folder;
    const auto pipe = folder / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    std::promise<void> may_end;
    std::thread writer([&] {
      std::ofstream out(pipe, std::ios::binary);
      out << "YUV4MPEG2 W2 H1 F25:1 Cmono\nFRAME\n" << bytes({16, 16}) << std::flush;
      may_end.get_future().wait();
    });
    {
      video::ReadAhead ahead(video::open_video(pipe));
      CHECK(ahead.next());
      if (cancelled) {
        std::thread canceller([&] { ahead.cancel(); });
        CHECK_THROWS_AS(ahead.next(), Error);
        canceller.join();
      }
    }
    // Only now, so that a destructor that waited for the pipe would never return.
    may_end.set_value();
    writer.join();
  }
}

TEST_CASE("reading ahead may be left in the middle, with frames that nobody took") {
  video::ReadAhead ahead(std::make_unique<CountingReader>(1000, false), 2);
  CHECK(ahead.next());
}
