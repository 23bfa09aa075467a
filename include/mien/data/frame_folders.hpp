#pragma once

/// Data sets of pictures and of videos that lie in folders as pictures. Names are looked at here, not what files hold.

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/data/data_set.hpp"
#include "mien/data/natural_order.hpp"
#include "mien/io/csv.hpp"

namespace mien::data {

struct FolderOptions {
  /// The classes in the order of their labels, each a folder of that name. Empty: all folders, in the order of their
  /// names. Name them where a data set or a network already has an order.
  std::vector<std::string> class_names = {};
  bool allow_empty = false;  ///< takes classes without pictures, and skips videos without any
  std::vector<std::string> extensions = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm"};  ///< in either case
};

namespace detail {

namespace filesystem = std::filesystem;

/// ASCII letters as small ones; file extensions have no others.
inline std::string lowered(std::string text) {
  for (char& character : text)
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
  return text;
}

inline bool is_hidden(const std::string& name) {
  const std::string small = lowered(name);
  return name.starts_with('.') || small == "thumbs.db" || small == "desktop.ini" || name == "__MACOSX";
}

/// What lies in a folder, in natural order, without hidden entries.
struct Listing {
  std::vector<std::string> folders;
  std::vector<std::string> pictures;
};

inline Listing list_folder(const filesystem::path& folder, const FolderOptions& options, SkippedFiles& skipped) {
  Listing out;
  std::error_code error;
  filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::error_code unknown;
    const auto is_known = [extension = lowered(entry->path().extension().string())](const std::string& known) {
      return lowered(known) == extension;
    };
    if (is_hidden(name)) {
      ++skipped.hidden;
    } else if (entry->is_directory(unknown)) {
      out.folders.push_back(name);
    } else if (entry->is_regular_file(unknown) &&
               std::any_of(options.extensions.begin(), options.extensions.end(), is_known)) {
      out.pictures.push_back(name);
    } else {
      ++skipped.other;
    }
  }
  if (error) throw FileError(folder.string(), "", error.message(), "a folder that can be read");
  std::sort(out.folders.begin(), out.folders.end(), natural_less);
  std::sort(out.pictures.begin(), out.pictures.end(), natural_less);
  return out;
}

/// Appends all files of some extensions below a folder. `above` are the folders that lead to it, links followed: one
/// that leads back to them is passed over.
inline void add_files_below(const filesystem::path& folder, const FolderOptions& options,
                            std::vector<filesystem::path>& above, SkippedFiles& skipped,
                            std::vector<filesystem::path>& out) {
  std::error_code unknown;
  filesystem::path itself = filesystem::canonical(folder, unknown);
  if (std::find(above.begin(), above.end(), itself) != above.end()) {
    ++skipped.other;
    return;
  }
  above.push_back(std::move(itself));
  const Listing listing = list_folder(folder, options, skipped);
  for (const std::string& file : listing.pictures) out.push_back(folder / file);
  for (const std::string& name : listing.folders) add_files_below(folder / name, options, above, skipped, out);
  above.pop_back();
}

/// All files of some extensions anywhere below a folder, in natural order of their paths.
inline std::vector<filesystem::path> files_below(const filesystem::path& root, const FolderOptions& options,
                                                 SkippedFiles& skipped) {
  std::vector<filesystem::path> above;
  std::vector<filesystem::path> out;
  add_files_below(root, options, above, skipped, out);
  return out;
}

/// "`a`, `b`, `c` and 7 more".
inline std::string enumerate(const std::vector<std::string>& names, std::size_t shown = 10) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), shown); ++i) out += (i > 0 ? ", `" : "`") + names[i] + "`";
  if (names.size() > shown) out += text(" and ", names.size() - shown, " more");
  return out;
}

