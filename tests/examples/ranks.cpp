/// Training programs under mpirun: the same result with any number of ranks, one that is killed, and going on with
/// others.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "examples/affect_sheet.hpp"
#include "examples/faces.hpp"
#include "examples/process.hpp"
#include "io/temporary_folder.hpp"
#include "mien/io/csv.hpp"

namespace {

using namespace mien;

Words training_words(const fs::path& folder, const fs::path& work, const Words& more) {
  Words out{"--table",         (folder / "joints.csv").string(),
            "--layout",        "other",
            "--size",          "8",
            "--width",         "4",
            "--batch",         "6",
            "--schedule",      "constant",
            "--threads",       "1",
            "--work-dir",      work.string(),
            "--class-weights", "--sync-batch-norm"};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

#if defined(MIEN_MPIEXEC)

/// More ranks than cores, and perhaps as root, as in a container.
void let_mpirun() {
  for (const char* variable :
       {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_rmaps_base_oversubscribe"})
    ::setenv(variable, "1", 1);
  ::setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 1);
}

Words under_mpirun(int ranks, const std::string& program, const Words& arguments) {
  let_mpirun();
  Words out{"-n", std::to_string(ranks), std::string(MIEN_EXAMPLES_DIR) + "/" + program};
  out.insert(out.end(), arguments.begin(), arguments.end());
  return out;
}

void require_equal_tables(const fs::path& a, const fs::path& b) {
  const io::CsvTable left = io::read_csv(a);
  const io::CsvTable right = io::read_csv(b);
  REQUIRE(left.names() == right.names());
  REQUIRE(left.rows() == right.rows());
  for (Index row = 0; row < left.rows(); ++row)
    for (Index column = 0; column < left.columns(); ++column)
      CHECK(left.number(row, column) == doctest::Approx(right.number(row, column)).epsilon(2e-3));
}

/// One rank with some arguments, and one with others, in one job.
Words under_mpirun(const std::string& program, const Words& first, const Words& second) {
  Words out = under_mpirun(1, program, first);
  const Words rest = under_mpirun(1, program, second);
  out.push_back(":");
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

bool contains_once(const std::string& text, const std::string& part) {
  return contains(text, part) && text.find(part) == text.rfind(part);
}

/// The process that is a rank of the training in this work folder.
pid_t process_of(const fs::path& work, int rank) {
  // These files have no size. Another user's, or one that is gone, is empty.
  const auto text_of = [](const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string variable = "OMPI_COMM_WORLD_RANK=" + std::to_string(rank) + '\0';
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (contains(text_of(entry.path() / "cmdline"), work.string()) &&
        contains(text_of(entry.path() / "environ"), variable))
      return std::atoi(name.c_str());
  }
  return -1;
}

#endif

}  // namespace

#if defined(MIEN_MPIEXEC)

TEST_CASE("two ranks train as one does, and only the first one writes and speaks") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 21);
  const auto alone = run(folder.path(), "train_gesture",
                         training_words(folder.path(), folder.path() / "alone", {"--epochs", "4", "--json"}));
  REQUIRE_MESSAGE(alone.code == 0, alone.err);
  const auto both =
      run(folder.path(), MIEN_MPIEXEC,
          under_mpirun(2, "train_gesture",
                       training_words(folder.path(), folder.path() / "both", {"--epochs", "4", "--json"})));
  REQUIRE_MESSAGE(both.code == 0, both.err);
  require_equal_tables(folder.path() / "alone" / "history.csv", folder.path() / "both" / "history.csv");
  CHECK(nlohmann::json::parse(both.out)["overall"] == nlohmann::json::parse(alone.out)["overall"]);
  CHECK(contains_once(both.err, "epoch 4/4"));
}

TEST_CASE("two ranks train faces as one does: a two-stream LSTM over clips, with synchronised batch norm") {
  const TemporaryFolder folder;
  write_videos(folder / "videos", 8);
  const auto words = [&](const std::string& work) {
    Words out = face_arguments(folder.path(), {"--lstm", "--feature-hidden", "4", "--emotion-hidden", "4", "--epochs",
                                               "2", "--schedule", "constant", "--sync-batch-norm"});
    *(std::find(out.begin(), out.end(), "--work-dir") + 1) = (folder / work).string();
    return out;
  };
  const auto alone = run(folder.path(), "train_face", words("alone"));
  REQUIRE_MESSAGE(alone.code == 0, alone.err);
  const auto both = run(folder.path(), MIEN_MPIEXEC, under_mpirun(2, "train_face", words("both")));
  REQUIRE_MESSAGE(both.code == 0, both.err);
  require_equal_tables(folder / "alone/history.csv", folder / "both/history.csv");
}

TEST_CASE("two ranks learn valence and arousal, which not all pictures have, beside classes as one does") {
  const TemporaryFolder folder;
  write_affect_sheet(folder.path(), 40);
  const auto words = [&](const std::string& work) {
    // Few and short steps: in float, differences in rounding grow from step to step.
    return Words{"--sheet",         (folder / "sheet.csv").string(),
                 "--side",          "32",
                 "--batch",         "7",
                 "--epochs",        "1",
                 "--schedule",      "constant",
                 "--optimiser",     "sgd",
                 "--learning-rate", "1e-4",
                 "--threads",       "1",
                 "--work-dir",      (folder / work).string(),
                 "--multi-task",    "--sync-batch-norm"};
  };
  const auto alone = run(folder.path(), "train_valence_arousal", words("alone"));
  REQUIRE_MESSAGE(alone.code == 0, alone.err);
  const auto both = run(folder.path(), MIEN_MPIEXEC, under_mpirun(2, "train_valence_arousal", words("both")));
  REQUIRE_MESSAGE(both.code == 0, both.err);
  require_equal_tables(folder / "alone/history.csv", folder / "both/history.csv");
}

TEST_CASE("the first rank alone writes files and says what is left out, whatever the others are told") {
  const TemporaryFolder folder;
  write_parts(folder / "joints.csv", {3});
  const auto words = [&](const std::string& work) {
    return training_words(folder.path(), folder / work,
                          {"--split-column", "split", "--bad-samples", "skip", "--epochs", "1", "--tensorboard"});
  };
  const auto outcome = run(folder.path(), MIEN_MPIEXEC, under_mpirun("train_gesture", words("first"), words("second")));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(contains_once(outcome.err, "of 10 training samples 1 are skipped"));
  CHECK(contains_once(outcome.err, "device: cpu"));
  CHECK(io::read_csv(folder / "first/bad_samples.csv").rows() == 1);
  CHECK_FALSE(fs::exists(folder / "second"));

  const auto wrong = run(folder.path(), MIEN_MPIEXEC, under_mpirun(2, "train_gesture", {"--epohcs", "3"}));
  CHECK(wrong.code == 2);
  CHECK(contains_once(wrong.err, "Did you mean --epochs?"));
}

TEST_CASE("a rank that is killed ends the job with words, and another number of ranks goes on to the same result") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 21);
  const fs::path work = folder.path() / "work";
  const Process job(folder.path(), MIEN_MPIEXEC,
                    under_mpirun(3, "train_gesture", training_words(folder.path(), work, {"--epochs", "100000"})));
  for (int i = 0; i < 600 && !fs::exists(work / "previous.safetensors"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const pid_t victim = process_of(work, 1);
  // Whatever comes of it, the job must not go on.
  if (victim > 0) {
    ::kill(victim, SIGKILL);
  } else {
    job.signal(SIGTERM);
  }
  CHECK(job.wait() != 0);
  REQUIRE(victim > 0);
  CHECK_MESSAGE(contains(job.err(), " of 3 was told to end while it waited for the others"), job.err());
  CHECK(contains(job.err(), "--resume goes on from the newest checkpoint"));

  const std::string done = std::to_string(io::read_csv(work / "history.csv").rows() + 3);
  const auto resumed =
      run(folder.path(), MIEN_MPIEXEC,
          under_mpirun(2, "train_gesture", training_words(folder.path(), work, {"--epochs", done, "--resume"})));
  REQUIRE_MESSAGE(resumed.code == 0, resumed.err);
  CHECK(contains(resumed.err, "going on after epoch"));
  const auto alone =
      run(folder.path(), "train_gesture", training_words(folder.path(), folder.path() / "alone", {"--epochs", done}));
  REQUIRE_MESSAGE(alone.code == 0, alone.err);
  require_equal_tables(folder.path() / "alone" / "history.csv", work / "history.csv");
}

TEST_CASE("a rank that alone refuses its options or its data says so, once, and ends the job") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 21);
  const Words good = training_words(folder.path(), folder / "work", {"--epochs", "100000"});
  Words bad = good;
  bad.insert(bad.end(), {"--split-column", "label", "--folds", "2"});
  const std::string why = "--split-column and --folds exclude each other\nRun with --help for more information.\n";
  const auto later = run(folder.path(), MIEN_MPIEXEC, under_mpirun("train_gesture", good, bad));
  CHECK(later.code == 2);
  CHECK_MESSAGE(contains_once(later.err, "rank 1 of 2: " + why), later.err);
  CHECK(contains_once(later.err, why));
  const auto first = run(folder.path(), MIEN_MPIEXEC, under_mpirun("train_gesture", bad, good));
  CHECK(first.code == 2);
  CHECK_MESSAGE(contains_once(first.err, why), first.err);
  CHECK_FALSE(contains(first.err, "of 2: --split-column"));
  const auto all = run(folder.path(), MIEN_MPIEXEC, under_mpirun(3, "train_gesture", bad));
  CHECK(all.code == 2);
  CHECK_MESSAGE(contains_once(all.err, why), all.err);
  CHECK_FALSE(contains(all.err, "of 3: --split-column"));
  // Before the ranks could be joined, too.
  Words infinite = good;
  infinite.insert(infinite.end(), {"--yaw", "nan"});
  const auto number = run(folder.path(), MIEN_MPIEXEC, under_mpirun("train_gesture", good, infinite));
  CHECK(number.code == 2);
  CHECK_MESSAGE(contains_once(number.err, "rank 1 of 2: --yaw: found nan, expected a finite number"), number.err);
}

