#pragma once

/// The usual loop of training a network that tells classes, valence and arousal, or both. Whoever needs another one
/// writes it from the same parts: optimisers, `Checkpoints`, `Progress` and `History` know nothing of it.
///
///     train::Trainer<float> trainer(adam, {.epochs = 20, .seed = 1, .work_dir = "work", .resume = true,
///                                          .progress = {.stream = &std::cerr}});
///     trainer.add_model("model", accm);
///     trainer.set_schedule(schedule, train::ScheduleStep::batch);
///     const auto result = trainer.fit(train_loader, validation_loader, [&](const data::GestureBatch& batch) {
///       const Variable<float> logits = accm(batch.maps);
///       return train::BatchOutput<float>{cross_entropy(logits, batch.labels), logits.value(), batch.labels};
///     });
///
/// For valence and arousal, with `.criterion = train::Criterion::concordance`:
///
///       const Variable<float> affect = network(batch.frames);   // [B, 2]
///       return train::BatchOutput<float>{.loss = affect_loss(affect, batch.affect, batch.affect_mask),
///                                        .affect = affect.value(), .affect_target = batch.affect,
///                                        .affect_mask = batch.affect_mask};
///
/// Several processes train as one would with the whole batch, if each has the same program and a communicator: see
/// docs/distributed.md.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/autograd/arithmetic.hpp"
#include "mien/core/batch_part.hpp"
#include "mien/data/loader.hpp"
#include "mien/optim/gradient_clipping.hpp"
#include "mien/optim/loss_scale.hpp"
#include "mien/train/checkpoint.hpp"
#include "mien/train/communicator.hpp"
#include "mien/train/evaluation.hpp"
#include "mien/train/gradient_sum.hpp"
#include "mien/train/progress.hpp"

