#pragma once

/// Everything that training needs to go on as if it had never stopped, in one .safetensors file: networks, optimisers,
/// schedules, random numbers, how far it is, its history and its settings.
///
///     train::Checkpoints checkpoints("work", {.settings = {{"batch", "8"}}, .class_names = names});
///     checkpoints.add_model("model", accm);
///     checkpoints.add_optimiser("optimiser", adam);
///     checkpoints.add_generator("dropout", default_generator());
///     TrainingState state;
///     if (auto resumed = checkpoints.resume()) state = resumed->state;
///     ...
///     checkpoints.save_last(state);
///
/// The folder holds `last.safetensors`, the one before it as `previous.safetensors`, more of them as
/// `previous-2.safetensors` and so on if they are asked for, and `best.safetensors` with the networks alone. Each is
/// replaced as a whole or not at all, and carries a checksum of its content.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <zlib.h>

#include "mien/core/random.hpp"
#include "mien/io/model_file.hpp"
#include "mien/optim/moving_average.hpp"
#include "mien/optim/schedules.hpp"
#include "mien/train/history.hpp"

namespace mien::train {

/// How far training is.
struct TrainingState {
  Index epoch = 0;       ///< epochs that are done
  Index batch = 0;       ///< batches that are done in the epoch after those
  Index best_epoch = 0;  ///< from 1; 0 if there is none yet
  double best_metric = 0;
  Index epochs_without_improvement = 0;
  std::map<std::string, double> sums = {};  ///< what is summed up over the batches of the epoch so far
  History history = {};

  bool operator==(const TrainingState&) const = default;
};

struct CheckpointOptions {
  /// What must be the same for training to go on: by name, as text.
  std::map<std::string, std::string> settings = {};
  std::vector<std::string> class_names = {};
  Index keep = 2;  ///< how many of the newest are kept: the last one, those before it; and the best one in any case
};

/// What `resume` found.
struct Resumed {
  TrainingState state;
  std::filesystem::path file;
  /// What the user should know: a damaged file that was passed over, another version of the library.
  std::vector<std::string> notes;
};

namespace detail {

/// Metadata are texts, so everything but tensors goes there as JSON. Throws ValueError for what is not UTF-8.
inline std::string to_json_text(const nlohmann::json& value) {
  try {
    return value.dump();
  } catch (const nlohmann::json::exception&) {
    throw ValueError("Checkpoints: settings and class names must be UTF-8");
  }
}

/// As texts, because JSON knows no infinity.
inline std::string numbers_to_json(const std::map<std::string, double>& numbers) {
  nlohmann::json out = nlohmann::json::object();
  for (const auto& [name, value] : numbers) out[name] = exact_digits(value);
  return to_json_text(out);
}

template <class Number>
Number parse_number(std::string_view digits, std::string_view file, std::string_view place) {
  Number value{};
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (problem != std::errc() || end != digits.data() + digits.size())
    throw FileError(file, place, text("`", digits.substr(0, 40), "`"), "a number");
  return value;
}

/// A checkpoint in the making.
class CheckpointWriter {
 public:
  template <class T, class Device>
  void add(const std::string& name, const Tensor<T, Device>& tensor) {
    const Tensor<T> tight = tensor.contiguous().template to<Cpu>();
    writer_.add(name, tight);
    sums_[name] = sum_of(name, std::as_bytes(tight.span()));
  }

  void set(const std::string& key, const std::string& value) {
    writer_.set_metadata(key, value);
    texts_[key] = value;
  }

  std::vector<std::byte> serialize() {
    writer_.set_metadata("checksum", combined(sums_, texts_));
    return writer_.serialize();
  }

  /// CRC-32 of a tensor's name and elements.
  static std::uint32_t sum_of(std::string_view name, std::span<const std::byte> bytes) {
    return extended(extended(0, std::as_bytes(std::span(name))), bytes);
  }

