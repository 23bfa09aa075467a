#pragma once

/// How the training programs divide data, choose a model and report: every fold is trained on a part of its training
/// samples, the best epoch is chosen on the rest of them, and the test samples are looked at once.

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <iomanip>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "mien/autograd/cross_entropy.hpp"
#include "mien/data/data_set.hpp"
#include "mien/data/loader.hpp"
#include "mien/data/splits.hpp"
#include "mien/optim/adam.hpp"
#include "mien/optim/schedules.hpp"
#include "mien/optim/sgd.hpp"
#include "mien/train/metrics.hpp"
#include "mien/train/trainer.hpp"
#include "program.hpp"

namespace mien::examples {

// --- options -----------------------------------------------------------------------------------------------------------

/// How data are divided.
struct SplitOptions {
  std::string split_column = {};  ///< the column that says "train" or "test"
  Index folds = 0;                ///< 0: no folds
  std::string by = "auto";        ///< what stays together in folds: "subject", "label" (nothing), or a column
  Index fold = 0;                 ///< from 1; 0: all folds
  double test_share = 0.2;        ///< where there are neither folds nor a column
  double validation_share = 0.15;
  bool no_validation = false;

  /// The column that is read as the subject.
  std::string subject_column(const std::string& usual) const {
    return by == "auto" || by == "subject" || by == "label" ? usual : by;
  }
};

inline void add_split_options(CLI::App& app, SplitOptions& options) {
  const std::string group = "Split";
  app.add_option("--split-column", options.split_column, "the data's own parts: a column with `train` and `test`")
      ->group(group);
  app.add_option("--folds", options.folds, "cross-validation in so many folds")->check(CLI::Range(2, 100000))->group(group);
  app.add_option("--by", options.by,
                 "what is never in two parts: subject, a column's name, or label for nothing but equal shares of all "
                 "labels; auto is by subject where subjects are known")
      ->group(group);
  app.add_option("--fold", options.fold, "this fold alone, from 1")->check(CLI::PositiveNumber)->group(group);
  app.add_option("--test-share", options.test_share, "part for testing where there are no folds and no column")
      ->check(CLI::Range(0.01, 0.99))
      ->group(group);
  app.add_option("--validation-share", options.validation_share, "part of the training samples that chooses the epoch")
      ->check(CLI::Range(0.01, 0.5))
      ->group(group);
  app.add_flag("--no-validation", options.no_validation,
               "trains on all training samples for all epochs, and takes the last one")
      ->group(group);
}

/// How a network is trained.
struct TrainingOptions {
  Index epochs = 30;
  Index batch = 32;
  double learning_rate = 2e-3;
  double weight_decay = 0.05;
  double label_smoothing = 0.1;
  double gradient_clip = 0;
  std::string optimiser = "adamw";
  std::string schedule = "one-cycle";
  bool class_weights = false;
  bool balanced = false;
  Index patience = 0;
  Index seeds = 1;
  Index test_time_augmentation = 1;
  Index workers = 1;
};

inline void add_training_options(CLI::App& app, TrainingOptions& options) {
  const std::string group = "Training";
  app.add_option("--epochs", options.epochs, "runs over the training samples")->check(CLI::PositiveNumber)->group(group);
  app.add_option("--batch", options.batch, "samples in a step")->check(CLI::PositiveNumber)->group(group);
  app.add_option("--learning-rate", options.learning_rate, "the greatest one")->check(CLI::PositiveNumber)->group(group);
  app.add_option("--weight-decay", options.weight_decay, "of the optimiser")->check(CLI::NonNegativeNumber)->group(group);
  app.add_option("--optimiser", options.optimiser, "adamw, adam or sgd")
      ->check(CLI::IsMember({"adamw", "adam", "sgd"}))
      ->group(group);
  app.add_option("--schedule", options.schedule, "one-cycle, cosine or constant")
      ->check(CLI::IsMember({"one-cycle", "cosine", "constant"}))
      ->group(group);
  app.add_option("--label-smoothing", options.label_smoothing, "0 for none")->check(CLI::Range(0.0, 0.99))->group(group);
  app.add_option("--gradient-clip", options.gradient_clip, "greatest norm of the gradient, 0 for none")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  app.add_flag("--class-weights", options.class_weights, "weighs rare classes more in the loss")->group(group);
  app.add_flag("--balanced", options.balanced, "draws all classes equally often")->group(group);
  app.add_option("--patience", options.patience, "epochs without improvement before training ends, 0 for never")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  app.add_option("--seeds", options.seeds, "repeats everything with so many seeds")
      ->check(CLI::PositiveNumber)
      ->group(group);
  app.add_option("--test-time-augmentation", options.test_time_augmentation,
                 "averages the plain sample and its variations, so many in all")
      ->check(CLI::PositiveNumber)
      ->group(group);
  app.add_option("--workers", options.workers, "threads that make batches ahead")->check(CLI::Range(0, 64))->group(group);
}

// --- data --------------------------------------------------------------------------------------------------------------

/// The samples of some classes alone, which get the labels 0, 1, ... in the given order; all of them for an empty list.
template <class Sample>
data::DataSet<Sample> only_classes(data::DataSet<Sample> all, const std::vector<std::string>& names) {
  if (names.empty()) return all;
  data::DataSet<Sample> out{.class_names = names, .skipped = all.skipped};
  std::map<Index, Index> label_of;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto known = std::find(all.class_names.begin(), all.class_names.end(), names[i]);
    if (known == all.class_names.end()) {
      std::string list;
      for (const std::string& name : all.class_names) list += (list.empty() ? "" : ", ") + name;
      throw UsageError(detail::text("--classes: `", names[i], "` is none of the classes ", list));
    }
    label_of[known - all.class_names.begin()] = static_cast<Index>(i);
  }
  for (Sample& sample : all.samples) {
    const auto found = label_of.find(sample.label);
    if (found == label_of.end()) continue;
    sample.label = found->second;
    out.samples.push_back(std::move(sample));
  }
  return out;
}

