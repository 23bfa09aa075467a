/// Trains the face and the body branch, puts them together in every way there is, and compares all of that with either
/// one alone.
///
///     train_fusion --face-subjects ck48 --face-small --face-channels 1 --face-frames 3
///                  --joint-recordings joints_bandai --joint-label-column style --joint-subject-column content
///                  --joint-layout other --joint-third depth --joint-coordinate-scale 1 --joint-y-upwards
///                  --pair happy=happy,anger=angry,sadness=sad
///
/// No set with face, joints and emotion together can be had freely, so a face clip and a joint recording of the same
/// label are taken for one person's. Both sets are divided first, by subject where subjects are known, and pairs are
/// made within a part: nothing of a test pair was seen in training. In each part and label both lists are shuffled by
/// the seed, and the shorter one begins anew until the longer one is used up. Accuracies of such pairs say whether the
/// branches help each other where their mistakes are independent; how real people's faces and bodies go together they
/// cannot say.

#include <algorithm>
#include <iomanip>
#include <iostream>

#include "common/face.hpp"
#include "common/gesture.hpp"
#include "mien/autograd/cross_entropy.hpp"
#include "mien/data/loader.hpp"
#include "mien/models/fusion.hpp"
#include "mien/optim/adam.hpp"
#include "mien/report/html.hpp"

namespace {

using namespace mien;
using examples::Parts;
using examples::Predictions;

/// A place in the face's predictions, a place in the body's, and their label.
struct Pair {
  Index face;
  Index body;
  Index label;
};

std::vector<std::vector<Index>> places_by_label(const Predictions& predictions, Index classes) {
  std::vector<std::vector<Index>> out(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < predictions.labels.size(); ++i)
    out[static_cast<std::size_t>(predictions.labels[i])].push_back(static_cast<Index>(i));
  return out;
}

std::vector<Pair> make_pairs(const Predictions& face, const Predictions& body, Index classes, Generator generator) {
  auto faces = places_by_label(face, classes);
  auto bodies = places_by_label(body, classes);
  std::vector<Pair> pairs;
  for (Index label = 0; label < classes; ++label) {
    auto& f = faces[static_cast<std::size_t>(label)];
    auto& b = bodies[static_cast<std::size_t>(label)];
    if (f.empty() || b.empty()) continue;
    generator.shuffle(f);
    generator.shuffle(b);
    for (std::size_t i = 0; i < std::max(f.size(), b.size()); ++i)
      pairs.push_back({f[i % f.size()], b[i % b.size()], label});
  }
  if (pairs.empty()) throw ValueError("no face clip and joint recording have the same label");
  return pairs;
}

std::vector<Index> labels_of(const std::vector<Pair>& pairs) {
  std::vector<Index> out;
  for (const Pair& pair : pairs) out.push_back(pair.label);
  return out;
}

/// One row of `rows` for each pair.
Tensor<float> rows_of(const std::vector<std::vector<double>>& rows, const std::vector<Pair>& pairs,
                      Index Pair::*place) {
  Tensor<float> out({static_cast<Index>(pairs.size()), static_cast<Index>(rows.front().size())});
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& row = rows[static_cast<std::size_t>(pairs[i].*place)];
    for (std::size_t c = 0; c < row.size(); ++c)
      out(static_cast<Index>(i), static_cast<Index>(c)) = static_cast<float>(row[c]);
  }
  return out;
}

/// What both branches say of the pairs of one part.
struct PairedPart {
  std::vector<Index> labels;
  Tensor<float> face_probabilities;
  Tensor<float> body_probabilities;
  Tensor<float> face_features;
  Tensor<float> body_features;
};

PairedPart pair_up(const Predictions& face, const Predictions& body, Index classes, const Generator& generator) {
  const auto pairs = make_pairs(face, body, classes, generator);
  return {labels_of(pairs), rows_of(face.probabilities, pairs, &Pair::face),
          rows_of(body.probabilities, pairs, &Pair::body), rows_of(face.features, pairs, &Pair::face),
          rows_of(body.features, pairs, &Pair::body)};
}

