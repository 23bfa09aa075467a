#pragma once

/// Joint recordings in tables: CSV with a row a frame, and one array for all recordings with a list of where each lies.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "mien/core/tensor.hpp"
#include "mien/gesture/joint_sequence.hpp"
#include "mien/io/csv.hpp"
#include "mien/io/npy.hpp"

namespace mien::io {

/// One recording of a data set, with what the data set says about it.
struct JointRecording {
  gesture::JointSequence sequence = {};
  std::string label = {};
  std::string subject = {};                            ///< empty if not told
  std::string split = {};                              ///< "train", "test", ...; empty if not told
  std::map<std::string, std::string> attributes = {};  ///< all columns that describe the recording, by name
  std::string place = {};  ///< "joints.csv: line 7", where its table says this; empty if it is of none
};

/// Which columns of a CSV file mean what. Columns that are optional are left out by an empty name.
struct JointTableColumns {
  std::string sequence = "sequence";  ///< rows with the same text here are one recording
  std::string frame = "frame";        ///< an integer that orders a recording's rows; empty: as they stand
  std::string label = "label";
  std::string subject = {};  ///< optional
  std::string split = {};    ///< optional
  /// More columns that say the same in all rows of a recording, for `JointRecording::attributes`.
  std::vector<std::string> others = {};

  /// Columns of the joints, in the order of the joints. Left empty, they are x0, x1, ..., y0, ..., and c0, ... if the
  /// table has them.
  std::vector<std::string> x = {};
  std::vector<std::string> y = {};
  std::vector<std::string> confidence = {};  ///< optional: without, every joint that has numbers counts as seen
};

/// How numbers of a table become joints.
struct JointTableOptions {
  JointTableColumns columns = {};
  gesture::JointLayout layout = gesture::JointLayout::body_25;
  double coordinate_scale = 1;  ///< x and y are multiplied by it
  double confidence_scale = 1;
  /// Takes numbers that are not finite as they are, for `data::without_bad_samples`, which knows what samples are for.
  bool allow_not_finite = false;
};

/// What the third number of a joint in an array means.
enum class ThirdNumber {
  confidence,
  depth  ///< z: joints are turned by `JointRecordingsOptions::yaw` and seen from the front
};

struct JointRecordingsOptions {
  double coordinate_scale = 0.1;    ///< of the array's coordinates; 0.1 for tenths of a pixel
  double confidence_scale = 0.001;  ///< of the third number, where it is a confidence
  ThirdNumber third = ThirdNumber::confidence;
  double yaw = 0;          ///< radians around the vertical axis; only with depth
  bool y_upwards = false;  ///< true for motion capture: y is negated to point down as in images
  gesture::JointLayout layout = gesture::JointLayout::body_25;
  std::string start = "start";    ///< column of the first row of a recording in the array
  std::string length = "length";  ///< column of its number of frames
  std::string label = "label";
  std::string subject = "subject";  ///< taken if the list has it
  std::string split = "split";      ///< taken if the list has it
  std::uint64_t max_bytes = std::uint64_t{4} << 30;
  bool allow_not_finite = false;  ///< as in `JointTableOptions`
};

namespace detail {

/// "x0", "x1", ... as far as the table has them.
inline std::vector<std::string> numbered_columns(const CsvTable& table, std::string_view prefix) {
  std::vector<std::string> names;
  for (Index i = 0; table.find_column(text(prefix, i)); ++i) names.push_back(text(prefix, i));
  return names;
}

inline std::vector<Index> find_columns(const CsvTable& table, const std::vector<std::string>& names) {
  std::vector<Index> places;
  for (const std::string& name : names) places.push_back(table.column(name));
  return places;
}

/// A row's file and line.
inline std::string place_of(const CsvTable& table, Index row) { return text(table.file(), ": line ", table.line(row)); }

/// Reads the recordings of a CSV file; see `read_joint_table`.
class JointTableReader {
 public:
  JointTableReader(const CsvTable& table, const JointTableOptions& options) : table_(table), options_(options) {
    const auto or_numbered = [&](const std::vector<std::string>& given, std::string_view prefix) {
      return find_columns(table, given.empty() ? numbered_columns(table, prefix) : given);
    };
    const JointTableColumns& names = options.columns;
    x_ = or_numbered(names.x, "x");
    y_ = or_numbered(names.y, "y");
    confidence_ = or_numbered(names.confidence, "c");
    const Index expected = gesture::joint_count(options.layout);
    const auto joints = static_cast<Index>(x_.size());
    if (x_.empty() || x_.size() != y_.size() || (!confidence_.empty() && confidence_.size() != x_.size()) ||
        (expected > 0 && joints != expected))
      throw FileError(table.file(), "line 1",
                      text(x_.size(), " columns of x, ", y_.size(), " of y, ", confidence_.size(), " of confidence"),
                      expected > 0 ? text(expected, " each (", gesture::layout_name(options.layout), ")")
                                   : std::string("as many x as y"));
    sequence_ = table.column(names.sequence);
    label_ = table.column(names.label);
    if (!names.frame.empty()) frame_ = table.column(names.frame);
    if (!names.subject.empty()) subject_ = table.column(names.subject);
    if (!names.split.empty()) split_ = table.column(names.split);
    others_ = find_columns(table, names.others);
  }