namespace mien::train {

/// What a model makes of a batch: classes, valence and arousal, or both.
template <class T, class Device = Cpu>
struct BatchOutput {
  Variable<T, Device> loss;          ///< one element, the mean over the samples
  Tensor<T, Device> logits = {};     ///< [samples, classes]; undefined of a network without classes
  std::vector<Index> labels = {};    ///< one a sample, negative for samples that have none
  Tensor<T, Device> affect = {};     ///< predicted valence and arousal, [..., 2]; undefined of a network without them
  Tensor<float> affect_target = {};  ///< of the same shape
  Tensor<std::uint8_t> affect_mask = {};  ///< [...], 0 for what was not annotated; undefined: all was
  /// How much the loss counts beside those of other batches and ranks, if not as many times as there are samples with a
  /// label, or without classes annotated frames: the sum of the samples' weights, where it is a mean that these weigh.
  std::optional<double> weight = {};
  /// Whether the loss is that of the whole batch already, with the gradient that this part has in it, where ranks share
  /// the batch: that of a function which was told the same (autograd/whole_batch.hpp). Then nothing weighs it.
  bool whole_batch = false;
};

/// What makes one epoch better than another, on validation data. Concordance is the mean CCC of valence and arousal,
/// squared error their mean squared error.
enum class Criterion { mean_recall, accuracy, loss, concordance, squared_error };

/// When a schedule goes on: after each batch, or after each epoch. ReduceOnPlateau watches the validation loss.
enum class ScheduleStep { batch, epoch };

struct TrainerOptions {
  Index epochs = 20;
  /// Of what is drawn while training, such as dropout. The loader has a seed of its own.
  std::uint64_t seed = 0;
  /// For checkpoints and history.csv; nothing is written if it is empty.
  std::filesystem::path work_dir = {};
  /// Goes on from the work folder's newest checkpoint if there is one; the result is the same to the bit as without the
  /// interruption. More epochs or another patience may be asked for than before; all other settings must be the same.
  bool resume = false;
  Criterion criterion = Criterion::mean_recall;
  /// Epochs without improvement after which training ends; 0 never ends early.
  Index early_stop_patience = 0;
  /// Greatest norm of all gradients together; 0 leaves them as they are.
  double gradient_clip = 0;
  /// Loss scaling, for maps of type `float16`. A batch whose gradients are not finite is then left out, and counted.
  std::optional<optim::LossScaleOptions> loss_scale = {};
  /// Batches between two checkpoints within an epoch; 0 saves after epochs alone.
  Index checkpoint_batches = 0;
  /// How many of the newest checkpoints stay in the work folder, beside the best one.
  Index keep_checkpoints = 2;
  /// Puts the best epoch's weights into the models when training is over.
  bool restore_best = true;
  std::vector<std::string> class_names = {};
  /// Whatever else must be the same for training to be resumed: options of the data and of the model.
  std::map<std::string, std::string> settings = {};
  ProgressOptions progress = {};
  /// Asked after each batch; true saves a checkpoint and ends training. A program sets it from its signal handler.
  std::function<bool()> stop_requested = {};
  /// Called after each epoch, when everything is saved, on the first rank.
  std::function<void(const TrainingState&, const Evaluation&)> on_epoch = {};
  /// The processes that share the work, if there are several. The first one writes files and shows progress; all see
  /// the work folder. A checkpoint may be resumed by another number of them.
  Communicator* communicator = nullptr;
};

struct TrainingResult {
  TrainingState state;
  bool interrupted = false;    ///< by `stop_requested`
  bool stopped_early = false;  ///< by the patience
  std::vector<std::string> notes = {};
  double training_seconds = 0;  ///< of this call, without validation
  /// Of those, how long the next batch was not there yet. More `workers` of the loader shorten it.
  double waited_seconds = 0;
};

namespace detail {

inline std::string_view criterion_name(Criterion criterion) {
  switch (criterion) {
    case Criterion::mean_recall:
      return "mean recall";
    case Criterion::accuracy:
      return "accuracy";
    case Criterion::concordance:
      return "concordance";
    case Criterion::squared_error:
      return "squared error";
    case Criterion::loss:
      break;
  }
  return "loss";
}

/// The first samples' names, if the batch knows them, for a message.
template <class Batch>
std::string samples_of(const Batch& batch) {
  std::string out;
  if constexpr (requires { batch.names.begin(); }) {
    for (std::size_t i = 0; i < std::min<std::size_t>(batch.names.size(), 8); ++i)
      out += text(i == 0 ? ", samples " : ", ", batch.names[i]);
    if (batch.names.size() > 8) out += ", ...";
  }
  return out;
}

}  // namespace detail

template <class T, class Device = Cpu>
class Trainer {
 public:
  /// Throws ValueError for options that make no sense.
  Trainer(optim::Optimiser<T, Device>& optimiser, TrainerOptions options)
      : optimiser_(optimiser),
        options_(std::move(options)),
        ranks_(options_.communicator != nullptr && options_.communicator->size() > 1 ? options_.communicator : nullptr),
        checkpoints_(options_.work_dir, {options_.settings, options_.class_names, options_.keep_checkpoints}) {
    if (options_.epochs < 0 || options_.early_stop_patience < 0 || options_.checkpoint_batches < 0 ||
        !(options_.gradient_clip >= 0))
      throw ValueError(detail::text("Trainer: epochs ", options_.epochs, ", patience ", options_.early_stop_patience,
                                    ", checkpoint batches ", options_.checkpoint_batches, ", gradient clip ",
                                    options_.gradient_clip, "; none may be negative"));
    checkpoints_.add_optimiser("optimiser", optimiser_);
    checkpoints_.add_generator("random", default_generator());
    checkpoints_.set("trainer seed", std::to_string(options_.seed));
    checkpoints_.set("trainer gradient clip", detail::exact_digits(options_.gradient_clip));
    if (options_.loss_scale) {
      loss_scale_.emplace(*options_.loss_scale);
      checkpoints_.add_schedule("loss scale", *loss_scale_);
    }
    checkpoints_.set("trainer criterion", std::string(detail::criterion_name(options_.criterion)));
  }
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  /// A network that is trained, or only used: its weights and buffers are kept in checkpoints, and it is told when
  /// training and when evaluation begins.
  template <class Module>
  void add_model(const std::string& name, Module& module) {
    checkpoints_.add_model(name, module);
    modes_.push_back([&module](bool training) { module.train(training); });
    buffers_.push_back([&module] { return module.named_buffers(); });
  }

