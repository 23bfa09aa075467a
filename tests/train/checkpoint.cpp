#include <mien/autograd/arithmetic.hpp>
#include <mien/nn/batch_norm.hpp>
#include <mien/nn/linear.hpp>
#include <mien/optim/adam.hpp>
#include <mien/optim/sgd.hpp>
#include <mien/train/checkpoint.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"
#include "unprivileged.hpp"

using namespace mien;
using namespace mien::train;
namespace fs = std::filesystem;

namespace {

struct Network : nn::Module<Network, float> {
  explicit Network(Index width = 5) : fc({.in = 3, .out = width}), norm(width) {}
  Variable<float> operator()(const Variable<float>& x) { return norm(fc(x)); }
  void visit(auto&& child) {
    child("fc", fc);
    child("norm", norm);
  }
  nn::Linear<float> fc;
  nn::BatchNorm<float> norm;
};

/// Everything that a training has, made from a seed.
struct Training {
  explicit Training(std::uint64_t seed, Index width = 5) : network((set_seed(seed), width)), generator(seed, 7) {}

  void step() {
    Tensor<float> x({7, 3});
    generator.fill_normal(x, 0, 1);
    adam.zero_grad();
    const Variable<float> y = network(x);
    backward(sum(y * y * y));
    adam.step();
    schedule.step(generator.uniform());
    schedule.apply_to(adam);
  }

  void add_to(Checkpoints& checkpoints) {
    checkpoints.add_model("model", network);
    checkpoints.add_optimiser("optimiser", adam);
    checkpoints.add_schedule("schedule", schedule);
    checkpoints.add_generator("noise", generator);
  }

  /// All numbers of the training, as the bytes of a file.
  std::vector<std::byte> bytes() {
    const TemporaryFolder folder;
    Checkpoints checkpoints(folder / "made with the first file");
    add_to(checkpoints);
    checkpoints.save_last({});
    return io::read_file(checkpoints.last_file());
  }

  Network network;
  optim::Adam<float> adam = optim::Adam<float>(network.parameters(), {.learning_rate = 0.01});
  optim::ReduceOnPlateau schedule{0.01, {.factor = 0.5, .patience = 0}};
  Generator generator;
};

TrainingState some_state(Index epoch = 3) {
  TrainingState state{.epoch = epoch,
                      .batch = 17,
                      .best_epoch = 2,
                      .best_metric = 0.1,
                      .epochs_without_improvement = 1,
                      .sums = {{"loss", 1.0 / 3}, {"samples", 31}}};
  state.history.add(1, {{"loss", 0.7}});
  return state;
}

void flip_a_bit(const std::filesystem::path& path, std::size_t from_the_end) {
  std::vector<std::byte> bytes = io::read_file(path);
  bytes[bytes.size() - from_the_end] ^= std::byte{1};
  io::write_file(path, bytes);
}

/// The number of a process that has ended.
pid_t process_that_is_gone() {
  const pid_t process = ::fork();
  REQUIRE(process >= 0);
  if (process == 0) ::_exit(0);
  REQUIRE(::waitpid(process, nullptr, 0) == process);
  return process;
}

}  // namespace

TEST_CASE("a training that is taken up again goes on with the same bits") {
  const TemporaryFolder folder;
  Training first(1);
  for (int i = 0; i < 5; ++i) first.step();
  {
    Checkpoints checkpoints(folder.path(), {.settings = {{"batch", "7"}}, .class_names = {"joy", "fear"}});
    first.add_to(checkpoints);
    checkpoints.save_last(some_state());
  }
  for (int i = 0; i < 5; ++i) first.step();

  Training second(2);
  Checkpoints checkpoints(folder.path(), {.settings = {{"batch", "7"}}, .class_names = {"joy", "fear"}});
  second.add_to(checkpoints);
  const auto resumed = checkpoints.resume();
  REQUIRE(resumed);
  CHECK(resumed->state == some_state());
  CHECK(resumed->file == checkpoints.last_file());
  CHECK(resumed->notes.empty());
  for (int i = 0; i < 5; ++i) second.step();
  CHECK(first.bytes() == second.bytes());
}

