#include <mien/autograd/affect_loss.hpp>
#include <mien/autograd/arithmetic.hpp>
#include <mien/autograd/cross_entropy.hpp>
#include <mien/autograd/shape.hpp>
#include <mien/optim/adam.hpp>
#include <mien/optim/moving_average.hpp>
#include <mien/optim/schedules.hpp>
#include <mien/train/trainer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"
#include "train/points.hpp"

using namespace mien;
using namespace mien::train;

namespace {

using Batch = PointBatch<float>;
using Network = PointNetwork<float>;

data::Loader<Batch> make_loader(Index samples, std::uint64_t seed, Index workers = 0, double noise = 0.1,
                                bool shuffle = true) {
  return point_loader<float>(samples, {.batch = 8, .seed = seed, .shuffle = shuffle, .workers = workers},
                             {.noise = noise});
}

constexpr Index epochs = 4;  // of four batches each, and two of validation

/// The points' own coordinates as valence and arousal; every fourth point was not annotated.
BatchOutput<float> affect_step(Network& network, const Batch& batch) {
  const Variable<float> all = network(batch.points);
  BatchOutput<float> out;
  const Variable<float> affect = slice(all, -1, 0, 2);
  out.affect = affect.value();
  out.affect_target = batch.points;
  out.affect_mask = Tensor<std::uint8_t>(Shape{batch.points.size(0)}, std::uint8_t{1});
  for (Index i = 3; i < batch.points.size(0); i += 4) {
    out.affect_mask(i) = 0;
    out.affect_target(i, 0) = -5;
  }
  out.loss = affect_loss(affect, out.affect_target, out.affect_mask);
  return out;
}

/// One run of a program: everything made anew.
struct Program {
  explicit Program(TrainerOptions options, std::uint64_t seed = 1)
      : network((set_seed(seed), Network())), trainer(adam, std::move(options)) {
    trainer.add_model("model", network);
    trainer.set_schedule(schedule, ScheduleStep::batch);
  }

  TrainingResult run(Index workers = 0) {
    return trainer.fit(make_loader(31, 5, workers), make_loader(15, 6),
                       [&](const Batch& batch) { return step(batch); });
  }

  BatchOutput<float> step(const Batch& batch) {
    ++steps;
    if (fail_at && steps == *fail_at) throw std::runtime_error("killed");
    Variable<float> logits = network(batch.points);
    if (poison_at && steps == *poison_at) logits.value().fill(std::numeric_limits<float>::quiet_NaN());
    return {scale(cross_entropy(logits, batch.labels), loss_factor), logits.value(), batch.labels};
  }

  std::vector<float> weights() { return numbers_in(network); }

  Network network;
  optim::Adam<float> adam = optim::Adam<float>(network.parameters(), {.learning_rate = 0.02});
  optim::OneCycle schedule{{.max_learning_rate = 0.05, .total_steps = 64}};
  Index steps = 0;
  std::optional<Index> fail_at = {};
  std::optional<Index> poison_at = {};
  float loss_factor = 1;
  Trainer<float> trainer;
};

/// A step of a plain classification.
BatchOutput<float> class_step(Network& network, const Batch& batch) {
  const Variable<float> logits = network(batch.points);
  return {cross_entropy(logits, batch.labels), logits.value(), batch.labels};
}

}  // namespace

TEST_CASE("a tiny problem is learned, and written down") {
  const TemporaryFolder folder;
  Index called = 0;
  std::ostringstream words;
  Program program({.epochs = 16,
                   .work_dir = folder.path(),
                   .class_names = {"a", "b", "c"},
                   .progress = {.stream = &words},
                   .on_epoch = [&](const TrainingState& state, const Evaluation& evaluation) {
                     CHECK(state.epoch == ++called);
                     CHECK(evaluation.confusion.total() == 15);
                   }});
  const TrainingResult result = program.run();
  CHECK(called == 16);
  CHECK(!result.interrupted);
  CHECK(!result.stopped_early);
  CHECK(result.state.history.size() == 16);
  CHECK(result.state.best_metric > 0.9);
  CHECK(History::load(folder / "history.csv") == result.state.history);
  CHECK(contains(words.str(), "epoch 16/16  loss "));
  CHECK(contains(words.str(), "mean recall"));
  const auto recalls = result.state.history.column("validation_mean_recall");
  CHECK(*std::max_element(recalls.begin(), recalls.end()) == result.state.best_metric);
  CHECK(recalls[static_cast<std::size_t>(result.state.best_epoch - 1)] == result.state.best_metric);

  // The model holds the best epoch's weights and is ready for use.
  CHECK(!program.network.is_training());
  const auto evaluation =
      program.trainer.evaluate(make_loader(15, 6), [&](const Batch& batch) { return program.step(batch); });
  CHECK(evaluation.confusion.mean_recall() == result.state.best_metric);
}