/// Numbers of samples for each use of them.
struct Parts {
  std::vector<Index> train;
  std::vector<Index> validation;  ///< empty if no epoch is to be chosen
  std::vector<Index> test;
};

/// Labels, subjects and splits of a data set: what dividing it needs.
struct SampleFacts {
  std::vector<Index> labels;
  std::vector<std::string> subjects;
  std::vector<std::string> splits;

  template <class Sample>
  explicit SampleFacts(const data::DataSet<Sample>& data)
      : labels(data.labels()), subjects(data.subjects()), splits(data.splits()) {}

  bool has_subjects() const {
    return !subjects.empty() &&
           std::none_of(subjects.begin(), subjects.end(), [](const auto& subject) { return subject.empty(); });
  }

  /// Whether samples of one subject stay together.
  bool groups(const SplitOptions& options) const {
    if (options.by == "label") return false;
    if (options.by != "auto" && !has_subjects())
      throw UsageError(detail::text("--by ", options.by, ": not every sample has one; try --by label"));
    return has_subjects();
  }
};

namespace detail {

template <class Value>
std::vector<Value> picked(const std::vector<Value>& all, const std::vector<Index>& indices) {
  std::vector<Value> out;
  for (const Index index : indices) out.push_back(all[static_cast<std::size_t>(index)]);
  return out;
}

inline std::vector<data::Split> folds_of(const SampleFacts& facts, const std::vector<Index>& samples, bool grouped,
                                         Index folds, std::uint64_t seed) {
  const auto labels = picked(facts.labels, samples);
  auto splits = grouped ? data::subject_folds(picked(facts.subjects, samples), labels, folds, seed)
                        : data::stratified_folds(labels, folds, seed);
  for (auto& split : splits) {
    split.train = picked(samples, split.train);
    split.test = picked(samples, split.test);
  }
  return splits;
}

/// One part of about `share` of the samples, and the rest.
inline data::Split share_of(const SampleFacts& facts, const std::vector<Index>& samples, bool grouped, double share,
                            std::uint64_t seed) {
  auto groups = static_cast<Index>(samples.size());
  if (grouped) {
    const auto subjects = picked(facts.subjects, samples);
    groups = static_cast<Index>(std::set<std::string>(subjects.begin(), subjects.end()).size());
    // Nobody can be held out where there is one alone; then the shares of the labels are what is left to keep.
    if (groups < 2) return share_of(facts, samples, false, share, seed);
  }
  const auto wanted = std::max<Index>(2, std::lround(1 / share));
  return folds_of(facts, samples, grouped, std::min(wanted, groups), seed).front();
}

}  // namespace detail

