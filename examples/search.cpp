/// Searches for the settings that a training program does best with, by its validation samples.
///
///     search --space space.json --trials 30 -- train_gesture --recordings data/joints_social --epochs 10
///     search --space space.json --method grid --levels 4 --jobs 2 -- train_face --videos faces
///     search --space space.json --trials 60 --resume -- train_gesture --recordings data/joints_social --epochs 10
///
/// Every trial is the program behind `--`, with a point of the space and a work folder of its own as further options.
/// Of what it writes there, the validation column of every history.csv is read, and nothing that says anything of the
/// test samples. The work folder gets journal.jsonl, which --resume goes on from, trials.csv, trials.txt, and a folder
/// for each trial, with the program's words in log.txt. docs/search.md has more.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/child_process.hpp"
#include "common/program.hpp"
#include "mien/data/natural_order.hpp"
#include "mien/io/file.hpp"
#include "mien/io/json.hpp"
#include "mien/search/bayesian.hpp"
#include "mien/search/journal.hpp"
#include "mien/search/stopping.hpp"
#include "mien/search/summary.hpp"
#include "mien/train/history.hpp"

namespace {

using namespace mien;
using examples::UsageError;
using mien::detail::text;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;
using Clock = std::chrono::steady_clock;

/// As a shell reads it.
std::string quoted(const Words& words) {
  std::string out;
  for (const std::string& word : words) {
    const bool plain = !word.empty() && word.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "0123456789-_=+.,:/@%") == std::string::npos;
    std::string shown = word;
    if (!plain) {
      for (std::size_t i = shown.find('\''); i != std::string::npos; i = shown.find('\'', i + 4))
        shown.replace(i, 1, "'\\''");
      shown = "'" + shown + "'";
    }
    out += (out.empty() ? "" : " ") + shown;
  }
  return out;
}

struct Options {
  fs::path space;
  std::string method = "bayes";
  std::string metric = "validation_mean_recall";
  std::string stop = "median";
  Index trials = 30;
  Index jobs = 1;
  Index levels = 3;
  Index initial = 0;
  Index stop_trials = 5;
  Index stop_steps = 3;
  bool minimise = false;
  Words command = {};  ///< behind `--`

  search::Goal goal() const {
    const bool is_error = metric.ends_with("_loss") || metric.ends_with("_mse");
    return minimise || is_error ? search::Goal::minimise : search::Goal::maximise;
  }

  /// What a search has to have in common with the one that it resumes.
  search::Journal::Settings settings(std::uint64_t seed) const {
    return {{"method", method},
            {"metric", metric},
            {"goal", goal() == search::Goal::minimise ? "minimise" : "maximise"},
            {"seed", std::to_string(seed)},
            {"levels", std::to_string(levels)},
            {"initial", std::to_string(initial)},
            {"stop", stop == "none" ? stop : text(stop, " after ", stop_trials, " trials, ", stop_steps, " steps")},
            {"program", quoted(command)}};
  }
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("--space", options.space, "a JSON file of parameters, which are options of the program")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--method", options.method, "bayes learns from the trials so far, random does not, grid tries all")
      ->check(CLI::IsMember({"bayes", "random", "grid"}));
  app.add_option("--trials", options.trials, "in all, those of the search that is resumed included")
      ->check(examples::positive);
  app.add_option("--jobs", options.jobs, "trials at the same time")->check(CLI::Range(1, 1024));
  app.add_option("--metric", options.metric, "the column of history.csv whose best epoch is a trial's value");
  app.add_flag("--minimise", options.minimise, "less is better, as it is for every metric that ends in _loss or _mse");
  app.add_option("--levels", options.levels, "of a grid, where the space does not say how many")
      ->check(examples::positive);
  app.add_option("--initial", options.initial,
                 "points that bayes spreads out before it learns; 0 for 2 a parameter, and 2")
      ->check(examples::not_negative);
  app.add_option("--stop", options.stop, "median ends trials that are worse than half of all; none ends no trial")
      ->check(CLI::IsMember({"median", "none"}));
  app.add_option("--stop-trials", options.stop_trials, "that finish before any is stopped")->check(examples::positive);
  app.add_option("--stop-steps", options.stop_steps, "epochs that every trial is given")->check(examples::positive);
  app.footer("Behind `--` stand the training program and its own options.");
}

