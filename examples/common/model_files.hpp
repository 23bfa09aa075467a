#pragma once

/// Model files of any network: saved with all that is needed to use it on any device, and a self-check.

#include <exception>
#include <filesystem>
#include <string>
#include <utility>

#include "mien/core/precision.hpp"
#include "mien/core/random.hpp"
#include "mien/io/model_file.hpp"
#include "model_metadata.hpp"

namespace mien::examples {

/// A `Model` has a `network`, and `check_output(model, input)` what the file is checked with. The input is of this
/// shape, random numbers in [low, 1]; the output is as exact as can be, since the file may be read on another device
/// and with another precision.
template <class Model, class CheckOutput>
void save_model(Model& model, const std::filesystem::path& path, io::Metadata metadata, const Shape& input_shape,
                double low, const CheckOutput& check_output) {
  Tensor<float> input(input_shape);
  Generator(1).fill_uniform(input, low, 1);
  const PrecisionScope exact(Precision::highest);
  io::save(model.network, path,
           {.metadata = std::move(metadata), .check_input = input, .check_output = check_output(model, input)});
}

/// Of a file that says that it is of this kind; `form_of(options, path, classes)` is what the model is made of. Throws
/// FileError for a file that is none of ours, or damaged.
template <class Model, class FormOf, class CheckOutput>
Model load_model(const std::filesystem::path& path, const char* kind, const FormOf& form_of,
                 const CheckOutput& check_output) {
  const io::Safetensors file = io::read_safetensors(path);
  const std::string name = path.string();
  const Json stored = model_options(file.metadata(), name, kind);
  require_bounds(stored, name);
  const auto class_names = model_class_names(file.metadata(), name);
  const auto form = form_of(stored, name, static_cast<Index>(class_names.size()));
  Model model = [&] {
    try {
      return Model(form, class_names);
    } catch (const std::exception& error) {
      throw FileError(name, "__metadata__: options", error.what(), "a form that the network can have");
    }
  }();
  const PrecisionScope exact(Precision::highest);
  io::load_from(model.network, file, name,
                {.self_check = [&](const Tensor<float>& input) { return check_output(model, input); }});
  return model;
}

}  // namespace mien::examples