TEST_CASE("how long training waits for its batches is told") {
  const auto slow_loader = [](Index workers) {
    return data::Loader<Batch>(
        32, {.batch = 8, .workers = workers, .prefetch = 4},
        [](Index i, Generator&) {
          std::this_thread::sleep_for(std::chrono::milliseconds(2));
          return i % point_classes;
        },
        [](std::vector<Index> labels) {
          return Batch{Tensor<float>({static_cast<Index>(labels.size()), 2}, 1.0F), std::move(labels), {}};
        });
  };
  std::ostringstream words;
  Program starved({.epochs = 2, .progress = {.stream = &words}});
  const auto step = [&](const Batch& batch) { return starved.step(batch); };
  // No worker: all of the 64 samples' 2 ms are waited for.
  const TrainingResult result = starved.trainer.fit(slow_loader(0), make_loader(15, 6), step);
  CHECK(result.waited_seconds >= 0.128);
  CHECK(result.waited_seconds <= result.training_seconds);
  CHECK(contains(words.str(), ", waited for data: "));
  // Steps as slow as a batch, while a worker makes the next one: it is waited for once an epoch.
  Program busy({.epochs = 2});
  const TrainingResult fed = busy.trainer.fit(slow_loader(4), make_loader(15, 6), [&](const Batch& batch) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return busy.step(batch);
  });
  CHECK(fed.waited_seconds > 0);
  CHECK(fed.waited_seconds < 0.5 * fed.training_seconds);
}

TEST_CASE("an interrupted training ends with the same bits as one that was not") {
  const TemporaryFolder whole_folder;
  Program whole({.epochs = epochs, .seed = 3, .work_dir = whole_folder.path(), .restore_best = false});
  whole.run();
  const auto whole_file = io::read_file(whole.trainer.checkpoints().last_file());
  const auto whole_best = io::read_file(whole.trainer.checkpoints().best_file());

  for (const Index stop_after : {1, 3, 4, 5, 8, 15, 16}) {
    CAPTURE(stop_after);
    const TemporaryFolder folder;
    Index batches = 0;
    Program first({.epochs = epochs,
                   .seed = 3,
                   .work_dir = folder.path(),
                   .resume = true,
                   .restore_best = false,
                   .stop_requested = [&] { return ++batches == stop_after; }});
    const TrainingResult cut = first.run();
    CHECK(cut.interrupted);
    CHECK(cut.state.epoch * 4 + cut.state.batch == stop_after);

    // Another start, other initial weights, another number of threads in the loader: all is taken from the file.
    Program second({.epochs = epochs, .seed = 3, .work_dir = folder.path(), .resume = true, .restore_best = false}, 99);
    const TrainingResult result = second.run(2);
    CHECK(!result.interrupted);
    CHECK(result.state.history.size() == epochs);
    CHECK(second.weights() == whole.weights());
    CHECK(io::read_file(second.trainer.checkpoints().last_file()) == whole_file);
    CHECK(io::read_file(second.trainer.checkpoints().best_file()) == whole_best);
  }
}

