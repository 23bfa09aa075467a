/// What the README shows is what compiles.

#include <doctest/doctest.h>

#include <string>

#include "mien/io/file.hpp"

namespace {

using namespace mien;

/// What stands in the C++ block between the markers `<!-- quickstart -->` and `<!-- /quickstart -->`; without the second
/// one, in the first such block after the first.
std::string quickstart_in(const std::string& readme) {
  const std::string marker = "<!-- quickstart -->";
  const std::string opening = "```cpp\n";
  const auto place = readme.find(marker);
  REQUIRE_MESSAGE(place != std::string::npos, "README.md has no " << marker);
  const auto begin = readme.find(opening, place);
  REQUIRE_MESSAGE(begin != std::string::npos, "README.md has no C++ after " << marker);
  const auto first = begin + opening.size();
  const auto end = readme.find("```", first);
  REQUIRE(end != std::string::npos);
  return readme.substr(first, end - first);
}

}  // namespace

TEST_CASE("the README's first example is examples/quickstart.cpp, letter by letter") {
  const std::string root = MIEN_SOURCE_DIR;
  CHECK(quickstart_in(io::read_text(root + "/README.md")) == io::read_text(root + "/examples/quickstart.cpp"));
}