/// The parts of every fold; one for data that are divided once. Where an epoch is to be chosen, validation samples are
/// taken from the training part, by subject if that is how folds are made.
inline std::vector<Parts> divide(const SampleFacts& facts, const SplitOptions& options, std::uint64_t seed) {
  if (!options.split_column.empty() && options.folds > 0)
    throw UsageError("--split-column and --folds exclude each other");
  const bool grouped = facts.groups(options);
  std::vector<Index> all(facts.labels.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
  std::vector<data::Split> splits;
  if (!options.split_column.empty()) {
    splits.push_back(data::split_by_column(facts.splits));
  } else if (options.folds > 0) {
    splits = detail::folds_of(facts, all, grouped, options.folds, seed);
  } else {
    splits.push_back(detail::share_of(facts, all, grouped, options.test_share, seed));
  }
  if (options.fold > static_cast<Index>(splits.size()))
    throw UsageError(detail::text("--fold ", options.fold, ": there are ", splits.size()));
  std::vector<Parts> parts;
  for (auto& split : splits) {
    if (options.no_validation) {
      parts.push_back({std::move(split.train), {}, std::move(split.test)});
      continue;
    }
    auto inner = detail::share_of(facts, split.train, grouped, options.validation_share, seed);
    parts.push_back({std::move(inner.train), std::move(inner.test), std::move(split.test)});
  }
  return parts;
}

/// Class counts of the whole data set and of each fold's parts, for --dry-run.
template <class Sample>
Json describe_data(const data::DataSet<Sample>& data, const std::vector<Parts>& folds) {
  Json out;
  out["samples"] = data.size();
  const auto counts = data::class_counts(data);
  for (std::size_t i = 0; i < counts.size(); ++i) out["classes"][data.class_names[i]] = counts[i];
  const auto subjects = data.subjects();
  std::set<std::string> unlike(subjects.begin(), subjects.end());
  unlike.erase("");
  out["subjects"] = unlike.size();
  out["skipped"] = {{"hidden", data.skipped.hidden},
                    {"other", data.skipped.other},
                    {"empty", data.skipped.empty},
                    {"missing", data.skipped.missing}};
  for (const Parts& parts : folds)
    out["folds"].push_back(
        {{"train", parts.train.size()}, {"validation", parts.validation.size()}, {"test", parts.test.size()}});
  return out;
}

inline void print_description(const Json& description) {
  std::cout << description["samples"] << " samples, " << description["classes"].size() << " classes, "
            << description["subjects"] << " subjects\n";
  for (const auto& [name, count] : description["classes"].items())
    std::cout << std::setw(8) << count.get<Index>() << "  " << name << "\n";
  Index number = 1;
  for (const auto& fold : description["folds"])
    std::cout << "fold " << number++ << ": " << fold["train"] << " train, " << fold["validation"] << " validation, "
              << fold["test"] << " test\n";
}

// --- training ----------------------------------------------------------------------------------------------------------

/// Any of the optimisers by name.
inline std::unique_ptr<optim::Optimiser<float>> make_optimiser(const nn::ParameterList<float>& parameters,
                                                               const TrainingOptions& options) {
  if (options.optimiser == "sgd")
    return std::make_unique<optim::Sgd<float>>(parameters,
                                               optim::SgdOptions{.learning_rate = options.learning_rate,
                                                                 .momentum = 0.9,
                                                                 .weight_decay = options.weight_decay});
  if (options.optimiser == "adam")
    return std::make_unique<optim::Adam<float>>(
        parameters,
        optim::AdamOptions{.learning_rate = options.learning_rate, .weight_decay = options.weight_decay});
  return std::make_unique<optim::AdamW<float>>(
      parameters, optim::AdamWOptions{.learning_rate = options.learning_rate, .weight_decay = options.weight_decay});
}

/// Loads batches for training; a batch is never larger than the data.
template <class From>
data::Loader<typename From::Batch> training_loader(From source, const TrainingOptions& options, std::uint64_t seed) {
  const Index batch = std::max<Index>(1, std::min(options.batch, source.size()));
  return data::Loader(std::move(source), {.batch = batch,
                                          .seed = seed,
                                          .balanced = options.balanced,
                                          .drop_last = true,
                                          .workers = options.workers,
                                          .prefetch = 4});
}

/// Loads batches for evaluation: in order, all of them.
template <class From>
data::Loader<typename From::Batch> evaluation_loader(From source, const TrainingOptions& options, std::uint64_t seed) {
  return data::Loader(std::move(source),
                      {.batch = options.batch, .seed = seed, .shuffle = false, .workers = options.workers});
}

/// The cross-entropy's options for the samples that are trained on.
inline CrossEntropyOptions loss_options(const TrainingOptions& options, const std::vector<Index>& labels, Index classes) {
  CrossEntropyOptions out;
  if (options.class_weights) out.class_weights = data::class_weights(labels, classes);
  out.label_smoothing = options.label_smoothing;
  return out;
}

/// Where one training of several keeps its files, and what it is called.
struct RunPlace {
  std::filesystem::path folder;
  std::string name;
  std::uint64_t seed = 1;
};

/// Trains `network` by `step`, and leaves the chosen weights in it. Throws Interrupted after Ctrl-C.
template <class Network, class Batch, class Step>
train::History train_network(Network& network, const data::Loader<Batch>& loader, const data::Loader<Batch>& validation,
                             const Step& step, const TrainingOptions& options, const RunPlace& place,
                             bool choose_best, const Program& program, const std::vector<std::string>& class_names) {
  auto optimiser = make_optimiser(network.parameters(), options);
  auto settings = program.settings();
  if (options.schedule != "constant") settings["epochs"] = std::to_string(options.epochs);
  train::Trainer<float> trainer(*optimiser, {.epochs = options.epochs,
                                             .seed = place.seed,
                                             .work_dir = place.folder,
                                             .resume = program.common().resume,
                                             .early_stop_patience = choose_best ? options.patience : 0,
                                             .gradient_clip = options.gradient_clip,
                                             .restore_best = choose_best,
                                             .class_names = class_names,
                                             .settings = settings,
                                             .progress = {.stream = &std::cerr},
                                             .stop_requested = stop_requested});
  trainer.add_model("model", network);
  const Index steps = std::max<Index>(1, options.epochs * loader.batches());
  optim::OneCycle one_cycle(
      {.max_learning_rate = options.learning_rate, .total_steps = steps + 1, .cycle_momentum = false});
  optim::CosineAnnealing cosine(options.learning_rate, {.steps = steps});
  if (options.schedule == "one-cycle") trainer.set_schedule(one_cycle, train::ScheduleStep::batch);
  if (options.schedule == "cosine") trainer.set_schedule(cosine, train::ScheduleStep::batch);
  const auto result = trainer.fit(loader, validation, step);
  if (result.interrupted) throw Interrupted{};
  return result.state.history;
}

// --- predictions -------------------------------------------------------------------------------------------------------

/// What a network says of samples, in their order.
struct Predictions {
  std::vector<std::string> names = {};
  std::vector<Index> labels = {};
  std::vector<std::vector<double>> probabilities = {};

  Index size() const { return static_cast<Index>(labels.size()); }

  std::vector<Index> classes() const {
    std::vector<Index> out;
    for (const auto& row : probabilities)
      out.push_back(std::max_element(row.begin(), row.end()) - row.begin());
    return out;
  }

  metrics::ConfusionMatrix confusion(Index classes_known) const {
    metrics::ConfusionMatrix out(classes_known);
    const auto recognised = classes();
    out.add(labels, recognised);
    return out;
  }

  /// [samples, classes]
  Tensor<float> tensor() const {
    Tensor<float> out({size(), static_cast<Index>(probabilities.front().size())});
    for (Index i = 0; i < out.size(0); ++i)
      for (Index c = 0; c < out.size(1); ++c)
        out(i, c) = static_cast<float>(probabilities[static_cast<std::size_t>(i)][static_cast<std::size_t>(c)]);
    return out;
  }
};

/// The mean of `probabilities(batch)` [B, classes] over `copies` epochs of an evaluation loader; `first` makes the
/// samples of the first one, without variation, `others` those of all further ones.
template <class Batch, class Probabilities>
Predictions predict(const data::Loader<Batch>& first, const data::Loader<Batch>& others, Index copies,
                    const Probabilities& probabilities) {
  const NoGradient not_recorded;
  Predictions out;
  for (Index copy = 0; copy < copies; ++copy) {
    std::size_t row = 0;
    for (const Batch& batch : (copy == 0 ? first : others).epoch(copy)) {
      check_stop();
      const Tensor<float> values = probabilities(batch);
      for (Index i = 0; i < values.size(0); ++i, ++row) {
        if (copy == 0) {
          out.names.push_back(batch.names[static_cast<std::size_t>(i)]);
          out.labels.push_back(batch.labels[static_cast<std::size_t>(i)]);
          out.probabilities.emplace_back(static_cast<std::size_t>(values.size(1)), 0.0);
        }
        for (Index c = 0; c < values.size(1); ++c)
          out.probabilities[row][static_cast<std::size_t>(c)] +=
              static_cast<double>(values(i, c)) / static_cast<double>(copies);
      }
    }
  }
  return out;
}

// --- results -----------------------------------------------------------------------------------------------------------

struct FoldResult {
  std::uint64_t seed = 0;
  Index fold = 0;  ///< from 1
  Parts parts = {};
  train::History history = {};
  Predictions test = {};
  metrics::ConfusionMatrix confusion;
  std::optional<metrics::ConfusionMatrix> baseline = {};
  /// What the network attended to, as a mean over the test samples: weights of joints, or of views by block.
  std::vector<double> attention = {};
};

inline Json to_json(const metrics::ConfusionMatrix& confusion) {
  Json rows = Json::array();
  for (Index label = 0; label < confusion.classes(); ++label) {
    Json row = Json::array();
    for (Index prediction = 0; prediction < confusion.classes(); ++prediction)
      row.push_back(confusion.count(label, prediction));
    rows.push_back(row);
  }
  return {{"samples", confusion.total()},
          {"accuracy", confusion.accuracy()},
          {"mean_recall", confusion.mean_recall()},
          {"macro_f1", confusion.macro_f1()},
          {"confusion", rows}};
}

/// Mean and standard deviation (with n - 1; 0 for one number alone).
struct Spread {
  double mean = 0;
  double deviation = 0;

  explicit Spread(const std::vector<double>& values) {
    for (const double value : values) mean += value / static_cast<double>(values.size());
    if (values.size() < 2) return;
    for (const double value : values) deviation += (value - mean) * (value - mean);
    deviation = std::sqrt(deviation / static_cast<double>(values.size() - 1));
  }
};

/// All folds of all seeds.
class Results {
 public:
  explicit Results(std::vector<std::string> class_names) : class_names_(std::move(class_names)) {}

  void add(FoldResult result) { folds_.push_back(std::move(result)); }
  const std::vector<FoldResult>& folds() const { return folds_; }

  Json to_json() const {
    Json out;
    out["class_names"] = class_names_;
    for (const FoldResult& fold : folds_) {
      Json one = examples::to_json(fold.confusion);
      one["seed"] = fold.seed;
      one["fold"] = fold.fold;
      one["train"] = fold.parts.train.size();
      one["validation"] = fold.parts.validation.size();
      if (fold.baseline) one["baseline"] = examples::to_json(*fold.baseline);
      for (const std::string& column : fold.history.columns()) one["history"][column] = fold.history.column(column);
      out["folds"].push_back(one);
    }
    out["overall"] = examples::to_json(pooled(std::nullopt, false));
    const auto seeds = seeds_seen();
    for (const char* name : {"accuracy", "mean_recall", "macro_f1"}) {
      const Spread spread(by_seed(name, false));
      out["overall"]["by_seed"][name] = {
          {"mean", spread.mean}, {"deviation", spread.deviation}, {"seeds", seeds.size()}};
    }
    if (folds_.front().baseline) out["baseline"] = examples::to_json(pooled(seeds.front(), true));
    if (!folds_.front().attention.empty()) {
      std::vector<double> mean(folds_.front().attention.size(), 0.0);
      for (const FoldResult& fold : folds_)
        for (std::size_t i = 0; i < mean.size(); ++i)
          mean[i] += fold.attention[i] / static_cast<double>(folds_.size());
      out["attention"] = mean;
    }
    return out;
  }

  void print() const {
    std::cout << "seed  fold  samples  accuracy  mean recall  macro F1";
    std::cout << (folds_.front().baseline ? "  nearest neighbour\n" : "\n");
    for (const FoldResult& fold : folds_) {
      std::cout << std::setw(4) << fold.seed << std::setw(6) << fold.fold << std::setw(9) << fold.confusion.total()
                << std::setw(10) << percent(fold.confusion.accuracy()) << std::setw(13)
                << percent(fold.confusion.mean_recall()) << std::setw(10) << percent(fold.confusion.macro_f1());
      if (fold.baseline) std::cout << std::setw(19) << percent(fold.baseline->accuracy());
      std::cout << "\n";
    }
    std::cout << "\n";
    const auto seeds = seeds_seen();
    const auto line = [&](const char* words, const char* name, bool baseline) {
      const Spread spread(by_seed(name, baseline));
      std::cout << std::left << std::setw(30) << words << std::right << percent(spread.mean);
      if (seeds.size() > 1) std::cout << " +- " << percent(spread.deviation) << " over " << seeds.size() << " seeds";
      std::cout << "\n";
    };
    line("accuracy (WAR)", "accuracy", false);
    line("mean recall (UAR)", "mean_recall", false);
    line("macro F1", "macro_f1", false);
    if (folds_.front().baseline) line("nearest neighbour's accuracy", "accuracy", true);
    print_confusion(pooled(std::nullopt, false));
  }

 private:
  std::vector<std::uint64_t> seeds_seen() const {
    std::set<std::uint64_t> seeds;
    for (const FoldResult& fold : folds_) seeds.insert(fold.seed);
    return {seeds.begin(), seeds.end()};
  }

  /// All folds of one seed, or of all seeds, in one matrix.
  metrics::ConfusionMatrix pooled(std::optional<std::uint64_t> seed, bool baseline) const {
    metrics::ConfusionMatrix sum(static_cast<Index>(class_names_.size()));
    for (const FoldResult& fold : folds_)
      if (!seed || fold.seed == *seed) sum.add(baseline ? *fold.baseline : fold.confusion);
    return sum;
  }

  std::vector<double> by_seed(const std::string& name, bool baseline) const {
    std::vector<double> values;
    for (const std::uint64_t seed : seeds_seen()) {
      const auto confusion = pooled(seed, baseline);
      values.push_back(name == "accuracy"      ? confusion.accuracy()
                       : name == "mean_recall" ? confusion.mean_recall()
                                               : confusion.macro_f1());
    }
    return values;
  }

  void print_confusion(const metrics::ConfusionMatrix& confusion) const {
    std::size_t width = 6;
    for (const std::string& name : class_names_) width = std::max(width, name.size() + 2);
    std::cout << "\nconfusion: a row a true class, a column a recognised one\n" << std::string(width, ' ');
    for (const std::string& name : class_names_) std::cout << std::setw(static_cast<int>(width)) << name;
    std::cout << "\n";
    for (Index label = 0; label < confusion.classes(); ++label) {
      std::cout << std::left << std::setw(static_cast<int>(width)) << class_names_[static_cast<std::size_t>(label)]
                << std::right;
      for (Index prediction = 0; prediction < confusion.classes(); ++prediction)
        std::cout << std::setw(static_cast<int>(width)) << confusion.count(label, prediction);
      std::cout << "\n";
    }
  }

  std::vector<std::string> class_names_;
  std::vector<FoldResult> folds_;
};

/// predictions.csv: a row a test sample.
inline void save_predictions(const std::filesystem::path& path, const Predictions& predictions,
                             const std::vector<std::string>& class_names) {
  std::ostringstream out;
  out << "sample,label,recognised";
  for (const std::string& name : class_names) out << "," << csv_field("probability_" + name);
  out << "\n";
  const auto recognised = predictions.classes();
  for (std::size_t i = 0; i < predictions.labels.size(); ++i) {
    out << csv_field(predictions.names[i]) << ","
        << csv_field(class_names[static_cast<std::size_t>(predictions.labels[i])]) << ","
        << csv_field(class_names[static_cast<std::size_t>(recognised[i])]);
    for (const double probability : predictions.probabilities[i]) out << "," << probability;
    out << "\n";
  }
  io::write_file(path, out.str());
}

/// Runs all folds that are asked for with all seeds. `run(parts, place)` trains one of them and says how it did.
/// Prints the results and keeps them as result.json in the work folder.
template <class Sample, class Run>
void run_experiment(const Program& program, const data::DataSet<Sample>& data, const SplitOptions& split,
                    const TrainingOptions& training, Json facts, const Run& run) {
  const SampleFacts samples(data);
  const auto& common = program.common();
  if (common.dry_run) {
    const auto description = describe_data(data, divide(samples, split, common.seed));
    if (common.json) {
      std::cout << description.dump(2) << "\n";
    } else {
      print_description(description);
    }
    return;
  }
  Results results(data.class_names);
  for (Index repeat = 0; repeat < training.seeds; ++repeat) {
    const std::uint64_t seed = common.seed + static_cast<std::uint64_t>(repeat);
    const auto folds = divide(samples, split, seed);
    for (std::size_t i = 0; i < folds.size(); ++i) {
      const auto number = static_cast<Index>(i) + 1;
      if (split.fold != 0 && split.fold != number) continue;
      RunPlace place{common.work_dir, "", seed};
      if (training.seeds > 1) {
        place.name += detail::text("seed ", seed, " ");
        place.folder /= detail::text("seed_", seed);
      }
      if (folds.size() > 1) {
        place.name += detail::text("fold ", number);
        place.folder /= detail::text("fold_", number);
      }
      if (!place.name.empty()) std::cerr << place.name << "\n";
      std::filesystem::create_directories(place.folder);
      FoldResult result = run(folds[i], place);
      result.seed = seed;
      result.fold = number;
      save_predictions(place.folder / "predictions.csv", result.test, data.class_names);
      results.add(std::move(result));
      check_stop();
    }
  }
  Json all = results.to_json();
  all.update(facts);
  io::write_file(common.work_dir / "result.json", all.dump(2) + "\n");
  if (common.json) {
    std::cout << all.dump(2) << "\n";
  } else {
    results.print();
    std::cout << "\nwritten to " << common.work_dir.string() << "\n";
  }
}

}  // namespace mien::examples