TEST_CASE("values that JSON cannot hold come back too") {
  const TemporaryFolder folder;
  Training first(1);  // its schedule has seen nothing yet: the best value is infinite
  REQUIRE(first.schedule.best() == std::numeric_limits<double>::infinity());
  Checkpoints checkpoints(folder.path());
  first.add_to(checkpoints);
  first.generator.set_state({~std::uint64_t{0}, ~std::uint64_t{0} - 1, ~std::uint64_t{0} - 2});
  const Generator::State state = first.generator.state();
  checkpoints.save_last({});
  first.schedule.step(1);
  first.generator.bits();
  REQUIRE(checkpoints.resume());
  CHECK(first.schedule.best() == std::numeric_limits<double>::infinity());
  CHECK(first.generator.state() == state);
}

TEST_CASE("without a file there is nothing to resume, without a folder nothing is written") {
  const TemporaryFolder folder;
  Training training(1);
  Checkpoints checkpoints(folder / "none yet");
  training.add_to(checkpoints);
  CHECK(!checkpoints.resume());
  CHECK(!checkpoints.load_best());
  CHECK(!std::filesystem::exists(checkpoints.folder()));

  Checkpoints in_memory;
  training.add_to(in_memory);
  in_memory.save_last(some_state());
  CHECK(!in_memory.resume());
  CHECK(!in_memory.load_best());
  const auto before = training.bytes();
  in_memory.save_best(some_state());
  const float weight = training.network.fc.weight.value()(0, 0);
  training.step();
  REQUIRE(training.network.fc.weight.value()(0, 0) != weight);
  CHECK(in_memory.load_best() == some_state());
  CHECK(training.network.fc.weight.value()(0, 0) == weight);
  CHECK(training.bytes() != before);  // the optimiser has gone on
}

TEST_CASE("the file before the last is kept, and taken where the last one is damaged") {
  const TemporaryFolder folder;
  Training training(1);
  Checkpoints checkpoints(folder.path());
  training.add_to(checkpoints);
  checkpoints.save_last(some_state(1));
  CHECK(!std::filesystem::exists(checkpoints.previous_file()));
  training.step();
  checkpoints.save_last(some_state(2));
  const auto second = io::read_file(checkpoints.last_file());
  const auto second_bytes = training.bytes();
  training.step();
  checkpoints.save_last(some_state(3));
  CHECK(io::read_file(checkpoints.previous_file()) == second);

  SUBCASE("a bit of a weight") { flip_a_bit(checkpoints.last_file(), 1); }
  SUBCASE("cut off") {
    auto bytes = io::read_file(checkpoints.last_file());
    bytes.resize(bytes.size() / 2);
    io::write_file(checkpoints.last_file(), bytes);
  }
  SUBCASE("empty") { io::write_file(checkpoints.last_file(), ""); }
  SUBCASE("another number in the metadata") {
    std::string bytes = io::read_text(checkpoints.last_file());
    const std::size_t place = bytes.find("epoch,loss\\n1,0.7");
    REQUIRE(place != std::string::npos);
    bytes[place + 16] = '8';
    io::write_file(checkpoints.last_file(), bytes);
  }
  const auto resumed = checkpoints.resume();
  REQUIRE(resumed);
  CHECK(resumed->state.epoch == 2);
  CHECK(resumed->file == checkpoints.previous_file());
  REQUIRE(resumed->notes.size() == 1);
  CHECK(contains(resumed->notes[0], "last.safetensors"));
  CHECK(contains(resumed->notes[0], "going on from " + checkpoints.previous_file().string()));
  CHECK(training.bytes() == second_bytes);

  // The damaged file does not push the good one out.
  checkpoints.save_last(some_state(3));
  CHECK(io::read_file(checkpoints.previous_file()) == second);
  CHECK(checkpoints.resume()->state.epoch == 3);
}

