/// Looks at data sets, and writes them in other forms.
///
///     mien-data list
///     mien-data check faces_ck48 --format subjects
///     mien-data preview fer2013.csv sheet.png --format fer2013
///     mien-data pack fer2013new.csv ferplus.pack --format ferplus --pictures fer2013.csv
///     mien-data pack clips large --format frames --pixels --shard-size 256
///     mien-data thin VA_Estimation_Challenge thin.csv --format aff-wild2-va --pictures crops --every 5
///     mien-data draw joints_social pictures --format recordings --frames 8
///
/// `check` ends with 1 if something is wrong with the set. No command deletes or changes what it reads.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/data_sets.hpp"
#include "mien/data/contact_sheet.hpp"
#include "mien/data/data_check.hpp"
#include "mien/data/frame_folders.hpp"
#include "mien/data/packed_pictures.hpp"
#include "mien/data/thinning.hpp"
#include "mien/gesture/keypoint_picture.hpp"
#include "mien/io/file.hpp"

namespace {

using namespace mien;
using examples::AnyDataSet;
using examples::Json;
using examples::Program;

/// The pictures of a set, for commands that know nothing else to do with joints.
data::FrameSequences frames_of(AnyDataSet set, const std::string& command) {
  if (auto* const frames = std::get_if<data::FrameSequences>(&set)) return std::move(*frames);
  throw examples::UsageError(command + " needs pictures; `draw` makes some of joints");
}

/// Names of files need not be UTF-8; what is not shows as U+FFFD.
void print_json(const Json& json) { std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n"; }

// --- list -----------------------------------------------------------------------------------------------------------

std::string emotion_name(const data::OwnLabel& label) {
  return label.emotion ? std::string(data::name_of(*label.emotion)) : std::string("-");
}

void list_formats(bool json) {
  Json out = Json::array();
  for (const examples::DataFormat& format : examples::data_formats()) {
    Json labels = Json::array();
    for (const data::OwnLabel& label : format.labels)
      labels.push_back({{"number", label.number}, {"name", label.name}, {"emotion", emotion_name(label)}});
    out.push_back({{"format", format.name}, {"layout", format.layout}, {"labels", labels}});
    if (json) continue;
    std::cout << std::left << std::setw(16) << format.name << format.layout << "\n";
    for (const data::OwnLabel& label : format.labels)
      std::cout << std::string(18, ' ') << label.number << " " << label.name << " = " << emotion_name(label) << "\n";
  }
  if (json) print_json(out);
}

Index frame_count(const data::FrameSequence& sample) { return static_cast<Index>(sample.frames.size()); }
Index frame_count(const data::GestureSequence& sample) { return sample.joints.frames(); }

template <class Sample>
void list_samples(const data::DataSet<Sample>& set, bool json) {
  Json out = Json::array();
  io::CsvWriter table({"name", "label", "subject", "split", "frames", "valence", "arousal"});
  for (const Sample& sample : set.samples) {
    const std::string label =
        sample.label == data::no_label ? "" : set.class_names.at(static_cast<std::size_t>(sample.label));
    if (json) {
      out.push_back({{"name", sample.name},
                     {"label", label},
                     {"subject", sample.subject},
                     {"split", sample.split},
                     {"frames", frame_count(sample)}});
      if (sample.affect) {
        out.back()["valence"] = sample.affect->valence;
        out.back()["arousal"] = sample.affect->arousal;
      }
      continue;
    }
    const auto number = [&](double data::Affect::*part) {
      return sample.affect ? io::CsvWriter::as_text((*sample.affect).*part) : std::string();
    };
    table.row(sample.name, label, sample.subject, sample.split, frame_count(sample), number(&data::Affect::valence),
              number(&data::Affect::arousal));
  }
  if (json)
    print_json(out);
  else
    std::cout << table.text();
}

// --- check ----------------------------------------------------------------------------------------------------------

Json to_json(const data::DataReport& report) {
  Json out = {{"samples", report.samples}, {"frames", report.frames}, {"sound", report.is_sound()}};
  for (const auto& [split, counts] : report.split_classes)
    for (std::size_t i = 0; i < counts.size(); ++i) out["classes"][split][report.class_names[i]] = counts[i];
  out["without_class"] = report.without_class;
  out["with_affect"] = report.with_affect;
  out["with_votes"] = report.with_votes;
  out["video_files"] = report.video_files;
  out["subjects"] = report.subjects;
  out["without_subject"] = report.without_subject;
  out["sizes"] = Json::array();
  for (const auto& [size, count] : report.sizes)
    out["sizes"].push_back({{"width", size.first}, {"height", size.second}, {"count", count}});
  for (const auto& [name, count] : report.skipped.counts()) out["skipped"][std::string(name)] = count;
  out["repeated"] = report.repeated;
  out["contradicting"] = report.contradicting;
  out["absent_joints"] = report.absent_joints;
  for (const auto* leaks : {&report.content_leaks, &report.subject_leaks}) {
    Json list = Json::array();
    for (const data::SplitLeak& leak : *leaks)
      list.push_back({{"what", leak.what}, {"other", leak.other}, {"splits", leak.splits}});
    out[leaks == &report.content_leaks ? "content_leaks" : "subject_leaks"] = list;
  }
  out["unreadable"] = report.unreadable;
  out["unlabelled"] = report.unlabelled;
  return out;
}

void print_classes(const data::DataReport& report) {
  std::size_t width = 8;
  for (const std::string& name : report.class_names) width = std::max(width, name.size() + 2);
  const auto cell = [](const auto& value) { std::cout << std::right << std::setw(12) << value; };
  std::cout << std::left << std::setw(static_cast<int>(width)) << "class";
  for (const auto& [split, counts] : report.split_classes) cell(split.empty() ? "no split" : split);
  std::cout << "\n";
  for (std::size_t i = 0; i < report.class_names.size(); ++i) {
    std::cout << std::left << std::setw(static_cast<int>(width)) << report.class_names[i];
    for (const auto& [split, counts] : report.split_classes) cell(counts[i]);
    std::cout << "\n";
  }
}

void print_list(const std::string& title, const std::vector<std::string>& lines) {
  constexpr std::size_t shown = 10;
  if (lines.empty()) return;
  std::cout << title << ": " << lines.size() << "\n";
  for (std::size_t i = 0; i < std::min(lines.size(), shown); ++i) std::cout << "  " << lines[i] << "\n";
  if (lines.size() > shown) std::cout << "  and " << lines.size() - shown << " more (all of them with --json)\n";
}

void print_report(const data::DataReport& report, bool joints) {
  std::cout << report.samples << " samples, " << report.frames << (joints ? " frames of joints\n" : " pictures\n");
  if (!report.class_names.empty()) print_classes(report);
  const auto tell = [](const char* words, Index count) {
    if (count > 0) std::cout << words << ": " << count << "\n";
  };
  tell("with valence and arousal", report.with_affect);
  tell("with votes", report.with_votes);
  tell("video files, whose frames nobody looked at", report.video_files);
  if (report.subjects.empty()) {
    std::cout << "subjects: unknown\n";
  } else {
    const auto fewer = [](const auto& a, const auto& b) { return a.second < b.second; };
    const auto [least, most] = std::minmax_element(report.subjects.begin(), report.subjects.end(), fewer);
    std::cout << "subjects: " << report.subjects.size() << ", with " << least->second << " to " << most->second
              << " samples each; samples without one: " << report.without_subject << "\n";
  }
  std::cout << (joints ? "joints:" : "sizes:");
  std::size_t sizes = 0;
  for (const auto& [size, count] : report.sizes) {
    if (++sizes > 8) continue;
    std::cout << (sizes > 1 ? ", " : " ") << size.first;
    if (!joints) std::cout << " x " << size.second;
    std::cout << " (" << count << ")";
  }
  if (sizes > 8) std::cout << ", and " << sizes - 8 << " other sizes";
  std::cout << "\n";
  if (joints && report.frames > 0) tell("absent joints, over all frames", report.absent_joints);
  tell("met before in the same split", report.repeated);
  tell("of these with another label", report.contradicting);
  for (const auto& [name, count] : report.skipped.counts())
    if (count > 0) std::cout << "skipped, " << name << ": " << count << "\n";
  const auto lines = [](const std::vector<data::SplitLeak>& leaks) {
    std::vector<std::string> out;
    for (const auto& leak : leaks)
      out.push_back(leak.what + (leak.other.empty() ? "" : " and " + leak.other) + ", in " + leak.splits);
    return out;
  };
  print_list("PROBLEM, the same content in two splits", lines(report.content_leaks));
  print_list("PROBLEM, a subject in two splits", lines(report.subject_leaks));
  print_list("PROBLEM, cannot be read", report.unreadable);
  print_list("PROBLEM, without class and without valence and arousal", report.unlabelled);
}

/// Throws Error if something is wrong, so that the program ends with 1.
void check(const AnyDataSet& set, bool json) {
  const auto report = std::visit([](const auto& samples) { return data::check_data(samples); }, set);
  if (json)
    print_json(to_json(report));
  else
    print_report(report, std::holds_alternative<data::GestureSequences>(set));
  std::cout << std::flush;
  if (report.samples == 0) throw Error("the set has no samples");
  const auto problems =
      report.content_leaks.size() + report.subject_leaks.size() + report.unreadable.size() + report.unlabelled.size();
  if (!report.is_sound()) throw Error(std::to_string(problems) + " problems");
}

// --- draw -----------------------------------------------------------------------------------------------------------

struct DrawOptions {
  gesture::KeypointPictureOptions picture = {};
  bool whole = false;
  Index frames = 0;
};

/// A name that is a single part of a path.
std::string as_file_name(std::string name) {
  for (char& letter : name)
    if (letter == '/' || letter == '\\') letter = '_';
  return name.empty() || name[0] == '.' ? "_" + name : name;
}

std::string numbered(Index number) {
  char out[32];
  std::snprintf(out, sizeof out, "%06lld.png", static_cast<long long>(number));
  return out;
}

/// Frames spread evenly; all of them for 0.
std::vector<Index> spread_frames(Index length, Index wanted) {
  const Index count = wanted == 0 ? length : std::min(wanted, length);
  std::vector<Index> out;
  for (Index i = 0; i < count; ++i) out.push_back((2 * i + 1) * length / (2 * count));
  return out;
}

/// Writes <class>/<recording>/<frame>.png and sheet.csv. Returns how many pictures there are.
Index draw(const data::GestureSequences& set, const std::filesystem::path& folder, const DrawOptions& options) {
  data::FrameSequences drawn{.class_names = set.class_names};
  Index pictures = 0;
  std::map<std::filesystem::path, std::string> taken;
  for (const data::GestureSequence& sample : set.samples) {
    const std::string label =
        sample.label == data::no_label ? "" : set.class_names.at(static_cast<std::size_t>(sample.label));
    const auto place = folder / as_file_name(label) / as_file_name(sample.name);
    if (const auto [other, is_new] = taken.emplace(place, sample.name); !is_new)
      throw FileError(place.string(), "", "`" + other->second + "` and `" + sample.name + "` with one name for both",
                      "recordings whose names differ in more than slashes");
    io::create_folders(place);
    data::FrameSequence out{.name = sample.name,
                            .label = sample.label,
                            .subject = sample.subject,
                            .split = sample.split,
                            .votes = sample.votes,
                            .affect = sample.affect};
    const Tensor<float>& joints = sample.joints.joints;
    const auto keep = [&](const std::string& name, const io::Image& image) {
      io::write_png(place / name, image);
      out.frames.push_back(place / name);
      ++pictures;
    };
    if (options.whole) {
      keep("whole.png", gesture::motion_picture(joints, options.picture));
    } else {
      for (const Index frame : spread_frames(joints.size(0), options.frames))
        keep(numbered(frame), gesture::keypoint_picture(joints, frame, options.picture));
    }
    drawn.samples.push_back(std::move(out));
  }
  data::write_sheet(folder / "sheet.csv", drawn);
  return pictures;
}

// --- preview --------------------------------------------------------------------------------------------------------

io::Image preview(const AnyDataSet& set, const data::ContactSheetOptions& options, const DrawOptions& drawing) {
  if (const auto* const frames = std::get_if<data::FrameSequences>(&set)) return data::contact_sheet(*frames, options);
  auto picture = drawing.picture;
  picture.size = options.side;
  return data::contact_sheet<data::GestureSequence>(
      std::get<data::GestureSequences>(set),
      [&](const data::GestureSequence& sample) {
        const Tensor<float>& joints = sample.joints.joints;
        return drawing.whole ? gesture::motion_picture(joints, picture)
                             : gesture::keypoint_picture(joints, joints.size(0) / 2, picture);
      },
      options);
}

bool is_sheet(const std::filesystem::path& path) { return path.extension() == ".csv"; }

/// What was written, on standard output.
void tell(const Program& program, const Json& facts) {
  if (program.common().json) {
    print_json(facts);
    return;
  }
  for (const auto& [name, value] : facts.items())
    std::cout << name << ": " << (value.is_string() ? value.get<std::string>() : value.dump()) << "\n";
}

/// What the commands are told.
struct Arguments {
  examples::DataSetOptions set;
  std::filesystem::path out;
  data::ContactSheetOptions sheet;
  data::ThinningOptions thinning;
  DrawOptions drawing;
  bool pixels = false;
  std::uint64_t shard_mebibytes = 0;
};

std::size_t frames_in(const data::FrameSequences& set) {
  std::size_t sum = 0;
  for (const auto& sample : set.samples) sum += sample.frames.size();
  return sum;
}

void write_preview(const Program& program, const AnyDataSet& set, const Arguments& arguments) {
  const io::Image image = preview(set, arguments.sheet, arguments.drawing);
  io::write_png(arguments.out, image);
  tell(program, {{"written", arguments.out.string()}, {"width", image.width}, {"height", image.height}});
}

/// Of a file, or of all files in a folder.
std::uintmax_t bytes_in(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return std::filesystem::file_size(path);
  std::uintmax_t sum = 0;
  for (const std::string& name : io::names_in_folder(path)) sum += std::filesystem::file_size(path / name);
  return sum;
}

void pack(const Program& program, AnyDataSet set, const Arguments& arguments) {
  const auto frames = frames_of(std::move(set), "pack");
  data::write_packed(arguments.out, frames,
                     {.form = arguments.pixels ? data::PackedForm::pixels : data::PackedForm::as_they_are,
                      .shard_bytes = arguments.shard_mebibytes << 20});
  tell(program, {{"written", arguments.out.string()}, {"samples", frames.size()}, {"bytes", bytes_in(arguments.out)}});
}

void thin(const Program& program, AnyDataSet set, const Arguments& arguments) {
  const auto frames = frames_of(std::move(set), "thin");
  const auto thinned = data::thin(frames, arguments.thinning);
  if (is_sheet(arguments.out))
    data::write_sheet(arguments.out, thinned);
  else
    data::write_packed(arguments.out, thinned);
  tell(program, {{"written", arguments.out.string()}, {"frames", frames_in(frames)}, {"kept", frames_in(thinned)}});
}

void write_drawings(const Program& program, const AnyDataSet& set, const Arguments& arguments) {
  const auto* const joints = std::get_if<data::GestureSequences>(&set);
  if (joints == nullptr) throw examples::UsageError("draw needs joints: recordings, joint-table or openpose");
  tell(program, {{"written", arguments.out.string()}, {"pictures", draw(*joints, arguments.out, arguments.drawing)}});
}

// --- the command line ------------------------------------------------------------------------------------------------

/// A command that reads a set, and writes to `target` if it has one.
CLI::App& add_command(CLI::App& app, Arguments& arguments, const char* name, const char* words,
                      const char* target = nullptr) {
  CLI::App& command = *app.add_subcommand(name, words);
  command.option_defaults()->always_capture_default();
  examples::add_data_set_options(command, arguments.set);
  if (target != nullptr) command.add_option("out", arguments.out, target)->required();
  return command;
}

void add_drawing(CLI::App& command, DrawOptions& drawing) {
  command.add_flag("--whole", drawing.whole, "all frames of a recording in one picture, the later the brighter");
  command.add_option("--line", drawing.picture.line, "thickness of limbs, in sides of the picture")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--radius", drawing.picture.radius, "of joints, in sides of the picture")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--margin", drawing.picture.margin, "about the body, in sides of its box")
      ->check(CLI::Range(0.0, 1.0));
  static const std::map<std::string, gesture::Box> boxes{{"sequence", gesture::Box::sequence},
                                                         {"frame", gesture::Box::per_frame}};
  examples::add_choice(command, "--box", drawing.picture.box, boxes, "what shares one square");
}

/// Throws FileError if what is written would take the place of what is read.
void require_other_place(const Arguments& arguments) {
  std::error_code unknown;
  for (const std::filesystem::path& input : {arguments.set.set, arguments.set.pictures})
    if (!arguments.out.empty() && std::filesystem::equivalent(arguments.out, input, unknown))
      throw FileError(arguments.out.string(), "", "the name of what is read", "another one");
}

CLI::App& add_list(CLI::App& app, Arguments& arguments) {
  CLI::App& command =
      add_command(app, arguments, "list", "lists samples as CSV; without a set: formats and their labels");
  command.get_option("set")->required(false);
  return command;
}

CLI::App& add_preview(CLI::App& app, Arguments& arguments) {
  CLI::App& command =
      add_command(app, arguments, "preview", "draws a sheet of samples with their labels", "the PNG file to write");
  data::ContactSheetOptions& sheet = arguments.sheet;
  command.add_option("--count", sheet.count, "samples, evenly over classes")->check(CLI::Range(1, 10000));
  command.add_option("--columns", sheet.columns, "of the sheet")->check(CLI::Range(1, 1000));
  command.add_option("--side", sheet.side, "of a picture, in pixels")->check(CLI::Range(8, 4096));
  add_drawing(command, arguments.drawing);
  return command;
}

CLI::App& add_pack(CLI::App& app, Arguments& arguments) {
  CLI::App& command =
      add_command(app, arguments, "pack", "writes the set with all its pictures into one file, or into shards",
                  "the file to write, or with --shard-size the folder");
  command.add_flag("--pixels", arguments.pixels, "keeps decoded pixels: larger, and faster to read");
  command
      .add_option("--shard-size", arguments.shard_mebibytes,
                  "MiB of pictures in a file, about; writes a new folder of such files. 0: one file")
      ->check(CLI::Range(0, 1 << 20));
  return command;
}

CLI::App& add_thin(CLI::App& app, Arguments& arguments) {
  CLI::App& command = add_command(app, arguments, "thin", "writes a sheet (.csv) or a packed file with fewer frames",
                                  "the file to write");
  command.add_option("--every", arguments.thinning.every, "keeps the first of each n frames")
      ->check(examples::positive);
  command
      .add_option("--difference", arguments.thinning.difference,
                  "keeps frames that differ from the last kept by so much, black and white differing by 1")
      ->check(CLI::Range(0.0, 1.0));
  return command;
}

CLI::App& add_draw(CLI::App& app, Arguments& arguments) {
  CLI::App& command =
      add_command(app, arguments, "draw", "writes joints as pictures, with a sheet", "the folder to write into");
  command.add_option("--size", arguments.drawing.picture.size, "rows and columns of a picture")
      ->check(CLI::Range(8, 4096));
  command.add_option("--frames", arguments.drawing.frames, "of each recording, spread evenly; 0: all")
      ->check(examples::not_negative);
  add_drawing(command, arguments.drawing);
  return command;
}

}  // namespace