/// The folders of all classes, checked against the names that are given.
inline std::vector<std::string> class_folders(const filesystem::path& root, const FolderOptions& options,
                                              SkippedFiles& skipped) {
  const Listing listing = list_folder(root, options, skipped);
  skipped.other += static_cast<Index>(listing.pictures.size());
  if (listing.folders.empty()) throw FileError(root.string(), "", "no folders", "a folder for each class");
  if (options.class_names.empty()) return listing.folders;
  check_class_names(options.class_names);
  const std::set<std::string> named(options.class_names.begin(), options.class_names.end());
  std::vector<std::string> unnamed;
  for (const std::string& folder : listing.folders)
    if (named.count(folder) == 0) unnamed.push_back(folder);
  if (!unnamed.empty())
    throw FileError(root.string(), "", text("folders ", enumerate(unnamed)),
                    text("only the classes ", enumerate(options.class_names, 100)));
  return options.class_names;
}

/// Reads class after class: `read(folder, label, data)` appends one class's samples.
template <class ReadClass>
FrameSequences read_classes(const filesystem::path& root, const FolderOptions& options, ReadClass&& read) {
  FrameSequences data;
  data.class_names = class_folders(root, options, data.skipped);
  std::vector<std::string> empty;
  for (Index label = 0; label < data.classes(); ++label) {
    const std::string& name = data.class_names[static_cast<std::size_t>(label)];
    const Index before = data.size();
    const filesystem::path folder = root / name;
    std::error_code unknown;
    if (filesystem::is_directory(folder, unknown)) read(folder, label, data);
    if (data.size() == before) empty.push_back(name);
  }
  if (!empty.empty() && !options.allow_empty)
    throw FileError(root.string(), "", text("nothing for the classes ", enumerate(empty)),
                    "pictures for each class (FolderOptions::allow_empty takes empty ones)");
  return data;
}

inline std::vector<filesystem::path> paths_of(const filesystem::path& folder, const std::vector<std::string>& names) {
  std::vector<filesystem::path> out;
  for (const std::string& name : names) out.push_back(folder / name);
  return out;
}

/// The parts of "S005_001_00000011".
struct SubjectFrameName {
  std::string subject;   ///< "S005"
  std::string sequence;  ///< "001"
  std::string frame;     ///< "00000011"
};

inline SubjectFrameName parse_subject_frame(const filesystem::path& file) {
  const std::string stem = file.stem().string();
  const std::size_t last = stem.rfind('_');
  const std::size_t first = last == std::string::npos || last == 0 ? last : stem.rfind('_', last - 1);
  const auto all_digits = [](const std::string& part) {
    return !part.empty() && std::all_of(part.begin(), part.end(), is_digit);
  };
  if (first != std::string::npos && first > 0 && last > first + 1 && all_digits(stem.substr(last + 1)))
    return {stem.substr(0, first), stem.substr(first + 1, last - first - 1), stem.substr(last + 1)};
  throw FileError(file.string(), "", text("the name `", stem, "`"), "<subject>_<sequence>_<frame number>");
}

}  // namespace detail

/// Videos as folders of frames: `root/<class>/<video>/<frames>`. Frames follow each other in natural order ("2" before
/// "10"); each sample is named "<class>/<video>". Hidden files, files of other kinds and pictures that lie in no video
/// are passed over and counted in `skipped`.
/// Throws FileError: a folder that cannot be read, no classes, a folder that is no named class; and unless they are
/// allowed classes without videos and videos without frames, all of them named.
inline FrameSequences frame_sequences(const std::filesystem::path& root, const FolderOptions& options = {}) {
  std::vector<std::string> empty;
  auto data = detail::read_classes(root, options, [&](const auto& folder, Index label, FrameSequences& out) {
    const auto listing = detail::list_folder(folder, options, out.skipped);
    out.skipped.other += static_cast<Index>(listing.pictures.size());
    for (const std::string& video : listing.folders) {
      const auto inside = detail::list_folder(folder / video, options, out.skipped);
      out.skipped.other += static_cast<Index>(inside.folders.size());
      const std::string name = out.class_names[static_cast<std::size_t>(label)] + "/" + video;
      if (inside.pictures.empty()) {
        empty.push_back(name);
        ++out.skipped.empty;
      } else {
        out.samples.push_back(
            {.name = name, .label = label, .frames = detail::paths_of(folder / video, inside.pictures)});
      }
    }
  });
  if (!empty.empty() && !options.allow_empty)
    throw FileError(root.string(), "", detail::text("no frames in ", detail::enumerate(empty)),
                    "pictures in each video's folder (FolderOptions::allow_empty skips empty ones)");
  return data;
}

