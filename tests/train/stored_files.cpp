/// Files of every version stay readable: tests/data/files/<version>/ has one of each kind that the library writes, and
/// what is in them is said here.

#include <mien/data/packed_pictures.hpp>
#include <mien/io/csv.hpp>
#include <mien/io/model_file.hpp>
#include <mien/io/npy.hpp>
#include <mien/nn/batch_norm.hpp>
#include <mien/nn/convolution.hpp>
#include <mien/nn/linear.hpp>
#include <mien/optim/adam.hpp>
#include <mien/optim/loss_scale.hpp>
#include <mien/optim/moving_average.hpp>
#include <mien/optim/schedules.hpp>
#include <mien/search/journal.hpp>
#include <mien/train/checkpoint.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"

using namespace mien;
namespace fs = std::filesystem;

namespace {

/// Weights in both layouts, and buffers.
struct Network : nn::Module<Network, float> {
  void visit(auto&& child) {
    child("convolution", convolution);
    child("norm", norm);
    child("linear", linear);
  }
  nn::Convolution<float> convolution{{.in = 2, .out = 3, .kernel = 3}};
  nn::BatchNorm<float> norm{3};
  nn::Linear<float> linear{{.in = 3, .out = 2}};
};

/// first, first + 1/8, first + 2/8, ... in the order of a file.
void count_up(Tensor<float> tensor, float first) {
  Tensor<float> values(tensor.shape());
  for (Index i = 0; i < values.elements(); ++i) values.data()[i] = first + 0.125F * static_cast<float>(i);
  tensor.copy_from(values);
}

Tensor<float> counted(const Shape& shape, float first) {
  Tensor<float> out(shape);
  count_up(out, first);
  return out;
}

void fill(Network& network, float first) {
  for (auto& [name, tensor] : io::detail::named_tensors(network)) count_up(tensor, first++);
}

bool is_filled(Network& network, float first) {
  bool same = true;
  for (auto& [name, tensor] : io::detail::named_tensors(network)) {
    const Tensor<float> found = tensor.contiguous();
    const Tensor<float> expected = counted(tensor.shape(), first++);
    same = same && std::equal(found.span().begin(), found.span().end(), expected.span().begin());
  }
  return same;
}

/// One of each part that a checkpoint can hold.
struct Training {
  Training() { fill(network, 1); }

  void add_to(train::Checkpoints& checkpoints) {
    checkpoints.add_model("model", network);
    checkpoints.add_optimiser("optimiser", adam);
    checkpoints.add_moving_average("moving average", average);
    checkpoints.add_schedule("schedule", schedule);
    checkpoints.add_schedule("loss scale", scale);
    checkpoints.add_generator("random", generator);
  }

  Network network;
  optim::Adam<float> adam = optim::Adam<float>(network.parameters(), {.learning_rate = 0.25});
  optim::MovingAverage<float> average{network};
  optim::OneCycle schedule{{.max_learning_rate = 0.5, .total_steps = 100}};
  optim::LossScale scale;
  Generator generator{1};
};

const train::CheckpointOptions options{.settings = {{"batch", "8"}, {"name", "Übung \"a, b\""}},
                                       .class_names = {"喜び", "fear, or so"}};

train::TrainingState stored_state() {
  train::TrainingState state{.epoch = 3,
                             .batch = 17,
                             .best_epoch = 2,
                             .best_metric = 1.0 / 3,
                             .epochs_without_improvement = 1,
                             .sums = {{"loss", 0.1}, {"samples", 31}}};
  state.history.add(1, {{"train_loss", 0.7}, {"validation_loss", std::numeric_limits<double>::infinity()}});
  state.history.add(2, {{"train_loss", 1.0 / 3}, {"validation_loss", 5e-324}});
  return state;
}

/// Numbers for all parameters of the network, whose moments are counted up from the parameter's own number.
optim::OptimiserState<float> stored_optimiser(Training& training) {
  optim::OptimiserState<float> out;
  out.numbers = {{"learning_rate", 0.125}, {"momentum", 0.75}};
  Index number = 0;
  for (const auto& parameter : training.adam.parameters()) {
    out.numbers[std::to_string(number) + ".steps"] = 5;
    for (const char* moment : {"first_moment", "second_moment"})
      out.tensors[std::to_string(number) + "." + moment] =
          counted(parameter.shape(), static_cast<float>(number) + (moment[0] == 'f' ? 0.5F : 0.25F));
    ++number;
  }
  return out;
}

bool equal(const optim::OptimiserState<float>& a, const optim::OptimiserState<float>& b) {
  bool same = a.numbers == b.numbers && a.tensors.size() == b.tensors.size();
  for (const auto& [name, tensor] : a.tensors) {
    const auto found = b.tensors.find(name);
    same = same && found != b.tensors.end() && tensor.shape() == found->second.shape() &&
           std::equal(tensor.span().begin(), tensor.span().end(), found->second.span().begin());
  }
  return same;
}

const search::Space& stored_space() {
  static const search::Space space(
      {search::real("rate", 1e-4, 0.1, search::Scale::logarithmic), search::choice("optimiser", {"adamw", "sgd"})});
  return space;
}

const search::Point stored_point({{"rate", 0.01}, {"optimiser", std::string("sgd")}});

io::Image stored_picture() {
  io::Image image(3, 2, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(11 * i);
  return image;
}

std::vector<fs::path> versions() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(fs::path(MIEN_TEST_DATA_DIR) / "files"))
    if (entry.is_directory()) out.push_back(entry.path());
  return out;
}

