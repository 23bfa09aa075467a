/// The example programs as a user meets them: command line in, exit code, words and files out.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "examples/faces.hpp"
#include "examples/process.hpp"
#include "io/temporary_folder.hpp"
#include "mien/core/random.hpp"
#include "mien/io/csv.hpp"
#include "mien/io/file.hpp"
#include "mien/io/image.hpp"

namespace {

using namespace mien;

Words gesture_arguments(const fs::path& folder, const Words& more) {
  Words out{"--table",    (folder / "joints.csv").string(),
            "--layout",   "other",
            "--size",     "8",
            "--width",    "4",
            "--batch",    "4",
            "--threads",  "1",
            "--work-dir", (folder / "work").string()};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

/// Whether a line of CSV has numbers that add up to 1 in these columns.
double sum_of(const io::CsvTable& table, Index row, Index first) {
  double sum = 0;
  for (Index column = first; column < table.columns(); ++column) sum += table.number(row, column);
  return sum;
}

}  // namespace

TEST_CASE("every program says what it does with --help, and what is wrong with its command line") {
  const TemporaryFolder folder;
  for (const std::string program : {"train_gesture", "train_face", "train_fusion", "recognise"}) {
    CAPTURE(program);
    const auto help = run(folder.path(), program, {"--help"});
    CHECK(help.code == 0);
    for (const char* option : {"--seed", "--threads", "--precision", "--resume", "--work-dir", "--json", "--dry-run"})
      CHECK_MESSAGE(contains(help.out, option), option);
    const auto wrong = run(folder.path(), program, {"--no-such-option"});
    CHECK(wrong.code == 2);
    CHECK(wrong.out.empty());
    CHECK(contains(wrong.err, "--help"));
  }
}

TEST_CASE("programs with networks have the choice of a device, and an unknown one is wrong usage") {
  const TemporaryFolder folder;
  for (const std::string program : {"train_gesture", "train_face", "train_fusion", "recognise"}) {
    CAPTURE(program);
    CHECK(contains(run(folder.path(), program, {"--help"}).out, "--device"));
    const auto unknown = run(folder.path(), program, {"--device", "tpu"});
    CHECK(unknown.code == 2);
    CHECK(contains(unknown.err, "--device: tpu not in {cpu,cuda}"));
    CHECK(unknown.out.empty());
  }
}

TEST_CASE("a program computes on the device that was asked for, or not at all") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 6);
  const auto here = run(folder.path(), "train_gesture",
                        gesture_arguments(folder.path(), {"--device", "cpu", "--epochs", "1", "--json"}));
  REQUIRE_MESSAGE(here.code == 0, here.err);
  CHECK(here.err.starts_with("device: cpu\n"));
  CHECK(nlohmann::json::parse(here.out)["device"] == "cpu");
  fs::remove_all(folder.path() / "work");

#if defined(MIEN_EXAMPLES_WITH_CUDA)
  const auto there = run(folder.path(), "train_gesture",
                         gesture_arguments(folder.path(), {"--device", "cuda", "--epochs", "1", "--json"}));
  if (there.code == 0) {
    CHECK(nlohmann::json::parse(there.out)["device"] == "cuda");
  } else {
    CHECK(there.code == 1);
    CHECK(contains(there.err, "error: cuda"));
    CHECK_FALSE(fs::exists(folder.path() / "work"));
  }
#else
  const std::vector<std::pair<std::string, Words>> calls{
      {"train_gesture", gesture_arguments(folder.path(), {})},
      {"train_face", face_arguments(folder.path(), {})},
      {"train_fusion", {"--pair", "bright=up"}},
      {"recognise", {folder.path().string(), "--model", "model.safetensors"}}};
  for (const auto& call : calls) {
    const std::string& program = call.first;
    CAPTURE(program);
    Words words{"--device", "cuda"};
    words.insert(words.end(), call.second.begin(), call.second.end());
    const auto there = run(folder.path(), program, words);
    CHECK(there.code == 2);
    CHECK(contains(there.err, "no CUDA support"));
    CHECK(contains(there.err, "-D MIEN_CUDA=ON"));
    CHECK(there.out.empty());
  }
  CHECK_FALSE(fs::exists(folder.path() / "work"));