// --- what makes no sense --------------------------------------------------------------------------------------------

/// Whether the words have this option, alone or as `--name=value`.
bool has_option(const Words& words, const std::string& name) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return word == "--" + name || word.starts_with("--" + name + "=");
  });
}

void check_metric(const std::string& metric) {
  if (metric.starts_with("test"))
    throw UsageError("--metric " + metric +
                     ": settings that are chosen by test samples say nothing of samples that nobody has seen; take a "
                     "validation column");
  if (!metric.starts_with("validation_"))
    throw UsageError("--metric " + metric +
                     ": a validation column of history.csv is wanted, such as validation_accuracy");
}

void check_command(const Options& options, const search::Space& space) {
  if (options.command.empty()) throw UsageError("no program: the training program and its options stand behind `--`");
  const Words ours{"work-dir", "resume", "dry-run", "help", "version", "json"};
  for (const std::string& name : ours)
    if (has_option(options.command, name))
      throw UsageError("--" + name + " behind `--`: the trials of a search cannot have it");
  if (has_option(options.command, "no-validation"))
    throw UsageError("--no-validation behind `--`: then there is nothing to choose settings by");
  for (const auto& parameter : space.parameters()) {
    if (std::find(ours.begin(), ours.end(), parameter.name) != ours.end() || parameter.name == "no-validation")
      throw UsageError("the space has the parameter `" + parameter.name +
                       "`, which the trials of a search cannot have");
    if (has_option(options.command, parameter.name))
      throw UsageError("--" + parameter.name + " is both behind `--` and in the space");
  }
}

// --- trials ---------------------------------------------------------------------------------------------------------

/// The program and its options with a point: `--name value`, and a bool that is true as `--name`.
Words command_of(const Words& command, const search::Point& point) {
  Words out = command;
  for (const auto& [name, value] : point.values()) {
    const std::string word = search::to_text(value);
    if (std::holds_alternative<bool>(value)) {
      if (std::get<bool>(value)) out.push_back("--" + name);
    } else if (word.starts_with("-")) {
      out.push_back("--" + name + "=" + word);
    } else {
      out.insert(out.end(), {"--" + name, word});
    }
  }
  return out;
}

/// Whether somebody may be writing what is read.
enum class Writer { at_work, done };

/// A history.csv. Of one that is being written the last line counts once it has its end: half a number is another one.
train::History read_history(const std::string& path, Writer writer) {
  std::string csv = io::read_text(path);
  if (writer == Writer::at_work) csv.resize(csv.rfind('\n') + 1);
  return train::History::from_csv(csv, path);
}

/// The metric in every history.csv of a work folder, one after the other as they were written: by seed, then by fold.
std::vector<std::vector<double>> read_values(const fs::path& folder, const std::string& metric, Writer writer) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().filename() == "history.csv") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end(), data::natural_less);
  std::vector<std::vector<double>> out;
  for (const std::string& file : files) out.push_back(read_history(file, writer).column(metric));
  return out;
}

/// The mean over all histories of their best values. Throws Error if one has none.
double best_value(const std::vector<std::vector<double>>& histories, search::Goal goal) {
  if (histories.empty()) throw Error("no history.csv in the work folder");
  double sum = 0;
  for (const auto& values : histories) {
    std::optional<double> best;
    for (const double value : values)
      if (std::isfinite(value) && (!best || search::is_better(value, *best, goal))) best = value;
    if (!best) throw Error("a history.csv without a single finite value");
    sum += *best;
  }
  return sum / static_cast<double>(histories.size());
}

/// Throws Error if the program's result says that it trained without validation samples: what its history calls
/// validation are then samples that it trained on.
void check_validation(const fs::path& result) {
  if (!fs::exists(result)) return;
  const auto json = io::read_json(result);
  if (!json.is_object() || !json.contains("folds") || !json["folds"].is_array()) return;
  for (const auto& fold : json["folds"])
    if (fold.is_object() && fold.value("validation", nlohmann::json(1)) == 0)
      throw Error("result.json: a fold without validation samples");
}