TEST_CASE("a training that was killed goes on from its newest checkpoint, with the same bits") {
  const TemporaryFolder whole_folder;
  Program whole({.epochs = epochs, .work_dir = whole_folder.path(), .restore_best = false});
  whole.run();
  const auto whole_file = io::read_file(whole.trainer.checkpoints().last_file());

  for (const Index checkpoint_batches : {0, 3}) {
    CAPTURE(checkpoint_batches);
    const TemporaryFolder folder;
    Program first({.epochs = epochs, .work_dir = folder.path(), .checkpoint_batches = checkpoint_batches});
    first.fail_at = 16;  // in the third epoch, steps of validation counted
    CHECK_THROWS_AS(first.run(), std::runtime_error);
    Program second({.epochs = epochs, .work_dir = folder.path(), .resume = true, .restore_best = false}, 99);
    const TrainingResult result = second.run();
    REQUIRE(!result.notes.empty());
    CHECK(contains(result.notes.back(), checkpoint_batches == 0 ? "after epoch 2, batch 0" : "after epoch 2, batch 3"));
    CHECK(io::read_file(second.trainer.checkpoints().last_file()) == whole_file);
  }
}

TEST_CASE("a training can be given more epochs, but no other settings") {
  const TemporaryFolder folder;
  Program first({.epochs = 2, .work_dir = folder.path()});
  first.run();
  Program more({.epochs = 4, .work_dir = folder.path(), .resume = true});
  CHECK(more.run().state.epoch == 4);
  Program done({.epochs = 4, .work_dir = folder.path(), .resume = true});
  done.run();
  CHECK(done.steps == 0);  // nothing left to do
  Program other({.epochs = 4, .seed = 7, .work_dir = folder.path(), .resume = true, .gradient_clip = 0.5});
  const std::string message = message_of<Error>([&] { other.run(); });
  CHECK(contains(message, "trainer gradient clip 0, now 0.5"));
  CHECK(contains(message, "trainer seed 0, now 7"));
  CHECK(other.steps == 0);
  Program in_order({.epochs = 4, .work_dir = folder.path(), .resume = true});
  const std::string order = message_of<Error>([&] {
    in_order.trainer.fit(make_loader(31, 5, 0, 0.1, false), make_loader(15, 6),
                         [&](const Batch& batch) { return in_order.step(batch); });
  });
  CHECK(contains(order, "train order shuffled, now as given"));
}

TEST_CASE("a loss that is not a number stops training and names its place; the last good checkpoint stays") {
  const TemporaryFolder folder;
  Program program({.epochs = epochs, .work_dir = folder.path()});
  program.poison_at = 6 + 3;  // an epoch has four steps of training and two of validation
  const std::string message = message_of<Error>([&] { program.run(); });
  CHECK(contains(message, "the loss is nan in epoch 2, batch 3"));
  CHECK(contains(message, "samples point 0, point 1"));
  CHECK(contains(message, (folder / "last.safetensors").string()));
  for (const float weight : program.weights()) CHECK(std::isfinite(weight));
  Program again({.epochs = epochs, .work_dir = folder.path(), .resume = true});
  CHECK(again.run().state.epoch == epochs);
}

TEST_CASE("gradients that overflow stop training too, before they reach the weights") {
  Program program({.epochs = 1});
  const std::string message = message_of<Error>([&] {
    program.trainer.fit(make_loader(31, 5), make_loader(15, 6), [&](const Batch& batch) {
      const Variable<float> logits = program.network(batch.points);
      const Variable<float> loss = cross_entropy(logits, batch.labels);
      // 0 whatever the loss, but its slope is beyond the type's range.
      return BatchOutput<float>{scale(scale(loss - loss.detach(), 3e38F), 3e38F), logits.value(), batch.labels};
    });
  });
  CHECK(contains(message, "norm of the gradients"));
  for (const float weight : program.weights()) CHECK(std::isfinite(weight));
}

