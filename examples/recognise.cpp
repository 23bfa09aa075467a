/// Reads emotion, or whatever a model was trained on, from films, frames or joints.
///
///     recognise film.mp4                                          faces are found; a row a face and frame
///     recognise film.mp4 --video seen.mp4 --html seen.html        the same, to look at
///     recognise /dev/video0 --json                                a camera
///     ffmpeg -i film.mp4 -f yuv4mpegpipe - | recognise -          without FFmpeg's libraries
///     recognise film.mp4 --model face.safetensors                 a model of one's own: a row a clip
///     recognise film.mp4 --joints openpose_output --model face.safetensors --joint-model gesture.safetensors
///     recognise --model face.safetensors frames                   a folder of frames, or of such folders
///     recognise --model gesture.safetensors openpose_output       a folder of *_keypoints.json, or of such folders
///     recognise --model gesture.safetensors joints_social --json  a folder with joints.npy and sequences.csv
///
/// The model file says which kind it is. Rows of faces have the columns frame, face_id, timestamp (seconds),
/// confidence, success, the face's box, emotion, a probability for each class, and valence and arousal from models that
/// tell them; rows of clips start and end (the first and last frame, counted from 0), their times, frames_with_face and
/// seen_by in place of the box. What is not known is empty.
///
/// Of folders with a model each source is cut into windows: source, start, end, emotion, probabilities. With --work-dir
/// their rows are kept in recognised.csv there after each source, and --resume, with the same options, skips the
/// sources that it has.

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

#include "common/face.hpp"
#include "common/film.hpp"
#include "common/gesture.hpp"
#include "common/model_metadata.hpp"
#include "mien/data/clip.hpp"
#include "mien/data/detail/bytes.hpp"
#include "mien/data/frame_folders.hpp"
#include "mien/io/csv.hpp"
#include "mien/io/file.hpp"
#include "mien/io/image.hpp"
#include "mien/io/json.hpp"
#include "mien/io/mapped_file.hpp"
#include "mien/io/openpose.hpp"

namespace {

using namespace mien;
namespace fs = std::filesystem;

struct Options {
  fs::path model;
  fs::path input;
  Index frames = 0;
  Index step = 0;
  std::vector<Index> crop;
  examples::GestureDataOptions joints;
  bool finds_faces = false;
};

/// One window of time; nothing was recognised if there are no probabilities.
struct Row {
  std::string source;
  Index start = 0;
  Index end = 0;
  std::vector<double> probabilities = {};
};

/// First and one past the last frame of every window. What is left over at the end, or a recording that is shorter than
/// a window, is a window of its own if no other one has its frames.
std::vector<std::pair<Index, Index>> windows(Index length, Index frames, Index step) {
  std::vector<std::pair<Index, Index>> out;
  Index start = 0;
  for (; start + frames <= length; start += step) out.emplace_back(start, start + frames);
  if (out.empty() || (start < length && out.back().second < length))
    out.emplace_back(std::min(start, length - 1), length);
  return out;
}

std::vector<double> first_row(const Tensor<float>& probabilities) {
  const auto values = probabilities.span();
  return {values.begin(), values.end()};
}

std::vector<fs::path> folders_in(const fs::path& root) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(root))
    if (entry.is_directory()) out.push_back(entry.path());
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return data::natural_less(a.string(), b.string()); });
  return out;
}

/// The folder itself if it holds what is looked for, or else those of its folders, at any depth, that do. `above` are
/// those that it lies in: a link back to one of them leads nowhere else.
template <class Holds>
void collect(const fs::path& folder, const Holds& holds, std::vector<fs::path>& out, std::vector<fs::path> above = {}) {
  fs::path itself = fs::canonical(folder);
  if (std::find(above.begin(), above.end(), itself) != above.end()) return;
  if (holds(folder)) {
    out.push_back(folder);
    return;
  }
  above.push_back(std::move(itself));
  for (const fs::path& inner : folders_in(folder)) collect(inner, holds, out, above);
}

std::string source_name(const fs::path& root, const fs::path& folder) {
  const std::string relative = fs::relative(folder, root).string();
  if (relative != ".") return relative;
  const fs::path normal = fs::weakly_canonical(folder);
  return normal.filename().string();
}

