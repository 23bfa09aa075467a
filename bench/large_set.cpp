/// Sets that do not fit into memory, and sets of very many clips. Run with limited memory by bench/limited_memory.sh.
///
/// The sets are made at first, in the folder for temporary files (or $TMPDIR), and stay there for the next run:
/// mien_bench_large_set, 116,508 clips of eight grey frames of 48 pixels, 2.1 GB as pixels in shards of 256 MiB; and
/// mien_bench_million, a million clips of eight frames of one pixel.

#include <mien/data/face_clips.hpp>
#include <mien/data/loader.hpp>
#include <mien/data/packed_pictures.hpp>
#include <mien/data/splits.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "common.hpp"
#include "resident_memory.hpp"

namespace {

using namespace mien;
namespace fs = std::filesystem;

/// As many noisy pictures of one size as are asked for: the number in a name says where its noise begins.
class Noise : public data::PictureSource {
 public:
  explicit Noise(Index side) : side_(side), bytes_(std::size_t{1} << 22) {
    Generator generator(1);
    for (std::byte& byte : bytes_) byte = static_cast<std::byte>(generator.below(256));
  }

  data::StoredPicture stored(const fs::path& name) const override {
    const auto size = static_cast<std::size_t>(side_ * side_);
    const std::size_t begin = std::stoull(name.string()) * 7919 % (bytes_.size() - size);
    return {std::span(bytes_).subspan(begin, size), side_, side_, 1};
  }

 private:
  Index side_;
  std::vector<std::byte> bytes_;
};

/// A packed set of clips of eight frames, of seven classes and a hundred people, made where it is not there yet.
fs::path packed_clips(const std::string& name, Index clips, Index side) {
  const fs::path path = fs::temp_directory_path() / name;
  if (data::is_packed(path)) return path;
  data::FrameSequences set{.class_names = {"a", "b", "c", "d", "e", "f", "g"}};
  const auto pictures = std::make_shared<const Noise>(side);
  for (Index clip = 0; clip < clips; ++clip) {
    std::vector<fs::path> frames;
    for (Index frame = 0; frame < 8; ++frame) frames.emplace_back(std::to_string(8 * clip + frame));
    set.samples.push_back({.name = "clip " + std::to_string(clip),
                           .label = clip % 7,
                           .subject = "person " + std::to_string(clip % 100),
                           .split = clip % 5 == 0 ? "test" : "train",
                           .frames = std::move(frames),
                           .pictures = pictures});
  }
  data::write_packed(path, set, {.form = data::PackedForm::pixels, .shard_bytes = std::uint64_t{256} << 20});
  return path;
}

// --- larger than memory ---------------------------------------------------------------------------------------------

/// The set, of which the system keeps nothing in memory any more, or all that there is room for.
fs::path large_set(bool warm) {
  const fs::path folder = packed_clips("mien_bench_large_set", 116'508, 48);
  for (const std::string& name : io::names_in_folder(folder)) {
    const io::detail::FileDescriptor file(io::detail::open_regular(folder / name).first);
    ::fdatasync(file.get());
    if (!warm) ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
    std::vector<char> buffer(std::size_t{1} << 20);
    while (warm && ::read(file.get(), buffer.data(), buffer.size()) > 0) continue;
  }
  return folder;
}

/// Batches of 32 in the own order of the samples (0), shuffled in a window of so many, or shuffled as a whole (-1).
/// Frames become small, so that it is reading that takes the time.
void batches(benchmark::State& state) {
  const auto set = data::read_packed(large_set(state.range(1) == 1));
  const Index window = state.range(0);
  const data::Loader loader(data::FaceClips(set, {.clips = 1, .frames = 8, .side = 8, .channels = 1}),
                            {.batch = 32,
                             .shuffle = window != 0,
                             .drop_last = true,
                             .prefetch = 4,
                             .shuffle_window = std::max<Index>(0, window)});
  // Another order each time.
  static Index number = 0;
  std::optional<data::Epoch<data::FaceBatch>> epoch;
  for (auto _ : state) {
    if (!epoch || ++epoch->begin() == epoch->end()) epoch.emplace(loader.epoch(number++));
    benchmark::DoNotOptimize(epoch->begin()->frames.data());
  }
  state.SetItemsProcessed(state.iterations() * 32);
}
BENCHMARK(batches)
    ->ArgNames({"window", "warm"})
    ->ArgsProduct({{0, 1024, 8192, -1}, {0, 1}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// --- a million clips ------------------------------------------------------------------------------------------------

data::FrameSequences million() { return data::read_packed(packed_clips("mien_bench_million", 1'000'000, 1)); }

void opening(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(million().samples.data());
  state.counters["peak MiB"] = bench::peak_resident_mib();
}
BENCHMARK(opening)->Unit(benchmark::kMillisecond);

void dividing(benchmark::State& state) {
  const auto set = million();
  for (auto _ : state) {
    set.check_labels();
    benchmark::DoNotOptimize(data::subject_folds(set.subjects(), set.labels(), 5, 1).data());
  }
}
BENCHMARK(dividing)->Unit(benchmark::kMillisecond);

data::Loader<data::FaceBatch> loader_of(data::FrameSequences set) {
  return data::Loader(data::FaceClips(std::move(set), {.clips = 1, .side = 8, .channels = 1}),
                      {.batch = 32, .shuffle_window = 8192});
}

void making_a_loader(benchmark::State& state) {
  const auto set = million();
  for (auto _ : state) benchmark::DoNotOptimize(loader_of(set).batches());
}
BENCHMARK(making_a_loader)->Unit(benchmark::kMillisecond);

void fingerprint(benchmark::State& state) {
  const auto loader = loader_of(million());
  for (auto _ : state) benchmark::DoNotOptimize(loader.fingerprint());
}
BENCHMARK(fingerprint)->Unit(benchmark::kMillisecond);

void first_batch(benchmark::State& state) {
  const auto loader = loader_of(million());
  for (auto _ : state) benchmark::DoNotOptimize(loader.epoch(1).begin()->frames.data());
  state.counters["peak MiB"] = bench::peak_resident_mib();
}
BENCHMARK(first_batch)->Unit(benchmark::kMillisecond);

}  // namespace
