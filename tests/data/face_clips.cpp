#include <mien/data/face_clips.hpp>
#include <mien/data/loader.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;
using data::FaceBatch;
using data::FaceClips;
using data::FaceClipsOptions;
using data::Loader;

static_assert(data::Source<FaceClips>);

namespace {

constexpr data::Normalisation plain{};

/// Videos of 5, 1 and 9 grey frames; frame f of video v is of one colour, 20 v + f, and 6 pixels wide or more.
data::FrameSequences three_videos(const TemporaryFolder& root) {
  data::FrameSequences videos{.class_names = {"calm", "glad"}};
  const std::vector<Index> lengths{5, 1, 9};
  for (std::size_t v = 0; v < lengths.size(); ++v) {
    data::FrameSequence video{.name = "video " + std::to_string(v), .label = static_cast<Index>(v % 2)};
    for (Index f = 0; f < lengths[v]; ++f) {
      const auto path = root / (std::to_string(v) + "_" + std::to_string(f) + ".png");
      io::write_png(path, io::Image(6 + f, 6, 1, static_cast<std::uint8_t>(20 * static_cast<Index>(v) + f)));
      video.frames.push_back(path);
    }
    videos.samples.push_back(video);
  }
  return videos;
}

/// A frame's colour, from 0 to 255.
int colour_of(const FaceBatch& batch, Index sample, Index clip, Index frame) {
  return static_cast<int>(std::lround(255 * batch.frames(sample, clip, frame, 2, 2, 0)));
}

bool same(const Tensor<float>& a, const Tensor<float>& b) {
  return a.shape() == b.shape() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.elements()) * sizeof(float)) == 0;
}

std::vector<FaceBatch> run(const Loader<FaceBatch>& loader, Index epoch) {
  std::vector<FaceBatch> batches;
  for (const auto& batch : loader.epoch(epoch)) batches.push_back(batch);
  return batches;
}

}  // namespace

TEST_CASE("a batch holds the frames that clip_frames names, with labels and names") {
  const TemporaryFolder root;
  const FaceClips clips(three_videos(root), {.clips = 2, .frames = 3, .side = 5, .normalisation = plain});
  const Loader loader(clips, {.batch = 3, .shuffle = false});
  for (const FaceBatch& batch : loader.epoch(0)) {
    CHECK(batch.frames.shape() == Shape{3, 2, 3, 5, 5, 3});
    CHECK(batch.labels == std::vector<Index>{0, 1, 0});
    CHECK(batch.names == std::vector<std::string>{"video 0", "video 1", "video 2"});
    Generator unused;
    const std::vector<Index> lengths{5, 1, 9};
    for (Index v = 0; v < 3; ++v) {
      const auto frames = data::clip_frames(lengths[static_cast<std::size_t>(v)], {.clips = 2, .frames = 3}, unused);
      for (Index i = 0; i < 6; ++i)
        CHECK(colour_of(batch, v, i / 3, i % 3) == 20 * v + frames[static_cast<std::size_t>(i)]);
    }
  }
}

TEST_CASE("any number of workers, and any size of the cache, give the same bits") {
  const TemporaryFolder root;
  const auto videos = three_videos(root);
  FaceClipsOptions options{.clips = 2,
                           .frames = 2,
                           .sampling = data::ClipSampling::random,
                           .side = 7,
                           .channels = 1,
                           .augmentation = {.mirror = 0.5, .rotation = 9, .shift = 0.2, .brightness = 0.2}};
  const auto expected = run(Loader(FaceClips(videos, options), {.batch = 2, .seed = 4, .workers = 0}), 5);
  REQUIRE(expected.size() == 2);
  for (const Index workers : {1, 3})
    for (const std::size_t cache : {std::size_t{0}, std::size_t{50}, std::size_t{1} << 20}) {
      options.cache_bytes = cache;
      const auto batches = run(Loader(FaceClips(videos, options), {.batch = 2, .seed = 4, .workers = workers}), 5);
      REQUIRE(batches.size() == 2);
      for (std::size_t b = 0; b < 2; ++b) {
        CHECK(same(batches[b].frames, expected[b].frames));
        CHECK(batches[b].names == expected[b].names);
      }
    }
}

