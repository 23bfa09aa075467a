#pragma once

/// What all example programs share: common options, exit codes, Ctrl-C, the device, and where words go. Results are
/// written to standard output, everything else to standard error.

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/device.hpp"
#endif
#include "mien/build_info.hpp"
#include "mien/core/device.hpp"
#include "mien/core/error.hpp"
#include "mien/core/precision.hpp"
#include "mien/core/random.hpp"
#include "mien/core/threads.hpp"
#include "mien/io/file.hpp"
#include "mien/train/communicator.hpp"

namespace mien::examples {

/// Keeps the order in which keys are added.
using Json = nlohmann::ordered_json;

/// Options that exclude each other, or one that is missing: the command line is wrong, not the data.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// Ctrl-C was pressed, and everything that has to be kept is saved.
struct Interrupted {};

/// What was asked for is done, before the usual end.
struct Done {};

/// A network is trained, and what comes next is done by the first rank.
struct Helped {};

enum ExitCode : int { success = 0, failure = 1, wrong_usage = 2, interrupted = 130 };

namespace detail {

using mien::detail::text;

inline constexpr const char* lost_output = "standard output: cannot be written";

inline volatile std::sig_atomic_t stop_signal = 0;

inline void remember_signal(int) { stop_signal = 1; }

/// What `mpirun` says in a variable of the environment about the processes that it started; 0 without it. Open MPI has
/// other names for the variables than MPICH and Intel.
Index number_from_mpirun(const char* variable);

struct JoinedRanks {
  std::shared_ptr<train::Communicator> ranks;
  std::shared_ptr<train::Communicator> refusals;  ///< the same ranks, which wait some seconds for each other
  Index local_rank = 0;  ///< this one's number among those of its machine
  Index local_size = 1;  ///< how many that machine has
};

/// The ranks that `mpirun` started. Throws UsageError in a build without MPI: they would all do the same, and write
/// over each other.
JoinedRanks join_ranks(Index ranks);

/// The same with a GPU for each of them, which is the current one from now on. Throws UsageError in a build without
/// NCCL, and if a machine has fewer GPUs than ranks; CudaError, NcclError.
std::shared_ptr<train::Communicator> join_gpus(const JoinedRanks& joined);

}  // namespace detail

/// Whether Ctrl-C was pressed, or the program was asked to end (SIGTERM, SIGHUP). A second time it ends at once.
bool stop_requested();

/// Throws Interrupted if so.
void check_stop();

/// Throws Error if standard output takes nothing more: for programs that print as long as a camera runs.
void require_output();

struct CommonOptions {
  std::uint64_t seed = 1;
  int threads = 0;  ///< 0: one for each core, divided among the ranks of this machine
  std::string precision = "highest";
  std::string device = "cpu";  ///< of programs that have a choice
  std::filesystem::path work_dir = {};
  bool resume = false;
  bool json = false;
  bool dry_run = false;
};

/// Calls `body` with an empty device, Cpu or Cuda, of that name. Throws UsageError for `cuda` in a build without it,
/// and CudaError where there is no GPU: what was asked for is never computed elsewhere.
template <class Body>
void on_device(const std::string& name, const Body& body) {
  if (name == "cpu") {
    body(Cpu{});
    return;
  }
#if defined(MIEN_WITH_CUDA)
  // A missing GPU is told before all data are read.
  static_cast<void>(cuda::current_stream());
  body(Cuda{});
#else
  throw UsageError("--device " + name + ": this build has no CUDA support; configure it with -D MIEN_CUDA=ON");
#endif
}

/// "Did you mean --epochs?" in a line for each unknown option that is nearly one of a program's, or of its command's.
std::string suggestions(const CLI::App& app);

/// Checks of an option's number: above 0, or not below. Integers are of at most 10^15, which is more than any needs.
extern const CLI::Validator positive;
extern const CLI::Validator not_negative;

/// Throws UsageError for an option of numbers, of a program or its command, that was given as nan or infinity, which
/// checks of ranges let through.
void require_finite_numbers(const CLI::App& app);

/// Nobody else's while this lives, whatever becomes of the process.
class WorkFolderLock {
 public:
  /// Makes the folder where it is missing. Throws FileError if another program works there, or it cannot be made.
  explicit WorkFolderLock(const std::filesystem::path& folder);

