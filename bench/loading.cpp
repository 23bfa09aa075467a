/// Reading pictures: 10,000 grey ones of 48 pixels as PNG files, packed as they are, and packed as pixels.

#include <mien/data/packed_pictures.hpp>
#include <mien/io/image.hpp>

#include <filesystem>
#include <string>

#include "common.hpp"

namespace {

using namespace mien;
namespace fs = std::filesystem;

/// A data set of noisy pictures in a folder that is gone in the end; noise compresses as badly as photographs of this
/// size do.
class Pictures {
 public:
  Pictures() : folder_(fs::temp_directory_path() / "mien_bench_loading") {
    fs::create_directories(folder_);
    Generator generator(1);
    for (int i = 0; i < 10'000; ++i) {
      io::Image image(48, 48, 1);
      for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(64 + generator.below(128));
      const fs::path path = folder_ / (std::to_string(i) + ".png");
      io::write_png(path, image);
      files_.samples.push_back({.name = std::to_string(i), .frames = {path}});
    }
    files_.class_names = {"any"};
  }
  ~Pictures() { fs::remove_all(folder_); }
  Pictures(const Pictures&) = delete;
  Pictures& operator=(const Pictures&) = delete;

  const data::FrameSequences& files() const { return files_; }
  data::FrameSequences packed(data::PackedForm form) const {
    const fs::path path = folder_ / (form == data::PackedForm::pixels ? "pixels" : "packed");
    data::write_packed(path, files_, {.form = form});
    return data::read_packed(path);
  }

 private:
  fs::path folder_;
  data::FrameSequences files_;
};

const Pictures& pictures() {
  static const Pictures all;
  return all;
}

void read_all(benchmark::State& state, const data::FrameSequences& set) {
  for (auto _ : state)
    for (const auto& sample : set.samples) benchmark::DoNotOptimize(data::read_frame(sample, 0).pixels.data());
  state.SetItemsProcessed(state.iterations() * set.size());
}

void files(benchmark::State& state) { read_all(state, pictures().files()); }
void packed(benchmark::State& state) { read_all(state, pictures().packed(data::PackedForm::as_they_are)); }
void packed_pixels(benchmark::State& state) { read_all(state, pictures().packed(data::PackedForm::pixels)); }
BENCHMARK(files)->Unit(benchmark::kMillisecond);
BENCHMARK(packed)->Unit(benchmark::kMillisecond);
BENCHMARK(packed_pixels)->Unit(benchmark::kMillisecond);

}  // namespace
