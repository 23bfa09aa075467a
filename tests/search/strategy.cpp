/// Grid, chance, and Bayesian search: what they propose, in which order, and how well.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mien/search/bayesian.hpp"

namespace {

using namespace mien;
using namespace mien::search;

Space plane() { return Space({real("x", -5, 10), real("y", 0, 15)}); }

double number(const Point& point, const std::string& name) { return std::get<double>(point.at(name)); }

/// Branin's function: three equal minima of 0.397887.
double branin(const Point& point) {
  constexpr double pi = std::numbers::pi;
  const double x = number(point, "x");
  const double y = number(point, "y");
  const double curve = y - 5.1 / (4 * pi * pi) * x * x + 5 / pi * x - 6;
  return curve * curve + 10 * (1 - 1 / (8 * pi)) * std::cos(x) + 10;
}

template <class Function>
double best_of(Strategy& strategy, int evaluations, const Function& function) {
  double best = INFINITY;
  for (int i = 0; i < evaluations; ++i) {
    const auto point = strategy.ask();
    REQUIRE(point);
    const double value = function(*point);
    strategy.tell(*point, value);
    best = std::min(best, value);
  }
  return best;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Space mixed() {
  return Space({choice("optimiser", {"adamw", "sgd"}), real("momentum", 0, 0.9).only_where("optimiser", {"sgd"}),
                integer("layers", 1, 9)});
}

double mixed_value(const Point& point) {
  const double layers = static_cast<double>(std::get<Index>(point.at("layers")));
  const double off = (layers - 6) * (layers - 6) / 30;
  if (!point.find("momentum")) return 1 - off;
  return 2 - off - std::abs(number(point, "momentum") - 0.7);
}

}  // namespace

TEST_CASE("a grid has all combinations once, the last parameter changing fastest") {
  GridSearch grid(Space({real("x", 1, 100, Scale::logarithmic), boolean("b"), integer("n", 1, 2)}), {.levels = 3});
  CHECK(grid.combinations() == 12);
  std::vector<std::string> seen;
  while (const auto point = grid.ask()) seen.push_back(point->to_string());
  REQUIRE(seen.size() == 12);
  CHECK(seen[0] == "x 1, b false, n 1");
  CHECK(seen[1] == "x 1, b false, n 2");
  CHECK(seen[2] == "x 1, b true, n 1");
  CHECK(seen[4] == "x 10, b false, n 1");
  CHECK(seen[11] == "x 100, b true, n 2");
}

TEST_CASE("a grid has the levels that a parameter names, the middle for one, and parameters that do not hold once") {
  GridSearch grid(Space({choice("optimiser", {"adamw", "sgd"}),
                         real("momentum", 0, 0.9).only_where("optimiser", {"sgd"}), real("x", 0, 1).with_levels(1)}),
                  {.levels = 4});
  std::vector<std::string> seen;
  while (const auto point = grid.ask()) seen.push_back(point->to_string());
  REQUIRE(seen.size() == 5);
  CHECK(seen[0] == "optimiser adamw, x 0.5");
  CHECK(seen[1] == "optimiser sgd, momentum 0, x 0.5");
  CHECK(seen[4] == "optimiser sgd, momentum 0.9, x 0.5");
}

TEST_CASE("a grid of as many levels as there are integers has each of them") {
  for (const Scale scale : {Scale::linear, Scale::logarithmic}) {
    GridSearch grid(Space({integer("n", 1, 3, scale), integer("m", -2, 4).with_levels(9)}));
    std::set<std::string> seen;
    while (const auto point = grid.ask()) seen.insert(point->to_string());
    CHECK(seen.size() == 21);
    CHECK(seen.contains("n 2, m -1"));
  }
}

TEST_CASE("a grid goes on behind the points that it is told to resume") {
  const Space space({integer("n", 1, 3), boolean("b")});
  GridSearch whole(space);
  std::vector<Point> points;
  while (const auto point = whole.ask()) points.push_back(*point);
  GridSearch resumed(space);
  for (int i = 0; i < 4; ++i) resumed.resume(points[static_cast<std::size_t>(i)]);
  CHECK(*resumed.ask() == points[4]);
  CHECK(*resumed.ask() == points[5]);
  CHECK_FALSE(resumed.ask());
}

TEST_CASE("grids that are empty or endless are refused") {
  CHECK_THROWS_AS(GridSearch(plane(), {.levels = 0}), ValueError);
  CHECK_THROWS_AS(GridSearch(plane(), {.levels = 1001}), ValueError);
  CHECK(GridSearch(plane(), {.levels = 1000}).combinations() == 1'000'000);
  // Counted before anything is made: this would be 8 GB.
  std::vector<Parameter> many;
  for (int i = 0; i < 1000; ++i) many.push_back(real("x" + std::to_string(i), 0, 1).with_levels(1'000'000));
  CHECK_THROWS_AS(GridSearch(Space(many)), ValueError);
}

TEST_CASE("chance is the same for the same seed, another for another, and proposes nothing twice") {
  RandomSearch a(plane(), {.seed = 5});
  RandomSearch b(plane(), {.seed = 5});
  RandomSearch c(plane(), {.seed = 6});
  for (int i = 0; i < 20; ++i) {
    const auto point = a.ask();
    CHECK(*point == *b.ask());
    CHECK_FALSE(*point == *c.ask());
  }
  RandomSearch small(Space({integer("n", 1, 4), boolean("b")}));
  std::set<std::string> seen;
  for (int i = 0; i < 8; ++i) seen.insert(small.ask()->to_string());
  CHECK(seen.size() == 8);
  CHECK_FALSE(small.ask());
}

TEST_CASE("what is told has to make sense") {
  RandomSearch strategy(plane());
  const auto point = *strategy.ask();
  CHECK_THROWS_AS(strategy.tell(point, NAN), ValueError);
  CHECK_THROWS_AS(strategy.resume(point), ValueError);
  strategy.tell(point, 1);
  CHECK_THROWS_AS(strategy.tell(point, 1), ValueError);
  CHECK_THROWS_AS(strategy.tell_failed(point), ValueError);
  CHECK_THROWS_AS(strategy.tell(Point({{"x", 0.0}}), 1), ValueError);
  strategy.tell(Point({{"x", 0.0}, {"y", 1.0}}), 1);
}

TEST_CASE("expected improvement is that of the formula, of numbers that were drawn, and of certainty") {
  CHECK(expected_improvement(1, 0, 3) == 2);
  CHECK(expected_improvement(3, 0, 1) == 0);
  CHECK(expected_improvement(1, 2, 1) == doctest::Approx(2 / std::sqrt(2 * std::numbers::pi)));
  Generator generator(1);
  double sum = 0;
  for (int i = 0; i < 20000; ++i) sum += std::max(0.0, 0.5 - (0.8 + 1.5 * generator.normal()));
  CHECK(expected_improvement(0.8, 1.5, 0.5) == doctest::Approx(sum / 20000).epsilon(0.05));
}

TEST_CASE("the first points of Bayesian search are a Latin hypercube") {
  BayesianSearch strategy(plane(), {.seed = 3, .initial = 7});
  std::set<int> columns;
  std::set<int> rows;
  for (int i = 0; i < 7; ++i) {
    const auto point = *strategy.ask();
    columns.insert(static_cast<int>((number(point, "x") + 5) / 15 * 7));
    rows.insert(static_cast<int>(number(point, "y") / 15 * 7));
  }
  CHECK(columns.size() == 7);
  CHECK(rows.size() == 7);
}

TEST_CASE("Bayesian search finds Branin's minimum to 2 % in 30 evaluations, where chance does not") {
  constexpr double minimum = 0.397887;
  std::vector<double> bayesian;
  std::vector<double> random;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    BayesianSearch strategy(plane(), {.seed = seed, .goal = Goal::minimise});
    bayesian.push_back(best_of(strategy, 30, branin));
    RandomSearch chance(plane(), {.seed = seed});
    random.push_back(best_of(chance, 30, branin));
  }
  CHECK(median(bayesian) < 1.02 * minimum);
  CHECK(median(random) > 1.5 * minimum);
}

