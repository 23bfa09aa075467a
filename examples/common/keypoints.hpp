#pragma once

/// Perceptrons over keypoints for the example programs: frames of joint recordings in, classes or valence and arousal
/// out, model files that say what they are.

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "experiment.hpp"
#include "mien/data/keypoint_frames.hpp"
#include "mien/models/keypoint_mlp.hpp"
#include "targets.hpp"

namespace mien::examples {

/// The form of a perceptron and of its input.
struct KeypointModelOptions {
  Index frames = 8;    ///< of a recording
  bool pooled = true;  ///< learns from the mean of a recording's outputs; else from each frame's
  std::vector<Index> widths{512, 256, 128};
  double dropout = 0.3;
  Index joints = 0;   ///< of the data
  Index classes = 0;  ///< 0: valence and arousal
};

void add_keypoint_model_options(CLI::App& app, KeypointModelOptions& options);

/// Either perceptron under its own parameter names.
template <class Device>
class KeypointNetwork : public nn::Module<KeypointNetwork<Device>, float, Device> {
 public:
  explicit KeypointNetwork(const KeypointModelOptions& options);

  /// Keypoints [B, F, J, 3] -> the mean over the frames, [B, ...], or without pooling all frames, [B F, ...].
  Output<Device> operator()(const Variable<float, Device>& keypoints, bool pooled);

  void visit(auto&& child) {
    std::visit([&](auto& network) { network.visit(child); }, network_);
  }

 private:
  using Network = std::variant<models::KeypointMlp<float, Device>, models::KeypointAffect<float, Device>>;

  static Network make(const KeypointModelOptions& options);

  Network network_;
};

/// A network with all that is needed to use it. What goes in and comes out is on the host.
template <class Device>
struct KeypointModel {
  KeypointModelOptions options;
  std::vector<std::string> class_names;
  KeypointNetwork<Device> network;

  KeypointModel(const KeypointModelOptions& form, std::vector<std::string> names);

  /// Of keypoints [B, F, J, 3], in evaluation: the mean over the frames.
  Answer answer(const Tensor<float>& keypoints);
};

/// With all that `load_keypoint_model` needs on any device, and a self-check.
template <class Device>
void save_keypoint_model(KeypointModel<Device>& model, const std::filesystem::path& path);

/// Throws FileError for a file that is none of ours, or damaged.
template <class Device>
KeypointModel<Device> load_keypoint_model(const std::filesystem::path& path);

/// The whole of the program, once its options are read.
template <class Device>
void run_keypoint_experiment(const data::GestureSequences& data, const SplitOptions& split,
                             const KeypointModelOptions& form, const gesture::JointAugmentation& augmentation,
                             const TrainingOptions& training, const TargetOptions& targets, bool affect_wanted,
                             const Program& program);

}  // namespace mien::examples
