#include "ready_weights.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "mien/core/precision.hpp"
#include "mien/core/random.hpp"
#include "mien/data/emotion.hpp"
#include "mien/io/json.hpp"
#include "mien/io/model_file.hpp"
#include "mien/io/onnx_file.hpp"
#include "mien/models/expression_network.hpp"
#include "mien/models/yunet.hpp"

namespace mien::examples {
namespace {

using mien::detail::text;
namespace fs = std::filesystem;

/// Tensors by their names in our files, and in the order of our files' axes.
using NamedTensors = std::map<std::string, Tensor<float>>;

/// Fills the network, and saves it with what it makes of random numbers from [low, high]. `source` is named in errors.
template <class Network, class Run>
void save_network(Network& network, const NamedTensors& tensors, const std::string& source, const std::string& out,
                  io::Metadata metadata, const Shape& input_shape, double low, double high, const Run& run) {
  io::SafetensorsWriter writer;
  for (const auto& [name, tensor] : tensors) writer.add(name, tensor);
  io::load_from(network, io::Safetensors::parse(writer.serialize(), source), source, {.known_names = false});
  network.evaluate();
  const PrecisionScope exact(Precision::highest);
  const NoGradient not_recorded;
  Tensor<float> input(input_shape);
  Generator(1).fill_uniform(input, low, high);
  io::save(network, out, {.metadata = std::move(metadata), .check_input = input, .check_output = run(input)});
}

// --- YuNet -----------------------------------------------------------------------------------------------------------

/// The convolutions in the order in which the file computes them.
std::vector<std::string> yunet_convolutions() {
  std::vector<std::string> out{"backbone.model0.conv1"};
  const auto add_unit = [&out](const std::string& unit) {
    out.push_back(unit + ".conv1");
    out.push_back(unit + ".conv2");
  };
  add_unit("backbone.model0.conv2");
  for (int stage = 1; stage <= 5; ++stage)
    for (const char* const unit : {".conv1", ".conv2"}) add_unit(text("backbone.model", stage, unit));
  for (const int level : {2, 1, 0}) add_unit(text("neck.lateral_convs.", level));
  for (const char* const what : {"cls", "bbox", "obj", "kps"})
    for (int level = 0; level < 3; ++level) add_unit(text("bbox_head.multi_level_", what, ".", level));
  return out;
}

/// Where batch norm was made part of a convolution, the file has lost its name and has a number instead. So a
/// convolution is known by its place, and a name that is there has to be the right one.
Tensor<float> yunet_parameter(const io::OnnxFile& file, const std::string& path, const std::string& stored,
                              const std::string& name) {
  const bool is_number = stored.find_first_not_of("0123456789") == stored.npos;
  if (!is_number && stored != name)
    throw FileError(path, "graph", text("initialiser `", stored, "`"), text("`", name, "` in its place"));
  return file.tensor<float>(stored);
}

// --- the expression network
// -------------------------------------------------------------------------------------------

/// The classes of face-api.js as ours.
constexpr std::array face_api_classes{data::Emotion::neutral, data::Emotion::happiness, data::Emotion::sadness,
                                      data::Emotion::anger,   data::Emotion::fear,      data::Emotion::disgust,
                                      data::Emotion::surprise};

/// A manifest of TensorFlow.js: a list of groups of tensors that lie one after the other in the files of the group.
/// Numbers of one byte stand for number * scale + min.
class WeightManifest {
 public:
  explicit WeightManifest(std::string path) : path_(std::move(path)) {
    const nlohmann::json groups = io::parse_json(io::read_text(path_, most_bytes), path_);
    try {
      for (const auto& group : groups) read_group(group);
    } catch (const nlohmann::json::exception& error) {
      throw FileError(path_, "", error.what(), "a manifest of weights for TensorFlow.js");
    }
  }

  /// In the file's own order of axes, and taken out. Throws FileError unless it is there, with so many axes.
  Tensor<float> take(const std::string& name, Index rank) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) throw FileError(path_, "", text("no tensor `", name, "`"), "the expression network");
    if (found->second.rank() != rank)
      throw FileError(path_, text("tensor `", name, "`"), found->second.shape().to_string(), text(rank, " axes"));
    Tensor<float> out = found->second;
    tensors_.erase(found);
    return out;
  }

  void require_all_taken() const {
    if (!tensors_.empty())
      throw FileError(path_, text("tensor `", tensors_.begin()->first, "`"), "one more",
                      "the expression network's alone");
  }

 private:
  static constexpr std::uint64_t most_bytes = std::uint64_t{1} << 28;

  void read_group(const nlohmann::json& group) {
    std::vector<std::byte> bytes;
    for (const auto& name : group.at("paths")) {
      const fs::path file = name.get<std::string>();
      if (file.empty() || file != file.filename()) throw FileError(path_, "paths", file.string(), "the name of a file");
      const std::vector<std::byte> part = io::read_file(fs::path(path_).parent_path() / file, most_bytes);
      bytes.insert(bytes.end(), part.begin(), part.end());
    }
    std::size_t reached = 0;
    for (const auto& weight : group.at("weights")) read_tensor(weight, bytes, reached);
    if (reached != bytes.size())
      throw FileError(path_, "weights", text("tensors of ", reached, " bytes"), text("all ", bytes.size(), " bytes"));
  }

