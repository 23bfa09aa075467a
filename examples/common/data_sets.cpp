#include "data_sets.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "mien/data/afew_va.hpp"
#include "mien/data/aff_wild2.hpp"
#include "mien/data/ck_plus.hpp"
#include "mien/data/dfew.hpp"
#include "mien/data/enterface.hpp"
#include "mien/data/fer2013.hpp"
#include "mien/data/frame_folders.hpp"
#include "mien/data/gesture_sequences.hpp"
#include "mien/data/packed_pictures.hpp"
#include "mien/data/raf_db.hpp"
#include "mien/io/openpose.hpp"

namespace mien::examples {
namespace {

/// What --labels means; `usual` where nothing is said.
data::ClassOptions classes_of(const DataSetOptions& options, data::ClassOrder usual = data::ClassOrder::library) {
  if (options.labels == "own") return {.order = data::ClassOrder::own};
  if (options.labels == "library") return {};
  if (options.labels == "library+other") return {.keep_other = true};
  return {.order = usual};
}

/// Folders and sheets keep their own classes unless told otherwise.
template <class Set>
AnyDataSet own_or_library(Set set, const DataSetOptions& options) {
  return data::with_emotion_classes(std::move(set), classes_of(options, data::ClassOrder::own));
}

/// The second place, which must have been named.
const std::filesystem::path& pictures_of(const DataSetOptions& options) {
  if (options.pictures.empty()) throw UsageError("--format " + options.format + " needs --pictures as well");
  return options.pictures;
}

data::FolderOptions folders_of(const DataSetOptions& options) {
  return {.class_names = split_list(options.class_names)};
}

/// Columns that a sheet has not are left out, unless it is the path's.
AnyDataSet read_sheet(const DataSetOptions& options) {
  const io::CsvTable table = io::read_csv(options.set);
  const auto if_there = [&](const std::string& column) {
    return !column.empty() && table.find_column(column) ? column : std::string();
  };
  data::SheetOptions sheet{.path = options.path_column,
                           .label = if_there(options.label_column),
                           .subject = if_there(options.subject_column),
                           .split = if_there(options.split_column),
                           .class_names = split_list(options.class_names),
                           .path_components = options.path_components,
                           .extension = options.extension,
                           .allow_missing = options.allow_missing,
                           .valence = if_there(options.valence_column),
                           .arousal = if_there(options.arousal_column),
                           .sequence = if_there(options.sequence_column)};
  const auto is_vote = [&](const std::string& name) { return name.starts_with(options.votes_prefix); };
  if (!options.votes_prefix.empty() && std::any_of(table.names().begin(), table.names().end(), is_vote))
    sheet.votes = options.votes_prefix;
  const auto root = options.pictures.empty() ? options.set.parent_path() : options.pictures;
  return own_or_library(data::from_sheet(options.set, root, sheet), options);
}

data::AffWild2Options aff_wild2_of(const DataSetOptions& options) {
  return {.classes = classes_of(options), .every = options.stride, .allow_missing = options.allow_missing};
}

bool has_openpose_frames(const std::filesystem::path& folder) {
  std::error_code problem;
  std::filesystem::directory_iterator entry(folder, problem);
  for (; !problem && entry != std::filesystem::directory_iterator(); entry.increment(problem))
    if (io::detail::numbered_frame(entry->path())) return true;
  return false;
}

/// A folder of frames, or <class>/<recording>/<frames>, with faces and hands where they are.
AnyDataSet read_openpose(const DataSetOptions& options) {
  const io::OpenposeOptions read{.layout = parse_layout(options.joints.layout), .face = true, .hands = true};
  OpenposeRecordings found;
  if (has_openpose_frames(options.set)) {
    found.recordings.push_back({.sequence = io::read_openpose_folder(options.set, read), .label = "all"});
    found.recordings.back().sequence.name = options.set.filename().string();
  } else {
    found = read_openpose_recordings(options.set, read);
  }
  auto data = data::gesture_sequences(std::move(found.recordings));
  data.skipped = found.skipped;
  return own_or_library(std::move(data), options);
}

AnyDataSet read_joints(const DataSetOptions& options, std::string GestureDataOptions::*place) {
  GestureDataOptions joints = options.joints;
  joints.*place = options.set.string();
  joints.label_column = options.label_column;
  // A joint table has to have the columns that are named.
  const bool is_table = place == &GestureDataOptions::table;
  const bool has_split = !is_table || io::read_csv(options.set).find_column(options.split_column).has_value();
  return own_or_library(
      read_gesture_data(joints, has_split ? options.split_column : std::string(), options.subject_column), options);
}

}  // namespace

const std::vector<DataFormat>& data_formats() {
  using Options = const DataSetOptions&;
  static const std::vector<DataFormat> formats{
      {"packed",
       "a file, or a folder of shards, that `mien-data pack` wrote",
       {},
       [](Options options) -> AnyDataSet { return own_or_library(data::read_packed(options.set), options); }},
      {"images",
       "<class>/<picture>",
       {},
       [](Options options) -> AnyDataSet {
         return own_or_library(data::image_folder(options.set, folders_of(options)), options);
       }},
      {"frames",
       "<class>/<video>/<frames>",
       {},
       [](Options options) -> AnyDataSet {
         return own_or_library(data::frame_sequences(options.set, folders_of(options)), options);
       }},
      {"subjects",
       "<class>/<subject>_<sequence>_<frame>.png",
       {},
       [](Options options) -> AnyDataSet {
         return own_or_library(data::subject_sequences(options.set, folders_of(options)), options);
       }},
      {"videos",
       "<class>/<video>.mp4",
       {},
       [](Options options) -> AnyDataSet {
         return own_or_library(data::video_files(options.set, folders_of(options)), options);
       }},
      {"sheet",
       "a CSV table with a row a picture; --pictures: the folder its paths begin in, else its own",
       {},
       read_sheet},
      {"fer2013", "fer2013.csv", data::fer2013_labels,
       [](Options options) -> AnyDataSet { return data::read_fer2013(options.set, {.classes = classes_of(options)}); }},
      {"ferplus", "fer2013new.csv, or another table of votes; --pictures: fer2013.csv, or a folder, else the table's",
       data::ferplus_labels,
       [](Options options) -> AnyDataSet {
         return data::read_ferplus(
             options.set, options.pictures.empty() ? options.set.parent_path() : options.pictures,
             {.classes = classes_of(options), .majority = options.majority, .allow_missing = options.allow_missing});
       }},
      {"ck+", "the folder with cohn-kanade-images and Emotion", data::ck_plus_labels,
       [](Options options) -> AnyDataSet {
         return data::read_ck_plus(options.set, {.classes = classes_of(options), .last_frames = options.last_frames});
       }},
      {"enterface", "the folder with subject <N>/<emotion>/sentence <M>/<video>; --pictures: their frames",
       data::enterface_labels,
       [](Options options) -> AnyDataSet {
         return data::read_enterface(
             options.set,
             {.classes = classes_of(options), .frames = options.pictures, .allow_missing = options.allow_missing});
       }},
      {"aff-wild2-va",
       "VA_Estimation_Challenge; --pictures: the folder of crops",
       {},
       [](Options options) -> AnyDataSet {
         return data::read_aff_wild2_affect(options.set, pictures_of(options), aff_wild2_of(options));
       }},
      {"aff-wild2-expr", "EXPR_Recognition_Challenge; --pictures: the folder of crops", data::aff_wild2_labels,
       [](Options options) -> AnyDataSet {
         return data::read_aff_wild2_expressions(options.set, pictures_of(options), aff_wild2_of(options));
       }},
      {"afew-va",
       "the folder with <scene>/<scene>.json and frames beside it",
       {},
       [](Options options) -> AnyDataSet {
         return data::read_afew_va(options.set, {.every = options.stride, .allow_missing = options.allow_missing});
       }},
      {"dfew", "the folder with EmoLabel_DataSplit and Clip; --pictures: the folder of clips", data::dfew_labels,
       [](Options options) -> AnyDataSet {
         return data::read_dfew(options.set, {.classes = classes_of(options),
                                              .fold = options.fold,
                                              .clips = options.pictures,
                                              .allow_missing = options.allow_missing});
       }},
      {"raf-db", "the folder `basic`, or the one that holds it", data::raf_db_labels,
       [](Options options) -> AnyDataSet {
         return data::read_raf_db(options.set,
                                  {.classes = classes_of(options), .allow_missing = options.allow_missing});
       }},
      {"recordings",
       "a folder with joints.npy or joints.npy.gz and sequences.csv",
       {},
       [](Options options) { return read_joints(options, &GestureDataOptions::recordings); }},
      {"joint-table",
       "a CSV table with a row a frame (BRED's form)",
       {},
       [](Options options) { return read_joints(options, &GestureDataOptions::table); }},
      {"openpose",
       "a folder of <video>_<12 digits>_keypoints.json, or <class>/<recording>/ of them",
       {},
       read_openpose}};
  return formats;
}

namespace {

void add_sheet_options(CLI::App& app, DataSetOptions& options) {
  const std::string group = "Sheets and tables";
  const auto add = [&](const char* name, std::string& value, const char* words) {
    app.add_option(name, value, words)->group(group);
  };
  add("--path-column", options.path_column, "pictures' paths");
  add("--label-column", options.label_column, "labels");
  add("--subject-column", options.subject_column, "subjects");
  add("--split-column", options.split_column, "splits");
  add("--valence-column", options.valence_column, "valence");
  add("--arousal-column", options.arousal_column, "arousal");
  add("--sequence-column", options.sequence_column, "the video that a row's picture is a frame of");
  add("--votes-prefix", options.votes_prefix, "before a class's name, in the columns of votes");
  add("--class-names", options.class_names, "all classes in the order of their labels, where labels are numbers");
  add("--extension", options.extension, "that stands for the one of the sheet's paths, as in .jpg");
  app.add_option("--path-components", options.path_components, "last parts of the sheet's paths that count, 0: all")
      ->check(not_negative)
      ->group(group);
}

void add_joint_options(CLI::App& app, GestureDataOptions& options) {
  const std::string group = "Joints";
  app.add_option("--layout", options.layout, "of the joints")
      ->check(CLI::IsMember({"body_25", "coco_18", "other"}))
      ->group(group);
  app.add_option("--table-sequence-column", options.sequence_column, "of a joint table")->group(group);
  app.add_option("--frame-column", options.frame_column, "of a joint table")->group(group);
  app.add_option("--coordinate-scale", options.coordinate_scale, "of the coordinates of recordings")->group(group);
  app.add_option("--confidence-scale", options.confidence_scale, "of the confidences of recordings")->group(group);
  app.add_option("--third", options.third, "third number of a joint of recordings")
      ->check(CLI::IsMember({"confidence", "depth"}))
      ->group(group);
  app.add_option("--yaw", options.yaw, "degrees about the vertical axis, with depth")->group(group);
  app.add_flag("--y-upwards", options.y_upwards, "motion capture: y points up")->group(group);
}

}  // namespace

void add_data_set_options(CLI::App& app, DataSetOptions& options) {
  app.add_option("set", options.set, "the data set")->required();
  std::vector<std::string> names{"auto"};
  for (const DataFormat& format : data_formats()) names.push_back(format.name);
  app.add_option("--format", options.format, "how it lies there: see `mien-data list`; auto knows packed files")
      ->check(CLI::IsMember(names));
  app.add_option("--pictures", options.pictures, "the second place, of sets that lie in two");
  app.add_option("--labels", options.labels,
                 "library: the library's seven emotions; library+other: contempt and the like behind them; own: the "
                 "set's own. auto: own for folders, sheets, packed files and joints, else library")
      ->check(CLI::IsMember({"auto", "library", "library+other", "own"}));
  app.add_flag("--allow-missing", options.allow_missing, "skips what has no file, and counts it");
  app.add_option("--fold", options.fold, "of dfew")->check(CLI::Range(1, 5));
  app.add_option("--stride", options.stride, "every n-th frame of aff-wild2 and afew-va")->check(positive);
  app.add_option("--last-frames", options.last_frames, "of each sequence of ck+, 0: all")->check(not_negative);
  app.add_option("--majority", options.majority, "the share of votes that ferplus's winner has to exceed")
      ->check(CLI::Range(0.0, 0.99));
  add_sheet_options(app, options);
  add_joint_options(app, options.joints);
}

AnyDataSet read_data_set(const DataSetOptions& options) {
  std::string name = options.format;
  if (name == "auto") {
    if (!data::is_packed(options.set))
      throw UsageError(options.set.string() +
                       " is no packed file or folder of shards, so --format has to say how it lies there");
    name = "packed";
  }
  const auto& formats = data_formats();
  const auto found =
      std::find_if(formats.begin(), formats.end(), [&](const DataFormat& format) { return format.name == name; });
  if (found == formats.end()) throw UsageError("--format: `" + name + "` is unknown");
  return found->read(options);
}

}  // namespace mien::examples
