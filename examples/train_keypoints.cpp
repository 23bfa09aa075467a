/// Trains a perceptron over the keypoints of single frames on joint recordings, and says how well it recognises those
/// that it has not seen: classes by the mean over some frames of a recording, or valence and arousal.
///
///     train_keypoints --recordings joints_charades --split-column split
///     train_keypoints --table gestures.csv --folds 5 --frames 16 --pooled false
///     train_keypoints --recordings folder --valence-arousal --valence-column valence --arousal-column arousal
///
/// The work folder gets, for each fold and seed, model.safetensors, history.csv, predictions.csv and the checkpoints
/// that --resume needs; and result.json and report.html over all of them.

#include <algorithm>

#include "common/gesture.hpp"
#include "common/keypoints.hpp"

int main(int count, char** arguments) {
  using namespace mien;
  examples::Program program("Trains a perceptron over keypoints on joint recordings.", "work/keypoints");
  program.allow_ranks();
  examples::GestureDataOptions data_options;
  examples::SplitOptions split;
  examples::KeypointModelOptions form;
  gesture::JointAugmentation augmentation = examples::usual_joint_augmentation();
  examples::TrainingOptions training;
  examples::TargetOptions targets;
  bool affect_wanted = false;

  CLI::App& app = program.app();
  examples::add_gesture_data_options(app, data_options);
  examples::add_split_options(app, split);
  examples::add_keypoint_model_options(app, form);
  app.add_flag("--valence-arousal", affect_wanted, "tells valence and arousal instead of classes")->group("Targets");
  examples::add_class_target_options(app, targets);
  examples::add_affect_target_options(app, targets);
  examples::add_mixup_option(app, targets);
  examples::add_joint_augmentation_options(app, augmentation);
  examples::add_training_options(app, training);

  return program.run_on_device(count, arguments, [&]<class Device>(Device) {
    const std::vector<const char*> of_the_other =
        affect_wanted
            ? std::vector<const char*>{"--soft-labels", "--focal-gamma", "--label-smoothing", "--class-weights"}
            : std::vector<const char*>{"--mse-weight", "--ccc-weight"};
    for (const char* const option : of_the_other)
      if (program.given(option))
        throw examples::UsageError(std::string(option) +
                                   (affect_wanted ? " is of classes, of which --valence-arousal tells none"
                                                  : " is of valence and arousal; --valence-arousal asks for them"));
    if (affect_wanted && (data_options.valence_column.empty() || data_options.arousal_column.empty()))
      throw examples::UsageError("--valence-arousal needs --valence-column and --arousal-column");
    const auto data = examples::read_gesture_data(examples::joints_to_read(data_options, training), split.split_column,
                                                  split.subject_column(data_options.subject_column));
    if (affect_wanted && std::none_of(data.samples.begin(), data.samples.end(),
                                      [](const auto& sample) { return sample.affect.has_value(); }))
      throw examples::UsageError("--valence-arousal: no recording has both numbers");
    examples::run_keypoint_experiment<Device>(data, split, form, augmentation, training, targets, affect_wanted,
                                              program);
  });
}