  /// Weights that are averaged over the steps. Validation sees them, the best epoch keeps them as the network's own,
  /// and so they are what the network holds when `fit` returns, unless it was interrupted. Throws ValueError if there
  /// is an average already.
  void set_moving_average(optim::MovingAverage<T, Device>& average) {
    checkpoints_.add_moving_average("moving average", average);
    checkpoints_.set("trainer moving average", detail::text(detail::exact_digits(average.options().decay),
                                                            average.options().warm_up ? " with warm-up" : ""));
    average_ = &average;
  }

  /// Throws ValueError if there is a schedule already, and for one that watches the validation loss by batch.
  template <class Schedule>
  void set_schedule(Schedule& schedule, ScheduleStep when) {
    constexpr bool watches_loss = !requires { schedule.step(); };
    if (watches_loss && when == ScheduleStep::batch)
      throw ValueError("Trainer: a schedule that watches the validation loss can only go on by epoch");
    checkpoints_.add_schedule("schedule", schedule);
    schedule.apply_to(optimiser_);
    schedule_step_ = when;
    checkpoints_.set("trainer schedule", when == ScheduleStep::batch ? "by batch" : "by epoch");
    advance_schedule_ = [this, &schedule]([[maybe_unused]] double validation_loss) {
      if constexpr (watches_loss) {
        schedule.step(validation_loss);
      } else {
        schedule.step();
      }
      schedule.apply_to(optimiser_);
    };
  }

  Checkpoints& checkpoints() { return checkpoints_; }

  /// Trains on `loader`, validates after each epoch. A loader has `batches()` and `epoch(number, first_batch)`, a range
  /// of batches; `step(batch)` returns a BatchOutput. Throws Error that names epoch and batch if a loss or a gradient
  /// is not finite: the parameters are then those before that batch, and the newest checkpoint is from before it.
  /// Models are left in evaluation. Several ranks need a loader that can be shared, as `data::Loader`; else ValueError.
  template <class Loader, class Validation, class Step>
  TrainingResult fit(const Loader& loader, const Validation& validation, const Step& step) {
    if (loader.batches() < 1) throw ValueError("Trainer: no batches to train on");
    Progress progress(is_first() ? options_.progress : ProgressOptions{});
    describe("train", loader);
    describe_samples("validation", validation);
    TrainingResult result;
    TrainingState& state = result.state;
    begin(result, progress);
    while (state.epoch < options_.epochs && !patience_is_over(state)) {
      const Clock::time_point begun = Clock::now();
      const EpochTime time = run_epoch(loader, step, state, progress);
      result.training_seconds += time.training;
      result.waited_seconds += time.waited;
      if (!time.finished) {
        save_last(state);
        wait_for_all();
        progress.line(detail::text("stopped in epoch ", state.epoch + 1, " after batch ", state.batch));
        result.interrupted = true;
        set_training(false);
        return result;
      }
      agree_about_weights();
      const Evaluation evaluation = [&] {
        const auto averaged = averaged_weights();
        return evaluate(validation, step);
      }();
      finish_epoch(state, evaluation, {seconds_since(begun), time.waited / std::max(time.training, 1e-9)}, progress);
    }
    result.stopped_early = state.epoch < options_.epochs;
    if (result.stopped_early)
      progress.line(detail::text("no improvement in ", state.epochs_without_improvement, " epochs; best was epoch ",
                                 state.best_epoch));
    // Without a best epoch, a best.safetensors in the folder is another training's.
    if (options_.restore_best && state.best_epoch > 0) {
      wait_for_all();
      checkpoints_.load_best();
    } else if (average_) {
      average_->swap();
    }
    set_training(false);
    return result;
  }

  /// Loss, confusion matrix, and valence and arousal over all batches, in evaluation and without recording. Several
  /// ranks divide the batches among themselves, and all get the same answer. Throws ValueError if there are none.
  template <class Loader, class Step>
  Evaluation evaluate(const Loader& loader, const Step& step) {
    const NoGradient not_recorded;
    set_training(false);
    Evaluation out;
    double samples = 0;
    for (const auto& batch : share_of(loader, 0, 0, data::Share::Of::whole_batches)) {
      const BatchOutput<T, Device> output = step(batch);
      const double weight = samples_in(output);
      out.loss += static_cast<double>(output.loss.item()) * weight;
      samples += weight;
      if (output.logits.defined()) {
        if (!std::exchange(out.tells_classes, true)) out.confusion = metrics::ConfusionMatrix(output.logits.size(-1));
        const std::vector<Index> predictions = predictions_of(output);
        for (std::size_t i = 0; i < predictions.size(); ++i)
          if (output.labels[i] >= 0) out.confusion.add(output.labels[i], predictions[i]);
      }
      if (output.affect.defined()) {
        out.tells_affect = true;
        out.affect.add(output.affect.contiguous().template to<Cpu>().template cast<double>(),
                       output.affect_target.template cast<double>(), output.affect_mask);
      }
    }
    if (ranks_) pool(*ranks_, out, samples);
    if (!out.tells_classes && !out.tells_affect) throw ValueError("Trainer: no batches to evaluate");
    out.loss = samples > 0 ? out.loss / samples : 0;
    return out;
  }