/// The last line that says something, for a message.
std::string last_line(const fs::path& log) {
  std::string all;
  try {
    all = io::read_text(log, std::uint64_t{64} << 20);
  } catch (const FileError& error) {
    return error.what();
  }
  const auto end = all.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return "without a word";
  all.resize(end + 1);
  const auto begin = all.find_last_of("\r\n");
  return all.substr(begin == std::string::npos ? 0 : begin + 1).substr(0, 300);
}

/// A trial at work.
struct Running {
  Index number = 0;
  fs::path folder;
  std::unique_ptr<examples::ChildProcess> child;
  Clock::time_point begun = Clock::now();
  std::vector<std::vector<double>> histories = {};
  std::size_t steps = 0;  ///< of them that were taken note of

  double seconds() const { return std::chrono::duration<double>(Clock::now() - begun).count(); }
};

// --- the search -----------------------------------------------------------------------------------------------------

std::unique_ptr<search::Strategy> make_strategy(const search::Space& space, const Options& options,
                                                std::uint64_t seed) {
  if (options.method == "grid")
    return std::make_unique<search::GridSearch>(space, search::GridSearchOptions{.levels = options.levels});
  if (options.method == "random")
    return std::make_unique<search::RandomSearch>(space, search::RandomSearchOptions{.seed = seed});
  return std::make_unique<search::BayesianSearch>(
      space, search::BayesianSearchOptions{.seed = seed, .goal = options.goal(), .initial = options.initial});
}

class Search {
 public:
  Search(const Options& options, const search::Space& space, const examples::CommonOptions& common)
      : options_(options),
        folder_(common.work_dir),
        strategy_(make_strategy(space, options, common.seed)),
        stopping_({.goal = options.goal(), .trials = options.stop_trials, .steps = options.stop_steps}),
        journal_(folder_ / "journal.jsonl", space, options.settings(common.seed), common.resume) {
    for (const std::string& note : journal_.notes()) std::cerr << note << "\n";
    for (const search::Trial& trial : journal_.trials()) repeat(trial);
  }