TEST_CASE("an absurd value does not end Bayesian search") {
  for (const double absurd : {-1e200, 1e200, 1.7e308}) {
    BayesianSearch strategy(plane(), {.seed = 1, .goal = Goal::minimise, .initial = 4});
    for (int i = 0; i < 12; ++i) {
      const auto point = *strategy.ask();
      strategy.tell(point, i == 2 ? absurd : branin(point));
    }
    // Nor does it where most values are the same.
    BayesianSearch flat(plane(), {.seed = 1, .initial = 4});
    for (int i = 0; i < 8; ++i) flat.tell(*flat.ask(), i == 5 ? absurd : 1);
    CHECK(flat.ask().has_value());
  }
  BayesianSearch extremes(plane(), {.seed = 1, .initial = 4});
  for (int i = 0; i < 5; ++i) extremes.tell(*extremes.ask(), i % 2 == 0 ? 1.7e308 : -1.7e308);
  CHECK(extremes.ask().has_value());
}

TEST_CASE("choices, integers and conditions are searched too, upwards") {
  BayesianSearch strategy(mixed(), {.seed = 2});
  double best = -INFINITY;
  for (int i = 0; i < 25; ++i) {
    const auto point = *strategy.ask();
    const double value = mixed_value(point);
    strategy.tell(point, value);
    best = std::max(best, value);
  }
  CHECK(best > 1.95);
}

