#pragma once

/// How the training programs divide data, choose a model and report: every fold is trained on a part of its training
/// samples, the best epoch is chosen on the rest of them, and the test samples are looked at once.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mien/data/bad_samples.hpp"
#include "mien/data/data_set.hpp"
#include "mien/train/history.hpp"
#include "mien/train/metrics.hpp"
#include "program.hpp"

namespace mien::examples {

// --- options --------------------------------------------------------------------------------------------------------

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

void add_split_options(CLI::App& app, SplitOptions& options);

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
  Index shuffle_window = 0;   ///< samples; 0: all
  double moving_average = 0;  ///< decay; 0: no average
  bool find_learning_rate = false;
  bool tensorboard = false;
  Index keep_checkpoints = 2;
  data::BadSamples bad_samples = data::BadSamples::error;
  bool sync_batch_norm = false;  ///< of several ranks
};

void add_training_options(CLI::App& app, TrainingOptions& options);

// --- data -----------------------------------------------------------------------------------------------------------

/// The votes for the classes that have a new label, as shares of these alone; empty if there are none.
std::vector<double> votes_for(const std::vector<double>& votes, const std::map<Index, Index>& label_of);

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
    if (!label_of.emplace(known - all.class_names.begin(), static_cast<Index>(i)).second)
      throw UsageError(detail::text("--classes: `", names[i], "` twice"));
  }
  for (Sample& sample : all.samples) {
    const auto found = label_of.find(sample.label);
    if (found == label_of.end()) continue;
    sample.votes = votes_for(sample.votes, label_of);
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

/// What a report shows of a sample: some of its frames as encoded pictures, or of its joints as SVG.
struct SampleView {
  std::vector<std::vector<std::byte>> frames = {};
  std::vector<std::string> drawings = {};
};

SampleView view_of(const data::FrameSequence& sample);
SampleView view_of(const data::GestureSequence& sample);

/// What is known of the samples of a data set besides what is in them. The data set has to live as long.
struct SampleFacts {
  std::vector<std::string> class_names;
  data::SkippedFiles skipped;
  std::vector<Index> labels;
  std::vector<std::string> subjects;
  std::vector<std::string> splits;
  bool tells_classes = true;  ///< false if classes only help to divide the samples
  std::function<SampleView(Index sample)> view;

  template <class Sample>
  explicit SampleFacts(const data::DataSet<Sample>& data)
      : class_names(data.class_names),
        skipped(data.skipped),
        labels(data.labels()),
        subjects(data.subjects()),
        splits(data.splits()),
        view([&data](Index sample) { return view_of(data.samples[static_cast<std::size_t>(sample)]); }) {
    data.check_labels();
  }

  /// Whether every sample has one.
  bool has_subjects() const;
  /// The labels with a number after all classes for samples that have none, so that these are divided too.
  std::vector<Index> strata() const;
  /// Whether samples of one subject stay together.
  bool groups(const SplitOptions& options) const;
};

/// The parts of every fold; one for data that are divided once. Where an epoch is to be chosen, validation samples are
/// those that the data's own column calls `validation`, or else taken from the training part, by subject if that is how
/// folds are made.
std::vector<Parts> divide(const SampleFacts& facts, const SplitOptions& options, std::uint64_t seed);

/// The validation samples; where no epoch is chosen a few training samples, by which the run is watched.
std::vector<Index> watched_samples(const Parts& parts);

/// Class counts of the whole data set and of each fold's parts, for --dry-run.
Json describe_data(const SampleFacts& facts, const std::vector<Parts>& folds);

void print_description(const Json& description);

// --- training -------------------------------------------------------------------------------------------------------

/// Where one training of several keeps its files, and what it is called.
struct RunPlace {
  std::filesystem::path folder;
  std::string name;
  std::uint64_t seed = 1;
};

// --- predictions ----------------------------------------------------------------------------------------------------

/// What a network makes of a batch: probabilities [B, classes], the features [B, F] that its classifier saw, and
/// valence and arousal [B, 2]. What a network does not tell is undefined.
struct Answer {
  Tensor<float> probabilities;
  Tensor<float> features;
  Tensor<float> affect = {};

  Index samples() const { return probabilities.defined() ? probabilities.size(0) : affect.size(0); }
};

/// What a network says of samples, in their order.
struct Predictions {
  std::vector<std::string> names = {};
  std::vector<Index> labels = {};
  std::vector<std::vector<double>> probabilities = {};
  std::vector<std::vector<double>> features = {};  ///< what the classifier saw of the plain samples
  std::vector<data::Affect> affect = {};
  std::vector<std::optional<data::Affect>> affect_targets = {};

  Index size() const { return static_cast<Index>(labels.size()); }

  /// The most probable class of each.
  std::vector<Index> classes() const;
  /// Of the samples that have a label; of one class and without samples if no classes are told.
  metrics::ConfusionMatrix confusion(Index classes_known) const;
  /// Of the samples whose valence and arousal are known; nothing if none are told.
  std::optional<metrics::AffectRecord> affect_record() const;
};

// --- results --------------------------------------------------------------------------------------------------------

struct FoldResult {
  std::uint64_t seed = 0;
  Index fold = 0;  ///< from 1
  Parts parts = {};
  train::History history = {};
  Predictions test = {};
  metrics::ConfusionMatrix confusion;
  std::optional<metrics::AffectRecord> affect = {};
  std::optional<metrics::ConfusionMatrix> baseline = {};
  /// What the network attended to, as a mean over the test samples: weights of joints, or of views by block.
  std::vector<double> attention = {};
};

Json to_json(const metrics::ConfusionMatrix& confusion);
Json to_json(const metrics::AffectRecord& affect);

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
  /// Without names no classes are told.
  explicit Results(std::vector<std::string> class_names) : class_names_(std::move(class_names)) {}

  void add(FoldResult result) { folds_.push_back(std::move(result)); }

  Json to_json() const;
  /// As tables, on standard output.
  void print() const;

  const std::vector<std::string>& class_names() const { return class_names_; }
  const std::vector<FoldResult>& folds() const { return folds_; }
  std::size_t seeds() const { return seeds_seen().size(); }
  /// All test samples in one matrix.
  metrics::ConfusionMatrix confusion() const { return pooled(std::nullopt, false); }
  /// Of a measure, by its name in result.json, over the seeds.
  Spread spread(const std::string& measure) const { return Spread(by_seed(measure, false)); }
  /// The mean over all folds; empty if the network has none.
  std::vector<double> attention() const;

 private:
  std::vector<std::uint64_t> seeds_seen() const;
  /// All folds of one seed, or of all seeds, in one matrix.
  metrics::ConfusionMatrix pooled(std::optional<std::uint64_t> seed, bool baseline) const;
  std::vector<double> by_seed(const std::string& name, bool baseline) const;
  metrics::AffectRecord pooled_affect(std::optional<std::uint64_t> seed) const;
  void print_classes() const;
  void print_affect() const;
  void print_confusion(const metrics::ConfusionMatrix& confusion) const;

  std::vector<std::string> class_names_;
  std::vector<FoldResult> folds_;
};

/// predictions.csv: a row a test sample.
void save_predictions(const std::filesystem::path& path, const Predictions& predictions,
                      const std::vector<std::string>& class_names);

/// Runs all folds that are asked for with all seeds. `run(parts, place)` trains one of them and says how it did.
/// Prints the results and keeps them as result.json and report.html in the work folder. Of several ranks, the first one
/// does all of that, and the others help to train.
void run_experiment(const Program& program, const SampleFacts& samples, const SplitOptions& split,
                    const TrainingOptions& training, const Json& facts,
                    const std::function<FoldResult(const Parts& parts, const RunPlace& place)>& run);

}  // namespace mien::examples
