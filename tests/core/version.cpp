#include <mien/version.hpp>

#include <doctest/doctest.h>

#include <string>

TEST_CASE("the version's three numbers and its text agree") {
  const std::string text = std::to_string(MIEN_VERSION_MAJOR) + "." + std::to_string(MIEN_VERSION_MINOR) + "." +
                           std::to_string(MIEN_VERSION_PATCH);
  CHECK(mien::version() == text);
  CHECK(mien::library_version == mien::Version{MIEN_VERSION_MAJOR, MIEN_VERSION_MINOR, MIEN_VERSION_PATCH});
}

TEST_CASE("versions compare number by number, not as text") {
  CHECK(mien::Version{0, 10, 0} > mien::Version{0, 9, 9});
  CHECK(mien::Version{1, 0, 0} > mien::Version{0, 99, 99});
  CHECK(mien::library_version >= mien::Version{0, 1, 0});
}