TEST_CASE("a scaled loss trains to the same bits, and its scale is in the checkpoint") {
  const TemporaryFolder folder;
  Program plain({.epochs = epochs});
  plain.run();
  Program scaled({.epochs = epochs, .loss_scale = optim::LossScaleOptions{.initial = 1024}});
  scaled.run();
  CHECK(scaled.weights() == plain.weights());

  // The first scales overflow: those batches are left out, and told.
  std::ostringstream words;
  TrainerOptions options{.epochs = epochs, .work_dir = folder.path(), .restore_best = false};
  options.loss_scale = optim::LossScaleOptions{.initial = 0x1p120, .backoff = 0x1p-8};
  options.progress.stream = &words;
  Program whole(options);
  whole.loss_factor = 0x1p20F;
  whole.run();
  CHECK(contains(words.str(), "batches left out: "));
  const auto whole_file = io::read_file(whole.trainer.checkpoints().last_file());
  for (const float weight : whole.weights()) CHECK(std::isfinite(weight));

  const TemporaryFolder cut_folder;
  options.work_dir = cut_folder.path();
  options.resume = true;
  Index batches = 0;
  options.stop_requested = [&] { return ++batches == 7; };
  Program first(options);
  first.loss_factor = 0x1p20F;
  first.run();
  options.stop_requested = {};
  Program second(options, 99);
  second.loss_factor = 0x1p20F;
  second.run();
  CHECK(io::read_file(second.trainer.checkpoints().last_file()) == whole_file);
}

TEST_CASE("gradients that no loss scale makes finite stop training") {
  Program program({.epochs = 9, .loss_scale = optim::LossScaleOptions{.initial = 4, .backoff = 0.01}});
  const std::string message = message_of<Error>([&] {
    program.trainer.fit(make_loader(31, 5), make_loader(15, 6), [&](const Batch& batch) {
      const Variable<float> logits = program.network(batch.points);
      const Variable<float> loss = cross_entropy(logits, batch.labels);
      return BatchOutput<float>{scale(scale(loss - loss.detach(), 3e38F), 3e38F), logits.value(), batch.labels};
    });
  });
  CHECK(contains(message, "not finite at a loss scale of"));
}

TEST_CASE("training ends early when nothing improves, and says which epoch was best") {
  Network network;
  optim::Adam<float> adam(network.parameters(), {.learning_rate = 0});
  std::ostringstream words;
  Trainer<float> trainer(
      adam, {.epochs = 50, .criterion = Criterion::accuracy, .early_stop_patience = 3, .progress = {.stream = &words}});
  trainer.add_model("model", network);
  const auto step = [&](const Batch& batch) { return class_step(network, batch); };
  // Without noise, and a rate of 0: running statistics may move, the first epoch's best stays hard to beat for long.
  const TrainingResult result = trainer.fit(make_loader(31, 5, 0, 0), make_loader(15, 6, 0, 0), step);
  CHECK(result.stopped_early);
  CHECK(result.state.epoch == result.state.best_epoch + 3);
  CHECK(contains(words.str(), "no improvement in 3 epochs; best was epoch"));
}

TEST_CASE("without a best epoch the models are not overwritten by an earlier training's best") {
  const TemporaryFolder folder;
  Program earlier({.epochs = 1, .work_dir = folder.path()});
  earlier.run();
  Program none({.epochs = 0, .work_dir = folder.path()}, 99);
  const auto before = none.weights();
  CHECK(none.run().state.best_epoch == 0);
  CHECK(none.weights() == before);
}

TEST_CASE("the loss is the mean over the samples that it is of, however they lie in batches") {
  set_seed(1);
  Network network;
  optim::Adam<float> adam(network.parameters(), {});
  Trainer<float> trainer(adam, {});
  trainer.add_model("model", network);
  struct Batches {
    std::vector<Batch> all;
    Index batches() const { return std::ssize(all); }
    const std::vector<Batch>& epoch(Index, Index) const { return all; }
  };
  Batch whole{Tensor<float>({7, 2})};
  Generator(3).fill_normal(whole.points, 0, 1);
  whole.labels = {0, -1, 2, 1, -1, -1, 0};
  const auto part = [&](Index first, Index last) {
    return Batch{whole.points.slice(0, first, last).clone(),
                 {whole.labels.begin() + first, whole.labels.begin() + last}};
  };
  const CrossEntropyOptions unweighted{.ignore_index = -1};
  const CrossEntropyOptions weighted{.class_weights = {0.1, 0.3, 0.2}, .ignore_index = -1};
  for (const CrossEntropyOptions& options : {unweighted, weighted}) {
    const auto step = [&](const Batch& batch) {
      const Variable<float> logits = network(batch.points);
      BatchOutput<float> out{cross_entropy(logits, batch.labels, options), logits.value(), batch.labels};
      if (!options.class_weights.empty()) out.weight = ops::cross_entropy_weight(batch.labels, options);
      return out;
    };
    const double expected = trainer.evaluate(Batches{{whole}}, step).loss;
    CHECK(expected > 0.1);
    // The second one has no sample with a label.
    const Batches parts{{part(0, 4), part(4, 6), part(6, 7)}};
    CHECK(trainer.evaluate(parts, step).loss == doctest::Approx(expected).epsilon(1e-6));
  }
}

