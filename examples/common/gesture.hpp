#pragma once

/// The body branch of the example programs: joint recordings in, ACCM, model files that say what they are.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "experiment.hpp"
#include "mien/data/data_set.hpp"
#include "mien/gesture/augmentation.hpp"
#include "mien/gesture/representation.hpp"
#include "mien/io/joint_table.hpp"
#include "mien/io/openpose.hpp"
#include "mien/models/accm.hpp"

namespace mien::examples {

// --- options --------------------------------------------------------------------------------------------------------

gesture::JointLayout parse_layout(const std::string& name);

/// Where joint recordings are, and how their numbers are meant.
struct GestureDataOptions {
  std::string recordings = {};
  std::string table = {};
  std::string openpose = {};
  std::string classes = {};
  std::string layout = "body_25";
  std::string label_column = "label";
  std::string subject_column = "subject";
  std::string sequence_column = "sequence";
  std::string frame_column = "frame";
  std::string valence_column = {};
  std::string arousal_column = {};
  double coordinate_scale = 0.1;
  double confidence_scale = 0.001;
  std::string third = "confidence";
  double yaw = 0;
  bool y_upwards = false;
  bool allow_not_finite = false;  ///< for --bad-samples; then whoever uses samples has to look at them
};

/// `prefix` goes before every option's name, for programs that read two kinds of data.
void add_gesture_data_options(CLI::App& app, GestureDataOptions& options, const std::string& prefix = "");

/// Joints as they are to be read for a training with these options.
inline GestureDataOptions joints_to_read(GestureDataOptions joints, const TrainingOptions& options) {
  joints.allow_not_finite = options.bad_samples != data::BadSamples::error;
  return joints;
}

/// The form of ACCM and of its input.
struct GestureModelOptions {
  gesture::RepresentationOptions representation{
      .size = 32, .sigma = 1, .weight = gesture::TimeWeight::linear, .square_root = true};
  models::AccmOptions network{.width = 64, .dropout = 0.3};
  bool upper_body = false;
  Index recorded_joints = 0;  ///< of the recordings, drawn or not; 0: an older file did not say
};

void add_gesture_model_options(CLI::App& app, GestureModelOptions& options, const std::string& prefix = "");

inline gesture::JointAugmentation usual_joint_augmentation() {
  return {.rotation = 8, .scale = 0.1, .shear = 0.1, .crop = 0.3, .joint_dropout = 0.05, .noise = 0.01};
}

void add_joint_augmentation_options(CLI::App& app, gesture::JointAugmentation& options, const std::string& prefix = "");

// --- data -----------------------------------------------------------------------------------------------------------

/// Recordings that lie as <class>/<recording>/*_keypoints.json, and how much else lies beside them.
struct OpenposeRecordings {
  std::vector<io::JointRecording> recordings = {};
  data::SkippedFiles skipped = {};
};

/// Throws FileError for a folder that cannot be read, or that has no recordings.
OpenposeRecordings read_openpose_recordings(const std::filesystem::path& root, const io::OpenposeOptions& options);

/// Reads what the options name. Throws UsageError unless that is one thing.
data::GestureSequences read_gesture_data(const GestureDataOptions& options, const std::string& split_column,
                                         const std::string& subject_column);

// --- model files ----------------------------------------------------------------------------------------------------

/// An ACCM with all that is needed to use it. What goes in and comes out is on the host.
template <class Device>
struct GestureModel {
  GestureModelOptions options;
  std::vector<std::string> class_names;
  models::Accm<float, Device> network;

  GestureModel(const GestureModelOptions& form, std::vector<std::string> names);

  /// Of maps [B, S, S, J], in evaluation.
  Answer answer(const Tensor<float>& maps);
};

/// With all that `load_gesture_model` needs on any device, and a self-check.
template <class Device>
void save_gesture_model(GestureModel<Device>& model, const std::filesystem::path& path);

/// Throws FileError for a file that is none of ours, or damaged.
template <class Device>
GestureModel<Device> load_gesture_model(const std::filesystem::path& path);

/// Throws ValueError for a recording with other joints than those that the model was trained on.
void require_joints(const GestureModelOptions& form, const gesture::JointSequence& recording);

// --- training -------------------------------------------------------------------------------------------------------

/// The options' form for these data. Throws UsageError if they do not fit.
GestureModelOptions fitted(GestureModelOptions options, const data::GestureSequences& data);

template <class Device>
struct TrainedGesture {
  GestureModel<Device> model;
  train::History history;
};

template <class Device>
TrainedGesture<Device> train_gesture(const data::GestureSequences& data, const Parts& parts, const RunPlace& place,
                                     const GestureModelOptions& form, const gesture::JointAugmentation& augmentation,
                                     const TrainingOptions& training, const Program& program);

/// Probabilities of some samples; `attention`, if given, becomes the mean weight of each joint over them.
template <class Device>
Predictions predict_gesture(GestureModel<Device>& model, const data::GestureSequences& data,
                            const std::vector<Index>& samples, const gesture::JointAugmentation& augmentation,
                            const TrainingOptions& training, std::uint64_t seed,
                            std::vector<double>* attention = nullptr);

// --- nearest neighbour ----------------------------------------------------------------------------------------------

/// What k nearest neighbours make of plain coordinates, without any learning: each recording in 16 frames, its joints
/// relative to the middle of its square box and in sides of it, absent joints in the middle; Euclidean distance; the
/// label most neighbours have, of equals the nearest one's.
metrics::ConfusionMatrix nearest_neighbours(const data::GestureSequences& data, const std::vector<Index>& train,
                                            const std::vector<Index>& test, Index neighbours);

}  // namespace mien::examples
