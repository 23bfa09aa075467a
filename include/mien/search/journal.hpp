#pragma once

/// A search's memory: a file of JSON, one object a line, that is appended to and synced at every event, so that
/// whatever ends the program loses no more than the line being written. The first line has the space, a hash of it and
/// the settings; each other line one event of a trial:
///
///     {"trial": 3, "state": "running", "point": {"learning-rate": 0.003}}
///     {"trial": 3, "step": 1, "value": 0.61}
///     {"trial": 3, "state": "finished", "value": 0.7, "seconds": 12.5}
///     {"trial": 4, "state": "failed", "error": "exit code 1", "seconds": 0.2}

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "mien/io/file.hpp"
#include "mien/search/space_file.hpp"
#include "mien/search/trial.hpp"

namespace mien::search {

/// 64 bits that differ, most likely, where spaces do (FNV-1a, Fowler, Noll and Vo), as hexadecimal digits.
inline std::string hash_of(const Space& space) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char letter : to_json(space).dump()) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  return mien::detail::hexadecimal_digits(hash);
}

class Journal {
 public:
  /// Whatever else has to be the same for a search to be resumed, by name.
  using Settings = std::map<std::string, std::string>;

  /// Begins a journal, or reads one and goes on with it. A last line that was cut off is dropped, with a note. Throws
  /// FileError if a journal is there and `resume` is not asked for, if another program holds it (the search itself, or
  /// a training that it left behind: both inherit the lock), or if a line is not what this class writes; ValueError
  /// that names the first difference if space or settings are others.
  Journal(std::filesystem::path path, const Space& space, const Settings& settings, bool resume)
      : path_(std::move(path)), space_(space), file_(open()) {
    std::string content = io::read_text(path_);
    if (!content.empty() && !resume)
      fail("", "the journal of a search", "none; resume that one, or take another folder");
    drop_torn_line(content);
    if (content.empty()) {
      if (resume) notes_.push_back(detail::text("no trials in `", path_.string(), "`; from the beginning"));
      append(
          {{"format", "mien search 1"}, {"hash", hash_of(space)}, {"space", to_json(space)}, {"settings", settings}});
      return;
    }
    read(content, settings);
  }

  /// In the order in which they were begun. Those that are running after reading were interrupted.
  const std::vector<Trial>& trials() const { return trials_; }

  /// What the user should know of the file that was read.
  const std::vector<std::string>& notes() const { return notes_; }

  /// A new trial; returns its number. Throws ValueError for a point that is not of the space.
  Index begin(const Point& point) {
    const auto number = static_cast<Index>(trials_.size()) + 1;
    note({{"trial", number}, {"state", "running"}, {"point", to_json(point)}});
    return number;
  }

  /// An interrupted trial is run again from the beginning.
  void begin_again(Index number) {
    note({{"trial", number}, {"state", "running"}, {"point", to_json(running(number).point)}});
  }

  void add_step(Index number, Index step, double value) {
    note({{"trial", number}, {"step", step}, {"value", finite(value)}});
  }
  void finish(Index number, double value, double seconds) {
    note({{"trial", number}, {"state", "finished"}, {"value", finite(value)}, {"seconds", seconds}});
  }
  void stop(Index number, double value, double seconds) {
    note({{"trial", number}, {"state", "stopped"}, {"value", finite(value)}, {"seconds", seconds}});
  }
  void fail_trial(Index number, const std::string& error, double seconds) {
    note({{"trial", number}, {"state", "failed"}, {"error", error}, {"seconds", seconds}});
  }

 private:
  using Json = nlohmann::json;

