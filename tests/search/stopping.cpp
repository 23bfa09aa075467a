/// The median rule.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "mien/search/stopping.hpp"

namespace {

using namespace mien;
using search::MedianStopping;

/// Three trials whose means until step 4 are 2.5, 5 and 10.
MedianStopping with_three(search::Goal goal) {
  MedianStopping stopping({.goal = goal, .trials = 3, .steps = 2});
  Index trial = 0;
  for (const double scale : {1.0, 2.0, 4.0}) {
    ++trial;
    for (Index step = 1; step <= 4; ++step)
      CHECK_FALSE(stopping.should_stop(trial, step, scale * static_cast<double>(step)));
    stopping.finished(trial);
  }
  return stopping;
}

}  // namespace

TEST_CASE("a trial is stopped whose best value is worse than the median of the means") {
  auto upwards = with_three(search::Goal::maximise);
  CHECK_FALSE(upwards.should_stop(9, 1, 0));  // every trial is given two steps
  CHECK(upwards.should_stop(9, 2, 2.9));      // the median at step 2 is 3
  CHECK_FALSE(upwards.should_stop(9, 3, 4));  // at step 3 it is 4, and no worse is good enough
  CHECK(upwards.should_stop(9, 4, 1));        // at step 4 it is 5, and the best is still 4
  CHECK_FALSE(upwards.should_stop(8, 4, 5.1));

  auto downwards = with_three(search::Goal::minimise);
  CHECK(downwards.should_stop(9, 2, 3.1));
  CHECK_FALSE(downwards.should_stop(9, 3, 2));
  CHECK_FALSE(downwards.should_stop(9, 4, 100));
}

TEST_CASE("an even number of trials has the mean of the two in the middle as median") {
  auto stopping = with_three(search::Goal::maximise);
  for (Index step = 1; step <= 4; ++step) stopping.should_stop(4, step, 8);
  stopping.finished(4);
  CHECK(stopping.should_stop(9, 4, 6.4));  // of 2.5, 5, 8 and 10
  CHECK_FALSE(stopping.should_stop(8, 4, 6.6));
}

TEST_CASE("nobody is stopped before enough trials are finished, and unfinished ones do not count") {
  MedianStopping stopping({.trials = 2, .steps = 1});
  stopping.should_stop(1, 1, 10);
  stopping.should_stop(2, 1, 10);
  stopping.finished(1);
  CHECK_FALSE(stopping.should_stop(3, 1, 0));
  stopping.finished(2);
  CHECK(stopping.should_stop(4, 1, 0));
}

TEST_CASE("values that are no numbers count for nothing, and what is forgotten too") {
  MedianStopping stopping({.trials = 1, .steps = 1});
  stopping.should_stop(1, 1, 5);
  stopping.finished(1);
  CHECK_FALSE(stopping.should_stop(2, 1, NAN));
  CHECK_FALSE(stopping.should_stop(2, 2, 6));
  CHECK_FALSE(stopping.should_stop(2, 3, NAN));
  CHECK_FALSE(stopping.should_stop(2, 4, 1));
  stopping.forget(2);
  CHECK(stopping.should_stop(2, 4, 1));
  stopping.forget(1);
  CHECK_FALSE(stopping.should_stop(2, 5, 1));
  CHECK_THROWS_AS(MedianStopping({.trials = 0}), ValueError);
  CHECK_THROWS_AS(MedianStopping({.steps = 0}), ValueError);
}

TEST_CASE("values that are no numbers count for nothing") {
  search::MedianStopping rule({.trials = 1, .steps = 1});
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  rule.should_stop(1, 1, nothing);
  rule.should_stop(1, 2, 0.8);
  rule.finished(1);
  CHECK_FALSE(rule.should_stop(2, 1, nothing));
  CHECK(rule.should_stop(2, 2, 0.5));
  CHECK_FALSE(rule.should_stop(3, 2, 0.9));
}