TEST_CASE("what cannot run as several processes says so") {
  const TemporaryFolder folder;
  write_table(folder.path() / "joints.csv", 6);
  const auto fusion = run(folder.path(), MIEN_MPIEXEC, under_mpirun(2, "train_fusion", {"--pair", "bright=up"}));
  CHECK(fusion.code == 2);
  CHECK(contains_once(fusion.err, "train_fusion runs as one process; mpirun started 2 of them"));
  const auto rates = run(folder.path(), MIEN_MPIEXEC,
                         under_mpirun(2, "train_gesture",
                                      training_words(folder.path(), folder.path() / "work", {"--find-learning-rate"})));
  CHECK(rates.code == 2);
  CHECK(contains(rates.err, "--find-learning-rate runs as one process"));
#if !defined(MIEN_EXAMPLES_WITH_NCCL)
  const auto gpus =
      run(folder.path(), MIEN_MPIEXEC,
          under_mpirun(2, "train_gesture", training_words(folder.path(), folder / "work", {"--device", "cuda"})));
  CHECK(gpus.code == 2);
  CHECK(contains_once(gpus.err, "--device cuda: mpirun started 2 processes, and this build has no NCCL"));
#endif
}

#else

TEST_CASE("a build without MPI does not let mpirun start it several times") {
  const TemporaryFolder folder;
  ::setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  const auto outcome = run(folder.path(), "train_gesture", training_words(folder.path(), folder.path() / "work", {}));
  ::unsetenv("OMPI_COMM_WORLD_SIZE");
  CHECK(outcome.code == 2);
  CHECK(contains(outcome.err, "mpirun started 2 processes, and this build has no MPI"));
  CHECK(!fs::exists(folder.path() / "work"));
}

#endif