  void read_tensor(const nlohmann::json& weight, const std::vector<std::byte>& bytes, std::size_t& reached) {
    const auto name = weight.at("name").get<std::string>();
    const Shape shape = shape_of(weight.at("shape"), name);
    const bool quantised = weight.contains("quantization");
    const std::string type = (quantised ? weight.at("quantization") : weight).at("dtype").get<std::string>();
    if (type != (quantised ? "uint8" : "float32"))
      throw FileError(path_, text("tensor `", name, "`"), text("numbers of ", type), "float32, or uint8 with a scale");
    const auto count = static_cast<std::size_t>(shape.elements());
    const std::size_t size = quantised ? count : count * sizeof(float);
    if (size > bytes.size() - reached)
      throw FileError(path_, text("tensor `", name, "`"), text(bytes.size() - reached, " bytes"), text(size));
    Tensor<float> values(shape);
    if (quantised) {
      const auto scale = weight.at("quantization").at("scale").get<double>();
      const auto least = weight.at("quantization").at("min").get<double>();
      for (std::size_t i = 0; i < count; ++i)
        values.data()[i] = static_cast<float>(std::to_integer<int>(bytes[reached + i]) * scale + least);
    } else if (size > 0) {
      std::memcpy(values.data(), bytes.data() + reached, size);
    }
    reached += size;
    if (!tensors_.emplace(name, std::move(values)).second)
      throw FileError(path_, text("tensor `", name, "`"), "a second one", "one");
  }

  Shape shape_of(const nlohmann::json& extents, const std::string& name) const {
    try {
      Shape shape;
      // What is no integer is no extent either.
      for (const auto& extent : extents) shape.append(io::json_integer(extent).value_or(-1));
      return shape;
    } catch (const ShapeError& error) {
      throw FileError(path_, text("tensor `", name, "`"), error.what(), "a shape");
    }
  }

  std::string path_;
  std::map<std::string, Tensor<float>> tensors_;
};

/// Rows in the order of data::Emotion. Throws FileError unless there is one for each class.
Tensor<float> rows_by_emotion(const Tensor<float>& rows, const std::string& path) {
  if (rows.size(0) != static_cast<Index>(face_api_classes.size()))
    throw FileError(path, "fc", rows.shape().to_string(), text(face_api_classes.size(), " classes"));
  Tensor<float> out(rows.shape());
  for (std::size_t i = 0; i < face_api_classes.size(); ++i)
    out.select(0, static_cast<Index>(face_api_classes[i])).copy_from(rows.select(0, static_cast<Index>(i)));
  return out;
}

}  // namespace

void import_yunet(const std::string& onnx, const std::string& out) {
  const io::OnnxFile file = io::read_onnx(onnx);
  std::vector<io::OnnxNode> convolutions;
  for (const io::OnnxNode& node : file.nodes())
    if (node.operation == "Conv") convolutions.push_back(node);
  const std::vector<std::string> names = yunet_convolutions();
  if (convolutions.size() != names.size())
    throw FileError(onnx, "graph", text(convolutions.size(), " convolutions"), text("YuNet's ", names.size()));
  NamedTensors tensors;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& inputs = convolutions[i].inputs;
    if (inputs.size() != 3)
      throw FileError(onnx, text("convolution ", i), text(inputs.size(), " inputs"), "a map, a weight and a bias");
    tensors[names[i] + ".weight"] = yunet_parameter(file, onnx, inputs[1], names[i] + ".weight");
    tensors[names[i] + ".bias"] = yunet_parameter(file, onnx, inputs[2], names[i] + ".bias");
  }
  models::YuNet<float> network;
  save_network(network, tensors, onnx, out,
               {{"model", "yunet"},
                {"licence", "MIT, Copyright (c) 2020 Shiqi Yu"},
                {"source", "face_detection_yunet_2023mar.onnx of OpenCV Zoo"}},
               {1, 32, 64, 3}, 0, 255, [&](const Tensor<float>& input) { return network.cells(input).value(); });
}

void import_expression_network(const std::string& manifest, const std::string& out) {
  WeightManifest file(manifest);
  NamedTensors tensors;
  const auto kernel = [&file](const std::string& name) { return file.take(name, 4).permute({3, 2, 0, 1}); };
  for (int block = 0; block < 4; ++block)
    for (int i = 0; i < 4; ++i) {
      const std::string from = text("dense", block, "/conv", i, "/");
      const std::string to = text("dense", block, ".conv", i, ".");
      if (block == 0 && i == 0) {
        tensors[to + "weight"] = kernel(from + "filters");
        tensors[to + "bias"] = file.take(from + "bias", 1);
        continue;
      }
      // [height, width, channels, 1]: each channel makes one.
      tensors[to + "depthwise.weight"] = file.take(from + "depthwise_filter", 4).permute({2, 3, 0, 1});
      tensors[to + "pointwise.weight"] = kernel(from + "pointwise_filter");
      tensors[to + "pointwise.bias"] = file.take(from + "bias", 1);
    }
  tensors["fc.weight"] = rows_by_emotion(file.take("fc/weights", 2).permute({1, 0}).contiguous(), manifest);
  tensors["fc.bias"] = rows_by_emotion(file.take("fc/bias", 1).view({-1, 1}), manifest).view({-1});
  file.require_all_taken();
  models::ExpressionNetwork<float> network;
  nlohmann::json classes(data::emotion_class_names());
  save_network(network, tensors, manifest, out,
               {{"model", "expression_network"},
                {"class_names", classes.dump()},
                {"licence", "MIT, Copyright (c) 2018 Vincent Mühler"},
                {"source", "face_expression_model of face-api.js"}},
               {1, 32, 48, 3}, -0.5, 0.5, [&](const Tensor<float>& input) { return network(input).value(); });
}

}  // namespace mien::examples
