#pragma once

/// The loops that both branches share.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "experiment.hpp"
#include "mien/autograd/cross_entropy.hpp"
#include "mien/data/loader.hpp"
#include "mien/optim/adam.hpp"
#include "mien/optim/moving_average.hpp"
#include "mien/optim/schedules.hpp"
#include "mien/optim/sgd.hpp"
#include "mien/train/learning_rate_finder.hpp"
#include "mien/train/synchronised_batch_norm.hpp"
#include "mien/train/trainer.hpp"
#include "report.hpp"

namespace mien::examples {

/// Says how many training samples are left out or changed, and lists them in bad_samples.csv.
void tell_bad_samples(const data::BadSamplesReport& report, Index samples, const std::filesystem::path& folder);

/// The training samples that --bad-samples leaves, as it leaves them. `folder` gets their list, of several ranks from
/// the first one: all of them leave the same.
template <class Sample>
data::DataSet<Sample> usable_training(data::DataSet<Sample> samples, const TrainingOptions& options,
                                      const std::filesystem::path& folder, const Program& program) {
  // Whatever is wrong with a sample is an error where it is used: all of them need not be read before.
  if (options.bad_samples == data::BadSamples::error) return samples;
  const Index before = samples.size();
  data::BadSamplesReport report;
  auto out = data::without_bad_samples(std::move(samples), options.bad_samples, report);
  if (program.is_first()) tell_bad_samples(report, before, folder);
  return out;
}

/// Samples for validation and test, all of them. Throws FileError for joints that are not finite, which readers let
/// pass with --bad-samples; pictures that cannot be read are told when they are.
inline data::GestureSequences usable_evaluation(data::GestureSequences samples, const TrainingOptions& options) {
  return options.bad_samples == data::BadSamples::error ? samples : data::require_good_samples(std::move(samples));
}
inline data::FrameSequences usable_evaluation(data::FrameSequences samples, const TrainingOptions&) { return samples; }

/// The samples of `watched_samples`: those for validation, or where there are none training samples as training has
/// them.
template <class Sample>
data::DataSet<Sample> usable_watched(data::DataSet<Sample> samples, const Parts& parts,
                                     const TrainingOptions& options) {
  if (!parts.validation.empty() || options.bad_samples == data::BadSamples::error)
    return usable_evaluation(std::move(samples), options);
  data::BadSamplesReport told_already;
  return data::without_bad_samples(std::move(samples), options.bad_samples, told_already);
}

/// Any of the optimisers by name.
template <class Device>
std::unique_ptr<optim::Optimiser<float, Device>> make_optimiser(const nn::ParameterList<float, Device>& parameters,
                                                                const TrainingOptions& options) {
  if (options.optimiser == "sgd")
    return std::make_unique<optim::Sgd<float, Device>>(
        parameters, optim::SgdOptions{
                        .learning_rate = options.learning_rate, .momentum = 0.9, .weight_decay = options.weight_decay});
  if (options.optimiser == "adam")
    return std::make_unique<optim::Adam<float, Device>>(
        parameters, optim::AdamOptions{.learning_rate = options.learning_rate, .weight_decay = options.weight_decay});
  return std::make_unique<optim::AdamW<float, Device>>(
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
                                          .prefetch = 4,
                                          .shuffle_window = options.shuffle_window});
}

/// Loads batches for evaluation: in order, all of them.
template <class From>
data::Loader<typename From::Batch> evaluation_loader(From source, const TrainingOptions& options, std::uint64_t seed) {
  return data::Loader(std::move(source),
                      {.batch = options.batch, .seed = seed, .shuffle = false, .workers = options.workers});
}

/// The cross-entropy's options for the samples that are trained on.
inline CrossEntropyOptions loss_options(const TrainingOptions& options, const std::vector<Index>& labels,
                                        Index classes) {
  CrossEntropyOptions out;
  if (options.class_weights) out.class_weights = data::class_weights(labels, classes);
  out.label_smoothing = options.label_smoothing;
  return out;
}

/// Writes a search for a learning rate: a table on standard output, and learning_rates.html in the folder.
void report_learning_rates(const train::LearningRateCurve& curve, const std::filesystem::path& folder);

/// Where a network's training differs from the others'.
template <class Device>
struct TrainingForm {
  train::Criterion criterion = train::Criterion::mean_recall;
  nn::ParameterList<float, Device> parameters = {};  ///< none: all of the network's
  nn::ParameterList<float, Device> head = {};        ///< with a learning rate of their own
  double head_learning_rate = 0;
};