/// Pictures, each a video of one frame: `root/<class>/<picture>`. Everything else as in `frame_sequences`.
inline FrameSequences image_folder(const std::filesystem::path& root, const FolderOptions& options = {}) {
  return detail::read_classes(root, options, [&](const auto& folder, Index label, FrameSequences& out) {
    const auto listing = detail::list_folder(folder, options, out.skipped);
    out.skipped.other += static_cast<Index>(listing.folders.size());
    for (const std::string& picture : listing.pictures)
      out.samples.push_back({.name = out.class_names[static_cast<std::size_t>(label)] + "/" + picture,
                             .label = label,
                             .frames = {folder / picture}});
  });
}

/// CK+'s manner of naming. A file is `root/<class>/<subject>_<sequence>_<frame>.<extension>`, as in
/// "S005_001_00000011.png". Pictures of one subject and sequence are a video, named "<class>/<subject>_<sequence>", in
/// the order of frame numbers; the subject is known. Everything else as in `frame_sequences`.
/// Throws FileError besides for a name of another form and for a frame number that comes twice.
inline FrameSequences subject_sequences(const std::filesystem::path& root, const FolderOptions& options = {}) {
  return detail::read_classes(root, options, [&](const auto& folder, Index label, FrameSequences& out) {
    const auto listing = detail::list_folder(folder, options, out.skipped);
    out.skipped.other += static_cast<Index>(listing.folders.size());
    std::map<std::pair<std::string, std::string>, std::map<std::string, std::filesystem::path>> videos;
    for (const std::string& picture : listing.pictures) {
      const auto path = folder / picture;
      const auto parts = detail::parse_subject_frame(path);
      const std::string number(detail::leading_number(parts.frame));
      const auto [other, first] = videos[{parts.subject, parts.sequence}].emplace(number, path);
      if (!first)
        throw FileError(path.string(), "", "the frame number of " + other->second.filename().string(), "another one");
    }
    for (const auto& [key, numbered] : videos) {
      FrameSequence video{.name = out.class_names[static_cast<std::size_t>(label)] + "/" + key.first + "_" + key.second,
                          .label = label,
                          .subject = key.first};
      std::vector<std::filesystem::path> frames;
      for (const auto& [number, path] : numbered) frames.push_back(path);
      std::sort(frames.begin(), frames.end(),
                [](const auto& a, const auto& b) { return natural_less(a.stem().string(), b.stem().string()); });
      video.frames = std::move(frames);
      out.samples.push_back(std::move(video));
    }
  });
}

/// Videos that are files. They are `root/<class>/<video>.<extension>`; samples are named "<class>/<video>", name their
/// `video` and have no frames. Everything else as in `frame_sequences`; unless others are named, files with the
/// extensions .mp4, .avi, .mov, .mkv, .webm and .mpg count.
inline FrameSequences video_files(const std::filesystem::path& root, FolderOptions options = {}) {
  if (options.extensions == FolderOptions{}.extensions)
    options.extensions = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg"};
  return detail::read_classes(root, options, [&](const auto& folder, Index label, FrameSequences& out) {
    const auto listing = detail::list_folder(folder, options, out.skipped);
    out.skipped.other += static_cast<Index>(listing.folders.size());
    for (const std::string& file : listing.pictures)
      out.samples.push_back({.name = out.class_names[static_cast<std::size_t>(label)] + "/" + file,
                             .label = label,
                             .video = folder / file});
  });
}