  std::vector<JointRecording> read() const {
    std::vector<std::vector<Index>> groups;
    std::map<std::string_view, std::size_t> group_of;
    for (Index row = 0; row < table_.rows(); ++row) {
      const auto [found, is_first] = group_of.try_emplace(table_.text(row, sequence_), groups.size());
      if (is_first) groups.emplace_back();
      groups[found->second].push_back(row);
    }
    std::vector<JointRecording> recordings;
    for (auto& rows : groups) recordings.push_back(read_recording(rows));
    return recordings;
  }

 private:
  JointRecording read_recording(std::vector<Index>& rows) const {
    if (frame_) sort_by_frame(rows);
    JointRecording out;
    const auto frames = static_cast<Index>(rows.size());
    out.sequence.joints = Tensor<float>::zeros({frames, static_cast<Index>(x_.size()), 3});
    out.sequence.layout = options_.layout;
    out.sequence.name = table_.text(rows[0], sequence_);
    out.place = place_of(table_, rows[0]);
    out.label = constant(rows, label_);
    if (subject_) out.subject = constant(rows, *subject_);
    if (split_) out.split = constant(rows, *split_);
    add_attributes(out);
    for (std::size_t i = 0; i < others_.size(); ++i)
      out.attributes[options_.columns.others[i]] = constant(rows, others_[i]);
    float* to = out.sequence.joints.data();
    for (const Index row : rows) {
      bool is_anybody = false;
      for (std::size_t joint = 0; joint < x_.size(); ++joint, to += 3)
        is_anybody = read_joint(row, joint, to) || is_anybody;
      if (!is_anybody) ++out.sequence.frames_without_person;
    }
    return out;
  }

  void add_attributes(JointRecording& recording) const {
    const JointTableColumns& names = options_.columns;
    recording.attributes[names.sequence] = recording.sequence.name;
    recording.attributes[names.label] = recording.label;
    if (subject_) recording.attributes[names.subject] = recording.subject;
    if (split_) recording.attributes[names.split] = recording.split;
  }

  void sort_by_frame(std::vector<Index>& rows) const {
    std::vector<std::pair<std::int64_t, Index>> numbered;
    for (const Index row : rows) numbered.emplace_back(table_.integer(row, *frame_), row);
    std::sort(numbered.begin(), numbered.end());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i > 0 && numbered[i].first == numbered[i - 1].first)
        table_.fail(numbered[i].second, *frame_,
                    text("every frame of a recording once; line ", table_.line(numbered[i - 1].second), " has it too"));
      rows[i] = numbered[i].second;
    }
  }

  std::string constant(const std::vector<Index>& rows, Index column) const {
    const std::string_view value = table_.text(rows[0], column);
    for (const Index row : rows)
      if (table_.text(row, column) != value)
        table_.fail(row, column, text("`", value, "` as in line ", table_.line(rows[0]), " of the same recording"));
    return std::string(value);
  }

