#include <mien/report/tensorboard.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <sys/resource.h>

#include <csignal>

#include "io/temporary_folder.hpp"

using namespace mien;

namespace {

/// Reads what others wrote: a reader of its own, which shares no line with the writer but the check sum, and that has
/// known answers.
class Reader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}

  bool at_end() const { return at_ == bytes_.size(); }

  std::uint64_t fixed(std::size_t count) {
    REQUIRE(at_ + count <= bytes_.size());
    std::uint64_t value = 0;
    for (std::size_t i = count; i > 0; --i) value = value * 256 + static_cast<unsigned char>(bytes_[at_ + i - 1]);
    at_ += count;
    return value;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      REQUIRE(shift < 64);
      const std::uint64_t byte = fixed(1);
      value += (byte % 128) << shift;
      if (byte < 128) return value;
    }
  }

  std::string take(std::size_t count) {
    REQUIRE(at_ + count <= bytes_.size());
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

/// A message's fields by number: whole numbers and fractions as their bits, everything else as bytes.
struct Fields {
  std::map<int, std::uint64_t> numbers;
  std::map<int, std::string> strings;

  explicit Fields(const std::string& bytes) {
    Reader reader(bytes);
    while (!reader.at_end()) {
      const std::uint64_t key = reader.varint();
      const int field = static_cast<int>(key / 8);
      switch (key % 8) {
        case 0:
          numbers[field] = reader.varint();
          break;
        case 1:
          numbers[field] = reader.fixed(8);
          break;
        case 5:
          numbers[field] = reader.fixed(4);
          break;
        case 2:
          strings[field] = reader.take(reader.varint());
          break;
        default:
          FAIL("a field of another kind");
      }
    }
  }
  Fields inside(int field) const { return Fields(strings.at(field)); }
};

std::uint32_t unmasked(std::uint64_t value) {
  const auto turned = static_cast<std::uint32_t>(value - 0xA282EAD8U);
  return (turned >> 17) | (turned << 15);
}

std::vector<Fields> events_in(const std::filesystem::path& path) {
  Reader reader(io::read_text(path));
  std::vector<Fields> out;
  while (!reader.at_end()) {
    const std::string length = reader.take(8);
    CHECK(unmasked(reader.fixed(4)) == report::crc32c(length));
    const std::string message = reader.take(Reader(length).fixed(8));
    CHECK(unmasked(reader.fixed(4)) == report::crc32c(message));
    out.emplace_back(message);
  }
  return out;
}

float as_float(std::uint64_t bits) {
  const auto low = static_cast<std::uint32_t>(bits);
  float value = 0;
  std::memcpy(&value, &low, sizeof value);
  return value;
}

std::string in_hexadecimal(const std::string& bytes) {
  std::string out;
  for (const char byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    out += digits;
  }
  return out;
}

std::vector<std::byte> small_png() {
  std::string bytes("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\2\0\0\0\7 and more", 33);
  std::vector<std::byte> out;
  for (const char byte : bytes) out.push_back(static_cast<std::byte>(byte));
  return out;
}

}  // namespace

TEST_CASE("the check sum is that of RFC 3720's examples") {
  CHECK(report::crc32c(std::string(32, '\0')) == 0x8A9136AAU);
  CHECK(report::crc32c(std::string(32, '\xFF')) == 0x62A8AB43U);
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending += static_cast<char>(i);
  CHECK(report::crc32c(ascending) == 0x46DD794EU);
  std::reverse(ascending.begin(), ascending.end());
  CHECK(report::crc32c(ascending) == 0x113FDB5CU);
  CHECK(report::crc32c("123456789") == 0xE3069283U);
  CHECK(report::crc32c("") == 0);
  CHECK(report::detail::masked_crc32c("") == 0xA282EAD8U);
}

TEST_CASE("a record of known bytes") {
  const report::detail::Message event = report::detail::summary_event(1.5, 300, report::detail::scalar_value("a", 0.5));
  // wall_time 1.5, step 300, summary of one value: tag "a", simple_value 0.5
  CHECK(in_hexadecimal(event.encoded()) ==
        "09000000000000f83f"
        "10ac02"
        "2a0a"
        "0a08"
        "0a0161"
        "150000003f");
  const std::string record = report::detail::event_record(event.encoded());
  CHECK(record.size() == 8 + 4 + 24 + 4);
  CHECK(in_hexadecimal(record.substr(0, 8)) == "1800000000000000");
}