  /// CRC-32 over all tensors' sums and all texts, in the order of their names.
  static std::string combined(const std::map<std::string, std::uint32_t>& sums, const io::Metadata& texts) {
    std::string all;
    for (const auto& [name, sum] : sums) all += text(name, " ", sum, "\n");
    for (const auto& [key, value] : texts) all += text(key, " ", value.size(), " ", value, "\n");
    return std::to_string(extended(0, std::as_bytes(std::span(all))));
  }

 private:
  static std::uint32_t extended(std::uint32_t sum, std::span<const std::byte> bytes) {
    // zlib takes a null pointer as the wish to start anew.
    if (bytes.empty()) return sum;
    return static_cast<std::uint32_t>(::crc32_z(sum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  }

  io::SafetensorsWriter writer_;
  std::map<std::string, std::uint32_t> sums_;
  io::Metadata texts_;
};

/// A checkpoint whose checksum was found right.
class CheckpointReader {
 public:
  CheckpointReader(io::Safetensors file, std::string path) : file_(std::move(file)), path_(std::move(path)) {
    std::map<std::string, std::uint32_t> sums;
    for (const std::string& name : file_.names()) sums[name] = CheckpointWriter::sum_of(name, file_.data(name));
    io::Metadata texts = file_.metadata();
    texts.erase("checksum");
    const std::string expected = CheckpointWriter::combined(sums, texts);
    if (const std::string stored = get("checksum"); stored != expected)
      throw FileError(path_, "", text("a content of checksum ", expected), text(stored, ": the file is damaged"));
  }

  const io::Safetensors& file() const { return file_; }
  const std::string& path() const { return path_; }

  const std::string& get(const std::string& key) const {
    const auto found = file_.metadata().find(key);
    if (found == file_.metadata().end())
      throw FileError(path_, "__metadata__", text("no `", key, "`"), "a checkpoint of this training");
    return found->second;
  }

  nlohmann::json json(const std::string& key) const { return io::parse_json(get(key), text(path_, ": ", key)); }

  std::map<std::string, double> numbers(const std::string& key) const {
    std::map<std::string, double> out;
    for (const auto& [name, digits] : texts(key))
      out[name] = parse_number<double>(digits, path_, text(key, ", ", name));
    return out;
  }

  std::map<std::string, std::string> texts(const std::string& key) const {
    std::map<std::string, std::string> out;
    const nlohmann::json object = json(key);
    for (const auto& [name, value] : object.items()) {
      if (!value.is_string()) throw FileError(path_, text(key, ", ", name), value.type_name(), "a string");
      out[name] = value.template get<std::string>();
    }
    return out;
  }

 private:
  io::Safetensors file_;
  std::string path_;
};

/// One thing that is kept in checkpoints.
struct CheckpointPart {
  std::string name;
  bool is_model;
  std::function<void(CheckpointWriter&)> write;
  /// Takes the state over, or throws and changes nothing. Returns how to undo it, which cannot fail.
  std::function<std::function<void()>(const CheckpointReader&)> restore;
};

inline std::string state_to_json(const TrainingState& state) {
  return numbers_to_json({{"epoch", static_cast<double>(state.epoch)},
                          {"batch", static_cast<double>(state.batch)},
                          {"best_epoch", static_cast<double>(state.best_epoch)},
                          {"best_metric", state.best_metric},
                          {"epochs_without_improvement", static_cast<double>(state.epochs_without_improvement)}});
}

inline TrainingState read_state(const CheckpointReader& reader) {
  const std::map<std::string, double> numbers = reader.numbers("state");
  const auto number = [&](const char* name) {
    const auto found = numbers.find(name);
    if (found == numbers.end()) throw FileError(reader.path(), "state", text("no `", name, "`"), "a number");
    return found->second;
  };
  const auto count = [&](const char* name) {
    const double value = number(name);
    if (!(value >= 0 && value < 0x1p53)) throw FileError(reader.path(), "state", text(name, " ", value), "a count");
    return static_cast<Index>(value);
  };
  return {.epoch = count("epoch"),
          .batch = count("batch"),
          .best_epoch = count("best_epoch"),
          .best_metric = number("best_metric"),
          .epochs_without_improvement = count("epochs_without_improvement"),
          .sums = reader.numbers("sums"),
          .history = History::from_csv(reader.get("history"), reader.path() + ": history")};
}

/// "learning_rate 0.001, now 0.01; batch 8, now not set", empty if all is the same.
inline std::string difference(const std::map<std::string, std::string>& before,
                              const std::map<std::string, std::string>& now) {
  std::set<std::string> names;
  for (const auto& [name, value] : before) names.insert(name);
  for (const auto& [name, value] : now) names.insert(name);
  const auto value_in = [](const auto& settings, const std::string& name) {
    const auto found = settings.find(name);
    return found == settings.end() ? std::string("not set") : found->second;
  };
  std::string out;
  for (const std::string& name : names) {
    if (value_in(before, name) == value_in(now, name)) continue;
    out += text(out.empty() ? "" : "; ", name, " ", value_in(before, name), ", now ", value_in(now, name));
  }
  return out;
}

}  // namespace detail

/// The checkpoints of one training in one folder. What is added must live as long as this object is used; names tell
/// the parts apart in the file and have no dot.
class Checkpoints {
 public:
  /// The folder is made with the first file. An empty path keeps the best networks in memory and nothing else. Throws
  /// ValueError if none is to be kept.
  explicit Checkpoints(std::filesystem::path folder = {}, CheckpointOptions options = {})
      : folder_(std::move(folder)), options_(std::move(options)) {
    if (options_.keep < 1) throw ValueError(detail::text("Checkpoints: keep ", options_.keep, ", of at least 1"));
  }
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  const CheckpointOptions& options() const { return options_; }