#endif
}

TEST_CASE("a value out of its range and options that exclude each other are wrong usage; a missing file is an error") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 6);
  CHECK(run(folder.path(), "train_gesture", gesture_arguments(folder.path(), {"--epochs", "0"})).code == 2);
  const auto both = run(folder.path(), "train_gesture", gesture_arguments(folder.path(), {"--openpose", "somewhere"}));
  CHECK(both.code == 2);
  CHECK(contains(both.err, "--openpose"));
  CHECK(run(folder.path(), "train_gesture", gesture_arguments(folder.path(), {"--classes", "up,sideways"})).code == 2);

  const auto missing = run(folder.path(), "train_gesture", {"--table", (folder.path() / "none.csv").string()});
  CHECK(missing.code == 1);
  CHECK(contains(missing.err, "none.csv"));
  CHECK(missing.out.empty());
}

TEST_CASE("--dry-run counts the classes and the parts of each fold, and writes nothing") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 6);
  write_videos(folder.path() / "videos", 5);
  const auto gesture =
      run(folder.path(), "train_gesture", gesture_arguments(folder.path(), {"--dry-run", "--json", "--folds", "3"}));
  REQUIRE_MESSAGE(gesture.code == 0, gesture.err);
  const auto counts = nlohmann::json::parse(gesture.out);
  CHECK(counts["classes"]["up"] == 6);
  CHECK(counts["classes"]["down"] == 6);
  CHECK(counts["folds"].size() == 3);
  for (const auto& fold : counts["folds"])
    CHECK(fold["train"].get<int>() + fold["validation"].get<int>() + fold["test"].get<int>() == 12);

  const auto face = run(folder.path(), "train_face", face_arguments(folder.path(), {"--dry-run"}));
  REQUIRE_MESSAGE(face.code == 0, face.err);
  CHECK(contains(face.out, "5  bright"));
  CHECK(contains(face.out, "5  dark"));
  CHECK_FALSE(fs::exists(folder.path() / "work"));
}

