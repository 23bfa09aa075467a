#pragma once

// Permissions bind everybody but root, as which tests run in containers. So what they forbid is tried in a child
// process that has given up being root.

#include <doctest/doctest.h>

#include <exception>
#include <filesystem>
#include <string>
#include <system_error>

#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

/// From now on this process is nobody's, if it was root's. Its files stay whose they are.
inline bool give_up_root() {
  constexpr unsigned nobody = 65534;
  return ::geteuid() != 0 || (::setgroups(0, nullptr) == 0 && ::setgid(nobody) == 0 && ::setuid(nobody) == 0);
}

/// What `action` returns, a string, in a child process that is not root's.
template <class Action>
std::string without_privileges(const Action& action) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::string answer = "root cannot be given up";
    try {
      if (give_up_root()) answer = action();
    } catch (const std::exception& error) {
      answer = std::string("thrown: ") + error.what();
    }
    // A pipe holds more than any message.
    const auto written = ::write(ends[1], answer.data(), answer.size());
    ::_exit(written == static_cast<ssize_t>(answer.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string answer;
  char part[512];
  for (ssize_t count; (count = ::read(ends[0], part, sizeof part)) > 0;)
    answer.append(part, static_cast<std::size_t>(count));
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  return answer;
}

/// A file or a folder that has other permissions while one lives.
class Permissions {
 public:
  Permissions(const std::filesystem::path& path, unsigned permissions)
      : path_(path), before_(std::filesystem::status(path).permissions()) {
    std::filesystem::permissions(path, static_cast<std::filesystem::perms>(permissions));
  }
  Permissions(const Permissions&) = delete;
  Permissions& operator=(const Permissions&) = delete;
  ~Permissions() {
    std::error_code ignored;
    std::filesystem::permissions(path_, before_, ignored);
  }

 private:
  std::filesystem::path path_;
  std::filesystem::perms before_;
};
