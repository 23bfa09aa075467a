#include <mien/core/precision.hpp>

#include <doctest/doctest.h>

#include <thread>

using namespace mien;

TEST_CASE("a scope holds for its thread, and the innermost counts") {
  CHECK(precision() == Precision::highest);
  {
    const PrecisionScope outer(Precision::medium);
    CHECK(precision() == Precision::medium);
    {
      const PrecisionScope inner(Precision::high);
      CHECK(precision() == Precision::high);
    }
    CHECK(precision() == Precision::medium);
    Precision elsewhere = Precision::high;
    std::thread([&] { elsewhere = precision(); }).join();
    CHECK(elsewhere == Precision::highest);
  }
  CHECK(precision() == Precision::highest);
}

TEST_CASE("the program's setting holds for threads in no scope") {
  set_precision(Precision::high);
  CHECK(precision() == Precision::high);
  Precision elsewhere = Precision::highest;
  std::thread([&] { elsewhere = precision(); }).join();
  CHECK(elsewhere == Precision::high);
  {
    const PrecisionScope scope(Precision::highest);
    set_precision(Precision::medium);
    CHECK(precision() == Precision::highest);
  }
  CHECK(precision() == Precision::medium);
  set_precision(Precision::highest);
}

TEST_CASE("settings have names, and other names are errors that list them") {
  for (const auto one : {Precision::highest, Precision::high, Precision::medium})
    CHECK(precision_of_name(name_of(one)) == one);
  CHECK_THROWS_WITH_AS(precision_of_name("low"), "precision \"low\": expected highest, high or medium", ValueError);
}
