/// The table of a search, and which parameters mattered.

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "mien/core/random.hpp"
#include "mien/search/strategy.hpp"
#include "mien/search/summary.hpp"

namespace {

using namespace mien;
using namespace mien::search;

Space some_space() {
  return Space({real("rate", 0, 1), choice("optimiser", {"adamw", "sgd"}),
                real("momentum", 0, 1).only_where("optimiser", {"sgd"})});
}

std::vector<Trial> some_trials() {
  return {{.number = 1,
           .point = Point({{"rate", 0.25}, {"optimiser", std::string("adamw")}}),
           .state = TrialState::finished,
           .steps = {{1, 0.5}, {2, 1.0 / 3}},
           .value = 1.0 / 3,
           .seconds = 2.5},
          {.number = 2,
           .point = Point({{"rate", 0.5}, {"optimiser", std::string("sgd")}, {"momentum", 0.9}}),
           .state = TrialState::failed,
           .seconds = 1,
           .error = "exit code 1, \"why\""},
          {.number = 3,
           .point = Point({{"rate", 0.75}, {"optimiser", std::string("adamw")}}),
           .state = TrialState::stopped,
           .steps = {{1, 0.8}},
           .value = 0.8,
           .seconds = 1}};
}

/// Trials by chance, with the value that `function` gives.
template <class Function>
std::vector<Trial> trials_of(const Space& space, int count, const Function& function) {
  RandomSearch strategy(space, {.seed = 1});
  std::vector<Trial> out;
  for (int i = 0; i < count; ++i) {
    const Point point = *strategy.ask();
    out.push_back({.number = i + 1, .point = point, .state = TrialState::finished, .value = function(point)});
  }
  return out;
}

double number(const Point& point, const std::string& name) { return std::get<double>(point.at(name)); }

}  // namespace

TEST_CASE("the table has the best value first, in either direction, and trials without one last") {
  CHECK(summary_csv(some_space(), some_trials(), Goal::maximise, "accuracy") ==
        "trial,state,accuracy,steps,seconds,rate,optimiser,momentum,error\n"
        "3,stopped,0.8,1,1,0.75,adamw,,\n"
        "1,finished,0.3333333333333333,2,2.5,0.25,adamw,,\n"
        "2,failed,,0,1,0.5,sgd,0.9,\"exit code 1, \"\"why\"\"\"\n");
  const std::string text = summary_text(some_space(), some_trials(), Goal::minimise);
  CHECK(text ==
        "trial     state     value  steps  seconds  rate  optimiser  momentum\n"
        "    1  finished  0.333333      2        2  0.25      adamw          \n"
        "    3   stopped       0.8      1        1  0.75      adamw          \n"
        "    2    failed                0        1   0.5        sgd       0.9\n"
        "trial 2 failed: exit code 1, \"why\"\n");
}

TEST_CASE("the best trial is one that finished") {
  CHECK(best_trial(some_trials(), Goal::maximise)->number == 1);
  CHECK_FALSE(best_trial({}, Goal::maximise));
  auto trials = some_trials();
  trials.erase(trials.begin());
  CHECK_FALSE(best_trial(trials, Goal::minimise));
}

TEST_CASE("importance is the share of the variance, whatever the form of the effect") {
  const Space space({real("a", 0, 1), real("b", 0, 1), choice("c", {"x", "y", "z"}), real("d", 0, 1)});
  // Variances of the parts: 2 / 9 for the parabola that has no slope, 1 / 12 for b, 0.5 for c.
  const auto trials = trials_of(space, 60, [](const Point& point) {
    const double a = number(point, "a") - 0.5;
    const std::string& c = std::get<std::string>(point.at("c"));
    return 2 * std::sqrt(2.5) * 2 * a * a + number(point, "b") + (c == "x" ? 1.5 : 0);
  });
  const auto found = importance(space, trials);
  REQUIRE(found);
  REQUIRE(found->shares.size() == 4);
  const double whole = 2.0 / 9 + 1.0 / 12 + 0.5;
  CHECK(std::abs(found->shares[0] - 2.0 / 9 / whole) < 0.06);
  CHECK(std::abs(found->shares[1] - 1.0 / 12 / whole) < 0.06);
  CHECK(std::abs(found->shares[2] - 0.5 / whole) < 0.08);
  CHECK(found->shares[3] < 0.03);
  CHECK(found->fit > 0.9);
}

TEST_CASE("where there is nothing to know, the fit says so") {
  const Space space({real("a", 0, 1), real("b", 0, 1)});
  Generator generator(3);
  const auto trials = trials_of(space, 30, [&](const Point&) { return generator.normal(); });
  const auto found = importance(space, trials);
  REQUIRE(found);
  CHECK(found->fit < 0.3);
  CHECK(summary_text(space, trials, Goal::maximise, "value", found).find("too little") != std::string::npos);
}

TEST_CASE("too few trials, and equal values, have no importance") {
  const Space space({real("a", 0, 1), real("b", 0, 1)});
  const auto rising = [](const Point& point) { return number(point, "a"); };
  CHECK_FALSE(importance(space, trials_of(space, 3, rising)));
  CHECK(importance(space, trials_of(space, 4, rising)));
  CHECK_FALSE(importance(space, trials_of(space, 9, [](const Point&) { return 2.0; })));
  CHECK_FALSE(importance(space, {}));
}
