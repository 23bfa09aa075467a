#include "film.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <exception>
#include <future>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "face.hpp"
#include "image.hpp"
#include "mien/data/clip.hpp"
#include "mien/face/expression.hpp"
#include "mien/gesture/representation.hpp"
#include "mien/io/csv.hpp"
#include "mien/io/openpose.hpp"
#include "mien/report/affect_plane.hpp"
#include "mien/report/html.hpp"
#include "mien/report/pictures.hpp"
#include "mien/video/overlay.hpp"
#include "mien/video/read_ahead.hpp"
#include "mien/video/reader.hpp"
#include "mien/video/writer.hpp"
#include "model_metadata.hpp"
#include "report.hpp"

namespace mien::examples {
namespace {

using Clock = std::chrono::steady_clock;

const std::map<std::string, face::Several>& choices_of_faces() {
  static const std::map<std::string, face::Several> names{{"largest", face::Several::largest},
                                                          {"most-confident", face::Several::most_confident},
                                                          {"tracked", face::Several::tracked}};
  return names;
}

const std::map<std::string, models::DecisionRule>& decision_rules() {
  static const std::map<std::string, models::DecisionRule> names{{"maximum", models::DecisionRule::maximum},
                                                                 {"average", models::DecisionRule::average},
                                                                 {"product", models::DecisionRule::product}};
  return names;
}

}  // namespace

void add_film_options(CLI::App& app, FilmOptions& options) {
  const std::string group = "Films";
  app.add_option_function<std::string>(
         "--rows",
         [&options](const std::string& word) { options.rows = word == "faces" ? FilmRows::faces : FilmRows::clips; },
         "a row for each face of each frame, or for each clip; unless given, what the model looks at")
      ->check(CLI::IsMember({"faces", "clips"}))
      ->group(group);
  add_choice(app, "--several", options.several, choices_of_faces(),
             "which face clips are about where there are several")
      ->group(group);
  app.add_option("--face-threshold", options.detector.score_threshold, "least confidence of a face")
      ->check(CLI::Range(0.0, 1.0))
      ->group(group);
  app.add_option("--longest-side", options.detector.longest_side,
                 "faces are looked for in pictures that are reduced to so many pixels; 0: never reduced")
      ->check(not_negative)
      ->group(group);
  app.add_option("--face-scales", options.detector.scales,
                 "sizes in which a picture is searched, each half of the last")
      ->check(CLI::Range(1, 8))
      ->group(group);
  app.add_option("--margin", options.margin, "around faces, as a part of their size; for models that are given")
      ->check(CLI::Range(-0.4, 4.0))
      ->group(group);
  app.add_option("--video", options.annotated, "writes the film with faces, probabilities and a timeline drawn on it")
      ->group(group);
  app.add_option("--html", options.html, "writes a report of one page")->group(group);
  app.add_option("--joints", options.joints, "OpenPose's folder of JSON for the same film")->group(group);
  app.add_option("--joint-model", options.joint_model, "model.safetensors of train_gesture, for --joints")
      ->group(group);
  add_choice(app, "--fusion", options.fusion, decision_rules(), "how face and body of a clip are put together")
      ->group(group);
  app.add_option("--pixel-format", options.pixel_format, "the input is nothing but frames of this format")
      ->check(CLI::IsMember({"rgb24", "gray", "yuv420p"}))
      ->group(group);
  app.add_option("--width", options.video.width, "of raw frames, or asked of a camera")
      ->check(not_negative)
      ->group(group);
  app.add_option("--height", options.video.height, "of raw frames, or asked of a camera")
      ->check(not_negative)
      ->group(group);
  app.add_option("--frame-rate", options.video.frame_rate, "of raw frames and folders, 0: 25; or asked of a camera")
      ->check(not_negative)
      ->group(group);
  app.add_flag("--allow-damage", options.video.allow_damage, "goes on where a film is damaged")->group(group);
}

namespace {

// --- what is recognised ---------------------------------------------------------------------------------------------

/// What a face, or a clip, shows. Empty where nothing was recognised.
struct Shown {
  std::vector<double> probabilities = {};
  std::optional<data::Affect> affect = {};

