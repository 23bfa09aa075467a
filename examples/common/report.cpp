#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "mien/data/picture_source.hpp"
#include "mien/report/html.hpp"
#include "mien/report/pictures.hpp"

namespace mien::examples {

SampleView view_of(const data::FrameSequence& sample) {
  constexpr Index shown = 3;
  SampleView out;
  const auto frames = static_cast<Index>(sample.frames.size());
  for (Index i = 0; i < std::min(shown, frames); ++i) {
    const Index frame = frames <= shown ? i : i * (frames - 1) / (shown - 1);
    out.frames.push_back(report::picture(data::read_frame(sample, frame), {.longest = 96}));
  }
  return out;
}

SampleView view_of(const data::GestureSequence& sample) {
  const auto& joints = sample.joints.joints;
  const auto bones = gesture::bones(sample.joints.layout);
  SampleView out;
  for (const Index quarter : {1, 2, 3}) {
    const Index frame = quarter * (sample.joints.frames() - 1) / 4;
    report::Skeleton body{.bones = {bones.begin(), bones.end()},
                          .title = detail::text(sample.name, ", frame ", frame + 1, " of ", sample.joints.frames())};
    for (Index joint = 0; joint < sample.joints.joint_count(); ++joint) {
      const bool seen = joints(frame, joint, 2) > 0;
      const auto at = [&](Index axis) {
        return seen ? static_cast<double>(joints(frame, joint, axis)) : std::numeric_limits<double>::quiet_NaN();
      };
      body.joints.push_back({at(0), at(1)});
    }
    out.drawings.push_back(report::skeleton(body));
  }
  return out;
}

namespace {

/// "+- 1.2 % over 5 seeds", if there are several.
std::string deviation_note(const Results& results, const std::string& measure) {
  if (results.seeds() < 2) return "";
  return detail::text("+- ", percent(results.spread(measure).deviation), " over ", results.seeds(), " seeds");
}

std::string run_name(const FoldResult& fold) { return detail::text("seed ", fold.seed, ", fold ", fold.fold); }

void add_runs(report::Section& section, const Results& results) {
  if (results.folds().size() < 2) return;
  std::vector<std::string> columns{"training", "test samples"};
  const bool classes = !results.class_names().empty();
  const bool affect = results.folds().front().affect.has_value();
  if (classes) columns.insert(columns.end(), {"accuracy", "mean recall", "macro F1"});
  if (affect) columns.insert(columns.end(), {"CCC of valence", "CCC of arousal"});
  std::vector<std::vector<std::string>> rows;
  for (const FoldResult& fold : results.folds()) {
    std::vector<std::string> row{run_name(fold), std::to_string(fold.test.size())};
    if (classes)
      row.insert(row.end(), {report::percent(fold.confusion.accuracy()), report::percent(fold.confusion.mean_recall()),
                             report::percent(fold.confusion.macro_f1())});
    if (affect)
      row.insert(row.end(), {report::number(fold.affect->concordance().valence, 3),
                             report::number(fold.affect->concordance().arousal, 3)});
    rows.push_back(row);
  }
  section.table(columns, rows);
}

void add_result(report::Page& page, const Results& results, const Json& measured) {
  auto& section = page.section("Result", "On samples that were neither trained on nor used to choose an epoch.");
  std::vector<report::Fact> numbers;
  const Json& overall = measured.at("overall");
  if (!results.class_names().empty()) {
    const std::string samples = detail::text(overall.at("samples").get<Index>(), " samples");
    const auto fact = [&](const char* name, const char* measure) {
      const std::string note = deviation_note(results, measure);
      numbers.push_back({name, report::percent(results.spread(measure).mean), note.empty() ? samples : note});
    };
    fact("accuracy", "accuracy");
    fact("mean recall", "mean_recall");
    fact("macro F1", "macro_f1");
  }
  if (measured.contains("baseline"))
    numbers.push_back(
        {"nearest neighbours", report::percent(measured.at("baseline").at("accuracy")), "accuracy without learning"});
  if (overall.contains("affect")) {
    const auto value = [&](const char* measure) { return report::number(results.spread(measure).mean, 3); };
    numbers.push_back({"CCC", value("ccc"), "of valence and arousal"});
    numbers.push_back({"CCC of valence", value("ccc_valence")});
    numbers.push_back({"CCC of arousal", value("ccc_arousal")});
    numbers.push_back({"mean squared error", value("mse")});
  }
  section.facts(numbers);
  add_runs(section, results);
}

/// The means of all trainings that came as far as an epoch.
train::History mean_history(const std::vector<FoldResult>& folds) {
  const auto longest = std::max_element(folds.begin(), folds.end(), [](const FoldResult& a, const FoldResult& b) {
    return a.history.size() < b.history.size();
  });
  train::History out;
  for (Index epoch = 0; epoch < longest->history.size(); ++epoch) {
    train::History::Values values;
    for (std::size_t c = 1; c < longest->history.columns().size(); ++c) {
      double sum = 0;
      double count = 0;
      for (const FoldResult& fold : folds) {
        if (epoch >= fold.history.size()) continue;
        sum += fold.history.row(epoch)[c];
        ++count;
      }
      values.emplace_back(longest->history.columns()[c], sum / count);
    }
    out.add(static_cast<Index>(longest->history.row(epoch)[0]), values);
  }
  return out;
}

/// The epoch whose weights were kept, by the rule of the trainer; nothing where the last one's were.
std::optional<Index> chosen_epoch(const FoldResult& fold) {
  const char* const measure = fold.affect ? "validation_ccc" : "validation_mean_recall";
  if (fold.parts.validation.empty() || fold.history.empty()) return std::nullopt;
  const std::vector<double> values = fold.history.column(measure);
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isnan(values[i]) && (!best || values[i] > values[*best])) best = i;
  if (!best) return std::nullopt;
  return static_cast<Index>(fold.history.column("epoch")[*best]);
}

void add_training(report::Page& page, const std::vector<FoldResult>& folds) {
  if (folds.size() == 1) {
    page.section("Training").learning_curves(folds.front().history, chosen_epoch(folds.front()));
    return;
  }
  page.section("Training", detail::text("Means of ", folds.size(),
                                        " trainings; of those that went on so long, where some ended early."))
      .learning_curves(mean_history(folds));
}

metrics::Calibration calibration_of(const std::vector<FoldResult>& folds) {
  metrics::Calibration out;
  for (const FoldResult& fold : folds) {
    const std::vector<Index> recognised = fold.test.classes();
    for (std::size_t i = 0; i < recognised.size(); ++i)
      if (fold.test.labels[i] != data::no_label)
        out.add(fold.test.probabilities[i][static_cast<std::size_t>(recognised[i])],
                recognised[i] == fold.test.labels[i]);
  }
  return out;
}

void add_classes(report::Page& page, const Results& results) {
  const auto confusion = results.confusion();
  page.section("Classes", "Test samples of all trainings together.")
      .confusion_matrix(confusion.counts(), results.class_names(), "Counts, and shares of the true class's samples.")
      .per_class(confusion, results.class_names())
      .calibration(calibration_of(results.folds()));
}

/// The test samples of one seed's folds, which have each sample at most once.
struct TestSamples {
  std::vector<std::vector<double>> probabilities = {};
  std::vector<Index> labels = {};
  std::vector<Index> samples = {};
  std::vector<std::string> names = {};

