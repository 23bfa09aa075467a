#pragma once

/// Where the weights lie that come with the library.

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "mien/core/error.hpp"

namespace mien::face {

inline constexpr std::string_view detector_weights = "face_detector.safetensors";
inline constexpr std::string_view expression_weights = "face_expression.safetensors";

namespace detail {

/// The first of `folder` and the folders above it that holds the file in one of the places for weights: those of an
/// installed library and of its source. Empty if there is none.
inline std::filesystem::path find_above(std::filesystem::path folder, std::string_view name) {
  static constexpr std::array<std::string_view, 2> places{"share/mien/weights", "examples/data/weights"};
  for (;; folder = folder.parent_path()) {
    for (const std::string_view place : places) {
      std::error_code ignored;
      std::filesystem::path path = folder / place / name;
      if (std::filesystem::is_regular_file(path, ignored)) return path;
    }
    if (folder == folder.parent_path()) return {};
  }
}

}  // namespace detail

/// The path of a file that comes with the library, such as `detector_weights`: in the folder that the environment's
/// MIEN_WEIGHTS names, or, unless it does, in `share/mien/weights` or `examples/data/weights` of the working folder, of
/// the running program's folder, or of one above these, or else in MIEN_WEIGHTS_FOLDER, which linking the CMake target
/// mien::io defines as that of the library that was found. Throws FileError that says where it was looked for.
inline std::filesystem::path find_weights(std::string_view name) {
  std::error_code ignored;
  if (const char* const told = std::getenv("MIEN_WEIGHTS"); told != nullptr && *told != '\0') {
    std::filesystem::path path = std::filesystem::path(told) / name;
    if (std::filesystem::is_regular_file(path, ignored)) return path;
    throw FileError(path.string(), "", "no such file", "weights in the folder that MIEN_WEIGHTS names");
  }
  const std::filesystem::path working = std::filesystem::current_path(ignored);
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const std::filesystem::path& folder : {working, program}) {
    if (folder.empty()) continue;
    if (std::filesystem::path path = detail::find_above(folder, name); !path.empty()) return path;
  }
#if defined(MIEN_WEIGHTS_FOLDER)
  if (std::filesystem::path path = std::filesystem::path(MIEN_WEIGHTS_FOLDER) / name;
      std::filesystem::is_regular_file(path, ignored))
    return path;
#endif
  throw FileError(name, "", "no such file",
                  mien::detail::text("it in share/mien/weights or examples/data/weights of ", working.string(), ", ",
                                     program.string(), " or a folder above, or MIEN_WEIGHTS to name its folder"));
}

}  // namespace mien::face