 private:
  // --- several ranks ---

  bool is_first() const { return !ranks_ || ranks_->is_first(); }

  void wait_for_all() {
    if (ranks_) ranks_->barrier();
  }

  /// This rank's part of an epoch.
  template <class Loader>
  auto share_of(const Loader& loader, Index epoch, Index first_batch, data::Share::Of of) const {
    if constexpr (requires { loader.epoch(epoch, first_batch, data::Share{}); }) {
      if (!ranks_) return loader.epoch(epoch, first_batch);
      return loader.epoch(epoch, first_batch, data::Share{ranks_->rank(), ranks_->size(), of});
    } else {
      if (ranks_) throw ValueError("Trainer: several ranks need a loader whose epochs can be shared");
      return loader.epoch(epoch, first_batch);
    }
  }

  /// What a batch adds to an epoch's sums.
  struct BatchSums {
    double loss = 0;     ///< the mean
    double samples = 0;  ///< that it is the mean of, or their weights
    double labelled = 0;
    double correct = 0;
  };

  /// Makes the sums of this rank's part of a batch those of the whole one, and returns the part's share in the loss.
  double pool_batch(BatchSums& sums, double weight) {
    const Generator::State drawn = default_generator().state();
    std::array<double, 7> all{sums.loss * weight,
                              weight,
                              sums.samples,
                              sums.labelled,
                              sums.correct,
                              options_.stop_requested && options_.stop_requested() ? 1.0 : 0.0,
                              is_first() ? static_cast<double>(drawn.counter) : 0.0};
    ranks_->sum(all);
    sums = {all[1] > 0 ? all[0] / all[1] : 0, all[2], all[3], all[4]};
    all_stop_ = all[5] > 0;
    // What a step draws for its own samples, as mixup does, may be more on one rank than on another.
    default_generator().set_state({drawn.seed, drawn.stream, static_cast<std::uint64_t>(all[6])});
    return all[1] > 0 ? weight / all[1] : 1;
  }

  /// Buffers become their means over the ranks, such as running statistics that each rank has of its own samples: since
  /// they are means themselves, it makes no difference how often this is done. Throws Error if ranks have drifted
  /// apart.
  void agree_about_weights() {
    if (!ranks_) return;
    average_buffers();
    if (average_) {
      const auto averaged = averaged_weights();
      average_buffers();
    }
    require_equal_weights();
  }

  void average_buffers() {
    for (const auto& buffers : buffers_)
      for (auto& buffer : buffers()) {
        ranks_->sum(buffer.tensor);
        buffer.tensor.copy_from(ops::scale(buffer.tensor, T{1} / static_cast<T>(ranks_->size())));
      }
  }

  void require_equal_weights() {
    std::vector<Tensor<T, Device>> values;
    for (const auto& parameter : optimiser_.parameters()) values.push_back(parameter.value());
    const double own = backend::sum_of_squares(values);
    std::array<double, 1> first{own};
    ranks_->broadcast(first);
    if (own != first[0])
      throw Error(detail::text("training: the weights of rank ", ranks_->rank(), " of ", ranks_->size(),
                               " are not those of the first one; all ranks need the same seed, settings and files"));
  }

  /// The first rank writes for all.
  void save_last(const TrainingState& state) {
    agree_about_weights();
    if (is_first()) checkpoints_.save_last(state);
  }

  // --- one rank ---

  /// The networks have their averages, if there are any, as long as the result lives.
  auto averaged_weights() {
    using InPlace = typename optim::MovingAverage<T, Device>::InPlace;
    return average_ ? std::make_unique<InPlace>(*average_) : std::unique_ptr<InPlace>();
  }

