#include <mien/optim/adam.hpp>
#include <mien/optim/schedules.hpp>
#include <mien/optim/sgd.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace mien;

namespace {

nn::ParameterList<float> one_parameter() { return {Variable<float>(Tensor<float>({1}, 0.F), true)}; }

/// After a few steps, a fresh schedule that takes over the state must go the same way.
template <class Schedule>
void check_resume(const Schedule& fresh) {
  const auto step = [](Schedule& schedule, int i) {
    if constexpr (requires { schedule.step(1.0); }) {
      schedule.step(i % 5 == 0 ? 1.0 / (1 + i) : 1);
    } else {
      schedule.step();
    }
  };
  Schedule whole = fresh;
  for (int i = 0; i < 7; ++i) step(whole, i);
  Schedule resumed = fresh;
  resumed.set_state(whole.state());
  CHECK(resumed.learning_rate() == whole.learning_rate());
  CHECK(resumed.learning_rate() != fresh.learning_rate());
  for (int i = 7; i < 12; ++i) {
    step(whole, i);
    step(resumed, i);
    CHECK(resumed.learning_rate() == whole.learning_rate());
  }
  CHECK(resumed.state() == whole.state());
  CHECK_THROWS_AS(resumed.set_state({}), ValueError);
}

}  // namespace

TEST_CASE("every schedule goes on from a saved state") {
  check_resume(optim::StepDecay(1, {.every = 3, .factor = 0.5}));
  check_resume(optim::CosineAnnealing(1, {.steps = 12}));
  check_resume(optim::OneCycle({.max_learning_rate = 1, .total_steps = 12}));
  check_resume(optim::ReduceOnPlateau(1, {.factor = 0.5, .patience = 2, .cooldown = 1}));
}

TEST_CASE("a saved number of steps that counts nothing is refused") {
  optim::StepDecay schedule(1, {});
  for (const double steps : {-1.0, std::nan(""), 1e300})
    CHECK_THROWS_AS(schedule.set_state({{"steps", steps}}), ValueError);
  CHECK(schedule.steps() == 0);
}

TEST_CASE("cosine annealing ends at its last rate") {
  optim::CosineAnnealing schedule(0.1, {.steps = 4, .last_rate = 0.02});
  schedule.step();
  schedule.step();
  CHECK(schedule.learning_rate() == doctest::Approx(0.06));
  schedule.step();
  schedule.step();
  CHECK(schedule.learning_rate() == doctest::Approx(0.02));
}

TEST_CASE("one cycle: begin, peak and end, and how many steps it has") {
  optim::OneCycle schedule({.max_learning_rate = 1, .total_steps = 10, .rising_share = 0.4});
  CHECK(schedule.learning_rate() == doctest::Approx(1.0 / 25));
  CHECK(schedule.momentum() == doctest::Approx(0.95));
  for (int i = 0; i < 3; ++i) schedule.step();
  CHECK(schedule.learning_rate() == doctest::Approx(1));
  CHECK(schedule.momentum() == doctest::Approx(0.85));
  for (int i = 3; i < 9; ++i) schedule.step();
  CHECK(schedule.learning_rate() == doctest::Approx(1.0 / 25 / 1e4).scale(0));
  CHECK(schedule.momentum() == doctest::Approx(0.95));
  schedule.step();
  CHECK(schedule.learning_rate() == doctest::Approx(1.0 / 25 / 1e4).scale(0));
  CHECK_THROWS_AS(schedule.step(), ValueError);
}

TEST_CASE("one cycle that was saved after more steps than it has takes none") {
  optim::OneCycle schedule({.max_learning_rate = 1, .total_steps = 10});
  schedule.set_state({{"steps", 11}});
  CHECK(schedule.learning_rate() == doctest::Approx(1.0 / 25 / 1e4).scale(0));
  CHECK_THROWS_AS(schedule.step(), ValueError);
}

TEST_CASE("one cycle in straight lines and in three phases") {
  optim::OneCycle schedule({.max_learning_rate = 1,
                            .total_steps = 21,
                            .rising_share = 1.0 / 3,
                            .first_divisor = 10,
                            .last_divisor = 10,
                            .annealing = optim::Annealing::linear,
                            .three_phases = true});
  std::vector<double> rates;
  for (int i = 0; i < 21; ++i) {
    rates.push_back(schedule.learning_rate());
    schedule.step();
  }
  CHECK(rates[0] == doctest::Approx(0.1));
  CHECK(rates[3] == doctest::Approx(0.55));
  CHECK(rates[6] == doctest::Approx(1));
  CHECK(rates[9] == doctest::Approx(0.55));
  CHECK(rates[12] == doctest::Approx(0.1));
  CHECK(rates[16] == doctest::Approx(0.055));
  CHECK(rates[20] == doctest::Approx(0.01));
}

TEST_CASE("one cycle of few steps, or of none that rise, is finite at each") {
  for (const Index steps : {1, 2, 3, 10})
    for (const double share : {0.0, 0.1, 0.3, 0.5, 1.0})
      for (const bool three_phases : {false, true}) {
        CAPTURE(steps);
        CAPTURE(share);
        optim::OneCycle schedule(
            {.max_learning_rate = 1, .total_steps = steps, .rising_share = share, .three_phases = three_phases});
        for (Index i = 0; i < steps; ++i) {
          CHECK(schedule.learning_rate() >= 0);
          CHECK(schedule.learning_rate() <= 1);
          schedule.step();
        }
      }
}

