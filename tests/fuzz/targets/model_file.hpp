#pragma once

#include <mien/io/model_file.hpp>
#include <mien/nn/linear.hpp>

#include "fuzz/target.hpp"
#include "io/stored_zip.hpp"

namespace mien::fuzzing {

/// Weights of either format for a small layer, by strict rules and by lax ones.
inline const Target model_file_target{
    [](Bytes bytes) {
      static nn::Linear<float> layer({.in = 3, .out = 2});
      const MemoryFile file(bytes);
      const auto lax = io::load(layer, file.path(), {.strict = false, .rename = {{"fc.", ""}}});
      static_cast<void>(lax.to_string());
      static_cast<void>(io::load(layer, file.path()));
    },
    [] {
      const MemoryFolder folder;
      nn::Linear<float> layer({.in = 3, .out = 2});
      io::save(layer, folder.path() / "weights.safetensors");
      return std::vector{io::read_text(folder.path() / "weights.safetensors")};
    },
    {"\"weight\"", "\"bias\"", "\"fc.weight\"", "\"module.weight\"", "\"num_batches_tracked\"", "\"self_check.input\"",
     "\"self_check.output\"", "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"", "\"F16\"", "\"F64\"",
     "\"I64\"", "[2,3]", "[2]"}};

}  // namespace mien::fuzzing