TEST_CASE("as many checkpoints are kept as are asked for, and the newest sound one is taken") {
  const TemporaryFolder folder;
  Training training(1);
  const auto exists = [&](const char* name) { return std::filesystem::exists(folder / name); };
  Checkpoints checkpoints(folder.path(), {.keep = 4});
  training.add_to(checkpoints);
  for (Index epoch = 1; epoch <= 6; ++epoch) {
    training.step();
    checkpoints.save_last(some_state(epoch));
    CHECK(exists("previous-2.safetensors") == (epoch > 2));
    CHECK(exists("previous-3.safetensors") == (epoch > 3));
    CHECK_FALSE(exists("previous-4.safetensors"));
  }
  flip_a_bit(checkpoints.last_file(), 1);
  CHECK(checkpoints.resume()->state.epoch == 5);
  flip_a_bit(checkpoints.previous_file(), 1);
  std::filesystem::remove(checkpoints.earlier_file(2));
  const auto resumed = checkpoints.resume();
  REQUIRE(resumed);
  CHECK(resumed->state.epoch == 3);
  REQUIRE(resumed->notes.size() == 1);
  for (const char* words : {"last.safetensors: ", "previous.safetensors: ", "going on from", "previous-3.safetensors"})
    CHECK(contains(resumed->notes[0], words));

  // Whoever asks for fewer finds the older ones all the same, and has them removed when the next is written.
  Checkpoints fewer(folder.path(), {.keep = 1});
  training.add_to(fewer);
  CHECK(fewer.resume()->state.epoch == 3);
  fewer.save_last(some_state(4));
  CHECK(exists("previous-3.safetensors"));
  fewer.save_last(some_state(5));
  for (const char* name : {"previous.safetensors", "previous-2.safetensors", "previous-3.safetensors"})
    CHECK_FALSE(exists(name));
  CHECK(fewer.resume()->state.epoch == 5);
  CHECK_THROWS_AS(Checkpoints(folder.path(), {.keep = 0}), ValueError);
}

TEST_CASE("what a killed process left half written is removed, and nothing else") {
  const TemporaryFolder folder;
  const std::string abandoned = ".mien-" + std::to_string(process_that_is_gone()) + "-0.tmp";
  const std::string at_work = ".mien-" + std::to_string(::getpid()) + "-987654.tmp";
  for (const std::string& name : {abandoned, at_work, std::string(".mien-notes.tmp"), std::string("notes.tmp")})
    io::write_file(folder / name, "half of a check");
  Training training(1);
  Checkpoints checkpoints(folder.path());
  training.add_to(checkpoints);
  checkpoints.save_last(some_state(1));
  CHECK_FALSE(std::filesystem::exists(folder / abandoned));
  for (const std::string& name : {at_work, std::string(".mien-notes.tmp"), std::string("notes.tmp")})
    CHECK(std::filesystem::exists(folder / name));
}

TEST_CASE("whoever resumes removes what was left half written, too") {
  const TemporaryFolder folder;
  const std::string abandoned = ".mien-" + std::to_string(process_that_is_gone()) + "-0.tmp";
  io::write_file(folder / abandoned, "half of a check");
  Training training(1);
  Checkpoints checkpoints(folder.path());
  training.add_to(checkpoints);
  CHECK_FALSE(checkpoints.resume());
  CHECK_FALSE(std::filesystem::exists(folder / abandoned));
}

TEST_CASE("a process that was killed while two names had one file leaves nothing behind") {
  const TemporaryFolder folder;
  Training training(1);
  Checkpoints checkpoints(folder.path());
  training.add_to(checkpoints);
  checkpoints.save_last(some_state(1));
  std::filesystem::create_hard_link(checkpoints.last_file(), checkpoints.previous_file());
  checkpoints.save_last(some_state(2));
  CHECK(io::names_in_folder(folder.path()).size() == 2);
  CHECK(checkpoints.resume()->state.epoch == 2);
  std::filesystem::remove(checkpoints.last_file());
  CHECK(checkpoints.resume()->state.epoch == 1);
}

TEST_CASE("files whose names are only like those of checkpoints are none, and stay") {
  const TemporaryFolder folder;
  Training training(1);
  Checkpoints checkpoints(folder.path(), {.keep = 1});
  training.add_to(checkpoints);
  const std::vector<std::string> others{"previous-1.safetensors",     "previous-0.safetensors",
                                        "previous-3x.safetensors",    "previous-.safetensors",
                                        "my previous-3.safetensors",  "previously3.safetensors",
                                        "previous-3.safetensors.bak", "previous-3_safetensors.old"};
  for (const std::string& name : others) io::write_file(folder / name, "something else");
  CHECK_FALSE(checkpoints.resume());
  for (const Index epoch : {1, 2}) checkpoints.save_last(some_state(epoch));
  CHECK(checkpoints.resume()->notes.empty());
  for (const std::string& name : others) CHECK_MESSAGE(io::read_text(folder / name) == "something else", name);
}

