#include <mien/autograd/affect_loss.hpp>
#include <mien/autograd/cross_entropy.hpp>
#include <mien/autograd/multi_stage_loss.hpp>
#include <mien/autograd/shape.hpp>
#include <mien/optim/adam.hpp>
#include <mien/optim/moving_average.hpp>
#include <mien/train/synchronised_batch_norm.hpp>
#include <mien/train/thread_communicator.hpp>
#include <mien/train/trainer.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"
#include "random_tensor.hpp"
#include "train/points.hpp"

using namespace mien;
using namespace mien::train;

namespace {

using Batch = PointBatch<double>;
using Network = PointNetwork<double>;

/// Every fifth point has no label.
data::Loader<Batch> make_loader(Index samples, std::uint64_t seed) {
  return point_loader<double>(samples, {.batch = 8, .seed = seed, .workers = 1}, {.noise = 0.3, .label_gap = 5});
}

enum class Norm { none, own, shared };

enum class Loss {
  classes,
  tasks,         ///< classes, and valence and arousal, which only the first class has
  falsely_whole  ///< said to be the whole batch's, and is not
};

struct Setting {
  Norm norm = Norm::none;
  Index fail_at = 0;  ///< step in which rank 1 fails
  bool averages_weights = false;
  Loss loss = Loss::classes;
};

BatchOutput<double> output_of(const Variable<double>& logits, const Batch& batch, Loss loss) {
  BatchOutput<double> out;
  out.logits = logits.value();
  out.labels = batch.labels;
  out.whole_batch = loss != Loss::classes;
  if (loss != Loss::tasks) {
    out.loss = cross_entropy(logits, batch.labels, {.ignore_index = -1});
    return out;
  }
  const Variable<double> affect = slice(logits, -1, 0, 2);
  out.affect = affect.value();
  out.affect_target = batch.points.cast<float>();
  out.affect_mask = Tensor<std::uint8_t>(Shape{std::ssize(batch.labels)});
  for (Index i = 0; i < std::ssize(batch.labels); ++i)
    out.affect_mask(i) = batch.labels[static_cast<std::size_t>(i)] == 0;
  out.loss = multi_task_loss(logits, batch.labels, affect, batch.points, out.affect_mask, {.whole_batch = true});
  return out;
}

/// A program that trains, as each rank has it.
struct Outcome {
  TrainingResult result;
  std::vector<double> numbers;
};

Outcome train_here(Communicator* communicator, TrainerOptions options, const Setting& setting = {}) {
  set_seed(7);
  Network network;
  network.normalises = setting.norm != Norm::none;
  if (setting.norm == Norm::shared && communicator) CHECK(synchronise_batch_norm(network, *communicator) == 1);
  optim::Adam<double> adam(network.parameters(), {.learning_rate = 0.02});
  optim::MovingAverage<double> average(network, {.decay = 0.9});
  options.communicator = communicator;
  Trainer<double> trainer(adam, std::move(options));
  trainer.add_model("model", network);
  if (setting.averages_weights) trainer.set_moving_average(average);
  Index steps = 0;
  const auto step = [&](const Batch& batch) {
    if (++steps == setting.fail_at && communicator && communicator->rank() == 1) throw ValueError("out of order");
    return output_of(network(Variable<double>(batch.points)), batch, setting.loss);
  };
  Outcome out;
  out.result = trainer.fit(make_loader(31, 5), make_loader(21, 6), step);
  out.numbers = numbers_in(network);
  return out;
}

/// What each rank has in the end.
std::vector<Outcome> train_on(Index ranks, const TrainerOptions& options, const Setting& setting = {}) {
  std::vector<Outcome> out(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](Communicator& communicator) {
    out[static_cast<std::size_t>(communicator.rank())] = train_here(&communicator, options, setting);
  });
  return out;
}

void require_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance = 1e-9) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(tolerance));
}

void require_equal_histories(const History& a, const History& b) {
  REQUIRE(a.columns() == b.columns());
  REQUIRE(a.size() == b.size());
  for (Index row = 0; row < a.size(); ++row) require_near(a.row(row), b.row(row));
}

}  // namespace