  /// One more thing that has to be the same for training to go on.
  void set(const std::string& setting, const std::string& value) { options_.settings[setting] = value; }

  /// Parameters and buffers as "<name>.<path>", in PyTorch's axis order: `io::load` with
  /// `.rename = {{"<name>.", ""}}` takes them out of best.safetensors.
  template <class Module>
  void add_model(const std::string& name, Module& module) {
    using T = typename Module::Element;
    using Device = typename Module::Device;
    add({name, true,
         [&module, name](detail::CheckpointWriter& writer) {
           for (const auto& [path, tensor] : io::detail::named_tensors(module)) writer.add(name + "." + path, tensor);
         },
         [&module, name](const detail::CheckpointReader& reader) -> std::function<void()> {
           auto tensors = io::detail::named_tensors(module);
           const std::string prefix = name + ".";
           const auto in_file = std::count_if(reader.file().names().begin(), reader.file().names().end(),
                                              [&](const auto& path) { return path.starts_with(prefix); });
           if (in_file != static_cast<std::ptrdiff_t>(tensors.size()))
             throw FileError(reader.path(), name, detail::text(in_file, " tensors"), std::to_string(tensors.size()));
           std::vector<Tensor<T, Device>> values;
           for (const auto& [path, tensor] : tensors) {
             values.push_back(reader.file().tensor<T>(prefix + path).template to<Device>());
             if (values.back().shape() != tensor.shape())
               throw FileError(reader.path(), prefix + path, values.back().shape().to_string(),
                               tensor.shape().to_string());
           }
           std::vector<Tensor<T, Device>> before;
           for (const auto& named : tensors) before.push_back(named.tensor.clone());
           std::function<void()> undo = [tensors, before]() mutable {
             for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].tensor.copy_from(before[i]);
           };
           // Nothing can fail from here on.
           for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].tensor.copy_from(values[i]);
           return undo;
         }});
  }

  template <class T, class Device>
  void add_optimiser(const std::string& name, optim::Optimiser<T, Device>& optimiser) {
    add_tensors_and_numbers<T>(name, optimiser);
  }

  template <class T, class Device>
  void add_moving_average(const std::string& name, optim::MovingAverage<T, Device>& average) {
    add_tensors_and_numbers<T>(name, average);
  }

