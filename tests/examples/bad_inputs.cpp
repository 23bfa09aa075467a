/// A training program among full disks, closed folders, bad samples and slips of the keyboard.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>

#include "examples/process.hpp"
#include "io/temporary_folder.hpp"
#include "mien/io/csv.hpp"
#include "mien/io/file.hpp"

namespace {

using namespace mien;

/// Small and quick: three joints that go up or down.
Words arguments(const fs::path& folder, const Words& more) {
  Words out{"--table",    (folder / "joints.csv").string(),
            "--layout",   "other",
            "--size",     "8",
            "--width",    "4",
            "--batch",    "4",
            "--epochs",   "2",
            "--threads",  "1",
            "--work-dir", (folder / "work").string()};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

/// A resource of which this program, and those that it starts, have no more than so much while one lives.
class Limit {
 public:
  Limit(int resource, rlim_t most) : resource_(resource), handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(resource_, &before_);
    const struct rlimit small { most, before_.rlim_max };
    ::setrlimit(resource_, &small);
  }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;
  ~Limit() {
    ::setrlimit(resource_, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  int resource_;
  struct rlimit before_ {};
  void (*handler_)(int);
};

/// No file can become larger than this while one lives, as on a disk that is nearly full.
struct SmallFiles : Limit {
  explicit SmallFiles(rlim_t bytes) : Limit(RLIMIT_FSIZE, bytes) {}
};

}  // namespace

TEST_CASE("an option that is nearly right is named") {
  const TemporaryFolder folder;
  const auto meant = [&](const std::string& word) {
    const auto found = run(folder.path(), "train_gesture", {word, "3"});
    CHECK(found.code == 2);
    CHECK(found.out.empty());
    return found.err;
  };
  CHECK(contains(meant("--epohcs"), "Did you mean --epochs?"));
  CHECK(contains(meant("--learning_rate"), "Did you mean --learning-rate?"));
  CHECK(contains(meant("--worker"), "Did you mean --workers?"));
  CHECK_FALSE(contains(meant("--frobnicate"), "Did you mean"));
}

TEST_CASE("a work folder that cannot be made, and a disk that is full") {
  const TemporaryFolder folder;
  write_table(folder / "joints.csv", 6);
  auto words = arguments(folder.path(), {});
  words.back() = (folder / "joints.csv/work").string();
  const auto no_folder = run(folder.path(), "train_gesture", words);
  CHECK(no_folder.code == 1);
  CHECK(contains(no_folder.err, "joints.csv/work: found Not a directory, expected a folder that can be made"));

  Outcome full{};
  {
    const SmallFiles limit(2000);
    full = run(folder.path(), "train_gesture", arguments(folder.path(), {}));
  }
  CHECK(full.code == 1);
  CHECK(contains(full.err, "safetensors: found "));
  CHECK(contains(full.err, ", expected a place that can be written"));
  for (const auto& entry : fs::directory_iterator(folder / "work"))
    CHECK_MESSAGE(!entry.path().filename().string().starts_with(".mien-"), entry.path().string());

  const auto afterwards = run(folder.path(), "train_gesture", arguments(folder.path(), {}));
  CHECK_MESSAGE(afterwards.code == 0, afterwards.err);
}

TEST_CASE("a table that may not be read, and a work folder that may not be written") {
  const TemporaryFolder folder;
  write_table(folder / "joints.csv", 6);
  fs::create_directories(folder / "closed");
  const auto names = [](const fs::path& place) {
    auto out = io::names_in_folder(place);
    std::sort(out.begin(), out.end());
    return out;
  };
  const auto train = [&](const std::string& work, const Words& more, Whose whose) {
    auto words = arguments(folder.path(), more);
    *(std::find(words.begin(), words.end(), "--work-dir") + 1) = (folder / work).string();
    return run(folder.path(), "train_gesture", words, whose);
  };
  {
    const Permissions readable(folder / "closed", 0555);
    const auto refused = train("closed/work", {}, Whose::nobodys);
    CHECK(refused.code == 1);
    CHECK(contains(refused.err, "closed/work: found Permission denied, expected a folder that can be made"));
    CHECK(refused.out.empty());
    CHECK(names(folder / "closed").empty());
  }

  REQUIRE(train("work", {"--schedule", "constant"}, Whose::ours).code == 0);
  const auto before = names(folder / "work");
  const auto last = io::read_file(folder / "work/last.safetensors");
  const Permissions readable(folder / "work", 0555);
  for (const Words& more : {Words{"--schedule", "constant"}, Words{"--schedule", "constant", "--resume"}}) {
    const auto refused = train("work", more, Whose::nobodys);
    CHECK(refused.code == 1);
    CAPTURE(refused.err);
    CHECK(contains(refused.err, "found Permission denied, expected a place that can be written"));
    CHECK(names(folder / "work") == before);
    CHECK(io::read_file(folder / "work/last.safetensors") == last);
  }

  const Permissions locked(folder / "joints.csv", 0);
  const auto unread = train("new", {}, Whose::nobodys);
  CHECK(unread.code == 1);
  CHECK(contains(unread.err, "joints.csv: found Permission denied, expected a readable file"));
  CHECK_FALSE(fs::exists(folder / "new"));
}

TEST_CASE("a checkpoint that cannot be replaced stays, and training goes on from it when there is space again") {
  const TemporaryFolder folder;
  write_table(folder / "joints.csv", 6);
  const Words settings{"--schedule", "constant"};
  REQUIRE(run(folder.path(), "train_gesture", arguments(folder.path(), settings)).code == 0);
  const auto before = io::read_file(folder / "work/last.safetensors");
  auto more = settings;
  more.insert(more.end(), {"--epochs", "4", "--resume"});
  auto words = arguments(folder.path(), more);
  words.erase(std::find(words.begin(), words.end(), "--epochs"), std::find(words.begin(), words.end(), "--threads"));
  {
    const SmallFiles limit(2000);
    CHECK(run(folder.path(), "train_gesture", words).code == 1);
  }
  CHECK(io::read_file(folder / "work/last.safetensors") == before);
  const auto resumed = run(folder.path(), "train_gesture", words);
  CHECK_MESSAGE(resumed.code == 0, resumed.err);
  CHECK(contains(resumed.err, "going on after epoch 2, batch 0"));
}

TEST_CASE("a loss that is no number ends training with the samples' names") {
  const TemporaryFolder folder;
  write_table(folder / "joints.csv", 6);
  const auto diverged =
      run(folder.path(), "train_gesture",
          arguments(folder.path(), {"--learning-rate", "1e30", "--schedule", "constant", "--optimiser", "sgd"}));
  CHECK(diverged.code == 1);
  CHECK(contains(diverged.err, "error: training: the "));
  CHECK(contains(diverged.err, " in epoch "));
  CHECK(contains(diverged.err, ", samples "));
}

TEST_CASE("bad samples end a training, or are skipped or masked and listed; bad test samples always end it") {
  const TemporaryFolder folder;
  const auto train = [&](const std::string& policy) {
    return run(folder.path(), "train_gesture",
               arguments(folder.path(), {"--split-column", "split", "--bad-samples", policy}));
  };
  write_parts(folder / "joints.csv", {3});
  const auto refused = train("error");
  CHECK(refused.code == 1);
  CHECK(contains(refused.err, "joints.csv: line 16, column `x0`: found `nan`, expected a finite number"));

  const auto skipped = train("skip");
  CHECK_MESSAGE(skipped.code == 0, skipped.err);
  CHECK(contains(skipped.err, "of 10 training samples 1 are skipped and 0 masked"));
  const auto list = io::read_csv(folder / "work/bad_samples.csv");
  REQUIRE(list.rows() == 1);
  CHECK(list.text(0, 0) == "3");
  CHECK(list.text(0, 1) == "skipped");
  CHECK(contains(std::string(list.text(0, 2)), "1 of 8 joints: frame 2, joint 0 at (nan, 2)"));

  const auto masked = train("mask");
  CHECK_MESSAGE(masked.code == 0, masked.err);
  CHECK(contains(masked.err, "of 10 training samples 0 are skipped and 1 masked"));

  for (const int held_out : {10, 13}) {
    CAPTURE(held_out);
    write_parts(folder / "joints.csv", {held_out});
    for (const char* policy : {"skip", "mask"}) {
      const auto ended = train(policy);
      CHECK(ended.code == 1);
      CHECK(contains(ended.err, "sample `" + std::to_string(held_out) + "`: 1 of 8 joints"));
    }
  }
}

TEST_CASE("a table without rows is an error, and so is a column of subjects that is not there") {
  const TemporaryFolder folder;
  write_table(folder / "joints.csv", 6);
  const auto missing = run(folder.path(), "train_gesture", arguments(folder.path(), {"--subject-column", "person"}));
  CHECK(missing.code == 1);
  CHECK(contains(missing.err, "no column `person`"));

  const std::string table = io::read_text(folder / "joints.csv");
  io::write_file(folder / "joints.csv", table.substr(0, table.find('\n') + 1));
  for (const Words& more : {Words{}, Words{"--dry-run"}}) {
    const auto empty = run(folder.path(), "train_gesture", arguments(folder.path(), more));
    CHECK(empty.code == 1);
    CHECK_MESSAGE(contains(empty.err, "joints.csv: found no recordings"), empty.err);
  }
}

TEST_CASE("numbers that no option can have are wrong usage") {
  const TemporaryFolder folder;
  write_table(folder / "joints.csv", 6);
  const auto refuses = [&](const Words& words, const char* why) {
    const auto outcome = run(folder.path(), "train_gesture", arguments(folder.path(), words));
    CHECK_MESSAGE(outcome.code == 2, words.front() << " " << words.back());
    CHECK_MESSAGE(contains(outcome.err, why), outcome.err);
  };
  for (const char* option : {"--learning-rate", "--weight-decay", "--moving-average", "--coordinate-scale", "--yaw",
                             "--sigma", "--dropout", "--mirror", "--speed", "--test-share"})
    refuses({option, "nan"}, "nan");
  refuses({"--coordinate-scale", "inf"}, "expected a finite number");
  refuses({"--learning-rate", "-1"}, "found -1, expected a number above 0");
  refuses({"--gradient-clip", "-1"}, "expected a number of at least 0");
  refuses({"--mirror", "2"}, "--mirror");
  refuses({"--seed", "-1"}, "--seed: found -1");
  refuses({"--seed", "18446744073709551616"}, "--seed");
  refuses({"--epochs", "9223372036854775807"}, "--epochs");
  refuses({"--batch", "99999999999999999999"}, "--batch");
  const auto nowhere =
      run(folder.path(), "train_gesture", {"--table", (folder / "joints.csv").string(), "--work-dir", ""});
  CHECK(nowhere.code == 2);
  CHECK(contains(nowhere.err, "--work-dir is empty"));
}

TEST_CASE("a work folder is one program's at a time, and a request to end is heeded as Ctrl-C is") {
  const TemporaryFolder folder;
  write_table(folder / "joints.csv", 6);
  Words endless = arguments(folder.path(), {"--schedule", "constant"});
  *(std::find(endless.begin(), endless.end(), "--epochs") + 1) = "1000000";
  const TemporaryFolder words;
  const Process first(words.path(), "train_gesture", endless);
  const fs::path last = folder / "work" / "last.safetensors";
  for (int i = 0; i < 6000 && !fs::exists(last); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const auto second = run(folder.path(), "train_gesture", arguments(folder.path(), {}));
  CHECK(second.code == 1);
  CHECK_MESSAGE(contains(second.err, "work: found another program at work"), second.err);
  first.signal(SIGTERM);
  CHECK(first.wait() == 130);
  CHECK(contains(first.err(), "--resume"));
  CHECK(run(folder.path(), "train_gesture", arguments(folder.path(), {})).code == 0);
}

TEST_CASE("what a full device does not take is an error, whatever was to be printed") {
  const TemporaryFolder folder;
  write_table(folder / "joints.csv", 6);
  const auto fails = [&](const std::string& program, const Words& words) {
    const auto outcome = run_on_full_device(folder.path(), program, words);
    CHECK_MESSAGE(outcome.code == 1, program << " " << words.front());
    CHECK_MESSAGE(contains(outcome.err, "error: standard output: cannot be written\n"), outcome.err);
  };
  for (const char* const program :
       {"train_gesture", "train_fusion", "recognise", "search", "mien-data", "mien-weights"})
    for (const char* const option : {"--help", "--version"}) fails(program, {option});
  fails("mien-data", {"list"});
  fails("mien-data", {"list", "--help"});
  for (const Words& more : {Words{"--dry-run"}, Words{"--dry-run", "--json"}, Words{"--json"}, Words{}})
    fails("train_gesture", arguments(folder.path(), more));
  // What it wrote besides is there.
  CHECK(fs::exists(folder / "work/result.json"));
  CHECK(fs::exists(folder / "work/model.safetensors"));
}

TEST_CASE("a pipe whose reader is gone ends a program, with words where the signal is ignored") {
  const TemporaryFolder folder;
  write_table(folder / "joints.csv", 6);
  const auto described = arguments(folder.path(), {"--dry-run"});
  CHECK(run_into_closed_pipe(folder.path(), "mien-data", {"list"}).code == -1);
  CHECK(run_into_closed_pipe(folder.path(), "train_gesture", described).code == -1);
  const IgnoredPipeSignal ignored;
  for (const auto& outcome : {run_into_closed_pipe(folder.path(), "mien-data", {"list"}),
                              run_into_closed_pipe(folder.path(), "train_gesture", {"--help"}),
                              run_into_closed_pipe(folder.path(), "train_gesture", described)}) {
    CHECK(outcome.code == 1);
    CHECK_MESSAGE(contains(outcome.err, "error: standard output: cannot be written\n"), outcome.err);
  }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_sanitized = true;
#elif defined(__has_feature)
constexpr bool is_sanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer);
#else
constexpr bool is_sanitized = false;
#endif

TEST_CASE("a program that memory ends for says so in words, and what would need less") {
  if (is_sanitized) {
    MESSAGE("skipped: sanitizers end a program that memory ends for");
    return;
  }
  const TemporaryFolder folder;
  // Three gigabytes that take no place on the disk.
  io::write_file(folder / "joints.csv", "sequence,frame,label,x0,y0\n");
  fs::resize_file(folder / "joints.csv", std::uintmax_t{3} << 30);
  Outcome outcome{};
  {
    const Limit limit(RLIMIT_AS, rlim_t{2} << 30);
    outcome = run(folder.path(), "train_gesture", arguments(folder.path(), {}));
  }
  CHECK(outcome.code == 1);
  CHECK_MESSAGE(
      outcome.err.ends_with("error: not enough memory; smaller files and pictures need less, fewer samples at "
                            "a time (--batch), fewer threads (--threads), fewer batches ahead (--workers)\n"),
      outcome.err);
}

TEST_CASE("a name that the system does not take is in the message") {
  const TemporaryFolder folder;
  const std::string name(300, 'a');
  const auto outcome = run(folder.path(), "recognise", {name, "--model", "model.safetensors"});
  CHECK(outcome.code == 1);
  CHECK_MESSAGE(outcome.err.ends_with("error: " + name + ": found File name too long\n"), outcome.err);
}