TEST_CASE("ranks of a shared epoch make every sample once, in the batches of one process") {
  const auto loader = [](bool drop_last) {
    return data::Loader<std::vector<std::pair<Index, std::uint64_t>>>(
        31, {.batch = 8, .seed = 3, .drop_last = drop_last, .workers = 1},
        [](Index i, Generator& generator) { return std::pair(i, generator.bits()); },
        [](std::vector<std::pair<Index, std::uint64_t>> samples) { return samples; });
  };
  using Samples = std::vector<std::pair<Index, std::uint64_t>>;
  for (const bool drop_last : {false, true}) {
    const auto all = loader(drop_last);
    std::vector<Samples> whole;
    for (const auto& batch : all.epoch(2, 1)) whole.push_back(batch);
    for (const Index ranks : {1, 2, 3, 7}) {
      std::vector<Samples> together(whole.size());
      std::vector<Samples> by_batch(whole.size());
      for (Index rank = 0; rank < ranks; ++rank) {
        auto epoch = all.epoch(2, 1, {rank, ranks});
        CHECK(epoch.batches() == all.batches());
        std::size_t number = 0;
        for (const auto& part : epoch) {
          CHECK(epoch.part().first == std::ssize(together[number]));
          CHECK(epoch.part().samples == std::ssize(part));
          CHECK(epoch.part().all == std::ssize(whole[number]));
          CHECK(!part.empty());
          together[number].insert(together[number].end(), part.begin(), part.end());
          ++number;
        }
        CHECK(number == whole.size());
        // The first batch of this epoch is that of number 1.
        number = static_cast<std::size_t>((rank + ranks - 1 % ranks) % ranks);
        for (const auto& batch : all.epoch(2, 1, {rank, ranks, data::Share::Of::whole_batches})) {
          by_batch[number] = batch;
          number += static_cast<std::size_t>(ranks);
        }
      }
      CHECK(together == whole);
      CHECK(by_batch == whole);
    }
  }
  CHECK(contains(message_of<ValueError>([&] {
                   loader(false).epoch(0, 0, {0, 8});
                 }),
                 "a batch of 7 samples for 8 ranks"));
  CHECK_THROWS_AS(loader(true).epoch(0, 0, {0, 9}), ValueError);
  CHECK_THROWS_AS(loader(true).epoch(0, 0, {2, 2}), ValueError);
  CHECK_THROWS_AS(loader(true).epoch(0, 9, {0, 2}), IndexError);
}

TEST_CASE("dropout of a part of a batch is that of the whole batch") {
  const Tensor<float> x({6, 2, 5}, 1.0F);  // 10 numbers a sample: parts begin between four random numbers
  Generator whole_generator(3);
  const Variable<float> whole_input(x, true);
  const Variable<float> whole = dropout(whole_input, 0.4, whole_generator);
  backward(whole, testing::random<float>({6, 2, 5}, 8));
  Index first = 0;
  for (const Index samples : {1, 3, 2}) {
    const BatchPartScope scope({first, samples, 6});
    Generator generator(3);
    const Variable<float> input(x.slice(0, first, first + samples).clone(), true);
    const Variable<float> part = dropout(input, 0.4, generator);
    CHECK(testing::largest_difference(part.value(), whole.value().slice(0, first, first + samples)) == 0);
    CHECK(generator.state() == whole_generator.state());
    backward(part, testing::random<float>({6, 2, 5}, 8).slice(0, first, first + samples));
    CHECK(testing::largest_difference(input.gradient(), whole_input.gradient().slice(0, first, first + samples)) == 0);
    first += samples;
  }
  const BatchPartScope scope({0, 4, 8});
  CHECK_THROWS_AS(dropout(Variable<float>(Tensor<float>({3, 3}, 1.0F)), 0.4), ShapeError);
}

