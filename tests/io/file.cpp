#include <mien/io/file.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"
#include "unprivileged.hpp"

using namespace mien;
namespace fs = std::filesystem;

namespace {

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

/// Makes writing beyond `bytes` fail as a full disk does, until the end of the scope.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limited{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limited);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  void (*old_handler_)(int);
  rlimit old_{};
};

}  // namespace

TEST_CASE("what is written is read again, whatever the size and the name") {
  const TemporaryFolder folder;
  const fs::path place = folder / "データ é ü, with spaces";
  fs::create_directories(place);
  for (const std::size_t size : std::initializer_list<std::size_t>{0, 1, 7, 65, 100'003}) {
    std::string content;
    for (std::size_t i = 0; i < size; ++i) content += static_cast<char>(i * 31 % 256);
    const fs::path file = place / ("größe " + std::to_string(size));
    io::write_file(file, content);
    CHECK(io::read_text(file) == content);
    const auto bytes = io::read_file(file);
    CHECK(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == content);
  }
  CHECK(entries(place) == 5);
}

TEST_CASE("names as long as the file system allows can be written") {
  const TemporaryFolder folder;
  const fs::path file = folder / std::string(255, 'n');
  io::write_file(file, "content");
  CHECK(io::read_text(file) == "content");
}

TEST_CASE("a file without a folder in its name goes into the current folder") {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  io::write_file("plain", "content");
  fs::current_path(before);
  CHECK(io::read_text(folder / "plain") == "content");
}

TEST_CASE("files that cannot be read are named with the reason") {
  const TemporaryFolder folder;
  const fs::path missing = folder / "missing";
  const std::string said = message_of<FileError>([&] { io::read_file(missing); });
  CHECK(contains(said, missing.string()));
  CHECK(contains(said, "No such file"));

  CHECK(contains(message_of<FileError>([&] { io::read_file(folder.path()); }), "a folder"));

  const fs::path pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(contains(message_of<FileError>([&] { io::read_file(pipe); }), "a pipe"));
  CHECK(contains(message_of<FileError>([&] { io::read_file("/dev/zero"); }), "a device"));

  const fs::path large = folder / "large";
  io::write_file(large, std::string(1001, 'x'));
  CHECK(io::read_file(large, 1001).size() == 1001);
  const std::string too_large = message_of<FileError>([&] { io::read_file(large, 1000); });
  CHECK(contains(too_large, "1001 bytes"));
  CHECK(contains(too_large, "at most 1000"));
}

TEST_CASE("files and folders that may not be read are named with the reason") {
  const TemporaryFolder folder;
  const fs::path file = folder / "locked";
  io::write_file(file, "secret");
  const Permissions locked(file, 0);
  CHECK(without_privileges([&] { return message_of<FileError>([&] { io::read_file(file); }); }) ==
        file.string() + ": found Permission denied, expected a readable file");
  fs::create_directories(folder / "closed/within");
  const Permissions closed(folder / "closed", 0);
  CHECK(without_privileges([&] { return message_of<FileError>([&] { io::names_in_folder(folder / "closed"); }); }) ==
        (folder / "closed").string() + ": found Permission denied, expected a folder that can be read");
  CHECK(contains(
      without_privileges([&] { return message_of<FileError>([&] { io::read_file(folder / "closed/within/file"); }); }),
      "within/file: found Permission denied, expected a readable file"));
}

TEST_CASE("a folder that may not be written stays as it is") {
  const TemporaryFolder folder;
  const fs::path file = folder / "model";
  io::write_file(file, "the good one");
  const auto refused = [&](const fs::path& path) {
    return without_privileges([&] { return message_of<FileError>([&] { io::write_file(path, "another one"); }); });
  };
  {
    // That the file itself may be written is no help: it is replaced.
    const Permissions readable(folder.path(), 0555);
    const Permissions open(file, 0666);
    for (const fs::path& path : {file, folder / "another"})
      CHECK(refused(path) == path.string() + ": found Permission denied, expected a place that can be written");
    CHECK(contains(without_privileges(
                       [&] { return message_of<FileError>([&] { io::create_folders(folder / "new/and below"); }); }),
                   "found Permission denied, expected a folder that can be made"));
  }
  // In a folder such as /tmp all may write, but nobody replaces another one's file.
  if (::geteuid() == 0) {
    const Permissions shared(folder.path(), 01777);
    CHECK(contains(refused(file), "model: found Operation not permitted, expected a place that can be written"));
  }
  CHECK(io::read_text(file) == "the good one");
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("a failed write leaves the old file and no temporary one") {
  const TemporaryFolder folder;
  const fs::path file = folder / "model";
  io::write_file(file, "the good one");
  {
    const FileSizeLimit limit(4096);
    const std::string said = message_of<FileError>([&] { io::write_file(file, std::string(100'000, 'x')); });
    CHECK(contains(said, file.string()));
    CHECK(contains(said, "too large"));
  }
  CHECK(io::read_text(file) == "the good one");
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("targets that are no files are left alone") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(io::write_file(folder / "no such folder/file", "x"), FileError);
  CHECK(contains(message_of<FileError>([&] { io::write_file(folder.path(), "x"); }), "a folder"));
  const fs::path pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_AS(io::write_file(pipe, "x"), FileError);
  CHECK(fs::is_fifo(pipe));
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("replacing keeps permissions and follows a symbolic link") {
  const TemporaryFolder folder;
  fs::create_directories(folder / "elsewhere");
  const fs::path real = folder / "elsewhere/real";
  const fs::path link = folder / "link";
  io::write_file(real, "old");
  fs::permissions(real, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(real, link);
  io::write_file(link, "replaced");
  CHECK(fs::is_symlink(link));
  CHECK(io::read_text(real) == "replaced");
  CHECK(fs::status(real).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}

TEST_CASE("a temporary file of somebody else's process is left alone while that runs") {
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::all);
  // The first process runs as long as the system does, and nobody may send it anything.
  const fs::path file = folder / ".mien-1-0.tmp";
  io::write_file(file, "x");
  CHECK(without_privileges([&] {
          io::remove_abandoned_files(folder.path());
          return std::string(fs::exists(file) ? "there" : "gone");
        }) == "there");
}

TEST_CASE("a temporary file that is there already is another writer's, and stays as it is") {
  const TemporaryFolder folder;
  // More than this program has written so far.
  for (int number = 0; number < 500; ++number) {
    const fs::path file = folder / (".mien-" + std::to_string(::getpid()) + "-" + std::to_string(number) + ".tmp");
    std::ofstream(file) << "of another one";
  }
  io::write_file(folder / "model", "mine");
  CHECK(io::read_text(folder / "model") == "mine");
  CHECK(entries(folder.path()) == 501);
  for (const std::string& name : io::names_in_folder(folder.path()))
    if (name != "model") CHECK(io::read_text(folder / name) == "of another one");
}

TEST_CASE("what is written at a place stands there, over what was there or behind it") {
  const TemporaryFolder folder;
  const auto bytes = [](const std::string& words) { return std::as_bytes(std::span(words)); };
  const std::string digits = "0123456789", letters = "abc", more = "xyz";
  io::detail::TemporaryFile file(folder / "film");
  file.write(bytes(digits));
  file.write_at(3, bytes(letters));
  file.write_at(9, bytes(more));
  file.write_at(13, bytes(letters));
  file.write(bytes(digits));  // goes on where it was
  file.commit();
  CHECK(io::read_text(folder / "film") == "012abc678x" + digits);
}

TEST_CASE("what a writer that runs no longer left is removed with all that is in it, and nothing that links lead to") {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  const fs::path left = folder / (".mien-" + std::to_string(child) + "-0.tmp");
  fs::create_directories(left / "a" / "b");
  fs::create_directories(folder / "kept");
  for (const fs::path& file : {left / "a" / "b" / "c", left / "d", folder / "kept" / "e"}) io::write_file(file, "x");
  fs::create_directory_symlink(folder / "kept", left / "link");
  const fs::path own = folder / (".mien-" + std::to_string(::getpid()) + "-0.tmp");
  io::write_file(own, "x");
  // Names of others, though they look alike.
  const std::string gone = std::to_string(child);
  std::vector<fs::path> others;
  for (const std::string& name :
       std::vector<std::string>{".mien-" + gone + ".tmp", ".mien-" + gone + "x-0.tmp", ".mien-" + gone + "-0",
                                "mien-" + gone + "-0.tmp", ".mien--99999999-0.tmp", ".mien--0.tmp"})
    others.push_back(folder / name);
  for (const fs::path& other : others) io::write_file(other, "x");
  io::remove_abandoned_files(folder.path());
  CHECK_FALSE(fs::exists(left));
  CHECK(fs::exists(own));
  for (const fs::path& other : others) CHECK_MESSAGE(fs::exists(other), other.filename().string());
  CHECK(fs::exists(folder / "kept" / "e"));
}