  /// Throws ShapeError unless there is a label a row of logits.
  static std::vector<Index> predictions_of(const BatchOutput<T, Device>& output) {
    std::vector<Index> out = metrics::predicted_classes(output.logits.contiguous().template to<Cpu>());
    if (out.size() != output.labels.size())
      throw ShapeError(
          detail::text("Trainer: logits ", output.logits.shape(), " for ", output.labels.size(), " labels"));
    return out;
  }

  /// What a batch's loss is the mean of: its weight if it tells one, else the samples that have a label, with valence
  /// and arousal beside the classes all samples, or without classes the frames that were annotated. Throws ValueError
  /// if it has neither classes nor valence and arousal.
  static double samples_in(const BatchOutput<T, Device>& output) {
    if (!output.logits.defined() && !output.affect.defined())
      throw ValueError("Trainer: a batch's output has neither logits nor affect");
    if (output.weight) return *output.weight;
    if (!output.logits.defined())
      return static_cast<double>(backend::count_rows(output.affect_mask.contiguous(), output.affect.elements() / 2));
    if (output.affect.defined()) return static_cast<double>(output.labels.size());
    return static_cast<double>(
        std::count_if(output.labels.begin(), output.labels.end(), [](Index label) { return label >= 0; }));
  }

  /// Throws ValueError for a loss that is said to be the whole batch's, and is not that of the other ranks.
  void require_whole_batch(double own, double mean) const {
    if (!(std::abs(own - mean) <= 1e-6 * std::max(1.0, std::abs(mean))))
      throw ValueError(detail::text("Trainer: the loss of rank ", ranks_->rank(), " is ", own,
                                    ", the mean of all ranks ", mean,
                                    "; a loss of the whole batch is the same for all of them"));
  }

  /// Throws ValueError if the criterion cannot be told from such batches: better now than after an epoch.
  void require_criterion(const BatchOutput<T, Device>& output) const {
    const bool of_classes = options_.criterion == Criterion::mean_recall || options_.criterion == Criterion::accuracy;
    const bool of_affect =
        options_.criterion == Criterion::concordance || options_.criterion == Criterion::squared_error;
    if ((of_classes && !output.logits.defined()) || (of_affect && !output.affect.defined()))
      throw ValueError(detail::text("Trainer: the criterion is the ", detail::criterion_name(options_.criterion),
                                    ", but batches' outputs have no ", of_classes ? "logits" : "affect"));
  }

  void set_training(bool training) {
    for (const auto& set_mode : modes_) set_mode(training);
  }

  /// What has to be the same about the data, as far as the loader tells it.
  template <class Loader>
  void describe(const std::string& name, const Loader& loader) {
    checkpoints_.set(name + " batches", std::to_string(loader.batches()));
    if constexpr (requires { loader.samples(); }) checkpoints_.set(name + " samples", std::to_string(loader.samples()));
    if constexpr (requires { loader.options().seed; }) {
      checkpoints_.set(name + " seed", std::to_string(loader.options().seed));
      checkpoints_.set(name + " batch", std::to_string(loader.options().batch));
    }
    if constexpr (requires {
                    loader.options().shuffle;
                    loader.options().balanced;
                  })
      checkpoints_.set(name + " order", loader.options().balanced  ? "balanced"
                                        : loader.options().shuffle ? "shuffled"
                                                                   : "as given");
    if constexpr (requires { loader.options().shuffle_window; })
      if (loader.options().shuffle_window > 0)
        checkpoints_.set(name + " window", std::to_string(loader.options().shuffle_window));
    describe_samples(name, loader);
  }

  template <class Loader>
  void describe_samples(const std::string& name, const Loader& loader) {
    if constexpr (requires { loader.fingerprint(); })
      checkpoints_.set(name + " fingerprint",
                       mien::detail::hexadecimal_digits(static_cast<std::uint64_t>(loader.fingerprint())));
  }

  void begin(TrainingResult& result, Progress& progress) {
    set_seed(options_.seed);
    if (is_first()) require_places();
    if (ranks_) gradients_.emplace(*ranks_, optimiser_.parameters());
    if (options_.resume) resume(result, progress);
    agree_about_weights();
  }