TEST_CASE("what was logged can be read: numbers, pictures, words, and when") {
  const TemporaryFolder folder;
  report::EventLog log(folder / "new" / "run", {.first_step = 3});
  log.scalar("loss/train", 0.82, 3);
  log.scalar("loss/train", std::nan(""), 70000);
  log.image("face", small_png(), 4);
  log.text("settings", "seed = 1\n\xC3\xA4", 0);
  const auto events = events_in(log.path());  // while the log is open
  REQUIRE(events.size() == 6);
  CHECK(events[0].strings.at(3) == "brain.Event:2");
  CHECK(events[1].numbers.at(2) == 3);
  CHECK(events[1].inside(7).numbers.at(1) == 1);
  double wall_time = 0;
  const std::uint64_t bits = events[2].numbers.at(1);
  std::memcpy(&wall_time, &bits, sizeof wall_time);
  CHECK(wall_time > 1.5e9);
  CHECK(events[2].numbers.at(2) == 3);
  const Fields scalar = events[2].inside(5).inside(1);
  CHECK(scalar.strings.at(1) == "loss/train");
  CHECK(as_float(scalar.numbers.at(2)) == 0.82F);
  CHECK(events[3].numbers.at(2) == 70000);
  CHECK(std::isnan(as_float(events[3].inside(5).inside(1).numbers.at(2))));
  const Fields image = events[4].inside(5).inside(1).inside(4);
  CHECK(image.numbers.at(1) == 7);
  CHECK(image.numbers.at(2) == 258);
  CHECK(image.strings.at(4).size() == small_png().size());
  const Fields words = events[5].inside(5).inside(1);
  CHECK(words.inside(9).inside(1).strings.at(1) == "text");
  CHECK(words.inside(8).numbers.at(1) == 7);
  CHECK(words.inside(8).strings.at(8) == "seed = 1\n\xC3\xA4");
  CHECK_THROWS_AS(log.image("face", {}, 5), ValueError);
  CHECK(events_in(log.path()).size() == 6);
}

TEST_CASE("a run that goes on has a file of its own after those before, which stay as they were") {
  const TemporaryFolder folder;
  std::vector<std::string> names;
  std::string before;
  for (int run = 0; run < 12; ++run) {
    report::EventLog log(folder.path(), {.first_step = run});
    log.scalar("x", run, run);
    log.flush();
    if (run == 0) before = io::read_text(log.path());
    names.push_back(log.path().filename().string());
  }
  CHECK(std::is_sorted(names.begin(), names.end()));
  CHECK(std::set<std::string>(names.begin(), names.end()).size() == 12);
  for (const std::string& name : names) CHECK(events_in(folder / name).size() == 3);
  CHECK(io::read_text(folder / names[0]) == before);
}

TEST_CASE("a history's columns are grouped by what they measure") {
  const TemporaryFolder folder;
  train::History history;
  history.add(1, {{"learning_rate", 0.25}, {"train_loss", 2}, {"validation_mean_recall", 0.5}, {"train_", 1}});
  history.add(2, {{"learning_rate", 0.125}, {"train_loss", 1}, {"validation_mean_recall", 0.75}, {"train_", 1}});
  report::EventLog log(folder.path());
  log.scalars(history, 1);
  const auto events = events_in(log.path());
  REQUIRE(events.size() == 6);
  std::vector<std::string> tags;
  for (std::size_t i = 2; i < events.size(); ++i) {
    CHECK(events[i].numbers.at(2) == 2);
    tags.push_back(events[i].inside(5).inside(1).strings.at(1));
  }
  CHECK(tags == std::vector<std::string>{"learning_rate", "loss/train", "mean_recall/validation", "train_"});
  CHECK(as_float(events[4].inside(5).inside(1).numbers.at(2)) == 0.75F);
  CHECK_THROWS_AS(log.scalars(history, 2), IndexError);
}

TEST_CASE("where no file can be, or no more of it, that is said, and no part of a record is left") {
  const TemporaryFolder folder;
  io::write_file(folder / "file", "");
  CHECK_THROWS_AS(report::EventLog(folder / "file"), FileError);

  report::EventLog log(folder.path());
  log.scalar("x", 1, 1);
  const auto size = std::filesystem::file_size(log.path());
  rlimit usual{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &usual) == 0);
  const rlimit full{size + 10, usual.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &full) == 0);
  CHECK_THROWS_AS(log.scalar("x", 2, 2), FileError);
  ::setrlimit(RLIMIT_FSIZE, &usual);
  std::signal(SIGXFSZ, handler);
  CHECK(std::filesystem::file_size(log.path()) == size);
  log.scalar("x", 3, 3);
  CHECK(events_in(log.path()).size() == 4);
}
