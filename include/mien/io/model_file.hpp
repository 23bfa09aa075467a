#pragma once

/// Models as files: parameters and buffers under their names, in PyTorch's axis order, so that files of other programs
/// load and ours load there. Written are .safetensors, read those and PyTorch's own .pt and .pth.
///
///     io::save(face, "face.safetensors", {.metadata = {{"classes", "joy,fear"}}});
///     io::load(face, "face.safetensors");
///     io::load(face, "resnet18.pth", {.allow_head_mismatch = true, .allow_missing = {"layer*.*.conv2.fc."}});

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mien/io/pytorch_archive.hpp"
#include "mien/io/safetensors.hpp"
#include "mien/io/weight_names.hpp"
#include "mien/nn/module.hpp"
#include "mien/version.hpp"

namespace mien::io {

template <class T>
struct SaveOptions {
  Metadata metadata = {};
  /// A small input and what the model in evaluation makes of it, kept as they are in memory, so that whoever loads the
  /// file can see that the model computes the same; see `LoadOptions::self_check`. Both or neither.
  Tensor<T> check_input = {};
  Tensor<T> check_output = {};
};

/// Names in the file that begin with `from` are read as if they began with `to`. {"module.", ""} takes a prefix away,
/// {"", "backbone."} puts one before every name.
struct PrefixRename {
  std::string from = {};
  std::string to = {};
};

template <class T>
struct LoadOptions {
  /// Whatever is missing in the file, or is in the file but not in the model, is an error.
  bool strict = true;
  /// For each name the first rule that fits.
  std::vector<PrefixRename> rename = {};
  /// Where names do not fit as they are, those that others give to the same networks are tried: see weight_names.hpp.
  /// The report says which were.
  bool known_names = true;
  /// Beginnings of names, such as "fc.", of a head that may be of another shape in the file, or missing. Such
  /// parameters stay as they are and are listed in the report.
  std::vector<std::string> allow_other_head = {};
  /// The same for "fc.", "classifier.", "head." and "heads.", whichever the model has.
  bool allow_head_mismatch = false;
  /// Patterns (see `NameRename`) of what may be missing in the file, and stays as it is.
  std::vector<std::string> allow_missing = {};
  /// Runs the model, in evaluation, on the input that the file carries; what comes out must be the output that the file
  /// carries, up to `tolerance` times the greatest of its values. Files without a check pass.
  std::function<Tensor<T>(const Tensor<T>& input)> self_check = {};
  double tolerance = 1e-4;
};

/// A parameter whose shape in the file is not the model's, both in the file's axis order.
struct ReshapedParameter {
  std::string name;
  Shape file;
  Shape model;
};

/// Numbers that are no parameters: integers and truths.
struct ForeignType {
  std::string name;
  ElementType file;
};

/// What came of a load.
struct LoadReport {
  std::vector<std::string> loaded;
  std::vector<std::string> missing;     ///< in the model, not in the file; kept as they were
  std::vector<std::string> unexpected;  ///< in the file, not in the model
  std::vector<ReshapedParameter> reshaped;
  std::vector<ForeignType> foreign;  ///< only in what an error says
  std::vector<std::string> heads;    ///< beginnings of the names of heads that stayed as they were
  NameTranslation translation;       ///< by which the file's names were read
  bool self_checked = false;
  Metadata metadata;

  /// The lists of what does not fit, each with its first names; empty if all fits.
  std::string to_string() const {
    std::vector<std::string> shapes;
    for (const auto& [name, file, model] : reshaped)
      shapes.push_back(mien::detail::text(name, " ", file, " instead of ", model));
    std::vector<std::string> types;
    for (const auto& [name, file] : foreign)
      types.push_back(mien::detail::text(name, " ", element_name(file), " instead of floating-point numbers"));
    return listed("missing in the file", missing) + listed("unexpected in the file", unexpected) +
           listed("of another shape in the file", shapes) + listed("of another type in the file", types) +
           listed("left as they were, heads", heads);
  }

