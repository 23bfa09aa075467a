#include "face.hpp"

#include <algorithm>
#include <array>
#include <iostream>
#include <utility>

#include "mien/autograd/multi_stage_loss.hpp"
#include "mien/autograd/softmax.hpp"
#include "mien/data/face_clips.hpp"
#include "mien/data/fer2013.hpp"
#include "mien/data/frame_folders.hpp"
#include "mien/data/packed_pictures.hpp"
#include "model_files.hpp"
#include "training.hpp"

namespace mien::examples {

void add_face_data_options(CLI::App& app, FaceDataOptions& options, const std::string& prefix) {
  const std::string group = "Frames";
  const auto name = [&](const char* option) { return "--" + prefix + option; };
  app.add_option(name("packed"), options.packed, "file or folder of shards that `mien-data pack` wrote")->group(group);
  app.add_option(name("videos"), options.videos, "folder with <class>/<video>/<frames>")->group(group);
  app.add_option(name("images"), options.images, "folder with <class>/<picture>")->group(group);
  app.add_option(name("subjects"), options.subjects, "folder with <class>/<subject>_<sequence>_<frame>.png, as in CK+")
      ->group(group);
  app.add_option(name("sheet"), options.sheet, "CSV table with a row a picture")->group(group);
  app.add_option(name("sheet-root"), options.sheet_root, "folder of the sheet's pictures; its own unless given")
      ->group(group);
  app.add_option(name("path-column"), options.path_column, "of the sheet")->group(group);
  app.add_option(name("label-column"), options.label_column, "of the sheet")->group(group);
  app.add_option(name("subject-column"), options.subject_column, "of the sheet")->group(group);
  app.add_option(name("path-components"), options.path_components, "last parts of the sheet's paths that count, 0: all")
      ->check(not_negative)
      ->group(group);
  app.add_option(name("extension"), options.extension, "that stands for the one of the sheet's paths, as in .jpg")
      ->group(group);
  app.add_option(name("class-names"), options.class_names,
                 "all classes in the order of their labels, as in neutral,happy,sad; needed where labels are numbers")
      ->group(group);
  app.add_option(name("classes"), options.classes, "these classes alone, in this order")->group(group);
  app.add_option(name("votes-prefix"), options.votes_prefix,
                 "what goes before the classes in the names of the sheet's columns of votes, if it has any")
      ->group(group);
  app.add_option(name("valence-column"), options.valence_column, "of the sheet, if it has one")->group(group);
  app.add_option(name("arousal-column"), options.arousal_column, "of the sheet, if it has one")->group(group);
  app.add_option(name("ferplus"), options.ferplus,
                 "table of FER+'s votes; samples without a majority are left out, and contempt")
      ->group(group);
  app.add_option(name("ferplus-pictures"), options.ferplus_pictures,
                 "FER2013's own table, or the folder of the pictures; the folder of the votes unless given")
      ->group(group);
  app.add_flag(name("allow-missing"), options.allow_missing, "skips rows of the sheet without their picture")
      ->group(group);
}

namespace {

const std::map<std::string, SuperImageLayout>& super_image_layouts() {
  static const std::map<std::string, SuperImageLayout> names{{"stacked", SuperImageLayout::stacked},
                                                             {"interleaved", SuperImageLayout::interleaved}};
  return names;
}

const std::map<std::string, ViewFusion>& view_fusions() {
  static const std::map<std::string, ViewFusion> names{{"channel", ViewFusion::channel}, {"view", ViewFusion::view},
                                                       {"sum", ViewFusion::sum},         {"height", ViewFusion::height},
                                                       {"width", ViewFusion::width},     {"none", ViewFusion::none}};
  return names;
}

const std::map<std::string, data::Normalisation>& normalisations() {
  static const std::map<std::string, data::Normalisation> names{
      {"imagenet", data::imagenet_normalisation},
      {"centred", {{0.5F, 0.5F, 0.5F}, {0.25F, 0.25F, 0.25F}}},
      {"none", {}}};
  return names;
}

}  // namespace

void add_face_model_options(CLI::App& app, FaceFormOptions& options, const std::string& prefix) {
  const std::string group = "Face model";
  const auto name = [&](const char* option) { return "--" + prefix + option; };
  FaceModelOptions& model = options.model;
  app.add_option(name("clips"), model.clips, "K: parts of a video, with a clip each")
      ->check(CLI::Range(Index{1}, largest_count))
      ->group(group);
  app.add_option(name("frames"), model.frames, "T: frames of a clip")
      ->check(CLI::Range(Index{1}, largest_count))
      ->group(group);
  app.add_option(name("side"), options.side, "rows and columns of a frame; 0: 112, or 48 with --small")
      ->check(CLI::Range(Index{0}, largest_count))
      ->group(group);
  app.add_option(name("channels"), model.frame.channels, "3 for colour, 1 for grey")
      ->check(CLI::IsMember({1, 3}))
      ->group(group);
  app.add_option(name("zoom"), model.frame.zoom, "enlarges pictures about their middle")->check(positive)->group(group);
  app.add_option_function<std::string>(
         name("normalisation"),
         [&model](const std::string& word) { model.frame.normalisation = normalisations().at(word); },
         "of values 0 to 1: imagenet (its mean and deviation), centred (about 1/2, deviation 1/4), none")
      ->default_str("imagenet")
      ->check(CLI::IsMember({"imagenet", "centred", "none"}))
      ->group(group);
  add_choice(app, name("fit"), model.frame.fit, fits(), "how pictures become squares")->group(group);
  add_choice(app, name("layout"), model.network.layout, super_image_layouts(), "of the super images")->group(group);
  add_choice(app, name("fusion"), model.network.fusion, view_fusions(), "of the two views")->group(group);
  app.add_flag(name("small"), options.small, "the form for faces of about 48 pixels: stem without stride, few channels")
      ->group(group);
  app.add_option(name("widths"), options.widths, "channels of the four stages, as in 16,32,64,128")
      ->delimiter(',')
      ->expected(4)
      ->check(CLI::Range(Index{1}, largest_width))
      ->group(group);
  app.add_option(name("dropout"), model.network.dropout, "before the classifier")
      ->check(CLI::Range(0.0, 0.99))
      ->group(group);
  app.add_flag(name("lstm"), model.lstm, "two-stream LSTM over the clips, trained with multi-stage supervision")
      ->group(group);
  app.add_option(name("feature-hidden"), model.feature_hidden, "hidden units of the LSTM over features")
      ->check(CLI::Range(Index{1}, largest_count))
      ->group(group);
  app.add_option(name("emotion-hidden"), model.emotion_hidden, "hidden units of the LSTM over emotions")
      ->check(CLI::Range(Index{1}, largest_count))
      ->group(group);
  app.add_option(name("lambda"), model.lambda, "weight of the loss of E1")->check(not_negative)->group(group);
  app.add_option(name("mu"), model.mu, "weight of the loss of E2")->check(not_negative)->group(group);
}

void add_clip_augmentation_options(CLI::App& app, data::ClipAugmentation& options, const std::string& prefix) {
  const std::string group = "Clip augmentation";
  const auto add = [&](const char* option, double& value, const char* words) {
    app.add_option("--" + prefix + option, value, words)->check(not_negative)->group(group);
  };
  add("mirror", options.mirror, "probability that left and right change places");
  add("rotation", options.rotation, "degrees either way");
  add("scale", options.scale, "part larger or smaller");
  add("shift", options.shift, "part of the side, along each axis");
  add("brightness", options.brightness, "added or taken away, 1 being white");
  add("contrast", options.contrast, "part more or less");
  add("drift", options.drift,
      "moving crop: from first to last frame pictures move by up to this part of the side. Makes clips of single "
      "pictures, in evaluation as in training; the motion is ours, not the data's");
}

data::FrameSequences read_face_data(const FaceDataOptions& options, const std::string& split_column,
                                    const std::string& subject_column) {
  const int sources = !options.packed.empty() + !options.videos.empty() + !options.images.empty() +
                      !options.subjects.empty() + !options.sheet.empty() + !options.ferplus.empty();
  if (sources != 1)
    throw UsageError("frames come from one of --packed, --videos, --images, --subjects, --sheet and --ferplus");
  const data::FolderOptions folders{.class_names = split_list(options.class_names)};
  data::FrameSequences all;
  if (!options.packed.empty()) {
    all = data::read_packed(options.packed);
  } else if (!options.videos.empty()) {
    all = data::frame_sequences(options.videos, folders);
  } else if (!options.images.empty()) {
    all = data::image_folder(options.images, folders);
  } else if (!options.subjects.empty()) {
    all = data::subject_sequences(options.subjects, folders);
  } else if (!options.ferplus.empty()) {
    const std::filesystem::path votes = options.ferplus;
    all = data::read_ferplus(
        votes, options.ferplus_pictures.empty() ? votes.parent_path() : std::filesystem::path(options.ferplus_pictures),
        {.allow_missing = options.allow_missing});
  } else {
    const std::filesystem::path sheet = options.sheet;
    all = data::from_sheet(sheet,
                           options.sheet_root.empty() ? sheet.parent_path() : std::filesystem::path(options.sheet_root),
                           {.path = options.path_column,
                            .label = options.label_column,
                            .subject = subject_column,
                            .split = split_column,
                            .class_names = folders.class_names,
                            .path_components = options.path_components,
                            .extension = options.extension,
                            .allow_missing = options.allow_missing,
                            .valence = options.valence_column,
                            .arousal = options.arousal_column,
                            .votes = options.votes_prefix});
  }
  if (!split_column.empty() && options.sheet.empty() && options.ferplus.empty() && options.packed.empty())
    throw UsageError("--split-column needs --packed, --sheet or --ferplus: folders have no columns");
  all = only_classes(std::move(all), split_list(options.classes));
  if (all.samples.empty())
    throw FileError(
        options.packed + options.videos + options.images + options.subjects + options.sheet + options.ferplus, "",
        "no samples", "at least one");
  return all;
}

template <class Device>
FaceNetwork<Device>::FaceNetwork(const FaceModelOptions& options) : face(options.network), options_(options) {
  if (options.lstm)
    reader.emplace(models::TwoStreamLstmOptions{.features = options.network.widths[3],
                                                .classes = options.network.classes,
                                                .feature_hidden = options.feature_hidden,
                                                .emotion_hidden = options.emotion_hidden});
}

template <class Device>
typename FaceNetwork<Device>::Output FaceNetwork<Device>::operator()(const Variable<float, Device>& frames) {
  auto [features, logits] = face(frames);
  Output out{features, logits, {}};
  if (reader) out.video = (*reader)(features, softmax(logits));
  return out;
}

template <class Device>
Variable<float, Device> FaceNetwork<Device>::loss(const Output& output, const std::vector<Index>& labels,
                                                  const CrossEntropyOptions& options) const {
  if (output.video)
    return multi_stage_loss(output.clip_logits, output.video->e1, output.video->e2, labels,
                            {.lambda = options_.lambda,
                             .mu = options_.mu,
                             .class_weights = options.class_weights,
                             .label_smoothing = options.label_smoothing});
  std::vector<Index> clip_labels;
  for (const Index label : labels)
    clip_labels.insert(clip_labels.end(), static_cast<std::size_t>(output.clip_logits.shape()[1]), label);
  return cross_entropy(output.clip_logits, clip_labels, options);
}

template <class Device>
Tensor<float, Device> FaceNetwork<Device>::emotion(const Output& output) {
  if (output.video) return models::video_emotion(output.clip_logits, output.video->e1, output.video->e2).value();
  return softmax(mean_of_positions(output.clip_logits)).value();
}

template <class Device>
FaceModel<Device>::FaceModel(const FaceModelOptions& form, std::vector<std::string> names)
    : options(form), class_names(std::move(names)), network(options) {}

template <class Device>
Answer FaceModel<Device>::answer(const Tensor<float>& frames) {
  const NoGradient not_recorded;
  network.freeze();
  const auto output = network(Variable<float, Device>(frames.to<Device>()));
  return {FaceNetwork<Device>::emotion(output).template to<Cpu>(),
          mean_of_positions(output.features).value().template to<Cpu>()};
}

FaceModelOptions fitted(const FaceFormOptions& options, Index classes) {
  FaceModelOptions out = options.model;
  out.frame.side = options.side > 0 ? options.side : options.small ? 48 : 112;
  if (options.small) {
    const auto small = models::small_sistcm_resnet18(classes);
    out.network.stem = small.stem;
    out.network.widths = small.widths;
  }
  if (!options.widths.empty()) std::copy_n(options.widths.begin(), 4, out.network.widths.begin());
  out.network.classes = classes;
  out.network.channels = out.frame.channels;
  return out;
}

namespace {

io::Metadata face_metadata(const FaceModelOptions& options, const std::vector<std::string>& class_names) {
  Json form = {{"clips", options.clips},
               {"frames", options.frames},
               {"layout", name_of(super_image_layouts(), options.network.layout)},
               {"fusion", name_of(view_fusions(), options.network.fusion)},
               {"small_stem", options.network.stem == models::Stem::small},
               {"widths", options.network.widths},
               {"lstm", options.lstm},
               {"feature_hidden", options.feature_hidden},
               {"emotion_hidden", options.emotion_hidden}};
  add_frame(form, options.frame);
  return {{"model", "sistcm_resnet18"}, {"class_names", Json(class_names).dump()}, {"options", form.dump()}};
}

FaceModelOptions stored_form(const Json& stored, const std::string& path, Index classes) {
  FaceModelOptions options;
  try {
    options.clips = stored.at("clips");
    options.frames = stored.at("frames");
    options.frame = stored_frame(stored);
    options.network = {.classes = classes,
                       .layout = super_image_layouts().at(stored.at("layout")),
                       .fusion = view_fusions().at(stored.at("fusion")),
                       .stem = stored.at("small_stem").get<bool>() ? models::Stem::small : models::Stem::imagenet,
                       .widths = stored.at("widths").get<std::array<Index, 4>>(),
                       .channels = options.frame.channels};
    options.lstm = stored.at("lstm");
    options.feature_hidden = stored.at("feature_hidden");
    options.emotion_hidden = stored.at("emotion_hidden");
  } catch (const std::exception& error) {
    throw FileError(path, "__metadata__: options", error.what(), "the form of a SISTCM-ResNet18");
  }
  return options;
}

/// The self-check's probabilities.
constexpr auto face_probabilities = [](auto& model, const Tensor<float>& input) {
  return model.answer(input).probabilities;
};

}  // namespace

template <class Device>
void save_face_model(FaceModel<Device>& model, const std::filesystem::path& path) {
  const auto& frame = model.options.frame;
  save_model(model, path, face_metadata(model.options, model.class_names),
             {1, model.options.clips, model.options.frames, frame.side, frame.side, frame.channels}, -1,
             face_probabilities);
}

template <class Device>
FaceModel<Device> load_face_model(const std::filesystem::path& path) {
  return load_model<FaceModel<Device>>(path, "sistcm_resnet18", stored_form, face_probabilities);
}

namespace {

template <class Device>
void start_from(FaceNetwork<Device>& network, const std::filesystem::path& path) {
  const auto report =
      io::load(network.face, path, {.strict = false, .rename = {{"face.", ""}}, .allow_other_head = {"fc."}});
  std::cerr << path.string() << ": " << report.loaded.size() << " tensors loaded" << report.to_string() << "\n";
}

data::FaceClips face_clips(const data::FrameSequences& videos, const FaceModelOptions& form,
                           data::ClipSampling sampling, const data::ClipAugmentation& augmentation) {
  return data::FaceClips(videos, {.clips = form.clips,
                                  .frames = form.frames,
                                  .sampling = sampling,
                                  .side = form.frame.side,
                                  .channels = form.frame.channels,
                                  .fit = form.frame.fit,
                                  .zoom = form.frame.zoom,
                                  .normalisation = form.frame.normalisation,
                                  .augmentation = augmentation});
}

data::ClipAugmentation evaluation_augmentation(const data::ClipAugmentation& augmentation) {
  return {.drift = augmentation.drift};
}

}  // namespace

template <class Device>
TrainedFace<Device> train_face(const data::FrameSequences& data, const Parts& parts, const RunPlace& place,
                               const FaceModelOptions& form, const data::ClipAugmentation& augmentation,
                               const TrainingOptions& training, const std::filesystem::path& weights,
                               const Program& program) {
  set_seed(place.seed);
  FaceModel<Device> model(form, data.class_names);
  if (!weights.empty()) start_from(model.network, weights);
  const auto train_data = usable_training(data.subset(parts.train), training, place.folder, program);
  const auto loader =
      training_loader(face_clips(train_data, form, data::ClipSampling::random, augmentation), training, place.seed);
  const auto validation =
      evaluation_loader(face_clips(usable_watched(data.subset(watched_samples(parts)), parts, training), form,
                                   data::ClipSampling::centred, evaluation_augmentation(augmentation)),
                        training, place.seed);
  const CrossEntropyOptions loss = loss_options(training, train_data.labels(), data.classes());
  auto history = train_network(
      model.network, loader, validation,
      [&](const data::FaceBatch& batch) {
        const auto output = model.network(Variable<float, Device>(batch.frames.to<Device>()));
        const auto emotion = [&] {
          const NoGradient not_recorded;
          return FaceNetwork<Device>::emotion(output);
        }();
        return train::BatchOutput<float, Device>{.loss = model.network.loss(output, batch.labels, loss),
                                                 .logits = emotion,
                                                 .labels = batch.labels,
                                                 .weight = ops::cross_entropy_weight(batch.labels, loss)};
      },
      training, place, !parts.validation.empty(), program, data.class_names);
  return {std::move(model), std::move(history)};
}

template <class Device>
Predictions predict_face(FaceModel<Device>& model, const data::FrameSequences& data, const std::vector<Index>& samples,
                         const data::ClipAugmentation& augmentation, const TrainingOptions& training,
                         std::uint64_t seed, std::vector<double>* alpha) {
  const auto subset = data.subset(samples);
  const auto plain = evaluation_loader(
      face_clips(subset, model.options, data::ClipSampling::centred, evaluation_augmentation(augmentation)), training,
      seed);
  const auto varied =
      evaluation_loader(face_clips(subset, model.options, data::ClipSampling::random, augmentation), training, seed);
  const double rows = static_cast<double>(subset.size() * training.test_time_augmentation);
  if (alpha) alpha->clear();
  return predict(plain, varied, training.test_time_augmentation, [&](const data::FaceBatch& batch) {
    Answer out = model.answer(batch.frames);
    if (!alpha) return out;
    const auto blocks = model.network.face.alpha();
    alpha->resize(blocks.size(), 0.0);
    for (std::size_t block = 0; block < blocks.size(); ++block) {
      if (!blocks[block].defined()) continue;
      const auto height = blocks[block].select(1, 0).contiguous().template to<Cpu>();
      double sum = 0;
      for (const float weight : height.span()) sum += static_cast<double>(weight);
      (*alpha)[block] +=
          sum / static_cast<double>(height.elements()) * static_cast<double>(out.probabilities.size(0)) / rows;
    }
    return out;
  });
}

// All of it that is compiled for a device. The types are those of the declarations.
#define MIEN_FACE_BRANCH(Device)                                      \
  template struct FaceNetwork<Device>;                                \
  template struct FaceModel<Device>;                                  \
  template decltype(save_face_model<Device>) save_face_model<Device>; \
  template decltype(load_face_model<Device>) load_face_model<Device>; \
  template decltype(train_face<Device>) train_face<Device>;           \
  template decltype(predict_face<Device>) predict_face<Device>;

MIEN_FACE_BRANCH(Cpu)
#if defined(MIEN_WITH_CUDA)
MIEN_FACE_BRANCH(Cuda)
#endif
#undef MIEN_FACE_BRANCH

}  // namespace mien::examples