/// How a sheet's columns are meant. Columns with an empty name are left out.
struct SheetOptions {
  std::string path = "path";  ///< the column with pictures' paths, relative to the root
  /// The column with labels; empty: samples have no class (`no_label`). A field may be empty where the sample has
  /// valence and arousal.
  std::string label = "label";
  std::string subject = "";  ///< the column with subjects, if there is one
  std::string split = "";    ///< the column with splits, if there is one
  /// The classes in the order of labels; a label is then a number from 0 or one of these names. Empty: labels are
  /// names, and classes all that occur, in natural order.
  std::vector<std::string> class_names = {};
  Index path_components = 0;   ///< how many of a path's last parts count, as 2 in "there/happy/1.png"; 0: all
  std::string extension = "";  ///< stands for the paths' own, as in ".jpg"; empty: none does
  bool allow_missing = false;  ///< skips rows without their file, and counts them
  char separator = ',';
  std::string valence = "";  ///< the column with valence, from -1 to 1; both may be empty where nothing is known
  std::string arousal = "";  ///< the column with arousal
  /// The column that names the video a row's picture is a frame of; empty, or with an empty field: each is a video.
  std::string sequence = "";
  std::string votes = "";  ///< what stands before a class's name in the column of its votes, as in "votes "
};

namespace detail {

inline filesystem::path sheet_path(std::string_view field, const SheetOptions& options) {
  const filesystem::path whole{std::string(field)};
  filesystem::path out;
  const auto parts = static_cast<Index>(std::distance(whole.begin(), whole.end()));
  Index place = 0;
  for (const auto& part : whole)
    if (place++ >= parts - options.path_components || options.path_components == 0) out /= part;
  if (!options.extension.empty()) out.replace_extension(options.extension);
  return out;
}

inline Index sheet_label(const io::CsvTable& table, Index row, Index column, const std::vector<std::string>& names) {
  const std::string field(table.text(row, column));
  const auto named = std::find(names.begin(), names.end(), field);
  if (named != names.end()) return static_cast<Index>(named - names.begin());
  const bool is_number = !field.empty() && field.size() < 10 && std::all_of(field.begin(), field.end(), is_digit);
  const Index label = is_number ? std::stoll(field) : -1;
  if (label < 0 || label >= static_cast<Index>(names.size()))
    table.fail(row, column, text("0..", names.size() - 1, ", or one of ", enumerate(names, 100)));
  return label;
}

/// Reads a sheet; see `from_sheet`.
class SheetReader {
 public:
  SheetReader(const filesystem::path& sheet, const filesystem::path& root, const SheetOptions& options)
      : table_(io::read_csv(sheet, {.separator = options.separator})), root_(root), options_(options) {
    if (options.path_components < 0)
      throw ValueError(text("from_sheet: ", options.path_components, " path components"));
    if (options.valence.empty() != options.arousal.empty())
      throw ValueError("from_sheet: valence and arousal are two columns, or none");
    check_class_names(options.class_names);
    path_ = table_.column(options.path);
    label_ = named_column(options.label);
    subject_ = named_column(options.subject);
    split_ = named_column(options.split);
    valence_ = named_column(options.valence);
    arousal_ = named_column(options.arousal);
    sequence_ = named_column(options.sequence);
  }