metrics::ConfusionMatrix confusion_of(const Tensor<float>& scores, const std::vector<Index>& labels, Index classes) {
  metrics::ConfusionMatrix out(classes);
  const auto recognised = models::most_probable(scores);
  out.add(labels, recognised);
  return out;
}

/// Features as the fusion wants them: about 0, with deviation 1, by the training pairs' mean and deviation.
struct Standardisation {
  std::vector<float> mean;
  std::vector<float> deviation;

  explicit Standardisation(const Tensor<float>& features) {
    const auto rows = static_cast<double>(features.size(0));
    for (Index c = 0; c < features.size(1); ++c) {
      double sum = 0;
      double squares = 0;
      for (Index i = 0; i < features.size(0); ++i) {
        const auto value = static_cast<double>(features(i, c));
        sum += value;
        squares += value * value;
      }
      const double centre = sum / rows;
      mean.push_back(static_cast<float>(centre));
      deviation.push_back(static_cast<float>(std::sqrt(std::max(squares / rows - centre * centre, 1e-6))));
    }
  }

  Tensor<float> operator()(const Tensor<float>& features) const {
    Tensor<float> out(features.shape());
    for (Index i = 0; i < features.size(0); ++i)
      for (Index c = 0; c < features.size(1); ++c) {
        const auto k = static_cast<std::size_t>(c);
        out(i, c) = (features(i, c) - mean[k]) / deviation[k];
      }
    return out;
  }
};

struct FeatureFusionTraining {
  Index hidden = 0;
  Index epochs = 100;
  double learning_rate = 1e-3;
};

/// Logits of the test pairs by a small network over both branches' features; the branches themselves stay as they are.
template <class Device>
Tensor<float> fuse_features(const PairedPart& train, const PairedPart& test, Index classes,
                            const FeatureFusionTraining& options) {
  const Standardisation face(train.face_features);
  const Standardisation body(train.body_features);
  models::FeatureFusion<float, Device> fusion({.features = {train.face_features.size(1), train.body_features.size(1)},
                                               .classes = classes,
                                               .hidden = options.hidden,
                                               .dropout = 0.3});
  optim::AdamW adam(fusion.parameters(), {.learning_rate = options.learning_rate, .weight_decay = 0.05});
  const auto to_device = [](const Tensor<float>& features) { return Variable<float, Device>(features.to<Device>()); };
  const auto face_features = to_device(face(train.face_features));
  const auto body_features = to_device(body(train.body_features));
  for (Index epoch = 0; epoch < options.epochs; ++epoch) {
    examples::check_stop();
    const auto loss =
        cross_entropy(fusion({face_features, body_features}).logits, train.labels, {.label_smoothing = 0.1});
    adam.zero_grad();
    backward(loss);
    adam.step();
  }
  const NoGradient not_recorded;
  fusion.evaluate();
  return fusion({to_device(face(test.face_features)), to_device(body(test.body_features))})
      .logits.value()
      .template to<Cpu>();
}

/// "happy=joyful,sad=sad" as the face's and the body's names, which become one class each.
void read_pairs(const std::string& words, std::string& face_classes, std::string& body_classes) {
  face_classes.clear();
  body_classes.clear();
  for (const std::string& pair : examples::split_list(words)) {
    const auto equals = pair.find('=');
    const std::string face = pair.substr(0, equals);
    const std::string body = equals == std::string::npos ? pair : pair.substr(equals + 1);
    if (face.empty() || body.empty()) throw examples::UsageError("--pair: `" + pair + "` is not face=body");
    face_classes += (face_classes.empty() ? "" : ",") + face;
    body_classes += (body_classes.empty() ? "" : ",") + body;
  }
}

/// Both sets, and how they are divided.
void describe(const examples::SampleFacts& faces, const examples::SampleFacts& bodies,
              const examples::SplitOptions& split, const examples::CommonOptions& common) {
  const auto told = [&](const examples::SampleFacts& facts) {
    return examples::describe_data(facts, {examples::divide(facts, split, common.seed).front()});
  };
  if (common.json) {
    std::cout << examples::Json{{"faces", told(faces)}, {"bodies", told(bodies)}}.dump(2) << "\n";
    return;
  }
  std::cout << "faces: ";
  examples::print_description(told(faces));
  std::cout << "bodies: ";
  examples::print_description(told(bodies));
}