  bool anything() const { return !probabilities.empty() || affect; }
};

Shown shown_in(const Answer& answer) {
  Shown out;
  if (answer.probabilities.defined()) {
    const auto row = answer.probabilities.span();
    out.probabilities.assign(row.begin(), row.end());
  }
  if (answer.affect.defined())
    out.affect = data::Affect{static_cast<double>(answer.affect(0, 0)), static_cast<double>(answer.affect(0, 1))};
  return out;
}

/// The mean of what was recognised.
Shown mean_of(const std::vector<const Shown*>& all) {
  Shown out;
  const double share = 1 / static_cast<double>(all.size());
  for (const Shown* one : all) {
    out.probabilities.resize(one->probabilities.size());
    for (std::size_t c = 0; c < one->probabilities.size(); ++c) out.probabilities[c] += share * one->probabilities[c];
    if (!one->affect) continue;
    if (!out.affect) out.affect.emplace();
    out.affect->valence += share * one->affect->valence;
    out.affect->arousal += share * one->affect->arousal;
  }
  return out;
}

/// The most probable class.
std::size_t greatest(const std::vector<double>& probabilities) {
  return static_cast<std::size_t>(std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin());
}

/// The mean of vectors that are all equally long.
class MeanVector {
 public:
  void add(const std::vector<double>& values) {
    if (values.empty()) return;
    sums_.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) sums_[i] += values[i];
    ++count_;
  }

  bool empty() const { return count_ == 0; }

  std::vector<double> mean() const {
    std::vector<double> out = sums_;
    for (double& value : out) value /= static_cast<double>(count_);
    return out;
  }

 private:
  std::vector<double> sums_;
  Index count_ = 0;
};

/// A face of one frame, and what it shows by itself.
struct SeenFace {
  face::TrackedFace face;
  Shown shown = {};
};

/// One frame, once everything in it is recognised.
struct SeenFrame {
  Index index = 0;
  double time = 0;
  std::vector<SeenFace> faces = {};
  std::optional<std::size_t> followed = {};  ///< the face that clips are about
  Tensor<float> input = {};                  ///< of that face, for models of clips
};

/// A window of frames.
struct Clip {
  Index start = 0;
  Index end = 0;  ///< the last one
  double start_time = 0;
  double end_time = 0;
  Index frames_with_face = 0;
  Shown shown = {};
  std::string seen_by = {};                ///< face, body, both or nothing
  std::vector<double> view_weights = {};   ///< alpha of the height view in each SISTCM block, if such a network looked
  std::vector<double> joint_weights = {};  ///< of the joint attention, if there was a body to look at
};

/// Any model that tells what a face shows: of single frames, or of clips.
template <class Device>
class FaceReader {
 public:
  FaceReader(const std::string& path, double margin) : margin_(margin) {
    if (path.empty()) {
      model_.template emplace<face::ExpressionRecogniser>();
      class_names_.assign(data::emotion_names.begin(), data::emotion_names.end());
      return;
    }
    const io::Safetensors file = io::read_safetensors(path);
    const auto kind = file.metadata().find("model");
    if (kind != file.metadata().end() && kind->second == "sistcm_resnet18") {
      class_names_ = model_.template emplace<FaceModel<Device>>(load_face_model<Device>(path)).class_names;
    } else if (kind != file.metadata().end() && kind->second == "image") {
      const auto& model = model_.template emplace<ImageModel<Device>>(load_image_model<Device>(path));
      if (model.options.draws_joints)
        throw FileError(path, "__metadata__: options", "a network over skeletons that are drawn from joints",
                        "one over pictures of faces");
      class_names_ = model.class_names;
      tells_affect_ = model.options.affect;
    } else {
      throw FileError(path, "__metadata__", kind == file.metadata().end() ? "no `model`" : "a `" + kind->second + "`",
                      "a file of train_face, train_image or train_valence_arousal");
    }
  }

  const std::vector<std::string>& class_names() const { return class_names_; }
  bool tells_affect() const { return tells_affect_; }
  bool reads_clips() const { return std::holds_alternative<FaceModel<Device>>(model_); }

  /// Frames of a clip: what the model looks at.
  Index clip_frames(double frame_rate) const {
    if (const auto* model = std::get_if<FaceModel<Device>>(&model_))
      return model->options.clips * model->options.frames;
    return std::max<Index>(1, std::llround(frame_rate));
  }

  /// What a face shows by itself; nothing for models of clips.
  Shown read(const io::Image& frame, const face::Face& face) {
    if (auto* expression = std::get_if<face::ExpressionRecogniser>(&model_)) {
      const auto probabilities = (*expression)(frame, face);
      return {.probabilities = {probabilities.begin(), probabilities.end()}};
    }
    auto* image = std::get_if<ImageModel<Device>>(&model_);
    if (image == nullptr) return {};
    const Tensor<float> input = input_of(frame, face, image->options.frame);
    return shown_in(image->answer(input.view({1, 1, input.size(0), input.size(1), input.size(2)})));
  }

  /// A face as models of clips take it.
  Tensor<float> clip_input(const io::Image& frame, const face::Face& face) const {
    return input_of(frame, face, std::get<FaceModel<Device>>(model_).options.frame);
  }

