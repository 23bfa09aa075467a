#include "image.hpp"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <type_traits>
#include <utility>

#include "mien/data/face_clips.hpp"
#include "model_files.hpp"
#include "training.hpp"

namespace mien::examples {
namespace {

/// The networks by name, with the side and the channels of the images that they are usually given.
struct Form {
  Index side;
  Index channels;
};

const std::map<std::string, Form>& forms() {
  static const std::map<std::string, Form> all{
      {"resnet18", {224, 3}}, {"resnet50", {224, 3}},      {"densenet121", {224, 3}}, {"densenet201", {224, 3}},
      {"vit_b_16", {224, 3}}, {"resnet18_small", {48, 1}}, {"vit_small", {48, 1}},    {"densenet_small", {48, 1}},
  };
  return all;
}

bool is_small(const std::string& model) { return model.ends_with("_small"); }

}  // namespace

void add_image_model_options(CLI::App& app, ImageFormOptions& options) {
  const std::string group = "Image model";
  std::vector<std::string> names;
  for (const auto& [name, unused] : forms()) names.push_back(name);
  app.add_option("--model", options.model.model, "the network; the small forms are for faces of about 48 pixels")
      ->check(CLI::IsMember(names))
      ->group(group);
  app.add_option("--side", options.side, "rows and columns of an image, 0 for the network's usual ones")
      ->check(CLI::Range(0, 4096))
      ->group(group);
  app.add_option("--channels", options.channels, "3 for colour, 1 for grey, 0 for the network's usual ones")
      ->check(CLI::IsMember({"0", "1", "3"}))
      ->group(group);
  add_choice(app, "--fit", options.model.frame.fit, fits(), "how a picture that is not square becomes one")
      ->group(group);
  app.add_option("--zoom", options.model.frame.zoom, "enlarges pictures about their middle")
      ->check(CLI::Range(0.1, 10.0))
      ->group(group);
  app.add_option("--dropout", options.model.dropout, "before the last layer")
      ->check(CLI::Range(0.0, 0.99))
      ->group(group);
}

void add_fine_tuning_options(CLI::App& app, FineTuningOptions& options) {
  const std::string group = "Fine-tuning";
  app.add_option(
         "--weights", options.weights,
         ".safetensors, .pth or .pt to start from, ours or with torchvision's or timm's names; a last layer of another "
         "size is left out")
      ->group(group);
  app.add_option("--freeze", options.freeze,
                 "layers that stay as they are, as in conv1,bn1,layer1 or features.denseblock1")
      ->group(group);
  app.add_option("--head-learning-rate", options.head_learning_rate, "of the last layer, 0 for that of all others")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
}

void add_image_experiment_options(CLI::App& app, ImageExperimentOptions& options) {
  add_face_data_options(app, options.data);
  add_split_options(app, options.split);
  add_image_model_options(app, options.form);
  add_fine_tuning_options(app, options.fine_tuning);
  add_class_target_options(app, options.targets);
  add_mixup_option(app, options.targets);
  add_clip_augmentation_options(app, options.augmentation);
  add_training_options(app, options.training);
}

ImageModelOptions fitted(const ImageFormOptions& options, Index classes, bool affect) {
  ImageModelOptions out = options.model;
  const Form& usual = forms().at(out.model);
  out.frame.side = options.side > 0 ? options.side : usual.side;
  out.frame.channels = options.channels > 0 ? options.channels : usual.channels;
  // Grey pictures have no weights of ImageNet's to suit.
  if (out.frame.channels == 1) out.frame.normalisation = {{0.5F, 0.5F, 0.5F}, {0.25F, 0.25F, 0.25F}};
  out.classes = classes;
  out.affect = affect;
  return out;
}

template <class Device>
typename ImageNetwork<Device>::Network ImageNetwork<Device>::make(const ImageModelOptions& options) {
  const Index outputs = options.outputs();
  const Index channels = options.frame.channels;
  if (options.model.starts_with("vit")) {
    auto form = is_small(options.model) ? models::small_vit(outputs, channels) : models::vit_b_16(outputs);
    form.side = options.frame.side;
    form.channels = channels;
    if (options.dropout > 0) form.dropout = options.dropout;
    return models::VisionTransformer<float, Device>(form);
  }
  if (options.model.starts_with("densenet")) {
    auto form = is_small(options.model)          ? models::small_densenet(outputs, channels)
                : options.model == "densenet201" ? models::densenet201(outputs)
                                                 : models::densenet121(outputs);
    form.channels = channels;
    form.dropout = options.dropout;
    return models::DenseNet<float, Device>(form);
  }
  auto form = is_small(options.model) ? models::small_resnet(outputs, channels)
                                      : models::ResNetOptions{.outputs = outputs, .channels = channels};
  form.dropout = options.dropout;
  if (options.model == "resnet50") return models::ResNet50<float, Device>(form);
  return models::ResNet18<float, Device>(form);
}

template <class Device>
ImageNetwork<Device>::ImageNetwork(const ImageModelOptions& options) : network_(make(options)), options_(options) {}

template <class Device>
Output<Device> ImageNetwork<Device>::operator()(const Variable<float, Device>& images) {
  return parted(std::visit([&](auto& network) { return network(images); }, network_), options_.classes);
}

template <class Device>
const char* ImageNetwork<Device>::head() const {
  if (options_.model.starts_with("vit")) return "heads";
  return options_.model.starts_with("densenet") ? "classifier" : "fc";
}

template <class Device>
ImageModel<Device>::ImageModel(const ImageModelOptions& form, std::vector<std::string> names)
    : options(form), class_names(std::move(names)), network(options) {}

template <class Device>
Answer ImageModel<Device>::answer(const Tensor<float>& images) {
  const NoGradient not_recorded;
  network.freeze();
  return answer_of(network(Variable<float, Device>(images.to<Device>())));
}

namespace {

io::Metadata image_metadata(const ImageModelOptions& options, const std::vector<std::string>& class_names) {
  Json form = {{"network", options.model}, {"affect", options.affect}};
  add_frame(form, options.frame);
  return {{"model", "image"}, {"class_names", Json(class_names).dump()}, {"options", form.dump()}};
}

ImageModelOptions stored_form(const Json& stored, const std::string& path, Index classes) {
  ImageModelOptions options{.classes = classes};
  try {
    options.model = stored.at("network");
    static_cast<void>(forms().at(options.model));
    options.frame = stored_frame(stored);
    options.affect = stored.at("affect");
  } catch (const std::exception& error) {
    throw FileError(path, "__metadata__: options", error.what(), "the form of a network over images");
  }
  return options;
}

/// The self-check's outputs, probabilities before valence and arousal.
constexpr auto image_outputs = [](auto& model, const Tensor<float>& input) {
  const Answer answer = model.answer(input);
  Tensor<float> out({input.size(0), model.options.outputs()});
  if (answer.probabilities.defined()) out.slice(1, 0, model.options.classes).copy_from(answer.probabilities);
  if (answer.affect.defined()) out.slice(1, model.options.classes, out.size(1)).copy_from(answer.affect);
  return out;
};

}  // namespace

template <class Device>
void save_image_model(ImageModel<Device>& model, const std::filesystem::path& path) {
  const auto& frame = model.options.frame;
  save_model(model, path, image_metadata(model.options, model.class_names), {1, frame.side, frame.side, frame.channels},
             -1, image_outputs);
}

template <class Device>
ImageModel<Device> load_image_model(const std::filesystem::path& path) {
  return load_model<ImageModel<Device>>(path, "image", stored_form, image_outputs);
}

namespace {

template <class Device>
void start_from(ImageNetwork<Device>& network, const std::filesystem::path& path) {
  const std::string positions = "encoder.pos_embedding";
  const auto file = io::read_weights(path);
  const auto report =
      io::load_from(network, file, path.string(),
                    {.strict = false, .allow_other_head = {std::string(network.head()) + ".", positions}});
  const auto stored = std::find_if(file.names().begin(), file.names().end(),
                                   [&](const std::string& name) { return report.translation(name) == positions; });
  for (auto& parameter : network.named_parameters()) {
    if (parameter.name != positions || stored == file.names().end()) continue;
    // As many patches a side as the images' size makes; where it is the file's, this changes nothing.
    const Index side = std::lround(std::sqrt(static_cast<double>(parameter.variable.shape()[1] - 1)));
    parameter.variable.value().copy_from(
        models::resample_positions(file.template tensor<float>(*stored), side).template to<Device>());
  }
  std::cerr << path.string() << ": " << report.loaded.size() << " tensors loaded" << report.to_string() << "\n";
}

template <class Device>
void freeze_layer(ImageNetwork<Device>& network, const std::string& layer) {
  try {
    network.set_trainable(layer, false);
  } catch (const ValueError& error) {
    throw UsageError(detail::text("--freeze: ", error.what()));
  }
}

/// Single images: videos of one clip of one frame, which is the middle one of a video.
data::FaceClips images_of(const data::FrameSequences& data, const ImageModelOptions& form, data::ClipSampling sampling,
                          const data::ClipAugmentation& augmentation) {
  return data::FaceClips(data, {.clips = 1,
                                .frames = 1,
                                .sampling = sampling,
                                .side = form.frame.side,
                                .channels = form.frame.channels,
                                .fit = form.frame.fit,
                                .zoom = form.frame.zoom,
                                .normalisation = form.frame.normalisation,
                                .augmentation = augmentation});
}

/// [B, 1, 1, side, side, channels] as [B, side, side, channels].
Tensor<float> images_in(const data::FaceBatch& batch) {
  const Shape& shape = batch.frames.shape();
  return batch.frames.view({shape[0], shape[3], shape[4], shape[5]});
}

}  // namespace

template <class Device>
TrainedImage<Device> train_image(const data::FrameSequences& data, const Parts& parts, const RunPlace& place,
                                 const ImageModelOptions& form, const ImageExperimentOptions& options,
                                 const Program& program) {
  set_seed(place.seed);
  ImageModel<Device> model(form, form.classes > 0 ? data.class_names : std::vector<std::string>());
  if (!options.fine_tuning.weights.empty()) start_from(model.network, options.fine_tuning.weights);
  for (const std::string& layer : split_list(options.fine_tuning.freeze)) freeze_layer(model.network, layer);
  const auto train_data = data.subset(parts.train);
  const auto loader = training_loader(images_of(train_data, form, data::ClipSampling::random, options.augmentation),
                                      options.training, place.seed);
  const auto validation =
      evaluation_loader(images_of(data.subset(watched_samples(parts)), form, data::ClipSampling::centred, {}),
                        options.training, place.seed);
  CrossEntropyOptions loss;
  if (form.classes > 0) loss = loss_options(options.training, train_data.labels(), data.classes());
  loss.focal_gamma = options.targets.focal_gamma;
  TrainingForm<Device> own{.criterion = criterion_for(form.affect)};
  if (options.fine_tuning.head_learning_rate > 0) {
    own.parameters = model.network.parameters_except({model.network.head()});
    own.head = model.network.parameters_of(model.network.head());
    own.head_learning_rate = options.fine_tuning.head_learning_rate;
  }
  auto history = train_network(
      model.network, loader, validation,
      [&](const data::FaceBatch& batch) {
        const auto wanted =
            targets_of(batch, images_in(batch), form.classes, options.targets, model.network.is_training());
        return batch_output(model.network(Variable<float, Device>(wanted.inputs.template to<Device>())), wanted,
                            batch.labels, loss, options.targets);
      },
      options.training, place, !parts.validation.empty(), program, model.class_names, own);
  return {std::move(model), std::move(history)};
}

template <class Device>
Predictions predict_image(ImageModel<Device>& model, const data::FrameSequences& data,
                          const std::vector<Index>& samples, const data::ClipAugmentation& augmentation,
                          const TrainingOptions& training, std::uint64_t seed) {
  const auto subset = data.subset(samples);
  const auto plain =
      evaluation_loader(images_of(subset, model.options, data::ClipSampling::centred, {}), training, seed);
  const auto varied =
      evaluation_loader(images_of(subset, model.options, data::ClipSampling::centred, augmentation), training, seed);
  return predict(plain, varied, training.test_time_augmentation,
                 [&](const data::FaceBatch& batch) { return model.answer(images_in(batch)); });
}

template <class Device>
void run_image_experiment(const ImageExperimentOptions& options, const Program& program) {
  const auto data = read_face_data(options.data, options.split.split_column,
                                   options.split.subject_column(options.data.subject_column));
  const auto has_affect = [](const data::FrameSequence& sample) { return sample.affect.has_value(); };
  if (options.affect && std::none_of(data.samples.begin(), data.samples.end(), has_affect))
    throw UsageError("no sample has valence and arousal; they are columns of a --sheet");
  const auto form = fitted(options.form, options.classes ? data.classes() : 0, options.affect);
  SampleFacts facts(data);
  facts.tells_classes = options.classes;
  const auto train_and_test = [&](const Parts& parts, const RunPlace& place) {
    auto trained = train_image<Device>(data, parts, place, form, options, program);
    save_image_model(trained.model, place.folder / "model.safetensors");
    const auto test =
        predict_image(trained.model, data, parts.test, options.augmentation, options.training, place.seed);
    return FoldResult{.parts = parts,
                      .history = std::move(trained.history),
                      .test = test,
                      .confusion = test.confusion(form.classes),
                      .affect = test.affect_record()};
  };
  run_experiment(program, facts, options.split, options.training, {{"model", form.model}}, train_and_test);
}

// All of it that is compiled for a device. The types are those of the declarations.
#define MIEN_IMAGE_MODELS(Device)                                       \
  template class ImageNetwork<Device>;                                  \
  template struct ImageModel<Device>;                                   \
  template decltype(save_image_model<Device>) save_image_model<Device>; \
  template decltype(load_image_model<Device>) load_image_model<Device>; \
  template decltype(train_image<Device>) train_image<Device>;           \
  template decltype(predict_image<Device>) predict_image<Device>;       \
  template decltype(run_image_experiment<Device>) run_image_experiment<Device>;

MIEN_IMAGE_MODELS(Cpu)
#if defined(MIEN_WITH_CUDA)
MIEN_IMAGE_MODELS(Cuda)
#endif
#undef MIEN_IMAGE_MODELS

}  // namespace mien::examples