/// The windows of one video, each recognised as a video of its own.
template <class Device>
std::vector<Row> recognise_frames(examples::FaceModel<Device>& model, const std::vector<fs::path>& paths,
                                  const std::string& source, const Options& options) {
  const auto& form = model.options;
  const Index wanted = options.frames > 0 ? options.frames : form.clips * form.frames;
  const Index elements = form.frame.side * form.frame.side * form.frame.channels;
  std::map<Index, Tensor<float>> decoded;
  const auto frame = [&](Index i) -> const Tensor<float>& {
    Tensor<float>& place = decoded[i];
    if (!place.defined()) {
      const fs::path& path = paths[static_cast<std::size_t>(i)];
      io::Image image = io::read_image(path, {.channels = form.frame.channels});
      if (!options.crop.empty()) {
        const auto& box = options.crop;
        if (box[0] + box[2] > image.width || box[1] + box[3] > image.height)
          throw FileError(path.string(), "", mien::detail::text(image.width, " x ", image.height, " pixels"),
                          mien::detail::text("room for --crop ", box[0], ",", box[1], ",", box[2], ",", box[3]));
        image = io::crop(image, box[0], box[1], box[2], box[3]);
      }
      place = data::input_frame(image, form.frame);
    }
    return place;
  };
  std::vector<Row> rows;
  for (const auto& [start, end] :
       windows(static_cast<Index>(paths.size()), wanted, options.step > 0 ? options.step : wanted)) {
    examples::check_stop();
    Generator unused;
    const auto picked = data::clip_frames(end - start, {.clips = form.clips, .frames = form.frames}, unused);
    Tensor<float> input({1, form.clips, form.frames, form.frame.side, form.frame.side, form.frame.channels});
    for (std::size_t i = 0; i < picked.size(); ++i)
      std::copy_n(frame(start + picked[i]).data(), elements, input.data() + static_cast<Index>(i) * elements);
    rows.push_back({source, start, end - 1, first_row(model.answer(input).probabilities)});
    decoded.erase(decoded.begin(), decoded.lower_bound(start));
  }
  return rows;
}

template <class Device>
std::vector<Row> recognise_joints(examples::GestureModel<Device>& model, const gesture::JointSequence& sequence,
                                  const std::string& source, const Options& options) {
  const Index wanted = options.frames > 0 ? options.frames : std::max<Index>(1, sequence.frames());
  std::vector<Row> rows;
  for (const auto& [start, end] : windows(sequence.frames(), wanted, options.step > 0 ? options.step : wanted)) {
    examples::check_stop();
    const Tensor<float> joints = sequence.joints.slice(0, start, end).contiguous();
    Row row{source, start, end - 1};
    bool is_anybody = false;
    for (Index i = 0; i < joints.size(0) * joints.size(1); ++i) is_anybody = is_anybody || joints.data()[3 * i + 2] > 0;
    if (is_anybody) {
      const Tensor<float> map = gesture::represent(joints, model.options.representation);
      row.probabilities = first_row(model.answer(map.view({1, map.size(0), map.size(1), map.size(2)})).probabilities);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

bool has_pictures(const fs::path& folder) {
  data::SkippedFiles unused;
  return !data::detail::list_folder(folder, {}, unused).pictures.empty();
}

/// Rows of all sources so far, kept in the work folder after each of them if there is one.
class Rows {
 public:
  /// `origin` is what decides about the rows; it is kept beside the file.
  Rows(fs::path file, std::vector<std::string> class_names, nlohmann::json origin)
      : file_(std::move(file)), class_names_(std::move(class_names)), origin_(std::move(origin)) {}

  /// Takes over what an earlier run has kept. Throws FileError unless it had the same options and model.
  void resume() {
    if (!fs::exists(file_)) return;
    if (!fs::exists(origin_file()) || io::read_json(origin_file()) != origin_)
      throw FileError(file_.string(), "", "rows of another model, or of other options (" + origin_file().string() + ")",
                      "the same ones to go on with");
    const io::CsvTable table = io::read_csv(file_);
    for (Index row = 0; row < table.rows(); ++row) {
      Row one{std::string(table.text(row, table.column("source"))), table.integer(row, table.column("start")),
              table.integer(row, table.column("end"))};
      for (const std::string& name : class_names_) {
        const Index column = table.column("probability_" + name);
        if (!table.text(row, column).empty()) one.probabilities.push_back(table.number(row, column));
      }
      rows_.push_back(std::move(one));
    }
  }

  bool has(const std::string& source) const {
    return std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) { return row.source == source; });
  }

  /// All rows of one source.
  void add(std::vector<Row> rows) {
    std::move(rows.begin(), rows.end(), std::back_inserter(rows_));
    if (file_.empty()) return;
    io::write_file(origin_file(), origin_.dump(2) + "\n");
    io::write_file(file_, to_csv());
  }

  std::string to_csv() const;
  examples::Json to_json() const;

 private:
  fs::path origin_file() const { return file_.parent_path() / "recognised.json"; }

  std::string emotion_of(const Row& row) const {
    const auto best = std::max_element(row.probabilities.begin(), row.probabilities.end());
    return class_names_[static_cast<std::size_t>(best - row.probabilities.begin())];
  }

  fs::path file_;
  std::vector<std::string> class_names_;
  nlohmann::json origin_;
  std::vector<Row> rows_;
};

std::vector<fs::path> videos_in(const fs::path& input) {
  std::vector<fs::path> videos;
  collect(input, has_pictures, videos);
  if (videos.empty()) throw FileError(input.string(), "", "no pictures", "a folder of frames, or of such folders");
  return videos;
}

std::vector<fs::path> frames_of(const fs::path& video) {
  data::SkippedFiles unused;
  std::vector<fs::path> frames;
  for (const std::string& name : data::detail::list_folder(video, {}, unused).pictures) frames.push_back(video / name);
  return frames;
}

template <class Device>
void recognise_faces(const Options& options, Rows& rows) {
  auto model = examples::load_face_model<Device>(options.model);
  for (const fs::path& video : videos_in(options.input)) {
    const auto frames = frames_of(video);
    const std::string source = source_name(options.input, video);
    if (rows.has(source)) continue;
    std::cerr << source << ": " << frames.size() << " frames\n";
    rows.add(recognise_frames(model, frames, source, options));
  }
}

bool has_keypoints(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().ends_with("_keypoints.json")) return true;
  return false;
}