  /// What a clip shows whose faces these are.
  Shown read_clip(const std::vector<Tensor<float>>& faces) {
    auto& model = std::get<FaceModel<Device>>(model_);
    const FaceModelOptions& form = model.options;
    Generator unused;
    const auto picked =
        data::clip_frames(static_cast<Index>(faces.size()), {.clips = form.clips, .frames = form.frames}, unused);
    Tensor<float> input({1, form.clips, form.frames, form.frame.side, form.frame.side, form.frame.channels});
    float* to = input.data();
    for (const Index i : picked) {
      const auto pixels = faces[static_cast<std::size_t>(i)].span();
      to = std::copy(pixels.begin(), pixels.end(), to);
    }
    return shown_in(model.answer(input));
  }

  /// The weight of the height view in each block for the clip that was read last; none for models of single frames.
  std::vector<double> view_weights() {
    std::vector<double> out;
    if (auto* const model = std::get_if<FaceModel<Device>>(&model_))
      for (const auto& block : model->network.face.alpha()) {
        const Tensor<float> height = block.select(1, 0).contiguous().template to<Cpu>();
        const auto weights = height.span();
        out.push_back(std::accumulate(weights.begin(), weights.end(), 0.0) / static_cast<double>(weights.size()));
      }
    return out;
  }

  /// A face with what spoke for its most probable class laid over it; nothing for networks that do not end in a mean
  /// over places, and for models of clips.
  std::optional<io::Image> looked_at(const io::Image& frame, const face::Face& face, const Shown& shown) {
    if (shown.probabilities.empty()) return std::nullopt;
    const auto label = static_cast<Index>(greatest(shown.probabilities));
    io::Image picture;
    Tensor<float> map;
    if (auto* const expression = std::get_if<face::ExpressionRecogniser>(&model_)) {
      picture = face::ExpressionRecogniser::crop(frame, face);
      map = expression->activation_map(picture, static_cast<data::Emotion>(label));
    } else if (auto* const image = std::get_if<ImageModel<Device>>(&model_)) {
      const Tensor<float> input = input_of(frame, face, image->options.frame);
      picture = face::crop_face(frame, face.box, {.side = 112, .margin = margin_});
      map = image->activation_map(input.view({1, 1, input.size(0), input.size(1), input.size(2)}), label);
    }
    if (!map.defined()) return std::nullopt;
    return report::activation_over(picture, map);
  }

 private:
  Tensor<float> input_of(const io::Image& frame, const face::Face& face, const data::FrameOptions& form) const {
    return data::input_frame(face::crop_face(frame, face.box, {.side = form.side, .margin = margin_}), form);
  }

  std::variant<std::monostate, face::ExpressionRecogniser, ImageModel<Device>, FaceModel<Device>> model_;
  std::vector<std::string> class_names_;
  bool tells_affect_ = false;
  double margin_;
};

/// The body of the same film.
template <class Device>
class BodyReader {
 public:
  BodyReader(const FilmOptions& options, const std::vector<std::string>& class_names) {
    if (options.joints.empty()) {
      if (!options.joint_model.empty()) throw UsageError("--joint-model needs --joints");
      return;
    }
    layout_ = parse_layout(options.joint_layout);
    const gesture::JointSequence recording = io::read_openpose_folder(options.joints, {.layout = layout_});
    joints_ = recording.joints.contiguous();
    first_frame_ = recording.first_frame;
    if (options.joint_model.empty()) return;
    model_.emplace(load_gesture_model<Device>(options.joint_model));
    require_joints(model_->options, recording);
    const auto& own = model_->class_names;
    if (class_names.empty())
      throw UsageError("--joint-model: the faces' model tells no classes that those of " + options.joint_model +
                       " could be put together with");
    for (const std::string& name : class_names) {
      const auto place = std::find(own.begin(), own.end(), name);
      if (place == own.end() || class_names.size() != own.size())
        throw FileError(options.joint_model, "__metadata__: class_names", join(own),
                        "those of the faces' model, in any order: " + join(class_names));
      places_.push_back(static_cast<std::size_t>(place - own.begin()));
    }
  }

  bool recognises() const { return model_.has_value(); }

  /// The attention's weight of each joint in the clip that was read last.
  std::vector<double> joint_weights() const {
    const Tensor<float> weights = model_->network.joint_weights().contiguous().template to<Cpu>();
    return {weights.span().begin(), weights.span().end()};
  }

  /// The joints that those weights belong to; empty: all of the layout, in order.
  const std::vector<Index>& attended_joints() const { return model_->options.representation.joints; }

  gesture::JointLayout layout() const { return layout_; }

  /// Of one frame, [J, 3]; undefined where nothing is known.
  Tensor<float> joints(Index frame) const {
    const Index row = frame - first_frame_;
    return joints_.defined() && row >= 0 && row < joints_.size(0) ? joints_.select(0, row).contiguous()
                                                                  : Tensor<float>();
  }