TEST_CASE("the criterion says what the best epoch is") {
  for (const Criterion criterion : {Criterion::mean_recall, Criterion::accuracy, Criterion::loss}) {
    Program program({.epochs = epochs, .criterion = criterion});
    const TrainingResult result = program.run();
    const auto values = result.state.history.column(criterion == Criterion::loss       ? "validation_loss"
                                                    : criterion == Criterion::accuracy ? "validation_accuracy"
                                                                                       : "validation_mean_recall");
    const auto best = criterion == Criterion::loss ? std::min_element(values.begin(), values.end())
                                                   : std::max_element(values.begin(), values.end());
    CHECK(result.state.best_epoch == best - values.begin() + 1);
    CHECK(result.state.best_metric == *best);
  }
}

TEST_CASE("a plateau schedule watches the validation loss, by epoch only") {
  Network network;
  optim::Adam<float> adam(network.parameters(), {.learning_rate = 0.5});
  optim::ReduceOnPlateau schedule(0.5, {.factor = 0.5, .patience = 0, .threshold = 0.9});
  Trainer<float> trainer(adam, {.epochs = 4});
  trainer.add_model("model", network);
  CHECK_THROWS_AS(trainer.set_schedule(schedule, ScheduleStep::batch), ValueError);
  trainer.set_schedule(schedule, ScheduleStep::epoch);  // the refused call left nothing behind
  CHECK_THROWS_AS(trainer.set_schedule(schedule, ScheduleStep::epoch), ValueError);
  const auto step = [&](const Batch& batch) { return class_step(network, batch); };
  const TrainingResult result = trainer.fit(make_loader(31, 5), make_loader(15, 6), step);
  CHECK(result.state.history.column("learning_rate").front() == 0.5);
  CHECK(adam.learning_rate() < 0.5);
  CHECK(adam.learning_rate() == schedule.learning_rate());
}

TEST_CASE("any loader with batches and epochs will do") {
  struct Batches {
    std::vector<Batch> all;
    Index batches() const { return static_cast<Index>(all.size()); }
    std::vector<Batch> epoch(Index, Index first) const {
      return {all.begin() + static_cast<std::ptrdiff_t>(first), all.end()};
    }
  };
  Batches loader;
  for (const Batch& batch : make_loader(31, 5).epoch(0)) loader.all.push_back(batch);
  Program program({.epochs = 2});
  const auto step = [&](const Batch& batch) { return program.step(batch); };
  CHECK(program.trainer.fit(loader, loader, step).state.epoch == 2);
  CHECK_THROWS_AS(program.trainer.fit(Batches{}, loader, step), ValueError);
  CHECK_THROWS_AS(program.trainer.fit(loader, Batches{}, step), ValueError);
}

TEST_CASE("options that make no sense are refused") {
  Network network;
  optim::Adam<float> adam(network.parameters());
  CHECK_THROWS_AS(Trainer<float>(adam, {.epochs = -1}), ValueError);
  CHECK_THROWS_AS(Trainer<float>(adam, {.early_stop_patience = -1}), ValueError);
  CHECK_THROWS_AS(Trainer<float>(adam, {.gradient_clip = std::nan("")}), ValueError);
}

