#include "program.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <optional>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>

#include "mien/io/csv.hpp"
#if defined(MIEN_WITH_MPI)
#include "mien/train/mpi.hpp"
#endif
#if defined(MIEN_WITH_NCCL)
#include "mien/train/nccl.hpp"
#endif

namespace mien::examples {

namespace detail {

namespace {

#if defined(MIEN_WITH_MPI)
volatile std::sig_atomic_t end_signal = 0;

void remember_end(int) { end_signal = 1; }
#endif

#if defined(MIEN_WITH_NCCL)

/// One GPU for each rank of a machine, in their order; of ranks that see a single one, that. Throws UsageError, on all
/// ranks, if one of them has none, CudaError.
void choose_gpu(const JoinedRanks& joined) {
  int gpus = 0;
  cuda::require("cudaGetDeviceCount", cudaGetDeviceCount(&gpus));
  const Index own = gpus == 1 ? 0 : joined.local_rank;
  const std::vector<double> all = joined.ranks->gather(
      std::vector<double>{static_cast<double>(gpus), own < gpus ? 0.0 : static_cast<double>(joined.local_size)});
  for (std::size_t rank = 0; 2 * rank < all.size(); ++rank)
    if (all[2 * rank + 1] > 0)
      throw UsageError(text("--device cuda: mpirun started ", all[2 * rank + 1], " processes on the machine of rank ",
                            rank, ", which has ", all[2 * rank], " GPUs; each process needs one of its own"));
  cuda::require("cudaSetDevice", cudaSetDevice(static_cast<int>(own)));
}

struct GpuRanks {
  explicit GpuRanks(std::shared_ptr<train::Communicator> all)
      : processes(std::move(all)), gpus(*processes, {.gives_up = [] { return end_signal != 0; }}) {}

  std::shared_ptr<train::Communicator> processes;
  train::NcclCommunicator gpus;
};

#endif

bool told_to_end() {
#if defined(MIEN_WITH_MPI)
  return end_signal != 0;
#else
  return false;
#endif
}

}  // namespace

Index number_from_mpirun(const char* variable) {
  const char* const number = std::getenv(variable);
  return number == nullptr ? 0 : std::max<Index>(0, std::atol(number));
}

JoinedRanks join_ranks([[maybe_unused]] Index ranks) {
#if defined(MIEN_WITH_MPI)
  // mpirun sends it to the ranks that are left when one is lost.
  struct sigaction action {};
  action.sa_handler = remember_end;
  ::sigaction(SIGTERM, &action, nullptr);
  const auto gives_up = [] { return end_signal != 0; };
  const auto out = std::make_shared<train::MpiCommunicator>(train::MpiOptions{.gives_up = gives_up});
  // Of several that refuse, one is to be over before the next one speaks.
  const std::chrono::seconds patience(3 + std::min<Index>(out->rank(), 10));
  const auto refusals =
      std::make_shared<train::MpiCommunicator>(train::MpiOptions{.patience = patience, .gives_up = gives_up});
  return {out, refusals, out->local_rank(), out->local_size()};
#else
  throw UsageError(text("mpirun started ", ranks, " processes, and this build has no MPI: they would all do the same. ",
                        "Configure it with -D MIEN_MPI=ON"));
#endif
}

std::shared_ptr<train::Communicator> join_gpus(const JoinedRanks& joined) {
#if defined(MIEN_WITH_NCCL)
  choose_gpu(joined);
  const auto out = std::make_shared<GpuRanks>(joined.ranks);
  return {out, &out->gpus};
#else
  throw UsageError(text("--device cuda: mpirun started ", joined.ranks->size(),
                        " processes, and this build has no NCCL, by which their GPUs add up gradients. Configure it ",
                        "with -D MIEN_CUDA=ON -D MIEN_NCCL=ON"));
#endif
}

}  // namespace detail

namespace {

/// An option's word as a number, if it is one.
std::optional<double> number_in(const std::string& word) {
  double value = 0;
  return CLI::detail::lexical_cast(word, value) ? std::optional(value) : std::nullopt;
}

CLI::Validator number_where(const char* name, const std::string& expected, bool (*holds)(double)) {
  // Of whole numbers in digits, which integers beyond that would be taken for.
  constexpr double most = 1e15;
  const auto check = [expected, holds](const std::string& word) -> std::string {
    const auto value = number_in(word);
    const bool is_too_large = value && *value > most && word.find_first_not_of("+0123456789") == std::string::npos;
    if (value && holds(*value) && !is_too_large) return {};
    return "found " + word + ", expected " + expected + (is_too_large ? " and at most 1e15" : "");
  };
  return {check, name};
}

}  // namespace

const CLI::Validator positive = number_where("POSITIVE", "a number above 0", [](double value) { return value > 0; });
const CLI::Validator not_negative =
    number_where("NONNEGATIVE", "a number of at least 0", [](double value) { return value >= 0; });

void require_finite_numbers(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_type_name().starts_with("FLOAT")) continue;
    for (const std::string& word : option->results())
      if (const auto value = number_in(word); value && !std::isfinite(*value))
        throw UsageError(option->get_name() + ": found " + word + ", expected a finite number");
  }
  for (const CLI::App* command : app.get_subcommands()) require_finite_numbers(*command);
}