  /// Of frames from `start` to `end`, the last one.
  Shown read(Index start, Index end) {
    if (!model_) return {};
    const Index first = std::max<Index>(start - first_frame_, 0);
    const Index last = std::min(end + 1 - first_frame_, joints_.size(0));
    if (first >= last) return {};
    const Tensor<float> part = joints_.slice(0, first, last).contiguous();
    const auto numbers = part.span();
    bool anybody = false;
    for (std::size_t i = 2; i < numbers.size(); i += 3) anybody = anybody || numbers[i] > 0;
    if (!anybody) return {};
    const Tensor<float> map = gesture::represent(part, model_->options.representation);
    const Shown in_own_order = shown_in(model_->answer(map.view({1, map.size(0), map.size(1), map.size(2)})));
    Shown out;
    for (const std::size_t place : places_) out.probabilities.push_back(in_own_order.probabilities[place]);
    return out;
  }

 private:
  static std::string join(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
    return out;
  }

  gesture::JointLayout layout_ = gesture::JointLayout::body_25;
  Tensor<float> joints_;
  Index first_frame_ = 0;  ///< of the film, that the joints begin with
  std::optional<GestureModel<Device>> model_;
  std::vector<std::size_t> places_;  ///< of the faces' classes among the model's
};

// --- clips ----------------------------------------------------------------------------------------------------------

/// Makes clips of the frames that go by. What is left at the end, if no clip has it, is one of its own.
template <class Device>
class ClipMaker {
 public:
  ClipMaker(FaceReader<Device>& face, BodyReader<Device>& body, const FilmOptions& options, double frame_rate)
      : face_(face),
        body_(body),
        rule_(options.fusion),
        length_(options.frames > 0 ? options.frames : face.clip_frames(frame_rate)),
        step_(options.step > 0 ? options.step : length_) {}

  std::optional<Clip> add(const SeenFrame& frame) {
    frames_.push_back({frame.index, frame.time, {}, frame.input});
    if (frame.followed) frames_.back().shown = frame.faces[*frame.followed].shown;
    fresh_ = true;
    if (static_cast<Index>(frames_.size()) < length_) return std::nullopt;
    const Clip out = clip();
    for (Index i = 0; i < std::min(step_, length_); ++i) frames_.pop_front();
    left_out_ = std::max<Index>(0, step_ - length_);
    fresh_ = false;
    return out;
  }

  /// Whether a frame belongs to no clip, where steps are longer than clips.
  bool leaves_out() { return left_out_ > 0 && left_out_-- > 0; }

  std::optional<Clip> finish() {
    if (!fresh_ || frames_.empty()) return std::nullopt;
    return clip();
  }

 private:
  struct Moment {
    Index index;
    double time;
    Shown shown;
    Tensor<float> input;
  };

  Clip clip() {
    Clip out{.start = frames_.front().index,
             .end = frames_.back().index,
             .start_time = frames_.front().time,
             .end_time = frames_.back().time};
    const Shown of_face = face_.reads_clips() ? face_clip(out) : mean_face(out);
    const Shown of_body = body_.read(out.start, out.end);
    const bool face = of_face.anything();
    const bool body = of_body.anything();
    if (face) out.view_weights = face_.view_weights();
    if (body) out.joint_weights = body_.joint_weights();
    out.seen_by = face && body ? "both" : face ? "face" : body ? "body" : "";
    out.shown = face && body ? fused(of_face, of_body) : face ? of_face : of_body;
    return out;
  }

  Shown face_clip(Clip& clip) {
    std::vector<Tensor<float>> faces;
    for (const Moment& moment : frames_)
      if (moment.input.defined()) faces.push_back(moment.input);
    clip.frames_with_face = static_cast<Index>(faces.size());
    return faces.empty() ? Shown{} : face_.read_clip(faces);
  }

  Shown mean_face(Clip& clip) const {
    std::vector<const Shown*> seen;
    for (const Moment& moment : frames_)
      if (moment.shown.anything()) seen.push_back(&moment.shown);
    clip.frames_with_face = static_cast<Index>(seen.size());
    return seen.empty() ? Shown{} : mean_of(seen);
  }

  Shown fused(const Shown& face, const Shown& body) const {
    const auto row = [](const std::vector<double>& values) {
      Tensor<double> out({1, static_cast<Index>(values.size())});
      std::copy(values.begin(), values.end(), out.data());
      return out;
    };
    const auto both =
        models::fuse_decisions<double, Cpu>({row(face.probabilities), row(body.probabilities)}, {.rule = rule_});
    const auto values = both.scores.span();
    return {.probabilities = {values.begin(), values.end()}, .affect = face.affect};
  }