TEST_CASE("a network for valence and arousal is chosen by its concordance, over all validation frames") {
  const TemporaryFolder folder;
  set_seed(1);
  Network network;
  optim::Adam<float> adam(network.parameters(), {.learning_rate = 0.02});
  std::ostringstream words;
  Trainer<float> trainer(
      adam,
      {.epochs = 12, .work_dir = folder.path(), .criterion = Criterion::concordance, .progress = {.stream = &words}});
  trainer.add_model("model", network);
  const auto step = [&](const Batch& batch) { return affect_step(network, batch); };
  const TrainingResult result = trainer.fit(make_loader(31, 5), make_loader(15, 6), step);
  CHECK(result.state.history.columns() ==
        std::vector<std::string>{"epoch", "learning_rate", "train_loss", "validation_loss", "validation_ccc",
                                 "validation_ccc_valence", "validation_ccc_arousal", "validation_mse"});
  const auto concordance = result.state.history.column("validation_ccc");
  CHECK(result.state.best_metric == *std::max_element(concordance.begin(), concordance.end()));
  CHECK(result.state.best_metric > concordance.front());
  CHECK(contains(words.str(), "CCC of valence "));
  CHECK(!contains(words.str(), "accuracy"));

  // Pooled: as if all frames that were annotated came in one batch.
  const Evaluation evaluation = trainer.evaluate(make_loader(15, 6), step);
  CHECK(evaluation.affect.concordance().mean() == result.state.best_metric);
  CHECK(evaluation.affect.frames() == 12);
  metrics::AffectRecord pooled;
  for (const Batch& batch : make_loader(15, 6).epoch(0)) {
    const auto output = step(batch);
    pooled.add(output.affect.contiguous(), output.affect_target, output.affect_mask);
  }
  CHECK(pooled.concordance().mean() == doctest::Approx(result.state.best_metric));
  CHECK(!evaluation.tells_classes);

  Trainer<float> by_recall(adam, {.epochs = 1});
  CHECK_THROWS_AS(by_recall.fit(make_loader(31, 5), make_loader(15, 6), step), ValueError);
}

TEST_CASE("classes with valence and arousal beside them, where not every sample has everything") {
  set_seed(1);
  Network network;
  optim::Adam<float> adam(network.parameters(), {.learning_rate = 0.02});
  Trainer<float> trainer(adam, {.epochs = 3, .criterion = Criterion::squared_error});
  trainer.add_model("model", network);
  const TrainingResult result = trainer.fit(make_loader(31, 5), make_loader(15, 6), [&](const Batch& batch) {
    BatchOutput<float> out = affect_step(network, batch);
    const Variable<float> logits = network(batch.points);
    out.labels = batch.labels;
    out.labels[1] = -1;
    out.logits = logits.value();
    out.loss = out.loss + cross_entropy(logits, out.labels, {.ignore_index = -1});
    return out;
  });
  const auto& history = result.state.history;
  const auto errors = history.column("validation_mse");
  CHECK(result.state.best_metric == *std::min_element(errors.begin(), errors.end()));
  CHECK(history.columns().size() == 12);
  for (const double accuracy : history.column("train_accuracy")) CHECK(accuracy <= 1);
  const auto evaluation = trainer.evaluate(make_loader(15, 6), [&](const Batch& batch) {
    BatchOutput<float> out = affect_step(network, batch);
    out.logits = network(batch.points).value();
    out.labels = batch.labels;
    out.labels[1] = -1;
    return out;
  });
  CHECK(evaluation.confusion.total() == 13);
}