TEST_CASE("a checkpoint of another version of the library is taken, with a note of who wrote it") {
  const TemporaryFolder folder;
  Training training(1);
  Checkpoints checkpoints(folder.path());
  training.add_to(checkpoints);
  checkpoints.save_last(some_state(4));
  const io::Safetensors file = io::read_safetensors(checkpoints.last_file());
  train::detail::CheckpointWriter other;
  for (const std::string& name : file.names()) other.add(name, file.tensor<float>(name));
  for (const auto& [key, value] : file.metadata())
    if (key != "checksum") other.set(key, key == "writer" ? "mien 0.0.7" : value);
  io::write_file(checkpoints.last_file(), other.serialize());
  const auto resumed = checkpoints.resume();
  REQUIRE(resumed);
  CHECK(resumed->state.epoch == 4);
  CHECK(resumed->notes ==
        std::vector<std::string>{checkpoints.last_file().string() + " was written by mien 0.0.7, this is mien " +
                                 std::string(version()) + "; results may differ in the last digits"});
}

TEST_CASE("a folder that may not be written keeps its checkpoints; one that may not be entered is no empty one") {
  const TemporaryFolder folder;
  Training training(1);
  Checkpoints checkpoints(folder / "work");
  training.add_to(checkpoints);
  checkpoints.save_last(some_state(1));
  checkpoints.save_last(some_state(2));
  checkpoints.save_best(some_state(2));
  const auto contents = [&] {
    std::map<std::string, std::vector<std::byte>> out;
    for (const std::string& name : io::names_in_folder(folder / "work"))
      out[name] = io::read_file(folder / "work" / name);
    return out;
  };
  const auto before = contents();
  {
    const Permissions readable(folder / "work", 0555);
    for (const bool best : {false, true}) {
      const std::string said = without_privileges([&] {
        return message_of<FileError>(
            [&] { best ? checkpoints.save_best(some_state(3)) : checkpoints.save_last(some_state(3)); });
      });
      CAPTURE(said);
      CHECK(contains(said, best ? "best.safetensors: " : ".safetensors: "));
      CHECK(contains(said, "found Permission denied, expected a place that can be written"));
    }
    CHECK(without_privileges([&] { return std::to_string(checkpoints.resume()->state.epoch); }) == "2");
  }
  CHECK(contents() == before);

  const Permissions closed(folder.path(), 0);
  const std::string said = without_privileges([&] { return message_of<FileError>([&] { checkpoints.resume(); }); });
  CAPTURE(said);
  CHECK(contains(said, "work: found Permission denied, expected a folder that can be read"));
}

TEST_CASE("what has the name of a checkpoint and is no file is told before training, and nobody waits for a pipe") {
  const TemporaryFolder folder;
  const auto refusal = [&](const char* name, bool as_pipe) {
    const fs::path work = folder / (std::string(as_pipe ? "pipe " : "folder ") + name);
    fs::create_directories(work);
    const fs::path path = work / name;
    if (as_pipe) REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    if (!as_pipe) fs::create_directory(path);
    const std::string said = message_of<FileError>([&] { Checkpoints(work, {.keep = 3}).require_places(); });
    return said.starts_with(path.string()) ? said.substr(path.string().size()) : said;
  };
  for (const char* const name : {"last.safetensors", "previous.safetensors", "previous-2.safetensors",
                                 "previous-7.safetensors", "best.safetensors"}) {
    CAPTURE(name);
    CHECK(refusal(name, false) == ": found a folder, expected a regular file or a new name");
    CHECK(refusal(name, true) == ": found a pipe, expected a regular file or a new name");
  }
  CHECK(refusal("previous-x.safetensors", false) == "nothing thrown");
  CHECK_NOTHROW(Checkpoints(folder / "not there").require_places());
  CHECK_NOTHROW(Checkpoints().require_places());

  // A link to a file, and a file, may stay.
  Training training(1);
  Checkpoints checkpoints(folder.path());
  training.add_to(checkpoints);
  checkpoints.save_last(some_state());
  fs::create_symlink("last.safetensors", checkpoints.best_file());
  CHECK_NOTHROW(checkpoints.require_places());
}