TEST_CASE("the data's own parts and subjects divide them, or the program says why they cannot") {
  const TemporaryFolder folder;
  write_parts(folder / "joints.csv", {});
  const auto divided = [&](const std::string& old, const std::string& now, const Words& more) {
    std::string table = io::read_text(folder / "joints.csv");
    for (auto at = table.find(old); at != std::string::npos; at = table.find(old, at + now.size()))
      table.replace(at, old.size(), now);
    io::write_file(folder / "changed.csv", table);
    Words words{"--table", (folder / "changed.csv").string(), "--layout", "other", "--dry-run", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run(folder.path(), "train_gesture", words);
  };
  const auto fold_of = [](const auto& outcome) { return nlohmann::json::parse(outcome.out)["folds"][0]; };
  const auto own = divided("\n", "\n", {"--split-column", "split"});
  REQUIRE_MESSAGE(own.code == 0, own.err);
  CHECK(fold_of(own) == nlohmann::json{{"train", 10}, {"validation", 2}, {"test", 4}});
  const auto unknown = divided("validation", "dev", {"--split-column", "split"});
  CHECK(unknown.code == 2);
  CHECK(contains(unknown.err, "--split-column: `dev` is none of train, test and validation"));
  CHECK(divided("\n", "\n", {"--split-column", "split", "--test-share", "0.3"}).code == 2);

  // Four recordings a subject; with a gap nobody knows who is whose.
  const Words by_subject{"--subject-column", "split", "--test-share", "0.25", "--no-validation"};
  CHECK(divided("\n", "\n", by_subject).code == 0);
  const auto gap = divided("validation", "", by_subject);
  CHECK(gap.code == 2);
  CHECK(contains(gap.err, "some samples have a subject and some have none"));
  CHECK(divided("\n", "\n", {"--no-validation", "--patience", "2"}).code == 2);
  CHECK(divided("\n", "\n", {"--classes", "up,up"}).code == 2);
}

TEST_CASE("a share of the samples is the nearest of one half, one third and so on") {
  const TemporaryFolder folder;
  io::write_file(folder.path() / "joints.csv", [] {
    std::string table = "sequence,frame,label,x0,y0,c0\n";
    for (int i = 0; i < 24; ++i) table += "s" + std::to_string(i) + ",0," + (i % 2 == 0 ? "up" : "down") + ",1,2,1\n";
    return table;
  }());
  for (const auto& [share, samples] : {std::pair("0.41", 8), {"0.42", 12}, {"0.29", 6}, {"0.3", 8}}) {
    const auto outcome =
        run(folder.path(), "train_gesture",
            gesture_arguments(folder.path(), {"--dry-run", "--json", "--no-validation", "--test-share", share}));
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    CHECK(nlohmann::json::parse(outcome.out)["folds"][0]["test"] == samples);
  }
}

TEST_CASE("a damaged frame is named before anything is trained") {
  const TemporaryFolder folder;
  write_videos(folder.path() / "videos", 3);
  io::write_file(folder.path() / "videos" / "dark" / "v1" / "2.png", std::string_view("no picture"));
  const auto face = run(folder.path(), "train_face", face_arguments(folder.path(), {"--check-frames"}));
  CHECK(face.code == 1);
  CHECK(contains(face.err, "v1/2.png"));
}

TEST_CASE("train_gesture trains, saves, reports, and gives the same numbers again") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 10);
  const Words more{"--epochs", "3", "--folds", "2", "--baseline", "--json"};
  const auto first = run(folder.path(), "train_gesture", gesture_arguments(folder.path(), more));
  REQUIRE_MESSAGE(first.code == 0, first.err);
  const auto result = nlohmann::json::parse(first.out);
  CHECK(result["class_names"] == nlohmann::json({"down", "up"}));
  CHECK(result["folds"].size() == 2);
  CHECK(result["overall"]["samples"] == 20);
  CHECK(result["baseline"]["accuracy"] == 1.0);
  CHECK(result["attention"].size() == 3);
  CHECK(result["folds"][0]["history"]["train_loss"].size() == 3);
  for (const char* file : {"fold_1/model.safetensors", "fold_2/history.csv", "fold_2/predictions.csv", "result.json"})
    CHECK_MESSAGE(fs::exists(folder.path() / "work" / file), file);
  const std::string page = io::read_text(folder.path() / "work" / "report.html");
  for (const char* words : {"Means of 2 trainings", "<td class=\"word\">seed 1, fold 2</td>", "nearest neighbours",
                            "Expected calibration error", "joint 2</dt>", "<td class=\"word\">learning-rate</td>"})
    CHECK_MESSAGE(contains(page, words), words);

  const auto again = run(folder.path(), "train_gesture", gesture_arguments(folder.path(), more));
  CHECK(again.out == first.out);
}

