#pragma once

// What tests of ONNX files share.

#include <mien/io/onnx.hpp>
#include <mien/io/safetensors.hpp>

#include <string>
#include <utility>
#include <vector>

#include "io/temporary_folder.hpp"
#include "python.hpp"
#include "random_tensor.hpp"

namespace testing {

using namespace mien;
using Inputs = std::vector<Variable<float>>;
using Outputs = io::OnnxOutputs<float>;

/// Running statistics and weights that are none of their starts.
template <class Module>
void randomise(Module& module) {
  Generator generator(3);
  for (auto& parameter : module.parameters()) {
    Tensor<float> noise(parameter.shape());
    generator.fill_normal(noise, 0, 0.2);
    parameter.value().copy_from(ops::add(parameter.value().contiguous(), noise));
  }
  for (auto& buffer : module.named_buffers()) {
    const bool is_mean = buffer.name.ends_with("running_mean");
    generator.fill_uniform(buffer.tensor, is_mean ? -0.2 : 0.5, is_mean ? 0.2 : 1.5);
  }
  module.evaluate();
}

/// Writes models, and what they compute for two batches, into a folder where Python finds them.
class Gallery {
 public:
  template <class Module, class Run>
  void add(const std::string& name, Module& module, const std::vector<std::pair<std::string, Shape>>& inputs,
           const Run& run) {
    randomise(module);
    std::vector<io::OnnxInput<float>> examples;
    for (const auto& [input, shape] : inputs) examples.push_back({input, random<float>(shape, 7)});
    io::save_onnx(module, folder_ / (name + ".onnx"), examples, run);
    const NoGradient not_recorded;
    io::SafetensorsWriter writer;
    for (const Index batch : {1, 5}) {
      Inputs values;
      for (const auto& [input, shape] : inputs) {
        values.emplace_back(random<float>(shape.with(0, batch), 8));
        writer.add(std::to_string(batch) + "." + input, values.back().value());
      }
      for (const auto& [output, value] : run(values)) writer.add(std::to_string(batch) + "." + output, value.value());
    }
    writer.write(folder_ / (name + ".safetensors"));
  }

  bool agrees() const {
    return python_succeeds("'" MIEN_SOURCE_DIR "/tests/io/check_onnx.py' '" + folder_.path().string() + "'");
  }

 private:
  TemporaryFolder folder_;
};

template <class Model>
auto single(Model& model) {
  return [&model](const Inputs& inputs) { return Outputs{{"logits", model(inputs[0])}}; };
}

}  // namespace testing