std::vector<gesture::JointSequence> read_joints(const Options& options) {
  const gesture::JointLayout layout = examples::parse_layout(options.joints.layout);
  std::vector<gesture::JointSequence> out;
  if (fs::exists(options.input / "sequences.csv")) {
    auto joints = options.joints;
    joints.recordings = options.input.string();
    for (auto& sample : examples::read_gesture_data(joints, "", joints.subject_column).samples)
      out.push_back(std::move(sample.joints));
    return out;
  }
  std::vector<fs::path> folders;
  collect(options.input, has_keypoints, folders);
  if (folders.empty())
    throw FileError(options.input.string(), "", "no *_keypoints.json and no sequences.csv",
                    "OpenPose's folder of a recording, or of such folders; or joints.npy with sequences.csv");
  for (const fs::path& folder : folders) {
    out.push_back(io::read_openpose_folder(folder, {.layout = layout}));
    out.back().name = source_name(options.input, folder);
  }
  return out;
}

template <class Device>
void recognise_gestures(const Options& options, Rows& rows) {
  auto model = examples::load_gesture_model<Device>(options.model);
  for (const gesture::JointSequence& sequence : read_joints(options)) {
    if (rows.has(sequence.name)) continue;
    examples::require_joints(model.options, sequence);
    rows.add(recognise_joints(model, sequence, sequence.name, options));
  }
}

std::string Rows::to_csv() const {
  std::ostringstream out;
  out << "source,start,end,emotion";
  for (const std::string& name : class_names_) out << "," << examples::csv_field("probability_" + name);
  out << "\n";
  for (const Row& row : rows_) {
    out << examples::csv_field(row.source) << "," << row.start << "," << row.end << ",";
    if (!row.probabilities.empty()) out << examples::csv_field(emotion_of(row));
    for (std::size_t c = 0; c < class_names_.size(); ++c) {
      out << ",";
      if (!row.probabilities.empty()) out << row.probabilities[c];
    }
    out << "\n";
  }
  return out.str();
}

examples::Json Rows::to_json() const {
  examples::Json clips = examples::Json::array();
  for (const Row& row : rows_) {
    examples::Json clip = {{"source", row.source}, {"start", row.start}, {"end", row.end}};
    clip["emotion"] = nullptr;
    clip["probabilities"] = nullptr;
    if (!row.probabilities.empty()) {
      clip["emotion"] = emotion_of(row);
      clip["probabilities"] = examples::Json::object();
      for (std::size_t c = 0; c < class_names_.size(); ++c)
        clip["probabilities"][class_names_[c]] = row.probabilities[c];
    }
    clips.push_back(clip);
  }
  return {{"class_names", class_names_}, {"clips", clips}};
}

}  // namespace

/// Throws UsageError for an option of films.
void require_folder_options(const examples::Program& program) {
  for (const char* const option : {"--rows", "--video", "--html", "--joints", "--joint-model", "--fusion"})
    if (program.given(option))
      throw examples::UsageError(std::string(option) + " is for films; --find-faces takes a folder of frames as one");
}

/// What decides about rows: all options, and the model itself.
nlohmann::json origin_of_rows(const Options& options, const examples::Program& program) {
  const io::MappedFile model(options.model);
  return {{"options", program.settings()}, {"model", mien::detail::text(data::detail::content_hash(model.bytes()))}};
}