  /// Anything with `state()` and `set_state` of named numbers.
  template <class Schedule>
  void add_schedule(const std::string& name, Schedule& schedule) {
    add({name, false,
         [&schedule, name](detail::CheckpointWriter& writer) {
           writer.set(name, detail::numbers_to_json(schedule.state()));
         },
         [&schedule, name](const detail::CheckpointReader& reader) -> std::function<void()> {
           const optim::ScheduleState read = reader.numbers(name);
           std::function<void()> undo = [&schedule, before = schedule.state()] { schedule.set_state(before); };
           schedule.set_state(read);
           return undo;
         }});
  }

  void add_generator(const std::string& name, Generator& generator) {
    add({name, false,
         [&generator, name](detail::CheckpointWriter& writer) {
           const Generator::State& state = generator.state();
           writer.set(name, detail::to_json_text({{"seed", std::to_string(state.seed)},
                                                  {"stream", std::to_string(state.stream)},
                                                  {"counter", std::to_string(state.counter)}}));
         },
         [&generator, name](const detail::CheckpointReader& reader) -> std::function<void()> {
           auto numbers = reader.texts(name);
           const auto number = [&](const char* which) {
             return detail::parse_number<std::uint64_t>(numbers[which], reader.path(), detail::text(name, ", ", which));
           };
           const Generator::State read{number("seed"), number("stream"), number("counter")};
           std::function<void()> undo = [&generator, before = generator.state()] { generator.set_state(before); };
           generator.set_state(read);
           return undo;
         }});
  }

  /// Throws FileError if something that is no file, such as a folder or a pipe, has the name of a checkpoint: before
  /// training, whose state could not be saved. It reads nothing, and waits for nobody.
  void require_places() const {
    if (folder_.empty()) return;
    std::vector<Index> all = ages();
    for (Index age = 0; age < options_.keep; ++age) all.push_back(age);
    for (const Index age : all) io::require_replaceable(earlier_file(age));
    io::require_replaceable(best_file());
  }

  /// Writes last.safetensors; the one that was there stays as previous.safetensors, and so on. Throws FileError.
  void save_last(const TrainingState& state) {
    if (folder_.empty()) return;
    make_folder();
    const std::vector<std::byte> bytes = serialize(state, false);
    if (!last_is_damaged_) keep_earlier();
    io::write_file(last_file(), bytes);
    last_is_damaged_ = false;
  }

  /// Writes best.safetensors: the networks and `state`.
  void save_best(const TrainingState& state) {
    std::vector<std::byte> bytes = serialize(state, true);
    if (folder_.empty()) {
      best_in_memory_ = std::move(bytes);
    } else {
      make_folder();
      io::write_file(best_file(), bytes);
    }
  }

  /// Takes everything over from last.safetensors, or if that is damaged or gone from the newest one before it that is
  /// sound; nothing if there is none at all. Nothing changes if it throws: FileError if all that is there is damaged or
  /// does not fit what was added, ValueError if it was made with other settings or class names.
  std::optional<Resumed> resume() {
    if (folder_.empty()) return {};
    io::remove_abandoned_files(folder_);
    Resumed out;
    const std::optional<detail::CheckpointReader> reader = open_newest(out);
    if (!reader) return {};
    require_equal_settings(*reader);
    out.state = detail::read_state(*reader);
    out.file = reader->path();
    if (const std::string& writer = reader->get("writer"); writer != writer_name())
      out.notes.push_back(detail::text(reader->path(), " was written by ", writer, ", this is ", writer_name(),
                                       "; results may differ in the last digits"));
    restore(*reader, false);
    return out;
  }

  /// Puts the networks of `save_best` back and returns their state; nothing if none was saved. Throws FileError, and
  /// changes nothing, if the file is damaged or does not fit.
  std::optional<TrainingState> load_best() {
    if (folder_.empty() ? best_in_memory_.empty() : !exists(best_file())) return {};
    const std::string path = folder_.empty() ? "best networks in memory" : best_file().string();
    const detail::CheckpointReader reader(
        io::Safetensors::parse(folder_.empty() ? best_in_memory_ : io::read_file(best_file()), path), path);
    TrainingState state = detail::read_state(reader);
    restore(reader, true);
    return state;
  }