TEST_CASE("a last file that is gone is no loss, two damaged ones are an error") {
  const TemporaryFolder folder;
  Training training(1);
  Checkpoints checkpoints(folder.path());
  training.add_to(checkpoints);
  checkpoints.save_last(some_state(1));
  checkpoints.save_last(some_state(2));
  std::filesystem::remove(checkpoints.last_file());
  CHECK(checkpoints.resume()->state.epoch == 1);
  io::write_file(checkpoints.last_file(), "no checkpoint");
  flip_a_bit(checkpoints.previous_file(), 1);
  const auto before = training.bytes();
  const std::string message = message_of<Error>([&] { checkpoints.resume(); });
  CHECK(contains(message, "last.safetensors"));
  CHECK(contains(message, "previous.safetensors"));
  CHECK(contains(message, "damaged"));
  CHECK(training.bytes() == before);
}

TEST_CASE("other settings, classes or parts are refused by name, and change nothing") {
  const TemporaryFolder folder;
  Training first(1);
  Checkpoints saved(folder.path(), {.settings = {{"rate", "0.1"}, {"batch", "8"}}, .class_names = {"joy", "fear"}});
  first.add_to(saved);
  saved.save_last(some_state());

  Training second(2);
  const auto before = second.bytes();
  Checkpoints other(folder.path(), {.settings = {{"rate", "0.2"}, {"side", "64"}}, .class_names = {"fear", "joy"}});
  second.add_to(other);
  CHECK_THROWS_AS(other.resume(), ValueError);
  const std::string message = message_of<Error>([&] { other.resume(); });
  CHECK(contains(message, "batch 8, now not set; rate 0.1, now 0.2; side not set, now 64"));
  CHECK(contains(message, "classes [\"joy\",\"fear\"], now [\"fear\",\"joy\"]"));
  CHECK(second.bytes() == before);

  Checkpoints fewer(folder.path(), saved.options());
  fewer.add_model("model", second.network);
  CHECK(contains(message_of<Error>([&] { fewer.resume(); }), "parts model optimiser schedule noise, now model"));
}

TEST_CASE("a checkpoint of another network or optimiser changes nothing") {
  const TemporaryFolder folder;
  Training first(1, 5);
  first.step();
  Checkpoints saved(folder.path());
  first.add_to(saved);
  saved.save_last(some_state());

  Training wide(2, 6);
  Checkpoints other(folder.path());
  wide.add_to(other);
  const auto before = wide.bytes();
  CHECK(contains(message_of<Error>([&] { other.resume(); }), "model.fc.weight: found [5, 3], expected [6, 3]"));
  CHECK(wide.bytes() == before);

  // The network fits and is taken over first; the optimiser does not fit, so the network must be put back.
  Training same(3, 5);
  optim::Sgd<float> sgd(same.network.parameters(), {.learning_rate = 0.1, .momentum = 0.9});
  Checkpoints mixed(folder.path());
  mixed.add_model("model", same.network);
  mixed.add_optimiser("optimiser", sgd);
  mixed.add_schedule("schedule", same.schedule);
  mixed.add_generator("noise", same.generator);
  const auto same_before = same.bytes();
  CHECK_THROWS_AS(mixed.resume(), FileError);
  CHECK(same.bytes() == same_before);
}

TEST_CASE("the best networks are a file of their own that io::load can read") {
  const TemporaryFolder folder;
  Training training(1);
  Checkpoints checkpoints(folder.path());
  training.add_to(checkpoints);
  checkpoints.save_best(some_state());
  const auto before = training.bytes();
  const float weight = training.network.fc.weight.value()(2, 1);

  Network other;
  io::load(other, checkpoints.best_file(), {.rename = {{"model.", ""}}});
  CHECK(other.fc.weight.value()(2, 1) == weight);

  training.step();
  CHECK(checkpoints.load_best() == some_state());
  CHECK(training.network.fc.weight.value()(2, 1) == weight);
  CHECK(training.bytes() != before);

  flip_a_bit(checkpoints.best_file(), 1);
  CHECK_THROWS_AS(checkpoints.load_best(), FileError);
}

TEST_CASE("names that would run into each other are refused") {
  Training training(1);
  Checkpoints checkpoints;
  checkpoints.add_model("model", training.network);
  for (const char* name : {"model", "", "a.b", "state", "settings"})
    CHECK_THROWS_AS(checkpoints.add_model(name, training.network), ValueError);
  const TemporaryFolder folder;
  Checkpoints not_text(folder.path(), {.settings = {{"name", "\xFF"}}});
  CHECK_THROWS_AS(not_text.save_last({}), ValueError);
}
