#include "image.hpp"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <type_traits>
#include <utility>

#include "mien/autograd/arithmetic.hpp"
#include "mien/data/face_clips.hpp"
#include "mien/data/skeleton_pictures.hpp"
#include "mien/models/class_activation_map.hpp"
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
  app.add_option("--pictures", options.model.pictures,
                 "of a video or recording, one from each of so many equal parts; outputs are averaged")
      ->check(positive)
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
      ->check(not_negative)
      ->group(group);
}

void add_image_experiment_options(CLI::App& app, ImageExperimentOptions& options) {
  add_face_data_options(app, options.data);
  add_gesture_data_options(app, options.joints, "joint-");
  app.add_flag("--whole-recordings", options.whole_recordings,
               "draws all frames of a recording of joints in one picture, later ones brighter")
      ->group("Joint recordings");
  add_split_options(app, options.split);
  add_image_model_options(app, options.form);
  add_fine_tuning_options(app, options.fine_tuning);
  add_class_target_options(app, options.targets);
  add_mixup_option(app, options.targets);
  add_clip_augmentation_options(app, options.augmentation.frames);
  add_joint_augmentation_options(app, options.augmentation.joints, "joint-augment-");
  add_training_options(app, options.training);
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
Output<Device> ImageNetwork<Device>::operator()(const Variable<float, Device>& pictures) {
  const Shape shape = pictures.shape();
  const Variable<float, Device> images = reshape(pictures, {shape[0] * shape[1], shape[2], shape[3], shape[4]});
  Variable<float, Device> outputs = std::visit([&](auto& network) { return network(images); }, network_);
  if (shape[1] != 1) outputs = mean_of_positions(reshape(outputs, {shape[0], shape[1], outputs.size(-1)}));
  return parted(outputs, options_.classes);
}

template <class Device>
Tensor<float> ImageNetwork<Device>::activation_map(const Variable<float, Device>& picture, Index label) {
  const Shape& shape = picture.shape();
  const Variable<float, Device> image = reshape(picture, {1, shape[2], shape[3], shape[4]});
  return std::visit(
      [&](auto& network) -> Tensor<float> {
        if constexpr (requires { network.feature_maps(image); }) {
          const Tensor<float> maps = network.feature_maps(image).value().template to<Cpu>();
          const auto weight = network.parameters_of(std::string(head()) + ".weight").front().value();
          return models::class_activation_map(maps, weight.template to<Cpu>(), label).select(0, 0);
        } else {
          return {};
        }
      },
      network_);
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
Answer ImageModel<Device>::answer(const Tensor<float>& pictures) {
  const NoGradient not_recorded;
  network.freeze();
  return answer_of(network(Variable<float, Device>(pictures.to<Device>())));
}

template <class Device>
Tensor<float> ImageModel<Device>::activation_map(const Tensor<float>& picture, Index label) {
  const NoGradient not_recorded;
  network.freeze();
  return network.activation_map(Variable<float, Device>(picture.to<Device>()), label);
}

namespace {

io::Metadata image_metadata(const ImageModelOptions& options, const std::vector<std::string>& class_names) {
  Json form = {{"network", options.model},
               {"affect", options.affect},
               {"pictures", options.pictures},
               {"input", options.draws_joints ? "joints" : "pictures"}};
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
    options.pictures = stored.at("pictures");
    options.draws_joints = stored.value("input", "pictures") == "joints";
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
  save_model(model, path, image_metadata(model.options, model.class_names),
             {1, 1, frame.side, frame.side, frame.channels}, -1, image_outputs);
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

/// How a sample's pictures are picked and varied: by chance in training, else from the middle of each part.
struct Picking {
  data::ClipSampling sampling = data::ClipSampling::centred;
  ImageAugmentation augmentation = {};
};

/// Pictures of cameras: clips of one frame.
data::FaceClips source_of(const data::FrameSequences& data, const ImageModelOptions& form,
                          const ImageExperimentOptions& unused, const Picking& picking) {
  static_cast<void>(unused);
  return data::FaceClips(data, {.clips = form.pictures,
                                .frames = 1,
                                .sampling = picking.sampling,
                                .side = form.frame.side,
                                .channels = form.frame.channels,
                                .fit = form.frame.fit,
                                .zoom = form.frame.zoom,
                                .normalisation = form.frame.normalisation,
                                .augmentation = picking.augmentation.frames});
}

/// Pictures that are drawn from joints.
data::SkeletonPictures source_of(const data::GestureSequences& data, const ImageModelOptions& form,
                                 const ImageExperimentOptions& options, const Picking& picking) {
  return data::SkeletonPictures(data, {.clips = form.pictures,
                                       .frames = 1,
                                       .sampling = picking.sampling,
                                       .whole = options.whole_recordings,
                                       .picture = {.size = form.frame.side},
                                       .normalisation = form.frame.normalisation,
                                       .augmentation = picking.augmentation.joints});
}

/// [B, P, 1, side, side, channels] as [B, P, side, side, channels].
Tensor<float> pictures_in(const data::FaceBatch& batch) {
  const Shape& shape = batch.frames.shape();
  return batch.frames.view({shape[0], shape[1], shape[3], shape[4], shape[5]});
}

/// The form for these data. Throws UsageError if they do not go together.
template <class Data>
ImageModelOptions fitted(const ImageExperimentOptions& options, const Data& data) {
  constexpr bool drawn = std::is_same_v<Data, data::GestureSequences>;
  ImageModelOptions out = options.form.model;
  const Form& usual = forms().at(out.model);
  out.frame.side = options.form.side > 0 ? options.form.side : usual.side;
  out.frame.channels = options.form.channels > 0 ? options.form.channels : drawn ? 3 : usual.channels;
  // Grey pictures have no weights of ImageNet's to suit.
  if (out.frame.channels == 1) out.frame.normalisation = {{0.5F, 0.5F, 0.5F}, {0.25F, 0.25F, 0.25F}};
  out.classes = options.classes ? data.classes() : 0;
  out.affect = options.affect;
  out.draws_joints = drawn;
  if (drawn && out.frame.channels != 3) throw UsageError("--channels 1: skeletons are drawn in colours");
  if (!drawn && options.whole_recordings) throw UsageError("--whole-recordings is for recordings of joints");
  if (options.whole_recordings && out.pictures != 1)
    throw UsageError("--pictures: with --whole-recordings a recording is one picture");
  return out;
}

/// A run of the program over one kind of data: what all of its folds and seeds share.
template <class Device, class Data>
class ImageExperiment {
 public:
  ImageExperiment(const ImageExperimentOptions& options, const Program& program, const Data& data)
      : options_(options), program_(program), data_(data), form_(fitted(options, data)) {}

  void run() const {
    SampleFacts facts(data_);
    facts.tells_classes = options_.classes;
    run_experiment(program_, facts, options_.split, options_.training, {{"model", form_.model}},
                   [this](const Parts& parts, const RunPlace& place) { return train_and_test(parts, place); });
  }

 private:
  FoldResult train_and_test(const Parts& parts, const RunPlace& place) const {
    set_seed(place.seed);
    ImageModel<Device> model(form_, options_.classes ? data_.class_names : std::vector<std::string>());
    if (!options_.fine_tuning.weights.empty()) start_from(model.network, options_.fine_tuning.weights);
    for (const std::string& layer : split_list(options_.fine_tuning.freeze)) freeze_layer(model.network, layer);
    auto history = train(model, parts, place);
    save_image_model(model, place.folder / "model.safetensors");
    const auto test = predictions(model, parts.test, place.seed);
    return {.parts = parts,
            .history = std::move(history),
            .test = test,
            .confusion = test.confusion(form_.classes),
            .affect = test.affect_record()};
  }

  train::History train(ImageModel<Device>& model, const Parts& parts, const RunPlace& place) const {
    const TrainingOptions& training = options_.training;
    const auto train_data = usable_training(data_.subset(parts.train), training, place.folder, program_);
    const auto loader =
        training_loader(source_of(train_data, form_, options_, {data::ClipSampling::random, options_.augmentation}),
                        training, place.seed);
    const auto watched = usable_watched(data_.subset(watched_samples(parts)), parts, training);
    const auto validation = evaluation_loader(source_of(watched, form_, options_, {}), training, place.seed);
    CrossEntropyOptions loss;
    if (options_.classes) loss = loss_options(training, train_data.labels(), data_.classes());
    loss.focal_gamma = options_.targets.focal_gamma;
    TrainingForm<Device> own{.criterion = criterion_for(form_.affect)};
    if (options_.fine_tuning.head_learning_rate > 0) {
      own.parameters = model.network.parameters_except({model.network.head()});
      own.head = model.network.parameters_of(model.network.head());
      own.head_learning_rate = options_.fine_tuning.head_learning_rate;
    }
    return train_network(
        model.network, loader, validation,
        [&](const data::FaceBatch& batch) {
          const auto wanted =
              targets_of(batch, pictures_in(batch), form_.classes, options_.targets, model.network.is_training());
          return batch_output(model.network(Variable<float, Device>(wanted.inputs.template to<Device>())), wanted,
                              batch.labels, loss, options_.targets);
        },
        training, place, !parts.validation.empty(), program_, model.class_names, own);
  }

  Predictions predictions(ImageModel<Device>& model, const std::vector<Index>& samples, std::uint64_t seed) const {
    const auto plain = evaluation_loader(evaluation_source(samples, {}), options_.training, seed);
    const auto varied = evaluation_loader(
        evaluation_source(samples, {data::ClipSampling::centred, options_.augmentation}), options_.training, seed);
    return predict(plain, varied, options_.training.test_time_augmentation,
                   [&](const data::FaceBatch& batch) { return model.answer(pictures_in(batch)); });
  }

  auto evaluation_source(const std::vector<Index>& samples, const Picking& picking) const {
    return source_of(usable_evaluation(data_.subset(samples), options_.training), form_, options_, picking);
  }

  const ImageExperimentOptions& options_;
  const Program& program_;
  const Data& data_;
  ImageModelOptions form_;
};

template <class Device, class Data>
void run_over(const ImageExperimentOptions& options, const Program& program, const Data& data) {
  const auto has_affect = [](const auto& sample) { return sample.affect.has_value(); };
  if (options.affect && std::none_of(data.samples.begin(), data.samples.end(), has_affect))
    throw UsageError("no sample has valence and arousal; they are columns of a --sheet, or of joint recordings' list");
  ImageExperiment<Device, Data>(options, program, data).run();
}

bool has_joints(const GestureDataOptions& options) {
  return !options.recordings.empty() || !options.table.empty() || !options.openpose.empty();
}

bool has_pictures(const FaceDataOptions& options) {
  return !options.packed.empty() || !options.videos.empty() || !options.images.empty() || !options.subjects.empty() ||
         !options.sheet.empty() || !options.ferplus.empty();
}

}  // namespace

template <class Device>
void run_image_experiment(const ImageExperimentOptions& options, const Program& program) {
  const std::string& split = options.split.split_column;
  if (!has_joints(options.joints)) {
    const std::string subject = options.split.subject_column(options.data.subject_column);
    run_over<Device>(options, program, read_face_data(options.data, split, subject));
    return;
  }
  if (has_pictures(options.data)) throw UsageError("--joint-...: pictures or joints, not both");
  const std::string subject = options.split.subject_column(options.joints.subject_column);
  run_over<Device>(options, program,
                   read_gesture_data(joints_to_read(options.joints, options.training), split, subject));
}

// All of it that is compiled for a device. The types are those of the declarations.
#define MIEN_IMAGE_MODELS(Device)                                       \
  template class ImageNetwork<Device>;                                  \
  template struct ImageModel<Device>;                                   \
  template decltype(save_image_model<Device>) save_image_model<Device>; \
  template decltype(load_image_model<Device>) load_image_model<Device>; \
  template decltype(run_image_experiment<Device>) run_image_experiment<Device>;

MIEN_IMAGE_MODELS(Cpu)
#if defined(MIEN_WITH_CUDA)
MIEN_IMAGE_MODELS(Cuda)
#endif
#undef MIEN_IMAGE_MODELS

}  // namespace mien::examples
