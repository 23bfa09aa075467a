/// How good the strategies of the search are: the best of 30 evaluations of Branin's function, whose minimum is
/// 0.397887, with 20 seeds.

#include <mien/search/bayesian.hpp>
#include <mien/search/strategy.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "common.hpp"

namespace {

using namespace mien;

double branin(const search::Point& point) {
  constexpr double pi = std::numbers::pi;
  const double x = std::get<double>(point.at("x"));
  const double y = std::get<double>(point.at("y"));
  const double curve = y - 5.1 / (4 * pi * pi) * x * x + 5 / pi * x - 6;
  return curve * curve + 10 * (1 - 1 / (8 * pi)) * std::cos(x) + 10;
}

double best_of_30(search::Strategy& strategy) {
  double best = INFINITY;
  for (int evaluation = 0; evaluation < 30; ++evaluation) {
    const auto point = *strategy.ask();
    const double value = branin(point);
    strategy.tell(point, value);
    best = std::min(best, value);
  }
  return best;
}

template <class MakeStrategy>
void measure(benchmark::State& state, MakeStrategy make_strategy) {
  constexpr double minimum = 0.397887;
  const search::Space plane({search::real("x", -5, 10), search::real("y", 0, 15)});
  std::vector<double> best;
  for (auto _ : state) {
    best.clear();
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      auto strategy = make_strategy(plane, seed);
      best.push_back(best_of_30(strategy));
    }
  }
  std::sort(best.begin(), best.end());
  state.counters["within_2_percent"] =
      static_cast<double>(std::ranges::count_if(best, [&](double value) { return value <= 1.02 * minimum; }));
  state.counters["median"] = (best[9] + best[10]) / 2;
}

void bayesian(benchmark::State& state) {
  measure(state, [](const search::Space& plane, std::uint64_t seed) {
    return search::BayesianSearch(plane, {.seed = seed, .goal = search::Goal::minimise});
  });
}
void chance(benchmark::State& state) {
  measure(state,
          [](const search::Space& plane, std::uint64_t seed) { return search::RandomSearch(plane, {.seed = seed}); });
}
BENCHMARK(bayesian)->Unit(benchmark::kMillisecond);
BENCHMARK(chance)->Unit(benchmark::kMillisecond);

}  // namespace