TEST_CASE("figures of several seeds are means over the seeds, each pooled over its folds; --fold runs one of them") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 10);
  const auto trained = [&](const Words& more) {
    Words words{"--epochs", "2", "--folds", "2", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const auto outcome = run(folder.path(), "train_gesture", gesture_arguments(folder.path(), words));
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    return nlohmann::json::parse(outcome.out);
  };
  const auto result = trained({"--seeds", "2", "--seed", "3"});
  REQUIRE(result["folds"].size() == 4);
  std::map<int, double> right;
  std::map<int, double> samples;
  for (const auto& fold : result["folds"]) {
    const int seed = fold["seed"];
    right[seed] += fold["accuracy"].get<double>() * fold["samples"].get<double>();
    samples[seed] += fold["samples"].get<double>();
  }
  REQUIRE(right.size() == 2);
  const double first = right.at(3) / samples.at(3);
  const double second = right.at(4) / samples.at(4);
  const auto accuracy = result["overall"]["by_seed"]["accuracy"];
  CHECK(accuracy["seeds"] == 2);
  CHECK(accuracy["mean"].get<double>() == doctest::Approx((first + second) / 2));
  CHECK(accuracy["deviation"].get<double>() == doctest::Approx(std::abs(first - second) / std::sqrt(2.0)));

  const auto second_fold = trained({"--seed", "3", "--fold", "2"})["folds"];
  REQUIRE(second_fold.size() == 1);
  CHECK(second_fold[0] == result["folds"][1]);
}

TEST_CASE("what a training is told about gradients, checkpoints and test samples is done") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 10);
  const auto work_after = [&](const std::string& name, const Words& more) {
    const fs::path work = folder.path() / name;
    Words words = gesture_arguments(folder.path(), {"--epochs", "4"});
    words[words.size() - 3] = work.string();
    words.insert(words.end(), more.begin(), more.end());
    const auto outcome = run(folder.path(), "train_gesture", words);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    return work;
  };
  const auto files_of = [](const fs::path& work) {
    return std::distance(fs::directory_iterator(work), fs::directory_iterator());
  };
  const auto plain = work_after("plain", {});
  CHECK(files_of(work_after("kept", {"--keep-checkpoints", "4"})) == files_of(plain) + 2);
  CHECK(io::read_text(work_after("clipped", {"--gradient-clip", "1e-3"}) / "history.csv") !=
        io::read_text(plain / "history.csv"));
  const auto varied = work_after("varied", {"--test-time-augmentation", "3"});
  CHECK(io::read_text(varied / "history.csv") == io::read_text(plain / "history.csv"));
  CHECK(io::read_text(varied / "predictions.csv") != io::read_text(plain / "predictions.csv"));
}

TEST_CASE("Ctrl-C saves and exits with 130, and --resume goes on from there") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 10);
  const Words settings{"--schedule", "constant"};
  auto endless = settings;
  endless.insert(endless.end(), {"--epochs", "1000000"});
  const Process process(folder.path(), "train_gesture", gesture_arguments(folder.path(), endless));
  const fs::path last = folder.path() / "work" / "last.safetensors";
  for (int i = 0; i < 6000 && !fs::exists(last); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  process.signal(SIGINT);
  CHECK(process.wait() == 130);
  CHECK(contains(process.err(), "--resume"));
  REQUIRE(fs::exists(last));

  auto rest = settings;
  rest.insert(rest.end(), {"--epochs", "1", "--workers", "2", "--resume"});
  const auto resumed = run(folder.path(), "train_gesture", gesture_arguments(folder.path(), rest));
  CHECK_MESSAGE(resumed.code == 0, resumed.err);
  CHECK(contains(resumed.err, "going on after epoch"));
  CHECK(contains(resumed.out, "accuracy"));

  rest.insert(rest.end(), {"--learning-rate", "0.5"});
  const auto other = run(folder.path(), "train_gesture", gesture_arguments(folder.path(), rest));
  CHECK(other.code == 1);
  CHECK(contains(other.err, "learning-rate"));
}