TEST_CASE("one, two and four ranks have the same losses, the same metrics and the same weights") {
  for (const auto& kind : {std::pair(Norm::none, Loss::classes), std::pair(Norm::shared, Loss::classes),
                           std::pair(Norm::none, Loss::tasks), std::pair(Norm::shared, Loss::tasks)}) {
    const Norm norm = kind.first;
    const Loss loss = kind.second;
    CAPTURE(static_cast<int>(norm));
    CAPTURE(static_cast<int>(loss));
    const TrainerOptions options{.epochs = 3, .seed = 3, .gradient_clip = 1};
    const Setting setting{.norm = norm, .loss = loss};
    const Outcome alone = train_here(nullptr, options, setting);
    CHECK(alone.result.state.history.size() == 3);
    for (const Index ranks : {1, 2, 4}) {
      CAPTURE(ranks);
      for (const Outcome& outcome : train_on(ranks, options, setting)) {
        require_equal_histories(outcome.result.state.history, alone.result.state.history);
        require_near(outcome.numbers, alone.numbers, 1e-7);
        CHECK(outcome.result.state.best_epoch == alone.result.state.best_epoch);
      }
    }
  }
}

TEST_CASE("a loss that is said to be the whole batch's, and is not, is told") {
  const std::string message =
      message_of<ValueError>([] { train_on(2, {.epochs = 1, .seed = 3}, {.loss = Loss::falsely_whole}); });
  CHECK(contains(message, "a loss of the whole batch is the same for all of them"));
}

TEST_CASE("with statistics of their own, ranks still hold the same network, averages included") {
  for (const bool averages : {false, true}) {
    const auto outcomes = train_on(3, {.epochs = 2, .restore_best = false}, {Norm::own, 0, averages});
    for (const Outcome& outcome : outcomes) {
      CHECK(outcome.numbers == outcomes.front().numbers);
      CHECK(outcome.result.state == outcomes.front().result.state);
    }
  }
}

TEST_CASE("one rank alone is asked to stop, and all do; another number of them goes on from there") {
  const TrainerOptions usual{.epochs = 3, .seed = 3, .restore_best = false};
  const Outcome whole = train_here(nullptr, usual, {.norm = Norm::shared, .averages_weights = true});
  const TemporaryFolder folder;
  TrainerOptions options = usual;
  options.work_dir = folder.path();
  options.resume = true;
  Index epochs_told = 0;
  std::ostringstream words;
  options.on_epoch = [&](const TrainingState&, const Evaluation&) { ++epochs_told; };
  options.progress = {.stream = &words};
  // One of four ranks has its Ctrl-C in the sixth batch, of four an epoch.
  std::mutex mutex;
  std::map<std::thread::id, Index> asked;
  options.stop_requested = [&] {
    const std::lock_guard lock(mutex);
    ++asked[std::this_thread::get_id()];
    return asked.size() == 4 && asked.begin()->second == 6 && asked.begin()->first == std::this_thread::get_id();
  };
  for (const Outcome& outcome : train_on(4, options, {.norm = Norm::shared, .averages_weights = true})) {
    CHECK(outcome.result.interrupted);
    CHECK(outcome.result.state.epoch == 1);
    CHECK(outcome.result.state.batch == 2);
  }
  CHECK(epochs_told == 1);  // by the first rank
  options.stop_requested = {};
  for (const Outcome& outcome : train_on(2, options, {.norm = Norm::shared, .averages_weights = true})) {
    require_equal_histories(outcome.result.state.history, whole.result.state.history);
    require_near(outcome.numbers, whole.numbers, 1e-7);
  }
  CHECK(epochs_told == 3);
  const std::string told = words.str();
  CHECK(told.find("epoch 3/3") == told.rfind("epoch 3/3"));
  CHECK(History::load(folder / "history.csv").size() == 3);
}

TEST_CASE("the first rank writes for all, also when they go on from a checkpoint") {
  const TemporaryFolder folder;
  const auto train = [&](Index epochs) {
    run_ranks(2, [&](Communicator& communicator) {
      // Each in a folder of its own, which shows what it does there.
      train_here(&communicator, {.epochs = epochs,
                                 .work_dir = folder / std::to_string(communicator.rank()),
                                 .resume = true,
                                 .restore_best = false});
    });
  };
  train(1);
  CHECK(std::filesystem::exists(folder / "0/history.csv"));
  CHECK_FALSE(std::filesystem::exists(folder / "1"));
  std::filesystem::create_directory(folder / "1");
  std::filesystem::copy(folder / "0/last.safetensors", folder / "1");
  train(2);
  CHECK(io::names_in_folder(folder / "1") == std::vector<std::string>{"last.safetensors"});
}