  /// Empty fields and confidence 0 mean that the joint was not seen. Returns whether it was.
  bool read_joint(Index row, std::size_t joint, float* to) const {
    const float confidence = confidence_.empty() ? 1.0F : read_confidence(row, confidence_[joint]);
    const bool has_numbers = !table_.text(row, x_[joint]).empty() && !table_.text(row, y_[joint]).empty();
    if (confidence == 0 || !has_numbers) return false;
    to[0] = scaled(row, x_[joint], options_.coordinate_scale);
    to[1] = scaled(row, y_[joint], options_.coordinate_scale);
    to[2] = confidence;
    return true;
  }

  /// A field's number times `scale`.
  float scaled(Index row, Index column, double scale) const {
    const double value = number(row, column) * scale;
    if (!std::isfinite(value) && options_.allow_not_finite) return static_cast<float>(value);
    if (!(std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max())))
      table_.fail(row, column, text("a number that float can hold once it is multiplied by ", scale));
    return static_cast<float>(value);
  }

  double number(Index row, Index column) const {
    return options_.allow_not_finite ? table_.any_number(row, column) : table_.number(row, column);
  }

  float read_confidence(Index row, Index column) const {
    if (table_.text(row, column).empty()) return 0;
    const float confidence = scaled(row, column, options_.confidence_scale);
    if (confidence < 0) table_.fail(row, column, "a confidence that is not negative");
    return confidence;
  }

  const CsvTable& table_;
  const JointTableOptions& options_;
  std::vector<Index> x_;
  std::vector<Index> y_;
  std::vector<Index> confidence_;
  Index sequence_ = 0;
  Index label_ = 0;
  std::optional<Index> frame_;
  std::optional<Index> subject_;
  std::optional<Index> split_;
  std::vector<Index> others_;
};

/// Rows [start, start + length) of the array [N, J, 2 or 3] as a sequence's joints.
inline Tensor<float> joints_of_rows(const Tensor<float>& array, Index start, Index length,
                                    const JointRecordingsOptions& options) {
  const Index numbers = array.size(2);
  const Index points = length * array.size(1);
  Tensor<float> joints({length, array.size(1), 3});
  const auto scale = static_cast<float>(options.coordinate_scale);
  const auto confidence_scale = static_cast<float>(options.confidence_scale);
  const float upright = options.y_upwards ? -scale : scale;
  const auto cosine = static_cast<float>(std::cos(options.yaw));
  const auto sine = static_cast<float>(std::sin(options.yaw));
  const float* from = array.data() + start * array.size(1) * numbers;
  float* to = joints.data();
  for (Index i = 0; i < points; ++i, from += numbers, to += 3) {
    to[0] = from[0] * scale;
    to[1] = from[1] * upright;
    to[2] = 1;
    if (numbers == 2) continue;
    if (options.third == ThirdNumber::depth) {
      to[0] = (from[0] * cosine + from[2] * sine) * scale;
    } else {
      to[2] = from[2] * confidence_scale;
      if (to[2] <= 0) std::fill_n(to, 3, 0.0F);
    }
  }
  return joints;
}

inline Index frames_without_person(const Tensor<float>& joints) {
  Index empty = 0;
  for (Index frame = 0; frame < joints.size(0); ++frame) {
    const float* first = joints.data() + frame * joints.size(1) * 3;
    bool is_anybody = false;
    for (Index joint = 0; joint < joints.size(1); ++joint) is_anybody = is_anybody || first[3 * joint + 2] > 0;
    if (!is_anybody) ++empty;
  }
  return empty;
}

inline void check_joint_array(const Tensor<float>& array, const JointRecordingsOptions& options,
                              const std::string& file) {
  const Index expected = gesture::joint_count(options.layout);
  const bool sane = array.rank() == 3 && array.size(1) >= 1 && (array.size(2) == 2 || array.size(2) == 3) &&
                    (expected == 0 || array.size(1) == expected) &&
                    (options.third == ThirdNumber::confidence || array.size(2) == 3);
  if (!sane)
    throw FileError(file, "", text("an array of shape ", array.shape()),
                    text("[frames, ", expected > 0 ? std::to_string(expected) : std::string("joints"), ", ",
                         options.third == ThirdNumber::depth ? "3]" : "2 or 3]"));
  if (options.allow_not_finite) return;
  // A joint that was not seen may be anywhere.
  const bool tells_absent = options.third == ThirdNumber::confidence && array.size(2) == 3;
  for (Index i = 0; i < array.elements(); ++i)
    if (!std::isfinite(array.data()[i]) && !(tells_absent && array.data()[i - i % 3 + 2] <= 0))
      throw FileError(file, text("element ", i), "a number that is not finite", "finite numbers");
}

}  // namespace detail