int main(int count, char** words) {
  Program program("Looks at data sets of faces and joints, and writes them in other forms.", "");
  program.end_at_signals();
  CLI::App& app = program.app();
  app.require_subcommand(1);
  app.fallthrough();

  Arguments arguments;
  const CLI::App& listing = add_list(app, arguments);
  const CLI::App& checking =
      add_command(app, arguments, "check",
                  "opens every file, counts, and looks for leaks between splits; ends with 1 if it finds any");
  const CLI::App& previewing = add_preview(app, arguments);
  const CLI::App& packing = add_pack(app, arguments);
  const CLI::App& thinning = add_thin(app, arguments);
  const CLI::App& drawing = add_draw(app, arguments);

  return program.run(count, words, [&] {
    const bool json = program.common().json;
    if (listing.parsed() && arguments.set.set.empty()) return list_formats(json);
    require_other_place(arguments);
    AnyDataSet set = examples::read_data_set(arguments.set);
    if (program.common().dry_run) return check(set, json);
    if (listing.parsed()) std::visit([&](const auto& samples) { list_samples(samples, json); }, set);
    if (checking.parsed()) check(set, json);
    if (previewing.parsed()) write_preview(program, set, arguments);
    if (packing.parsed()) pack(program, std::move(set), arguments);
    if (thinning.parsed()) thin(program, std::move(set), arguments);
    if (drawing.parsed()) write_drawings(program, set, arguments);
  });
}