  void resume(TrainingResult& result, Progress& progress) {
    if (auto resumed = checkpoints_.resume()) {
      result.state = std::move(resumed->state);
      result.notes = std::move(resumed->notes);
      result.notes.push_back(detail::text("going on after epoch ", result.state.epoch, ", batch ", result.state.batch,
                                          " from ", resumed->file.string()));
      if (is_first()) save_history(result.state);
    } else {
      result.notes.push_back(detail::text("no checkpoint in `", options_.work_dir.string(), "`; from the beginning"));
    }
    for (const std::string& note : result.notes) progress.line(note);
  }

  /// An hour later it would be too late.
  void require_places() const {
    checkpoints_.require_places();
    if (!options_.work_dir.empty()) io::require_replaceable(options_.work_dir / "history.csv");
  }

  /// What a table for people and plots has is in the checkpoints too: a file that is behind them is made anew.
  void save_history(const TrainingState& state) const {
    if (!options_.work_dir.empty()) state.history.save(options_.work_dir / "history.csv");
  }

  bool patience_is_over(const TrainingState& state) const {
    return options_.early_stop_patience > 0 && state.epochs_without_improvement >= options_.early_stop_patience;
  }

  using Clock = std::chrono::steady_clock;

  static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  struct EpochTime {
    double training = 0;    ///< seconds
    double waited = 0;      ///< of those, for batches
    bool finished = false;  ///< and not interrupted
  };

  template <class Loader, class Step>
  EpochTime run_epoch(const Loader& loader, const Step& step, TrainingState& state, Progress& progress) {
    set_training(true);
    EpochTime time;
    const Clock::time_point begun = Clock::now();
    auto&& batches = share_of(loader, state.epoch, state.batch, data::Share::Of::each_batch);
    auto batch = batches.begin();
    time.waited = seconds_since(begun);
    time.finished = true;
    while (batch != batches.end()) {
      std::optional<BatchPartScope> part;
      if constexpr (requires { batches.part(); })
        if (ranks_) part.emplace(batches.part(), [this](std::span<const double> own) { return ranks_->gather(own); });
      time.finished = run_batch(*batch, step, state, loader.batches(), progress);
      if (!time.finished) break;
      const Clock::time_point asked = Clock::now();
      ++batch;
      time.waited += seconds_since(asked);
    }
    time.training = seconds_since(begun);
    return time;
  }

  /// Whether training is to go on.
  template <class Batch, class Step>
  bool run_batch(const Batch& batch, const Step& step, TrainingState& state, Index batches, Progress& progress) {
    train_on(batch, step, state);
    ++state.batch;
    if (advance_schedule_ && schedule_step_ == ScheduleStep::batch) advance_schedule_(0);
    progress.update({.epoch = state.epoch + 1,
                     .epochs = options_.epochs,
                     .batch = state.batch,
                     .batches = batches,
                     .loss = loss_of(state),
                     .accuracy = has_sum(state, "labelled") ? std::optional(accuracy_of(state)) : std::nullopt,
                     .learning_rate = optimiser_.learning_rate()});
    if (ranks_ ? all_stop_ : options_.stop_requested && options_.stop_requested()) return false;
    if (options_.checkpoint_batches > 0 && state.batch % options_.checkpoint_batches == 0) save_last(state);
    return true;
  }

  template <class Batch, class Step>
  void train_on(const Batch& batch, const Step& step, TrainingState& state) {
    optimiser_.zero_grad();
    const BatchOutput<T, Device> output = step(batch);
    const auto loss = static_cast<double>(output.loss.item());
    if (!std::isfinite(loss)) fail(detail::text("the loss is ", detail::exact_digits(loss)), batch, state);
    require_criterion(output);
    const std::vector<Index> predictions = output.logits.defined() ? predictions_of(output) : std::vector<Index>();
    BatchSums sums{.loss = loss, .samples = samples_in(output)};
    for (std::size_t i = 0; i < predictions.size(); ++i) {
      if (output.labels[i] < 0) continue;
      sums.labelled += 1;
      sums.correct += predictions[i] == output.labels[i] ? 1 : 0;
    }
    Variable<T, Device> own_loss = output.loss;
    if (ranks_) {
      const double share = pool_batch(sums, output.whole_batch ? 1 : sums.samples);
      if (output.whole_batch) {
        require_whole_batch(loss, sums.loss);
      } else {
        own_loss = scale(output.loss, static_cast<T>(share));
      }
    }
    if (differentiate(own_loss, batch, state)) {
      optimiser_.step();
      if (average_) average_->update();
    }
    state.sums["loss"] += sums.loss * sums.samples;
    state.sums["samples"] += sums.samples;
    if (sums.labelled > 0) {
      state.sums["labelled"] += sums.labelled;
      state.sums["correct"] += sums.correct;
    }
  }