TEST_CASE("train_face trains, and recognise gives a row a window with probabilities that add up to 1") {
  const TemporaryFolder folder;
  write_videos(folder.path() / "videos", 6);
  const auto trained = run(folder.path(), "train_face",
                           face_arguments(folder.path(), {"--epochs", "2", "--lstm", "--feature-hidden", "4"}));
  REQUIRE_MESSAGE(trained.code == 0, trained.err);
  const std::string model = (folder.path() / "work" / "model.safetensors").string();
  CHECK(contains(io::read_text(folder.path() / "work" / "report.html"), "stage 4, block 2"));

  const auto rows = run(folder.path(), "recognise",
                        {(folder.path() / "videos").string(), "--model", model, "--frames", "2", "--step", "1"});
  REQUIRE_MESSAGE(rows.code == 0, rows.err);
  const auto table = io::CsvTable::parse(rows.out, "recognised");
  CHECK(table.names() == Words{"source", "start", "end", "emotion", "probability_bright", "probability_dark"});
  CHECK(table.rows() == 12 * 3);
  CHECK(table.text(0, 0) == "bright/v0");
  CHECK(table.integer(1, 1) == 1);
  CHECK(table.integer(1, 2) == 2);
  for (Index row = 0; row < table.rows(); ++row) CHECK(sum_of(table, row, 4) == doctest::Approx(1).epsilon(1e-4));

  const auto one =
      run(folder.path(), "recognise",
          {(folder.path() / "videos" / "dark" / "v3").string(), "--model", model, "--crop", "2,2,12,12", "--json"});
  REQUIRE_MESSAGE(one.code == 0, one.err);
  const auto clips = nlohmann::json::parse(one.out)["clips"];
  REQUIRE(clips.size() == 1);
  CHECK(clips[0]["source"] == "v3");
  CHECK(clips[0]["end"] == 3);
  CHECK(clips[0]["probabilities"].contains("dark"));

  // Rows that were kept are gone on with by the same options alone.
  const std::string kept = (folder / "kept").string();
  const Words keeping{(folder.path() / "videos").string(), "--model", model, "--work-dir", kept, "--frames", "2"};
  const auto with = [&](const Words& more) {
    Words words = keeping;
    words.insert(words.end(), more.begin(), more.end());
    return run(folder.path(), "recognise", words);
  };
  const auto whole = with({});
  REQUIRE(whole.code == 0);
  CHECK(with({"--resume"}).out == whole.out);
  const auto other_step = with({"--resume", "--step", "1"});
  CHECK(other_step.code == 1);
  CHECK(contains(other_step.err, "rows of another model, or of other options"));
  CHECK(with({"--html", "page.html"}).code == 2);

  const auto beyond =
      run(folder.path(), "recognise",
          {(folder.path() / "videos" / "dark" / "v3").string(), "--model", model, "--crop", "2,2,15,15"});
  CHECK(beyond.code == 1);
  CHECK(contains(beyond.err, "16 x 16"));
}

TEST_CASE("recognise reads OpenPose's folders with a gesture model, and says where nobody was seen") {
  const TemporaryFolder folder;
  const auto write = [&](const std::string& recording, int frames, int empty_from, int joints = 25) {
    std::string pose;
    for (int joint = 0; joint < joints; ++joint)
      pose += (joint > 0 ? "," : "") + std::to_string(joint) + "," + std::to_string(2 * joint) + ",1";
    fs::create_directories(folder.path() / "poses" / recording);
    for (int frame = 0; frame < frames; ++frame) {
      char name[40];
      std::snprintf(name, sizeof name, "a_%012d_keypoints.json", frame);
      const std::string person = R"({"pose_keypoints_2d": [)" + pose + "]}";
      io::write_file(folder.path() / "poses" / recording / name,
                     R"({"people": [)" + (frame < empty_from ? person : "") + "]}");
    }
  };
  for (int i = 0; i < 5; ++i) {
    write("still/" + std::to_string(i), 4, 4);
    write("gone/" + std::to_string(i), 4, 2);
  }
  const std::string poses = (folder.path() / "poses").string();
  const auto trained = run(folder.path(), "train_gesture",
                           {"--openpose", poses, "--size", "8", "--width", "4", "--epochs", "1", "--upper-body",
                            "--work-dir", (folder.path() / "work").string()});
  REQUIRE_MESSAGE(trained.code == 0, trained.err);
  const std::string model = (folder.path() / "work" / "model.safetensors").string();
  fs::create_directory_symlink(".", poses + "/gone/circle");
  const auto rows = run(folder.path(), "recognise", {poses + "/gone", "--model", model, "--frames", "2"});
  REQUIRE_MESSAGE(rows.code == 0, rows.err);
  const auto table = io::CsvTable::parse(rows.out, "recognised");
  REQUIRE(table.rows() == 10);
  CHECK_FALSE(table.text(0, 3).empty());
  CHECK(table.text(1, 3).empty());
  CHECK(table.text(1, 4).empty());

  // The joints of the upper body are other ones in another layout.
  write("../coco", 2, 2, 18);
  const auto other_layout =
      run(folder.path(), "recognise", {(folder.path() / "coco").string(), "--model", model, "--layout", "coco_18"});
  CHECK(other_layout.code == 1);
  CHECK_MESSAGE(contains(other_layout.err, "`coco` has 18 joints, the model was trained on recordings of 25"),
                other_layout.err);
}