TEST_CASE("a search that is resumed proposes what an undisturbed one does, to the bit") {
  const auto value = [](const Point& point) { return -branin(point); };
  BayesianSearch undisturbed(plane(), {.seed = 4});
  std::vector<Point> points;
  for (int i = 0; i < 12; ++i) {
    points.push_back(*undisturbed.ask());
    if (i == 3) {
      undisturbed.tell_failed(points.back());
    } else {
      undisturbed.tell(points.back(), value(points.back()));
    }
  }
  BayesianSearch resumed(plane(), {.seed = 4});
  for (std::size_t i = 0; i < 10; ++i) {
    resumed.resume(points[i]);
    if (i == 3) {
      resumed.tell_failed(points[i]);
    } else if (i < 9) {
      resumed.tell(points[i], value(points[i]));
    }
  }
  resumed.tell(points[9], value(points[9]));  // interrupted, and run again
  for (std::size_t i = 10; i < 12; ++i) {
    const auto point = *resumed.ask();
    CHECK(point == points[i]);
    resumed.tell(point, value(point));
  }
}

TEST_CASE("points that are pending are not proposed again, nor their neighbours") {
  BayesianSearch strategy(plane(), {.seed = 1, .goal = Goal::minimise});
  best_of(strategy, 12, branin);
  const auto a = *strategy.ask();
  const auto b = *strategy.ask();
  const auto c = *strategy.ask();
  const auto apart = [](const Point& p, const Point& q) {
    return std::hypot(number(p, "x") - number(q, "x"), number(p, "y") - number(q, "y"));
  };
  CHECK(apart(a, b) > 0.2);
  CHECK(apart(b, c) > 0.2);
  CHECK(apart(a, c) > 0.2);
}

TEST_CASE("where all fails, Bayesian search goes on by chance; a space that is used up ends it") {
  BayesianSearch strategy(Space({integer("n", 1, 5), boolean("b")}), {.seed = 1});
  std::set<std::string> seen;
  while (const auto point = strategy.ask()) {
    seen.insert(point->to_string());
    strategy.tell_failed(*point);
  }
  CHECK(seen.size() == 10);
  BayesianSearch other(Space({integer("n", 1, 5), boolean("b")}), {.seed = 1});
  seen.clear();
  while (const auto point = other.ask()) {
    seen.insert(point->to_string());
    other.tell(*point, static_cast<double>(seen.size() % 3));
  }
  CHECK(seen.size() == 10);
  CHECK_THROWS_AS(BayesianSearch(plane(), {.candidates = 0}), ValueError);
}