TEST_CASE("all frames of a video share one variation") {
  const TemporaryFolder root;
  Generator generator(1);
  io::Image image(16, 16, 3);
  for (auto& pixel : image.pixels) pixel = static_cast<std::uint8_t>(generator.below(256));
  io::write_png(root / "1.png", image);
  data::FrameSequences videos{.class_names = {"one"}};
  videos.samples.push_back({.name = "still", .frames = {root / "1.png"}});
  FaceClipsOptions options{.clips = 2, .frames = 3, .side = 9};
  options.augmentation = {
      .mirror = 0.5, .rotation = 20, .scale = 0.2, .shift = 0.1, .brightness = 0.2, .contrast = 0.2};
  const auto frames_of = [&](std::uint64_t seed) {
    Generator stream(seed);
    return FaceClips(videos, options).make(0, stream).frames;
  };
  const auto frames = frames_of(1);
  for (Index i = 1; i < 6; ++i) CHECK(same(frames.select(0, i / 3).select(0, i % 3), frames.select(0, 0).select(0, 0)));
  CHECK_FALSE(same(frames, frames_of(2)));

  // Drift alone tells frames apart: that makes a clip out of a still picture.
  options.augmentation = {.drift = 0.3};
  const auto moving = frames_of(1);
  for (Index i = 1; i < 6; ++i)
    CHECK_FALSE(same(moving.select(0, i / 3).select(0, i % 3), moving.select(0, (i - 1) / 3).select(0, (i - 1) % 3)));
}

TEST_CASE("the cache keeps what fits and reads each picture's forms apart") {
  const TemporaryFolder root;
  io::write_png(root / "a.png", io::Image(4, 4, 3, 100));
  io::write_png(root / "b.png", io::Image(4, 4, 3, 50));
  data::ImageCache cache(60);
  const auto first = cache.read(root / "a.png", 3);
  CHECK(cache.bytes() == 48);
  CHECK(cache.read(root / "a.png", 3) == first);
  CHECK(cache.read(root / "b.png", 3)->pixels[0] == 50);
  CHECK(cache.bytes() == 48);
  CHECK(cache.read(root / "a.png", 1)->channels == 1);
  CHECK_THROWS_AS(cache.read(root / "c.png", 3), FileError);
}

TEST_CASE("a damaged frame is told with the video's and the file's name") {
  const TemporaryFolder root;
  auto videos = three_videos(root);
  std::ofstream(root / "2_4.png", std::ios::binary) << "<html>";
  std::filesystem::remove(root / "2_5.png");
  const auto problems = data::unreadable_frames(videos);
  REQUIRE(problems.size() == 2);
  CHECK(contains(problems[0], "2_4.png"));
  CHECK(contains(problems[1], "2_5.png"));
  const Loader loader(FaceClips(videos, {.clips = 1, .frames = 9, .side = 4}), {.batch = 2, .shuffle = false});
  const auto message = message_of<FileError>([&] { run(loader, 0); });
  CHECK(contains(message, "sample video 2: "));
  CHECK(contains(message, "2_4.png"));
}

TEST_CASE("what cannot work is refused before the first batch") {
  const TemporaryFolder root;
  auto videos = three_videos(root);
  CHECK_THROWS_AS(FaceClips(videos, {.clips = 0}), ValueError);
  CHECK_THROWS_AS(FaceClips(videos, {.side = 0}), ValueError);
  CHECK_THROWS_AS(FaceClips(videos, {.augmentation = {.mirror = 7}}), ValueError);
  CHECK(contains(message_of<ValueError>(
                     [&] { FaceClips(videos, {.clips = 1, .frames = 2, .short_video = data::ShortVideo::reject}); }),
                 "`video 1`"));
  videos.samples[1].label = 2;
  CHECK_THROWS_AS(FaceClips{videos}, ValueError);
  videos.samples[1].label = 1;
  videos.samples[1].frames.clear();
  CHECK_THROWS_WITH_AS(FaceClips{videos}, "`video 1` has no frames", ValueError);
  CHECK(FaceClips(data::FrameSequences{}).size() == 0);
  CHECK_THROWS_AS(FaceClips(data::FrameSequences{}, {.frames = 0}), ValueError);
  const FaceClips small(data::FrameSequences{}, {.clips = 1, .frames = 1, .side = 2});
  CHECK(small.collate({}).frames.shape() == Shape{0, 1, 1, 2, 2, 3});
  CHECK_THROWS_AS(small.collate({{Tensor<float>({1, 1, 4, 4, 3}, 0.F), 0, ""}}), ShapeError);
}