  /// Leaves the gradients of a loss, clipped, in the parameters. False if this batch has to be left out.
  template <class Batch>
  bool differentiate(const Variable<T, Device>& loss, const Batch& batch, TrainingState& state) {
    // A scale that still overflows this low is not what makes the gradients infinite.
    constexpr double least_scale = 0x1p-14;
    const nn::ParameterList<T, Device> parameters = optimiser_.parameters();
    const BackwardOptions sums = gradients_ ? gradients_->begin() : BackwardOptions{};
    if (loss_scale_) {
      loss_scale_->backward(loss, sums);
    } else {
      backward(loss, sums);
    }
    if (gradients_) gradients_->finish();
    if (loss_scale_) {
      if (!loss_scale_->unscale(parameters)) {
        if (loss_scale_->value() < least_scale)
          fail(detail::text("gradients are not finite at a loss scale of ", loss_scale_->value()), batch, state);
        ++state.sums["left out"];
        return false;
      }
    }
    const double norm = options_.gradient_clip > 0 ? optim::clip_gradient_norm(parameters, options_.gradient_clip)
                                                   : optim::gradient_norm(parameters);
    if (!std::isfinite(norm))
      fail(detail::text("the norm of the gradients is ", detail::exact_digits(norm)), batch, state);
    return true;
  }

  template <class Batch>
  [[noreturn]] void fail(const std::string& what, const Batch& batch, const TrainingState& state) const {
    std::error_code ignored;
    const bool saved = !options_.work_dir.empty() && std::filesystem::exists(checkpoints_.last_file(), ignored);
    throw Error(detail::text("training: ", what, " in epoch ", state.epoch + 1, ", batch ", state.batch + 1,
                             detail::samples_of(batch), ", at learning rate ", optimiser_.learning_rate(),
                             saved ? "; the last good checkpoint is " + checkpoints_.last_file().string() : ""));
  }

  static bool has_sum(const TrainingState& state, const char* sum) { return state.sums.contains(sum); }

  /// One sum divided by another; 0 if either is missing.
  static double ratio(const TrainingState& state, const char* sum, const char* count) {
    if (!has_sum(state, sum) || !has_sum(state, count)) return 0;
    const double whole = state.sums.at(count);
    return whole == 0 ? 0 : state.sums.at(sum) / whole;
  }
  static double loss_of(const TrainingState& state) { return ratio(state, "loss", "samples"); }
  static double accuracy_of(const TrainingState& state) { return ratio(state, "correct", "labelled"); }

  double measure(const Evaluation& evaluation) const {
    switch (options_.criterion) {
      case Criterion::mean_recall:
        return evaluation.confusion.mean_recall();
      case Criterion::accuracy:
        return evaluation.confusion.accuracy();
      case Criterion::concordance:
        return evaluation.affect.concordance().mean();
      case Criterion::squared_error:
        return evaluation.affect.mean_squared_error();
      case Criterion::loss:
        break;
    }
    return evaluation.loss;
  }

  bool is_better(double metric, const TrainingState& state) const {
    if (std::isnan(metric)) return false;
    if (state.best_epoch == 0) return true;
    const bool less_is_better = options_.criterion == Criterion::loss || options_.criterion == Criterion::squared_error;
    return less_is_better ? metric < state.best_metric : metric > state.best_metric;
  }

  /// What the line about an epoch tells of its time.
  struct Pace {
    double seconds = 0;       ///< validation included
    double waited_share = 0;  ///< of training
  };