/// A copy of a version's files: reading a journal opens it for writing.
class Files {
 public:
  explicit Files(const fs::path& version) { fs::copy(version, folder_.path(), fs::copy_options::recursive); }
  fs::path operator/(const std::string& name) const { return folder_ / name; }

 private:
  TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("there are files of this version") {
  bool found = false;
  for (const fs::path& folder : versions()) found = found || folder.filename() == std::string(version());
  CHECK(found);
}

TEST_CASE("model files of every version are read") {
  for (const fs::path& folder : versions()) {
    CAPTURE(folder.string());
    Network network;
    io::load(network, folder / "model.safetensors");
    CHECK(is_filled(network, 1));
    CHECK(io::read_safetensors(folder / "model.safetensors").metadata().at("class_names") == R"(["joy","fear"])");
  }
}

TEST_CASE("checkpoints of every version are read, with all that they hold") {
  for (const fs::path& folder : versions()) {
    CAPTURE(folder.string());
    const Files files(folder);
    Training training;
    fill(training.network, 50);
    train::Checkpoints checkpoints(files / "checkpoints", options);
    training.add_to(checkpoints);
    const auto resumed = checkpoints.resume();
    REQUIRE(resumed);
    CHECK(resumed->state == stored_state());
    CHECK(is_filled(training.network, 7));
    CHECK(equal(training.adam.state(), stored_optimiser(training)));
    const auto average = training.average.state();
    CHECK(average.numbers.at("updates") == 1);
    Network averaged;
    fill(averaged, 1);
    const optim::MovingAverage<float> expected(averaged);
    auto expected_state = expected.state();
    expected_state.numbers["updates"] = 1;
    CHECK(equal(average, expected_state));
    CHECK(training.schedule.steps() == 12);
    CHECK(training.scale.value() == 1024);
    CHECK(training.generator.state() == Generator::State{5, ~std::uint64_t{0}, 123456789});

    // The best networks alone.
    CHECK(checkpoints.load_best()->best_epoch == 2);
    CHECK(is_filled(training.network, 20));
  }
}

TEST_CASE("tables, arrays and histories of every version are read") {
  for (const fs::path& folder : versions()) {
    CAPTURE(folder.string());
    CHECK(train::History::load(folder / "history.csv") == stored_state().history);
    const auto array = io::read_npy<float>(folder / "array.npy");
    CHECK(array.shape() == Shape{2, 3});
    CHECK(array(1, 2) == 1.625F);
    const auto table = io::read_csv(folder / "table.csv");
    CHECK(table.rows() == 2);
    CHECK(table.text(0, table.column("name")) == "a, \"b\"\nc");
    CHECK(table.number(1, table.column("value")) == 1.0 / 3);
  }
}

TEST_CASE("packed pictures of every version are read") {
  for (const fs::path& folder : versions()) {
    CAPTURE(folder.string());
    for (const std::string name : {"pictures.pack", "pixels.pack", "shards"}) {
      CAPTURE(name);
      const auto data = data::read_packed(folder / name);
      CHECK(data.class_names == std::vector<std::string>{"joy", "fear"});
      REQUIRE(data.size() == 2);
      const auto& sample = data.samples[1];
      CHECK(sample.name == "fear/1");
      CHECK(sample.label == 1);
      CHECK(sample.subject == "S1");
      CHECK(sample.split == "test");
      CHECK(sample.votes == std::vector<double>{0.25, 0.75});
      REQUIRE(sample.affect);
      CHECK(sample.affect->valence == -0.5);
      CHECK(sample.affect->arousal == 0.25);
      REQUIRE(sample.frames.size() == 2);
      CHECK(data::read_frame(sample, 1).pixels == stored_picture().pixels);
      CHECK(data.samples[0].label == 0);
      CHECK_FALSE(data.samples[0].affect);
    }
    // The first sample's shard is full with it.
    CHECK(data::read_packed(folder / "shards/shard-00001.pack").samples.at(0).name == "joy/0");
    CHECK(data::read_packed(folder / "shards/shard-00002.pack").samples.at(0).name == "fear/1");
  }
}

TEST_CASE("searches of every version are resumed") {
  for (const fs::path& folder : versions()) {
    CAPTURE(folder.string());
    const Files files(folder);
    const search::Journal journal(files / "trials.jsonl", stored_space(), {{"metric", "loss"}}, true);
    REQUIRE(journal.trials().size() == 2);
    const search::Trial& trial = journal.trials()[0];
    CHECK(trial.point == stored_point);
    CHECK(trial.state == search::TrialState::finished);
    CHECK(trial.value == 0.25);
    CHECK(trial.seconds == 12.5);
    CHECK(trial.steps == std::vector<std::pair<Index, double>>{{1, 1.0 / 3}});
    CHECK(journal.trials()[1].state == search::TrialState::failed);
    CHECK(journal.trials()[1].error == "exit code 1");
  }
}

// Run once a version, by its name: `test_train_stored_files --no-skip --test-case="the files of this version are
// written"`.
TEST_CASE("the files of this version are written" * doctest::skip()) {
  const fs::path folder = fs::path(MIEN_TEST_DATA_DIR) / "files" / std::string(version());
  REQUIRE_MESSAGE(!fs::exists(folder), "files that others wrote are not written again");
  fs::create_directories(folder);

  Training training;
  io::save(training.network, folder / "model.safetensors", {.metadata = {{"class_names", R"(["joy","fear"])"}}});

  training.average.update();
  training.adam.set_state(stored_optimiser(training));
  for (int i = 0; i < 12; ++i) training.schedule.step();
  training.scale.set_state({{"scale", 1024}, {"finite_steps", 3}});
  training.generator.set_state({5, ~std::uint64_t{0}, 123456789});
  train::Checkpoints checkpoints(folder / "checkpoints", options);
  training.add_to(checkpoints);
  fill(training.network, 20);
  checkpoints.save_best(stored_state());
  fill(training.network, 7);
  checkpoints.save_last(stored_state());

  stored_state().history.save(folder / "history.csv");
  io::write_npy(folder / "array.npy", counted({2, 3}, 1));
  io::CsvWriter table({"name", "value"});
  table.row("a, \"b\"\nc", 1);
  table.row("d", 1.0 / 3);
  table.write(folder / "table.csv");

  const TemporaryFolder pictures;
  io::write_png(pictures / "0.png", io::Image(1, 1, 1));
  io::write_png(pictures / "1.png", stored_picture());
  const data::FrameSequences set{.samples = {{.name = "joy/0", .label = 0, .frames = {pictures / "0.png"}},
                                             {.name = "fear/1",
                                              .label = 1,
                                              .subject = "S1",
                                              .split = "test",
                                              .frames = {pictures / "0.png", pictures / "1.png"},
                                              .votes = {0.25, 0.75},
                                              .affect = data::Affect{-0.5, 0.25}}},
                                 .class_names = {"joy", "fear"}};
  data::write_packed(folder / "pictures.pack", set);
  data::write_packed(folder / "pixels.pack", set, {.form = data::PackedForm::pixels});
  data::write_packed(folder / "shards", set, {.form = data::PackedForm::pixels, .shard_bytes = 1});

  search::Journal journal(folder / "trials.jsonl", stored_space(), {{"metric", "loss"}}, false);
  journal.begin(stored_point);
  journal.add_step(1, 1, 1.0 / 3);
  journal.finish(1, 0.25, 12.5);
  journal.begin(stored_point);
  journal.fail_trial(2, "exit code 1", 0.5);
}