  FaceReader<Device>& face_;
  BodyReader<Device>& body_;
  models::DecisionRule rule_;
  Index length_;
  Index step_;
  std::deque<Moment> frames_;
  Index left_out_ = 0;
  bool fresh_ = false;  ///< whether a frame came that no clip has
};

// --- rows -----------------------------------------------------------------------------------------------------------

/// Prints rows as they come, as CSV or as the parts of one JSON object.
class RowPrinter {
 public:
  RowPrinter(std::vector<std::string> class_names, bool tells_affect, FilmRows rows, bool json)
      : class_names_(std::move(class_names)), tells_affect_(tells_affect), json_(json) {
    // Frames of a film of days have times of their own.
    std::cout << std::setprecision(9);
    if (json_) {
      std::cout << "{\"class_names\":" << Json(class_names_).dump() << ",\""
                << (rows == FilmRows::faces ? "faces" : "clips") << "\":[";
      return;
    }
    std::cout << (rows == FilmRows::faces ? "frame,face_id,timestamp,confidence,success,x,y,width,height"
                                          : "start,end,start_time,end_time,frames_with_face,seen_by");
    if (!class_names_.empty()) std::cout << ",emotion";
    for (const std::string& name : class_names_) std::cout << "," << csv_field("probability_" + name);
    if (tells_affect_) std::cout << ",valence,arousal";
    std::cout << "\n";
  }

  /// A row for each face, or one without.
  void print(const SeenFrame& frame) {
    if (frame.faces.empty())
      print({{"frame", frame.index},
             {"face_id", nullptr},
             {"timestamp", frame.time},
             {"confidence", 0},
             {"success", 0},
             {"x", nullptr},
             {"y", nullptr},
             {"width", nullptr},
             {"height", nullptr}},
            {});
    for (const auto& [face, shown] : frame.faces)
      print({{"frame", frame.index},
             {"face_id", face.id},
             {"timestamp", frame.time},
             {"confidence", face.confidence},
             {"success", 1},
             {"x", face.box.x},
             {"y", face.box.y},
             {"width", face.box.width},
             {"height", face.box.height}},
            shown);
  }

  void print(const Clip& clip) {
    print({{"start", clip.start},
           {"end", clip.end},
           {"start_time", clip.start_time},
           {"end_time", clip.end_time},
           {"frames_with_face", clip.frames_with_face},
           {"seen_by", clip.seen_by}},
          clip.shown);
  }

  void finish() {
    if (json_) std::cout << "\n]}\n";
    std::cout << std::flush;
  }

 private:
  void print(Json row, const Shown& shown) {
    const bool known = !shown.probabilities.empty();
    if (!class_names_.empty()) row["emotion"] = known ? Json(name_of_greatest(shown)) : Json();
    for (std::size_t c = 0; c < class_names_.size(); ++c)
      row["probability_" + class_names_[c]] = known ? Json(shown.probabilities[c]) : Json();
    if (tells_affect_) {
      row["valence"] = shown.affect ? Json(shown.affect->valence) : Json();
      row["arousal"] = shown.affect ? Json(shown.affect->arousal) : Json();
    }
    if (json_) {
      std::cout << (first_ ? "\n" : ",\n") << row.dump();
      first_ = false;
      require_output();
      return;
    }
    std::string separator;
    for (const auto& [name, value] : row.items()) {
      std::cout << std::exchange(separator, ",");
      if (value.is_string()) std::cout << csv_field(value.get<std::string>());
      if (value.is_number_integer()) std::cout << value.get<Index>();
      if (value.is_number_float()) std::cout << value.get<double>();
    }
    // A camera's rows are for whoever looks on.
    std::cout << std::endl;
    require_output();
  }

  const std::string& name_of_greatest(const Shown& shown) const { return class_names_[greatest(shown.probabilities)]; }

  std::vector<std::string> class_names_;
  bool tells_affect_;
  bool json_;
  bool first_ = true;
};

// --- drawing --------------------------------------------------------------------------------------------------------

/// The film with all that was seen drawn on it.
class Annotator {
 public:
  Annotator(const std::string& path, double frame_rate, const std::vector<std::string>& class_names)
      : writer_(video::create_video(path, {.frame_rate = frame_rate > 0 ? frame_rate : 25})),
        class_names_(class_names),
        colours_(video::class_colours(class_names)) {
    if (!class_names.empty()) timeline_.emplace(class_names);
  }

  void draw(io::Image& image, const SeenFrame& frame, const Shown& shown, const Tensor<float>& joints,
            gesture::JointLayout layout) {
    if (joints.defined()) video::draw_body(image, joints, {}, layout);
    for (const auto& [face, of_face] : frame.faces) draw_face(image, face, of_face);
    if (timeline_) {
      const std::span<const double> probabilities(shown.probabilities);
      if (probabilities.empty()) {
        timeline_->add(frame.time);
      } else {
        timeline_->add(frame.time, probabilities);
      }
      timeline_->draw(image);
      if (!probabilities.empty()) video::draw_probabilities(image, class_names_, probabilities);
    }
    writer_->write(image, frame.time);
  }

