// Seeds of the fuzz targets, what once was a find, and some damage to both: through the same functions as in
// tests/fuzz, with any compiler. Finds lie in tests/fuzz/crashes/<target>, each named by what it did.

#include <doctest/doctest.h>

#include <algorithm>
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

using namespace mien;
using namespace mien::fuzzing;

namespace {

/// All but `film`, which needs FFmpeg.
const std::vector<std::pair<std::string, const Target*>> targets{{"afew_va", &afew_va_target},
                                                                 {"announced_size", &announced_size_target},
                                                                 {"annotations", &annotations_target},
                                                                 {"checkpoint", &checkpoint_target},
                                                                 {"csv", &csv_target},
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

TEST_CASE("what once was a find does no more than throw an Error") {
  for (const auto& folder : std::filesystem::directory_iterator(fuzz_folder / "crashes")) {
    const std::string name = folder.path().filename().string();
    const auto target =
        std::find_if(targets.begin(), targets.end(), [&](const auto& known) { return known.first == name; });
    if (target == targets.end() && name == "film") continue;
    CAPTURE(name);
    REQUIRE(target != targets.end());
    for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
      CAPTURE(file.path().filename().string());
      CHECK_NOTHROW(static_cast<void>(is_read(*target->second, io::read_file(file.path()))));
    }
  }
}

TEST_CASE("every target is replayed") {
  for (const auto& header : std::filesystem::directory_iterator(fuzz_folder / "targets")) {
    const std::string name = header.path().stem().string();
    CAPTURE(name);
    CHECK((name == "film" ||
           std::any_of(targets.begin(), targets.end(), [&](const auto& known) { return known.first == name; })));
  }
}
