#pragma once

/// The face branch of the example programs: frames in, SISTCM-ResNet18 with or without the two-stream LSTM, model files
/// that say what they are.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "experiment.hpp"
#include "mien/data/augmentation.hpp"
#include "mien/data/data_set.hpp"
#include "mien/models/sistcm_resnet.hpp"
#include "mien/models/two_stream_lstm.hpp"
#include "mien/ops/cross_entropy.hpp"

namespace mien::examples {

// --- options --------------------------------------------------------------------------------------------------------

/// Where frames are.
struct FaceDataOptions {
  std::string packed = {};
  std::string videos = {};
  std::string images = {};
  std::string subjects = {};
  std::string sheet = {};
  std::string sheet_root = {};
  std::string path_column = "path";
  std::string label_column = "label";
  std::string subject_column = {};
  Index path_components = 0;
  std::string extension = {};
  std::string class_names = {};
  std::string classes = {};
  bool allow_missing = false;
  std::string votes_prefix = {};  ///< what goes before classes in the names of columns with votes
  std::string valence_column = {};
  std::string arousal_column = {};
  std::string ferplus = {};
  std::string ferplus_pictures = {};  ///< the table's own folder unless given
};

/// `prefix` goes before every option's name, for programs that read two kinds of data.
void add_face_data_options(CLI::App& app, FaceDataOptions& options, const std::string& prefix = "");

/// The form of the network and of its input.
struct FaceModelOptions {
  Index clips = 1;
  Index frames = 8;
  data::FrameOptions frame = {};
  models::SistcmResNet18Options network{};
  bool lstm = false;
  Index feature_hidden = 256;
  Index emotion_hidden = 64;
  double lambda = 1;
  double mu = 1;
};

/// The command line's words for a network, before they become its form.
struct FaceFormOptions {
  FaceModelOptions model = {};
  bool small = false;
  std::vector<Index> widths = {};
  Index side = 0;  ///< 0: 112, or 48 for the small form
};

void add_face_model_options(CLI::App& app, FaceFormOptions& options, const std::string& prefix = "");

void add_clip_augmentation_options(CLI::App& app, data::ClipAugmentation& options, const std::string& prefix = "");

inline data::ClipAugmentation usual_clip_augmentation() {
  return {.mirror = 0.5, .rotation = 8, .scale = 0.1, .shift = 0.06, .brightness = 0.1, .contrast = 0.2};
}

// --- data -----------------------------------------------------------------------------------------------------------

/// Reads what the options name. Throws UsageError unless that is one thing.
data::FrameSequences read_face_data(const FaceDataOptions& options, const std::string& split_column,
                                    const std::string& subject_column);

// --- the network ----------------------------------------------------------------------------------------------------

/// Clips' network and, if wanted, the LSTM over them. Names "face.*" and "reader.*" in checkpoints.
template <class Device>
struct FaceNetwork : nn::Module<FaceNetwork<Device>, float, Device> {
  explicit FaceNetwork(const FaceModelOptions& options);

  struct Output {
    Variable<float, Device> features;     ///< [B, K, F]
    Variable<float, Device> clip_logits;  ///< [B, K, classes]
    std::optional<models::TwoStreamLogits<float, Device>> video;
  };

  /// Frames [B, K, T, side, side, channels].
  Output operator()(const Variable<float, Device>& frames);

  /// The loss of videos, one label a video.
  Variable<float, Device> loss(const Output& output, const std::vector<Index>& labels,
                               const CrossEntropyOptions& options) const;

  /// Probabilities [B, classes]: the video's emotion by all three answers, or the softmax of the clips' mean logits.
  static Tensor<float, Device> emotion(const Output& output);

  void visit(auto&& child) {
    child("face", face);
    if (reader) child("reader", *reader);
  }

  models::SistcmResNet18<float, Device> face;
  std::optional<models::TwoStreamLstm<float, Device>> reader;

 private:
  FaceModelOptions options_;
};

/// A network with all that is needed to use it. What goes in and comes out is on the host.
template <class Device>
struct FaceModel {
  FaceModelOptions options;
  std::vector<std::string> class_names;
  FaceNetwork<Device> network;

  FaceModel(const FaceModelOptions& form, std::vector<std::string> names);

  /// Of frames [B, K, T, side, side, channels], in evaluation; features are the clips' mean.
  Answer answer(const Tensor<float>& frames);
};

/// The form for these classes.
FaceModelOptions fitted(const FaceFormOptions& options, Index classes);

// --- model files ----------------------------------------------------------------------------------------------------

/// With all that `load_face_model` needs on any device, and a self-check.
template <class Device>
void save_face_model(FaceModel<Device>& model, const std::filesystem::path& path);

/// Throws FileError for a file that is none of ours, or damaged.
template <class Device>
FaceModel<Device> load_face_model(const std::filesystem::path& path);

// --- training -------------------------------------------------------------------------------------------------------

template <class Device>
struct TrainedFace {
  FaceModel<Device> model;
  train::History history;
};

template <class Device>
TrainedFace<Device> train_face(const data::FrameSequences& data, const Parts& parts, const RunPlace& place,
                               const FaceModelOptions& form, const data::ClipAugmentation& augmentation,
                               const TrainingOptions& training, const std::filesystem::path& weights,
                               const Program& program);

/// Probabilities of some samples; `alpha`, if given, becomes the mean weight of the height view in each block.
template <class Device>
Predictions predict_face(FaceModel<Device>& model, const data::FrameSequences& data, const std::vector<Index>& samples,
                         const data::ClipAugmentation& augmentation, const TrainingOptions& training,
                         std::uint64_t seed, std::vector<double>* alpha = nullptr);

}  // namespace mien::examples
