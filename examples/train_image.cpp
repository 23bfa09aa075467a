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
/// that --resume needs; and result.json and report.html over all of them.

#include "common/image.hpp"

int main(int count, char** arguments) {
  using namespace mien;
  examples::Program program("Trains a network over single images to tell classes.", "work/image");
  program.allow_ranks();
  examples::ImageExperimentOptions options;
  examples::add_image_experiment_options(program.app(), options);
  return program.run_on_device(count, arguments,
                               [&]<class Device>(Device) { examples::run_image_experiment<Device>(options, program); });
}
