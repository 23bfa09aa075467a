#pragma once

// Programs as a user starts them, and something for them to read.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mien/core/random.hpp"
#include "mien/io/file.hpp"
#include "unprivileged.hpp"

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

/// Whose process it is. Nobody's is bound by permissions even where the test is root's.
enum class Whose { ours, nobodys };

/// A program that was started, with its words in two files of a folder; or with those for standard output in an open
/// file of the caller's.
class Process {
 public:
  Process(const fs::path& folder, const std::string& program, const Words& arguments, Whose whose = Whose::ours,
          int output = -1)
      : folder_(folder) {
    const std::string path = program.starts_with('/') ? program : std::string(MIEN_EXAMPLES_DIR) + "/" + program;
    REQUIRE_MESSAGE(fs::exists(path), path << " is not built");
    id_ = ::fork();
    REQUIRE(id_ >= 0);
    if (id_ > 0) return;
    redirect(folder / "out", STDOUT_FILENO);
    redirect(folder / "err", STDERR_FILENO);
    if (output >= 0 && ::dup2(output, STDOUT_FILENO) < 0) ::_exit(126);
    std::vector<char*> words{const_cast<char*>(path.c_str())};
    for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    // Opened before, as the build folder may be in a place that nobody else can enter.
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (whose == Whose::ours || give_up_root()) ::fexecve(file, words.data(), environ);
    ::_exit(127);
  }

  void signal(int number) const { ::kill(id_, number); }

  /// Its exit code; -1 if it was killed.
  int wait() const {
    int status = 0;
    REQUIRE(::waitpid(id_, &status, 0) == id_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string out() const { return mien::io::read_text(folder_ / "out"); }
  std::string err() const { return mien::io::read_text(folder_ / "err"); }

 private:
  static void redirect(const fs::path& path, int descriptor) {
    const int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (file < 0 || ::dup2(file, descriptor) < 0) ::_exit(126);
  }

  fs::path folder_;
  pid_t id_ = -1;
};

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

inline Outcome run(const fs::path& folder, const std::string& program, const Words& arguments,
                   Whose whose = Whose::ours) {
  const Process process(folder, program, arguments, whose);
  const int code = process.wait();
  return {code, process.out(), process.err()};
}

/// As `run`, with standard output where nothing can be written: on a device that is full.
inline Outcome run_on_full_device(const fs::path& folder, const std::string& program, const Words& arguments) {
  const int device = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  REQUIRE(device >= 0);
  const Process process(folder, program, arguments, Whose::ours, device);
  ::close(device);
  const int code = process.wait();
  return {code, "", process.err()};
}

/// As `run`, with a pipe as standard output whose reader is gone. Of a program that SIGPIPE ended the code is -1.
inline Outcome run_into_closed_pipe(const fs::path& folder, const std::string& program, const Words& arguments) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  ::close(ends[0]);
  const Process process(folder, program, arguments, Whose::ours, ends[1]);
  ::close(ends[1]);
  const int code = process.wait();
  return {code, "", process.err()};
}

/// Programs that are started while it lives go on where a pipe's reader is gone, as those do whose parent wants it so.
class IgnoredPipeSignal {
 public:
  IgnoredPipeSignal() : before_(::signal(SIGPIPE, SIG_IGN)) {}
  IgnoredPipeSignal(const IgnoredPipeSignal&) = delete;
  IgnoredPipeSignal& operator=(const IgnoredPipeSignal&) = delete;
  ~IgnoredPipeSignal() { ::signal(SIGPIPE, before_); }

 private:
  void (*before_)(int);
};

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Recordings of three joints that go up or down, as a table.
inline void write_table(const fs::path& path, int recordings_of_each) {
  mien::Generator generator(1);
  std::string out = "sequence,frame,label,x0,y0,x1,y1,x2,y2\n";
  for (int i = 0; i < 2 * recordings_of_each; ++i) {
    const bool up = i % 2 == 0;
    for (int frame = 0; frame < 6; ++frame) {
      out += std::to_string(i) + "," + std::to_string(frame) + (up ? ",up" : ",down");
      for (int joint = 0; joint < 3; ++joint)
        out += "," + std::to_string(10 * joint + generator.uniform()) + "," +
               std::to_string((up ? -frame : frame) * (joint + 1) + generator.uniform());
      out += "\n";
    }
  }
  mien::io::write_file(path, out);
}

/// A table with a column for the parts; the recordings whose numbers are named have a coordinate that is none.
inline void write_parts(const fs::path& path, const std::vector<int>& bad) {
  std::string out = "sequence,frame,label,split,x0,y0,x1,y1\n";
  for (int i = 0; i < 16; ++i)
    for (int frame = 0; frame < 4; ++frame) {
      const bool is_bad = frame == 2 && std::find(bad.begin(), bad.end(), i) != bad.end();
      out += std::to_string(i) + "," + std::to_string(frame) + (i % 2 == 0 ? ",up," : ",down,") +
             (i < 10   ? "train,"
              : i < 12 ? "validation,"
                       : "test,") +
             (is_bad ? "nan" : "1") + ",2," + std::to_string(i) + "," + std::to_string(i % 2 == 0 ? frame : -frame) +
             "\n";
    }
  mien::io::write_file(path, out);
}
