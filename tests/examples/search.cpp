/// The program `search` as a user meets it, around a training program that is a few lines of shell, and around
/// train_gesture.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "examples/process.hpp"
#include "io/temporary_folder.hpp"
#include "mien/io/csv.hpp"
#include "mien/io/file.hpp"

namespace {

using namespace mien;

/// Its accuracy is best at x = 0.3 and grows over four epochs. It says what an option is that it does not know; a
/// trial `trial_<n>` waits in its second epoch where there is a file `hang_<n>` beside its folder. When it is to end
/// there, it first waits for another trial that is to end, where there is a file `end_together`.
constexpr const char* trainer = R"sh(#!/bin/sh
x=0; scale=1; crash=
while [ $# -gt 0 ]; do
  case "$1" in
    --x) x=$2; shift 2 ;;
    --x=*) x=${1#--x=}; shift ;;
    --scale) scale=$2; shift 2 ;;
    --crash) crash=1; shift ;;
    --work-dir) work=$2; shift 2 ;;
    *) echo "unknown option $1" >&2; exit 2 ;;
  esac
done
end() {
  touch "$work/ending"
  tries=0
  while [ -e "$work/../end_together" ] && [ $tries -lt 80 ]; do
    if [ $(ls "$work"/../*/ending | wc -l) = 2 ]; then echo "not alone"; break; fi
    sleep 0.1; tries=$((tries + 1))
  done
  exit 1
}
trap end TERM
echo $$ > "$work/id"
if [ -n "$crash" ]; then echo "no data for $x" >&2; exit 3; fi
echo "x is $x"
rows="epoch,validation_accuracy,validation_loss,validation_mse,test_accuracy"
for epoch in 1 2 3 4; do
  rows="$rows
$(awk "BEGIN { d = $x - 0.3; print $epoch \",\" (1 - d * d) * $scale * $epoch / 4 \",\" d * d + 1 / $epoch \",\" d * d \",0\" }")"
  echo "$rows" > "$work/history.new"
  mv "$work/history.new" "$work/history.csv"
  if [ $epoch = 2 ] && [ -e "$work/../hang${work##*trial}" ]; then sleep 60; fi
done
validation=9
if [ -e "$work/../no_validation" ]; then validation=0; fi
echo "{\"folds\": [{\"validation\": $validation}]}" > "$work/result.json"
)sh";

class Folder : public TemporaryFolder {
 public:
  Folder() {
    io::write_file(*this / "train.sh", trainer);
    fs::permissions(*this / "train.sh", fs::perms::owner_all);
    fs::create_directories(work());
    space(R"({"name": "x", "type": "real", "low": -1, "high": 1})");
  }

  void space(const std::string& parameters) const {
    io::write_file(*this / "space.json", "{\"parameters\": [" + parameters + "]}");
  }

  fs::path work() const { return path() / "work"; }

  Words arguments(const Words& options, const Words& more = {}) const {
    Words out{"--space", (*this / "space.json").string(), "--work-dir", work().string()};
    if (std::find(options.begin(), options.end(), "--metric") == options.end())
      out.insert(out.end(), {"--metric", "validation_accuracy"});
    out.insert(out.end(), options.begin(), options.end());
    out.insert(out.end(), {"--", (*this / "train.sh").string()});
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  Outcome search(const Words& options, const Words& more = {}) const {
    return run(path(), "search", arguments(options, more));
  }

  io::CsvTable trials() const { return io::read_csv(work() / "trials.csv"); }
};

/// The field of a column for every trial, by number.
std::vector<std::string> by_trial(const io::CsvTable& table, const std::string& column) {
  std::vector<std::string> out(static_cast<std::size_t>(table.rows()));
  for (Index i = 0; i < table.rows(); ++i)
    out.at(static_cast<std::size_t>(table.integer(i, "trial") - 1)) = table.text(i, column);
  return out;
}

void wait_for(const fs::path& path) {
  for (int i = 0; i < 3000 && !fs::exists(path); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  REQUIRE(fs::exists(path));
}

/// Until a program's second epoch is written.
void wait_for_hanging(const fs::path& trial) {
  wait_for(trial / "history.csv");
  for (int i = 0; i < 3000 && !contains(io::read_text(trial / "history.csv"), "\n2,"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  REQUIRE(contains(io::read_text(trial / "history.csv"), "\n2,"));
}

bool is_running(const fs::path& trial) { return ::kill(std::stoi(io::read_text(trial / "id")), 0) == 0; }

}  // namespace

TEST_CASE("a grid is tried in order, and the best command is told") {
  const Folder folder;
  folder.space(R"({"name": "x", "type": "real", "low": -0.5, "high": 0.3, "levels": 2},
                  {"name": "crash", "type": "bool"})");
  const auto outcome = folder.search({"--method", "grid", "--stop", "none"}, {"--scale", "0.5"});
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  const auto table = folder.trials();
  CHECK(by_trial(table, "x") == Words{"-0.5", "-0.5", "0.3", "0.3"});
  CHECK(by_trial(table, "crash") == Words{"false", "true", "false", "true"});
  CHECK(by_trial(table, "state") == Words{"finished", "failed", "finished", "failed"});
  CHECK(by_trial(table, "validation_accuracy") == Words{"0.18", "", "0.5", ""});
  CHECK(by_trial(table, "error")[1] == "exit code 3: no data for -0.5");
  CHECK(table.integer(0, "trial") == 3);
  CHECK(contains(outcome.out, "best: trial 3\n  " + (folder / "train.sh").string() + " --scale 0.5 --x 0.3\n"));
  CHECK(contains(outcome.err, "there are no more points to try"));
  CHECK(contains(outcome.out, io::read_text(folder.work() / "trials.txt")));
  CHECK(io::read_text(folder.work() / "trial_1" / "log.txt") == "x is -0.5\n");
}

TEST_CASE("losses are minimised, and --json is one object with what was found") {
  const Folder folder;
  const auto outcome = folder.search({"--method", "random", "--trials", "6", "--jobs", "2", "--metric",
                                      "validation_loss", "--stop", "none", "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto json = nlohmann::json::parse(outcome.out);
  CHECK(json["goal"] == "minimise");
  REQUIRE(json["trials"].size() == 6);
  double best = 1e9;
  for (const auto& trial : json["trials"]) {
    const double off = trial["point"]["x"].get<double>() - 0.3;
    CHECK(trial["value"].get<double>() == doctest::Approx(off * off + 0.25).epsilon(1e-4));
    best = std::min(best, trial["value"].get<double>());
  }
  CHECK(json["best"]["value"] == best);
  CHECK(json["best"]["command"].size() >= 2);
  CHECK(json["importance"]["x"].get<double>() > 0.9);
}

TEST_CASE("squared errors are minimised as losses are") {
  const Folder folder;
  const auto outcome = folder.search({"--method", "random", "--trials", "3", "--metric", "validation_mse", "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto json = nlohmann::json::parse(outcome.out);
  CHECK(json["goal"] == "minimise");
  for (const auto& trial : json["trials"]) CHECK(json["best"]["value"] <= trial["value"]);
}

TEST_CASE("half a row is no value while a program is at work, and the last row needs no end when it is done") {
  const Folder folder;
  io::write_file(folder / "train.sh", R"sh(#!/bin/sh
while [ $# -gt 0 ]; do if [ "$1" = --work-dir ]; then work=$2; fi; shift; done
printf 'epoch,validation_accuracy\n1,0.5\n2,0.' > "$work/history.csv"
tries=0
while ! grep -q '"step":1' "$work/../journal.jsonl" && [ $tries -lt 200 ]; do sleep 0.1; tries=$((tries + 1)); done
sleep 0.3
printf '7\n3,0.9' >> "$work/history.csv"
)sh");
  const auto outcome = folder.search({"--trials", "1"});
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  CHECK(by_trial(folder.trials(), "steps") == Words{"3"});
  CHECK(by_trial(folder.trials(), "validation_accuracy") == Words{"0.9"});
  CHECK(contains(io::read_text(folder.work() / "journal.jsonl"), R"({"step":2,"trial":1,"value":0.7})"));
}

TEST_CASE("a folder that no search made is kept") {
  const Folder folder;
  fs::create_directories(folder.work() / "trial_1");
  io::write_file(folder.work() / "trial_1" / "thesis.txt", "years of work");
  const auto outcome = folder.search({"--trials", "1"});
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.err, "trial_1` is in the way"));
  CHECK(io::read_text(folder.work() / "trial_1" / "thesis.txt") == "years of work");
}

TEST_CASE("test samples choose nothing, and what trials cannot have is wrong usage") {
  const Folder folder;
  const auto refused = [&](const Outcome& outcome, const std::string& reason) {
    CHECK(outcome.code == 2);
    CHECK_MESSAGE(contains(outcome.err, reason), outcome.err);
    CHECK_FALSE(fs::exists(folder.work() / "journal.jsonl"));
  };
  refused(folder.search({"--metric", "test_accuracy"}), "chosen by test samples");
  refused(folder.search({"--metric", "train_loss"}), "a validation column");
  refused(folder.search({}, {"--work-dir", "there"}), "--work-dir behind");
  refused(folder.search({}, {"--no-validation"}), "nothing to choose");
  refused(folder.search({}, {"--x=3"}), "both behind");
  refused(folder.search({"--method", "luck"}), "luck");
  refused(run(folder.path(), "search", {"--space", (folder / "space.json").string()}), "no program");
  folder.space(R"({"name": "resume", "type": "bool"})");
  refused(folder.search({}), "`resume`");
  folder.space(R"({"name": "x", "type": "real", "low": 2, "high": 1})");
  CHECK(folder.search({}).code == 1);
}

TEST_CASE("a program that is not there, and one that always fails, end the search with the reason") {
  const Folder folder;
  auto words = folder.arguments({});
  words.back() = "/no/such/program";
  const auto missing = run(folder.path(), "search", words);
  CHECK(missing.code == 1);
  CHECK(contains(missing.err, "cannot start `/no/such/program`"));
  words.back() = "no-such-program";
  CHECK(contains(run(folder.path(), "search", words).err, "cannot start `no-such-program`"));
  CHECK_FALSE(fs::exists(folder.work() / "journal.jsonl"));
  fs::remove_all(folder.work());
  const auto failing = folder.search({}, {"--unknown"});
  CHECK(failing.code == 1);
  CHECK(contains(failing.err, "all of 3 trials failed"));
  CHECK(contains(failing.err, "exit code 2: unknown option --unknown"));
}

TEST_CASE("trials without validation samples, and without the metric, have failed") {
  const Folder folder;
  io::write_file(folder.work() / "no_validation", "");
  CHECK(contains(folder.search({"--trials", "1"}).out, "without validation samples"));
  fs::remove_all(folder.work());
  const auto outcome = folder.search({"--trials", "1", "--metric", "validation_f1"});
  CHECK(contains(outcome.out, "no column `validation_f1` among epoch,validation_accuracy"));
}

TEST_CASE("a search in which no trial comes to a value has failed") {
  const Folder folder;
  const auto outcome = folder.search({"--trials", "2", "--metric", "validation_of_nothing"});
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.err, "no trial came to a value"));
}

TEST_CASE("--dry-run tells the space and the first command, and writes nothing") {
  const Folder folder;
  const auto outcome = folder.search({"--dry-run", "--method", "grid"});
  CHECK(outcome.code == 0);
  CHECK(contains(outcome.out, "`x`: real from -1 to 1\n"));
  CHECK(contains(outcome.out, "first trial: " + (folder / "train.sh").string() + " --x=-1\n"));
  const auto told = nlohmann::json::parse(folder.search({"--dry-run", "--method", "grid", "--json"}).out);
  CHECK(told["space"]["parameters"][0]["name"] == "x");
  CHECK(told["first_trial"][1] == "--x=-1");
  CHECK(fs::is_empty(folder.work()));
}

TEST_CASE("a trial that is worse than the median is ended, with its best value until then") {
  const Folder folder;
  folder.space(R"({"name": "x", "type": "choice", "values": ["0.3", "0.4", "0.2", "2"]})");
  io::write_file(folder.work() / "hang_4", "");
  const auto outcome = folder.search({"--method", "grid", "--stop-trials", "3", "--stop-steps", "2"});
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  const auto table = folder.trials();
  CHECK(by_trial(table, "state") == Words{"finished", "finished", "finished", "stopped"});
  CHECK(by_trial(table, "steps") == Words{"4", "4", "4", "2"});
  CHECK(by_trial(table, "validation_accuracy")[3] == "-0.4725");
  CHECK_FALSE(is_running(folder.work() / "trial_4"));

  // One that is over before anybody looks is stopped all the same, and has no later value.
  fs::remove_all(folder.work());
  CHECK(folder.search({"--method", "grid", "--stop-trials", "3", "--stop-steps", "2"}).code == 0);
  CHECK(by_trial(folder.trials(), "state")[3] == "stopped");
  CHECK(by_trial(folder.trials(), "validation_accuracy")[3] == "-0.4725");
}

TEST_CASE("Ctrl-C ends the trial and exits with 130, and what is resumed is what an undisturbed search finds") {
  const Folder undisturbed;
  const Words options{"--trials", "7", "--seed", "3"};
  CHECK(undisturbed.search(options).code == 0);

  const Folder folder;
  io::write_file(folder.work() / "hang_6", "");
  const Process process(folder.path(), "search", folder.arguments(options));
  wait_for_hanging(folder.work() / "trial_6");
  process.signal(SIGINT);
  CHECK(process.wait() == 130);
  CHECK(contains(process.err(), "--resume"));
  CHECK_FALSE(is_running(folder.work() / "trial_6"));

  const auto without = folder.search(options);
  CHECK(without.code == 1);
  CHECK(contains(without.err, "resume"));
  Words again = options;
  again.emplace_back("--resume");
  const auto other_metric = folder.search({"--trials", "7", "--seed", "3", "--resume", "--stop", "none"});
  CHECK(other_metric.code == 1);
  CHECK(contains(other_metric.err, "stop was `median after 5 trials, 3 steps`, and is `none`"));

  fs::remove(folder.work() / "hang_6");
  const auto resumed = folder.search(again);
  CAPTURE(resumed.err);
  CHECK(resumed.code == 0);
  CHECK(contains(resumed.err, "going on after 6 trials"));
  CHECK(by_trial(folder.trials(), "x") == by_trial(undisturbed.trials(), "x"));
  CHECK(by_trial(folder.trials(), "validation_accuracy") == by_trial(undisturbed.trials(), "validation_accuracy"));

  folder.space(R"({"name": "x", "type": "real", "low": -1, "high": 2})");
  const auto other = folder.search(again);
  CHECK(other.code == 1);
  CHECK(contains(other.err, "`x`: real from -1 to 1; in the other space `x`: real from -1 to 2"));
}

TEST_CASE("Ctrl-C asks all trials to end before it waits for any") {
  const Folder folder;
  for (const char* const name : {"hang_1", "hang_2", "end_together"}) io::write_file(folder.work() / name, "");
  const Process process(folder.path(), "search", folder.arguments({"--trials", "2", "--jobs", "2"}));
  for (const char* const trial : {"trial_1", "trial_2"}) wait_for_hanging(folder.work() / trial);
  process.signal(SIGINT);
  CHECK(process.wait() == 130);
  for (const char* const trial : {"trial_1", "trial_2"})
    CHECK(contains(io::read_text(folder.work() / trial / "log.txt"), "not alone"));
}

TEST_CASE("a search is resumed with the same words alone, however they look when put together") {
  const Folder folder;
  // Its trial fails, and is in the journal all the same.
  CHECK(folder.search({"--trials", "1"}, {"--scale", "2 --crash"}).code == 1);
  const auto other = folder.search({"--trials", "1", "--resume"}, {"--scale", "2", "--crash"});
  CHECK(other.code == 1);
  CHECK(contains(other.err, "--scale '2 --crash'`, and is"));
}

TEST_CASE("a search that was killed is resumed once its last training is over") {
  const Folder folder;
  io::write_file(folder.work() / "hang_2", "");
  const Words options{"--trials", "3", "--method", "random", "--resume"};
  const Process process(folder.path(), "search", folder.arguments(options));
  wait_for_hanging(folder.work() / "trial_2");
  process.signal(SIGKILL);
  CHECK(process.wait() == -1);
  const auto too_early = folder.search(options);
  CHECK(too_early.code == 1);
  CHECK(contains(too_early.err, "a training that one left behind"));

  ::kill(-std::stoi(io::read_text(folder.work() / "trial_2" / "id")), SIGKILL);
  fs::remove(folder.work() / "hang_2");
  Outcome resumed{1, "", ""};
  for (int i = 0; i < 100 && resumed.code == 1; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    resumed = folder.search(options);
  }
  CHECK(resumed.code == 0);
  CHECK(by_trial(folder.trials(), "state") == Words{"finished", "finished", "finished"});
}

TEST_CASE("train_gesture is searched by its validation samples") {
  const Folder folder;
  write_table(folder / "joints.csv", 12);
  folder.space(R"({"name": "learning-rate", "type": "real", "low": 1e-3, "high": 1e-1, "scale": "log"},
                  {"name": "width", "type": "choice", "values": ["4", "8"]},
                  {"name": "balanced", "type": "bool"})");
  Words words = folder.arguments({"--trials", "2", "--metric", "validation_accuracy", "--jobs", "2"});
  words.back() = std::string(MIEN_EXAMPLES_DIR) + "/train_gesture";
  for (const std::string word : {"--table", "joints.csv", "--layout", "other", "--size", "8", "--batch", "4",
                                 "--threads", "1", "--epochs", "3", "--folds", "2"})
    words.push_back(word == "joints.csv" ? (folder / word).string() : word);
  const auto outcome = run(folder.path(), "search", words);
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto values = by_trial(folder.trials(), "validation_accuracy");
  for (std::size_t trial = 0; trial < 2; ++trial) {
    const fs::path work = folder.work() / ("trial_" + std::to_string(trial + 1));
    const auto result = nlohmann::json::parse(io::read_text(work / "result.json"));
    double sum = 0;
    REQUIRE(result["folds"].size() == 2);
    for (const auto& fold : result["folds"]) {
      const auto history = fold["history"]["validation_accuracy"].get<std::vector<double>>();
      CHECK(history.size() == 3);
      sum += *std::max_element(history.begin(), history.end());
    }
    CHECK(std::stod(values[trial]) == doctest::Approx(sum / 2));
  }
  CHECK(by_trial(folder.trials(), "steps") == Words{"6", "6"});
}