 private:
  io::detail::FileDescriptor descriptor_;
};

/// A command line and a main function.
///
///     int main(int count, char** arguments) {
///       examples::Program program("Trains something.", "work/something");
///       Index epochs = 20;
///       program.app().add_option("--epochs", epochs, "runs over the data");
///       return program.run(count, arguments, [&] { ... });
///     }
class Program {
 public:
  /// `work_dir` is the folder that the program writes into unless told otherwise; empty: it writes none.
  Program(const std::string& description, std::filesystem::path work_dir) : app_(description) {
    common_.work_dir = std::move(work_dir);
    app_.set_version_flag("--version", build_info().to_string());
    app_.option_defaults()->always_capture_default();
    app_.add_option("--seed", seed_, "of everything that is random")->type_name("UINT");
    app_.add_option("--threads", common_.threads,
                    "threads, 0 for one a core, which ranks of one machine divide; results do not depend on it")
        ->check(CLI::Range(0, 1024));
    app_.add_option("--precision", common_.precision,
                    "of products: highest is float; high and medium allow pairs of bfloat16 numbers, or single ones, "
                    "where the processor is faster with them")
        ->check(CLI::IsMember({"highest", "high", "medium"}));
    app_.add_option("--work-dir", common_.work_dir, "folder for what the program writes");
    app_.add_option("--resume", resume_path_, "goes on where an earlier run stopped, in this folder or in --work-dir")
        ->expected(0, 1)
        ->type_name("[PATH]");
    app_.add_flag("--json", common_.json, "the result as one JSON object on standard output");
    app_.add_flag("--dry-run", common_.dry_run, "reads and checks the data, prints what it holds, and ends");
  }

  CLI::App& app() { return app_; }
  const CommonOptions& common() const { return common_; }

  /// As it was called, without folders.
  std::string name() const { return std::filesystem::path(app_.get_name()).filename().string(); }

  /// For programs that can train as several processes: `mpirun` may start them. The others refuse.
  void allow_ranks() { allows_ranks_ = true; }

  /// For programs that have nothing to save: signals end them at once, as the system has it.
  void end_at_signals() { ends_at_signals_ = true; }

  /// Those that train together; null for a process on its own.
  train::Communicator* ranks() const { return ranks_.get(); }
  /// The one that writes files and says what happens.
  bool is_first() const { return !ranks_ || ranks_->is_first(); }

  /// Whether an option was given on the command line.
  bool given(const std::string& option) const { return app_.count(option) > 0; }

  /// All options that decide about the result, by name, as text: a run may only be resumed with the same ones.
  std::map<std::string, std::string> settings() const {
    static const std::vector<std::string> others{"help",     "version",     "threads",         "work-dir", "resume",
                                                 "json",     "dry-run",     "epochs",          "seeds",    "fold",
                                                 "baseline", "tensorboard", "keep-checkpoints"};
    std::map<std::string, std::string> out;
    for (const CLI::Option* option : app_.get_options()) {
      const std::string name = option->get_single_name();
      if (std::find(others.begin(), others.end(), name) != others.end()) continue;
      out[name] = option->count() > 0 ? CLI::detail::join(option->results(), ",") : option->get_default_str();
    }
    return out;
  }

  /// Reads the command line and calls `body`, which prints its result. Returns the program's exit code: 0, 2 for a
  /// command line that is wrong, 130 after Ctrl-C, 1 for everything else; each but 0 with a line on standard error.
  template <class Body>
  int run(int count, char** arguments, const Body& body) {
    leave_words_to_first();
    try {
      app_.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
      const bool is_wrong = app_.exit(error, std::cout, std::cerr) != 0;
      if (is_wrong) std::cerr << suggestions(app_);
      return is_wrong ? wrong_usage : finish();
    }
    try {
      take_over();
      body();
      return finish();
    } catch (const UsageError& error) {
      refuse(error);
      return wrong_usage;
    } catch (const Done&) {
      return finish();
    } catch (const Interrupted&) {
      std::cerr << "interrupted" << (common_.work_dir.empty() ? "" : "; --resume goes on from here") << std::endl;
      if (ranks_ && is_first()) ranks_->abandon(interrupted);
      return interrupted;
    } catch (const std::exception& error) {
      tell_failure(error);
      if (ranks_) ranks_->abandon(failure);
      return failure;
    }
  }

