/// Parameters, spaces and their points, and the unit cube between them.

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "io/message.hpp"
#include "mien/core/random.hpp"
#include "mien/search/space.hpp"

namespace {

using namespace mien;
using search::Scale;
using search::Space;
using search::to_text;

Space mixed_space() {
  return Space({search::real("rate", 1e-4, 1e-1, Scale::logarithmic), search::integer("width", 3, 17),
                search::integer("layers", 1, 40, Scale::logarithmic),
                search::choice("optimiser", {"adamw", "adam", "sgd"}),
                search::boolean("nesterov").only_where("optimiser", {"sgd"}),
                search::real("decay", -1, 2).only_where("nesterov", {"true"})});
}

std::string refusal(const std::vector<search::Parameter>& parameters) {
  return message_of<ValueError>([&] { const Space space(parameters); });
}

}  // namespace

TEST_CASE("the ends of the cube are the ends of the ranges, and its middle is that of the scale") {
  const Space space({search::real("a", -2, 6), search::real("b", 1e-3, 10, Scale::logarithmic),
                     search::integer("c", -1, 3), search::integer("d", 1, 64, Scale::logarithmic)});
  CHECK(space.point_at(std::vector{0.0, 0.0, 0.0, 0.0}) ==
        search::Point({{"a", -2.0}, {"b", 1e-3}, {"c", Index{-1}}, {"d", Index{1}}}));
  CHECK(space.point_at(std::vector{1.0, 1.0, 1.0, 1.0}) ==
        search::Point({{"a", 6.0}, {"b", 10.0}, {"c", Index{3}}, {"d", Index{64}}}));
  CHECK(space.point_at(std::vector{0.5, 0.5, 0.5, 0.5}) ==
        search::Point({{"a", 2.0}, {"b", 0.1}, {"c", Index{1}}, {"d", Index{6}}}));
}

TEST_CASE("a point's place makes the same point, wherever in the cube it came from") {
  const Space space = mixed_space();
  Generator generator(7);
  std::vector<double> place(space.dimensions());
  for (int i = 0; i < 500; ++i) {
    for (double& coordinate : place) coordinate = generator.uniform();
    const auto point = space.point_at(place);
    CHECK(space.point_at(space.place_of(point)) == point);
  }
}

TEST_CASE(
    "values of a linear integer, a choice and a bool are equally likely, and small integers more so by logarithm") {
  const Space space = mixed_space();
  Generator generator(3);
  std::map<std::string, std::map<std::string, int>> counts;
  std::vector<double> place(space.dimensions());
  for (int i = 0; i < 6000; ++i) {
    for (double& coordinate : place) coordinate = generator.uniform();
    for (const auto& [name, value] : space.point_at(place).values()) ++counts[name][to_text(value)];
  }
  CHECK(counts["width"].size() == 15);
  for (const auto& [value, count] : counts["width"]) CHECK(std::abs(count - 400) < 80);
  for (const auto& [value, count] : counts["optimiser"]) CHECK(std::abs(count - 2000) < 150);
  CHECK(counts["layers"].size() == 40);
  CHECK(counts["layers"]["1"] > 5 * counts["layers"]["10"]);
}

TEST_CASE("a parameter holds only where its condition says, and conditions may hang on each other") {
  const Space space = mixed_space();
  const auto without = space.point_at(std::vector{0.5, 0.5, 0.5, 0.1, 0.9, 0.5});
  CHECK(to_text(without.at("optimiser")) == "adamw");
  CHECK(without.find("nesterov") == nullptr);
  CHECK(without.find("decay") == nullptr);
  const auto with = space.point_at(std::vector{0.5, 0.5, 0.5, 0.9, 0.9, 0.5});
  CHECK(to_text(with.at("optimiser")) == "sgd");
  CHECK(to_text(with.at("nesterov")) == "true");
  CHECK(to_text(with.at("decay")) == "0.5");
  CHECK(space.place_of(without)[4] == 0.5);
  CHECK(space.snapped(std::vector{0.5, 0.5, 0.5, 0.1, 0.2, 0.3}) == space.place_of(without));
  CHECK_THROWS_AS(static_cast<void>(without.at("decay")), ValueError);
}

TEST_CASE("real numbers have six digits, and as many more as a narrow range needs") {
  const Space space({search::real("x", 0.12345678, 0.12345679), search::real("y", 1e-5, 1, Scale::logarithmic),
                     search::real("z", 0.999999, 0.9999999)});
  const auto number = [&](const char* name, double place) {
    return std::get<double>(space.point_at(std::vector{place, place, place}).at(name));
  };
  CHECK(number("x", 0) == 0.12345678);
  CHECK(number("x", 1) == 0.12345679);
  CHECK(number("x", 0.3) == doctest::Approx(0.123456783).epsilon(1e-12));
  CHECK(number("z", 0.3) == doctest::Approx(0.99999927).epsilon(1e-12));
  for (const char* const name : {"x", "z"})
    for (double place = 0; place < 0.99; place += 0.01) CHECK(number(name, place) < number(name, place + 0.01));
  CHECK(to_text(number("y", 0.3)) == "0.000316228");
  // Next to each other, there are the ends alone.
  const double above = std::nextafter(1.5, 2);
  const Space neighbours({search::real("x", 1.5, above)});
  CHECK(std::get<double>(neighbours.point_at(std::vector{0.2}).at("x")) == 1.5);
  CHECK(std::get<double>(neighbours.point_at(std::vector{0.8}).at("x")) == above);
}

