/// Trains a network over single images to tell valence and arousal, alone or beside classes, and says how well its
/// answers agree with those of people whom it has not seen.
///
///     train_valence_arousal --sheet faces/dataset_sheet.csv --path-column subDirectory_filePath
///                           --label-column expression --path-components 2 --extension .jpg
///                           --class-names neutral,happy,sad,surprise,fear,disgust,anger
///     ... --multi-task --class-weight 0.5
///
/// The work folder gets the same files as that of train_image.

#include "common/image.hpp"

int main(int count, char** arguments) {
  using namespace mien;
  examples::Program program("Trains a network over single images to tell valence and arousal.", "work/valence_arousal");
  program.allow_ranks();
  examples::ImageExperimentOptions options{.classes = false, .affect = true};
  options.data.valence_column = "valence";
  options.data.arousal_column = "arousal";
  CLI::App& app = program.app();
  examples::add_image_experiment_options(app, options);
  examples::add_affect_target_options(app, options.targets);
  app.add_flag("--multi-task", options.classes, "tells classes too")->group("Targets");
  app.add_option("--class-weight", options.targets.class_weight, "of the classes' loss, with --multi-task")
      ->check(examples::not_negative)
      ->group("Targets");
  return program.run_on_device(count, arguments, [&]<class Device>(Device) {
    if (program.given("--class-weight") && !options.classes)
      throw examples::UsageError("--class-weight is of --multi-task");
    examples::run_image_experiment<Device>(options, program);
  });
}