 private:
  static std::string listed(const char* what, const std::vector<std::string>& names) {
    constexpr std::size_t most = 8;
    if (names.empty()) return "";
    std::string out = mien::detail::text("\n  ", what, " (", names.size(), "): ");
    for (std::size_t i = 0; i < std::min(most, names.size()); ++i) out += (i > 0 ? ", " : "") + names[i];
    return names.size() > most ? out + ", ..." : out;
  }
};

namespace detail {

inline constexpr std::string_view check_input_name = "self_check.input";
inline constexpr std::string_view check_output_name = "self_check.output";

/// A parameter or buffer by its name in files, seen in the files' axis order; shares the module's memory.
template <class T, class Device>
struct NamedTensor {
  std::string name;
  Tensor<T, Device> tensor;
};

/// [height, width, in, out] as [out, in, height, width].
template <class T, class Device>
Tensor<T, Device> in_file_order(const Tensor<T, Device>& tensor, nn::ParameterLayout layout) {
  return layout == nn::ParameterLayout::convolution ? tensor.permute({3, 2, 0, 1}) : tensor;
}

template <class Module>
std::vector<NamedTensor<typename Module::Element, typename Module::Device>> named_tensors(Module& module) {
  std::vector<NamedTensor<typename Module::Element, typename Module::Device>> out;
  for (const auto& [name, variable, layout] : module.named_parameters())
    out.push_back({name, in_file_order(variable.value(), layout)});
  for (const auto& [name, tensor] : module.named_buffers()) out.push_back({name, tensor});
  return out;
}

inline std::string renamed(const std::string& name, const std::vector<PrefixRename>& rules) {
  for (const PrefixRename& rule : rules)
    if (name.starts_with(rule.from)) return rule.to + name.substr(rule.from.size());
  return name;
}

/// PyTorch counts the batches that a batch norm has seen; nothing is computed from it. Without it, PyTorch takes no
/// file.
inline constexpr std::string_view batch_count = "num_batches_tracked";

inline bool is_ignored(std::string_view name) {
  return name.ends_with(batch_count) || name == check_input_name || name == check_output_name;
}

/// A rule that would make names of the file fit, if they differ from the model's by what stands before them.
inline std::string suggested_rename(const LoadReport& report) {
  for (const auto& missing : report.missing) {
    for (const auto& unexpected : report.unexpected) {
      const bool longer = unexpected.size() > missing.size();
      const std::string& whole = longer ? unexpected : missing;
      const std::string& end = longer ? missing : unexpected;
      const std::string prefix = whole.substr(0, whole.size() - end.size());
      if (!prefix.ends_with('.') || !whole.ends_with(end)) continue;
      return mien::detail::text("\n  names would fit with .rename = {{\"", longer ? prefix : "", "\", \"",
                                longer ? "" : prefix, "\"}}");
    }
  }
  return "";
}

/// A module's tensors as they were, put back unless the new ones are kept.
template <class T, class Device>
class Restorer {
 public:
  explicit Restorer(const std::vector<NamedTensor<T, Device>>& tensors) {
    for (const auto& [name, tensor] : tensors) saved_.emplace_back(tensor, tensor.clone());
  }
  Restorer(const Restorer&) = delete;
  Restorer& operator=(const Restorer&) = delete;
  ~Restorer() {
    for (auto& [tensor, before] : saved_) tensor.copy_from(before);
  }
  void keep() { saved_.clear(); }

