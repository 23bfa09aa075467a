#pragma once

// Programs in Python that tests compare with, where there are any.

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

namespace testing {

/// The interpreter: that of the environment's MIEN_PYTHON, or the one that CMake was told of, or python3.
inline std::string python() {
  if (const char* const told = std::getenv("MIEN_PYTHON"); told != nullptr && *told != '\0') return told;
#if defined(MIEN_PYTHON)
  return MIEN_PYTHON;
#else
  return "python3";
#endif
}

/// Whether a command of Python's ends well; what it prints is seen only if `loud`.
inline bool python_succeeds(const std::string& arguments, bool loud = true) {
  const std::string command = "'" + python() + "' -W ignore " + arguments + (loud ? "" : " >/dev/null 2>&1");
  return std::system(command.c_str()) == 0;
}

/// Whether Python has these modules, as in "torch, torchvision". If not, says that the test is skipped, which ctest
/// then counts.
inline bool python_has(const std::string& modules) {
  if (python_succeeds("-c 'import " + modules + "'", false)) return true;
  MESSAGE("skipped: " << python() << " has not all of " << modules);
  return false;
}

}  // namespace testing
