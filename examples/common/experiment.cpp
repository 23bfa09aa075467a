#include "experiment.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <set>
#include <sstream>

#include "mien/data/splits.hpp"
#include "mien/io/csv.hpp"
#include "mien/io/file.hpp"
#include "report.hpp"

namespace mien::examples {

std::vector<double> votes_for(const std::vector<double>& votes, const std::map<Index, Index>& label_of) {
  if (votes.empty()) return {};
  std::vector<double> out(label_of.size(), 0.0);
  double sum = 0;
  for (const auto& [before, now] : label_of) {
    out[static_cast<std::size_t>(now)] = votes[static_cast<std::size_t>(before)];
    sum += votes[static_cast<std::size_t>(before)];
  }
  for (double& vote : out) vote = sum > 0 ? vote / sum : 0;
  return sum > 0 ? out : std::vector<double>();
}

bool SampleFacts::has_subjects() const {
  return !subjects.empty() &&
         std::none_of(subjects.begin(), subjects.end(), [](const auto& subject) { return subject.empty(); });
}

std::vector<Index> SampleFacts::strata() const {
  std::vector<Index> out = labels;
  for (Index& label : out)
    if (label == data::no_label) label = static_cast<Index>(class_names.size());
  return out;
}

bool SampleFacts::groups(const SplitOptions& options) const {
  if (options.by == "label") return false;
  if (options.by != "auto" && !has_subjects())
    throw UsageError(detail::text("--by ", options.by, ": not every sample has one; try --by label"));
  const auto is_known = [](const std::string& subject) { return !subject.empty(); };
  if (!has_subjects() && std::any_of(subjects.begin(), subjects.end(), is_known))
    throw UsageError("some samples have a subject and some have none; --by label divides without regard to subjects");
  return has_subjects();
}

namespace {

const std::map<std::string, data::BadSamples>& bad_samples_words() {
  static const std::map<std::string, data::BadSamples> words{
      {"error", data::BadSamples::error}, {"skip", data::BadSamples::skip}, {"mask", data::BadSamples::mask}};
  return words;
}

}  // namespace

void add_split_options(CLI::App& app, SplitOptions& options) {
  const std::string group = "Split";
  app.add_option(
         "--split-column", options.split_column,
         "the data's own parts: a column with `train`, `test` and, if there are any, `validation` (or `valid`, `val`)")
      ->group(group);
  app.add_option("--folds", options.folds, "cross-validation in so many folds")
      ->check(CLI::Range(2, 100000))
      ->group(group);
  app.add_option("--by", options.by,
                 "what is never in two parts: subject, a column's name, or label for nothing but equal shares of all "
                 "labels; auto is by subject where subjects are known")
      ->group(group);
  app.add_option("--fold", options.fold, "this fold alone, from 1")->check(positive)->group(group);
  app.add_option("--test-share", options.test_share,
                 "part for testing where there are no folds and no column: of 1/2, 1/3, 1/4 ... the nearest")
      ->check(CLI::Range(0.01, 0.5))
      ->group(group);
  app.add_option("--validation-share", options.validation_share,
                 "part of the training samples that chooses the epoch: of 1/2, 1/3, 1/4 ... the nearest")
      ->check(CLI::Range(0.01, 0.5))
      ->group(group);
  app.add_flag("--no-validation", options.no_validation,
               "trains on all training samples for all epochs, and takes the last one")
      ->group(group);
}

void add_training_options(CLI::App& app, TrainingOptions& options) {
  const std::string group = "Training";
  app.add_option("--epochs", options.epochs, "runs over the training samples")
      ->check(CLI::Range(Index{1}, Index{1'000'000'000}))
      ->group(group);
  app.add_option("--batch", options.batch, "samples in a step")->check(positive)->group(group);
  app.add_option("--learning-rate", options.learning_rate, "the greatest one")->check(positive)->group(group);
  app.add_option("--weight-decay", options.weight_decay, "of the optimiser")->check(not_negative)->group(group);
  app.add_option("--optimiser", options.optimiser, "adamw, adam or sgd")
      ->check(CLI::IsMember({"adamw", "adam", "sgd"}))
      ->group(group);
  app.add_option("--schedule", options.schedule, "one-cycle, cosine or constant")
      ->check(CLI::IsMember({"one-cycle", "cosine", "constant"}))
      ->group(group);
  app.add_option("--label-smoothing", options.label_smoothing, "0 for none")
      ->check(CLI::Range(0.0, 0.99))
      ->group(group);
  app.add_option("--gradient-clip", options.gradient_clip, "greatest norm of the gradient, 0 for none")
      ->check(not_negative)
      ->group(group);
  app.add_flag("--class-weights", options.class_weights, "weighs rare classes more in the loss")->group(group);
  auto* const balanced = app.add_flag("--balanced", options.balanced, "draws all classes equally often")->group(group);
  app.add_option("--patience", options.patience, "epochs without improvement before training ends, 0 for never")
      ->check(not_negative)
      ->group(group);
  app.add_option("--seeds", options.seeds, "repeats everything with so many seeds")
      ->check(CLI::Range(1, 1'000'000))
      ->group(group);
  app.add_option("--test-time-augmentation", options.test_time_augmentation,
                 "averages the plain sample and its variations, so many in all")
      ->check(positive)
      ->group(group);
  app.add_option(
         "--moving-average", options.moving_average,
         "decay of the weights' moving average, 0.999 is usual, which is then what is validated and kept; 0 for "
         "none")
      ->check(CLI::Range(0.0, 0.999999))
      ->group(group);
  app.add_flag("--find-learning-rate", options.find_learning_rate,
               "trains a hundred steps at rising rates, prints the losses, and ends; learning_rates.html shows them")
      ->group(group);
  app.add_flag("--tensorboard", options.tensorboard,
               "writes an event file for TensorBoard beside history.csv, epoch by epoch")
      ->group(group);
  app.add_option("--keep-checkpoints", options.keep_checkpoints,
                 "of the newest checkpoints so many, beside that of the best epoch")
      ->check(CLI::Range(1, 1000))
      ->group(group);
  add_choice(
      app, "--bad-samples", options.bad_samples, bad_samples_words(),
      "training samples that cannot be read, or have numbers that are not finite, end the program, are left out, "
      "or lose the frames or joints in question; bad_samples.csv lists them. Validation and test samples always "
      "end it")
      ->group(group);
  app.add_flag("--sync-batch-norm", options.sync_batch_norm,
               "under mpirun: batch normalisation by the statistics of all ranks' samples")
      ->group(group);
  app.add_option("--workers", options.workers, "threads that make batches ahead")
      ->check(CLI::Range(0, 64))
      ->group(group);
  app.add_option("--shuffle-window", options.shuffle_window,
                 "shuffles blocks of 64 consecutive samples, and samples in a window of so many, which has to fit into "
                 "memory: for packed sets that do not; 0 shuffles all")
      ->check(not_negative)
      ->excludes(balanced)
      ->group(group);
}

void tell_bad_samples(const data::BadSamplesReport& report, Index samples, const std::filesystem::path& folder) {
  io::CsvWriter list({"sample", "outcome", "reason"});
  for (const auto& [outcome, entries] : {std::pair("skipped", &report.skipped), std::pair("masked", &report.masked)})
    for (const auto& [sample, reason] : *entries) list.row(sample, std::string(outcome), reason);
  io::create_folders(folder);
  list.write(folder / "bad_samples.csv");
  std::cerr << "of " << samples << " training samples " << report.skipped.size() << " are skipped and "
            << report.masked.size() << " masked: " << (folder / "bad_samples.csv").string() << "\n";
}

namespace {

template <class Value>
std::vector<Value> picked(const std::vector<Value>& all, const std::vector<Index>& indices) {
  std::vector<Value> out;
  for (const Index index : indices) out.push_back(all[static_cast<std::size_t>(index)]);
  return out;
}

std::vector<data::Split> folds_of(const SampleFacts& facts, const std::vector<Index>& samples, bool grouped,
                                  Index folds, std::uint64_t seed) {
  const auto labels = picked(facts.strata(), samples);
  auto splits = grouped ? data::subject_folds(picked(facts.subjects, samples), labels, folds, seed)
                        : data::stratified_folds(labels, folds, seed);
  for (auto& split : splits) {
    split.train = picked(samples, split.train);
    split.test = picked(samples, split.test);
  }
  return splits;
}

/// One part of about `share` of the samples, and the rest.
data::Split share_of(const SampleFacts& facts, const std::vector<Index>& samples, bool grouped, double share,
                     std::uint64_t seed) {
  auto groups = static_cast<Index>(samples.size());
  if (grouped) {
    const auto subjects = picked(facts.subjects, samples);
    groups = static_cast<Index>(std::set<std::string>(subjects.begin(), subjects.end()).size());
    // Nobody can be held out where there is one alone; then the shares of the labels are what is left to keep.
    if (groups < 2) return share_of(facts, samples, false, share, seed);
  }
  if (!(share > 0)) throw UsageError(detail::text("a share of ", share, " of the samples"));
  const auto more = std::max<Index>(2, static_cast<Index>(1 / share));
  const auto part = [](Index parts) { return 1 / static_cast<double>(parts); };
  const Index wanted = part(more) - share <= share - part(more + 1) ? more : more + 1;
  return folds_of(facts, samples, grouped, std::min(wanted, groups), seed).front();
}

/// What a column of parts calls the one for validation; empty if it has none.
std::string validation_name(const std::vector<std::string>& splits) {
  for (const char* name : {"validation", "valid", "val"})
    if (std::find(splits.begin(), splits.end(), name) != splits.end()) return name;
  return "";
}

/// Throws UsageError for a part that nobody would train on, nor test with.
void require_known_parts(const std::vector<std::string>& splits, const std::string& validation) {
  for (const std::string& part : splits)
    if (!part.empty() && part != "train" && part != "test" && part != validation)
      throw UsageError(detail::text("--split-column: `", part, "` is none of train, test and ",
                                    validation.empty() ? "validation" : validation,
                                    "; samples that belong to none have an empty field"));
}

}  // namespace

std::vector<Parts> divide(const SampleFacts& facts, const SplitOptions& options, std::uint64_t seed) {
  if (!options.split_column.empty() && options.folds > 0)
    throw UsageError("--split-column and --folds exclude each other");
  const bool grouped = facts.groups(options);
  std::vector<Index> all(facts.labels.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
  std::vector<data::Split> splits;
  if (!options.split_column.empty()) {
    splits.push_back(data::split_by_column(facts.splits));
  } else if (options.folds > 0) {
    splits = folds_of(facts, all, grouped, options.folds, seed);
  } else {
    splits.push_back(share_of(facts, all, grouped, options.test_share, seed));
  }
  if (options.fold > static_cast<Index>(splits.size()))
    throw UsageError(detail::text("--fold ", options.fold, ": there are ", splits.size()));
  std::vector<Parts> parts;
  const std::string validation = options.split_column.empty() ? "" : validation_name(facts.splits);
  if (!options.split_column.empty()) require_known_parts(facts.splits, validation);
  for (auto& split : splits) {
    if (!validation.empty() && !options.no_validation) {
      parts.push_back({std::move(split.train), data::samples_where(facts.splits, validation), std::move(split.test)});
      continue;
    }
    if (options.no_validation) {
      parts.push_back({std::move(split.train), {}, std::move(split.test)});
      continue;
    }
    auto inner = share_of(facts, split.train, grouped, options.validation_share, seed);
    parts.push_back({std::move(inner.train), std::move(inner.test), std::move(split.test)});
  }
  return parts;
}

std::vector<Index> watched_samples(const Parts& parts) {
  if (!parts.validation.empty()) return parts.validation;
  return {parts.train.begin(), parts.train.begin() + std::min<std::ptrdiff_t>(64, std::ssize(parts.train))};
}

Json describe_data(const SampleFacts& facts, const std::vector<Parts>& folds) {
  Json out;
  out["samples"] = facts.labels.size();
  const auto counts = data::class_counts(facts.strata(), static_cast<Index>(facts.class_names.size()) + 1);
  out["classes"] = Json::object();
  for (std::size_t i = 0; i < facts.class_names.size(); ++i) out["classes"][facts.class_names[i]] = counts[i];
  if (counts.back() > 0) out["without_class"] = counts.back();
  std::set<std::string> unlike(facts.subjects.begin(), facts.subjects.end());
  unlike.erase("");
  out["subjects"] = unlike.size();
  for (const auto& [name, count] : facts.skipped.counts()) out["skipped"][std::string(name)] = count;
  for (const Parts& parts : folds)
    out["folds"].push_back(
        {{"train", parts.train.size()}, {"validation", parts.validation.size()}, {"test", parts.test.size()}});
  return out;
}

void print_description(const Json& description) {
  std::cout << description["samples"] << " samples, " << description["classes"].size() << " classes, "
            << description["subjects"] << " subjects\n";
  for (const auto& [name, count] : description["classes"].items())
    std::cout << std::setw(8) << count.get<Index>() << "  " << name << "\n";
  Index number = 1;
  for (const auto& fold : description["folds"])
    std::cout << "fold " << number++ << ": " << fold["train"] << " train, " << fold["validation"] << " validation, "
              << fold["test"] << " test\n";
  for (const auto& [reason, count] : description["skipped"].items())
    if (count.get<Index>() > 0) std::cout << "skipped, " << reason << ": " << count << "\n";
}

Json to_json(const metrics::ConfusionMatrix& confusion) {
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

Json to_json(const metrics::AffectRecord& affect) {
  const auto concordance = affect.concordance();
  return {{"samples", affect.frames()},
          {"ccc", concordance.mean()},
          {"ccc_valence", concordance.valence},
          {"ccc_arousal", concordance.arousal},
          {"mse", affect.mean_squared_error()}};
}

void save_predictions(const std::filesystem::path& path, const Predictions& predictions,
                      const std::vector<std::string>& class_names) {
  std::ostringstream out;
  const bool tells_classes = !predictions.probabilities.empty();
  const bool tells_affect = !predictions.affect.empty();
  out << "sample";
  if (tells_classes) out << ",label,recognised";
  if (tells_classes)
    for (const std::string& name : class_names) out << "," << csv_field("probability_" + name);
  if (tells_affect) out << ",valence,arousal,recognised_valence,recognised_arousal";
  out << "\n";
  const auto recognised = predictions.classes();
  const auto name_of = [&](Index label) {
    return label < 0 ? std::string() : csv_field(class_names[static_cast<std::size_t>(label)]);
  };
  for (std::size_t i = 0; i < predictions.labels.size(); ++i) {
    out << csv_field(predictions.names[i]);
    if (tells_classes) {
      out << "," << name_of(predictions.labels[i]) << "," << name_of(recognised[i]);
      for (const double probability : predictions.probabilities[i]) out << "," << probability;
    }
    if (tells_affect) {
      if (const auto& target = predictions.affect_targets[i]) {
        out << "," << target->valence << "," << target->arousal;
      } else {
        out << ",,";
      }
      out << "," << predictions.affect[i].valence << "," << predictions.affect[i].arousal;
    }
    out << "\n";
  }
  io::write_file(path, out.str());
}

std::vector<Index> Predictions::classes() const {
  std::vector<Index> out;
  for (const auto& row : probabilities) out.push_back(std::max_element(row.begin(), row.end()) - row.begin());
  return out;
}

metrics::ConfusionMatrix Predictions::confusion(Index classes_known) const {
  metrics::ConfusionMatrix out(std::max<Index>(1, classes_known));
  const auto recognised = classes();
  for (std::size_t i = 0; i < recognised.size(); ++i)
    if (labels[i] != data::no_label) out.add(labels[i], recognised[i]);
  return out;
}

std::optional<metrics::AffectRecord> Predictions::affect_record() const {
  if (affect.empty()) return std::nullopt;
  metrics::AffectRecord out;
  for (std::size_t i = 0; i < affect.size(); ++i)
    if (affect_targets[i])
      out.add(Tensor<double>::from({1, 2}, {affect[i].valence, affect[i].arousal}),
              Tensor<double>::from({1, 2}, {affect_targets[i]->valence, affect_targets[i]->arousal}));
  return out;
}

Json Results::to_json() const {
  Json out;
  out["class_names"] = class_names_;
  for (const FoldResult& fold : folds_) {
    Json one = class_names_.empty() ? Json::object() : examples::to_json(fold.confusion);
    if (fold.affect) one["affect"] = examples::to_json(*fold.affect);
    one["seed"] = fold.seed;
    one["fold"] = fold.fold;
    one["train"] = fold.parts.train.size();
    one["validation"] = fold.parts.validation.size();
    if (fold.baseline) one["baseline"] = examples::to_json(*fold.baseline);
    for (const std::string& column : fold.history.columns()) one["history"][column] = fold.history.column(column);
    out["folds"].push_back(one);
  }
  const auto seeds = seeds_seen();
  std::vector<std::string> measures;
  if (!class_names_.empty()) {
    out["overall"] = examples::to_json(pooled(std::nullopt, false));
    measures = {"accuracy", "mean_recall", "macro_f1"};
  }
  if (folds_.front().affect) {
    out["overall"]["affect"] = examples::to_json(pooled_affect(std::nullopt));
    measures.insert(measures.end(), {"ccc", "ccc_valence", "ccc_arousal", "mse"});
  }
  for (const std::string& name : measures) {
    const Spread spread(by_seed(name, false));
    out["overall"]["by_seed"][name] = {{"mean", spread.mean}, {"deviation", spread.deviation}, {"seeds", seeds.size()}};
  }
  if (folds_.front().baseline) out["baseline"] = examples::to_json(pooled(std::nullopt, true));
  if (!folds_.front().attention.empty()) out["attention"] = attention();
  return out;
}

std::vector<double> Results::attention() const {
  std::vector<double> mean(folds_.front().attention.size(), 0.0);
  for (const FoldResult& fold : folds_)
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += fold.attention[i] / static_cast<double>(folds_.size());
  return mean;
}

void Results::print() const {
  if (!class_names_.empty()) print_classes();
  if (folds_.front().affect) print_affect();
}

void Results::print_affect() const {
  std::cout << "seed  fold  samples  CCC  valence  arousal    MSE\n" << std::fixed << std::setprecision(3);
  for (const FoldResult& fold : folds_) {
    const auto concordance = fold.affect->concordance();
    std::cout << std::setw(4) << fold.seed << std::setw(6) << fold.fold << std::setw(9) << fold.affect->frames()
              << std::setw(7) << concordance.mean() << std::setw(7) << concordance.valence << std::setw(9)
              << concordance.arousal << std::setw(7) << fold.affect->mean_squared_error() << "\n";
  }
  for (const char* name : {"ccc", "ccc_valence", "ccc_arousal", "mse"}) {
    const Spread spread(by_seed(name, false));
    std::cout << std::left << std::setw(30) << name << std::right << spread.mean;
    if (seeds_seen().size() > 1) std::cout << " +- " << spread.deviation << " over " << seeds_seen().size() << " seeds";
    std::cout << "\n";
  }
  std::cout << std::defaultfloat;
}

void Results::print_classes() const {
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

std::vector<std::uint64_t> Results::seeds_seen() const {
  std::set<std::uint64_t> seeds;
  for (const FoldResult& fold : folds_) seeds.insert(fold.seed);
  return {seeds.begin(), seeds.end()};
}

metrics::ConfusionMatrix Results::pooled(std::optional<std::uint64_t> seed, bool baseline) const {
  metrics::ConfusionMatrix sum(std::max<Index>(1, std::ssize(class_names_)));
  for (const FoldResult& fold : folds_)
    if (!seed || fold.seed == *seed) sum.add(baseline ? *fold.baseline : fold.confusion);
  return sum;
}

metrics::AffectRecord Results::pooled_affect(std::optional<std::uint64_t> seed) const {
  metrics::AffectRecord sum;
  for (const FoldResult& fold : folds_)
    if (fold.affect && (!seed || fold.seed == *seed)) sum.add(*fold.affect);
  return sum;
}

std::vector<double> Results::by_seed(const std::string& name, bool baseline) const {
  std::vector<double> values;
  for (const std::uint64_t seed : seeds_seen()) {
    if (name.starts_with("ccc") || name == "mse") {
      values.push_back(examples::to_json(pooled_affect(seed)).at(name));
      continue;
    }
    const auto confusion = pooled(seed, baseline);
    values.push_back(name == "accuracy"      ? confusion.accuracy()
                     : name == "mean_recall" ? confusion.mean_recall()
                                             : confusion.macro_f1());
  }
  return values;
}

void Results::print_confusion(const metrics::ConfusionMatrix& confusion) const {
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

namespace {

/// Throws UsageError for options that would decide about nothing.
void require_used(const Program& program, const SplitOptions& split, const TrainingOptions& training) {
  if (split.no_validation && training.patience > 0)
    throw UsageError("--patience waits for a better epoch, and with --no-validation none is better");
  if (program.given("--test-share") && (split.folds > 0 || !split.split_column.empty()))
    throw UsageError("--test-share is for data without --folds and --split-column");
}

/// How many samples each class has, and whether some have many times as many as others.
void tell_classes(const SampleFacts& samples) {
  if (!samples.tells_classes) return;
  auto counts = data::class_counts(samples.strata(), static_cast<Index>(samples.class_names.size()) + 1);
  counts.pop_back();
  std::cerr << "samples:";
  for (std::size_t i = 0; i < counts.size(); ++i)
    std::cerr << (i > 0 ? ", " : " ") << samples.class_names[i] << " " << counts[i];
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  if (*most > 10 * *least)
    std::cerr << "; the most have more than ten times the fewest: see --class-weights and --balanced";
  std::cerr << "\n";
  for (const auto& [reason, count] : samples.skipped.counts())
    if (count > 0) std::cerr << "skipped, " << reason << ": " << count << "\n";
}

/// Classes that nobody is asked about in a part; measures that are means over classes leave them out.
void tell_missing_classes(const SampleFacts& samples, const std::vector<Index>& part, const char* name) {
  if (!samples.tells_classes || part.empty()) return;
  std::vector<Index> counts(samples.class_names.size() + 1);
  const auto strata = samples.strata();
  for (const Index sample : part) ++counts[static_cast<std::size_t>(strata[static_cast<std::size_t>(sample)])];
  std::string missing;
  for (std::size_t i = 0; i < samples.class_names.size(); ++i)
    if (counts[i] == 0) missing += (missing.empty() ? "" : ", ") + samples.class_names[i];
  if (!missing.empty())
    std::cerr << "no " << name << " samples of " << missing << ": means over classes leave it out\n";
}

/// What a rank that is not the first one does of a fold.
void help(const std::function<FoldResult(const Parts& parts, const RunPlace& place)>& run, const Parts& parts,
          const RunPlace& place) {
  try {
    run(parts, place);
  } catch (const Helped&) {
    check_stop();
  }
}

}  // namespace

void run_experiment(const Program& program, const SampleFacts& samples, const SplitOptions& split,
                    const TrainingOptions& training, const Json& facts,
                    const std::function<FoldResult(const Parts& parts, const RunPlace& place)>& run) {
  const auto& common = program.common();
  require_used(program, split, training);
  if (common.dry_run) {
    const auto description = describe_data(samples, divide(samples, split, common.seed));
    if (common.json) {
      std::cout << description.dump(2) << "\n";
    } else {
      print_description(description);
    }
    return;
  }
  std::optional<WorkFolderLock> lock;
  if (program.is_first()) lock.emplace(common.work_dir);
  tell_classes(samples);
  Results results(samples.tells_classes ? samples.class_names : std::vector<std::string>());
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
      tell_missing_classes(samples, folds[i].validation, "validation");
      tell_missing_classes(samples, folds[i].test, "test");
      if (!program.is_first()) {
        help(run, folds[i], place);
        continue;
      }
      io::create_folders(place.folder);
      FoldResult result = run(folds[i], place);
      result.seed = seed;
      result.fold = number;
      save_predictions(place.folder / "predictions.csv", result.test, samples.class_names);
      results.add(std::move(result));
      check_stop();
    }
  }
  if (!program.is_first()) return;
  Json all = results.to_json();
  all["device"] = common.device;
  all.update(facts);
  io::write_file(common.work_dir / "result.json", all.dump(2) + "\n");
  write_report(program, samples, training, facts, results);
  if (common.json) {
    std::cout << all.dump(2) << "\n";
  } else {
    results.print();
    std::cout << "\nwritten to " << common.work_dir.string() << "\n";
  }
}

}  // namespace mien::examples