  /// The same for a program whose networks compute on the device that is asked for: it has the option --device, and
  /// `body` is called with an empty Cpu or Cuda.
  ///
  ///     return program.run_on_device(count, arguments, [&]<class Device>(Device) { ... });
  template <class Body>
  int run_on_device(int count, char** arguments, const Body& body) {
    app_.add_option("--device", common_.device,
                    "where networks compute; cuda needs a GPU of NVIDIA's and a build with -D MIEN_CUDA=ON")
        ->check(CLI::IsMember({"cpu", "cuda"}));
    return run(count, arguments, [&] {
      on_device(common_.device, [&](auto device) {
        std::cerr << "device: " << common_.device << "\n";
        body(device);
      });
    });
  }

 private:
  /// The results are out, or they are not: a full disk behind standard output is an error too.
  int finish() const {
    std::cout << std::flush;
    if (!speaks() || std::cout) return success;
    std::cerr << "error: " << detail::lost_output << std::endl;
    return failure;
  }

  /// Tells what is wrong with the command line: the first rank for all of them, or the one that alone refuses it. Then
  /// the job is over, since the others would wait.
  void refuse(const UsageError& error);

  /// Of several ranks, the one that failed says so, whichever it is.
  void tell_failure(const std::exception& error);

  /// In words, where the standard library has none.
  void tell(const std::exception& error) const;

  /// All processes that `mpirun` started would say the same, from a wrong option on.
  static void leave_words_to_first();
  static bool speaks();

  /// Becomes one of the ranks that `mpirun` started, if it did.
  void take_place();

  /// Throws UsageError for what is no number of 64 bits.
  void read_seed();

  /// Ctrl-C, and what schedulers and lost connections send.
  void stop_at_signals() const;

  void take_over() {
    // First, since ranks that refuse an option have to agree about who says so.
    take_place();
    require_finite_numbers(app_);
    read_seed();
    if (app_.count("--work-dir") > 0 && common_.work_dir.empty()) throw UsageError("--work-dir is empty");
    common_.resume = app_.count("--resume") > 0;
    if (!resume_path_.empty()) common_.work_dir = resume_path_;
    if (common_.resume && common_.work_dir.empty()) throw UsageError("--resume needs a folder, its own or --work-dir");
    if (common_.threads > 0) set_thread_count(common_.threads);
    set_precision(precision_of_name(common_.precision));
    set_seed(common_.seed);
    stop_at_signals();
  }

  CLI::App app_;
  CommonOptions common_;
  std::string seed_ = "1";
  std::string resume_path_;
  bool allows_ranks_ = false;
  bool ends_at_signals_ = false;
  std::shared_ptr<train::Communicator> ranks_;
  std::shared_ptr<train::Communicator> refusals_;
};

/// The name of a value, or nothing.
template <class Value>
std::string name_of(const std::map<std::string, Value>& names, Value value) {
  for (const auto& [name, known] : names)
    if (known == value) return name;
  return "";
}

/// An option that takes the names of `names`.
template <class Value>
CLI::Option* add_choice(CLI::App& app, const std::string& name, Value& value, const std::map<std::string, Value>& names,
                        const std::string& description) {
  std::vector<std::string> words;
  for (const auto& [word, unused] : names) words.push_back(word);
  return app
      .add_option_function<std::string>(
          name, [&value, &names](const std::string& word) { value = names.at(word); }, description)
      ->default_str(name_of(names, value))
      ->check(CLI::IsMember(words));
}

/// "a,b,c" as its parts.
std::vector<std::string> split_list(const std::string& list);

/// A field of a CSV file, in quotes where it needs them.
std::string csv_field(const std::string& field);

/// "87.5 %"
std::string percent(double share);

}  // namespace mien::examples
