#include <mien/data/clip.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace mien;
using data::clip_frames;
using data::ClipSampling;

using Frames = std::vector<Index>;

namespace {

Frames centred(Index length, Index clips, Index frames) {
  Generator generator(1);
  return clip_frames(length, {.clips = clips, .frames = frames}, generator);
}

}  // namespace

TEST_CASE("centred clips are the middles of equal stretches") {
  CHECK(centred(12, 3, 2) == Frames{1, 3, 5, 7, 9, 11});
  CHECK(centred(10, 1, 1) == Frames{5});
  CHECK(centred(9, 3, 1) == Frames{1, 4, 7});
  CHECK(centred(7, 1, 3) == Frames{1, 3, 5});
  CHECK(centred(3, 1, 3) == Frames{0, 1, 2});
  CHECK(centred(100, 2, 5) == Frames{5, 15, 25, 35, 45, 55, 65, 75, 85, 95});
}

TEST_CASE("a short video repeats its frames evenly, in order") {
  CHECK(centred(1, 2, 3) == Frames{0, 0, 0, 0, 0, 0});
  CHECK(centred(3, 2, 3) == Frames{0, 0, 1, 1, 2, 2});
  CHECK(centred(2, 3, 1) == Frames{0, 1, 1});
  for (Index length = 1; length < 20; ++length) {
    const Frames frames = centred(length, 4, 5);
    CHECK(std::is_sorted(frames.begin(), frames.end()));
    for (Index frame = 0; frame < length; ++frame) {
      const auto times = std::count(frames.begin(), frames.end(), frame);
      CHECK(times >= 20 / length);
      CHECK(times <= 20 / length + 1);
    }
  }
}

TEST_CASE("random clips are different frames of their own part, ascending") {
  Generator generator(7);
  for (const Index length : {31, 60, 65}) {
    for (int trial = 0; trial < 50; ++trial) {
      const Frames frames = clip_frames(length, {.clips = 3, .frames = 7, .sampling = ClipSampling::random}, generator);
      REQUIRE(frames.size() == 21);
      CHECK(std::set<Index>(frames.begin(), frames.end()).size() == 21);
      CHECK(std::is_sorted(frames.begin(), frames.end()));
      for (Index k = 0; k < 3; ++k)
        for (Index t = 0; t < 7; ++t) {
          const Index frame = frames[static_cast<std::size_t>(k * 7 + t)];
          CHECK(frame >= k * length / 3);
          CHECK(frame < (k + 1) * length / 3);
        }
    }
  }
}

TEST_CASE("random clips reach every frame equally often") {
  Generator generator(3);
  std::vector<int> times(10, 0);
  for (int trial = 0; trial < 5000; ++trial)
    for (const Index frame : clip_frames(10, {.clips = 2, .frames = 2, .sampling = ClipSampling::random}, generator))
      ++times[static_cast<std::size_t>(frame)];
  for (const int count : times) {
    CHECK(count > 1850);
    CHECK(count < 2150);
  }
}

TEST_CASE("random clips of parts without a choice need none") {
  Generator generator(3);
  CHECK(clip_frames(6, {.clips = 2, .frames = 3, .sampling = ClipSampling::random}, generator) ==
        Frames{0, 1, 2, 3, 4, 5});
  CHECK(clip_frames(3, {.clips = 2, .frames = 3, .sampling = ClipSampling::random}, generator) ==
        Frames{0, 0, 1, 1, 2, 2});
  // Parts of 2 and 3 frames: the first repeats, the second does not.
  for (int trial = 0; trial < 20; ++trial) {
    const Frames mixed = clip_frames(5, {.clips = 2, .frames = 3, .sampling = ClipSampling::random}, generator);
    CHECK(mixed == Frames{0, 1, 2, 2, 3, 4});
  }
}

TEST_CASE("the generator decides random clips and is not touched by centred ones") {
  Generator one(5);
  Generator same(5);
  Generator other(6);
  const data::ClipOptions random{.clips = 2, .frames = 8, .sampling = ClipSampling::random};
  const Frames frames = clip_frames(300, random, one);
  CHECK(frames == clip_frames(300, random, same));
  CHECK(frames != clip_frames(300, random, other));
  CHECK(frames != clip_frames(300, random, one));
  const auto state = one.state();
  clip_frames(300, {}, one);
  CHECK(one.state() == state);
}

TEST_CASE("impossible clips are refused") {
  Generator generator(1);
  CHECK_THROWS_AS(clip_frames(0, {}, generator), ValueError);
  CHECK_THROWS_AS(clip_frames(5, {.clips = 0}, generator), ValueError);
  CHECK_THROWS_AS(clip_frames(5, {.frames = -1}, generator), ValueError);
  constexpr Index huge = Index{1} << 62;
  CHECK_THROWS_AS(clip_frames(5, {.clips = huge, .frames = huge}, generator), ValueError);
  const data::ClipOptions strict{.clips = 2, .frames = 3, .short_video = data::ShortVideo::reject};
  CHECK(clip_frames(6, strict, generator).size() == 6);
  CHECK_THROWS_WITH_AS(clip_frames(5, strict, generator),
                       "clip_frames: the video has 5 frames, fewer than 2 clips of 3", ValueError);
}