WorkFolderLock::WorkFolderLock(const std::filesystem::path& folder)
    : descriptor_((io::create_folders(folder), ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC))) {
  // Some file systems know no locks; there nobody can tell.
  if (descriptor_.is_open() && ::flock(descriptor_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw FileError(folder.string(), "", "another program at work", "a work folder of its own for each");
}

void Program::read_seed() {
  const char* const end = seed_.data() + seed_.size();
  const auto read = std::from_chars(seed_.data(), end, common_.seed);
  if (read.ec != std::errc() || read.ptr != end)
    throw UsageError("--seed: found " + seed_ + ", expected an integer from 0 to 18446744073709551615");
}

void Program::stop_at_signals() const {
  // A file beyond the limit of sizes is an error like a full disk, and not the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
  if (ends_at_signals_) return;
  struct sigaction action {};
  action.sa_handler = detail::remember_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
  // mpirun has its own use of the others, and whoever started the program may want them ignored, as nohup does.
  for (const int signal : {SIGTERM, SIGHUP}) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    if (!ranks_ && before.sa_handler == SIG_DFL) ::sigaction(signal, &action, nullptr);
  }
}

void Program::take_place() {
  const Index ranks =
      std::max(detail::number_from_mpirun("OMPI_COMM_WORLD_SIZE"), detail::number_from_mpirun("PMI_SIZE"));
  if (ranks < 2) return;
  if (!allows_ranks_)
    throw UsageError(detail::text(name(), " runs as one process; mpirun started ", ranks, " of them"));
  const detail::JoinedRanks joined = detail::join_ranks(ranks);
  // Whatever is thrown from here on is told while the ranks are joined.
  ranks_ = joined.ranks;
  refusals_ = joined.refusals;
  if (common_.device == "cuda") ranks_ = detail::join_gpus(joined);
  if (common_.threads == 0)
    common_.threads =
        std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / static_cast<int>(joined.local_size));
}

bool Program::speaks() {
  return std::max(detail::number_from_mpirun("OMPI_COMM_WORLD_RANK"), detail::number_from_mpirun("PMI_RANK")) == 0;
}

void Program::leave_words_to_first() {
  if (speaks()) return;
  std::cout.setstate(std::ios::failbit);
  std::cerr.setstate(std::ios::failbit);
}

void Program::tell_failure(const std::exception& error) {
  std::cerr.clear();
  std::cerr << "error: ";
  const bool others_lost = dynamic_cast<const train::RankLost*>(&error) != nullptr;
  // That one says by itself who waited.
  if (ranks_ && !others_lost) std::cerr << "rank " << ranks_->rank() << " of " << ranks_->size() << ": ";
  tell(error);
  if (others_lost && !common_.work_dir.empty())
    std::cerr << "; --resume goes on from the newest checkpoint in " << common_.work_dir.string()
              << ", with any number of ranks";
  std::cerr << std::endl;
}

void Program::tell(const std::exception& error) const {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    std::cerr << "not enough memory; smaller files and pictures need less";
    const auto suggest = [&](const char* option, const char* what) {
      if (app_.get_option_no_throw(option) != nullptr) std::cerr << ", " << what << " (" << option << ")";
    };
    suggest("--batch", "fewer samples at a time");
    suggest("--threads", "fewer threads");
    suggest("--workers", "fewer batches ahead");
  } else if (const auto* const file = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    std::cerr << file->path1().string() << ": found " << file->code().message();
    if (!file->path2().empty()) std::cerr << ", with " << file->path2().string();
  } else {
    std::cerr << error.what();
  }
}

namespace {

/// Whether all ranks have come here before long.
bool all_refuse(train::Communicator& ranks) {
  try {
    ranks.barrier();
    return true;
  } catch (const train::RankLost&) {
    return false;
  }
}

}  // namespace

void Program::refuse(const UsageError& error) {
  const auto say = [&] { std::cerr << error.what() << "\nRun with --help for more information.\n"; };
  if (is_first()) say();
  if (!ranks_ || all_refuse(*refusals_)) return;
  // Whoever was told to end is not the one that ended the job.
  if (!is_first() && !detail::told_to_end()) {
    std::cerr.clear();
    std::cerr << "rank " << ranks_->rank() << " of " << ranks_->size() << ": ";
    say();
  }
  ranks_->abandon(wrong_usage);
}

void require_output() {
  if (!std::cout) throw Error(detail::lost_output);
}

bool stop_requested() { return detail::stop_signal != 0; }

void check_stop() {
  if (stop_requested()) throw Interrupted{};
}

namespace {

/// The least number of letters to be added, left out or changed, and of neighbours to change places, that makes one
/// word the other (Damerau 1964).
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> best(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        best[i][j] = i + j;
        continue;
      }
      best[i][j] =
          std::min({best[i - 1][j] + 1, best[i][j - 1] + 1, best[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best[i][j] = std::min(best[i][j], best[i - 2][j - 2] + 1);
    }
  return best[a.size()][b.size()];
}

/// "--epochs" of "--epohcs=3"; empty if no option is nearly called so.
std::string nearest_option(const CLI::App& app, const std::string& argument) {
  const std::string word = argument.substr(0, argument.find('='));
  // Of short words every other one is near.
  std::size_t least = 1 + word.size() / 4;
  std::string nearest;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      const std::size_t distance = edit_distance(word, "--" + name);
      if (distance > least || (distance == least && !nearest.empty())) continue;
      least = distance;
      nearest = "--" + name;
    }
  }
  return nearest;
}

}  // namespace

std::string suggestions(const CLI::App& app) {
  std::string out;
  const auto suggest_for = [&](const CLI::App& command) {
    for (const std::string& argument : command.remaining())
      if (argument.starts_with("--"))
        if (const std::string nearest = nearest_option(command, argument); !nearest.empty())
          out += "Did you mean " + nearest + "?\n";
  };
  suggest_for(app);
  for (const CLI::App* command : app.get_subcommands()) suggest_for(*command);
  return out;
}

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> parts;
  std::stringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

std::string csv_field(const std::string& field) { return io::CsvWriter::quoted(field); }

std::string percent(double share) {
  char out[32];
  std::snprintf(out, sizeof out, "%.1f %%", 100 * share);
  return out;
}

}  // namespace mien::examples