TEST_CASE("a space that makes no sense is refused with the name of the parameter and the reason") {
  CHECK(contains(refusal({}), "no parameters"));
  CHECK(contains(refusal({search::real("", 0, 1)}), "a name is"));
  CHECK(contains(refusal({search::real("-x", 0, 1)}), "a name is"));
  CHECK(contains(refusal({search::real("a b", 0, 1)}), "a name is"));
  CHECK(contains(refusal({search::real("x", 0, 1), search::boolean("x")}), "comes twice"));
  CHECK(contains(refusal({search::real("x", 1, 1)}), "`x`"));
  CHECK(contains(refusal({search::real("x", 0, INFINITY)}), "finite"));
  CHECK(contains(refusal({search::real("x", -1e308, 1e308)}), "finite"));
  CHECK(contains(refusal({search::real("x", 0, 1, Scale::logarithmic)}), "above 0"));
  CHECK(contains(refusal({search::Parameter{.name = "n", .kind = search::Kind::integer, .low = 0.5, .high = 2}}),
                 "integers"));
  CHECK(contains(refusal({search::choice("c", {})}), "nothing to choose"));
  CHECK(contains(refusal({search::choice("c", {"a", "b", "a"})}), "comes twice"));
  CHECK(contains(refusal({search::choice("c", {"a", ""})}), "empty word"));
  CHECK(contains(refusal({search::real("x", 0, 1).with_levels(-1)}), "negative"));
  CHECK(contains(refusal({search::real("x", 0, 1).only_where("y", {"a"}), search::choice("y", {"a", "b"})}), "`y`"));
  CHECK(contains(refusal({search::real("y", 0, 1), search::real("x", 0, 1).only_where("y", {"a"})}), "`y`"));
  CHECK(contains(refusal({search::choice("y", {"a"}), search::real("x", 0, 1).only_where("y", {"b"})}), "`b`"));
  CHECK(contains(refusal({search::choice("y", {"a"}), search::real("x", 0, 1).only_where("y", {})}), "no values"));
  CHECK(refusal({search::choice("y", {"a"}), search::real("x", 0, 1).only_where("y", {"a"})}) == "nothing thrown");
}

TEST_CASE("points and places that are not of the space are refused") {
  const Space space = mixed_space();
  CHECK_THROWS_AS(static_cast<void>(space.point_at(std::vector{0.5})), ShapeError);
  CHECK_THROWS_AS(static_cast<void>(space.point_at(std::vector{0.5, 0.5, 0.5, 0.5, 0.5, 1.5})), ValueError);
  CHECK_THROWS_AS(static_cast<void>(space.point_at(std::vector<double>{0.5, 0.5, NAN, 0.5, 0.5, 0.5})), ValueError);
  const Space small({search::real("x", 0, 1), search::choice("c", {"a", "b"})});
  const auto refused = [&](const search::Point::Values& values) {
    CHECK_THROWS_AS(static_cast<void>(small.place_of(search::Point(values))), ValueError);
  };
  refused({{"x", 0.5}});
  refused({{"x", 2.0}, {"c", std::string("a")}});
  refused({{"x", 0.5}, {"c", std::string("d")}});
  refused({{"x", Index{1}}, {"c", std::string("a")}});
  refused({{"x", 0.5}, {"c", std::string("a")}, {"y", true}});
}

TEST_CASE("two spaces' difference is told by the first parameter that differs") {
  const Space space = mixed_space();
  CHECK(space.difference(mixed_space()).empty());
  auto parameters = space.parameters();
  parameters[1].high = 18;
  CHECK(contains(space.difference(Space(parameters)), "`width`: integer from 3 to 17; in the other space `width`"));
  parameters = space.parameters();
  parameters[4] = parameters[4].only_where("optimiser", {"adam"});
  CHECK(contains(space.difference(Space(parameters)), "where `optimiser` is \"sgd\""));
  parameters = space.parameters();
  parameters.pop_back();
  CHECK(contains(space.difference(Space(parameters)), "in the other space nothing"));
  CHECK(contains(Space(parameters).difference(space), "is nothing"));
  const Space two({search::choice("c", {"1, 2", "3"})});
  CHECK(contains(two.difference(Space({search::choice("c", {"1", "2", "3"})})),
                 R"(`c`: choice of "1, 2" or "3"; in the other space `c`: choice of "1", "2" or "3")"));
}

TEST_CASE("integers are of no more than 2^52") {
  CHECK_NOTHROW(search::Space({search::integer("n", 0, Index{1} << 52)}));
  CHECK_THROWS_AS(search::Space({search::integer("n", 0, (Index{1} << 52) + 1)}), ValueError);
  CHECK_THROWS_AS(search::Space({search::integer("n", -(Index{1} << 52) - 1, 0)}), ValueError);
}