  std::filesystem::path last_file() const { return earlier_file(0); }
  std::filesystem::path previous_file() const { return earlier_file(1); }
  /// The one that was last before `age` others were saved: 0 is last.safetensors, 1 previous.safetensors.
  std::filesystem::path earlier_file(Index age) const {
    if (age == 0) return folder_ / "last.safetensors";
    return folder_ / (age == 1 ? std::string("previous.safetensors") : detail::text("previous-", age, ".safetensors"));
  }
  std::filesystem::path best_file() const { return folder_ / "best.safetensors"; }

 private:
  static std::string writer_name() { return std::string("mien ") + std::string(version()); }

  void add(detail::CheckpointPart part) {
    static const std::set<std::string> reserved{"writer",  "checksum", "state",   "sums",
                                                "history", "settings", "classes", "parts"};
    bool is_free = !part.name.empty() && part.name.find('.') == std::string::npos && !reserved.contains(part.name);
    for (const auto& known : parts_) is_free = is_free && known.name != part.name;
    if (!is_free) throw ValueError(detail::text("Checkpoints: a part cannot be named `", part.name, "`, or not again"));
    parts_.push_back(std::move(part));
  }

  /// Anything with `state()` and `set_state` of named tensors and numbers.
  template <class T, class Owner>
  void add_tensors_and_numbers(const std::string& name, Owner& owner) {
    add({name, false,
         [&owner, name](detail::CheckpointWriter& writer) {
           const optim::OptimiserState<T> state = owner.state();
           for (const auto& [path, tensor] : state.tensors) writer.add(name + "." + path, tensor);
           writer.set(name, detail::numbers_to_json(state.numbers));
         },
         [&owner, name](const detail::CheckpointReader& reader) -> std::function<void()> {
           optim::OptimiserState<T> state;
           state.numbers = reader.numbers(name);
           for (const std::string& path : reader.file().names())
             if (path.starts_with(name + "."))
               state.tensors[path.substr(name.size() + 1)] = reader.file().tensor<T>(path);
           // Undoing must not need memory: it may be what has run out.
           std::function<void()> undo = owner.prepare_state(owner.state());
           owner.prepare_state(state)();
           return undo;
         }});
  }

  std::string part_names() const {
    std::string out;
    for (const auto& part : parts_) out += (out.empty() ? "" : " ") + part.name;
    return out;
  }

  std::vector<std::byte> serialize(const TrainingState& state, bool models_only) const {
    detail::CheckpointWriter writer;
    writer.set("writer", writer_name());
    writer.set("state", detail::state_to_json(state));
    writer.set("sums", detail::numbers_to_json(state.sums));
    writer.set("history", state.history.to_csv());
    writer.set("parts", part_names());
    writer.set("settings", detail::to_json_text(options_.settings));
    writer.set("classes", detail::to_json_text(options_.class_names));
    for (const auto& part : parts_)
      if (part.is_model || !models_only) part.write(writer);
    return writer.serialize();
  }

  void make_folder() {
    io::create_folders(folder_);
    if (!std::exchange(folder_is_clean_, true)) io::remove_abandoned_files(folder_);
  }

  /// Throws FileError where nobody knows, as in a folder that may not be entered.
  static bool exists(const std::filesystem::path& path) {
    std::error_code problem;
    const bool out = std::filesystem::exists(path, problem);
    if (problem) throw FileError(path.string(), "", problem.message(), "a folder that can be read");
    return out;
  }

  /// What `earlier_file` was asked for to give a name; nothing for other names.
  static std::optional<Index> age_of(std::string_view name) {
    constexpr std::string_view begin = "previous-";
    constexpr std::string_view end = ".safetensors";
    if (name == "last.safetensors") return 0;
    if (name == "previous.safetensors") return 1;
    if (!name.starts_with(begin) || !name.ends_with(end) || name.size() < begin.size() + end.size()) return {};
    name = name.substr(begin.size(), name.size() - begin.size() - end.size());
    Index age = 0;
    const auto [rest, problem] = std::from_chars(name.data(), name.data() + name.size(), age);
    const bool is_number = problem == std::errc() && rest == name.data() + name.size() && age > 1;
    return is_number ? std::optional(age) : std::nullopt;
  }

