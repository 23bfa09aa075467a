#include <mien/train/history.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "io/temporary_folder.hpp"

using namespace mien;
using train::History;

TEST_CASE("rows go in by epoch and come out by column") {
  History history;
  CHECK(history.empty());
  history.add(1, {{"loss", 2.5}, {"accuracy", 0.25}});
  history.add(2, {{"loss", 1.5}, {"accuracy", 0.5}});
  CHECK(history.size() == 2);
  CHECK(history.columns() == std::vector<std::string>{"epoch", "loss", "accuracy"});
  CHECK(history.column("loss") == std::vector<double>{2.5, 1.5});
  CHECK(history.column("epoch") == std::vector<double>{1, 2});
  CHECK(history.row(1) == std::vector<double>{2, 1.5, 0.5});
  CHECK_THROWS_WITH_AS(history.column("rate"), doctest::Contains("epoch,loss,accuracy"), ValueError);
  CHECK_THROWS_AS(history.row(2), IndexError);
}

TEST_CASE("every number comes back from CSV to the bit") {
  History history;
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double value : {0.1, 1.0 / 3, -0.0, 1e-308, 5e-324, 1.7976931348623157e308, infinity, -infinity})
    history.add(history.size() + 1, {{"value", value}, {"other", -value}});
  CHECK(History::from_csv(history.to_csv()) == history);
  CHECK(std::signbit(History::from_csv(history.to_csv()).row(2)[1]));

  History unknown;
  unknown.add(1, {{"value", std::nan("")}});
  CHECK(unknown.to_csv() == "epoch,value\n1,nan\n");
  CHECK(std::isnan(History::from_csv(unknown.to_csv()).column("value")[0]));
}

TEST_CASE("an empty history is an empty file") {
  CHECK(History().to_csv().empty());
  CHECK(History::from_csv("").empty());
  History history = History::from_csv("epoch,loss\n");
  CHECK(history.empty());
  CHECK_THROWS_AS(history.add(1, {{"accuracy", 1}}), ValueError);
  history.add(1, {{"loss", 1}});
  CHECK(history.size() == 1);
}

TEST_CASE("columns stay the same, and have names that a table can hold") {
  History history;
  history.add(1, {{"loss", 1}});
  CHECK_THROWS_WITH_AS(history.add(2, {{"accuracy", 1}}), "History: columns epoch,accuracy after columns epoch,loss",
                       ValueError);
  CHECK_THROWS_AS(history.add(2, {}), ValueError);
  CHECK(history.size() == 1);
  for (const char* name : {"", "a,b", "a\nb", "a\"b", "epoch"})
    CHECK_THROWS_AS(History().add(1, {{name, 1}}), ValueError);
  CHECK_THROWS_AS(History().add(1, {{"a", 1}, {"a", 2}}), ValueError);
}

TEST_CASE("a damaged file is refused with its place") {
  CHECK_THROWS_WITH_AS(History::from_csv("epoch,loss\n1,2\n2,x\n", "h.csv"),
                       "h.csv: line 3: found `x`, expected a number", FileError);
  CHECK_THROWS_AS(History::from_csv("epoch,loss\n1\n"), FileError);
  CHECK_THROWS_AS(History::from_csv("epoch,loss\n1,2,3\n"), FileError);
  CHECK_THROWS_AS(History::from_csv("epoch,loss\n1,\n"), FileError);
  CHECK_THROWS_AS(History::from_csv("loss\n1\n"), FileError);
}

TEST_CASE("a history is saved and loaded") {
  const TemporaryFolder folder;
  History history;
  for (Index epoch = 1; epoch <= 31; ++epoch) history.add(epoch, {{"loss", 1 / static_cast<double>(epoch)}});
  history.save(folder / "history.csv");
  CHECK(History::load(folder / "history.csv") == history);
  std::filesystem::remove_all(folder.path());
  CHECK_THROWS_AS(History::load(folder / "history.csv"), FileError);
}
