#pragma once

/// The version of the library. These three numbers are its only home: CMake and the package files read them from here.

#if (defined(_MSVC_LANG) && _MSVC_LANG < 202002L) || (!defined(_MSVC_LANG) && __cplusplus < 202002L)
#error "mien needs C++20: compile with -std=c++20, or set CMAKE_CXX_STANDARD to 20"
#endif

#include <compare>

#define MIEN_VERSION_MAJOR 0
#define MIEN_VERSION_MINOR 1
#define MIEN_VERSION_PATCH 0

#define MIEN_DETAIL_TEXT_OF(x) #x
#define MIEN_DETAIL_VERSION_TEXT(major, minor, patch) \
  MIEN_DETAIL_TEXT_OF(major) "." MIEN_DETAIL_TEXT_OF(minor) "." MIEN_DETAIL_TEXT_OF(patch)

namespace mien {

/// Versions compare as one expects: `mien::library_version >= mien::Version{0, 1, 0}`.
struct Version {
  int major;
  int minor;
  int patch;

  friend constexpr bool operator==(const Version&, const Version&) = default;
  friend constexpr auto operator<=>(const Version&, const Version&) = default;
};

inline constexpr Version library_version{MIEN_VERSION_MAJOR, MIEN_VERSION_MINOR, MIEN_VERSION_PATCH};

/// "0.1.0"
constexpr const char* version() {
  return MIEN_DETAIL_VERSION_TEXT(MIEN_VERSION_MAJOR, MIEN_VERSION_MINOR, MIEN_VERSION_PATCH);
}

}  // namespace mien

#undef MIEN_DETAIL_VERSION_TEXT
#undef MIEN_DETAIL_TEXT_OF
