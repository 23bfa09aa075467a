#include "reference/reference.hpp"

#include <mien/optim/schedules.hpp>
#include <mien/optim/sgd.hpp>

using namespace mien;

namespace {

/// The optimiser and the settings that the files were made with.
constexpr double first_rate = 0.05;
constexpr double first_momentum = 0.9;

/// Rate and momentum of an optimiser under a schedule, step by step.
template <class Schedule>
void check_schedule(const std::string& name, Schedule schedule) {
  const reference::Case expected("schedule_" + name);
  const Tensor<double> rates = expected.tensor<double>("lr");
  const Tensor<double> momenta = expected.tensor<double>("momentum");
  const Tensor<double> metric = expected.tensor<double>("metric");
  optim::Sgd sgd(nn::ParameterList<float>{Variable<float>(Tensor<float>({1}, 0.F), true)},
                 {.learning_rate = first_rate, .momentum = first_momentum});
  REQUIRE(rates.elements() == 40);
  for (Index step = 0; step < rates.elements(); ++step) {
    schedule.apply_to(sgd);
    reference::check_close(sgd.learning_rate(), rates(step), detail::text(name, ", rate at step ", step));
    reference::check_close(sgd.momentum(), momenta(step), detail::text(name, ", momentum at step ", step));
    if constexpr (requires { schedule.step(1.0); }) {
      schedule.step(metric(step));
    } else {
      schedule.step();
    }
  }
}

}  // namespace

TEST_CASE("step decay") { check_schedule("step", optim::StepDecay(first_rate, {.every = 10, .factor = 0.5})); }

TEST_CASE("cosine annealing") { check_schedule("cosine", optim::CosineAnnealing(first_rate, {.steps = 40})); }

TEST_CASE("one cycle") { check_schedule("one_cycle", optim::OneCycle({.max_learning_rate = 0.1, .total_steps = 40})); }

TEST_CASE("reduction on a plateau") {
  check_schedule("plateau", optim::ReduceOnPlateau(first_rate, {.factor = 0.5, .patience = 3}));
}
