/// Puts what train_gesture, train_face and recognise have written into one HTML page that needs nothing else.
///
///     report_demo --gesture work/gesture --face work/face --recognised work/recognised.csv --film-frames work/frames
///                 --output report.html

#include <cmath>
#include <iomanip>
#include <optional>

#include "mien/data/frame_folders.hpp"
#include "mien/io/csv.hpp"
#include "mien/io/image.hpp"
#include "mien/io/json.hpp"
#include "mien/report/html.hpp"
#include "common/program.hpp"

namespace {

using namespace mien;
namespace fs = std::filesystem;

struct Options {
  fs::path gesture;
  fs::path face;
  fs::path recognised;
  fs::path film_frames;
  std::vector<Index> crop;
  double frame_rate = 24;
  std::string command;
  fs::path output = "report.html";
};

using Words = std::vector<std::string>;

Words class_names(const nlohmann::json& result) { return result.at("class_names").get<Words>(); }

Tensor<std::int64_t> counts(const nlohmann::json& measures) {
  const auto rows = measures.at("confusion").get<std::vector<std::vector<std::int64_t>>>();
  const auto classes = static_cast<Index>(rows.size());
  Tensor<std::int64_t> out({classes, classes});
  for (Index i = 0; i < classes; ++i)
    for (Index j = 0; j < classes; ++j) out(i, j) = rows[static_cast<std::size_t>(i)].at(static_cast<std::size_t>(j));
  return out;
}

void add_curves(report::Section& section, const nlohmann::json& fold) {
  const auto column = [&](const char* name) { return fold.at("history").at(name).get<std::vector<double>>(); };
  section.curves({{"training", column("train_loss")}, {"validation", column("validation_loss")}}, {.title = "Loss"});
  section.curves({{"training", column("train_accuracy")}, {"validation", column("validation_accuracy")}},
                 {.title = "Accuracy", .y_low = 0, .y_high = 1, .percent = true});
}

report::Fact fact(const char* name, const nlohmann::json& measures, const char* key, std::string note = "") {
  return {name, report::percent(measures.at(key).get<double>()), std::move(note)};
}

std::string held_out(const nlohmann::json& result) {
  return mien::detail::text(result.at("overall").at("samples").get<Index>(), " held-out samples");
}

void add_gesture(report::Page& page, const fs::path& folder) {
  const nlohmann::json result = io::read_json(folder / "result.json");
  auto& section = page.section("Gestures from body joints",
                               "ACCM on recordings of people who address a robot (joints_social). Each recording "
                               "becomes one map a joint of where it was, later moments brighter.");
  std::vector<report::Fact> facts{fact("accuracy", result.at("overall"), "accuracy", held_out(result)),
                                  fact("mean recall", result.at("overall"), "mean_recall"),
                                  fact("macro F1", result.at("overall"), "macro_f1")};
  if (result.contains("baseline"))
    facts.push_back(fact("nearest neighbour", result.at("baseline"), "accuracy", "the same recordings, no learning"));
  section.facts(facts);
  add_curves(section, result.at("folds").at(0));
  section.confusion_matrix(counts(result.at("overall")), class_names(result), "On the held-out recordings.");
  const auto attention = result.at("attention").get<std::vector<double>>();
  section.skeleton_attention(
      attention, {.caption = "The joint attention's weights, mean over the held-out recordings: how much of each "
                             "joint's channel the second branch lets through.",
                  .joints = result.at("joints").get<std::vector<Index>>()});
}

void add_face(report::Page& page, const fs::path& folder) {
  const nlohmann::json result = io::read_json(folder / "result.json");
  auto& section =
      page.section("Emotions from faces",
                   "SISTCM-ResNet18 on generated faces (faces_diffusionfer). The set has single pictures: each was made "
                   "a clip by a moving crop. The motion is ours, so these numbers say how well faces are read, not "
                   "how well motion is.");
  section.facts({fact("accuracy", result.at("overall"), "accuracy", held_out(result)),
                 fact("mean recall", result.at("overall"), "mean_recall"),
                 fact("macro F1", result.at("overall"), "macro_f1")});
  add_curves(section, result.at("folds").at(0));
  section.confusion_matrix(counts(result.at("overall")), class_names(result), "On the held-out pictures.");
  if (!result.contains("attention")) return;
  Words blocks;
  std::vector<std::vector<double>> shares;
  for (const double height : result.at("attention").get<std::vector<double>>()) {
    blocks.push_back(mien::detail::text("stage ", blocks.size() / 2 + 1, ", block ", blocks.size() % 2 + 1));
    shares.push_back({height, 1 - height});
  }
  section.shares(blocks, Words{"frames above each other", "frames side by side"}, shares,
                 "alpha: the weights of the two super images in each block, mean over channels and held-out clips.");
}

/// The picture as it is shown under the timeline: the crop, if there is one, in few pixels.
std::vector<std::byte> thumbnail(const fs::path& path, const std::vector<Index>& crop) {
  io::Image image = io::read_image(path);
  if (!crop.empty()) image = io::crop(image, crop[0], crop[1], crop[2], crop[3]);
  const Index width = 160;
  return io::encode_jpeg(io::resize(image, width, std::max<Index>(1, image.height * width / image.width)), 80);
}

void add_film(report::Page& page, const Options& options) {
  const io::CsvTable table = io::read_csv(options.recognised);
  report::Timeline timeline;
  constexpr std::string_view prefix = "probability_";
  std::vector<Index> columns;
  for (Index column = 0; column < table.columns(); ++column) {
    const std::string& name = table.names()[static_cast<std::size_t>(column)];
    if (!name.starts_with(prefix)) continue;
    columns.push_back(column);
    timeline.classes.push_back(name.substr(prefix.size()));
  }
  const Index start = table.column("start");
  const Index end = table.column("end");
  for (Index row = 0; row < table.rows(); ++row) {
    if (columns.empty() || table.text(row, columns.front()).empty()) continue;
    const auto middle = static_cast<double>(table.integer(row, start) + table.integer(row, end)) / 2;
    timeline.times.push_back(middle / options.frame_rate);
    std::vector<double> probabilities;
    for (const Index column : columns) probabilities.push_back(table.number(row, column));
    timeline.probabilities.push_back(std::move(probabilities));
  }
  data::SkippedFiles unused;
  const auto names = data::detail::list_folder(options.film_frames, {}, unused).pictures;
  if (names.empty()) throw FileError(options.film_frames.string(), "", "no pictures", "the film's frames");
  constexpr std::size_t shown = 12;
  for (std::size_t i = 0; i < shown; ++i) {
    const std::size_t frame = (2 * i + 1) * names.size() / (2 * shown);
    timeline.frames.push_back({static_cast<double>(frame) / options.frame_rate,
                               thumbnail(options.film_frames / names[frame], options.crop)});
  }
  timeline.frame_aspect = options.crop.empty() ? 16.0 / 9 : static_cast<double>(options.crop[2]) / static_cast<double>(options.crop[3]);
  page.section("A film", "The face model over WolfgangLanger_Pexels.mp4, an actor who goes from crying to laughing. The "
                         "crop of the face was set by hand. The model has seen generated faces alone, and no film.")
      .timeline(timeline, "Probabilities over time, in seconds; above them the most probable emotion.");
}

}  // namespace