  /// A row of the history.
  History::Values columns(double train_loss, double train_accuracy, const Evaluation& evaluation) const {
    History::Values out{{"learning_rate", optimiser_.learning_rate()}, {"train_loss", train_loss}};
    if (evaluation.tells_classes) out.emplace_back("train_accuracy", train_accuracy);
    out.emplace_back("validation_loss", evaluation.loss);
    if (evaluation.tells_classes) {
      out.emplace_back("validation_accuracy", evaluation.confusion.accuracy());
      out.emplace_back("validation_mean_recall", evaluation.confusion.mean_recall());
      out.emplace_back("validation_macro_f1", evaluation.confusion.macro_f1());
    }
    if (evaluation.tells_affect) {
      const metrics::ValenceArousal concordance = evaluation.affect.concordance();
      out.emplace_back("validation_ccc", concordance.mean());
      out.emplace_back("validation_ccc_valence", concordance.valence);
      out.emplace_back("validation_ccc_arousal", concordance.arousal);
      out.emplace_back("validation_mse", evaluation.affect.mean_squared_error());
    }
    return out;
  }

  static std::string percent(double part) { return mien::detail::fixed_digits(100 * part, 1) + " %"; }

  static std::string in_words(const Evaluation& evaluation) {
    std::string out;
    if (evaluation.tells_classes)
      out += detail::text("  accuracy ", percent(evaluation.confusion.accuracy()), "  mean recall ",
                          percent(evaluation.confusion.mean_recall()));
    if (evaluation.tells_affect) {
      const auto concordance = evaluation.affect.concordance();
      out += detail::text("  CCC of valence ", mien::detail::fixed_digits(concordance.valence, 3), "  of arousal ",
                          mien::detail::fixed_digits(concordance.arousal, 3));
    }
    return out;
  }

  void finish_epoch(TrainingState& state, const Evaluation& evaluation, const Pace& pace, Progress& progress) {
    const double metric = measure(evaluation);
    const double train_loss = loss_of(state);
    const double train_accuracy = accuracy_of(state);
    const double left_out = state.sums["left out"];
    const bool better = is_better(metric, state);
    state.epoch += 1;
    state.batch = 0;
    state.sums.clear();
    state.history.add(state.epoch, columns(train_loss, train_accuracy, evaluation));
    if (better) {
      state.best_epoch = state.epoch;
      state.best_metric = metric;
      state.epochs_without_improvement = 0;
    } else {
      ++state.epochs_without_improvement;
    }
    const double rate = optimiser_.learning_rate();
    if (advance_schedule_ && schedule_step_ == ScheduleStep::epoch) advance_schedule_(evaluation.loss);
    if (better) save_best(state);
    if (is_first()) {
      checkpoints_.save_last(state);
      save_history(state);
    }

    progress.line(
        detail::text("epoch ", state.epoch, "/", options_.epochs, "  loss ", mien::detail::fixed_digits(train_loss, 4),
                     evaluation.tells_classes ? "  accuracy " + percent(train_accuracy) : "", "  |  validation loss ",
                     mien::detail::fixed_digits(evaluation.loss, 4), in_words(evaluation), "  |  rate ",
                     mien::detail::general_digits(rate, 3), "  ", mien::detail::fixed_digits(pace.seconds, 1),
                     " s, waited for data: ", percent(pace.waited_share),
                     left_out > 0 ? detail::text("  batches left out: ", left_out) : "", better ? "  best" : ""));
    if (options_.on_epoch && is_first()) options_.on_epoch(state, evaluation);
  }

  /// In a folder for all ranks, else each for itself.
  void save_best(const TrainingState& state) {
    if (!is_first() && !options_.work_dir.empty()) return;
    const auto averaged = averaged_weights();
    checkpoints_.save_best(state);
  }

  optim::Optimiser<T, Device>& optimiser_;
  optim::MovingAverage<T, Device>* average_ = nullptr;
  TrainerOptions options_;
  Communicator* ranks_;  ///< null if this one is alone
  Checkpoints checkpoints_;
  std::optional<optim::LossScale> loss_scale_;
  std::optional<GradientSum<T, Device>> gradients_;  ///< of several ranks
  bool all_stop_ = false;                            ///< whether one of them was asked to stop
  std::vector<std::function<void(bool)>> modes_;
  std::vector<std::function<std::vector<nn::NamedBuffer<T, Device>>()>> buffers_;
  ScheduleStep schedule_step_ = ScheduleStep::epoch;
  std::function<void(double)> advance_schedule_;
};

}  // namespace mien::train
