/// What the README shows is what compiles.

#include <doctest/doctest.h>

#include <string>

#include "mien/io/file.hpp"

namespace {

using namespace mien;

/// What stands in the first C++ block after a marker.
std::string code_after(const std::string& marker, const std::string& text) {
  const std::string opening = "```cpp\n";
  const auto place = text.find(marker);
  REQUIRE_MESSAGE(place != std::string::npos, "there is no " << marker);
  const auto begin = text.find(opening, place);
  REQUIRE_MESSAGE(begin != std::string::npos, "there is no C++ after " << marker);
  const auto first = begin + opening.size();
  const auto end = text.find("```", first);
  REQUIRE(end != std::string::npos);
  return text.substr(first, end - first);
}

}  // namespace

TEST_CASE("the README's first example is examples/quickstart.cpp, letter by letter") {
  const std::string root = MIEN_SOURCE_DIR;
  CHECK(code_after("<!-- quickstart -->", io::read_text(root + "/README.md")) ==
        io::read_text(root + "/examples/quickstart.cpp"));
}
