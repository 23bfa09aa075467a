#include <mien/gesture/representation.hpp>

#include <doctest/doctest.h>

#include "reference/reference.hpp"

using namespace mien;

namespace {

gesture::TimeWeight weight_named(const std::string& kind) {
  if (kind == "linear") return gesture::TimeWeight::linear;
  REQUIRE(kind == "quadratic");
  return gesture::TimeWeight::quadratic;
}

template <class T>
void check_all_cases() {
  for (const std::string& name : reference::case_names("gesture_")) {
    CAPTURE(name);
    const reference::Case expected(name);
    const auto actual =
        gesture::represent(expected.tensor<T>("joints"), {.size = static_cast<Index>(expected.number("size")),
                                                          .sigma = expected.number("sigma"),
                                                          .weight = weight_named(expected.text("kind")),
                                                          .scale = gesture::Scale::none,
                                                          .margin = expected.number("margin")});
    reference::check_close(actual, expected.tensor<T>("g").permute({1, 2, 0}), "g");
  }
}

}  // namespace

TEST_CASE("representations of sequences equal the reference, in double") { check_all_cases<double>(); }

TEST_CASE("representations of sequences equal the reference, in float") { check_all_cases<float>(); }
