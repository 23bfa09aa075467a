#pragma once

/// Networks as ONNX files, for ONNX Runtime and whatever else reads them: operators of the standard set alone, version
/// 17, and a batch of any size.
///
///     model.evaluate();
///     io::save_onnx(model, "gesture.onnx", {{"maps", example}},
///                   [&](const auto& inputs) { return io::OnnxOutputs<float>{{"logits", model(inputs[0])}}; });
///
/// Nothing describes a network a second time: it runs, on the example and on another one of another batch, and every
/// operation says what it does (autograd/trace.hpp). What differs between the two runs is the batch's extent. Inputs
/// and outputs have the library's own axes, channels last; inside, convolutions have ONNX's.

#include <array>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "mien/autograd/variable.hpp"
#include "mien/io/detail/onnx_translator.hpp"
#include "mien/io/detail/recorded_trace.hpp"
#include "mien/io/file.hpp"
#include "mien/nn/module.hpp"

namespace mien::io {

/// What goes in: its first axis is the batch.
template <class T>
struct OnnxInput {
  std::string name;
  Tensor<T> example;
};

template <class T>
struct OnnxOutput {
  std::string name;
  Variable<T> value;
};
template <class T>
using OnnxOutputs = std::vector<OnnxOutput<T>>;

struct OnnxOptions {
  std::string graph_name = "mien";
  /// Text beside the graph.
  std::map<std::string, std::string> metadata = {};
};

namespace detail {

/// Protobuf's own limit of a message.
inline constexpr std::size_t max_onnx_bytes = std::size_t{2} << 30;

/// Another example, of one sample more, and with another number in every place: what does not change with it does not
/// depend on it.
template <class T>
Tensor<T> another_example(const Tensor<T>& example) {
  Tensor<T> out(example.shape().with(0, example.size(0) + 1));
  const Tensor<T> source = example.contiguous();
  const Index count = source.elements();
  for (Index i = 0; i < out.elements(); ++i) {
    const T number = source.data()[(i * 7 + 3) % count] * static_cast<T>(0.75) + static_cast<T>(0.0625) +
                     static_cast<T>(0.03125) * static_cast<T>(i % 5);
    out.data()[i] = number == source.data()[i % count] ? number + static_cast<T>(0.5) : number;
  }
  return out;
}

}  // namespace detail

/// Writes a network as an ONNX file, whole or not at all (see `write_file`). `run(inputs)` computes it: from a variable
/// for each input, in their order, to named outputs. It runs twice, with other numbers and another batch the second
/// time, and has to do the same both times. Numbers are floats in the file, whatever T is.
///
/// Throws ValueError for a network that is training, an example without a sample, no outputs, names that are empty or
/// come twice, a network that does something else the second time, and an operation that has no form in ONNX here,
/// which is named; FileError if the file cannot be written.
template <class Module, class Run>
void save_onnx(Module& module, const std::filesystem::path& path,
               const std::vector<OnnxInput<typename Module::Element>>& inputs, const Run& run,
               const OnnxOptions& options = {}) {
  using T = typename Module::Element;
  if (module.is_training()) throw ValueError("io::save_onnx: the network is training; evaluate() it first");
  if (inputs.empty()) throw ValueError("io::save_onnx: a network needs an input");
  const NoGradient not_recorded;
  std::array<detail::RecordedTrace, 2> traces;
  std::vector<std::size_t> input_values;
  std::array<std::vector<std::pair<std::string, std::size_t>>, 2> outputs;
  for (std::size_t i = 0; i < traces.size(); ++i) {
    std::vector<Variable<T>> examples;
    input_values.clear();
    for (const auto& [name, example] : inputs) {
      if (example.rank() == 0 || example.empty())
        throw ValueError(mien::detail::text("io::save_onnx: example `", name, "` ", example.shape(), " has no sample"));
      examples.emplace_back(i == 0 ? example.clone() : detail::another_example(example));
      input_values.push_back(traces[i].number_of(examples.back().value()));
    }
    const trace::Listening listening(traces[i]);
    for (const auto& [name, value] : run(examples)) outputs[i].emplace_back(name, traces[i].number_of(value.value()));
  }
  if (outputs[0].empty()) throw ValueError("io::save_onnx: a network needs an output");
  if (outputs[0] != outputs[1])
    throw ValueError("io::save_onnx: the network does something else for another batch: it has other outputs");
  std::map<const void*, std::string> names;
  for (const auto& parameter : module.named_parameters()) names[parameter.variable.value().data()] = parameter.name;
  for (const auto& buffer : module.named_buffers()) names[buffer.tensor.data()] = buffer.name;
  detail::OnnxTranslator translator(traces[0], traces[1], std::move(names));
  for (std::size_t i = 0; i < inputs.size(); ++i) translator.add_input(inputs[i].name, input_values[i]);
  translator.translate(outputs[0]);
  const std::string bytes = translator.serialize(options.graph_name, options.metadata);
  if (bytes.size() >= detail::max_onnx_bytes)
    throw ValueError(mien::detail::text("io::save_onnx: ", bytes.size(), " bytes are more than an ONNX file may have"));
  write_file(path, bytes);
}

}  // namespace mien::io
