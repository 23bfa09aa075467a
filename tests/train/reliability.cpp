/// What trainings and files go through when the process is killed, memory is at its end, or a disk is full.
///
/// operator new and the system's functions for files are replaced for this program alone, by such that fail when they
/// are told to: the library itself knows nothing of it.

#undef _FORTIFY_SOURCE  // its inline functions would stand before those below

#include <mien/autograd/cross_entropy.hpp>
#include <mien/data/packed_pictures.hpp>
#include <mien/io/model_file.hpp>
#include <mien/optim/adam.hpp>
#include <mien/optim/moving_average.hpp>
#include <mien/optim/schedules.hpp>
#include <mien/search/journal.hpp>
#include <mien/train/trainer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdarg>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"
#include "train/points.hpp"

namespace {

// --- faults
// -----------------------------------------------------------------------------------------------------------

enum class Kind {
  none,
  memory,        ///< every call for memory
  large_memory,  ///< calls for tensors, and for what files are read into and made in
  files,
  syncing,  ///< `fsync` alone, of files and folders
  closing   ///< `close` alone
};

/// How the calls of a kind fail from the n-th one on.
enum class Failure {
  once,        ///< the n-th alone, later ones succeed
  for_good,    ///< that one and all later ones; a write does half of its work before that
  short_write  ///< nothing fails, but the n-th write takes half of what it is given
};

struct {
  std::atomic<Kind> kind{Kind::none};
  std::atomic<long> calls{0};
  long first = 0;
  Failure failure = Failure::once;
} faults;

std::atomic<long> blocks_in_use{0};

/// Counts a call; whether it is the n-th or a later one.
enum class Turn { before, now, after };
Turn turn_of(Kind kind) {
  if (faults.kind != kind) return Turn::before;
  const long call = ++faults.calls;
  return call < faults.first ? Turn::before : call == faults.first ? Turn::now : Turn::after;
}

bool fails(Kind kind) {
  const Turn turn = turn_of(kind);
  if (faults.failure == Failure::short_write) return false;
  return turn == Turn::now || (turn == Turn::after && faults.failure == Failure::for_good);
}

/// Calls fail while this lives.
class Faults {
 public:
  Faults(Kind kind, long first, Failure failure) {
    faults.calls = 0;
    faults.first = first;
    faults.failure = failure;
    faults.kind = kind;
  }
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;
  ~Faults() { faults.kind = Kind::none; }

