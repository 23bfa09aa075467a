#include "training.hpp"

#include <cmath>
#include <cstdio>

#include "mien/report/html.hpp"

namespace mien::examples {

void report_learning_rates(const train::LearningRateCurve& curve, const std::filesystem::path& folder) {
  report::Series losses{.name = "loss"};
  report::Series smoothed{.name = "smoothed"};
  std::puts("     rate      loss  smoothed");
  for (const auto& point : curve.points) {
    std::printf("%9.3g %9.4f %9.4f\n", point.rate, point.loss, point.smoothed);
    for (report::Series* const series : {&losses, &smoothed}) series->x.push_back(std::log10(point.rate));
    losses.y.push_back(point.loss);
    smoothed.y.push_back(point.smoothed);
  }
  std::puts(curve.diverged ? "the loss diverged" : "the loss did not diverge");
  if (curve.suggestion) {
    std::printf("suggestion: %.3g, where the loss falls fastest\n", *curve.suggestion);
  } else {
    std::puts("no suggestion: the loss never fell");
  }
  std::fflush(stdout);
  if (curve.points.size() < 2) return;
  report::ChartOptions options{.title = "Loss", .x_label = "logarithm of the rate, to base 10", .y_label = "loss"};
  if (curve.suggestion) {
    options.mark = std::log10(*curve.suggestion);
    options.mark_label = "suggestion";
  }
  report::Page page("Learning rates");
  page.section("Losses", "of steps at rising learning rates").curves({losses, smoothed}, options);
  io::create_folders(folder);
  page.save(folder / "learning_rates.html");
}

}  // namespace mien::examples
