/// The programs that train networks over images and keypoints, on small made data.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "examples/affect_sheet.hpp"
#include "examples/process.hpp"
#include "io/temporary_folder.hpp"
#include "mien/core/random.hpp"
#include "mien/io/csv.hpp"
#include "mien/io/file.hpp"
#include "mien/io/safetensors.hpp"

namespace {

using namespace mien;

/// FER+'s form: bright faces that most saw as happy, dark ones that most saw as sad, in three parts.
void write_ferplus(const fs::path& folder, int pictures) {
  Generator generator(1);
  std::string table = "file,split,label,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n";
  for (int i = 0; i < pictures; ++i) {
    const bool bright = i % 2 == 0;
    const std::string name = "face" + std::to_string(i) + ".png";
    write_picture(folder / name, bright ? 150 : 20, generator);
    const char* const split = i % 8 < 4 ? "train" : i % 8 < 6 ? "valid" : "test";
    table += name + "," + split + (bright ? ",happiness,2,8,0,0" : ",sadness,2,0,0,8") + ",0,0,0,0,0,0\n";
  }
  io::write_file(folder / "labels.csv", table);
}

/// mien-weights writes the model in the work folder for ONNX Runtime, with outputs of these names and no others.
void check_onnx_outputs(const fs::path& folder, const std::vector<std::string>& names) {
  const fs::path file = folder / "model.onnx";
  const auto written =
      run(folder, "mien-weights", {"onnx", (folder / "work" / "model.safetensors").string(), file.string(), "--force"});
  REQUIRE_MESSAGE(written.code == 0, written.err);
  const std::string graph = io::read_text(file);
  for (const std::string name : {"logits", "probabilities", "valence_arousal"})
    CHECK_MESSAGE(contains(graph, name) == (std::ranges::count(names, name) == 1), name);
}

Words image_arguments(const fs::path& folder, const Words& more) {
  Words out{"--ferplus", (folder / "labels.csv").string(), "--split-column", "split", "--batch", "8", "--threads", "1"};
  const auto given = [&](const char* option) { return std::find(more.begin(), more.end(), option) != more.end(); };
  if (!given("--side")) out.insert(out.end(), {"--side", "16"});
  if (!given("--work-dir")) out.insert(out.end(), {"--work-dir", (folder / "work").string()});
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

nlohmann::json result_of(const Outcome& outcome) {
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  return nlohmann::json::parse(outcome.out);
}

std::vector<std::byte> bytes_of(const fs::path& path) { return io::read_file(path); }

}  // namespace

TEST_CASE("the programs say what they do with --help") {
  const TemporaryFolder folder;
  for (const std::string program : {"train_image", "train_keypoints", "train_valence_arousal"}) {
    CAPTURE(program);
    const auto help = run(folder.path(), program, {"--help"});
    CHECK(help.code == 0);
    for (const char* option : {"--device", "--seed", "--resume", "--mixup", "--moving-average", "--find-learning-rate"})
      CHECK_MESSAGE(contains(help.out, option), option);
    CHECK(run(folder.path(), program, {"--no-such-option"}).code == 2);
  }
}

TEST_CASE("train_image learns from votes with everything on, and goes on with the same bits") {
  const TemporaryFolder folder;
  write_ferplus(folder.path(), 32);
  const std::vector<Words> everything{
      {"--soft-labels"}, {"--mixup", "0.2"}, {"--moving-average", "0.8"}, {"--focal-gamma", "1"}};
  const auto with = [&](const std::string& work, Words words, const Words& without = {}) {
    words.insert(words.end(), {"--work-dir", (folder.path() / work).string(), "--schedule", "constant", "--json"});
    for (const Words& option : everything)
      if (option != without) words.insert(words.end(), option.begin(), option.end());
    return run(folder.path(), "train_image", image_arguments(folder.path(), words));
  };
  const auto result = result_of(with("whole", {"--epochs", "3"}));
  CHECK(result["model"] == "resnet18_small");
  CHECK(result["class_names"].size() == 7);
  CHECK(result["folds"][0]["train"] == 16);
  CHECK(result["folds"][0]["validation"] == 8);
  CHECK(result["overall"]["samples"] == 8);
  const io::CsvTable history = io::read_csv(folder.path() / "whole" / "history.csv");
  CHECK(history.rows() == 3);
  const io::CsvTable predictions = io::read_csv(folder.path() / "whole" / "predictions.csv");
  CHECK(predictions.rows() == 8);
  CHECK(predictions.columns() == 10);

  result_of(with("cut", {"--epochs", "1"}));
  const auto model = bytes_of(folder.path() / "cut" / "model.safetensors");
  for (const Words& option : everything) {
    result_of(with("without", {"--epochs", "1"}, option));
    CHECK_MESSAGE(bytes_of(folder.path() / "without" / "model.safetensors") != model, option.front());
  }
  result_of(with("cut", {"--epochs", "3", "--resume", "--tensorboard"}));
  const auto is_event_file = [](const auto& entry) { return contains(entry.path().filename().string(), "tfevents"); };
  CHECK(std::ranges::count_if(fs::directory_iterator(folder.path() / "cut"), is_event_file) == 1);
  CHECK(std::ranges::count_if(fs::directory_iterator(folder.path() / "whole"), is_event_file) == 0);
  CHECK(
      contains(io::read_text(folder.path() / "whole" / "report.html"), "<h3>Recall and F1 on validation samples</h3>"));
  for (const char* file : {"last.safetensors", "best.safetensors", "model.safetensors"})
    CHECK_MESSAGE(bytes_of(folder.path() / "cut" / file) == bytes_of(folder.path() / "whole" / file), file);
}

TEST_CASE("train_image fine-tunes what is not frozen") {
  const TemporaryFolder folder;
  write_ferplus(folder.path(), 16);
  result_of(run(folder.path(), "train_image", image_arguments(folder.path(), {"--epochs", "1", "--json"})));
  const fs::path before = folder.path() / "before.safetensors";
  fs::copy_file(folder.path() / "work" / "model.safetensors", before);
  const Words tune{"--weights",
                   before.string(),
                   "--freeze",
                   "conv1,bn1,layer1,layer2.0",
                   "--learning-rate",
                   "1e-6",
                   "--head-learning-rate",
                   "0.01",
                   "--epochs",
                   "2",
                   "--json"};
  const auto tuned = run(folder.path(), "train_image", image_arguments(folder.path(), tune));
  result_of(tuned);
  CHECK(contains(tuned.err, " tensors loaded"));
  const io::Safetensors old = io::read_safetensors(before);
  const io::Safetensors now = io::read_safetensors(folder.path() / "work" / "model.safetensors");
  for (const std::string& name : now.names()) {
    const bool same = std::ranges::equal(old.data(name), now.data(name));
    const bool frozen = name.starts_with("conv1.") || name.starts_with("bn1.") || name.starts_with("layer1.") ||
                        name.starts_with("layer2.0.");
    if (frozen) CHECK_MESSAGE(same, name);
    if (name == "layer4.1.conv2.weight") CHECK(!same);
  }
  const auto greatest_change = [&](const char* name) {
    const Tensor<double> a = old.tensor<double>(name);
    const Tensor<double> b = now.tensor<double>(name);
    double greatest = 0;
    for (Index i = 0; i < a.elements(); ++i) greatest = std::max(greatest, std::abs(a.data()[i] - b.data()[i]));
    return greatest;
  };
  CHECK(greatest_change("layer4.1.conv2.weight") < 1e-4);
  CHECK(greatest_change("fc.weight") > 1e-3);

  const auto unknown = run(folder.path(), "train_image", image_arguments(folder.path(), {"--freeze", "layer9"}));
  CHECK(unknown.code == 2);
  CHECK(contains(unknown.err, "`layer9`"));
}

TEST_CASE("train_image has dense networks and transformers too") {
  const TemporaryFolder folder;
  write_ferplus(folder.path(), 8);
  for (const std::string model : {"densenet_small", "vit_small"}) {
    CAPTURE(model);
    const auto result =
        result_of(run(folder.path(), "train_image",
                      image_arguments(folder.path(), {"--model", model, "--side", "24", "--epochs", "1", "--json"})));
    CHECK(result["model"] == model);
    check_onnx_outputs(folder.path(), {"logits", "probabilities"});
  }

  // Of a checkpoint whose names have a prefix, for pictures of another size; and of one without positions.
  const io::Safetensors trained = io::read_safetensors(folder.path() / "work" / "model.safetensors");
  for (const bool has_positions : {true, false}) {
    io::SafetensorsWriter writer;
    for (const std::string& name : trained.names())
      if (has_positions || name != "encoder.pos_embedding")
        writer.add("module." + name, trained.type(name), trained.shape(name),
                   {trained.data(name).begin(), trained.data(name).end()});
    writer.write(folder / "checkpoint.safetensors");
    const auto tuned =
        run(folder.path(), "train_image",
            image_arguments(folder.path(), {"--model", "vit_small", "--side", "18", "--epochs", "1", "--weights",
                                            (folder / "checkpoint.safetensors").string(), "--json"}));
    result_of(tuned);
    CHECK(contains(tuned.err, " tensors loaded"));
  }
}

TEST_CASE("a learning rate can be looked for, and nothing is trained then") {
  const TemporaryFolder folder;
  write_ferplus(folder.path(), 16);
  const auto found = run(folder.path(), "train_image", image_arguments(folder.path(), {"--find-learning-rate"}));
  REQUIRE_MESSAGE(found.code == 0, found.err);
  CHECK(contains(found.out, "     rate      loss  smoothed"));
  CHECK(contains(found.out, "suggestion"));
  CHECK(contains(io::read_text(folder.path() / "work" / "learning_rates.html"), "<svg"));
  CHECK(!fs::exists(folder.path() / "work" / "model.safetensors"));
}

TEST_CASE("train_valence_arousal tells agreement, alone and beside classes") {
  const TemporaryFolder folder;
  write_affect_sheet(folder.path(), 40);
  const auto arguments = [&](const Words& more) {
    Words out{"--sheet",    (folder.path() / "sheet.csv").string(),
              "--side",     "16",
              "--batch",    "8",
              "--epochs",   "6",
              "--threads",  "1",
              "--work-dir", (folder.path() / "work").string(),
              "--json"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  };
  const auto alone = result_of(run(folder.path(), "train_valence_arousal", arguments({"--mixup", "0.2"})));
  const auto& affect = alone["overall"]["affect"];
  CHECK(affect["ccc"].get<double>() ==
        doctest::Approx((affect["ccc_valence"].get<double>() + affect["ccc_arousal"].get<double>()) / 2));
  CHECK(affect["ccc_valence"].get<double>() > 0.3);
  CHECK(affect["samples"].get<Index>() < alone["folds"][0]["train"].get<Index>());
  CHECK(!alone["overall"].contains("accuracy"));
  const io::CsvTable predictions = io::read_csv(folder.path() / "work" / "predictions.csv");
  CHECK(predictions.names() ==
        std::vector<std::string>{"sample", "valence", "arousal", "recognised_valence", "recognised_arousal"});
  CHECK(io::read_csv(folder.path() / "work" / "history.csv").find_column("validation_ccc"));
  const std::string page = io::read_text(folder.path() / "work" / "report.html");
  CHECK(contains(page, "valence: unpleasant to pleasant"));
  CHECK(!contains(page, "Worst mistakes"));

  const auto both = result_of(run(folder.path(), "train_valence_arousal", arguments({"--multi-task"})));
  CHECK(both["overall"].contains("accuracy"));
  CHECK(both["overall"]["affect"].contains("ccc"));
  check_onnx_outputs(folder.path(), {"logits", "probabilities", "valence_arousal"});
  CHECK(contains(
      run(folder.path(), "train_valence_arousal", arguments({"--valence-column", "", "--arousal-column", ""})).err,
      "no sample has valence and arousal"));
}

TEST_CASE("train_keypoints learns classes, and valence and arousal") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 10);
  const auto arguments = [&](const std::string& table, const Words& more) {
    Words out{"--table",    (folder.path() / table).string(),
              "--layout",   "other",
              "--widths",   "16,16,8",
              "--batch",    "4",
              "--epochs",   "4",
              "--threads",  "1",
              "--work-dir", (folder.path() / "work").string(),
              "--json"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  };
  for (const std::string pooled : {"true", "false"}) {
    CAPTURE(pooled);
    const auto result = result_of(
        run(folder.path(), "train_keypoints", arguments("joints.csv", {"--pooled", pooled, "--frames", "3"})));
    CHECK(result["class_names"].size() == 2);
    CHECK(result["overall"]["samples"] == 4);
  }

  // The same recordings with two numbers for each label.
  const io::CsvTable table = io::read_csv(folder.path() / "joints.csv");
  std::string with_affect;
  for (const std::string& name : table.names()) with_affect += name + ",";
  with_affect += "valence,arousal\n";
  for (Index row = 0; row < table.rows(); ++row) {
    for (Index column = 0; column < table.columns(); ++column)
      with_affect += std::string(table.text(row, column)) + ",";
    with_affect += table.text(row, table.column("label")) == "up" ? "0.5,-0.5\n" : "-0.5,0.25\n";
  }
  io::write_file(folder.path() / "affect.csv", with_affect);
  const Words columns{"--valence-arousal", "--valence-column", "valence", "--arousal-column", "arousal"};
  const auto result = result_of(run(folder.path(), "train_keypoints", arguments("affect.csv", columns)));
  CHECK(result["overall"]["affect"]["samples"] == 4);
  check_onnx_outputs(folder.path(), {"valence_arousal"});
  CHECK(run(folder.path(), "train_keypoints", arguments("joints.csv", {"--valence-arousal"})).code == 2);
}

TEST_CASE("train_image learns from drawn skeletons, some frames of a recording or all of them in one picture") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 10);
  const auto arguments = [&](const Words& more) {
    Words out{"--joint-table",  (folder.path() / "joints.csv").string(),
              "--joint-layout", "other",
              "--side",         "24",
              "--batch",        "4",
              "--epochs",       "2",
              "--threads",      "1",
              "--work-dir",     (folder.path() / "work").string(),
              "--json"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  };
  for (const Words& form : {Words{"--pictures", "3"}, Words{"--whole-recordings"}}) {
    CAPTURE(form.front());
    const auto result = result_of(run(folder.path(), "train_image", arguments(form)));
    CHECK(result["class_names"].size() == 2);
    CHECK(result["overall"]["samples"] == 4);
  }
  // What looks at skeletons is not to be shown faces.
  Generator generator(1);
  fs::create_directories(folder.path() / "frames");
  write_picture(folder.path() / "frames" / "0.png", 100, generator);
  const auto shown_faces = run(folder.path(), "recognise",
                               {(folder.path() / "frames").string(), "--find-faces", "--threads", "1", "--model",
                                (folder.path() / "work" / "model.safetensors").string()});
  CHECK(shown_faces.code == 1);
  CHECK_MESSAGE(contains(shown_faces.err, "found a network over skeletons that are drawn from joints"),
                shown_faces.err);

  const auto refuses = [&](const Words& words, const char* why) {
    const auto outcome = run(folder.path(), "train_image", arguments(words));
    CHECK(outcome.code == 2);
    CHECK_MESSAGE(contains(outcome.err, why), outcome.err);
  };
  refuses({"--channels", "1"}, "--channels 1");
  refuses({"--whole-recordings", "--pictures", "2"}, "--pictures");
  refuses({"--images", folder.path().string()}, "not both");
}