TEST_CASE("recognise refuses files that are no model of ours") {
  const TemporaryFolder folder;
  write_videos(folder.path() / "videos", 1);
  io::write_file(folder.path() / "model.safetensors", std::string_view("nothing"));
  const auto wrong =
      run(folder.path(), "recognise",
          {(folder.path() / "videos").string(), "--model", (folder.path() / "model.safetensors").string()});
  CHECK(wrong.code == 1);
  CHECK(contains(wrong.err, "model.safetensors"));
}

TEST_CASE("train_fusion compares every way with either branch alone") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 10);
  write_videos(folder.path() / "videos", 8);
  const auto fuse = [&](const std::string& pairs, const std::string& work, const Words& more) {
    Words words{"--pair",
                pairs,
                "--face-videos",
                (folder.path() / "videos").string(),
                "--face-small",
                "--face-side",
                "16",
                "--face-channels",
                "1",
                "--face-widths",
                "2,2,4,4",
                "--face-clips",
                "1",
                "--face-frames",
                "2",
                "--joint-table",
                (folder.path() / "joints.csv").string(),
                "--joint-layout",
                "other",
                "--joint-size",
                "8",
                "--joint-width",
                "4",
                "--batch",
                "4",
                "--epochs",
                "2",
                "--test-share",
                "0.3",
                "--validation-share",
                "0.3",
                "--threads",
                "1",
                "--json",
                "--work-dir",
                (folder.path() / work).string()};
    words.insert(words.end(), more.begin(), more.end());
    return run(folder.path(), "train_fusion", words);
  };
  const auto fused = fuse("bright=up,dark=down", "work", {"--seeds", "2"});
  REQUIRE_MESSAGE(fused.code == 0, fused.err);
  CHECK(contains(io::read_text(folder.path() / "work" / "report.html"), "<figcaption>weighted</figcaption>"));
  const auto result = nlohmann::json::parse(fused.out);
  CHECK(result["device"] == "cpu");
  REQUIRE(result["seeds"].size() == 2);
  CHECK(result["seeds"][1]["seed"] == 2);
  for (const auto& seed : result["seeds"]) {
    Words names;
    for (const auto& method : seed["methods"]) {
      names.push_back(method["name"]);
      CHECK(method["samples"] == seed["pairs"]);
    }
    REQUIRE(names.size() == 8);
    CHECK(names[0] == "face alone");
    CHECK(names[1] == "body alone");
    CHECK(names.back() == "features");
  }

  // Models that are there already, of these classes in this order.
  const fs::path first = folder.path() / "work" / "seed_1";
  const Words models{"--face-model", (first / "face" / "model.safetensors").string(), "--joint-model",
                     (first / "body" / "model.safetensors").string()};
  const auto given = fuse("bright=up,dark=down", "given", models);
  REQUIRE_MESSAGE(given.code == 0, given.err);
  CHECK(nlohmann::json::parse(given.out)["seeds"][0]["methods"] == result["seeds"][0]["methods"]);
  const auto swapped = fuse("dark=down,bright=up", "swapped", models);
  CHECK(swapped.code == 1);
  CHECK(contains(swapped.err, "class_names"));
  CHECK(fuse("bright=up,dark=down", "none", {"--face-classes", "bright,dark"}).code == 2);
}