TEST_CASE("a lost rank ends training on all of them; the newest checkpoint goes on with those that are left") {
  const TemporaryFolder folder;
  TrainerOptions options{.epochs = 3, .seed = 3, .work_dir = folder.path(), .resume = true, .checkpoint_batches = 2};
  options.restore_best = false;
  const std::string message = message_of<ValueError>([&] { train_on(3, options, {Norm::shared, 9}); });
  CHECK(message == "out of order");
  const Outcome resumed = train_here(nullptr, options, {Norm::shared});
  CHECK(contains(resumed.result.notes.back(), "going on after epoch 1, batch 2"));
  options = {.epochs = 3, .seed = 3, .restore_best = false};
  require_near(resumed.numbers, train_here(nullptr, options, {Norm::shared}).numbers, 1e-7);
}

TEST_CASE("ranks that do not hold the same network are told so") {
  const std::string message = message_of<Error>([] {
    run_ranks(2, [](Communicator& communicator) {
      set_seed(static_cast<std::uint64_t>(communicator.rank()));
      Network network;
      optim::Adam<double> adam(network.parameters());
      Trainer<double> trainer(adam, {.communicator = &communicator});
      trainer.add_model("model", network);
      trainer.fit(make_loader(31, 5), make_loader(15, 6), [&](const Batch& batch) {
        const Variable<double> logits = network(Variable<double>(batch.points));
        return BatchOutput<double>{cross_entropy(logits, batch.labels, {.ignore_index = -1}), logits.value(),
                                   batch.labels};
      });
    });
  });
  CHECK(contains(message, "the weights of rank 1 of 2 are not those of the first one"));
}

TEST_CASE("valence and arousal of all ranks are measured together, and a loader that cannot be shared is refused") {
  run_ranks(4, [](Communicator& communicator) {
    set_seed(7);
    Network network;
    optim::Adam<double> adam(network.parameters());
    const auto step = [&](const Batch& batch) {
      const Variable<double> affect = slice(network(Variable<double>(batch.points)), -1, 0, 2);
      BatchOutput<double> out;
      out.loss = mse_loss(affect, Variable<double>(batch.points));
      out.affect = affect.value();
      out.affect_target = batch.points.cast<float>();
      return out;
    };
    Trainer<double> alone(adam, {.criterion = Criterion::concordance});
    Trainer<double> together(adam, {.criterion = Criterion::concordance, .communicator = &communicator});
    for (Trainer<double>* const trainer : {&alone, &together}) trainer->add_model("model", network);
    const auto loader = make_loader(21, 6);  // three batches: the last rank has none
    const Evaluation own = alone.evaluate(loader, step);
    const Evaluation all = together.evaluate(loader, step);
    CHECK(!all.tells_classes);
    CHECK(all.affect.frames() == 21);
    CHECK(all.loss == doctest::Approx(own.loss).epsilon(1e-12));
    CHECK(all.affect.concordance().mean() == doctest::Approx(own.affect.concordance().mean()).epsilon(1e-9));

    struct Batches {
      Index batches() const { return 1; }
      std::vector<Batch> epoch(Index, Index) const { return {}; }
    };
    CHECK_THROWS_AS(together.fit(Batches{}, loader, step), ValueError);
  });
}