/// Windows of the frames or joints in a folder.
template <class Device>
void recognise_folder(const Options& options, const examples::Program& program) {
  require_folder_options(program);
  if (!fs::is_directory(options.input))
    throw FileError(options.input.string(), "", "no such folder", "a folder that can be read");
  const io::Safetensors file = io::read_safetensors(options.model);
  const auto kind = file.metadata().find("model");
  if (kind == file.metadata().end())
    throw FileError(options.model.string(), "__metadata__", "no `model`", "a file that a training program saved");
  const auto class_names = examples::model_class_names(file.metadata(), options.model.string());
  const bool is_face = kind->second == "sistcm_resnet18";
  if (program.common().dry_run) {
    if (program.common().json) {
      const examples::Json model = {
          {"model", options.model.string()}, {"kind", kind->second}, {"class_names", class_names}};
      std::cout << model.dump(2) << "\n";
    } else {
      std::cout << options.model.string() << ": " << kind->second << ", " << class_names.size() << " classes\n";
    }
    return;
  }
  const auto& common = program.common();
  if (!common.work_dir.empty()) io::create_folders(common.work_dir);
  Rows rows(common.work_dir.empty() ? fs::path() : common.work_dir / "recognised.csv", class_names,
            origin_of_rows(options, program));
  if (common.resume) rows.resume();
  if (is_face) {
    recognise_faces<Device>(options, rows);
  } else {
    recognise_gestures<Device>(options, rows);
  }
  if (common.json) {
    std::cout << rows.to_json().dump(2) << "\n";
  } else {
    std::cout << rows.to_csv();
  }
}

/// Films, and folders of frames in which faces are to be found.
template <class Device>
void recognise_film(const Options& options, examples::FilmOptions film, const examples::Program& program) {
  if (!options.crop.empty()) throw examples::UsageError("--crop is for folders of frames; in films faces are found");
  if (program.common().resume) throw examples::UsageError("--resume is for folders; a film is recognised in one go");
  if (program.given("--work-dir"))
    throw examples::UsageError("--work-dir is for folders of frames or joints; the rows of a film are printed");
  std::error_code unknown;
  for (const std::string& out : {film.annotated, film.html})
    if (!out.empty() && fs::equivalent(out, options.input, unknown))
      throw FileError(out, "", "the name of the film that is read", "another one");
  film.input = options.input;
  film.model = options.model.string();
  film.frames = options.frames;
  film.step = options.step;
  film.joint_layout = options.joints.layout;
  examples::recognise_film<Device>(film, program);
}

int main(int count, char** arguments) {
  examples::Program program("Recognises emotions in films, frames or joints.", "");
  Options options;
  CLI::App& app = program.app();
  constexpr Index most = Index{1} << 31;  // frames or pixels
  app.add_option("input", options.input,
                 "film, camera (/dev/video0) or - for standard input; or a folder of frames, of OpenPose's JSON, of "
                 "joints.npy, or of such folders")
      ->required();
  app.add_option("--model", options.model,
                 "model.safetensors of a training program; without one, faces are found, and recognised by the "
                 "networks that come with mien");
  app.add_option("--frames", options.frames,
                 "frames of a window; 0: as many as the face model looks at, or a whole recording of joints")
      ->check(CLI::Range(Index{0}, most));
  app.add_option("--step", options.step, "frames from one window's start to the next; 0: a window's length")
      ->check(CLI::Range(Index{0}, most));
  app.add_option("--crop", options.crop, "x,y,width,height of the face in each frame; unless given the middle square")
      ->delimiter(',')
      ->expected(4)
      ->check(CLI::Range(Index{0}, most));
  app.add_option("--layout", options.joints.layout, "of joints: body_25, coco_18 or other")
      ->check(CLI::IsMember({"body_25", "coco_18", "other"}));
  app.add_option("--label-column", options.joints.label_column, "of sequences.csv, beside joints.npy");
  app.add_option("--coordinate-scale", options.joints.coordinate_scale, "of x and y in joints.npy");
  app.add_option("--confidence-scale", options.joints.confidence_scale, "of confidences in joints.npy");
  app.add_option("--third", options.joints.third, "what the third number in joints.npy is: confidence or depth")
      ->check(CLI::IsMember({"confidence", "depth"}));
  app.add_option("--yaw", options.joints.yaw, "degrees by which recordings with depth are turned");
  app.add_flag("--y-upwards", options.joints.y_upwards, "y grows upwards, as in motion capture");

  examples::FilmOptions film;
  examples::add_film_options(app, film);
  app.add_flag("--find-faces", options.finds_faces, "finds faces in a folder of frames too, as in films")
      ->group("Films");

  return program.run_on_device(count, arguments, [&]<class Device>(Device) {
    if (options.model.empty() || options.finds_faces || !fs::is_directory(options.input)) {
      recognise_film<Device>(options, film, program);
    } else {
      recognise_folder<Device>(options, program);
    }
  });
}
