#pragma once

/// Another program at work for this one.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace mien::examples {

/// How a program ended.
struct Ending {
  int code = 0;    ///< that it gave
  int signal = 0;  ///< that killed it; 0 if none did

  bool success() const { return code == 0 && signal == 0; }
  /// "exit code 2", "killed by signal 9"
  std::string to_string() const;
};

/// Throws Error unless there is such a program to start, found as a shell finds it.
void require_program(const std::string& program);

/// A program that runs beside this one, in a process group of its own: Ctrl-C reaches it only through us. It reads
/// nothing, and its words go to a file. If it is still running when this object goes, it is killed.
class ChildProcess {
 public:
  /// `words` are the program, found as a shell finds it, and its arguments; no shell is asked. Throws Error if there is
  /// no such program, or if `log` cannot be written.
  ChildProcess(const std::vector<std::string>& words, const std::filesystem::path& log);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  /// How it ended, if it has; does not wait.
  std::optional<Ending> poll();

  /// Sends a signal to it and to what it started, unless it has ended.
  void signal(int number);

  /// Gives it this time to end, and kills it after that.
  Ending wait(std::chrono::milliseconds patience);

  /// Both.
  Ending end(int number, std::chrono::milliseconds patience);

 private:
  pid_t id_ = -1;
  std::optional<Ending> ending_;
};

}  // namespace mien::examples
