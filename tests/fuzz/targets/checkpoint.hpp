#pragma once

#include <mien/nn/linear.hpp>
#include <mien/optim/adam.hpp>
#include <mien/train/checkpoint.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// A small training, and where its checkpoints are.
struct SmallTraining {
  SmallTraining() {
    checkpoints.add_model("model", layer);
    checkpoints.add_optimiser("optimiser", adam);
    checkpoints.add_schedule("schedule", schedule);
    checkpoints.add_generator("noise", generator);
  }

  MemoryFolder folder;
  nn::Linear<float> layer{{.in = 3, .out = 2}};
  optim::Adam<float> adam{layer.parameters(), {.learning_rate = 0.01}};
  optim::ReduceOnPlateau schedule{0.01, {.factor = 0.5, .patience = 0}};
  Generator generator{1, 7};
  train::Checkpoints checkpoints{folder.path(), {.settings = {{"batch", "7"}}, .class_names = {"joy", "fear"}}};
};

/// The same tensors and texts under the checksum that they should have, so that a changed file gets further.
inline std::vector<std::byte> with_right_checksum(Bytes bytes) {
  const auto file = io::Safetensors::parse(copy_of(bytes));
  io::SafetensorsWriter writer;
  std::map<std::string, std::uint32_t> sums;
  for (const std::string& name : file.names()) {
    writer.add(name, file.type(name), file.shape(name), copy_of(file.data(name)));
    sums[name] = train::detail::CheckpointWriter::sum_of(name, file.data(name));
  }
  io::Metadata texts = file.metadata();
  texts.erase("checksum");
  writer.set_metadata(texts);
  writer.set_metadata("checksum", train::detail::CheckpointWriter::combined(sums, texts));
  return writer.serialize();
}

/// A checkpoint that a training is resumed from.
inline const Target checkpoint_target{
    [](Bytes bytes) {
      static SmallTraining training;
      training.folder.write("last.safetensors", with_right_checksum(bytes));
      if (!training.checkpoints.resume()) throw std::logic_error("a checkpoint that is there was not seen");
    },
    [] {
      SmallTraining training;
      train::TrainingState state{.epoch = 3, .batch = 17, .best_epoch = 2, .best_metric = 0.1, .sums = {{"loss", 0.5}}};
      state.history.add(1, {{"loss", 0.7}});
      training.checkpoints.save_last(state);
      return std::vector{io::read_text(training.checkpoints.last_file())};
    },
    {"\"state\"",     "\"sums\"",        "\"history\"",   "\"parts\"",          "\"settings\"",        "\"classes\"",
     "\"writer\"",    "\\\"epoch\\\"",   "\\\"batch\\\"", "\\\"best_epoch\\\"", "\\\"best_metric\\\"", "\\\"nan\\\"",
     "\\\"inf\\\"",   "\\\"-1\\\"",      "\\\"1e300\\\"", "model.weight",       "model.bias",          "optimiser.",
     "epoch,loss\\n", "\\\"counter\\\"", "\\\"seed\\\""}};

}  // namespace mien::fuzzing