  FrameSequences read() {
    FrameSequences data{.class_names = options_.class_names};
    if (data.class_names.empty() && label_) {
      std::set<std::string> names;
      for (Index row = 0; row < table_.rows(); ++row)
        if (!table_.text(row, *label_).empty()) names.emplace(table_.text(row, *label_));
      data.class_names.assign(names.begin(), names.end());
      std::sort(data.class_names.begin(), data.class_names.end(), natural_less);
    }
    if (!options_.votes.empty())
      for (const std::string& name : data.class_names) votes_.push_back(table_.column(options_.votes + name));
    for (Index row = 0; row < table_.rows(); ++row) read_row(row, data);
    data.skipped.missing = static_cast<Index>(missing_.size());
    if (!missing_.empty() && !options_.allow_missing)
      throw FileError(table_.file(), "",
                      text(missing_.size(), " of ", table_.rows(), " files missing under ", root_.string(), ": ",
                           enumerate(missing_)),
                      "all of them (SheetOptions::allow_missing skips such rows)");
    return data;
  }

 private:
  std::optional<Index> named_column(const std::string& name) const {
    return name.empty() ? std::nullopt : std::optional(table_.column(name));
  }

  std::string optional_text(Index row, std::optional<Index> column) const {
    return column ? std::string(table_.text(row, *column)) : std::string();
  }

  std::optional<Affect> affect_of(Index row) const {
    if (!valence_ || (table_.text(row, *valence_).empty() && table_.text(row, *arousal_).empty())) return std::nullopt;
    const Affect affect{table_.number(row, *valence_), table_.number(row, *arousal_)};
    if (affect.valence < -1 || affect.valence > 1) table_.fail(row, *valence_, "-1 to 1");
    if (affect.arousal < -1 || affect.arousal > 1) table_.fail(row, *arousal_, "-1 to 1");
    return affect;
  }

  /// A frame may have valence and arousal alone.
  Index label_of(Index row, const std::vector<std::string>& class_names) const {
    if (!label_ || (table_.text(row, *label_).empty() && affect_of(row))) return no_label;
    return sheet_label(table_, row, *label_, class_names);
  }

  std::vector<double> votes_of(Index row) const {
    std::vector<double> votes;
    double sum = 0;
    for (const Index column : votes_) {
      votes.push_back(table_.number(row, column));
      if (votes.back() < 0) table_.fail(row, column, "votes that are not negative");
      sum += votes.back();
    }
    for (double& vote : votes) vote = sum > 0 ? vote / sum : 0;
    return sum > 0 ? votes : std::vector<double>{};
  }

  void read_row(Index row, FrameSequences& data) {
    const auto relative = sheet_path(table_.text(row, path_), options_);
    FrameSequence sample{.name = relative.string(),
                         .label = label_of(row, data.class_names),
                         .subject = optional_text(row, subject_),
                         .split = optional_text(row, split_),
                         .frames = {root_ / relative},
                         .votes = votes_of(row),
                         .affect = affect_of(row)};
    const auto [earlier, first] = seen_.emplace(relative.string(), row);
    if (!first) table_.fail(row, path_, text("another path than line ", table_.line(earlier->second)));
    std::error_code unknown;
    if (relative.empty() || !filesystem::is_regular_file(root_ / relative, unknown)) {
      missing_.push_back(relative.string());
      return;
    }
    const std::string sequence = optional_text(row, sequence_);
    if (!sequence.empty()) {
      const auto [place, begins] = sequences_.emplace(sequence, data.samples.size());
      if (!begins) {
        append_frame(row, data.samples[place->second], sample);
        return;
      }
      sample.name = sequence;
    }
    data.samples.push_back(std::move(sample));
  }

  /// All rows of a video say the same of it.
  void append_frame(Index row, FrameSequence& video, const FrameSequence& frame) const {
    if (frame.label != video.label || frame.subject != video.subject || frame.split != video.split ||
        frame.votes != video.votes || frame.affect != video.affect)
      table_.fail(row, *sequence_,
                  "the label, subject, split, votes and affect of the first row of `" + video.name + "`");
    video.frames.push_back(frame.frames[0]);
  }

  io::CsvTable table_;
  filesystem::path root_;
  SheetOptions options_;
  Index path_ = 0;
  std::optional<Index> label_, subject_, split_, valence_, arousal_, sequence_;
  std::vector<Index> votes_;
  std::map<std::string, Index> seen_;
  std::map<std::string, std::size_t> sequences_;
  std::vector<std::string> missing_;
};

/// A number that reads back as the same double.
inline std::string exact(double value) { return io::CsvWriter::as_text(value); }

}  // namespace detail