  /// Until all trials are done. Throws Interrupted after Ctrl-C, with the journal as it is; Error if the first three
  /// trials fail, because then all are likely to.
  void run() {
    for (;;) {
      while (static_cast<Index>(running_.size()) < options_.jobs && start_next()) continue;
      if (running_.empty()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (examples::stop_requested()) {
        end_all();
        throw examples::Interrupted{};
      }
      std::erase_if(running_, [this](Running& trial) { return is_over(trial); });
    }
  }

  const std::vector<search::Trial>& trials() const { return journal_.trials(); }
  const search::Space& space() const { return strategy_->space(); }

 private:
  static constexpr std::chrono::seconds patience{10};

  /// All trials at work, in the time that one is given.
  void end_all() const {
    const auto latest = Clock::now() + patience;
    for (const Running& trial : running_) trial.child->signal(SIGTERM);
    for (const Running& trial : running_)
      trial.child->wait(std::chrono::duration_cast<std::chrono::milliseconds>(latest - Clock::now()));
  }

  /// A trial of the search that is resumed.
  void repeat(const search::Trial& trial) {
    strategy_->resume(trial.point);
    if (trial.state == search::TrialState::running) {
      interrupted_.push_back(trial.number);
      return;
    }
    for (const auto& [step, value] : trial.steps) stopping_.should_stop(trial.number, step, value);
    settle(trial);
  }

  /// Tells strategy and stopping rule of a trial that is over.
  void settle(const search::Trial& trial) {
    used_up_ = false;
    if (trial.state == search::TrialState::finished) stopping_.finished(trial.number);
    if (trial.value) {
      strategy_->tell(trial.point, *trial.value);
    } else {
      strategy_->tell_failed(trial.point);
    }
  }

  /// First those that were interrupted, then new ones. False if there are no more.
  bool start_next() {
    if (!interrupted_.empty()) {
      const Index number = interrupted_.front();
      interrupted_.erase(interrupted_.begin());
      journal_.begin_again(number);
      start(number);
      return true;
    }
    if (static_cast<Index>(trials().size()) >= options_.trials || used_up_) return false;
    const auto point = strategy_->ask();
    if (!point) {
      used_up_ = true;
      if (running_.empty()) std::cerr << "there are no more points to try\n";
      return false;
    }
    start(journal_.begin(*point));
    return true;
  }

  const search::Trial& trial_of(Index number) const { return trials()[static_cast<std::size_t>(number - 1)]; }

  void start(Index number) {
    const auto& point = trial_of(number).point;
    std::cerr << "trial " << number << " of " << options_.trials << ": " << point.to_string() << "\n";
    const fs::path folder = folder_ / text("trial_", number);
    if (fs::exists(folder) && !fs::is_empty(folder) && !fs::exists(folder / "log.txt"))
      throw Error(
          text("`", folder.string(), "` is in the way: without a log.txt it is no earlier trial's, and is kept"));
    fs::remove_all(folder);
    io::create_folders(folder);
    Words words = command_of(options_.command, point);
    words.insert(words.end(), {"--work-dir", folder.string()});
    running_.push_back({.number = number,
                        .folder = folder,
                        .child = std::make_unique<examples::ChildProcess>(words, folder / "log.txt")});
  }

  /// Takes note of what the trial has done since it was last looked at, and of its end.
  bool is_over(Running& trial) {
    // Asked first, so that whatever an ended program wrote is seen.
    const auto ending = trial.child->poll();
    const bool stop = take_steps(trial, ending && ending->success() ? Writer::done : Writer::at_work);
    if (stop) {
      trial.child->end(SIGTERM, patience);
    } else if (!ending) {
      return false;
    }
    if (!stop && !ending->success()) {
      journal_.fail_trial(trial.number, text(*ending, ": ", last_line(trial.folder / "log.txt")), trial.seconds());
    } else {
      conclude(trial, stop);
    }
    settle(trial_of(trial.number));
    tell(trial_of(trial.number));
    io::write_file(folder_ / "trials.csv", search::summary_csv(space(), trials(), options_.goal(), options_.metric));
    give_up_if_all_fail();
    return true;
  }

  /// Whether the trial is to be stopped; its histories then end with the step that says so. What it did since counts
  /// for nothing, even if it came to its end: else values would depend on how soon somebody looked.
  bool take_steps(Running& trial, Writer writer) {
    try {
      trial.histories = read_values(trial.folder, options_.metric, writer);
    } catch (const std::exception&) {
      // It may be half written, or folders may come and go; if it stays so, the end of the trial tells.
      return false;
    }
    std::size_t before = 0;
    for (std::size_t i = 0; i < trial.histories.size(); ++i) {
      auto& values = trial.histories[i];
      for (; trial.steps < before + values.size(); ++trial.steps) {
        const double value = values[trial.steps - before];
        const auto step = static_cast<Index>(trial.steps) + 1;
        if (std::isfinite(value)) journal_.add_step(trial.number, step, value);
        if (!stopping_.should_stop(trial.number, step, value) || options_.stop == "none") continue;
        values.resize(trial.steps - before + 1);
        trial.histories.resize(i + 1);
        return true;
      }
      before += values.size();
    }
    return false;
  }

  /// Its value, if it was stopped or says that it succeeded.
  void conclude(const Running& trial, bool stopped) {
    double value = 0;
    try {
      if (!stopped) check_validation(trial.folder / "result.json");
      value = best_value(stopped ? trial.histories : read_values(trial.folder, options_.metric, Writer::done),
                         options_.goal());
    } catch (const std::exception& error) {
      journal_.fail_trial(trial.number, error.what(), trial.seconds());
      return;
    }
    if (stopped) {
      journal_.stop(trial.number, value, trial.seconds());
    } else {
      journal_.finish(trial.number, value, trial.seconds());
    }
  }

  void tell(const search::Trial& trial) const {
    std::cerr << "trial " << trial.number << " " << search::state_name(trial.state);
    if (trial.value) std::cerr << ": " << options_.metric << " " << text(*trial.value);
    if (const auto best = search::best_trial(trials(), options_.goal()); best && best->number == trial.number)
      std::cerr << "  best";
    if (trial.state == search::TrialState::failed) std::cerr << ": " << trial.error;
    std::cerr << "\n";
  }

  void give_up_if_all_fail() const {
    const auto count = [this](search::TrialState state) {
      return std::count_if(trials().begin(), trials().end(),
                           [state](const auto& trial) { return trial.state == state; });
    };
    const auto failed = count(search::TrialState::failed);
    if (failed < 3 || failed + count(search::TrialState::running) < std::ssize(trials())) return;
    throw Error(text("all of ", failed, " trials failed; their words are in ", folder_.string(), "/trial_*/log.txt"));
  }

  const Options& options_;
  fs::path folder_;
  std::unique_ptr<search::Strategy> strategy_;
  search::MedianStopping stopping_;
  search::Journal journal_;
  std::vector<Index> interrupted_;
  std::vector<Running> running_;
  bool used_up_ = false;  ///< no point was left when the strategy was last asked, and it was told of nothing since
};

// --- what is told ---------------------------------------------------------------------------------------------------

examples::Json to_json(const Search& done, const Options& options,
                       const std::optional<search::Importance>& parameters) {
  examples::Json out{{"metric", options.metric},
                     {"goal", options.goal() == search::Goal::minimise ? "minimise" : "maximise"}};
  if (const auto best = search::best_trial(done.trials(), options.goal()))
    out["best"] = {{"trial", best->number},
                   {"value", *best->value},
                   {"point", search::to_json(best->point)},
                   {"command", command_of(options.command, best->point)}};
  for (const auto& trial : done.trials()) {
    examples::Json one{{"trial", trial.number},
                       {"state", search::state_name(trial.state)},
                       {"point", search::to_json(trial.point)},
                       {"seconds", trial.seconds}};
    if (trial.value) one["value"] = *trial.value;
    if (!trial.error.empty()) one["error"] = trial.error;
    out["trials"].push_back(std::move(one));
  }
  if (!parameters) return out;
  for (std::size_t i = 0; i < parameters->shares.size(); ++i)
    out["importance"][done.space().parameters()[i].name] = parameters->shares[i];
  out["importance_fit"] = parameters->fit;
  return out;
}

void report(const Search& done, const Options& options, const examples::CommonOptions& common) {
  const auto parameters = search::importance(done.space(), done.trials(), common.seed);
  std::string words = search::summary_text(done.space(), done.trials(), options.goal(), options.metric, parameters);
  if (const auto best = search::best_trial(done.trials(), options.goal()))
    words += "\nbest: trial " + std::to_string(best->number) + "\n  " +
             quoted(command_of(options.command, best->point)) + "\n";
  io::write_file(common.work_dir / "trials.txt", words);
  if (common.json) {
    std::cout << to_json(done, options, parameters).dump(2, ' ', false, examples::Json::error_handler_t::replace)
              << "\n";
  } else {
    std::cout << words << "\nwritten to " << common.work_dir.string() << "\n";
  }
}

void describe(const search::Space& space, const Options& options, const examples::CommonOptions& common) {
  const auto point = make_strategy(space, options, common.seed)->ask();
  const auto first = point ? command_of(options.command, *point) : std::vector<std::string>();
  if (common.json) {
    std::cout << examples::Json{{"space", search::to_json(space)}, {"first_trial", first}}.dump(2) << "\n";
    return;
  }
  for (const auto& parameter : space.parameters())
    std::cout << parameter.to_string() << parameter.condition_text() << "\n";
  if (point) std::cout << "first trial: " << quoted(first) << "\n";
}

}  // namespace

int main(int count, char** arguments) {
  examples::Program program("Searches for the settings that a training program does best with.", "work/search");
  Options options;
  add_options(program.app(), options);
  const auto behind = std::find(arguments, arguments + count, std::string_view("--"));
  if (behind != arguments + count) options.command.assign(behind + 1, arguments + count);

  return program.run(static_cast<int>(behind - arguments), arguments, [&] {
    const auto& common = program.common();
    check_metric(options.metric);
    const search::Space space = search::read_space(options.space);
    check_command(options, space);
    examples::require_program(options.command.front());
    if (common.dry_run) {
      describe(space, options, common);
      return;
    }
    io::create_folders(common.work_dir);
    Search trials(options, space, common);
    trials.run();
    report(trials, options, common);
    if (!search::best_trial(trials.trials(), options.goal())) throw Error("no trial came to a value");
  });
}