  void finish() {
    if (writer_->frames_written() > 0) writer_->finish();
  }

 private:
  void draw_face(io::Image& image, const face::TrackedFace& face, const Shown& shown) const {
    std::string label;
    video::Colour colour{255, 255, 255};
    if (!shown.probabilities.empty()) {
      const std::size_t place = greatest(shown.probabilities);
      label = class_names_[place] + " " + percent(shown.probabilities[place]);
      colour = colours_[place];
    }
    video::draw_box(image, face.box, label, colour);
    video::draw_landmarks(image, face.landmarks.points());
  }

  std::unique_ptr<video::FrameWriter> writer_;
  std::vector<std::string> class_names_;
  std::vector<video::Colour> colours_;
  std::optional<video::ProbabilityTimeline> timeline_;
};

/// So many things at most of a sequence without known end, evenly chosen: when there are too many, every second one
/// goes, and of those to come only every second one is taken.
template <class Thing>
class EvenlyChosen {
 public:
  explicit EvenlyChosen(std::size_t most) : most_(most) {}

  /// Whether the next one is wanted.
  bool wants_next() { return seen_++ % every_ == 0; }

  void add(Thing thing) {
    things_.push_back(std::move(thing));
    if (things_.size() <= most_) return;
    for (std::size_t i = 1; 2 * i < things_.size(); ++i) things_[i] = std::move(things_[2 * i]);
    things_.resize((things_.size() + 1) / 2);
    every_ *= 2;
  }

  const std::vector<Thing>& things() const { return things_; }

 private:
  std::size_t most_;
  Index seen_ = 0;
  Index every_ = 1;
  std::vector<Thing> things_;
};

/// Gathers what a page about the film shows; its size does not grow with the film.
class FilmReport {
 public:
  void add(double time, const Shown& shown) {
    if (moments_.wants_next() && shown.anything()) moments_.add({time, shown});
  }

  void add(double time, const io::Image& image) {
    if (strip_.wants_next()) strip_.add({time, report::picture(image, {.longest = 160, .jpeg_quality = 80})});
    aspect_ = static_cast<double>(image.width) / static_cast<double>(image.height);
  }

  bool wants_look() { return looks_.wants_next(); }
  void add_look(std::string caption, const io::Image& image) {
    looks_.add({report::picture(image), std::move(caption)});
  }

  /// Of clips that overlap, each is shown from where the one before it ends.
  void add(const Clip& clip) {
    add(std::max(clip.start_time, shown_until_), clip.shown);
    add(clip.end_time, clip.shown);
    shown_until_ = clip.end_time;
    view_weights_.add(clip.view_weights);
    joint_weights_.add(clip.joint_weights);
  }

  /// Which joints the weights of clips belong to, as `BodyReader` has them.
  void set_joints(gesture::JointLayout layout, std::vector<Index> joints) {
    layout_ = layout;
    joints_ = std::move(joints);
  }

  void save(const std::string& path, const std::string& input, const std::vector<std::string>& class_names,
            const std::vector<report::Fact>& facts, const std::map<std::string, std::string>& settings) const {
    report::Page page("Emotions of " + std::filesystem::path(input).filename().string());
    page.section("Film").facts(facts);
    report::Timeline timeline{.classes = class_names, .frames = strip_.things(), .frame_aspect = aspect_};
    report::AffectPoints path_of_affect{.name = "film", .joined = true};
    const bool tells_affect = std::any_of(moments_.things().begin(), moments_.things().end(),
                                          [](const auto& moment) { return moment.shown.affect.has_value(); });
    constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
    for (const auto& [time, shown] : moments_.things()) {
      timeline.times.push_back(time);
      if (!class_names.empty()) timeline.probabilities.push_back(shown.probabilities);
      if (tells_affect) timeline.affect.push_back(shown.affect.value_or(data::Affect{unknown, unknown}));
      if (shown.affect) path_of_affect.points.push_back(*shown.affect);
    }
    page.section("Over time").timeline(timeline);
    if (!path_of_affect.points.empty()) page.section("Valence and arousal").affect_plane({.groups = {path_of_affect}});
    add_attention(page);
    std::map<std::string, std::string> told;
    for (const auto& [name, value] : settings)
      if (!value.empty() && value != "[]") told[name] = value;
    page.section("Settings").settings(told);
    page.save(path);
  }

 private:
  void add_attention(report::Page& page) const {
    if (looks_.things().empty() && view_weights_.empty() && joint_weights_.empty()) return;
    auto& section = page.section("Attention", "What the networks went by.");
    if (!looks_.things().empty())
      section.gallery(looks_.things(),
                      "Class activation maps: the lighter a place of the face, the more it spoke for "
                      "the emotion that was recognised.");
    if (!view_weights_.empty()) add_view_weights(section, view_weights_.mean());
    if (joint_weights_.empty()) return;
    const std::string caption = "How much of each joint's channel the joint attention let through, in the mean.";
    if (layout_ == gesture::JointLayout::body_25) {
      section.skeleton_attention(joint_weights_.mean(), {.caption = caption, .joints = joints_});
    } else {
      add_joint_bars(section, joint_weights_.mean(), joints_, caption);
    }
  }