  explicit TestSamples(const std::vector<FoldResult>& folds) {
    for (const FoldResult& fold : folds) {
      if (fold.seed != folds.front().seed) continue;
      const Predictions& test = fold.test;
      probabilities.insert(probabilities.end(), test.probabilities.begin(), test.probabilities.end());
      labels.insert(labels.end(), test.labels.begin(), test.labels.end());
      samples.insert(samples.end(), fold.parts.test.begin(), fold.parts.test.end());
      names.insert(names.end(), test.names.begin(), test.names.end());
    }
  }
};

void add_mistakes(report::Page& page, const SampleFacts& samples, const Results& results) {
  constexpr std::size_t shown = 12;
  const TestSamples test(results.folds());
  const auto& names = results.class_names();
  std::vector<report::Mistake> mistakes;
  for (const Index i : metrics::worst_mistakes(test.probabilities, test.labels, shown)) {
    const auto place = static_cast<std::size_t>(i);
    const auto& row = test.probabilities[place];
    const auto truth = static_cast<std::size_t>(test.labels[place]);
    const auto recognised = static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
    SampleView view = samples.view(test.samples[place]);
    mistakes.push_back({.name = test.names[place],
                        .truth = names[truth],
                        .recognised = names[recognised],
                        .truth_probability = row[truth],
                        .recognised_probability = row[recognised],
                        .frames = std::move(view.frames),
                        .drawings = std::move(view.drawings)});
  }
  page.section("Worst mistakes",
               "Test samples whose own class was given the least probability; what it was, and what "
               "they were taken for.")
      .mistakes(mistakes);
}

void add_affect(report::Page& page, const std::vector<FoldResult>& folds) {
  constexpr std::size_t shown = 400;
  report::AffectPoints annotated{.name = "annotated"};
  report::AffectPoints recognised{.name = "recognised"};
  const Predictions& test = folds.front().test;
  std::vector<std::size_t> known;
  for (std::size_t i = 0; i < test.affect.size(); ++i)
    if (test.affect_targets[i]) known.push_back(i);
  const std::size_t step = (known.size() + shown - 1) / shown;
  for (std::size_t k = 0; k < known.size(); k += step) {
    const std::size_t i = known[k];
    annotated.points.push_back(*test.affect_targets[i]);
    recognised.points.push_back(test.affect[i]);
    for (report::AffectPoints* const group : {&annotated, &recognised}) group->titles.push_back(test.names[i]);
  }
  page.section("Valence and arousal")
      .affect_plane({.groups = {annotated, recognised}},
                    detail::text(annotated.points.size(), " of ", known.size(), " annotated test samples of ",
                                 run_name(folds.front()), ". Sectors are those of data::emotion_of."));
}

/// Whether a network's attention is that of joints in OpenPose's BODY_25, which can be drawn on a body.
bool is_body_25(const Json& facts) { return facts.value("layout", "") == "body_25"; }

void add_attention(report::Page& page, const Json& facts, const std::vector<double>& attention) {
  auto& section = page.section("Attention", "Means over the test samples.");
  if (facts.at("model") == "accm") {
    const auto joints = facts.at("joints").get<std::vector<Index>>();
    const std::string caption = "How much of each joint's channel the joint attention lets through.";
    if (is_body_25(facts)) {
      section.skeleton_attention(attention, {.caption = caption, .joints = joints});
      return;
    }
    add_joint_bars(section, attention, joints, caption);
    return;
  }
  add_view_weights(section, attention);
}

void add_settings(report::Page& page, const Program& program, const SampleFacts& samples,
                  const TrainingOptions& training, const Json& facts) {
  auto settings = program.settings();
  settings["epochs"] = std::to_string(training.epochs);
  settings["seeds"] = std::to_string(training.seeds);
  auto& section = page.section("Settings", facts.value("model", ""));
  section.settings(settings);
  std::vector<std::string> notes;
  for (const auto& [reason, count] : samples.skipped.counts())
    if (count > 0) notes.push_back(detail::text("Counted while the data were read: ", reason, " ", count, "."));
  if (!notes.empty()) section.notes(notes);
}

}  // namespace