  /// Locked, and not closed in programs that are started meanwhile: what they write into would otherwise be given to
  /// others while they run.
  int open() const {
    const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (descriptor < 0) fail("", io::detail::system_message(errno), "a file that can be written");
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      const int code = errno;
      ::close(descriptor);
      fail("",
           code == EWOULDBLOCK ? "another search at work, or a training that one left behind"
                               : io::detail::system_message(code),
           "to be alone in this folder");
    }
    return descriptor;
  }

  void drop_torn_line(std::string& content) {
    const auto end = content.rfind('\n');
    const std::size_t whole = end == std::string::npos ? 0 : end + 1;
    if (whole == content.size()) return;
    notes_.push_back(detail::text(path_.string(), ": the last line was cut off after ", content.size() - whole,
                                  " bytes, and is dropped"));
    content.resize(whole);
    if (::ftruncate(file_.get(), static_cast<off_t>(whole)) != 0)
      fail("", io::detail::system_message(errno), "a file that can be shortened");
  }

  void read(const std::string& content, const Settings& settings) {
    std::size_t begin = 0;
    for (Index line = 1; begin < content.size(); ++line) {
      const std::size_t end = content.find('\n', begin);
      const std::string place = detail::text("line ", line);
      const Json object = io::parse_json(std::string_view(content).substr(begin, end - begin),
                                         detail::text(path_.string(), ": ", place));
      try {
        line == 1 ? check_head(object) : apply(object);
      } catch (const Json::exception&) {
        fail(place, "another type of value", "a line that a search wrote");
      } catch (const ValueError& error) {
        fail(place, error.what(), "");
      }
      if (line == 1) check_same(object, settings);
      begin = end + 1;
    }
    notes_.push_back(detail::text("going on after ", trials_.size(), " trials of ", path_.string()));
  }

  void check_head(const Json& head) const {
    if (!head.is_object() || head.value("format", "") != "mien search 1") fail("line 1", "something else", "a search");
    const std::string hash = hash_of(space_of(head));
    if (const auto stored = head.at("hash").get<std::string>(); stored != hash)
      fail("line 1", detail::text("hash ", stored), detail::text(hash, ", that of its space: the line is damaged"));
    static_cast<void>(head.at("settings").get<Settings>());
  }

  Space space_of(const Json& head) const {
    return space_from_json(head.at("space"), detail::text(path_.string(), ": line 1"));
  }

  void check_same(const Json& head, const Settings& settings) const {
    if (const auto difference = space_of(head).difference(space_); !difference.empty())
      throw ValueError(detail::text(path_.string(), ": this search was of another space: ", difference));
    const auto old = head.at("settings").get<Settings>();
    Settings all = settings;
    all.insert(old.begin(), old.end());
    const auto text_in = [](const Settings& some, const std::string& name) {
      const auto found = some.find(name);
      return found != some.end() ? detail::text("`", found->second, "`") : std::string("not known");
    };
    for (const auto& [name, unused] : all) {
      const std::string before = text_in(old, name);
      const std::string now = text_in(settings, name);
      if (before != now)
        throw ValueError(detail::text(path_.string(), ": this search had other settings: ", name, " was ", before,
                                      ", and is ", now));
    }
  }

  void note(const Json& event) {
    apply(event);
    append(event);
  }

  void apply(const Json& event) {
    const Index number = integer_in(event, "trial");
    if (event.contains("step")) {
      running(number).steps.emplace_back(integer_in(event, "step"), event.at("value").get<double>());
      return;
    }
    const auto state = event.at("state").get<std::string>();
    if (state == "running") {
      Trial begun{.number = number, .point = point_from_json(event.at("point"), space_)};
      if (number == static_cast<Index>(trials_.size()) + 1) trials_.push_back({.number = number});
      running(number) = std::move(begun);
      return;
    }
    Trial& trial = running(number);
    trial.seconds = event.at("seconds").get<double>();
    if (state == "failed") {
      trial.error = event.at("error").get<std::string>();
      trial.state = TrialState::failed;
      return;
    }
    if (state != "finished" && state != "stopped")
      throw ValueError(detail::text(path_.string(), ": trial ", number, " in the unknown state `", state, "`"));
    trial.value = event.at("value").get<double>();
    trial.state = state == "finished" ? TrialState::finished : TrialState::stopped;
  }

  Index integer_in(const Json& event, const char* key) const {
    const std::optional<Index> number = io::json_integer(event.at(key));
    if (!number)
      throw ValueError(detail::text(path_.string(), ": `", key, "` is ", event.at(key).dump().substr(0, 40),
                                    ", expected an integer"));
    return *number;
  }

  Trial& running(Index number) {
    if (number < 1 || number > static_cast<Index>(trials_.size()) ||
        trials_[static_cast<std::size_t>(number - 1)].state != TrialState::running)
      throw ValueError(detail::text(path_.string(), ": no trial ", number, " is running"));
    return trials_[static_cast<std::size_t>(number - 1)];
  }

  static double finite(double value) {
    if (!std::isfinite(value)) throw ValueError(detail::text("Journal: a value of ", value));
    return value;
  }

  void append(const Json& event) {
    // Words of other programs need not be UTF-8.
    const std::string line = event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    const off_t end = ::lseek(file_.get(), 0, SEEK_END);
    if (end < 0) fail("", io::detail::system_message(errno), "a file that can be written");
    for (std::size_t written = 0; written < line.size();) {
      const ssize_t count = ::write(file_.get(), line.data() + written, line.size() - written);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        const int code = count < 0 ? errno : EIO;
        // Half a line would spoil the next one. If it stays, resuming drops it.
        static_cast<void>(::ftruncate(file_.get(), end) == 0);
        fail("", io::detail::system_message(code), "a file that can be written");
      }
      written += static_cast<std::size_t>(count);
    }
    if (::fsync(file_.get()) != 0 && errno != EINVAL)
      fail("", io::detail::system_message(errno), "a file that can be synced");
  }

  [[noreturn]] void fail(std::string_view place, std::string_view found, std::string_view expected) const {
    throw FileError(path_.string(), place, found, expected);
  }

  std::filesystem::path path_;
  Space space_;
  io::detail::FileDescriptor file_;
  std::vector<Trial> trials_;
  std::vector<std::string> notes_;
};

}  // namespace mien::search