  struct Moment {
    double time;
    Shown shown;
  };
  EvenlyChosen<Moment> moments_{2000};
  double shown_until_ = -std::numeric_limits<double>::infinity();
  EvenlyChosen<report::TimelineFrame> strip_{24};
  EvenlyChosen<report::Picture> looks_{12};
  MeanVector view_weights_;
  MeanVector joint_weights_;
  gesture::JointLayout layout_ = gesture::JointLayout::body_25;
  std::vector<Index> joints_;
  double aspect_ = 1;
};

// --- the film -------------------------------------------------------------------------------------------------------

struct FoundFrame {
  video::Frame frame;
  std::vector<face::Face> faces;
  Clock::time_point decoded;
};

/// Decodes in one thread and finds faces in another, while those before are recognised.
class FaceFinder {
 public:
  FaceFinder(const FilmOptions& options, const video::VideoOptions& video)
      : film_(video::open_video(options.input, video)), detector_(options.detector) {
    start();
  }
  FaceFinder(const FaceFinder&) = delete;
  FaceFinder& operator=(const FaceFinder&) = delete;
  /// Waits for no pipe and no camera.
  ~FaceFinder() { film_.cancel(); }

  const video::VideoFacts& facts() const { return film_.facts(); }

  /// Nothing at the end of the film.
  std::optional<FoundFrame> next() {
    std::optional<FoundFrame> found = coming_.get();
    if (found) start();
    return found;
  }

 private:
  void start() {
    coming_ = std::async(std::launch::async, [this]() -> std::optional<FoundFrame> {
      FoundFrame out;
      if (!film_.read(out.frame)) return std::nullopt;
      out.decoded = Clock::now();
      out.faces = detector_(out.frame.image);
      return out;
    });
  }

  video::ReadAhead film_;
  face::FaceDetector detector_;
  std::future<std::optional<FoundFrame>> coming_;  // last: it ends before what it uses
};

/// Frames, faces and times, to be told in the end.
struct FilmCounts {
  Index frames = 0;
  Index without_face = 0;
  std::vector<float> milliseconds = {};  ///< from a decoded frame to its row
  Clock::time_point begin = Clock::now();

  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin).count(); }

  double latency(double part) const {
    if (milliseconds.empty()) return 0;
    std::vector<float> sorted = milliseconds;
    std::sort(sorted.begin(), sorted.end());
    return static_cast<double>(sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))]);
  }

  void print() const {
    std::cerr << mien::detail::text(frames, " frames, ", without_face, " without a face, in ",
                                    report::number(seconds(), 1),
                                    " s: ", report::number(static_cast<double>(frames) / std::max(1e-9, seconds()), 1),
                                    " a second; from decoded frame to row ", report::number(latency(0.5), 1),
                                    " ms, of 95 % within ", report::number(latency(0.95), 1), " ms\n");
  }

  std::vector<report::Fact> facts() const {
    return {{"frames", std::to_string(frames)},
            {"without a face", std::to_string(without_face)},
            {"frames a second", report::number(static_cast<double>(frames) / std::max(1e-9, seconds()), 1)}};
  }
};

video::VideoOptions video_options(const FilmOptions& options) {
  video::VideoOptions out = options.video;
  if (!options.pixel_format.empty()) out.pixel_format = video::pixel_format(options.pixel_format);
  return out;
}

/// What is known of a film before it is read, for --dry-run.
void describe_film(const FilmOptions& options, bool as_json) {
  const auto film = video::open_video(options.input, video_options(options));
  const video::VideoFacts& facts = film->facts();
  if (as_json) {
    const Json rate = facts.frame_rate > 0 ? Json(facts.frame_rate) : Json();
    std::cout << Json{{"input", options.input.string()},
                      {"width", facts.width},
                      {"height", facts.height},
                      {"frame_rate", rate},
                      {"format", facts.format}}
                     .dump(2)
              << "\n";
    return;
  }
  std::cout << options.input.string() << ": " << facts.width << " x " << facts.height << " pixels, "
            << (facts.frame_rate > 0 ? report::number(facts.frame_rate, 3) : "an unknown number of")
            << " frames a second, " << facts.format << "\n";
}

