// Frames a second of decoding and of drawing on frames. Rates are a core's: frames by seconds of all processors' time.
#include <mien/gesture/joint_groups.hpp>
#include <mien/video/overlay.hpp>
#include <mien/video/read_ahead.hpp>
#include <mien/video/reader.hpp>
#include <mien/video/writer.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>

#include "resident_memory.hpp"

namespace {

using namespace mien;

const std::string shipped = MIEN_SOURCE_DIR "/examples/data/videos/WolfgangLanger_Pexels.mp4";

void report(benchmark::State& state, Index frames) {
  state.counters["frames/s of a core"] = benchmark::Counter(static_cast<double>(frames), benchmark::Counter::kIsRate);
  state.counters["peak_MiB"] = bench::peak_resident_mib();
}

void read_all(benchmark::State& state, const std::string& path, int threads, bool ahead) {
  Index frames = 0;
  video::Frame frame;
  for (auto _ : state) {
    auto film = video::open_video(path, {.threads = threads});
    if (ahead) film = std::make_unique<video::ReadAhead>(std::move(film));
    while (film->read(frame)) ++frames;
  }
  report(state, frames);
}

void decode(benchmark::State& state) { read_all(state, shipped, static_cast<int>(state.range(0)), false); }

void decode_ahead(benchmark::State& state) { read_all(state, shipped, static_cast<int>(state.range(0)), true); }

/// The first two seconds of the film as Y4M, 4:2:0.
void read_y4m(benchmark::State& state) {
  const auto path = std::filesystem::temp_directory_path() / "mien-bench.y4m";
  {
    const auto film = video::open_video(shipped);
    const auto copy = video::create_video(path, {.frame_rate = film->facts().frame_rate});
    video::Frame frame;
    while (copy->frames_written() < 48 && film->read(frame)) copy->write(frame.image);
    copy->finish();
  }
  read_all(state, path.string(), 1, false);
  std::filesystem::remove(path);
}

/// A face, its table of probabilities, a body and ten seconds at the foot, on a frame of `range(0)` rows.
void draw_overlay(benchmark::State& state) {
  const Index rows = state.range(0);
  io::Image image(rows * 16 / 9, rows, 3, 90);
  const auto names = data::emotion_class_names();
  const std::array<double, 7> probabilities{0.4, 0.1, 0.2, 0.05, 0.1, 0.05, 0.1};
  video::ProbabilityTimeline timeline(names);
  for (int i = 0; i < 250; ++i) timeline.add(0.04 * i, probabilities);
  const auto size = static_cast<double>(rows);
  auto pose = gesture::standing_pose();
  for (Index joint = 0; joint < pose.size(0); ++joint)
    for (Index axis = 0; axis < 2; ++axis) pose(joint, axis) *= static_cast<float>(rows);
  Index frames = 0;
  for (auto _ : state) {
    video::draw_box(image, {0.6 * size, 0.1 * size, 0.4 * size, 0.5 * size}, "happiness 40%");
    video::draw_body(image, pose);
    video::draw_probabilities(image, names, probabilities, video::Corner::top_right);
    timeline.draw(image);
    ++frames;
  }
  report(state, frames);
}

BENCHMARK(decode)->Arg(1)->Arg(0)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);
BENCHMARK(decode_ahead)->Arg(1)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);
BENCHMARK(read_y4m)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);
BENCHMARK(draw_overlay)->Arg(360)->Arg(1080)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

}  // namespace
