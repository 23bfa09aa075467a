#include "child_process.hpp"

#include <cerrno>
#include <csignal>
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

/// What `posix_spawn` is told about files and groups, given back on every way out.
class SpawnSettings {
 public:
  explicit SpawnSettings(const std::filesystem::path& log) {
    check(::posix_spawn_file_actions_init(&files_));
    check(::posix_spawnattr_init(&attributes_));
    check(::posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
    check(::posix_spawn_file_actions_addopen(&files_, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666));
    check(::posix_spawn_file_actions_adddup2(&files_, STDOUT_FILENO, STDERR_FILENO));
    check(::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP));
    check(::posix_spawnattr_setpgroup(&attributes_, 0));
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&files_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  const posix_spawn_file_actions_t* files() const { return &files_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  static void check(int problem) {
    if (problem != 0) throw std::system_error(problem, std::generic_category(), "posix_spawn");
  }

  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

std::string Ending::to_string() const {
  return signal != 0 ? text("killed by signal ", signal) : text("exit code ", code);
}

ChildProcess::ChildProcess(const std::vector<std::string>& words, const std::filesystem::path& log) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const SpawnSettings settings(log);
  const int problem =
      ::posix_spawnp(&id_, arguments.front(), settings.files(), settings.attributes(), arguments.data(), environ);
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

Ending ChildProcess::end(int signal, std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  const auto latest = Clock::now() + patience;
  bool killed = signal == SIGKILL;
  if (!poll()) ::kill(-id_, signal);
  while (!poll()) {
    if (!killed && Clock::now() >= latest) {
      ::kill(-id_, SIGKILL);
      killed = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return *ending_;
}

}  // namespace mien::examples