TEST_CASE("averaged weights are validated, kept as the best ones, and resumed to the bit") {
  const auto run = [&](TrainerOptions options, std::uint64_t seed, std::vector<float>* averages = nullptr) {
    set_seed(seed);
    Network network;
    optim::Adam<float> adam(network.parameters(), {.learning_rate = 0.02});
    optim::MovingAverage average(network, {.decay = 0.9});
    Trainer<float> trainer(adam, std::move(options));
    trainer.add_model("model", network);
    trainer.set_moving_average(average);
    const auto step = [&](const Batch& batch) { return class_step(network, batch); };
    const TrainingResult result = trainer.fit(make_loader(31, 5), make_loader(15, 6), step);
    if (averages) *averages = numbers_in(network);
    // What was validated last is what the network holds now.
    if (!result.interrupted)
      CHECK(trainer.evaluate(make_loader(15, 6), step).loss == result.state.history.column("validation_loss").back());
    return io::read_file(trainer.checkpoints().last_file());
  };
  const TemporaryFolder folder;
  std::vector<float> averages;
  const auto whole = run({.epochs = epochs, .seed = 3, .work_dir = folder.path(), .restore_best = false}, 1, &averages);
  const TemporaryFolder cut_folder;
  Index batches = 0;
  TrainerOptions options{.epochs = epochs, .seed = 3, .work_dir = cut_folder.path(), .resume = true};
  options.restore_best = false;
  options.stop_requested = [&] { return ++batches == 7; };
  run(options, 1);
  options.stop_requested = {};
  std::vector<float> resumed;
  CHECK(run(options, 99, &resumed) == whole);
  CHECK(resumed == averages);
}

TEST_CASE("a first epoch whose measure is no number is not the best one") {
  Program program({.epochs = 3, .criterion = Criterion::loss});
  program.poison_at = 5;  // the first step of validation
  const TrainingResult result = program.run();
  const auto losses = result.state.history.column("validation_loss");
  CHECK(std::isnan(losses.front()));
  CHECK(result.state.best_epoch > 1);
  CHECK(result.state.best_metric == std::min(losses[1], losses[2]));
}

TEST_CASE("a plateau schedule is told the validation loss, not the training's") {
  set_seed(1);
  Network network;
  optim::Adam<float> adam(network.parameters(), {.learning_rate = 0.02});
  optim::ReduceOnPlateau schedule(0.02, {.threshold = 0});
  Trainer<float> trainer(adam, {.epochs = 3});
  trainer.add_model("model", network);
  trainer.set_schedule(schedule, ScheduleStep::epoch);
  const auto step = [&](const Batch& batch) { return class_step(network, batch); };
  const auto losses = trainer.fit(make_loader(31, 5), make_loader(15, 6), step).state.history.column("validation_loss");
  CHECK(schedule.best() == *std::min_element(losses.begin(), losses.end()));
}

TEST_CASE("the best epoch's averaged weights are what a network holds in the end") {
  const TemporaryFolder folder;
  for (const std::filesystem::path& work_dir : {std::filesystem::path(), folder.path()}) {
    set_seed(1);
    Network network;
    optim::Adam<float> adam(network.parameters(), {.learning_rate = 0.02});
    optim::MovingAverage average(network, {.decay = 0.9});
    Trainer<float> trainer(adam, {.epochs = epochs, .work_dir = work_dir, .criterion = Criterion::loss});
    trainer.add_model("model", network);
    trainer.set_moving_average(average);
    const auto step = [&](const Batch& batch) { return class_step(network, batch); };
    const TrainingResult result = trainer.fit(make_loader(31, 5), make_loader(15, 6), step);
    CHECK(trainer.evaluate(make_loader(15, 6), step).loss == result.state.best_metric);
  }
}

TEST_CASE("where there are classes and valence and arousal, every sample counts in the loss, labelled or not") {
  set_seed(1);
  Network network;
  optim::Adam<float> adam(network.parameters(), {});
  Trainer<float> trainer(adam, {});
  trainer.add_model("model", network);
  double expected = 0;
  const auto step = [&](const Batch& batch) {
    BatchOutput<float> out = affect_step(network, batch);
    out.logits = network(batch.points).value();
    out.labels = std::vector<Index>(batch.labels.size(), -1);
    if (batch.labels.size() == 8) out.labels[0] = batch.labels[0];
    expected += static_cast<double>(out.loss.item()) * static_cast<double>(batch.labels.size()) / 15;
    return out;
  };
  const double loss = trainer.evaluate(make_loader(15, 6), step).loss;
  CHECK(loss == doctest::Approx(expected));
}

TEST_CASE("a training that is taken up again when it is done writes its table anew") {
  const TemporaryFolder folder;
  Program first({.epochs = 2, .work_dir = folder.path()});
  const History history = first.run().state.history;
  std::filesystem::remove(folder / "history.csv");
  Program again({.epochs = 2, .work_dir = folder.path(), .resume = true});
  again.run();
  CHECK(History::load(folder / "history.csv") == history);
}