TEST_CASE("a packed set in shards is trained on, shuffled within a window that a resumed training keeps") {
  const TemporaryFolder folder;
  write_videos(folder.path() / "videos", 6);
  const std::string videos = (folder.path() / "videos").string();
  const std::string set = (folder.path() / "set").string();
  REQUIRE(run(folder.path(), "mien-data", {"pack", videos, set, "--format", "frames", "--shard-size", "1"}).code == 0);
  auto arguments = face_arguments(folder.path(), {"--shuffle-window", "4", "--schedule", "constant", "--epochs", "1"});
  arguments[0] = "--packed";
  arguments[1] = set;
  const auto trained = run(folder.path(), "train_face", arguments);
  REQUIRE_MESSAGE(trained.code == 0, trained.err);
  arguments.insert(arguments.end(), {"--resume", "--shuffle-window", "5"});
  arguments.erase(std::find(arguments.begin(), arguments.end(), "--shuffle-window"),
                  std::find(arguments.begin(), arguments.end(), "--schedule"));
  const auto other = run(folder.path(), "train_face", arguments);
  CHECK(other.code == 1);
  CHECK(contains(other.err, "shuffle-window 4, now 5"));
  arguments.push_back("--balanced");
  CHECK(run(folder.path(), "train_face", arguments).code == 2);
}

