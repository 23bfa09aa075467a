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
#include "mien/optim/schedules.hpp"
#include "mien/optim/sgd.hpp"
#include "mien/train/trainer.hpp"

namespace mien::examples {

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
                                          .prefetch = 4});
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

/// Trains `network` by `step`, and leaves the chosen weights in it. Throws Interrupted after Ctrl-C.
template <class Network, class Batch, class Step>
train::History train_network(Network& network, const data::Loader<Batch>& loader, const data::Loader<Batch>& validation,
                             const Step& step, const TrainingOptions& options, const RunPlace& place, bool choose_best,
                             const Program& program, const std::vector<std::string>& class_names) {
  auto optimiser = make_optimiser(network.parameters(), options);
  auto settings = program.settings();
  if (options.schedule != "constant") settings["epochs"] = std::to_string(options.epochs);
  train::Trainer<float, typename Network::Device> trainer(*optimiser,
                                                          {.epochs = options.epochs,
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

/// The mean of `ask(batch).probabilities` over `copies` epochs of an evaluation loader; `first` makes the
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
      const Tensor<float>& values = answer.probabilities;
      for (Index i = 0; i < values.size(0); ++i, ++row) {
        if (copy == 0) {
          out.names.push_back(batch.names[static_cast<std::size_t>(i)]);
          out.labels.push_back(batch.labels[static_cast<std::size_t>(i)]);
          out.probabilities.emplace_back(static_cast<std::size_t>(values.size(1)), 0.0);
          const Tensor<float> row_features = answer.features.select(0, i).contiguous();
          out.features.emplace_back(row_features.span().begin(), row_features.span().end());
        }
        for (Index c = 0; c < values.size(1); ++c)
          out.probabilities[row][static_cast<std::size_t>(c)] +=
              static_cast<double>(values(i, c)) / static_cast<double>(copies);
      }
    }
  }
  return out;
}

}  // namespace mien::examples
