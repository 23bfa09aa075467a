/// Trains a network over single images, a residual one, a dense one or a vision transformer, to tell classes, and says
/// how well it recognises those that it has not seen.
///
///     train_image --ferplus faces_ferplus/labels.csv --split-column split --soft-labels
///     train_image --images root --model resnet18 --weights resnet18.safetensors --freeze conv1,bn1,layer1
///                 --head-learning-rate 1e-2 --learning-rate 1e-3
///     train_image --sheet sheet.csv --path-column file --votes-prefix "votes " --soft-labels --mixup 0.2
///                 --moving-average 0.999
///
/// The work folder gets, for each fold and seed, model.safetensors, history.csv, predictions.csv and the checkpoints
/// that --resume needs; and result.json over all of them.

#include "common/face.hpp"
#include "common/image.hpp"

int main(int count, char** arguments) {
  using namespace mien;
  examples::Program program("Trains a network over single images to tell classes.", "work/image");
  examples::FaceDataOptions data_options;
  examples::SplitOptions split;
  examples::ImageFormOptions form;
  data::ClipAugmentation augmentation = examples::usual_clip_augmentation();
  examples::TrainingOptions training{.batch = 64, .learning_rate = 2e-3};
  examples::TargetOptions targets;
  examples::FineTuningOptions fine_tuning;

  CLI::App& app = program.app();
  examples::add_face_data_options(app, data_options);
  examples::add_split_options(app, split);
  examples::add_image_model_options(app, form);
  examples::add_fine_tuning_options(app, fine_tuning);
  examples::add_class_target_options(app, targets);
  examples::add_mixup_option(app, targets);
  examples::add_clip_augmentation_options(app, augmentation);
  examples::add_training_options(app, training);

  return program.run_on_device(count, arguments, [&]<class Device>(Device) {
    const auto data =
        examples::read_face_data(data_options, split.split_column, split.subject_column(data_options.subject_column));
    examples::run_image_experiment<Device>(data, split, form, augmentation, training, targets, fine_tuning, true, false,
                                           program);
  });
}