TEST_CASE("mien-data counts a set, draws, thins and packs it, and ends with 1 where something is wrong") {
  const TemporaryFolder folder;
  for (const char* label : {"happy", "sad"})
    for (int i = 0; i < 3; ++i) {
      const fs::path place = folder / "set" / label;
      fs::create_directories(place);
      io::write_png(place / ("S00" + std::to_string(i) + "_001_0000000" + std::to_string(i) + ".png"),
                    io::Image(8, 6, 1, static_cast<std::uint8_t>(40 * i + (label[0] == 's' ? 100 : 0))));
    }
  const std::string set = (folder / "set").string();
  const auto listed = run(folder.path(), "mien-data", {"list"});
  CHECK(listed.code == 0);
  CHECK(listed.out.find("aff-wild2-va") != std::string::npos);
  const auto checked = run(folder.path(), "mien-data", {"check", set, "--format", "subjects", "--json"});
  REQUIRE(checked.code == 0);
  const auto report = nlohmann::json::parse(checked.out);
  CHECK(report["classes"][""]["sad"] == 3);
  CHECK(report["subjects"].size() == 3);
  CHECK(run(folder.path(), "mien-data", {"check", set}).code == 2);
  CHECK(run(folder.path(), "mien-data", {"check", set, "--format", "frames"}).code == 1);

  const std::string pack = (folder / "set.pack").string();
  CHECK(run(folder.path(), "mien-data", {"pack", set, pack, "--format", "images", "--labels", "library"}).code == 0);
  const auto packed = run(folder.path(), "mien-data", {"list", pack});
  CHECK(packed.out.find("happy/S000_001_00000000.png,happiness") != std::string::npos);
  CHECK(run(folder.path(), "mien-data", {"preview", pack, (folder / "sheet.png").string(), "--side", "16"}).code == 0);
  CHECK(io::read_image(folder / "sheet.png").width == 6 * 20 + 4);
  const std::string sheet = (folder / "thin.csv").string();
  CHECK(run(folder.path(), "mien-data", {"thin", set, sheet, "--format", "images", "--every", "2"}).code == 0);
  CHECK(io::read_csv(sheet).rows() == 4);
  CHECK(run(folder.path(), "mien-data", {"check", sheet, "--format", "sheet"}).code == 0);

  // What is read stays, and --dry-run writes nothing.
  const auto before = io::read_file(sheet);
  CHECK(run(folder.path(), "mien-data", {"thin", sheet, sheet, "--format", "sheet", "--every", "2"}).code == 1);
  CHECK(io::read_file(sheet) == before);
  const std::string never = (folder / "never.pack").string();
  CHECK(run(folder.path(), "mien-data", {"pack", sheet, never, "--format", "sheet", "--dry-run"}).code == 0);
  CHECK_FALSE(fs::exists(never));

  // In shards: of 1 MiB of pictures each, which is more than there are.
  const std::string shards = (folder / "shards").string();
  const std::vector<std::string> packing{"pack", pack, shards, "--pixels", "--shard-size", "1", "--json"};
  const auto sharded = run(folder.path(), "mien-data", packing);
  REQUIRE(sharded.code == 0);
  CHECK(nlohmann::json::parse(sharded.out)["bytes"] > 6 * 48);
  CHECK(run(folder.path(), "mien-data", {"list", shards}).out == packed.out);
  CHECK(run(folder.path(), "mien-data", {"check", shards}).code == 0);
  CHECK(run(folder.path(), "mien-data", {"preview", shards, (folder / "sheet.png").string()}).code == 0);
  const auto again = run(folder.path(), "mien-data", packing);
  CHECK(again.code == 1);
  CHECK(again.err.find("something that is there already") != std::string::npos);

  // The same picture in two splits.
  io::write_file(folder / "leak.csv", std::string("path,label,split\nset/happy/S000_001_00000000.png,a,train\n") +
                                          "set/../set/happy/S000_001_00000000.png,a,test\n");
  const auto leak = run(folder.path(), "mien-data", {"check", (folder / "leak.csv").string(), "--format", "sheet"});
  CHECK(leak.code == 1);
  CHECK(leak.out.find("train and test") != std::string::npos);

  const std::string joints = std::string(MIEN_SOURCE_DIR) + "/examples/data/joints_social";
  const std::string drawn = (folder / "drawn").string();
  CHECK(run(folder.path(), "mien-data", {"draw", joints, drawn, "--format", "recordings", "--whole", "--size", "16"})
            .code == 0);
  CHECK(io::read_csv(fs::path(drawn) / "sheet.csv").rows() == 272);
  CHECK(run(folder.path(), "mien-data", {"draw", set, drawn, "--format", "images"}).code == 2);
}

TEST_CASE("mien-data lists valence and arousal as JSON too, and draws no recording over another") {
  const TemporaryFolder folder;
  io::write_png(folder / "a.png", io::Image(8, 6, 1, 40));
  io::write_png(folder / "b.png", io::Image(8, 6, 1, 80));
  const std::string sheet = (folder / "sheet.csv").string();
  io::write_file(sheet, std::string("path,label,valence,arousal\na.png,glad,0.5,-0.25\nb.png,glad,,\n"));
  const auto listed = run(folder.path(), "mien-data", {"list", sheet, "--format", "sheet", "--json"});
  REQUIRE(listed.code == 0);
  const auto samples = nlohmann::json::parse(listed.out);
  CHECK(samples[0]["valence"] == 0.5);
  CHECK(samples[0]["arousal"] == -0.25);
  CHECK_FALSE(samples[1].contains("valence"));

  const std::string table = (folder / "joints.csv").string();
  io::write_file(table, std::string("sequence,frame,label,x0,y0\na/b,0,up,1,2\na_b,0,up,3,4\n"));
  const auto drawn = run(folder.path(), "mien-data",
                         {"draw", table, (folder / "drawn").string(), "--format", "joint-table", "--layout", "other"});
  CHECK(drawn.code == 1);
  CHECK(contains(drawn.err, "`a/b` and `a_b` with one name for both"));
}
