#include "targets.hpp"

namespace mien::examples {

void add_class_target_options(CLI::App& app, TargetOptions& options) {
  const std::string group = "Targets";
  app.add_flag("--soft-labels", options.soft_labels, "trains towards the shares of votes, where the data have them")
      ->group(group);
  app.add_option("--focal-gamma", options.focal_gamma,
                 "gamma of the focal loss, by which what is recognised well counts less; 0 for cross-entropy")
      ->check(not_negative)
      ->group(group);
}

void add_affect_target_options(CLI::App& app, TargetOptions& options) {
  const std::string group = "Targets";
  app.add_option("--mse-weight", options.mse_weight, "of the mean squared error of valence and arousal")
      ->check(not_negative)
      ->group(group);
  app.add_option("--ccc-weight", options.ccc_weight, "of 1 - CCC of valence and arousal")
      ->check(not_negative)
      ->group(group);
}

void add_mixup_option(CLI::App& app, TargetOptions& options) {
  app.add_option("--mixup", options.mixup, "alpha of mixup, 0.2 is usual; 0 for none")
      ->check(not_negative)
      ->group("Targets");
}

}  // namespace mien::examples