/// Pictures that a CSV sheet lists, each a video of one frame, named by its path; or with a column for `sequence` the
/// frames of videos, named by it, in the order of rows. Paths are `root` / the column's path, of which
/// `path_components` may keep the last parts alone.
///
///     auto faces = data::from_sheet("faces/sheet.csv", "faces", {.path = "file", .label = "expression",
///                                   .class_names = {"neutral", "happy", "sad"}, .path_components = 2});
///
/// Throws FileError with line and column: a column that is not there, a label of no class, a path that comes twice, a
/// valence or arousal beyond -1..1, rows of one video that disagree; and unless they are allowed files that are
/// missing, with their number. Throws ValueError for a class that is named twice.
inline FrameSequences from_sheet(const std::filesystem::path& sheet, const std::filesystem::path& root,
                                 const SheetOptions& options = {}) {
  return detail::SheetReader(sheet, root, options).read();
}

/// How `from_sheet` reads what `write_sheet` wrote; a label's column is there if there are classes.
inline SheetOptions written_sheet(std::vector<std::string> class_names, bool with_votes = false) {
  return {.label = class_names.empty() ? "" : "label",
          .subject = "subject",
          .split = "split",
          .class_names = std::move(class_names),
          .valence = "valence",
          .arousal = "arousal",
          .sequence = "sequence",
          .votes = with_votes ? "votes " : ""};
}

/// Writes a data set of files as a sheet: a row a frame, with columns path (relative to the sheet's folder), sequence,
/// label (the class's name), subject, split, valence, arousal, and "votes <class>" if anybody voted. A sample's name
/// becomes its sequence. Throws ValueError for frames that are no files, and for labels without a class where others
/// have one.
inline void write_sheet(const std::filesystem::path& sheet, const FrameSequences& data) {
  std::vector<std::string> header{"path", "sequence"};
  const bool labelled = data.classes() > 0;
  if (labelled) header.emplace_back("label");
  for (const char* name : {"subject", "split", "valence", "arousal"}) header.emplace_back(name);
  const bool voted = std::any_of(data.samples.begin(), data.samples.end(), [](auto& s) { return !s.votes.empty(); });
  if (voted)
    for (const std::string& name : data.class_names) header.push_back("votes " + name);
  io::CsvWriter writer(header);
  const auto folder = std::filesystem::absolute(sheet).parent_path();
  for (const FrameSequence& sample : data.samples) {
    if (sample.pictures || sample.frames.empty())
      throw ValueError(
          detail::text("write_sheet: the frames of `", sample.name, "` are no files of their own; pack them instead"));
    if (labelled && (sample.label < 0 || sample.label >= data.classes()))
      throw ValueError(
          detail::text("write_sheet: `", sample.name, "`: label ", sample.label, " of ", data.classes(), " classes"));
    for (const auto& frame : sample.frames) {
      const auto whole = std::filesystem::absolute(frame).lexically_normal();
      std::vector<std::string> row{whole.lexically_proximate(folder.lexically_normal()).string(), sample.name};
      if (labelled) row.push_back(data.class_names[static_cast<std::size_t>(sample.label)]);
      row.push_back(sample.subject);
      row.push_back(sample.split);
      row.push_back(sample.affect ? detail::exact(sample.affect->valence) : "");
      row.push_back(sample.affect ? detail::exact(sample.affect->arousal) : "");
      if (voted)
        for (std::size_t i = 0; i < data.class_names.size(); ++i)
          row.push_back(detail::exact(i < sample.votes.size() ? sample.votes[i] : 0.0));
      writer.row_of(row);
    }
  }
  writer.write(sheet);
}

}  // namespace mien::data
