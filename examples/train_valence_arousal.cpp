/// Trains a network over single images to tell valence and arousal, alone or beside classes, and says how well its
/// answers agree with those of people whom it has not seen.
///
///     train_valence_arousal --sheet faces/dataset_sheet.csv --path-column subDirectory_filePath
///                           --label-column expression --path-components 2 --extension .jpg
///                           --class-names neutral,happy,sad,surprise,fear,disgust,anger
///     ... --multi-task --class-weight 0.5
///
/// The work folder gets the same files as that of train_image.

#include <algorithm>

#include "common/face.hpp"
#include "common/image.hpp"

int main(int count, char** arguments) {
  using namespace mien;
  examples::Program program("Trains a network over single images to tell valence and arousal.", "work/valence_arousal");
  examples::FaceDataOptions data_options{.valence_column = "valence", .arousal_column = "arousal"};
  examples::SplitOptions split;
  examples::ImageFormOptions form;
  data::ClipAugmentation augmentation = examples::usual_clip_augmentation();
  examples::TrainingOptions training{.batch = 64, .learning_rate = 2e-3};
  examples::TargetOptions targets;
  examples::FineTuningOptions fine_tuning;
  bool multi_task = false;

  CLI::App& app = program.app();
  examples::add_face_data_options(app, data_options);
  examples::add_split_options(app, split);
  examples::add_image_model_options(app, form);
  examples::add_fine_tuning_options(app, fine_tuning);
  examples::add_affect_target_options(app, targets);
  app.add_flag("--multi-task", multi_task, "tells classes too")->group("Targets");
  app.add_option("--class-weight", targets.class_weight, "of the classes' loss, with --multi-task")
      ->check(CLI::NonNegativeNumber)
      ->group("Targets");
  examples::add_class_target_options(app, targets);
  examples::add_mixup_option(app, targets);
  examples::add_clip_augmentation_options(app, augmentation);
  examples::add_training_options(app, training);

  return program.run_on_device(count, arguments, [&]<class Device>(Device) {
    const auto data =
        examples::read_face_data(data_options, split.split_column, split.subject_column(data_options.subject_column));
    if (std::none_of(data.samples.begin(), data.samples.end(),
                     [](const auto& sample) { return sample.affect.has_value(); }))
      throw examples::UsageError("no sample has valence and arousal; they are columns of a --sheet");
    examples::run_image_experiment<Device>(data, split, form, augmentation, training, targets, fine_tuning, multi_task,
                                           true, program);
  });
}
