#include "child_process.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mien/core/error.hpp"

extern char** environ;

namespace mien::examples {

namespace {

using mien::detail::text;

void check(int problem) {
  if (problem != 0) throw std::system_error(problem, std::generic_category(), "posix_spawn");
}

/// What `posix_spawn` is told about files: no input, and all words into the log.
class SpawnFiles {
 public:
  SpawnFiles() { check(::posix_spawn_file_actions_init(&actions_)); }
  SpawnFiles(const SpawnFiles&) = delete;
  SpawnFiles& operator=(const SpawnFiles&) = delete;
  ~SpawnFiles() { ::posix_spawn_file_actions_destroy(&actions_); }

  void write_to(const std::filesystem::path& log) {
    check(::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
    check(
        ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666));
    check(::posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO));
  }

  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

/// That the program gets a process group of its own.
class SpawnAttributes {
 public:
  SpawnAttributes() { check(::posix_spawnattr_init(&attributes_)); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }

  void make_group() {
    check(::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP));
    check(::posix_spawnattr_setpgroup(&attributes_, 0));
  }

  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

bool is_program(const std::filesystem::path& path) {
  std::error_code unknown;
  return std::filesystem::is_regular_file(path, unknown) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string Ending::to_string() const {
  return signal != 0 ? text("killed by signal ", signal) : text("exit code ", code);
}

void require_program(const std::string& program) {
  const bool is_path = program.find('/') != std::string::npos;
  const char* const folders = std::getenv("PATH");
  std::stringstream places(is_path ? "" : folders != nullptr ? folders : "/bin:/usr/bin");
  bool found = is_path && is_program(program);
  // An empty place is the working folder.
  for (std::string place; !found && std::getline(places, place, ':');)
    found = is_program(std::filesystem::path(place.empty() ? "." : place) / program);
  if (!found) throw Error(text("cannot start `", program, "`: there is no such program"));
}

ChildProcess::ChildProcess(const std::vector<std::string>& words, const std::filesystem::path& log) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  SpawnFiles files;
  files.write_to(log);
  SpawnAttributes attributes;
  attributes.make_group();
  const int problem = ::posix_spawnp(&id_, arguments.front(), files.get(), attributes.get(), arguments.data(), environ);
  if (problem != 0)
    throw Error(text("cannot start `", words.front(), "` with its words in `", log.string(),
                     "`: ", std::generic_category().message(problem)));
}

ChildProcess::~ChildProcess() {
  if (!ending_) end(SIGKILL, {});
}

std::optional<Ending> ChildProcess::poll() {
  if (ending_) return ending_;
  int status = 0;
  const pid_t found = ::waitpid(id_, &status, WNOHANG);
  if (found == 0 || (found < 0 && errno == EINTR)) return {};
  // Whoever ignores SIGCHLD is not told how children end; then this one did not do so well.
  if (found < 0)
    ending_ = Ending{.code = -1};
  else if (WIFSIGNALED(status))
    ending_ = Ending{.signal = WTERMSIG(status)};
  else
    ending_ = Ending{.code = WEXITSTATUS(status)};
  return ending_;
}

void ChildProcess::signal(int number) {
  if (!poll()) ::kill(-id_, number);
}

Ending ChildProcess::wait(std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  const auto latest = Clock::now() + patience;
  bool killed = false;
  while (!poll()) {
    if (!killed && Clock::now() >= latest) {
      ::kill(-id_, SIGKILL);
      killed = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return *ending_;
}

Ending ChildProcess::end(int number, std::chrono::milliseconds patience) {
  signal(number);
  return wait(patience);
}

}  // namespace mien::examples