  /// Of all checkpoints that are there, the youngest first; the best one is none of them. Throws FileError for a folder
  /// that is there and cannot be read.
  std::vector<Index> ages() const {
    std::vector<Index> out;
    if (!exists(folder_)) return out;
    for (const std::string& name : io::names_in_folder(folder_))
      if (const auto age = age_of(name)) out.push_back(*age);
    std::sort(out.begin(), out.end());
    return out;
  }

  /// Every file but the last one grows older by one, and the last one gets a second name, so that there is no moment
  /// without a file called last.
  void keep_earlier() const {
    std::error_code ignored;
    for (const Index age : ages())
      if (age >= options_.keep) std::filesystem::remove(earlier_file(age), ignored);
    if (options_.keep == 1 || !exists(last_file())) return;
    for (Index age = options_.keep - 1; age > 1; --age)
      if (exists(earlier_file(age - 1))) rename(earlier_file(age - 1), earlier_file(age));
    keep_previous();
  }

  void keep_previous() const {
    const auto link = folder_ / io::detail::temporary_name();
    std::error_code problem;
    std::filesystem::create_hard_link(last_file(), link, problem);
    if (problem) {  // not every file system has such links
      io::write_file(previous_file(), io::read_file(last_file()));
      return;
    }
    std::filesystem::rename(link, previous_file(), problem);
    // Still there if that failed, and also if both were names of one file already, as where a process was killed at
    // this place: renaming does nothing then.
    std::error_code ignored;
    std::filesystem::remove(link, ignored);
    if (problem) throw FileError(previous_file().string(), "", problem.message(), "a place that can be written");
  }

  static void rename(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::error_code problem;
    std::filesystem::rename(from, to, problem);
    if (problem) throw FileError(to.string(), "", problem.message(), "a place that can be written");
  }

  std::optional<detail::CheckpointReader> open_newest(Resumed& out) {
    std::string damage;
    for (const Index age : ages()) {
      const std::filesystem::path path = earlier_file(age);
      try {
        detail::CheckpointReader reader(io::read_safetensors(path), path.string());
        if (!damage.empty()) out.notes.push_back(detail::text(damage, "; going on from ", path.string()));
        return reader;
      } catch (const FileError& error) {
        damage += detail::text(damage.empty() ? "" : "; ", error.what());
        if (age == 0) last_is_damaged_ = true;
      }
    }
    if (!damage.empty()) throw FileError(damage);
    return {};
  }

  void require_equal_settings(const detail::CheckpointReader& reader) const {
    std::string found = detail::difference(reader.texts("settings"), options_.settings);
    if (const std::string& stored = reader.get("parts"); stored != part_names())
      found += detail::text(found.empty() ? "" : "; ", "parts ", stored, ", now ", part_names());
    const nlohmann::json names(options_.class_names);
    if (const nlohmann::json stored = reader.json("classes"); stored != names)
      found += detail::text(found.empty() ? "" : "; ", "classes ", stored.dump(), ", now ", names.dump());
    if (!found.empty()) throw ValueError(detail::text(reader.path(), ": made with other settings: ", found));
  }

  /// All parts or none.
  void restore(const detail::CheckpointReader& reader, bool models_only) {
    std::vector<std::function<void()>> undo;
    undo.reserve(parts_.size());
    const auto undo_all = [&] {
      for (; !undo.empty(); undo.pop_back()) undo.back()();
    };
    try {
      for (const auto& part : parts_)
        if (part.is_model || !models_only) undo.push_back(part.restore(reader));
    } catch (const Error& error) {
      undo_all();
      throw FileError(detail::text(reader.path(), ": does not fit this training: ", error.what()));
    } catch (...) {
      undo_all();
      throw;
    }
  }

  std::filesystem::path folder_;
  CheckpointOptions options_;
  std::vector<detail::CheckpointPart> parts_;
  std::vector<std::byte> best_in_memory_;
  bool last_is_damaged_ = false;
  bool folder_is_clean_ = false;
};

}  // namespace mien::train
