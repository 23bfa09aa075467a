#include "gesture.hpp"

#include <algorithm>
#include <charconv>
#include <numbers>
#include <utility>

#include "mien/autograd/softmax.hpp"
#include "mien/data/frame_folders.hpp"
#include "mien/data/gesture_maps.hpp"
#include "mien/data/gesture_sequences.hpp"
#include "model_files.hpp"
#include "training.hpp"

namespace mien::examples {

gesture::JointLayout parse_layout(const std::string& name) {
  static const std::map<std::string, gesture::JointLayout> layouts{{"body_25", gesture::JointLayout::body_25},
                                                                   {"coco_18", gesture::JointLayout::coco_18},
                                                                   {"other", gesture::JointLayout::other}};
  return layouts.at(name);
}

void add_gesture_data_options(CLI::App& app, GestureDataOptions& options, const std::string& prefix) {
  const std::string group = "Joint recordings";
  const auto name = [&](const char* option) { return "--" + prefix + option; };
  app.add_option(name("recordings"), options.recordings, "folder with joints.npy or joints.npy.gz and sequences.csv")
      ->group(group);
  app.add_option(name("table"), options.table, "CSV table with a row a frame")->group(group);
  app.add_option(name("openpose"), options.openpose, "folder with <class>/<recording>/*_keypoints.json")->group(group);
  app.add_option(name("classes"), options.classes, "these labels alone, in this order, as in angry,happy,sad")
      ->group(group);
  app.add_option(name("layout"), options.layout, "body_25, coco_18 or other")
      ->check(CLI::IsMember({"body_25", "coco_18", "other"}))
      ->group(group);
  app.add_option(name("label-column"), options.label_column, "of the list or table")->group(group);
  app.add_option(name("subject-column"), options.subject_column, "of the list or table")->group(group);
  app.add_option(name("sequence-column"), options.sequence_column, "of the table")->group(group);
  app.add_option(name("frame-column"), options.frame_column, "of the table")->group(group);
  app.add_option(name("valence-column"), options.valence_column, "of the list or table, if it has one")->group(group);
  app.add_option(name("arousal-column"), options.arousal_column, "of the list or table, if it has one")->group(group);
  app.add_option(name("coordinate-scale"), options.coordinate_scale, "of the array's x and y")->group(group);
  app.add_option(name("confidence-scale"), options.confidence_scale, "of the array's confidences")->group(group);
  app.add_option(name("third"), options.third, "what an array's third number is: confidence or depth")
      ->check(CLI::IsMember({"confidence", "depth"}))
      ->group(group);
  app.add_option(name("yaw"), options.yaw, "degrees by which recordings with depth are turned")->group(group);
  app.add_flag(name("y-upwards"), options.y_upwards, "y grows upwards, as in motion capture")->group(group);
}

namespace {

const std::map<std::string, gesture::TimeWeight>& time_weights() {
  static const std::map<std::string, gesture::TimeWeight> names{{"linear", gesture::TimeWeight::linear},
                                                                {"quadratic", gesture::TimeWeight::quadratic},
                                                                {"uniform", gesture::TimeWeight::uniform},
                                                                {"normalised", gesture::TimeWeight::normalised}};
  return names;
}

const std::map<std::string, gesture::Scale>& scales() {
  static const std::map<std::string, gesture::Scale> names{{"none", gesture::Scale::none},
                                                           {"weight-sum", gesture::Scale::by_weight_sum},
                                                           {"maximum", gesture::Scale::by_maximum}};
  return names;
}

const std::map<std::string, gesture::Box>& boxes() {
  static const std::map<std::string, gesture::Box> names{{"sequence", gesture::Box::sequence},
                                                         {"per-frame", gesture::Box::per_frame}};
  return names;
}

const std::map<std::string, models::Aggregate>& aggregates() {
  static const std::map<std::string, models::Aggregate> names{{"concatenate", models::Aggregate::concatenate},
                                                              {"sum", models::Aggregate::sum}};
  return names;
}

}  // namespace

void add_gesture_model_options(CLI::App& app, GestureModelOptions& options, const std::string& prefix) {
  const std::string group = "Gesture model";
  const auto name = [&](const char* option) { return "--" + prefix + option; };
  app.add_option(name("size"), options.representation.size, "rows and columns of a joint's map")
      ->check(CLI::Range(4, 1024))
      ->group(group);
  app.add_option(name("sigma"), options.representation.sigma, "of the Gaussian about a joint, 0 for one pixel")
      ->check(not_negative)
      ->group(group);
  add_choice(app, name("time-weight"), options.representation.weight, time_weights(), "W(t)")->group(group);
  add_choice(app, name("map-scale"), options.representation.scale, scales(), "what maps are divided by")->group(group);
  add_choice(app, name("box"), options.representation.box, boxes(), "what lies in one square")->group(group);
  app.add_option(name("square-root"), options.representation.square_root, "of the maps' values: true or false")
      ->group(group);
  app.add_option(name("width"), options.network.width, "channels of the blocks")
      ->check(CLI::Range(Index{1}, largest_width))
      ->group(group);
  add_choice(app, name("aggregate"), options.network.aggregate, aggregates(), "the two branches")->group(group);
  app.add_option(name("dropout"), options.network.dropout, "before the classifier")
      ->check(CLI::Range(0.0, 0.99))
      ->group(group);
  app.add_flag(name("upper-body"), options.upper_body, "head, shoulders and arms alone")->group(group);
}

namespace {

/// "5-8,6-9" as pairs. Throws CLI::ValidationError for anything else.
std::vector<gesture::MirroredPair> parse_mirrored_joints(const std::string& list) {
  std::vector<gesture::MirroredPair> pairs;
  for (const std::string& entry : split_list(list)) {
    gesture::MirroredPair pair;
    const char* const end = entry.data() + entry.size();
    const auto right = std::from_chars(entry.data(), end, pair.first);
    const bool parted = right.ec == std::errc() && right.ptr != end && *right.ptr == '-';
    const auto left = std::from_chars(parted ? right.ptr + 1 : end, end, pair.second);
    if (left.ec != std::errc() || left.ptr != end || pair.first < 0 || pair.second < 0)
      throw CLI::ValidationError("--mirrored-joints", "`" + entry + "` is no pair of joints such as 5-8");
    pairs.push_back(pair);
  }
  return pairs;
}

}  // namespace

void add_joint_augmentation_options(CLI::App& app, gesture::JointAugmentation& options, const std::string& prefix) {
  const std::string group = "Joint augmentation";
  const auto add = [&](const char* option, double& value, const char* words) {
    app.add_option("--" + prefix + option, value, words)->check(not_negative)->group(group);
  };
  const auto add_probability = [&](const char* option, double& value, const char* words) {
    app.add_option("--" + prefix + option, value, words)->check(CLI::Range(0.0, 1.0))->group(group);
  };
  add_probability("mirror", options.mirror, "probability that left and right change places");
  app.add_option_function<std::string>(
         "--" + prefix + "mirrored-joints",
         [&options](const std::string& list) { options.mirrored = parse_mirrored_joints(list); },
         "pairs of joints that --mirror swaps, counted from 0, as in 5-8,6-9; for the layout other")
      ->group(group);
  add("rotation", options.rotation, "degrees either way");
  add("scale", options.scale, "part more or less, by axis");
  add("shear", options.shear, "x by so much of y");
  add("crop-time", options.crop, "part of the frames cut off the ends");
  add("speed", options.speed, "part faster or slower");
  add_probability("joint-dropout", options.joint_dropout, "probability that a joint is absent throughout");
  add_probability("frame-dropout", options.frame_dropout, "probability that a joint is absent in a frame");
  add("noise", options.noise, "deviation on x and y, as a part of the body");
}

OpenposeRecordings read_openpose_recordings(const std::filesystem::path& root, const io::OpenposeOptions& options) {
  OpenposeRecordings out;
  const auto folders_in = [&](const std::filesystem::path& folder) {
    const data::detail::Listing listing = data::detail::list_folder(folder, {}, out.skipped);
    out.skipped.other += std::ssize(listing.pictures);
    return listing.folders;
  };
  for (const std::string& label : folders_in(root))
    for (const std::string& name : folders_in(root / label)) {
      out.recordings.push_back({.sequence = io::read_openpose_folder(root / label / name, options), .label = label});
      out.recordings.back().sequence.name = label + "/" + name;
    }
  if (out.recordings.empty())
    throw FileError(root.string(), "", "no recordings", "<class>/<recording>/<video>_<12 digits>_keypoints.json");
  return out;
}

data::GestureSequences read_gesture_data(const GestureDataOptions& options, const std::string& split_column,
                                         const std::string& subject_column) {
  const int sources = !options.recordings.empty() + !options.table.empty() + !options.openpose.empty();
  if (sources != 1) throw UsageError("joints come from one of --recordings, --table and --openpose");
  const gesture::JointLayout layout = parse_layout(options.layout);
  std::vector<io::JointRecording> recordings;
  data::SkippedFiles skipped;
  if (!options.recordings.empty()) {
    io::JointRecordingsOptions read{.coordinate_scale = options.coordinate_scale,
                                    .confidence_scale = options.confidence_scale,
                                    .yaw = options.yaw * std::numbers::pi / 180,
                                    .y_upwards = options.y_upwards,
                                    .layout = layout,
                                    .label = options.label_column,
                                    .subject = subject_column,
                                    .allow_not_finite = options.allow_not_finite};
    if (options.third == "depth") read.third = io::ThirdNumber::depth;
    if (!split_column.empty()) read.split = split_column;
    recordings = io::read_joint_recordings(options.recordings, read);
  } else if (!options.table.empty()) {
    const io::CsvTable table = io::read_csv(options.table);
    io::JointTableOptions read{.columns = {.sequence = options.sequence_column,
                                           .frame = options.frame_column,
                                           .label = options.label_column,
                                           .split = split_column},
                               .layout = layout,
                               .allow_not_finite = options.allow_not_finite};
    // The usual column may be missing; one that was asked for may not.
    if (subject_column != GestureDataOptions{}.subject_column || table.find_column(subject_column))
      read.columns.subject = subject_column;
    for (const std::string& column : {options.valence_column, options.arousal_column})
      if (!column.empty()) read.columns.others.push_back(column);
    recordings = io::read_joint_table(table, read);
  } else {
    OpenposeRecordings read = read_openpose_recordings(options.openpose, {.layout = layout});
    recordings = std::move(read.recordings);
    skipped = read.skipped;
  }
  auto data = data::gesture_sequences(std::move(recordings),
                                      {.valence = options.valence_column, .arousal = options.arousal_column});
  data.skipped = skipped;
  auto chosen = only_classes(std::move(data), split_list(options.classes));
  if (chosen.samples.empty())
    throw FileError(options.recordings + options.table + options.openpose, "", "no recordings", "at least one");
  return chosen;
}

template <class Device>
GestureModel<Device>::GestureModel(const GestureModelOptions& form, std::vector<std::string> names)
    : options(form), class_names(std::move(names)), network(options.network) {}

template <class Device>
Answer GestureModel<Device>::answer(const Tensor<float>& maps) {
  const NoGradient not_recorded;
  network.freeze();
  const Variable<float, Device> features = network.features(Variable<float, Device>(maps.to<Device>()));
  return {softmax(network.fc(features)).value().template to<Cpu>(), features.value().template to<Cpu>()};
}

namespace {

io::Metadata gesture_metadata(const GestureModelOptions& form, const std::vector<std::string>& class_names) {
  const auto& representation = form.representation;
  const auto& network = form.network;
  const Json options = {{"joints", network.joints},
                        {"recorded_joints", form.recorded_joints},
                        {"drawn_joints", representation.joints},
                        {"width", network.width},
                        {"aggregate", name_of(aggregates(), network.aggregate)},
                        {"size", representation.size},
                        {"sigma", representation.sigma},
                        {"time_weight", name_of(time_weights(), representation.weight)},
                        {"scale", name_of(scales(), representation.scale)},
                        {"square_root", representation.square_root},
                        {"box", name_of(boxes(), representation.box)},
                        {"margin", representation.margin}};
  return {{"model", "accm"}, {"class_names", Json(class_names).dump()}, {"options", options.dump()}};
}

GestureModelOptions stored_form(const Json& stored, const std::string& path, Index classes) {
  GestureModelOptions options;
  auto& representation = options.representation;
  try {
    representation.size = stored.at("size");
    representation.sigma = stored.at("sigma");
    representation.weight = time_weights().at(stored.at("time_weight"));
    representation.scale = scales().at(stored.at("scale"));
    representation.square_root = stored.at("square_root");
    representation.box = boxes().at(stored.at("box"));
    representation.margin = stored.at("margin");
    representation.joints = stored.at("drawn_joints").get<std::vector<Index>>();
    options.recorded_joints = stored.value("recorded_joints", Index{0});
    options.network = {.joints = stored.at("joints"),
                       .classes = classes,
                       .width = stored.at("width"),
                       .aggregate = aggregates().at(stored.at("aggregate"))};
  } catch (const std::exception& error) {
    throw FileError(path, "__metadata__: options", error.what(), "the form of an ACCM");
  }
  return options;
}

/// The self-check's logits.
constexpr auto gesture_logits = []<class Device>(GestureModel<Device>& model, const Tensor<float>& input) {
  const NoGradient not_recorded;
  model.network.evaluate();
  return model.network(Variable<float, Device>(input.to<Device>())).value().template to<Cpu>();
};

}  // namespace

template <class Device>
void save_gesture_model(GestureModel<Device>& model, const std::filesystem::path& path) {
  const Index size = model.options.representation.size;
  save_model(model, path, gesture_metadata(model.options, model.class_names),
             {1, size, size, model.options.network.joints}, 0, gesture_logits);
}

template <class Device>
GestureModel<Device> load_gesture_model(const std::filesystem::path& path) {
  return load_model<GestureModel<Device>>(path, "accm", stored_form, gesture_logits);
}

void require_joints(const GestureModelOptions& form, const gesture::JointSequence& recording) {
  // Files that do not say how many joints their recordings had do so unless only some of them are drawn.
  const bool draws_all = form.representation.joints.empty();
  const Index expected = form.recorded_joints > 0 ? form.recorded_joints : draws_all ? form.network.joints : 0;
  const Index found = recording.joint_count();
  if (expected > 0 && found != expected)
    throw ValueError(detail::text("`", recording.name, "` has ", found,
                                  " joints, the model was trained on recordings of ", expected));
}

GestureModelOptions fitted(GestureModelOptions options, const data::GestureSequences& data) {
  const auto& first = data.samples.front().joints;
  options.network.classes = data.classes();
  options.recorded_joints = first.joint_count();
  options.network.joints = options.recorded_joints;
  if (options.upper_body) {
    options.representation.joints = gesture::upper_body(first.layout);
    if (options.representation.joints.empty()) throw UsageError("--upper-body needs the layout body_25 or coco_18");
    options.network.joints = static_cast<Index>(options.representation.joints.size());
  }
  return options;
}

template <class Device>
TrainedGesture<Device> train_gesture(const data::GestureSequences& data, const Parts& parts, const RunPlace& place,
                                     const GestureModelOptions& form, const gesture::JointAugmentation& augmentation,
                                     const TrainingOptions& training, const Program& program) {
  set_seed(place.seed);
  GestureModel<Device> model(fitted(form, data), data.class_names);
  const auto& representation = model.options.representation;
  const auto train_data = usable_training(data.subset(parts.train), training, place.folder, program);
  const auto loader =
      training_loader(data::GestureMaps(train_data, {representation, augmentation}), training, place.seed);
  const auto validation = evaluation_loader(
      data::GestureMaps(usable_watched(data.subset(watched_samples(parts)), parts, training), {representation, {}}),
      training, place.seed);
  const CrossEntropyOptions loss = loss_options(training, train_data.labels(), data.classes());
  auto history = train_network(
      model.network, loader, validation,
      [&](const data::GestureBatch& batch) {
        const Variable<float, Device> logits = model.network(Variable<float, Device>(batch.maps.to<Device>()));
        return train::BatchOutput<float, Device>{.loss = cross_entropy(logits, batch.labels, loss),
                                                 .logits = logits.value(),
                                                 .labels = batch.labels,
                                                 .weight = ops::cross_entropy_weight(batch.labels, loss)};
      },
      training, place, !parts.validation.empty(), program, data.class_names);
  return {std::move(model), std::move(history)};
}

template <class Device>
Predictions predict_gesture(GestureModel<Device>& model, const data::GestureSequences& data,
                            const std::vector<Index>& samples, const gesture::JointAugmentation& augmentation,
                            const TrainingOptions& training, std::uint64_t seed, std::vector<double>* attention) {
  const auto& representation = model.options.representation;
  const auto subset = usable_evaluation(data.subset(samples), training);
  const auto plain = evaluation_loader(data::GestureMaps(subset, {representation, {}}), training, seed);
  const auto varied = evaluation_loader(data::GestureMaps(subset, {representation, augmentation}), training, seed);
  if (attention) attention->assign(static_cast<std::size_t>(model.options.network.joints), 0.0);
  const double rows = static_cast<double>(subset.size() * training.test_time_augmentation);
  return predict(plain, varied, training.test_time_augmentation, [&](const data::GestureBatch& batch) {
    Answer out = model.answer(batch.maps);
    if (attention) {
      const auto weights = model.network.joint_weights().template to<Cpu>();
      for (Index i = 0; i < weights.size(0); ++i)
        for (Index joint = 0; joint < weights.size(1); ++joint)
          (*attention)[static_cast<std::size_t>(joint)] += static_cast<double>(weights(i, joint)) / rows;
    }
    return out;
  });
}

// All of it that is compiled for a device. The types are those of the declarations.
#define MIEN_GESTURE_BRANCH(Device)                                         \
  template struct GestureModel<Device>;                                     \
  template decltype(save_gesture_model<Device>) save_gesture_model<Device>; \
  template decltype(load_gesture_model<Device>) load_gesture_model<Device>; \
  template decltype(train_gesture<Device>) train_gesture<Device>;           \
  template decltype(predict_gesture<Device>) predict_gesture<Device>;

MIEN_GESTURE_BRANCH(Cpu)
#if defined(MIEN_WITH_CUDA)
MIEN_GESTURE_BRANCH(Cuda)
#endif
#undef MIEN_GESTURE_BRANCH

namespace {

std::vector<float> plain_coordinates(const gesture::JointSequence& sequence) {
  constexpr Index frames = 16;
  const Tensor<float> joints = gesture::resample_time(sequence.joints, frames);
  const auto extent = gesture::detail::extent_of(sequence.joints.contiguous());
  const double side = std::max(extent.side, 1e-6);
  std::vector<float> out;
  for (Index frame = 0; frame < frames; ++frame)
    for (Index joint = 0; joint < joints.size(1); ++joint) {
      const bool present = joints(frame, joint, 2) > 0;
      out.push_back(present ? static_cast<float>((static_cast<double>(joints(frame, joint, 0)) - extent.x) / side) : 0);
      out.push_back(present ? static_cast<float>((static_cast<double>(joints(frame, joint, 1)) - extent.y) / side) : 0);
    }
  return out;
}

double squared_distance(const std::vector<float>& a, const std::vector<float>& b) {
  float sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return static_cast<double>(sum);
}

}  // namespace

metrics::ConfusionMatrix nearest_neighbours(const data::GestureSequences& data, const std::vector<Index>& train,
                                            const std::vector<Index>& test, Index neighbours) {
  const auto coordinates_of = [&](const std::vector<Index>& samples) {
    std::vector<std::vector<float>> out;
    for (const Index i : samples) out.push_back(plain_coordinates(data.samples[static_cast<std::size_t>(i)].joints));
    return out;
  };
  const auto known = coordinates_of(train);
  const auto asked = coordinates_of(test);
  const auto labels = data.labels();
  metrics::ConfusionMatrix confusion(data.classes());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    std::vector<std::pair<double, Index>> near;
    // What is bad in a training sample must not decide here either.
    for (std::size_t j = 0; j < known.size(); ++j)
      if (const double distance = squared_distance(asked[i], known[j]); std::isfinite(distance))
        near.emplace_back(distance, labels[static_cast<std::size_t>(train[j])]);
    if (near.empty()) throw ValueError("--baseline: no training recording has finite coordinates alone");
    const auto count = std::min<std::ptrdiff_t>(neighbours, std::ssize(near));
    std::partial_sort(near.begin(), near.begin() + count, near.end());
    std::vector<Index> votes(static_cast<std::size_t>(data.classes()), 0);
    for (std::ptrdiff_t j = 0; j < count; ++j)
      ++votes[static_cast<std::size_t>(near[static_cast<std::size_t>(j)].second)];
    const Index most = *std::max_element(votes.begin(), votes.end());
    const auto winner = std::find_if(near.begin(), near.end(), [&](const auto& neighbour) {
      return votes[static_cast<std::size_t>(neighbour.second)] == most;
    });
    confusion.add(labels[static_cast<std::size_t>(test[i])], winner->second);
  }
  return confusion;
}

}  // namespace mien::examples