TEST_CASE("synchronised batch normalisation of parts is that of the whole batch, gradients included") {
  // A mean far from 0, where sums of squares would lose their digits.
  Tensor<double> x = testing::random<double>({11, 3, 2, 5}, 1);
  for (double& number : x.span()) number = 1000 + 3 * number;
  const Tensor<double> residual = testing::random<double>({11, 3, 2, 5}, 2);
  const Tensor<double> upstream = testing::random<double>({11, 3, 2, 5}, 3);
  struct Kind {
    bool residual, relu;
  };
  for (const Kind kind : {Kind{false, false}, Kind{false, true}, Kind{true, true}}) {
    CAPTURE(kind.residual);
    CAPTURE(kind.relu);
    const auto make = [] {
      nn::BatchNorm<double> norm(5);
      norm.weight.value().copy_from(testing::random<double>({5}, 4));
      norm.bias.value().copy_from(testing::random<double>({5}, 5));
      return norm;
    };
    const auto run = [&](nn::BatchNorm<double>& norm, const Variable<double>& in, const Variable<double>& shortcut) {
      return norm(in, {.residual = kind.residual ? shortcut : Variable<double>(), .relu = kind.relu});
    };
    auto whole = make();
    const Variable<double> whole_x(x, true);
    const Variable<double> whole_shortcut(residual, true);
    const Variable<double> whole_y = run(whole, whole_x, whole_shortcut);
    backward(whole_y, upstream);
    run_ranks(3, [&](Communicator& communicator) {
      const Index first = communicator.rank() * 11 / 3;
      const Index last = (communicator.rank() + 1) * 11 / 3;
      const auto part = [&](const Tensor<double>& all) { return all.slice(0, first, last).contiguous(); };
      auto norm = make();
      CHECK(synchronise_batch_norm(norm, communicator) == 1);
      const Variable<double> own_x(part(x), true);
      const Variable<double> own_shortcut(part(residual), true);
      const Variable<double> y = run(norm, own_x, own_shortcut);
      backward(y, part(upstream));
      Tensor<double> weight = norm.weight.gradient().clone();
      communicator.sum(weight);
      CHECK(testing::largest_difference(y.value(), part(whole_y.value())) < 1e-10);
      CHECK(testing::largest_difference(own_x.gradient(), part(whole_x.gradient())) < 1e-11);
      CHECK(testing::largest_difference(weight, whole.weight.gradient()) < 1e-9);
      CHECK(testing::largest_difference(norm.running_mean, whole.running_mean) < 1e-11);
      CHECK(testing::largest_difference(norm.running_var, whole.running_var) < 1e-11);
      if (kind.residual)
        CHECK(testing::largest_difference(own_shortcut.gradient(), part(whole_shortcut.gradient())) == 0);
    });
  }
}

