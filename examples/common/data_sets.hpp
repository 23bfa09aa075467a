#pragma once

/// Data sets by the name of their format, as a command line gives them.

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "gesture.hpp"
#include "mien/data/data_set.hpp"
#include "mien/data/emotion_labels.hpp"
#include "program.hpp"

namespace mien::examples {

/// Where a data set is, and how it is to be read.
struct DataSetOptions {
  std::filesystem::path set = {};
  std::string format = "auto";
  std::filesystem::path pictures = {};  ///< the second place, of sets that lie in two
  std::string labels = "auto";          ///< "library", "library+other" or "own"
  bool allow_missing = false;
  Index fold = 1;
  Index stride = 1;
  Index last_frames = 0;
  double majority = 0.5;
  // Of sheets.
  std::string path_column = "path";
  std::string label_column = "label";
  std::string subject_column = "subject";
  std::string split_column = "split";
  std::string valence_column = "valence";
  std::string arousal_column = "arousal";
  std::string sequence_column = "sequence";
  std::string votes_prefix = "votes ";
  std::string class_names = {};
  Index path_components = 0;
  std::string extension = {};
  // Of joints.
  GestureDataOptions joints = {};
};

/// Pictures or joints.
using AnyDataSet = std::variant<data::FrameSequences, data::GestureSequences>;

/// One way in which data sets lie on disks.
struct DataFormat {
  std::string name;
  std::string layout;                           ///< what SET and --pictures are, in words
  std::span<const data::OwnLabel> labels = {};  ///< the set's own table, if it has one
  std::function<AnyDataSet(const DataSetOptions&)> read;
};

/// All of them.
const std::vector<DataFormat>& data_formats();

void add_data_set_options(CLI::App& app, DataSetOptions& options);

/// Reads what the options name; a packed file needs no format. Throws UsageError for a format that is unknown, or
/// missing.
AnyDataSet read_data_set(const DataSetOptions& options);

}  // namespace mien::examples
