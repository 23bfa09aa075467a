/// Looks into files of weights and makes others of them: ours, PyTorch's and timm's.
///
///     mien-weights inspect resnet18.pth
///     mien-weights convert resnet18.pth resnet18.safetensors
///     mien-weights rename vit.pth vit.safetensors --from timm-vit
///     mien-weights compare before.safetensors after.safetensors
///     mien-weights average mean.safetensors fold1.safetensors fold2.safetensors
///     mien-weights onnx face.safetensors face.onnx
///     mien-weights import-yunet face_detection_yunet_2023mar.onnx face_detector.safetensors
///     mien-weights import-expression face_expression_model-weights_manifest.json face_expression.safetensors

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/face.hpp"
#include "common/gesture.hpp"
#include "common/image.hpp"
#include "common/keypoints.hpp"
#include "common/program.hpp"
#include "common/ready_weights.hpp"
#include "mien/io/model_file.hpp"
#include "mien/io/onnx.hpp"

namespace {

using namespace mien;
using namespace mien::examples;
namespace fs = std::filesystem;
using mien::detail::text;

/// "1.5 MB"
std::string size_text(std::uint64_t bytes) {
  static constexpr const char* units[] = {"bytes", "kB", "MB", "GB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1000 && unit + 1 < std::size(units); ++unit) size /= 1000;
  char out[32];
  std::snprintf(out, sizeof out, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
  return out;
}

/// A file that will be written must not be one that was read, unless that is wanted.
void require_other_file(const fs::path& out, const std::vector<std::string>& inputs, bool force) {
  for (const fs::path input : inputs) {
    std::error_code ignored;
    if (!force && fs::equivalent(out, input, ignored))
      throw FileError(out.string(), "", "the name of an input", "another one, or --force");
  }
}

// --- inspect ---------------------------------------------------------------------------------------------------------

void inspect(const std::string& path, bool json) {
  const io::StoredTensors file = io::read_weights(path);
  std::uint64_t numbers = 0;
  std::uint64_t bytes = 0;
  Json tensors = Json::array();
  for (const std::string& name : file.names()) {
    const Shape& shape = file.shape(name);
    numbers += static_cast<std::uint64_t>(shape.elements());
    bytes += file.data(name).size();
    tensors.push_back({{"name", name},
                       {"shape", std::vector<Index>(shape.begin(), shape.end())},
                       {"type", io::element_name(file.type(name))},
                       {"bytes", file.data(name).size()}});
  }
  const auto looks_like = io::architecture_of(file.names());
  if (json) {
    std::cout << Json{{"tensors", tensors},
                      {"metadata", file.metadata()},
                      {"count", file.names().size()},
                      {"numbers", numbers},
                      {"bytes", bytes},
                      {"looks_like", looks_like}}
                     .dump(2)
              << "\n";
    return;
  }
  for (const std::string& name : file.names())
    std::cout << name << "  " << io::element_name(file.type(name)) << " " << file.shape(name).to_string() << "  "
              << size_text(file.data(name).size()) << "\n";
  for (const auto& [key, value] : file.metadata()) std::cout << "metadata " << key << ": " << value << "\n";
  std::cout << file.names().size() << " tensors, " << numbers << " numbers, " << size_text(bytes);
  if (!looks_like.empty()) std::cout << ", looks like " << looks_like;
  std::cout << "\n";
}

// --- compare ---------------------------------------------------------------------------------------------------------

struct Difference {
  double absolute = 0;
  double relative = 0;  ///< of the greatest finite number
};

/// Numbers of which one is not finite, and that are not the same, differ by infinity.
Difference difference_of(const Tensor<double>& a, const Tensor<double>& b) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Difference out;
  double greatest = 0;
  for (std::size_t i = 0; i < a.span().size(); ++i) {
    const double left = a.span()[i];
    const double right = b.span()[i];
    if (std::isfinite(left)) greatest = std::max(greatest, std::abs(left));
    if (left == right || (std::isnan(left) && std::isnan(right))) continue;
    const bool finite = std::isfinite(left) && std::isfinite(right);
    out.absolute = std::max(out.absolute, finite ? std::abs(left - right) : infinity);
  }
  if (out.absolute > 0) out.relative = greatest > 0 ? out.absolute / greatest : infinity;
  return out;
}

/// What differs between two files.
struct Comparison {
  Json only_first = Json::array();
  Json only_second = Json::array();
  Json different = Json::array();
  std::size_t equal = 0;

  bool differs() const { return !only_first.empty() || !only_second.empty() || !different.empty(); }
};

/// What differs between two tensors of one name; no more than the name if nothing does.
Json compared(const std::string& name, const io::StoredTensors& a, const io::StoredTensors& b, double tolerance) {
  Json entry{{"name", name}};
  if (a.shape(name) != b.shape(name)) {
    entry["shapes"] = {a.shape(name).to_string(), b.shape(name).to_string()};
    return entry;
  }
  const Difference found = difference_of(a.tensor<double>(name), b.tensor<double>(name));
  if (a.type(name) != b.type(name)) entry["types"] = {io::element_name(a.type(name)), io::element_name(b.type(name))};
  if (found.relative > tolerance) {
    entry["absolute"] = found.absolute;
    entry["relative"] = found.relative;
  }
  return entry;
}

Comparison compared(const io::StoredTensors& a, const io::StoredTensors& b, double tolerance) {
  Comparison out;
  for (const std::string& name : b.names())
    if (!a.contains(name)) out.only_second.push_back(name);
  for (const std::string& name : a.names()) {
    if (!b.contains(name)) {
      out.only_first.push_back(name);
      continue;
    }
    const Json entry = compared(name, a, b, tolerance);
    if (entry.size() == 1)
      ++out.equal;
    else
      out.different.push_back(entry);
  }
  return out;
}

void print(const Comparison& found, const std::string& first, const std::string& second) {
  for (const auto& name : found.only_first) std::cout << "only in " << first << ": " << name.get<std::string>() << "\n";
  for (const auto& name : found.only_second)
    std::cout << "only in " << second << ": " << name.get<std::string>() << "\n";
  for (const auto& entry : found.different) {
    std::cout << entry["name"].get<std::string>() << ":";
    for (const char* const what : {"shapes", "types"})
      if (entry.contains(what))
        std::cout << " " << entry[what][0].get<std::string>() << " and " << entry[what][1].get<std::string>();
    if (entry.contains("absolute"))
      std::cout << " differs by " << text(entry["absolute"].get<double>()) << ", "
                << text(entry["relative"].get<double>()) << " of the largest";
    std::cout << "\n";
  }
  std::cout << found.equal << " tensors are equal"
            << (found.different.empty() ? "" : text(", ", found.different.size(), " differ")) << "\n";
}

/// Prints what differs; returns whether anything does.
bool compare(const std::string& first, const std::string& second, double tolerance, bool json) {
  const Comparison found = compared(io::read_weights(first), io::read_weights(second), tolerance);
  if (json)
    std::cout << Json{{"only_in_first", found.only_first},
                      {"only_in_second", found.only_second},
                      {"different", found.different},
                      {"equal", found.equal}}
                     .dump(2)
              << "\n";
  else
    print(found, first, second);
  return found.differs();
}

// --- convert and rename ----------------------------------------------------------------------------------------------

template <class Number>
std::vector<std::byte> as_bytes(const std::vector<Number>& numbers) {
  std::vector<std::byte> out(numbers.size() * sizeof(Number));
  if (!numbers.empty()) std::memcpy(out.data(), numbers.data(), out.size());
  return out;
}

/// Throws FileError for a finite number that would become infinite.
template <class Number>
std::vector<std::byte> converted(const Tensor<float>& values, const std::string& path, const std::string& name,
                                 float largest) {
  std::vector<Number> out;
  out.reserve(values.span().size());
  for (const float value : values.span()) {
    out.push_back(static_cast<Number>(value));
    if (std::isfinite(value) && !std::isfinite(static_cast<float>(out.back())))
      throw FileError(path, text("tensor `", name, "`, element ", out.size() - 1), text(value),
                      text("at most ", largest));
  }
  return as_bytes(out);
}

/// Adds a tensor, its numbers as `type` if they are floating-point numbers. `path` is where they are from, for errors.
void add_as(io::SafetensorsWriter& writer, const std::string& name, const Tensor<float>& values, io::ElementType type,
            const std::string& path) {
  switch (type) {
    case io::ElementType::float16:
      writer.add(name, type, values.shape(), converted<float16>(values, path, name, 65504));
      return;
    case io::ElementType::bfloat16:
      writer.add(name, type, values.shape(), converted<bfloat16>(values, path, name, 0x1.fep127F));
      return;
    default:
      writer.add(name, values);
  }
}

void add_copy(io::SafetensorsWriter& writer, const std::string& name, const io::StoredTensors& file,
              const std::string& stored) {
  const auto bytes = file.data(stored);
  writer.add(name, file.type(stored), file.shape(stored), {bytes.begin(), bytes.end()});
}

const std::map<std::string, io::ElementType>& convertible_types() {
  static const std::map<std::string, io::ElementType> types{{"float32", io::ElementType::float32},
                                                            {"float16", io::ElementType::float16},
                                                            {"bfloat16", io::ElementType::bfloat16}};
  return types;
}

/// The tensors of a file, but those of its self-check where a model's numbers change: it would fail with others.
std::vector<std::string> without_self_check(const io::StoredTensors& file) {
  std::vector<std::string> names = file.names();
  const auto is_check = [](const std::string& name) {
    return name == io::detail::check_input_name || name == io::detail::check_output_name;
  };
  if (std::erase_if(names, is_check) > 0)
    std::cerr << "the self-check is left out: it holds for the numbers that were read, not for those written\n";
  return names;
}

void convert(const std::string& in, const std::string& out, const std::string& type) {
  const io::StoredTensors file = io::read_weights(in);
  const auto changes = [&](const std::string& name) {
    return !type.empty() && io::is_floating_point(file.type(name)) && file.type(name) != convertible_types().at(type);
  };
  const bool any_changes = std::any_of(file.names().begin(), file.names().end(), changes);
  io::SafetensorsWriter writer;
  writer.set_metadata(file.metadata());
  for (const std::string& name : any_changes ? without_self_check(file) : file.names()) {
    if (changes(name))
      add_as(writer, name, file.tensor<float>(name), convertible_types().at(type), in);
    else
      add_copy(writer, name, file, name);
  }
  writer.write(out);
}

const io::NameFamily* family_of(const std::string& word) {
  for (const io::NameFamily& family : io::name_families)
    if (family.name == word) return &family;
  return nullptr;
}

struct RenameOptions {
  std::vector<std::string> from;
  std::string to;
  std::vector<std::string> maps;
};

/// The name that a tensor gets.
std::string renamed(std::string name, const RenameOptions& options) {
  for (const std::string& word : options.from)
    name = word == "strip-prefix" ? io::without_prefixes(name) : io::translated(name, *family_of(word));
  if (!options.to.empty()) name = io::translated_back(name, *family_of(options.to));
  for (const std::string& map : options.maps) {
    const std::size_t equals = map.find('=');
    const io::NameRename rule{std::string_view(map).substr(0, equals), std::string_view(map).substr(equals + 1)};
    name = io::translated(name, {"", std::span(&rule, 1)});
  }
  return name;
}

void rename_file(const std::string& in, const std::string& out, const RenameOptions& options) {
  for (const std::string& map : options.maps) {
    const std::size_t equals = map.find('=');
    const auto stars = [](std::string_view words) { return std::count(words.begin(), words.end(), '*'); };
    if (equals == map.npos ||
        stars(std::string_view(map).substr(0, equals)) != stars(std::string_view(map).substr(equals + 1)))
      throw UsageError("--map " + map + ": not old=new, with as many stars on both sides");
  }
  const io::StoredTensors file = io::read_weights(in);
  io::SafetensorsWriter writer;
  writer.set_metadata(file.metadata());
  std::map<std::string, std::string> taken;
  std::size_t changed = 0;
  for (const std::string& name : file.names()) {
    const std::string next = renamed(name, options);
    const auto [other, is_new] = taken.emplace(next, name);
    if (!is_new) throw FileError(in, "", text(other->second, " and ", name, ", both renamed to ", next), "other rules");
    add_copy(writer, next, file, name);
    if (next != name) ++changed;
  }
  writer.write(out);
  std::cerr << changed << " of " << file.names().size() << " tensors were renamed\n";
}

// --- average ---------------------------------------------------------------------------------------------------------

/// One for each input, in sum 1.
std::vector<double> shares_of(std::vector<double> weights, std::size_t inputs) {
  if (weights.empty()) weights.assign(inputs, 1);
  if (weights.size() != inputs) throw UsageError("--weights: one for each input");
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (!(total > 0) || !std::isfinite(total) || *std::min_element(weights.begin(), weights.end()) < 0)
    throw UsageError("--weights: numbers from 0 on, one of them positive");
  for (double& weight : weights) weight /= total;
  return weights;
}

/// Throws FileError unless the files have the same tensors.
void require_same_tensors(const std::vector<io::StoredTensors>& files, const std::vector<std::string>& inputs) {
  const io::StoredTensors& first = files.front();
  for (std::size_t i = 1; i < files.size(); ++i) {
    for (const std::string& name : files[i].names())
      if (!first.contains(name))
        throw FileError(inputs[i], "", text("tensor `", name, "`"), text("only those of ", inputs[0]));
    for (const std::string& name : first.names())
      if (files[i].shape(name) != first.shape(name))
        throw FileError(inputs[i], text("tensor `", name, "`"), files[i].shape(name).to_string(),
                        first.shape(name).to_string());
  }
}

/// Throws FileError unless the files say the same of the model that they are of.
void require_same_model(const std::vector<io::StoredTensors>& files, const std::vector<std::string>& inputs) {
  const auto told = [](const io::StoredTensors& file, const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string("nothing") : found->second;
  };
  for (std::size_t i = 1; i < files.size(); ++i)
    for (const char* const key : {"model", "class_names", "options"})
      if (told(files[i], key) != told(files.front(), key))
        throw FileError(inputs[i], text("__metadata__: ", key), told(files[i], key),
                        text(told(files.front(), key), ", as in ", inputs.front()));
}

/// The weighted mean of all floating-point tensors; others, and metadata, are the first file's.
void average(const std::string& out, const std::vector<std::string>& inputs, const std::vector<double>& weights) {
  const std::vector<double> shares = shares_of(weights, inputs.size());
  std::vector<io::StoredTensors> files;
  for (const std::string& input : inputs) files.push_back(io::read_weights(input));
  require_same_tensors(files, inputs);
  require_same_model(files, inputs);
  const io::StoredTensors& first = files.front();
  io::SafetensorsWriter writer;
  writer.set_metadata(first.metadata());
  for (const std::string& name : without_self_check(first)) {
    if (!io::is_floating_point(first.type(name))) {
      add_copy(writer, name, first, name);
      continue;
    }
    Tensor<double> mean = Tensor<double>::zeros(first.shape(name));
    for (std::size_t i = 0; i < files.size(); ++i) {
      const Tensor<double> values = files[i].tensor<double>(name);
      for (std::size_t k = 0; k < mean.span().size(); ++k) mean.span()[k] += shares[i] * values.span()[k];
    }
    if (first.type(name) == io::ElementType::float64)
      writer.add(name, mean);
    else
      add_as(writer, name, mean.cast<float>(), first.type(name), "the mean");
  }
  writer.write(out);
}

// --- onnx ------------------------------------------------------------------------------------------------------------

using Inputs = std::vector<Variable<float>>;
using Outputs = io::OnnxOutputs<float>;

void export_gestures(const std::string& path, const std::string& out, const io::Metadata& metadata) {
  auto model = load_gesture_model<Cpu>(path);
  const auto& form = model.options;
  model.network.evaluate();
  const Tensor<float> example({2, form.representation.size, form.representation.size, form.network.joints}, 0.5F);
  io::save_onnx(model.network, out, {{"maps", example}},
                [&](const Inputs& inputs) {
                  const Variable<float> logits = model.network(inputs[0]);
                  return Outputs{{"logits", logits}, {"probabilities", softmax(logits)}};
                },
                {.graph_name = "accm", .metadata = metadata});
}

void export_faces(const std::string& path, const std::string& out, const io::Metadata& metadata) {
  auto model = load_face_model<Cpu>(path);
  const auto& form = model.options;
  model.network.evaluate();
  const Tensor<float> example({2, form.clips, form.frames, form.frame.side, form.frame.side, form.frame.channels},
                              0.5F);
  io::save_onnx(model.network, out, {{"frames", example}},
                [&](const Inputs& inputs) {
                  const auto output = model.network(inputs[0]);
                  const Variable<float> emotion =
                      output.video ? models::video_emotion(output.clip_logits, output.video->e1, output.video->e2)
                                   : softmax(mean_of_positions(output.clip_logits));
                  return Outputs{{"clip_logits", output.clip_logits}, {"probabilities", emotion}};
                },
                {.graph_name = "sistcm_resnet18", .metadata = metadata});
}

/// Of classes, of valence and arousal, or of both.
Outputs outputs_of(const Output<Cpu>& output) {
  Outputs out;
  if (output.logits) out = {{"logits", *output.logits}, {"probabilities", softmax(*output.logits)}};
  if (output.affect) out.push_back({"valence_arousal", *output.affect});
  return out;
}

void export_images(const std::string& path, const std::string& out, const io::Metadata& metadata) {
  auto model = load_image_model<Cpu>(path);
  const auto& form = model.options;
  model.network.evaluate();
  const Tensor<float> example({2, form.pictures, form.frame.side, form.frame.side, form.frame.channels}, 0.5F);
  io::save_onnx(model.network, out, {{"pictures", example}},
                [&](const Inputs& inputs) { return outputs_of(model.network(inputs[0])); },
                {.graph_name = form.model, .metadata = metadata});
}

void export_keypoints(const std::string& path, const std::string& out, const io::Metadata& metadata) {
  auto model = load_keypoint_model<Cpu>(path);
  const auto& form = model.options;
  model.network.evaluate();
  const Tensor<float> example({2, form.frames, form.joints, 3}, 0.5F);
  io::save_onnx(model.network, out, {{"keypoints", example}},
                [&](const Inputs& inputs) { return outputs_of(model.network(inputs[0], true)); },
                {.graph_name = "keypoints", .metadata = metadata});
}

/// A model that one of the training programs saved.
void export_onnx(const std::string& path, const std::string& out) {
  static const std::map<std::string, void (*)(const std::string&, const std::string&, const io::Metadata&)> kinds{
      {"accm", export_gestures},
      {"sistcm_resnet18", export_faces},
      {"image", export_images},
      {"keypoints", export_keypoints}};
  const io::Metadata metadata = io::read_safetensors(path).metadata();
  const auto model = metadata.find("model");
  const auto kind = model == metadata.end() ? kinds.end() : kinds.find(model->second);
  if (kind == kinds.end())
    throw FileError(path, "__metadata__", model == metadata.end() ? "no `model`" : text("model `", model->second, "`"),
                    "a model `accm`, `sistcm_resnet18`, `image` or `keypoints` that a training program saved");
  kind->second(path, out, metadata);
}

// --- the command line ------------------------------------------------------------------------------------------------

struct Arguments {
  std::string in;
  std::string second;
  std::string out;
  std::vector<std::string> inputs;
  bool force = false;
  double tolerance = 0;
  std::string type;
  RenameOptions renames;
  std::vector<double> weights;
};

CLI::App& add_command(CLI::App& app, const char* name, const char* words, Arguments& arguments) {
  CLI::App& command = *app.add_subcommand(name, words);
  command.add_option("IN", arguments.in, "file that is read")->required();
  command.add_option("OUT", arguments.out, "file that is written")->required();
  command.add_flag("--force", arguments.force, "writes even over an input");
  return command;
}

CLI::App& add_inspect(CLI::App& app, Arguments& arguments) {
  CLI::App& command = *app.add_subcommand("inspect", "lists names, types, shapes, sizes and metadata");
  command.add_option("FILE", arguments.in, "file that is read")->required();
  return command;
}

CLI::App& add_compare(CLI::App& app, Arguments& arguments) {
  CLI::App& command = *app.add_subcommand("compare", "tells where two files differ; ends with 1 if they do");
  command.add_option("A", arguments.in, "one file")->required();
  command.add_option("B", arguments.second, "the other")->required();
  command.add_option("--tolerance", arguments.tolerance, "relative differences up to this one are none")
      ->check(examples::not_negative);
  return command;
}

CLI::App& add_convert(CLI::App& app, Arguments& arguments) {
  CLI::App& command = add_command(app, "convert", "writes a .safetensors file, also of PyTorch's archives", arguments);
  std::vector<std::string> types;
  for (const auto& [word, unused] : convertible_types()) types.push_back(word);
  command
      .add_option("--type", arguments.type,
                  "of all floating-point numbers; theirs unless given. Numbers that it cannot hold are an error")
      ->check(CLI::IsMember(types));
  return command;
}

CLI::App& add_rename(CLI::App& app, Arguments& arguments) {
  CLI::App& command = add_command(app, "rename", "gives tensors other names", arguments);
  RenameOptions& renames = arguments.renames;
  std::vector<std::string> families;
  for (const io::NameFamily& family : io::name_families) families.emplace_back(family.name);
  command.add_option("--to", renames.to, "our names become this family's")->check(CLI::IsMember(families));
  families.emplace_back("strip-prefix");
  command
      .add_option("--from", renames.from, "names of this family become ours; strip-prefix takes module. and so on away")
      ->check(CLI::IsMember(families));
  command.add_option("--map", renames.maps,
                     "old=new; * stands for a part of a name, and a dot at the end for all that follows");
  return command;
}

CLI::App& add_average(CLI::App& app, Arguments& arguments) {
  CLI::App& command = *app.add_subcommand("average", "writes the mean of several files of one model");
  command.add_option("OUT", arguments.out, "file that is written")->required();
  command.add_option("IN", arguments.inputs, "files that are read")->required();
  command.add_option("--weights", arguments.weights, "of the inputs, as in 1,2; equal unless given")->delimiter(',');
  command.add_flag("--force", arguments.force, "writes even over an input");
  return command;
}

}  // namespace

int main(int count, char** words) {
  Program program("Looks into files of weights (.safetensors, .pt, .pth), and makes others of them.", {});
  program.end_at_signals();
  CLI::App& app = program.app();
  app.require_subcommand(1);
  app.fallthrough();
  for (const char* const unused : {"--seed", "--threads", "--precision", "--work-dir", "--resume", "--dry-run"})
    app.get_option(unused)->group("");

  Arguments arguments;
  const CLI::App& inspecting = add_inspect(app, arguments);
  const CLI::App& comparing = add_compare(app, arguments);
  const CLI::App& converting = add_convert(app, arguments);
  const CLI::App& renaming = add_rename(app, arguments);
  const CLI::App& averaging = add_average(app, arguments);
  const CLI::App& exporting =
      add_command(app, "onnx", "writes a model of our training programs for ONNX Runtime", arguments);

  const CLI::App& importing_yunet = add_command(
      app, "import-yunet", "writes the face detector's weights, from the ONNX file of OpenCV's model zoo", arguments);
  const CLI::App& importing_expression = add_command(
      app, "import-expression", "writes the expression network's weights, from face-api.js's manifest", arguments);

  bool differs = false;
  const int code = program.run(count, words, [&] {
    const auto& [in, second, out, inputs, force, tolerance, type, renames, weights] = arguments;
    const bool json = program.common().json;
    if (program.common().dry_run)
      throw UsageError("--dry-run: inspect and compare write nothing, the others only write");
    if (!averaging.parsed()) arguments.inputs = {in};
    if (!inspecting.parsed() && !comparing.parsed()) require_other_file(out, inputs, force);
    if (inspecting.parsed()) inspect(in, json);
    if (comparing.parsed()) differs = compare(in, second, tolerance, json);
    if (converting.parsed()) convert(in, out, type);
    if (renaming.parsed()) rename_file(in, out, renames);
    if (averaging.parsed()) average(out, inputs, weights);
    if (exporting.parsed()) export_onnx(in, out);
    if (importing_yunet.parsed()) import_yunet(in, out);
    if (importing_expression.parsed()) import_expression_network(in, out);
  });
  return code == success && differs ? failure : code;
}