/// Trains `network` by `step`, and leaves the chosen weights in it. Throws Interrupted after Ctrl-C, Done where only a
/// learning rate is looked for, and on all ranks but the first one Helped.
template <class Network, class Batch, class Step>
train::History train_network(Network& network, const data::Loader<Batch>& loader, const data::Loader<Batch>& validation,
                             const Step& step, const TrainingOptions& options, const RunPlace& place, bool choose_best,
                             const Program& program, const std::vector<std::string>& class_names,
                             const TrainingForm<typename Network::Device>& form = {}) {
  auto optimiser = make_optimiser(form.parameters.empty() ? network.parameters() : form.parameters, options);
  if (!form.head.empty()) optimiser->add_group(form.head, {.learning_rate = form.head_learning_rate});
  train::Communicator* const ranks = program.ranks();
  if (options.find_learning_rate) {
    if (ranks) throw UsageError("--find-learning-rate runs as one process");
    if (program.common().json) throw UsageError("--find-learning-rate prints a table, not JSON");
    report_learning_rates(train::find_learning_rate(*optimiser, loader, step, {}, network), place.folder);
    throw Done{};
  }
  auto settings = program.settings();
  if (options.schedule != "constant") settings["epochs"] = std::to_string(options.epochs);
  if (ranks && options.sync_batch_norm) train::synchronise_batch_norm(network, *ranks);
  EpochLog epoch_log(options.tensorboard, place.folder, settings);
  // A run that goes on may have others of these, which change nothing of what is trained.
  for (const char* const name : {"workers", "neighbours", "test-time-augmentation"}) settings.erase(name);
  train::Trainer<float, typename Network::Device> trainer(
      *optimiser, {.epochs = options.epochs,
                   .seed = place.seed,
                   .work_dir = place.folder,
                   .resume = program.common().resume,
                   .criterion = form.criterion,
                   .early_stop_patience = choose_best ? options.patience : 0,
                   .gradient_clip = options.gradient_clip,
                   .keep_checkpoints = options.keep_checkpoints,
                   .restore_best = choose_best,
                   .class_names = class_names,
                   .settings = settings,
                   .progress = {.stream = &std::cerr},
                   .stop_requested = stop_requested,
                   .on_epoch = [&](const auto& state, const auto&) { epoch_log.add(state); },
                   .communicator = ranks});
  trainer.add_model("model", network);
  std::optional<optim::MovingAverage<float, typename Network::Device>> average;
  if (options.moving_average > 0) {
    average.emplace(network, optim::MovingAverageOptions{.decay = options.moving_average});
    trainer.set_moving_average(*average);
  }
  const Index steps = std::max<Index>(1, options.epochs * loader.batches());
  optim::OneCycle one_cycle(
      {.max_learning_rate = options.learning_rate, .total_steps = steps + 1, .cycle_momentum = false});
  optim::CosineAnnealing cosine(options.learning_rate, {.steps = steps});
  if (options.schedule == "one-cycle") trainer.set_schedule(one_cycle, train::ScheduleStep::batch);
  if (options.schedule == "cosine") trainer.set_schedule(cosine, train::ScheduleStep::batch);
  const auto result = trainer.fit(loader, validation, step);
  if (result.interrupted) throw Interrupted{};
  if (!program.is_first()) throw Helped{};
  return result.state.history;
}

/// One more sample, of which nothing is said yet: row i of a batch.
template <class Batch>
void add_sample(Predictions& out, const Batch& batch, const Answer& answer, Index i) {
  out.names.push_back(batch.names[static_cast<std::size_t>(i)]);
  out.labels.push_back(batch.labels[static_cast<std::size_t>(i)]);
  if (answer.probabilities.defined())
    out.probabilities.emplace_back(static_cast<std::size_t>(answer.probabilities.size(1)), 0.0);
  if (answer.features.defined()) {
    const Tensor<float> row = answer.features.select(0, i).contiguous();
    out.features.emplace_back(row.span().begin(), row.span().end());
  }
  if constexpr (requires { batch.affect; }) {
    if (!answer.affect.defined()) return;
    out.affect.emplace_back();
    out.affect_targets.emplace_back();
    if (batch.affect.defined() && batch.affect_mask(i) != 0)
      out.affect_targets.back() = {static_cast<double>(batch.affect(i, 0)), static_cast<double>(batch.affect(i, 1))};
  }
}

/// Adds a share of what was answered to row i of a batch to what is said of sample `row`.
inline void add_answer(Predictions& out, std::size_t row, const Answer& answer, Index i, double share) {
  if (answer.probabilities.defined())
    for (Index c = 0; c < answer.probabilities.size(1); ++c)
      out.probabilities[row][static_cast<std::size_t>(c)] += share * static_cast<double>(answer.probabilities(i, c));
  if (!answer.affect.defined()) return;
  out.affect[row].valence += share * static_cast<double>(answer.affect(i, 0));
  out.affect[row].arousal += share * static_cast<double>(answer.affect(i, 1));
}

/// The mean of what `ask(batch)` answers over `copies` epochs of an evaluation loader; `first` makes the
/// samples of the first one, without variation, `others` those of all further ones.
template <class Batch, class Ask>
Predictions predict(const data::Loader<Batch>& first, const data::Loader<Batch>& others, Index copies, const Ask& ask) {
  const NoGradient not_recorded;
  Predictions out;
  for (Index copy = 0; copy < copies; ++copy) {
    std::size_t row = 0;
    for (const Batch& batch : (copy == 0 ? first : others).epoch(copy)) {
      check_stop();
      const Answer answer = ask(batch);
      for (Index i = 0; i < answer.samples(); ++i, ++row) {
        if (copy == 0) add_sample(out, batch, answer, i);
        add_answer(out, row, answer, i, 1 / static_cast<double>(copies));
      }
    }
  }
  return out;
}

}  // namespace mien::examples