TEST_CASE("losses of the whole batch are the same on any number of ranks, and so are gradients") {
  using Inputs = std::vector<Variable<double>>;
  constexpr Index samples = 13;
  // Row 0 is a part alone, row 4 a part that has nothing, and rows 11 and 12 have classes only.
  const std::vector<Index> labels{2, 0, -1, 3, -1, 1, -1, 0, 3, 2, 2, 1, 0};
  const std::vector<Index> lengths{3, 1, 2, 3, 0, 2, 1, 3, 3, 1, 2, 3, 1};
  auto mask = Tensor<std::uint8_t>(Shape{samples}, std::uint8_t{1});
  for (const Index row : {2, 4, 8, 11, 12}) mask(row) = 0;
  Tensor<double> shares = testing::random<double>({samples, 4}, 5);
  for (double& share : shares.span()) share = std::abs(share);
  for (Index c = 0; c < 4; ++c) shares(4, c) = shares(7, c) = 0;
  // Means far from 0, where sums of squares would lose their digits.
  const auto far = [](std::uint64_t seed) {
    Tensor<double> out = testing::random<double>({samples, 2}, seed);
    for (double& number : out.span()) number = 1000 + 3 * number;
    return out;
  };
  const std::vector<Tensor<double>> inputs{
      far(1),
      far(2),
      testing::random<double>({samples, 4}, 3),
      testing::random<double>({samples, 3, 4}, 4),
  };
  const CrossEntropyOptions weighted{.class_weights = {1, 2, 0.5, 3}, .label_smoothing = 0.1};

  struct Part {
    Index first, last;
    Tensor<std::uint8_t> rows(const Tensor<std::uint8_t>& all) const { return all.slice(0, first, last); }
    std::vector<Index> of(const std::vector<Index>& all) const { return {all.begin() + first, all.begin() + last}; }
  };
  struct Case {
    const char* name;
    std::function<Variable<double>(const Inputs&, const Part&)> loss;
  };
  const std::vector<Case> cases{
      {"ccc", [&](const Inputs& in, const Part&) { return ccc_loss(in[0], in[1], {}, {.whole_batch = true}); }},
      {"ccc of some", [&](const Inputs& in,
                          const Part& part) { return ccc_loss(in[0], in[1], part.rows(mask), {.whole_batch = true}); }},
      {"affect",
       [&](const Inputs& in, const Part& part) {
         return affect_loss(in[0], in[1], part.rows(mask), {.mse = 0.3, .ccc = 2, .whole_batch = true});
       }},
      {"labels and affect",
       [&](const Inputs& in, const Part& part) {
         return multi_task_loss(in[2], part.of(labels), in[0], in[1], part.rows(mask),
                                {.classes = 0.5, .cross_entropy = weighted, .whole_batch = true});
       }},
      {"shares and affect",
       [&](const Inputs& in, const Part& part) {
         return multi_task_loss(in[2], shares.slice(0, part.first, part.last), in[0], in[1], part.rows(mask),
                                {.affect = 2, .cross_entropy = weighted, .whole_batch = true});
       }},
      {"stages",
       [&](const Inputs& in, const Part& part) {
         return multi_stage_loss(in[3], in[2], scale(in[2], 2), part.of(labels),
                                 {.lambda = 0.5,
                                  .class_weights = weighted.class_weights,
                                  .ignore_index = -1,
                                  .lengths = part.of(lengths),
                                  .whole_batch = true});
       }},
  };
  const auto inputs_of = [&](const Part& part) {
    Inputs out;
    for (const auto& input : inputs) out.emplace_back(input.slice(0, part.first, part.last).contiguous().clone(), true);
    return out;
  };
  for (const Case& tried : cases) {
    CAPTURE(tried.name);
    const Inputs whole = inputs_of({0, samples});
    const Variable<double> loss = tried.loss(whole, {0, samples});
    backward(loss);
    for (const std::vector<Index>& ends : {std::vector<Index>{13}, {1, 13}, {4, 5, 11, 13}}) {
      run_ranks(std::ssize(ends), [&](Communicator& communicator) {
        const auto rank = static_cast<std::size_t>(communicator.rank());
        CAPTURE(rank);
        const Part part{rank == 0 ? 0 : ends[rank - 1], ends[rank]};
        const BatchPartScope scope({part.first, part.last - part.first, samples},
                                   [&](std::span<const double> own) { return communicator.gather(own); });
        const Inputs here = inputs_of(part);
        const Variable<double> shared = tried.loss(here, part);
        backward(shared);
        CHECK(shared.item() == doctest::Approx(loss.item()).epsilon(1e-12));
        for (std::size_t i = 0; i < here.size(); ++i) {
          if (!whole[i].gradient().defined()) continue;
          const auto expected = whole[i].gradient().slice(0, part.first, part.last);
          CHECK(testing::largest_difference(here[i].gradient(), expected) < 1e-11);
        }
      });
    }
  }
}

TEST_CASE("CCC of equal constants is 1 on any number of ranks, and where no rank has anything the loss is 0") {
  for (const bool counts : {true, false}) {
    run_ranks(3, [&](Communicator& communicator) {
      const Index rows = communicator.rank() + 1;
      const BatchPartScope scope({0, rows, 6}, [&](std::span<const double> own) { return communicator.gather(own); });
      const Variable<double> x(Tensor<double>({rows, 2}, 0.1), true);
      const Tensor<double> target({rows, 2}, counts ? 0.1 : 0.7);
      const Tensor<std::uint8_t> mask(Shape{rows}, counts);
      const auto loss = affect_loss(x, target, mask, {.whole_batch = true});
      backward(loss);
      CHECK(loss.item() == 0);
      for (const double slope : x.gradient().span()) CHECK(slope == 0);
    });
  }
}

TEST_CASE("one value a rank is enough where ranks share statistics, one value in all is not") {
  run_ranks(2, [](Communicator& communicator) {
    nn::BatchNorm<double> norm(2);
    synchronise_batch_norm(norm, communicator);
    const Variable<double> y = norm(Variable<double>(Tensor<double>({1, 2}, static_cast<double>(communicator.rank()))));
    CHECK(y.value()(0, 1) == doctest::Approx(communicator.rank() == 0 ? -1 : 1).epsilon(1e-4));
  });
  run_ranks(1, [](Communicator& communicator) {
    nn::BatchNorm<double> norm(2);
    synchronise_batch_norm(norm, communicator);
    CHECK_THROWS_AS(norm(Variable<double>(Tensor<double>({1, 2}, 1.0))), ValueError);
  });
}
