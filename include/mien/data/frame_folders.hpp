#pragma once

/// Data sets of pictures and of videos that lie in folders as pictures. Names are looked at here, not what files hold.

#include <algorithm>
#include <filesystem>
#include <map>
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

/// CK+'s manner of naming: `root/<class>/<subject>_<sequence>_<frame>.<extension>`, as in "S005_001_00000011.png".
/// Pictures of one subject and sequence are a video, named "<class>/<subject>_<sequence>", in the order of frame
/// numbers; the subject is known. Everything else as in `frame_sequences`.
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
      for (const auto& [number, path] : numbered) video.frames.push_back(path);
      std::sort(video.frames.begin(), video.frames.end(),
                [](const auto& a, const auto& b) { return natural_less(a.stem().string(), b.stem().string()); });
      out.samples.push_back(std::move(video));
    }
  });
}

/// How a sheet's columns are meant.
struct SheetOptions {
  std::string path = "path";    ///< the column with pictures' paths, relative to the root
  std::string label = "label";  ///< the column with labels
  std::string subject = "";     ///< the column with subjects, if there is one
  std::string split = "";       ///< the column with splits, if there is one
  /// The classes in the order of labels; a label is then a number from 0 or one of these names. Empty: labels are
  /// names, and classes all that occur, in natural order.
  std::vector<std::string> class_names = {};
  Index path_components = 0;   ///< how many of a path's last parts count, as 2 in "there/happy/1.png"; 0: all
  std::string extension = "";  ///< stands for the paths' own, as in ".jpg"; empty: none does
  bool allow_missing = false;  ///< skips rows without their file, and counts them
  char separator = ',';
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

}  // namespace detail

/// Pictures that a CSV sheet lists, each a video of one frame, named by its path. Paths are `root` / the column's path,
/// of which `path_components` may keep the last parts alone.
///
///     auto faces = data::from_sheet("faces/sheet.csv", "faces", {.path = "file", .label = "expression",
///                                   .class_names = {"neutral", "happy", "sad"}, .path_components = 2});
///
/// Throws FileError with line and column: a column that is not there, a label of no class, a path that comes twice; and
/// unless they are allowed files that are missing, with their number. Throws ValueError for a class that is named
/// twice.
inline FrameSequences from_sheet(const std::filesystem::path& sheet, const std::filesystem::path& root,
                                 const SheetOptions& options = {}) {
  if (options.path_components < 0)
    throw ValueError(detail::text("from_sheet: ", options.path_components, " path components"));
  check_class_names(options.class_names);
  const io::CsvTable table = io::read_csv(sheet, {.separator = options.separator});
  const Index path = table.column(options.path);
  const Index label = table.column(options.label);
  const auto optional_text = [&](Index row, const std::string& column) {
    return column.empty() ? std::string() : std::string(table.text(row, column));
  };
  FrameSequences data{.class_names = options.class_names};
  if (data.class_names.empty()) {
    std::set<std::string> names;
    for (Index row = 0; row < table.rows(); ++row) names.emplace(table.text(row, label));
    data.class_names.assign(names.begin(), names.end());
    std::sort(data.class_names.begin(), data.class_names.end(), natural_less);
  }
  std::map<std::string, Index> seen;
  std::vector<std::string> missing;
  for (Index row = 0; row < table.rows(); ++row) {
    const auto relative = detail::sheet_path(table.text(row, path), options);
    const Index value = detail::sheet_label(table, row, label, data.class_names);
    const auto [earlier, first] = seen.emplace(relative.string(), row);
    if (!first) table.fail(row, path, detail::text("another path than line ", table.line(earlier->second)));
    std::error_code unknown;
    if (relative.empty() || !std::filesystem::is_regular_file(root / relative, unknown)) {
      missing.push_back(relative.string());
      continue;
    }
    data.samples.push_back({.name = relative.string(),
                            .label = value,
                            .subject = optional_text(row, options.subject),
                            .split = optional_text(row, options.split),
                            .frames = {root / relative}});
  }
  data.skipped.missing = static_cast<Index>(missing.size());
  if (!missing.empty() && !options.allow_missing)
    throw FileError(sheet.string(), "",
                    detail::text(missing.size(), " of ", table.rows(), " files missing under ", root.string(), ": ",
                                 detail::enumerate(missing)),
                    "all of them (SheetOptions::allow_missing skips such rows)");
  return data;
}

}  // namespace mien::data