/// Throws FileError for a model that was given and tells other classes than the pairs have, or in another order.
void require_classes(const std::string& file, const std::vector<std::string>& found,
                     const std::vector<std::string>& wanted) {
  if (found == wanted) return;
  throw FileError(file, "__metadata__: class_names", examples::Json(found).dump(),
                  examples::Json(wanted).dump() + ", those of --pair");
}

/// A way of putting both branches together, and what it said of the test pairs of each seed.
struct Method {
  std::string name;
  std::vector<metrics::ConfusionMatrix> confusions = {};
};

/// The test pairs of one seed, and what every method made of them.
struct Comparison {
  std::size_t pairs = 0;
  double face_weight = 0;  ///< that was chosen for `weighted`
  std::vector<std::pair<std::string, metrics::ConfusionMatrix>> methods = {};
};

/// All ways of putting both branches together, each on the test pairs; what has to be chosen is chosen on the others.
template <class Device>
Comparison compare(const PairedPart& train, const PairedPart& validation, const PairedPart& test, Index classes,
                   Index k, const FeatureFusionTraining& features) {
  Comparison out{.pairs = test.labels.size()};
  const auto add = [&](std::string name, const Tensor<float>& scores) {
    out.methods.emplace_back(std::move(name), confusion_of(scores, test.labels, classes));
  };
  const auto fuse = [&](const models::DecisionFusionOptions& options) {
    return models::fuse_decisions<float>({test.face_probabilities, test.body_probabilities}, options).scores;
  };
  add("face alone", test.face_probabilities);
  add("body alone", test.body_probabilities);
  add("maximum", fuse({.rule = models::DecisionRule::maximum}));
  add("average", fuse({.rule = models::DecisionRule::average}));
  add("product", fuse({.rule = models::DecisionRule::product}));
  const auto weight = models::choose_weight(validation.face_probabilities, validation.body_probabilities,
                                            std::span<const Index>(validation.labels));
  out.face_weight = weight.face;
  add("weighted", fuse({.rule = models::DecisionRule::weighted, .weights = weight.weights()}));
  add(mien::detail::text("top ", k), fuse({.rule = models::DecisionRule::top_k, .k = k}));
  add("features", fuse_features<Device>(train, test, classes, features));
  return out;
}

std::vector<Method> by_method(const std::vector<Comparison>& seeds) {
  std::vector<Method> methods;
  for (const auto& [name, confusion] : seeds.front().methods) methods.push_back({name});
  for (const Comparison& seed : seeds)
    for (std::size_t i = 0; i < methods.size(); ++i) methods[i].confusions.push_back(seed.methods[i].second);
  return methods;
}

/// "83.9 %", or over several seeds "83.9 +- 1.2 %".
std::string spread(const Method& method, double (metrics::ConfusionMatrix::*figure)() const) {
  std::vector<double> values;
  for (const auto& confusion : method.confusions) values.push_back((confusion.*figure)());
  const examples::Spread spread(values);
  return examples::percent(spread.mean) + (values.size() > 1 ? " +- " + examples::percent(spread.deviation) : "");
}