void add_joint_bars(report::Section& section, const std::vector<double>& weights, const std::vector<Index>& joints,
                    const std::string& caption) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < weights.size(); ++i)
    names.push_back(detail::text("joint ", joints.empty() ? static_cast<Index>(i) : joints[i]));
  section.bars(names, weights, {.caption = caption, .percent = false, .full = 0});
}

void add_view_weights(report::Section& section, const std::vector<double>& height_weights) {
  std::vector<std::string> blocks;
  std::vector<std::vector<double>> shares;
  for (const double height : height_weights) {
    blocks.push_back(detail::text("stage ", blocks.size() / 2 + 1, ", block ", blocks.size() % 2 + 1));
    shares.push_back({height, 1 - height});
  }
  section.shares(blocks, std::vector<std::string>{"height view", "width view"}, shares,
                 "alpha, the weights of the two super images in each SISTCM block: frames above each other, and frames "
                 "side by side.");
}

void write_report(const Program& program, const SampleFacts& samples, const TrainingOptions& training,
                  const Json& facts, const Results& results) {
  const auto& folds = results.folds();
  const bool classes = !results.class_names().empty();
  report::Page page(program.name(),
                    {.subtitle = facts.value("model", ""),
                     .footer = detail::text("seed ", program.common().seed, " on ", program.common().device)});
  add_result(page, results, results.to_json());
  add_training(page, folds);
  if (classes) add_classes(page, results);
  if (folds.front().affect) add_affect(page, folds);
  if (classes) add_mistakes(page, samples, results);
  if (const auto attention = results.attention(); !attention.empty()) add_attention(page, facts, attention);
  add_settings(page, program, samples, training, facts);
  page.save(program.common().work_dir / "report.html");
}

void EpochLog::add(const train::TrainingState& state) {
  if (!wanted_) return;
  if (!log_) {
    log_.emplace(folder_, report::EventLogOptions{.first_step = state.epoch});
    std::string words;
    for (const auto& [name, value] : settings_) words += "    " + name + " = " + value + "\n";
    log_->text("settings", words, state.epoch);
  }
  log_->scalars(state.history, state.history.size() - 1);
  log_->flush();
}

}  // namespace mien::examples
