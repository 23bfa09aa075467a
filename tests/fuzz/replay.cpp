// Seeds of the fuzz targets, what once was a find, and some damage to both: through the same functions as in
// tests/fuzz, with any compiler. Finds lie in tests/fuzz/crashes/<target>, each named by what it did. With
// MIEN_FUZZ_RUNS=build/fuzz/runs in the environment so does what the fuzzers have learnt: to see it under another
// sanitizer, or which lines they do not reach.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <mien/core/random.hpp>

#include "fuzz/targets/afew_va.hpp"
#include "fuzz/targets/annotations.hpp"
#include "fuzz/targets/announced_size.hpp"
#include "fuzz/targets/checkpoint.hpp"
#include "fuzz/targets/csv.hpp"
#include "fuzz/targets/image.hpp"
#include "fuzz/targets/image_stb.hpp"
#include "fuzz/targets/joint_recordings.hpp"
#include "fuzz/targets/joint_table.hpp"
#include "fuzz/targets/journal.hpp"
#include "fuzz/targets/json.hpp"
#include "fuzz/targets/model_file.hpp"
#include "fuzz/targets/npy.hpp"
#include "fuzz/targets/onnx.hpp"
#include "fuzz/targets/openpose.hpp"
#include "fuzz/targets/packed_pictures.hpp"
#include "fuzz/targets/pickle.hpp"
#include "fuzz/targets/pytorch_archive.hpp"
#include "fuzz/targets/raw_frames.hpp"
#include "fuzz/targets/safetensors.hpp"
#include "fuzz/targets/space.hpp"
#include "fuzz/targets/y4m.hpp"
#ifdef MIEN_WITH_VIDEO
#include "fuzz/targets/film.hpp"
#endif

using namespace mien;
using namespace mien::fuzzing;

namespace {

const std::vector<std::pair<std::string, const Target*>> targets{{"afew_va", &afew_va_target},
                                                                 {"announced_size", &announced_size_target},
                                                                 {"annotations", &annotations_target},
                                                                 {"checkpoint", &checkpoint_target},
                                                                 {"csv", &csv_target},
#ifdef MIEN_WITH_VIDEO
                                                                 {"film", &film_target},
#endif
                                                                 {"image", &image_target},
                                                                 {"image_stb", &image_stb_target},
                                                                 {"joint_recordings", &joint_recordings_target},
                                                                 {"joint_table", &joint_table_target},
                                                                 {"journal", &journal_target},
                                                                 {"json", &json_target},
                                                                 {"model_file", &model_file_target},
                                                                 {"npy", &npy_target},
                                                                 {"onnx", &onnx_target},
                                                                 {"openpose", &openpose_target},
                                                                 {"packed_pictures", &packed_pictures_target},
                                                                 {"pickle", &pickle_target},
                                                                 {"pytorch_archive", &pytorch_archive_target},
                                                                 {"raw_frames", &raw_frames_target},
                                                                 {"safetensors", &safetensors_target},
                                                                 {"space", &space_target},
                                                                 {"y4m", &y4m_target}};

bool has_ffmpeg() {
#ifdef MIEN_WITH_VIDEO
  return true;
#else
  return false;
#endif
}

const std::filesystem::path fuzz_folder = std::filesystem::path(MIEN_SOURCE_DIR) / "tests/fuzz";

/// A file that was cut, or some of whose bytes are others.
std::string damaged(std::string file, Generator& generator) {
  const auto size = static_cast<Index>(file.size());
  if (generator.below(3) == 0) return file.substr(0, static_cast<std::size_t>(generator.below(size + 1)));
  for (Index i = generator.below(4); i >= 0 && size > 0; --i)
    file[static_cast<std::size_t>(generator.below(size))] = static_cast<char>(generator.below(256));
  return file;
}

}  // namespace

TEST_CASE("every seed is read") {
  for (const auto& known : targets) {
    const std::string& name = known.first;
    const Target* const target = known.second;
    const auto seeds = target->seeds();
    CHECK_FALSE(seeds.empty());
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      CAPTURE(name);
      CAPTURE(i);
      CHECK_NOTHROW(target->read(bytes_of(seeds[i])));
    }
  }
}

TEST_CASE("damaged seeds do no more than throw an Error") {
  Generator generator(5);
  for (const auto& known : targets) {
    const std::string& name = known.first;
    const Target* const target = known.second;
    CAPTURE(name);
    int refused = 0;
    for (const std::string& seed : target->seeds())
      for (int trial = 0; trial < 60; ++trial)
        CHECK_NOTHROW(refused += is_read(*target, bytes_of(damaged(seed, generator))) ? 0 : 1);
    CHECK((refused > 0 || name == "announced_size"));
  }
}

namespace {

/// Gives a target the files of a folder.
void replay(const std::string& name, const std::filesystem::path& folder) {
  if (name == "film" && !has_ffmpeg()) return;
  CAPTURE(name);
  const auto target =
      std::find_if(targets.begin(), targets.end(), [&](const auto& known) { return known.first == name; });
  REQUIRE(target != targets.end());
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    CAPTURE(file.path().filename().string());
    CHECK_NOTHROW(static_cast<void>(is_read(*target->second, io::read_file(file.path()))));
  }
}

}  // namespace

TEST_CASE("what once was a find does no more than throw an Error") {
  for (const auto& folder : std::filesystem::directory_iterator(fuzz_folder / "crashes"))
    replay(folder.path().filename().string(), folder.path());
}

TEST_CASE("what fuzzers have learnt does no more than throw an Error" *
          doctest::skip(std::getenv("MIEN_FUZZ_RUNS") == nullptr)) {
  for (const auto& run : std::filesystem::directory_iterator(std::getenv("MIEN_FUZZ_RUNS")))
    replay(run.path().filename().string(), run.path() / "corpus");
}

TEST_CASE("every target is replayed") {
  for (const auto& header : std::filesystem::directory_iterator(fuzz_folder / "targets")) {
    const std::string name = header.path().stem().string();
    CAPTURE(name);
    const bool is_known =
        std::any_of(targets.begin(), targets.end(), [&](const auto& known) { return known.first == name; });
    CHECK(is_known == (name != "film" || has_ffmpeg()));
  }
}