TEST_CASE("what steps draw by chance is the same whatever was drawn before the training") {
  const auto drawn = [](Index before) {
    Program program({.epochs = 1, .seed = 3});
    for (Index i = 0; i < before; ++i) default_generator().uniform();
    std::vector<double> out;
    program.trainer.fit(make_loader(31, 5), make_loader(15, 6), [&](const Batch& batch) {
      out.push_back(default_generator().uniform());
      return program.step(batch);
    });
    return out;
  };
  CHECK(drawn(0) == drawn(5));
}

TEST_CASE(
    "networks are ready for use after a training of which nothing was left to do, and after one that was stopped") {
  Program none({.epochs = 0});
  none.run();
  CHECK(!none.network.is_training());
  Program stopped({.epochs = epochs, .stop_requested = [] { return true; }});
  CHECK(stopped.run().interrupted);
  CHECK(!stopped.network.is_training());
}

TEST_CASE("a training is not resumed with batches of another size, or a schedule that goes on at other times") {
  const TemporaryFolder folder;
  Program first({.epochs = 1, .work_dir = folder.path()});
  first.run();
  Program larger({.epochs = 2, .work_dir = folder.path(), .resume = true});
  const auto batches_of_nine = point_loader<float>(31, {.batch = 9, .seed = 5, .workers = 0}, {.noise = 0.1});
  const std::string size = message_of<Error>([&] {
    larger.trainer.fit(batches_of_nine, make_loader(15, 6), [&](const Batch& batch) { return larger.step(batch); });
  });
  CHECK(contains(size, "train batch 8, now 9"));

  Network network;
  optim::Adam<float> adam(network.parameters());
  optim::OneCycle schedule({.total_steps = 64});
  Trainer<float> by_epoch(adam, {.epochs = 2, .work_dir = folder.path(), .resume = true});
  by_epoch.add_model("model", network);
  by_epoch.set_schedule(schedule, ScheduleStep::epoch);
  const std::string when = message_of<Error>([&] {
    by_epoch.fit(make_loader(31, 5), make_loader(15, 6), [&](const Batch& batch) { return larger.step(batch); });
  });
  CHECK(contains(when, "trainer schedule by batch, now by epoch"));
}

TEST_CASE("a training that fails before its first checkpoint names none") {
  const TemporaryFolder folder;
  Program program({.epochs = 1, .work_dir = folder.path()});
  program.poison_at = 2;
  const std::string message = message_of<Error>([&] { program.run(); });
  CHECK(contains(message, "the loss is nan in epoch 1, batch 2"));
  CHECK(!contains(message, "checkpoint"));
}

TEST_CASE("a training whose checkpoints or table could not be written ends before its first step") {
  for (const char* const name : {"last.safetensors", "previous.safetensors", "best.safetensors", "history.csv"})
    for (const bool resumes : {false, true}) {
      CAPTURE(name);
      const TemporaryFolder folder;
      {
        Program first({.epochs = 2, .work_dir = folder.path()});
        first.run();
      }
      std::filesystem::remove(folder / name);
      std::filesystem::create_directory(folder / name);
      Program program({.epochs = 4, .work_dir = folder.path(), .resume = resumes});
      const std::string said = message_of<FileError>([&] { program.run(); });
      CHECK(contains(said, name + std::string(": found a folder, expected a regular file or a new name")));
      CHECK(program.steps == 0);
    }
}

TEST_CASE("checkpoints within an epoch are as far apart as is asked for") {
  const TemporaryFolder folder;
  Program first({.epochs = epochs, .work_dir = folder.path(), .checkpoint_batches = 3});
  first.fail_at = 15;  // the third batch of the third epoch
  CHECK_THROWS_AS(first.run(), std::runtime_error);
  Program second({.epochs = epochs, .work_dir = folder.path(), .resume = true});
  CHECK(contains(second.run().notes.back(), "after epoch 2, batch 0"));
}