void print_methods(const std::vector<Comparison>& seeds, const examples::CommonOptions& common) {
  if (common.json) {
    auto out = examples::Json::array();
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      examples::Json one = {
          {"seed", common.seed + i}, {"pairs", seeds[i].pairs}, {"face_weight", seeds[i].face_weight}};
      for (const auto& [name, confusion] : seeds[i].methods) {
        one["methods"].push_back(examples::to_json(confusion));
        one["methods"].back()["name"] = name;
      }
      out.push_back(one);
    }
    std::cout << examples::Json{{"device", common.device}, {"seeds", out}}.dump(2) << "\n";
    return;
  }
  std::cout << "test pairs of a face clip and a joint recording of the same label:";
  for (const Comparison& seed : seeds) std::cout << " " << seed.pairs;
  std::cout << "\nthe face's weight in `weighted`, chosen by validation pairs:";
  for (const Comparison& seed : seeds) std::cout << " " << seed.face_weight;
  std::cout << "\n"
            << std::left << std::setw(12) << "method" << std::right << std::setw(16) << "accuracy" << std::setw(16)
            << "mean recall" << std::setw(16) << "macro F1"
            << "\n";
  for (const Method& method : by_method(seeds))
    std::cout << std::left << std::setw(12) << method.name << std::right << std::setw(16)
              << spread(method, &metrics::ConfusionMatrix::accuracy) << std::setw(16)
              << spread(method, &metrics::ConfusionMatrix::mean_recall) << std::setw(16)
              << spread(method, &metrics::ConfusionMatrix::macro_f1) << "\n";
}

/// report.html: all ways beside each other, and what each took for what.
void write_page(const std::vector<Comparison>& seeds, const std::vector<std::string>& class_names,
                const examples::Program& program) {
  const std::vector<Method> methods = by_method(seeds);
  std::vector<std::string> names;
  std::vector<double> accuracies;
  std::vector<std::vector<std::string>> rows;
  for (const Method& method : methods) {
    std::vector<double> values;
    for (const auto& confusion : method.confusions) values.push_back(confusion.accuracy());
    names.push_back(method.name);
    accuracies.push_back(examples::Spread(values).mean);
    rows.push_back({method.name, spread(method, &metrics::ConfusionMatrix::accuracy),
                    spread(method, &metrics::ConfusionMatrix::mean_recall),
                    spread(method, &metrics::ConfusionMatrix::macro_f1)});
  }
  mien::report::Page page(program.name(), {.subtitle = "Face and body, alone and together"});
  page.section("Methods", "On test pairs of a face clip and a joint recording of the same label.")
      .bars(names, accuracies, {.caption = "Accuracy"})
      .table(std::vector<std::string>{"method", "accuracy", "mean recall", "macro F1"}, rows);
  auto& classes = page.section("Classes", "Test pairs of all seeds together.");
  for (const Method& method : methods) {
    metrics::ConfusionMatrix sum(static_cast<Index>(class_names.size()));
    for (const auto& confusion : method.confusions) sum.add(confusion);
    classes.confusion_matrix(sum.counts(), class_names, method.name);
  }
  page.section("Settings").settings(program.settings());
  page.save(program.common().work_dir / "report.html");
}

}  // namespace