int main(int count, char** arguments) {
  examples::Program program("Writes the demo's report.", "");
  Options options;
  CLI::App& app = program.app();
  app.add_option("--gesture", options.gesture, "work folder of train_gesture");
  app.add_option("--face", options.face, "work folder of train_face");
  app.add_option("--recognised", options.recognised, "what recognise printed for the film");
  app.add_option("--film-frames", options.film_frames, "folder of the film's frames");
  app.add_option("--crop", options.crop, "x,y,width,height that is shown of each frame")->delimiter(',')->expected(4);
  app.add_option("--frame-rate", options.frame_rate, "frames a second")->check(CLI::PositiveNumber);
  app.add_option("--command", options.command, "how the page was made, for its end");
  app.add_option("--output", options.output, "the page");
  return program.run(count, arguments, [&] {
    if (options.gesture.empty() && options.face.empty() && options.recognised.empty())
      throw examples::UsageError("nothing to report on: give --gesture, --face or --recognised");
    if (options.recognised.empty() != options.film_frames.empty())
      throw examples::UsageError("--recognised and --film-frames belong together");
    report::Page page("What mien sees", {.subtitle = "Gestures from joints, emotions from faces, and a film",
                                         .footer = "Trained on this machine, without a graphics card"});
    if (!options.gesture.empty()) add_gesture(page, options.gesture);
    if (!options.face.empty()) add_face(page, options.face);
    if (!options.recognised.empty()) add_film(page, options);
    if (!options.command.empty()) page.section("How this was made").preformatted(options.command);
    if (program.common().dry_run) return;
    page.save(options.output);
    std::cout << options.output.string() << "\n";
  });
}