/// Reads recordings from a CSV table with a row a frame.
///
/// Rows of one recording may stand anywhere; they are ordered by the frame column, whose numbers may have gaps (a table
/// may hold every second frame) but no repetitions. Label, subject and split must not change within a recording. Empty
/// fields, or a confidence of 0, mean that a joint was not seen. Throws FileError with line and column.
inline std::vector<JointRecording> read_joint_table(const CsvTable& table, const JointTableOptions& options = {}) {
  return detail::JointTableReader(table, options).read();
}
inline std::vector<JointRecording> read_joint_table(const std::filesystem::path& path,
                                                    const JointTableOptions& options = {}) {
  return read_joint_table(read_csv(path), options);
}

/// Reads recordings from one array for all of them, .npy or .npy.gz of shape [N, joints, 2 or 3], and a CSV list with
/// a row a recording: where it starts in the array, how many frames it has, its label and whatever else there is, which
/// goes into `attributes`. A recording's name is its row's number in the list. Of three numbers the last is a
/// confidence (0 or less: not seen), or with `ThirdNumber::depth` z: then x' = x cos(yaw) + z sin(yaw), and z is
/// dropped. Throws FileError.
inline std::vector<JointRecording> read_joint_recordings(const std::filesystem::path& array_path,
                                                         const std::filesystem::path& list_path,
                                                         const JointRecordingsOptions& options = {}) {
  const CsvTable list = read_csv(list_path);
  const Index start_column = list.column(options.start);
  const Index length_column = list.column(options.length);
  const Index label_column = list.column(options.label);
  const auto subject_column = list.find_column(options.subject);
  const auto split_column = list.find_column(options.split);
  const auto array = read_npy<float>(array_path, options.max_bytes);
  detail::check_joint_array(array, options, array_path.string());

  std::vector<JointRecording> recordings;
  for (Index row = 0; row < list.rows(); ++row) {
    const Index start = list.integer(row, start_column);
    const Index length = list.integer(row, length_column);
    if (start < 0 || start > array.size(0))
      list.fail(row, start_column, detail::text("0 to ", array.size(0), ", the frames of the array"));
    if (length < 1 || length > array.size(0) - start)
      list.fail(row, length_column, detail::text("1 to ", array.size(0) - start, ", the frames left in the array"));
    JointRecording recording;
    recording.sequence.joints = detail::joints_of_rows(array, start, length, options);
    recording.sequence.layout = options.layout;
    recording.sequence.name = std::to_string(row);
    recording.sequence.frames_without_person = detail::frames_without_person(recording.sequence.joints);
    recording.place = detail::place_of(list, row);
    recording.label = list.text(row, label_column);
    if (subject_column) recording.subject = list.text(row, *subject_column);
    if (split_column) recording.split = list.text(row, *split_column);
    for (Index column = 0; column < list.columns(); ++column)
      recording.attributes[list.names()[static_cast<std::size_t>(column)]] = list.text(row, column);
    recordings.push_back(std::move(recording));
  }
  return recordings;
}

/// As above, from a folder with `sequences.csv` and `joints.npy` or `joints.npy.gz`.
inline std::vector<JointRecording> read_joint_recordings(const std::filesystem::path& folder,
                                                         const JointRecordingsOptions& options = {}) {
  std::error_code ignored;
  const auto plain = folder / "joints.npy";
  const auto packed = folder / "joints.npy.gz";
  return read_joint_recordings(std::filesystem::exists(plain, ignored) ? plain : packed, folder / "sequences.csv",
                               options);
}

}  // namespace mien::io