int main(int count, char** arguments) {
  examples::Program program("Trains face and body, and compares ways of putting them together.", "work/fusion");
  examples::FaceDataOptions face_data;
  examples::GestureDataOptions joint_data;
  examples::SplitOptions split;
  examples::FaceFormOptions face_form;
  examples::GestureModelOptions joint_form;
  auto clip_augmentation = examples::usual_clip_augmentation();
  auto joint_augmentation = examples::usual_joint_augmentation();
  examples::TrainingOptions training{.batch = 16, .learning_rate = 2e-3};
  std::string pair;
  std::string face_model;
  std::string joint_model;
  Index k = 2;
  FeatureFusionTraining features;

  CLI::App& app = program.app();
  app.add_option("--pair", pair, "labels of faces and of bodies that belong together, as in happy=happy,anger=angry")
      ->required();
  examples::add_face_data_options(app, face_data, "face-");
  examples::add_gesture_data_options(app, joint_data, "joint-");
  examples::add_face_model_options(app, face_form, "face-");
  examples::add_gesture_model_options(app, joint_form, "joint-");
  examples::add_clip_augmentation_options(app, clip_augmentation, "face-");
  examples::add_joint_augmentation_options(app, joint_augmentation, "joint-augment-");
  examples::add_training_options(app, training);
  app.add_option("--test-share", split.test_share, "part of both sets for testing: of 1/2, 1/3, 1/4 ... the nearest")
      ->check(CLI::Range(0.01, 0.5));
  app.add_option("--validation-share", split.validation_share,
                 "part of the rest that chooses epochs and the weight: of 1/2, 1/3, 1/4 ... the nearest")
      ->check(CLI::Range(0.01, 0.5));
  app.add_option("--face-model", face_model, "model.safetensors of train_face, instead of training one");
  app.add_option("--joint-model", joint_model, "model.safetensors of train_gesture, instead of training one");
  app.add_option("--top-k", k, "classes that each branch votes for")->check(examples::positive);
  app.add_option("--fusion-hidden", features.hidden, "hidden units over both branches' features, 0 for none")
      ->check(examples::not_negative);
  app.add_option("--fusion-epochs", features.epochs, "over the training pairs' features")->check(examples::positive);

  return program.run_on_device(count, arguments, [&]<class Device>(Device) {
    for (const char* const option : {"--face-classes", "--joint-classes"})
      if (program.given(option)) throw examples::UsageError(std::string(option) + ": --pair names the classes");
    read_pairs(pair, face_data.classes, joint_data.classes);
    // A pair is made of two samples that are both used whole.
    if (training.bad_samples != data::BadSamples::error)
      throw examples::UsageError("--bad-samples: train_fusion takes all samples; train its branches by themselves");
    const auto faces = examples::read_face_data(face_data, "", face_data.subject_column);
    const auto bodies = examples::read_gesture_data(joint_data, "", joint_data.subject_column);
    const auto& common = program.common();
    const examples::SampleFacts face_facts(faces);
    const examples::SampleFacts body_facts(bodies);
    if (common.dry_run) {
      describe(face_facts, body_facts, split, common);
      return;
    }
    const auto classes = faces.classes();
    const auto run_seed = [&](std::uint64_t seed, const std::filesystem::path& folder) {
      const Parts face_parts = examples::divide(face_facts, split, seed).front();
      const Parts body_parts = examples::divide(body_facts, split, seed).front();
      auto face = face_model.empty() ? examples::train_face<Device>(faces, face_parts, {folder / "face", "face", seed},
                                                                    examples::fitted(face_form, classes),
                                                                    clip_augmentation, training, {}, program)
                                           .model
                                     : examples::load_face_model<Device>(face_model);
      auto body = joint_model.empty()
                      ? examples::train_gesture<Device>(bodies, body_parts, {folder / "body", "body", seed}, joint_form,
                                                        joint_augmentation, training, program)
                            .model
                      : examples::load_gesture_model<Device>(joint_model);
      require_classes(face_model, face.class_names, faces.class_names);
      require_classes(joint_model, body.class_names, bodies.class_names);
      for (const auto& sample : bodies.samples) examples::require_joints(body.options, sample.joints);
      io::create_folders(folder / "face");
      io::create_folders(folder / "body");
      examples::save_face_model(face, folder / "face" / "model.safetensors");
      examples::save_gesture_model(body, folder / "body" / "model.safetensors");

      const auto paired = [&](const std::vector<Index>& face_samples, const std::vector<Index>& body_samples,
                              std::uint64_t part) {
        const auto seen = examples::predict_face(face, faces, face_samples, clip_augmentation, training, seed);
        const auto moved = examples::predict_gesture(body, bodies, body_samples, joint_augmentation, training, seed);
        return pair_up(seen, moved, classes, Generator(seed).split(part));
      };
      const auto train = paired(face_parts.train, body_parts.train, 0);
      const auto validation = paired(face_parts.validation, body_parts.validation, 1);
      const auto test = paired(face_parts.test, body_parts.test, 2);
      set_seed(seed);
      return compare<Device>(train, validation, test, classes, k, features);
    };

    const examples::WorkFolderLock lock(common.work_dir);
    std::vector<Comparison> seeds;
    for (std::uint64_t seed = common.seed; seed < common.seed + static_cast<std::uint64_t>(training.seeds); ++seed)
      seeds.push_back(
          run_seed(seed, training.seeds == 1 ? common.work_dir : common.work_dir / ("seed_" + std::to_string(seed))));
    write_page(seeds, faces.class_names, program);
    print_methods(seeds, common);
  });
}
