#include "keypoints.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "mien/autograd/arithmetic.hpp"
#include "model_files.hpp"
#include "training.hpp"

namespace mien::examples {

void add_keypoint_model_options(CLI::App& app, KeypointModelOptions& options) {
  const std::string group = "Keypoint model";
  app.add_option("--frames", options.frames, "frames of a recording, one from each of so many equal parts")
      ->check(CLI::Range(Index{1}, largest_count))
      ->group(group);
  app.add_option("--pooled", options.pooled,
                 "true: learns from the mean of a recording's outputs; false: from each of its frames")
      ->group(group);
  app.add_option("--widths", options.widths, "of the three hidden layers, as in 512,256,128")
      ->delimiter(',')
      ->expected(3)
      ->check(CLI::Range(Index{1}, largest_width))
      ->group(group);
  app.add_option("--dropout", options.dropout, "after each hidden layer")->check(CLI::Range(0.0, 0.99))->group(group);
}

template <class Device>
typename KeypointNetwork<Device>::Network KeypointNetwork<Device>::make(const KeypointModelOptions& options) {
  std::array<Index, 3> widths{};
  std::copy_n(options.widths.begin(), 3, widths.begin());
  if (options.classes == 0)
    return models::KeypointAffect<float, Device>(
        {.joints = options.joints, .widths = widths, .dropout = options.dropout});
  return models::KeypointMlp<float, Device>(
      {.joints = options.joints, .outputs = options.classes, .widths = widths, .dropout = options.dropout});
}

template <class Device>
KeypointNetwork<Device>::KeypointNetwork(const KeypointModelOptions& options) : network_(make(options)) {}

template <class Device>
Output<Device> KeypointNetwork<Device>::operator()(const Variable<float, Device>& keypoints, bool pooled) {
  const Shape shape = keypoints.shape();
  const Variable<float, Device> frames = reshape(keypoints, {shape[0] * shape[1], shape[2], shape[3]});
  Variable<float, Device> outputs = std::visit([&](auto& network) { return network(frames); }, network_);
  if (pooled) outputs = mean_of_positions(reshape(outputs, {shape[0], shape[1], outputs.size(-1)}));
  Output<Device> out;
  (std::holds_alternative<models::KeypointMlp<float, Device>>(network_) ? out.logits : out.affect) = outputs;
  return out;
}

template <class Device>
KeypointModel<Device>::KeypointModel(const KeypointModelOptions& form, std::vector<std::string> names)
    : options(form), class_names(std::move(names)), network(options) {}

template <class Device>
Answer KeypointModel<Device>::answer(const Tensor<float>& keypoints) {
  const NoGradient not_recorded;
  network.freeze();
  return answer_of(network(Variable<float, Device>(keypoints.to<Device>()), true));
}

namespace {

io::Metadata keypoint_metadata(const KeypointModelOptions& options, const std::vector<std::string>& class_names) {
  const Json form = {{"frames", options.frames}, {"widths", options.widths}, {"joints", options.joints}};
  return {{"model", "keypoints"}, {"class_names", Json(class_names).dump()}, {"options", form.dump()}};
}

KeypointModelOptions stored_form(const Json& stored, const std::string& path, Index classes) {
  KeypointModelOptions options{.classes = classes};
  try {
    options.frames = stored.at("frames");
    options.widths = stored.at("widths").get<std::vector<Index>>();
    options.joints = stored.at("joints");
  } catch (const std::exception& error) {
    throw FileError(path, "__metadata__: options", error.what(), "the form of a perceptron over keypoints");
  }
  if (options.widths.size() != 3) throw FileError(path, "__metadata__: options", "other widths", "three");
  return options;
}

/// The self-check's output.
constexpr auto keypoint_output = [](auto& model, const Tensor<float>& input) {
  const Answer answer = model.answer(input);
  return answer.probabilities.defined() ? answer.probabilities : answer.affect;
};

}  // namespace

template <class Device>
void save_keypoint_model(KeypointModel<Device>& model, const std::filesystem::path& path) {
  save_model(model, path, keypoint_metadata(model.options, model.class_names),
             {1, model.options.frames, model.options.joints, 3}, -1, keypoint_output);
}

template <class Device>
KeypointModel<Device> load_keypoint_model(const std::filesystem::path& path) {
  return load_model<KeypointModel<Device>>(path, "keypoints", stored_form, keypoint_output);
}

namespace {

data::KeypointFrames frames_of(const data::GestureSequences& data, const KeypointModelOptions& form,
                               data::ClipSampling sampling, const gesture::JointAugmentation& augmentation) {
  return data::KeypointFrames(data, {.frames = form.frames, .sampling = sampling, .augmentation = augmentation});
}

/// Each row as often as there are frames, one after the other: targets of frames.
template <class T>
Tensor<T> repeated(const Tensor<T>& rows, Index times) {
  if (!rows.defined()) return rows;
  const Index length = rows.elements() / std::max<Index>(1, rows.size(0));
  Tensor<T> out(rows.shape().with(0, rows.size(0) * times));
  T* to = out.data();
  for (Index row = 0; row < rows.size(0); ++row)
    for (Index i = 0; i < times; ++i) to = std::copy_n(rows.data() + row * length, length, to);
  return out;
}

/// What a network makes of a batch: of recordings as a whole, or of each of their frames where it learns from those.
template <class Device>
train::BatchOutput<float, Device> step(KeypointNetwork<Device>& network, const data::KeypointBatch& batch,
                                       const KeypointModelOptions& form, const CrossEntropyOptions& loss,
                                       const TargetOptions& targets) {
  const bool training = network.is_training();
  auto wanted = targets_of(batch, batch.keypoints, form.classes, targets, training);
  const bool pooled = form.pooled || !training;
  std::vector<Index> labels = batch.labels;
  if (!pooled) {
    labels.clear();
    for (const Index label : batch.labels) labels.insert(labels.end(), static_cast<std::size_t>(form.frames), label);
    wanted.classes = repeated(wanted.classes, form.frames);
    wanted.affect = repeated(wanted.affect, form.frames);
    wanted.affect_mask = repeated(wanted.affect_mask, form.frames);
  }
  const auto output = network(Variable<float, Device>(wanted.inputs.template to<Device>()), pooled);
  return batch_output(output, wanted, labels, loss, targets);
}

template <class Device>
Predictions predict_keypoints(KeypointModel<Device>& model, const data::GestureSequences& data,
                              const std::vector<Index>& samples, const gesture::JointAugmentation& augmentation,
                              const TrainingOptions& training, std::uint64_t seed) {
  const auto subset = usable_evaluation(data.subset(samples), training);
  const auto plain =
      evaluation_loader(frames_of(subset, model.options, data::ClipSampling::centred, {}), training, seed);
  const auto varied =
      evaluation_loader(frames_of(subset, model.options, data::ClipSampling::random, augmentation), training, seed);
  return predict(plain, varied, training.test_time_augmentation,
                 [&](const data::KeypointBatch& batch) { return model.answer(batch.keypoints); });
}

template <class Device>
FoldResult train_and_test(const data::GestureSequences& data, const Parts& parts, const RunPlace& place,
                          const KeypointModelOptions& form, const gesture::JointAugmentation& augmentation,
                          const TrainingOptions& training, const TargetOptions& targets, const Program& program) {
  set_seed(place.seed);
  KeypointModel<Device> model(form, form.classes > 0 ? data.class_names : std::vector<std::string>());
  const auto train_data = usable_training(data.subset(parts.train), training, place.folder, program);
  const auto loader =
      training_loader(frames_of(train_data, form, data::ClipSampling::random, augmentation), training, place.seed);
  const auto validation =
      evaluation_loader(frames_of(usable_watched(data.subset(watched_samples(parts)), parts, training), form,
                                  data::ClipSampling::centred, {}),
                        training, place.seed);
  CrossEntropyOptions loss;
  if (form.classes > 0) loss = loss_options(training, train_data.labels(), data.classes());
  loss.focal_gamma = targets.focal_gamma;
  const auto history = train_network(
      model.network, loader, validation,
      [&](const data::KeypointBatch& batch) { return step(model.network, batch, form, loss, targets); }, training,
      place, !parts.validation.empty(), program, model.class_names, {.criterion = criterion_for(form.classes == 0)});
  save_keypoint_model(model, place.folder / "model.safetensors");
  const auto test = predict_keypoints(model, data, parts.test, augmentation, training, place.seed);
  return {.parts = parts,
          .history = history,
          .test = test,
          .confusion = test.confusion(form.classes),
          .affect = test.affect_record()};
}

}  // namespace

template <class Device>
void run_keypoint_experiment(const data::GestureSequences& data, const SplitOptions& split,
                             const KeypointModelOptions& form, const gesture::JointAugmentation& augmentation,
                             const TrainingOptions& training, const TargetOptions& targets, bool affect_wanted,
                             const Program& program) {
  KeypointModelOptions own_form = form;
  own_form.joints = data.samples.front().joints.joint_count();
  own_form.classes = affect_wanted ? 0 : data.classes();
  SampleFacts facts(data);
  facts.tells_classes = !affect_wanted;
  run_experiment(
      program, facts, split, training, {{"model", "keypoints"}}, [&](const Parts& parts, const RunPlace& place) {
        return train_and_test<Device>(data, parts, place, own_form, augmentation, training, targets, program);
      });
}

// All of it that is compiled for a device. The types are those of the declarations.
#define MIEN_KEYPOINT_MODELS(Device)                                          \
  template class KeypointNetwork<Device>;                                     \
  template struct KeypointModel<Device>;                                      \
  template decltype(save_keypoint_model<Device>) save_keypoint_model<Device>; \
  template decltype(load_keypoint_model<Device>) load_keypoint_model<Device>; \
  template decltype(run_keypoint_experiment<Device>) run_keypoint_experiment<Device>;

MIEN_KEYPOINT_MODELS(Cpu)
#if defined(MIEN_WITH_CUDA)
MIEN_KEYPOINT_MODELS(Cuda)
#endif
#undef MIEN_KEYPOINT_MODELS

}  // namespace mien::examples