  bool were_reached() const { return faults.calls >= faults.first; }
};

/// The JSON library asks for a few bytes in destructors, and ends the program where it gets none. So small calls are
/// not refused where JSON is at work.
bool is_large(std::size_t bytes, std::size_t alignment) {
  return bytes >= 4096 || alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__;
}

void* allocate(std::size_t bytes, std::size_t alignment) {
  if (fails(Kind::memory) || (is_large(bytes, alignment) && fails(Kind::large_memory))) return nullptr;
  void* const block =
      std::aligned_alloc(alignment, (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment);
  if (block != nullptr) ++blocks_in_use;
  return block;
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
  void* const block = allocate(bytes, alignment);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void release(void* block) noexcept {
  if (block == nullptr) return;
  --blocks_in_use;
  std::free(block);
}

/// -1, with an `errno` as a full disk or a broken one gives it.
int refuse(int code) {
  errno = code;
  return -1;
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate_or_throw(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t) noexcept { release(block); }
void operator delete(void* block, std::align_val_t) noexcept { release(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { release(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { release(block); }
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept { release(block); }

extern "C" {

int open(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : mode_t{0};
  va_end(arguments);
  if (fails(Kind::files)) return refuse((flags & O_ACCMODE) == O_RDONLY ? EIO : ENOSPC);
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

ssize_t read(int descriptor, void* data, size_t bytes) {
  return fails(Kind::files) ? refuse(EIO) : ::syscall(SYS_read, descriptor, data, bytes);
}

ssize_t write(int descriptor, const void* data, size_t bytes) {
  const Turn turn = turn_of(Kind::files);
  const bool all = turn == Turn::before || (turn == Turn::after && faults.failure != Failure::for_good) || bytes < 2;
  const bool half = turn == Turn::now && faults.failure != Failure::once;
  if (all || half) return ::syscall(SYS_write, descriptor, data, all ? bytes : bytes / 2);
  return refuse(ENOSPC);
}

/// Power stays on here, and a process that is killed loses nothing that it wrote.
int fsync(int) { return fails(Kind::files) || fails(Kind::syncing) ? refuse(EIO) : 0; }

int close(int descriptor) {
  const auto closed = static_cast<int>(::syscall(SYS_close, descriptor));
  return fails(Kind::files) || fails(Kind::closing) ? refuse(ENOSPC) : closed;
}

int mkdir(const char* path, mode_t mode) noexcept {
  return fails(Kind::files) ? refuse(ENOSPC) : static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int rename(const char* from, const char* to) noexcept {
  return fails(Kind::files) ? refuse(ENOSPC)
                            : static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int link(const char* from, const char* to) noexcept {
  return fails(Kind::files) ? refuse(EMLINK) : static_cast<int>(::syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}

}  // extern "C"

namespace {

using namespace mien;
using namespace mien::train;
namespace fs = std::filesystem;

// --- something to train
// -------------------------------------------------------------------------------------------------

using Batch = PointBatch<float>;
using Network = PointNetwork<float>;

data::Loader<Batch> points_loader(Index samples, std::uint64_t seed, Index workers) {
  return point_loader<float>(samples, {.batch = 4, .seed = seed, .workers = workers}, {.noise = 0.2});
}

/// A training with everything that a checkpoint holds.
struct Training {
  explicit Training(std::uint64_t seed) : network((set_seed(seed), Network())) {}

  BatchOutput<float> loss_of(const Batch& of) {
    const Variable<float> logits = network(of.points);
    return {cross_entropy(logits, of.labels), logits.value(), of.labels};
  }

  void step() {
    adam.zero_grad();
    backward(loss_of(batch).loss);
    adam.step();
    average.update();
    schedule.step();
    schedule.apply_to(adam);
  }

  void add_to(Checkpoints& checkpoints) {
    checkpoints.add_model("model", network);
    checkpoints.add_optimiser("optimiser", adam);
    checkpoints.add_moving_average("average", average);
    checkpoints.add_schedule("schedule", schedule);
    checkpoints.add_generator("random", default_generator());
  }

  /// What a step of the optimiser changes: weights, their moments, and the numbers of steps.
  std::vector<double> trained() {
    std::vector<double> out;
    for (const auto& parameter : network.named_parameters()) append(out, parameter.variable.value());
    auto state = adam.state();
    // The schedule sets these.
    state.numbers.erase("learning_rate");
    state.numbers.erase("momentum");
    append(out, state);
    return out;
  }

  std::vector<double> averaged() {
    std::vector<double> out;
    append(out, average.state());
    return out;
  }

  /// All numbers.
  std::vector<double> everything() {
    std::vector<double> out = trained();
    out.push_back(adam.learning_rate());
    out.push_back(adam.momentum());
    for (const auto& buffer : network.named_buffers()) append(out, buffer.tensor);
    append(out, average.state());
    for (const auto& [name, value] : schedule.state()) out.push_back(value);
    const Generator::State random = default_generator().state();
    for (const std::uint64_t number : {random.seed, random.stream, random.counter})
      out.push_back(static_cast<double>(number));
    return out;
  }

  static void append(std::vector<double>& out, const Tensor<float>& tensor) {
    const Tensor<float> tight = tensor.contiguous();
    out.insert(out.end(), tight.span().begin(), tight.span().end());
  }
  static void append(std::vector<double>& out, const optim::OptimiserState<float>& state) {
    for (const auto& [name, tensor] : state.tensors) append(out, tensor);
    for (const auto& [name, number] : state.numbers) out.push_back(number);
  }

  Batch batch = *points_loader(8, 3, 0).epoch(0).begin();
  Network network;
  optim::Adam<float> adam = optim::Adam<float>(network.parameters(), {.learning_rate = 0.02});
  optim::OneCycle schedule{{.max_learning_rate = 0.05, .total_steps = 200}};
  optim::MovingAverage<float> average{network, {.decay = 0.9}};
};

/// The names of all that lies in a folder.
std::string names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : " ") + name;
  return out;
}

/// `attempt(n)` makes a fault at call n, and looks at what is left; false once n is beyond the last call. Returns the
/// number of calls.
long at_every_call(const std::function<bool(long)>& attempt) {
  long n = 1;
  while (attempt(n)) ++n;
  return n - 1;
}

/// Whether an action got through; exceptions are those of memory and of files.
bool succeeds(const std::function<void()>& action) {
  try {
    action();
    return true;
  } catch (const OutOfMemory&) {
  } catch (const std::bad_alloc&) {
  } catch (const FileError&) {
  }
  return false;
}

struct Try {
  bool reached;    ///< the fault
  bool succeeded;  ///< nevertheless
};

long faults_made = 0;

/// Says at the end of a test how many faults it made.
class FaultsOfTest {
 public:
  FaultsOfTest() { faults_made = 0; }
  FaultsOfTest(const FaultsOfTest&) = delete;
  FaultsOfTest& operator=(const FaultsOfTest&) = delete;
  ~FaultsOfTest() { MESSAGE("faults made: ", faults_made); }
};

Try try_with(Kind kind, long first, Failure failure, const std::function<void()>& action) {
  // Else tensors would be given what earlier ones gave back, and nobody would be asked.
  cpu_memory().release_cached();
  const Faults injected(kind, first, failure);
  const bool succeeded = succeeds(action);
  faults_made += injected.were_reached() ? 1 : 0;
  return {injected.were_reached(), succeeded};
}

/// What is in use after all attempts have been made once and after they have been made again, which is the same unless
/// something leaks.
void check_leaks(const std::function<void()>& attempts) {
  attempts();
  cpu_memory().release_cached();
  const long blocks = blocks_in_use;
  const std::size_t bytes = cpu_memory().statistics().bytes_in_use;
  attempts();
  cpu_memory().release_cached();
  CHECK(blocks_in_use == blocks);
  CHECK(cpu_memory().statistics().bytes_in_use == bytes);
}

/// A training after some steps, as a file.
void write_checkpoint(const fs::path& folder, const std::vector<int>& steps) {
  Training training(1);
  Checkpoints checkpoints(folder);
  training.add_to(checkpoints);
  for (const int more : steps) {
    for (int i = 0; i < more; ++i) training.step();
    checkpoints.save_last({.epoch = static_cast<Index>(more)});
  }
}

std::vector<double> resumed_from(const fs::path& folder) {
  Training training(9);
  Checkpoints checkpoints(folder);
  training.add_to(checkpoints);
  REQUIRE(checkpoints.resume());
  return training.everything();
}

void copy_folder(const fs::path& from, const fs::path& to) {
  fs::remove_all(to);
  fs::copy(from, to, fs::copy_options::recursive);
}

// --- trainings in processes of their own
// --------------------------------------------------------------------------------

/// Trains to the end, or goes on to it. Returns the exit code of the process that does so.
int train_in(const fs::path& folder) {
  const bool has_checkpoint = fs::exists(folder / "last.safetensors");
  Training training(1);
  optim::OneCycle schedule({.max_learning_rate = 0.05, .total_steps = 64});
  Trainer<float> trainer(training.adam, {.epochs = 5,
                                         .seed = 3,
                                         .work_dir = folder,
                                         .resume = true,
                                         .loss_scale = optim::LossScaleOptions{.growth_interval = 5},
                                         .checkpoint_batches = 1,
                                         .restore_best = false});
  trainer.add_model("model", training.network);
  trainer.set_schedule(schedule, ScheduleStep::batch);
  trainer.set_moving_average(training.average);
  const TrainingResult result = trainer.fit(points_loader(26, 5, 1), points_loader(9, 6, 0),
                                            [&](const Batch& batch) { return training.loss_of(batch); });
  const bool went_on = !result.notes.empty() && contains(result.notes.back(), "going on after epoch");
  return went_on == has_checkpoint ? 0 : 3;
}

/// Begins a training in a process of its own.
pid_t start_training(const fs::path& folder) {
  const pid_t process = ::fork();
  REQUIRE(process >= 0);
  if (process > 0) return process;
  int code = 4;
  try {
    code = train_in(folder);
  } catch (const std::exception& error) {
    ::fprintf(stderr, "%s\n", error.what());
  }
  ::_exit(code);
}

/// The exit code; -1 if it was killed.
int wait_for(pid_t process) {
  int status = 0;
  REQUIRE(::waitpid(process, &status, 0) == process);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a training that is killed a hundred times ends with the bits of one that was not") {
  const TemporaryFolder whole;
  const auto begun = std::chrono::steady_clock::now();
  REQUIRE(wait_for(start_training(whole.path())) == 0);
  const double microseconds =
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begun).count();
  REQUIRE(names_in(whole.path()) == "best.safetensors history.csv last.safetensors previous.safetensors");

  Generator moments(1);
  int kills = 0;
  int whole_trainings = 0;
  while (kills < 100) {
    const TemporaryFolder folder;
    for (bool done = false; !done;) {
      const pid_t process = start_training(folder.path());
      if (kills < 100) {
        std::this_thread::sleep_for(
            std::chrono::microseconds(static_cast<std::int64_t>(0.4 * microseconds * moments.uniform())));
        ::kill(process, SIGKILL);
      }
      const int code = wait_for(process);
      if (code < 0) ++kills;
      REQUIRE(code <= 0);
      done = code == 0;
    }
    ++whole_trainings;
    CHECK(names_in(folder.path()) == names_in(whole.path()));
    for (const char* file : {"best.safetensors", "history.csv", "last.safetensors", "previous.safetensors"})
      CHECK_MESSAGE(io::read_file(folder / file) == io::read_file(whole / file), file);
  }
  MESSAGE("killed ", kills, " times in ", whole_trainings, " trainings");
}

TEST_CASE("a training step for which memory runs out at any point is made, or is not made") {
  const FaultsOfTest faults_of_test;
  set_thread_count(1);
  for (const int steps_before : {0, 3}) {
    const TemporaryFolder folder;
    write_checkpoint(folder.path(), {steps_before});
    Training undisturbed(1);
    for (int i = 0; i < steps_before; ++i) undisturbed.step();
    const auto trained_before = undisturbed.trained();
    const auto averaged_before = undisturbed.averaged();
    undisturbed.step();
    const auto trained_after = undisturbed.trained();
    const auto averaged_after = undisturbed.averaged();
    const auto after = undisturbed.everything();
    REQUIRE(trained_before != trained_after);

    for (const Failure failure : {Failure::once, Failure::for_good}) {
      CAPTURE(steps_before);
      CAPTURE(failure == Failure::for_good);
      long calls = 0;
      check_leaks([&] {
        Training training(1);
        Checkpoints checkpoints(folder.path());
        training.add_to(checkpoints);
        for (int i = 0; i < steps_before; ++i) training.step();
        calls = at_every_call([&](long n) {
          CAPTURE(n);
          const Try outcome = try_with(Kind::memory, n, failure, [&] { training.step(); });
          const bool made = training.trained() == trained_after;
          CHECK((made || training.trained() == trained_before));
          CHECK((training.averaged() == averaged_before || (made && training.averaged() == averaged_after)));
          if (outcome.succeeded) CHECK(training.everything() == after);
          // Nothing that a later step needs was lost on the way.
          REQUIRE(checkpoints.resume());
          training.step();
          CHECK(training.everything() == after);
          REQUIRE(checkpoints.resume());
          return outcome.reached;
        });
      });
      CHECK(calls > 50);
    }
  }
}

TEST_CASE("a checkpoint that cannot be written at any point leaves one that can be read, and the training as it was") {
  const FaultsOfTest faults_of_test;
  set_thread_count(1);
  const TemporaryFolder before;
  write_checkpoint(before.path(), {2, 3, 4});
  Training training(1);
  for (int i = 0; i < 9; ++i) training.step();
  const auto second = training.everything();
  training.step();
  const auto third = training.everything();
  REQUIRE(resumed_from(before.path()) == second);

  for (const auto& fault : {std::pair(Kind::large_memory, Failure::once),
                            std::pair(Kind::large_memory, Failure::for_good), std::pair(Kind::files, Failure::once),
                            std::pair(Kind::files, Failure::for_good), std::pair(Kind::files, Failure::short_write)}) {
    const Kind kind = fault.first;
    const Failure failure = fault.second;
    CAPTURE(kind == Kind::large_memory);
    CAPTURE(static_cast<int>(failure));
    const TemporaryFolder folder;
    Index saved = 0;
    long calls = 0;
    const auto attempts = [&] {
      calls = at_every_call([&](long n) {
        CAPTURE(n);
        copy_folder(before.path(), folder.path());
        Try outcome{};
        {
          Training other(1);
          Checkpoints checkpoints(folder.path());
          other.add_to(checkpoints);
          REQUIRE(checkpoints.resume());
          other.step();
          outcome = try_with(kind, n, failure, [&] { checkpoints.save_last({.epoch = 4}); });
          CHECK(other.everything() == third);
        }
        if (failure == Failure::short_write) CHECK(outcome.succeeded);
        CHECK(names_in(folder.path()) == "last.safetensors previous.safetensors");
        const auto found = resumed_from(folder.path());
        CHECK((found == third || (!outcome.succeeded && found == second)));
        saved += outcome.succeeded ? 1 : 0;
        return outcome.reached;
      });
    };
    check_leaks(attempts);
    CHECK(saved > 0);
    CHECK(calls >= 10);
  }
}

TEST_CASE("a checkpoint that cannot be read at any point changes nothing, or the one before it is taken") {
  const FaultsOfTest faults_of_test;
  set_thread_count(1);
  const TemporaryFolder folder;
  write_checkpoint(folder.path(), {2, 3});
  Training training(1);
  for (int i = 0; i < 2; ++i) training.step();
  const auto first = training.everything();
  for (int i = 0; i < 3; ++i) training.step();
  const auto second = training.everything();

  for (const auto& fault :
       {std::pair(Kind::large_memory, Failure::once), std::pair(Kind::large_memory, Failure::for_good),
        std::pair(Kind::files, Failure::once), std::pair(Kind::files, Failure::for_good)}) {
    const Kind kind = fault.first;
    const Failure failure = fault.second;
    CAPTURE(kind == Kind::large_memory);
    CAPTURE(failure == Failure::for_good);
    check_leaks([&] {
      at_every_call([&](long n) {
        CAPTURE(n);
        Training other(7);
        other.step();
        const auto untouched = other.everything();
        Checkpoints checkpoints(folder.path());
        other.add_to(checkpoints);
        std::optional<Resumed> resumed;
        const Try outcome = try_with(kind, n, failure, [&] { resumed = checkpoints.resume(); });
        if (!outcome.succeeded) {
          CHECK(other.everything() == untouched);
        } else {
          REQUIRE(resumed);
          const bool fell_back = resumed->file == checkpoints.previous_file();
          CHECK(other.everything() == (fell_back ? first : second));
          CHECK(resumed->notes.size() == (fell_back ? 1 : 0));
        }
        return outcome.reached;
      });
    });
  }
}

TEST_CASE("every kind of file is written as a whole or not at all, whatever fails") {
  const FaultsOfTest faults_of_test;
  set_thread_count(1);
  Training first(1);
  Training second(2);
  History history;
  history.add(1, {{"loss", 0.5}});
  io::Image image(5, 3, 3);
  const TemporaryFolder pictures;
  io::write_png(pictures / "a.png", image);
  const auto pack = [&](const fs::path& path, const std::string& name) {
    data::write_packed(
        path, {.samples = {{.name = name, .label = 0, .frames = {pictures / "a.png"}}}, .class_names = {"joy"}});
  };
  using Write = std::function<void(const fs::path&)>;
  struct Writer {
    const char* what;
    Write old_content, new_content;
  };
  const std::vector<Writer> writers{
      {"a model", [&](const fs::path& path) { io::save(first.network, path); },
       [&](const fs::path& path) { io::save(second.network, path); }},
      {"a history", [&](const fs::path& path) { History().save(path); },
       [&](const fs::path& path) { history.save(path); }},
      {"a picture", [&](const fs::path& path) { io::write_png(path, io::Image(1, 1, 1)); },
       [&](const fs::path& path) { io::write_png(path, image); }},
      {"packed pictures", [&](const fs::path& path) { pack(path, "one"); },
       [&](const fs::path& path) { pack(path, "another"); }},
  };
  for (const Writer& writer : writers) {
    CAPTURE(writer.what);
    const TemporaryFolder folder;
    const fs::path path = folder / "file";
    writer.new_content(path);
    const auto new_bytes = io::read_file(path);
    writer.old_content(path);
    const auto old_bytes = io::read_file(path);
    REQUIRE(old_bytes != new_bytes);
    for (const auto& fault :
         {std::pair(Kind::large_memory, Failure::once), std::pair(Kind::files, Failure::once),
          std::pair(Kind::files, Failure::for_good), std::pair(Kind::files, Failure::short_write)}) {
      const Kind kind = fault.first;
      const Failure failure = fault.second;
      CAPTURE(kind == Kind::large_memory);
      CAPTURE(static_cast<int>(failure));
      check_leaks([&] {
        at_every_call([&](long n) {
          CAPTURE(n);
          writer.old_content(path);
          const Try outcome = try_with(kind, n, failure, [&] { writer.new_content(path); });
          const auto found = io::read_file(path);
          CHECK((found == new_bytes || (!outcome.succeeded && found == old_bytes)));
          CHECK(names_in(folder.path()) == "file");
          return outcome.reached;
        });
      });
    }
  }
}

TEST_CASE("what a disk says no sooner than when it has to keep its word is told") {
  const FaultsOfTest faults_of_test;
  const TemporaryFolder folder;
  const fs::path path = folder / "file";
  struct Call {
    Kind kind;
    long number;
    const char* content;  ///< of the file afterwards
  };
  // The file is synced and closed before it takes its name, the folder synced after.
  for (const Call& call :
       {Call{Kind::syncing, 1, "old"}, Call{Kind::closing, 1, "old"}, Call{Kind::syncing, 2, "new"}}) {
    CAPTURE(call.content);
    io::write_file(path, "old");
    const Try outcome = try_with(call.kind, call.number, Failure::once, [&] { io::write_file(path, "new"); });
    CHECK(outcome.reached);
    CHECK_FALSE(outcome.succeeded);
    CHECK(io::read_text(path) == call.content);
    CHECK(names_in(folder.path()) == "file");
  }

  search::Journal journal(folder / "trials.jsonl", search::Space({search::real("rate", 0.1, 1)}), {}, false);
  journal.begin(search::Point({{"rate", 0.5}}));
  const Try outcome = try_with(Kind::syncing, 1, Failure::once, [&] { journal.finish(1, 0.25, 2); });
  CHECK(outcome.reached);
  CHECK_FALSE(outcome.succeeded);
}

TEST_CASE("packed pictures in shards are a whole folder or none, whatever fails") {
  const FaultsOfTest faults_of_test;
  set_thread_count(1);
  const TemporaryFolder pictures;
  data::FrameSequences set{.class_names = {"joy"}};
  for (const std::string name : {"a.png", "b.png", "c.png"}) {
    io::write_png(pictures / name, io::Image(5, 3, 1));
    set.samples.push_back({.name = name, .label = 0, .frames = {pictures / name}});
  }
  const auto pack = [&](const fs::path& path) { data::write_packed(path, set, {.shard_bytes = 1}); };
  const TemporaryFolder whole;
  pack(whole / "set");
  const std::string files = "shard-00001.pack shard-00002.pack shard-00003.pack shards.list";
  REQUIRE(names_in(whole / "set") == files);
  const auto is_whole = [&](const fs::path& path) {
    bool same = names_in(path) == files;
    for (const auto& entry : fs::directory_iterator(path))
      same = same && io::read_file(entry.path()) == io::read_file(whole / "set" / entry.path().filename());
    return same;
  };

  for (const bool has_empty_folder : {false, true}) {
    for (const auto& fault : {std::pair(Kind::memory, Failure::once), std::pair(Kind::memory, Failure::for_good),
                              std::pair(Kind::files, Failure::once), std::pair(Kind::files, Failure::for_good),
                              std::pair(Kind::files, Failure::short_write)}) {
      const Kind kind = fault.first;
      const Failure failure = fault.second;
      CAPTURE(has_empty_folder);
      CAPTURE(kind == Kind::memory);
      CAPTURE(static_cast<int>(failure));
      long calls = 0;
      check_leaks([&] {
        calls = at_every_call([&](long n) {
          CAPTURE(n);
          const TemporaryFolder folder;
          if (has_empty_folder) fs::create_directory(folder / "set");
          const Try outcome = try_with(kind, n, failure, [&] { pack(folder / "set"); });
          const std::string left = names_in(folder.path());
          const bool is_empty = has_empty_folder ? left == "set" && fs::is_empty(folder / "set") : left.empty();
          CHECK(((left == "set" && is_whole(folder / "set")) || (!outcome.succeeded && is_empty)));
          if (failure == Failure::short_write) CHECK(outcome.succeeded);
          return outcome.reached;
        });
      });
      CHECK(calls >= 40);
    }
  }
}

TEST_CASE("a search's journal that cannot be written keeps whole lines, and is resumed") {
  const FaultsOfTest faults_of_test;
  const search::Space space({search::real("rate", 0.1, 1)});
  const search::Point point({{"rate", 0.5}});
  for (const Failure failure : {Failure::once, Failure::for_good, Failure::short_write}) {
    CAPTURE(static_cast<int>(failure));
    at_every_call([&](long n) {
      CAPTURE(n);
      const TemporaryFolder folder;
      const fs::path path = folder / "trials.jsonl";
      Try outcome{};
      {
        search::Journal journal(path, space, {}, false);
        journal.begin(point);
        outcome = try_with(Kind::files, n, failure, [&] { journal.finish(1, 0.25, 2); });
        // What comes later stands on a line of its own.
        if (failure == Failure::once && !outcome.succeeded) journal.begin(point);
      }
      const search::Journal resumed(path, space, {}, true);
      CHECK(resumed.notes().size() == 1);
      REQUIRE(!resumed.trials().empty());
      CHECK(resumed.trials()[0].point == point);
      if (outcome.succeeded) CHECK(resumed.trials()[0].value == 0.25);
      return outcome.reached;
    });
  }
}