/// One run over one film.
template <class Device>
class FilmRun {
 public:
  FilmRun(const FilmOptions& options, const Program& program)
      : options_(options),
        program_(program),
        finder_(options, video_options(options)),
        face_(options.model, options.margin),
        body_(options, face_.class_names()),
        selector_({.several = options.several}),
        clips_(face_, body_, options, finder_.facts().frame_rate),
        rows_(wanted_rows()),
        printer_(face_.class_names(), face_.tells_affect(), rows_, program.common().json) {
    if (!options.annotated.empty())
      annotator_.emplace(options.annotated, finder_.facts().frame_rate, face_.class_names());
    if (!options.html.empty()) report_.emplace();
    if (report_ && body_.recognises()) report_->set_joints(body_.layout(), body_.attended_joints());
  }

  /// Whatever ends the film, what was seen before is kept.
  void run() {
    std::exception_ptr error;
    try {
      while (!stop_requested()) {
        std::optional<FoundFrame> found = finder_.next();
        if (!found) break;
        take(*found);
      }
    } catch (const FileError&) {
      error = std::current_exception();
    }
    finish();
    if (error) std::rethrow_exception(error);
    check_stop();
  }

 private:
  FilmRows wanted_rows() const {
    if (!options_.rows) return face_.reads_clips() || body_.recognises() ? FilmRows::clips : FilmRows::faces;
    if (*options_.rows == FilmRows::faces && face_.reads_clips())
      throw UsageError("--rows faces: " + options_.model + " recognises clips, not single faces");
    if (*options_.rows == FilmRows::faces && body_.recognises())
      throw UsageError("--rows faces: --joint-model recognises clips, not single faces");
    return *options_.rows;
  }

  void take(FoundFrame& found) {
    SeenFrame frame = recognise(found);
    const Shown of_frame = frame.followed ? frame.faces[*frame.followed].shown : Shown{};
    if (rows_ == FilmRows::faces) {
      printer_.print(frame);
      if (report_) report_->add(frame.time, of_frame);
    } else if (!clips_.leaves_out()) {
      if (const auto clip = clips_.add(frame)) print(*clip);
    }
    if (!face_.reads_clips()) last_ = of_frame;
    counts_.milliseconds.push_back(std::chrono::duration<float, std::milli>(Clock::now() - found.decoded).count());
    if (report_) show(found, frame);
    if (annotator_) annotator_->draw(found.frame.image, frame, last_, body_.joints(frame.index), body_.layout());
  }

  void show(const FoundFrame& found, const SeenFrame& frame) {
    report_->add(frame.time, found.frame.image);
    if (!frame.followed || face_.reads_clips()) return;
    const auto& [face, shown] = frame.faces[*frame.followed];
    if (shown.probabilities.empty() || !report_->wants_look()) return;
    if (const auto look = face_.looked_at(found.frame.image, face, shown))
      report_->add_look(mien::detail::text(face_.class_names()[greatest(shown.probabilities)], ", ",
                                           report::number(frame.time, 1), " s"),
                        *look);
  }

  SeenFrame recognise(const FoundFrame& found) {
    SeenFrame out{.index = found.frame.index, .time = found.frame.time};
    ++counts_.frames;
    if (found.faces.empty()) ++counts_.without_face;
    const auto followed = selector_.select(found.faces);
    for (const face::TrackedFace& face : selector_.faces()) {
      if (followed && face.id == followed->id) out.followed = out.faces.size();
      out.faces.push_back({face, face_.read(found.frame.image, face)});
    }
    if (followed && face_.reads_clips()) out.input = face_.clip_input(found.frame.image, *followed);
    return out;
  }

  void print(const Clip& clip) {
    printer_.print(clip);
    if (face_.reads_clips()) last_ = clip.shown;
    if (report_) report_->add(clip);
  }

  void finish() {
    if (rows_ == FilmRows::clips)
      if (const auto clip = clips_.finish()) print(*clip);
    printer_.finish();
    counts_.print();
    if (annotator_) annotator_->finish();
    if (report_)
      report_->save(options_.html, options_.input.string(), face_.class_names(), counts_.facts(), program_.settings());
  }

  const FilmOptions& options_;
  const Program& program_;
  FaceFinder finder_;
  FaceReader<Device> face_;
  BodyReader<Device> body_;
  face::FaceSelector selector_;
  ClipMaker<Device> clips_;
  FilmRows rows_;
  RowPrinter printer_;
  std::optional<Annotator> annotator_;
  std::optional<FilmReport> report_;
  FilmCounts counts_;
  Shown last_;  ///< what was recognised last, for drawing
};

}  // namespace

template <class Device>
void recognise_film(const FilmOptions& options, const Program& program) {
  if (program.common().dry_run) {
    describe_film(options, program.common().json);
    return;
  }
  FilmRun<Device>(options, program).run();
}

template void recognise_film<Cpu>(const FilmOptions& options, const Program& program);
#if defined(MIEN_WITH_CUDA)
template void recognise_film<Cuda>(const FilmOptions& options, const Program& program);
#endif

}  // namespace mien::examples