TEST_CASE("one cycle sets the momentum only if asked, and then needs one") {
  optim::Sgd plain(one_parameter());
  const optim::OneCycle cycles({.max_learning_rate = 1, .total_steps = 10});
  CHECK_THROWS_AS(cycles.apply_to(plain), ValueError);
  const optim::OneCycle rate_only({.max_learning_rate = 1, .total_steps = 10, .cycle_momentum = false});
  rate_only.apply_to(plain);
  CHECK(plain.learning_rate() == doctest::Approx(1.0 / 25));
  optim::Adam adam(one_parameter());
  cycles.apply_to(adam);
  CHECK(adam.momentum() == doctest::Approx(0.95));
}

TEST_CASE("a plateau: patience, cooldown, direction and the lowest rate") {
  using Better = optim::ReduceOnPlateauOptions::Better;
  optim::ReduceOnPlateau schedule(1,
                                  {.better = Better::higher, .patience = 1, .cooldown = 2, .min_learning_rate = 0.05});
  schedule.step(0.5);
  schedule.step(0.6);
  CHECK(schedule.best() == 0.6);
  schedule.step(0.6);  // No better: the first that is borne.
  CHECK(schedule.learning_rate() == 1);
  schedule.step(std::nan(""));
  CHECK(schedule.learning_rate() == doctest::Approx(0.1));
  for (int i = 0; i < 3; ++i) schedule.step(0.1);  // Two steps of cooldown, one that is borne.
  CHECK(schedule.learning_rate() == doctest::Approx(0.1));
  schedule.step(0.1);
  CHECK(schedule.learning_rate() == doctest::Approx(0.05));
  for (int i = 0; i < 9; ++i) schedule.step(0.1);
  CHECK(schedule.learning_rate() == doctest::Approx(0.05));
}

TEST_CASE("a plateau: the threshold is a share of the best, or a difference") {
  const auto rate_after = [](double second, bool absolute) {
    optim::ReduceOnPlateau schedule(1, {.patience = 0, .threshold = 0.1, .absolute_threshold = absolute});
    schedule.step(10);
    schedule.step(second);
    return schedule.learning_rate();
  };
  CHECK(rate_after(9.5, false) == doctest::Approx(0.1));
  CHECK(rate_after(8.9, false) == 1);
  CHECK(rate_after(9.5, true) == 1);
  CHECK(rate_after(9.95, true) == doctest::Approx(0.1));
}

TEST_CASE("settings that make no sense are refused") {
  CHECK_THROWS_AS(optim::StepDecay(1, {.every = 0}), ValueError);
  CHECK_THROWS_AS(optim::StepDecay(-1, {}), ValueError);
  CHECK_THROWS_AS(optim::CosineAnnealing(1, {.steps = 0}), ValueError);
  CHECK_THROWS_AS(optim::OneCycle({.total_steps = 0}), ValueError);
  CHECK_THROWS_AS(optim::OneCycle({.total_steps = 5, .rising_share = 1.5}), ValueError);
  CHECK_THROWS_AS(optim::OneCycle({.total_steps = 5, .first_divisor = 0}), ValueError);
  CHECK_THROWS_AS(optim::ReduceOnPlateau(1, {.factor = 1}), ValueError);
  CHECK_THROWS_AS(optim::ReduceOnPlateau(1, {.patience = -1}), ValueError);
  CHECK_THROWS_AS(optim::ReduceOnPlateau(1, {.cooldown = -1}), ValueError);
  CHECK_THROWS_AS(optim::ReduceOnPlateau(std::nan(""), {}), ValueError);
}

TEST_CASE("a plateau: after a reduction steps are counted anew, and a reduction too small is not made") {
  optim::ReduceOnPlateau schedule(1, {.patience = 1});
  for (int i = 0; i < 3; ++i) schedule.step(1);
  CHECK(schedule.learning_rate() == doctest::Approx(0.1));
  schedule.step(1);  // borne
  CHECK(schedule.learning_rate() == doctest::Approx(0.1));
  schedule.step(1);
  CHECK(schedule.learning_rate() == doctest::Approx(0.01));

  optim::ReduceOnPlateau tiny(1e-8, {.patience = 0});
  for (int i = 0; i < 3; ++i) tiny.step(1);
  CHECK(tiny.learning_rate() == 1e-8);
}

TEST_CASE("a plateau: where higher is better, the threshold is a share of the best too") {
  const auto rate_after = [](double second, bool absolute) {
    optim::ReduceOnPlateau schedule(1, {.better = optim::ReduceOnPlateauOptions::Better::higher,
                                        .patience = 0,
                                        .threshold = 0.1,
                                        .absolute_threshold = absolute});
    schedule.step(10);
    schedule.step(second);
    return schedule.learning_rate();
  };
  CHECK(rate_after(10.5, false) == doctest::Approx(0.1));
  CHECK(rate_after(11.1, false) == 1);
  CHECK(rate_after(10.5, true) == 1);
  CHECK(rate_after(10.05, true) == doctest::Approx(0.1));
}

TEST_CASE("an optimiser without the momentum that is to cycle keeps its rate") {
  Variable<float> w(Tensor<float>({1}, 1.0F), true);
  optim::Sgd<float> sgd({w}, {.learning_rate = 0.5});
  const optim::OneCycle schedule({.max_learning_rate = 5, .total_steps = 10});
  CHECK_THROWS_AS(schedule.apply_to(sgd), ValueError);
  CHECK(sgd.learning_rate() == 0.5);
}
