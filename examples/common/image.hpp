#pragma once

/// Networks over single images, or over drawn skeletons, for the example programs: which one, for classes, for valence
/// and arousal or for both, fine-tuned from weights of other data, and model files that say what they are.

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "experiment.hpp"
#include "face.hpp"
#include "gesture.hpp"
#include "mien/data/augmentation.hpp"
#include "mien/data/data_set.hpp"
#include "mien/models/densenet.hpp"
#include "mien/models/resnet.hpp"
#include "mien/models/vit.hpp"
#include "targets.hpp"

namespace mien::examples {

// --- options --------------------------------------------------------------------------------------------------------

/// The form of a network and of its input.
struct ImageModelOptions {
  std::string model = "resnet18_small";
  data::FrameOptions frame = {};
  Index pictures = 1;  ///< of a video or recording, one from each of so many equal parts
  double dropout = 0;
  Index classes = 0;          ///< 0: no classes
  bool affect = false;        ///< valence and arousal, after the classes
  bool draws_joints = false;  ///< pictures are of skeletons, not of cameras

  Index outputs() const { return classes + (affect ? 2 : 0); }
};

/// The command line's words for a network.
struct ImageFormOptions {
  ImageModelOptions model = {};
  Index side = 0;      ///< 0: 48 for the small forms, 224 for the others
  Index channels = 0;  ///< 0: 1 for the small forms, 3 for the others and for skeletons, which have colours
};

void add_image_model_options(CLI::App& app, ImageFormOptions& options);

/// How weights of other data are used.
struct FineTuningOptions {
  std::string weights = {};
  std::string freeze = {};        ///< layers, separated by commas
  double head_learning_rate = 0;  ///< 0: that of all others
};

void add_fine_tuning_options(CLI::App& app, FineTuningOptions& options);

/// How pictures are varied in training: those of cameras as they are, skeletons before they are drawn.
struct ImageAugmentation {
  data::ClipAugmentation frames = {};
  gesture::JointAugmentation joints = {};
};

/// All that a program over images is told.
struct ImageExperimentOptions {
  FaceDataOptions data = {};
  GestureDataOptions joints = {};  ///< in place of pictures, to be drawn
  bool whole_recordings = false;   ///< draws all frames of a recording in one picture
  SplitOptions split = {};
  ImageFormOptions form = {};
  ImageAugmentation augmentation = {usual_clip_augmentation(), usual_joint_augmentation()};
  TrainingOptions training = {.batch = 64, .learning_rate = 2e-3};
  TargetOptions targets = {};
  FineTuningOptions fine_tuning = {};
  bool classes = true;  ///< to be told
  bool affect = false;  ///< valence and arousal to be told
};

/// All of them but those of valence and arousal.
void add_image_experiment_options(CLI::App& app, ImageExperimentOptions& options);

// --- the network ----------------------------------------------------------------------------------------------------

/// Any of the networks under its own parameter names.
template <class Device>
class ImageNetwork : public nn::Module<ImageNetwork<Device>, float, Device> {
 public:
  explicit ImageNetwork(const ImageModelOptions& options);

  /// Pictures [B, P, side, side, channels], P of a sample -> the mean over these, [B, ...].
  Output<Device> operator()(const Variable<float, Device>& pictures);

  /// How much each place of a picture [1, 1, side, side, channels] adds to a class's logit, [h, w]; undefined for
  /// networks that do not end in a mean over places.
  Tensor<float> activation_map(const Variable<float, Device>& picture, Index label);

  /// The name of the last layer.
  const char* head() const;

  void visit(auto&& child) {
    std::visit([&](auto& network) { network.visit(child); }, network_);
  }

 private:
  using Network = std::variant<models::ResNet18<float, Device>, models::ResNet50<float, Device>,
                               models::DenseNet<float, Device>, models::VisionTransformer<float, Device>>;

  static Network make(const ImageModelOptions& options);
  Network network_;
  ImageModelOptions options_;
};

/// A network with all that is needed to use it. What goes in and comes out is on the host.
template <class Device>
struct ImageModel {
  ImageModelOptions options;
  std::vector<std::string> class_names;
  ImageNetwork<Device> network;

  ImageModel(const ImageModelOptions& form, std::vector<std::string> names);

  /// Of pictures [B, P, side, side, channels], in evaluation.
  Answer answer(const Tensor<float>& pictures);

  /// As the network's, in evaluation.
  Tensor<float> activation_map(const Tensor<float>& picture, Index label);
};

// --- model files ----------------------------------------------------------------------------------------------------

/// With all that `load_image_model` needs on any device, and a self-check.
template <class Device>
void save_image_model(ImageModel<Device>& model, const std::filesystem::path& path);

/// Throws FileError for a file that is none of ours, or damaged.
template <class Device>
ImageModel<Device> load_image_model(const std::filesystem::path& path);

/// The whole of a program over images, once its options are read. Throws UsageError for data without what is to be
/// told.
template <class Device>
void run_image_experiment(const ImageExperimentOptions& options, const Program& program);

}  // namespace mien::examples