 private:
  std::vector<std::pair<Tensor<T, Device>, Tensor<T, Device>>> saved_;
};

/// Throws FileError unless the model makes of the file's input what the file says.
template <class T>
void run_self_check(const StoredTensors& file, const std::string& path, const LoadOptions<T>& options) {
  const auto expected = file.tensor<T>(check_output_name);
  const Tensor<T> found = options.self_check(file.tensor<T>(check_input_name)).contiguous();
  if (found.shape() != expected.shape())
    throw FileError(path, "self-check", mien::detail::text("an output ", found.shape()), expected.shape().to_string());
  double greatest = 0;
  double difference = 0;
  for (std::size_t i = 0; i < expected.span().size(); ++i) {
    const auto want = static_cast<double>(expected.span()[i]);
    const auto have = static_cast<double>(found.span()[i]);
    // A tolerance by an infinite output would allow any number.
    if (std::isfinite(want)) greatest = std::max(greatest, std::abs(want));
    // Not a number is greater than any tolerance.
    const double distance = want == have ? 0 : std::abs(have - want);
    difference = std::isnan(distance) ? std::numeric_limits<double>::infinity() : std::max(difference, distance);
  }
  if (difference > options.tolerance * greatest)
    throw FileError(
        path, "self-check", mien::detail::text("an output that differs by ", difference),
        mien::detail::text("at most ", options.tolerance * greatest, ": the model computes something else"));
}

}  // namespace detail

/// Writes all parameters and buffers, whole or not at all (see `write_file`). Throws FileError; ValueError if only one
/// of the check's two tensors is given.
template <class Module>
void save(Module& module, const std::filesystem::path& path,
          const SaveOptions<typename Module::Element>& options = {}) {
  if (options.check_input.defined() != options.check_output.defined())
    throw ValueError("io::save: a self-check needs an input and an output");
  SafetensorsWriter writer;
  writer.set_metadata("writer", std::string("mien ") + std::string(version()));
  writer.set_metadata(options.metadata);
  for (const auto& [name, tensor] : detail::named_tensors(module)) {
    writer.add(name, tensor.contiguous().template to<Cpu>());
    constexpr std::string_view last_buffer = "running_var";
    if (!name.ends_with(last_buffer)) continue;
    const std::string layer = name.substr(0, name.size() - last_buffer.size());
    writer.add(layer + std::string(detail::batch_count), Tensor<std::int64_t>(Shape{}, 0));
  }
  if (options.check_input.defined()) {
    writer.add(std::string(detail::check_input_name), options.check_input);
    writer.add(std::string(detail::check_output_name), options.check_output);
  }
  writer.write(path);
}

/// Reads .safetensors and PyTorch's archives, whichever it is by its first bytes. Throws FileError.
inline StoredTensors read_weights(const std::filesystem::path& path, std::uint64_t max_bytes = default_max_file_bytes) {
  std::vector<std::byte> bytes = read_file(path, max_bytes);
  // The first eight bytes of a .safetensors file are the length of its header, which is JSON.
  const bool json = bytes.size() > 8 && bytes[8] == std::byte{'{'} && bytes[7] == std::byte{0};
  const std::string extension = path.extension().string();
  if (json || extension == ".safetensors") return Safetensors::parse(std::move(bytes), path.string());
  return PytorchArchive::parse(std::move(bytes), path.string());
}

namespace detail {

/// The file's names by the model's; what is beside a network in a checkpoint is left out.
template <class T>
std::map<std::string, std::string> stored_names(const StoredTensors& file, const std::string& path,
                                                const LoadOptions<T>& options, const NameTranslation& translation) {
  std::map<std::string, std::string> stored;
  for (const std::string& name : file.names()) {
    if (is_ignored(name) || (translation.without_prefixes && begins_with_any(name, training_prefixes))) continue;
    const auto [entry, is_new] = stored.emplace(translation(renamed(name, options.rename)), name);
    if (!is_new)
      throw FileError(path, "", mien::detail::text(entry->second, " and ", name, ", both renamed to ", entry->first),
                      "rules that keep names apart");
  }
  return stored;
}

template <class T, class Device>
NameTranslation translation_for(const std::vector<NamedTensor<T, Device>>& wanted, const StoredTensors& file,
                                const LoadOptions<T>& options) {
  if (!options.known_names) return {};
  std::vector<std::string> names;
  for (const std::string& name : file.names())
    if (!is_ignored(name)) names.push_back(renamed(name, options.rename));
  std::vector<std::string> own;
  for (const auto& [name, unused] : wanted) own.push_back(name);
  std::sort(own.begin(), own.end());
  return best_translation(names, own);
}

/// Beginnings of the names of heads that may differ.
template <class T>
std::vector<std::string> other_heads(const LoadOptions<T>& options) {
  std::vector<std::string> heads = options.allow_other_head;
  if (options.allow_head_mismatch) heads.insert(heads.end(), head_prefixes.begin(), head_prefixes.end());
  return heads;
}

/// Whether what is loaded is more than a head that fits by chance, where the module is more than one.
template <class Tensors>
bool loads_anything(const std::vector<std::string>& loaded, const Tensors& wanted,
                    const std::vector<std::string>& heads) {
  const auto is_of_body = [&](const std::string& name) { return !begins_with_any(name, heads); };
  const bool has_body =
      std::any_of(wanted.begin(), wanted.end(), [&](const auto& one) { return is_of_body(one.name); });
  return has_body ? std::any_of(loaded.begin(), loaded.end(), is_of_body) : !loaded.empty();
}

/// Remembers which of `heads` a name that stays belongs to.
inline void note_head(const std::string& name, const std::vector<std::string>& heads, LoadReport& report) {
  for (const std::string& head : heads)
    if (name.starts_with(head) && std::find(report.heads.begin(), report.heads.end(), head) == report.heads.end())
      report.heads.push_back(head);
}

}  // namespace detail

/// Fills a module from a file that was opened already; `load` says how.
template <class Module>
LoadReport load_from(Module& module, const StoredTensors& file, const std::string& path,
                     const LoadOptions<typename Module::Element>& options = {}) {
  using T = typename Module::Element;
  using Device = typename Module::Device;
  const auto wanted = detail::named_tensors(module);
  const std::vector<std::string> heads = detail::other_heads(options);
  LoadReport report;
  report.metadata = file.metadata();
  report.translation = detail::translation_for(wanted, file, options);
  auto stored = detail::stored_names(file, path, options, report.translation);
  std::vector<std::pair<Tensor<T, Device>, Tensor<T>>> copies;
  bool fits = true;
  for (const auto& [name, tensor] : wanted) {
    const bool may_differ = detail::begins_with_any(name, heads);
    const auto found = stored.find(name);
    if (found == stored.end()) {
      report.missing.push_back(name);
      const bool may_be_missing =
          std::any_of(options.allow_missing.begin(), options.allow_missing.end(),
                      [&, &wanted_name = name](const auto& pattern) { return name_fits(wanted_name, pattern); });
      fits = fits && (may_differ || may_be_missing || !options.strict);
      if (may_differ) detail::note_head(name, heads, report);
      continue;
    }
    if (file.shape(found->second) != tensor.shape()) {
      report.reshaped.push_back({name, file.shape(found->second), tensor.shape()});
      fits = fits && may_differ;
      if (may_differ) detail::note_head(name, heads, report);
    } else if (!is_floating_point(file.type(found->second))) {
      report.foreign.push_back({name, file.type(found->second)});
      fits = false;
    } else {
      report.loaded.push_back(name);
      copies.emplace_back(tensor, file.tensor<T>(found->second));
    }
    stored.erase(found);
  }
  for (const auto& [name, in_file] : stored) {
    report.unexpected.push_back(name);
    fits = fits && (!options.strict || detail::begins_with_any(name, heads));
  }
  const bool nothing_fits = !wanted.empty() && !detail::loads_anything(report.loaded, wanted, heads);
  if (!fits || nothing_fits) {
    const auto looks_like = architecture_of(file.names());
    throw FileError(mien::detail::text(path, ": does not fit the model", report.to_string(),
                                       looks_like.empty() ? "" : "\n  the file looks like ", looks_like,
                                       detail::suggested_rename(report)));
  }
  detail::Restorer<T, Device> before(wanted);
  for (auto& [tensor, value] : copies) tensor.copy_from(value.template to<Device>());
  if (options.self_check && file.contains(detail::check_input_name)) {
    detail::run_self_check(file, path, options);
    report.self_checked = true;
  }
  before.keep();
  return report;
}

/// Fills a module's parameters and buffers from a .safetensors file or an archive of PyTorch's (see `read_weights`).
/// Nothing changes if anything is wrong: then FileError lists what is missing, unexpected, of another shape and of
/// another type, and what the file looks like. A shape that differs is an error even where `strict` is off, unless the
/// parameter belongs to a head that may differ; so is a file of which nothing fits. PyTorch's `num_batches_tracked` is
/// ignored. Floating-point numbers of other types are converted (see `StoredTensors::tensor`).
template <class Module>
LoadReport load(Module& module, const std::filesystem::path& path,
                const LoadOptions<typename Module::Element>& options = {}) {
  return load_from(module, read_weights(path), path.string(), options);
}

}  // namespace mien::io
