/// Spaces as files, and the journal that a search is resumed from.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <unistd.h>

#include "io/message.hpp"
#include "io/temporary_folder.hpp"
#include "mien/io/file.hpp"
#include "mien/search/journal.hpp"

namespace {

using namespace mien;
using search::Journal;
using search::Point;
using search::Space;
using search::TrialState;

const Journal::Settings settings{{"metric", "validation_loss"}, {"seed", "1"}};

Space some_space() {
  return Space({search::real("rate", 1e-4, 0.1, search::Scale::logarithmic),
                search::integer("width", 2, 9).with_levels(3), search::choice("optimiser", {"adamw", "sgd"}),
                search::boolean("nesterov").only_where("optimiser", {"sgd"})});
}

const Point first({{"rate", 0.000316228}, {"width", Index{4}}, {"optimiser", std::string("adamw")}});
const Point second({{"rate", 0.1}, {"width", Index{9}}, {"optimiser", std::string("sgd")}, {"nesterov", true}});

std::string space_refusal(const std::string& json) {
  return message_of<Error>([&] { search::space_from_json(io::parse_json(json, "space.json"), "space.json"); });
}

/// Two trials that came to an end, one that failed, one that was stopped, and one that was interrupted.
void write_journal(const std::filesystem::path& path) {
  Journal journal(path, some_space(), settings, false);
  CHECK(journal.begin(first) == 1);
  journal.add_step(1, 1, 0.1);
  journal.add_step(1, 2, 1.0 / 3);
  journal.finish(1, 1.0 / 3, 12.5);
  CHECK(journal.begin(second) == 2);
  journal.fail_trial(2, "exit code 1: \"no\xff such file\"", 0.25);
  CHECK(journal.begin(first) == 3);
  journal.add_step(3, 1, 7);
  journal.stop(3, 7, 1);
  CHECK(journal.begin(second) == 4);
  journal.add_step(4, 1, 0.5);
}

}  // namespace

TEST_CASE("a space's file is read as it is meant, and written so that it is read again") {
  const auto space = search::space_from_json(io::parse_json(R"({"parameters": [
    {"name": "rate", "type": "real", "low": 1e-4, "high": 0.1, "scale": "log"},
    {"name": "width", "type": "integer", "low": 2, "high": 9, "scale": "linear", "levels": 3},
    {"name": "optimiser", "type": "choice", "values": ["adamw", "sgd"]},
    {"name": "nesterov", "type": "bool", "only_where": {"optimiser": ["sgd"]}}]})",
                                                            "space.json"));
  CHECK(space.difference(some_space()).empty());
  CHECK(space.parameters() == some_space().parameters());
  CHECK(search::space_from_json(to_json(space)).parameters() == space.parameters());
  CHECK(search::hash_of(space) == search::hash_of(some_space()));
  CHECK(search::hash_of(space) != search::hash_of(Space({search::real("rate", 1e-4, 0.1)})));
  const auto other = search::space_from_json(io::parse_json(
      R"({"parameters": [{"name": "a", "type": "bool"}, {"name": "b", "type": "real", "low": 0, "high": 1,
          "only_where": {"a": [true]}}]})",
      "space.json"));
  CHECK(other.parameters()[1].condition_values == std::vector<std::string>{"true"});
}

TEST_CASE("a file that is no space is refused with the parameter and the key") {
  CHECK(contains(space_refusal("[]"), "space.json"));
  CHECK(contains(space_refusal(R"({"parameters": {}})"), "`parameters`"));
  CHECK(contains(space_refusal(R"({"parameters": []})"), "space.json: found Space: no parameters"));
  CHECK(contains(space_refusal(R"({"parameters": [1]})"), "parameter 1"));
  CHECK(contains(space_refusal(R"({"parameters": [{"type": "real"}]})"), "no `name`"));
  CHECK(contains(space_refusal(R"({"parameters": [{"name": "x", "type": "float"}]})"), "parameter 1 `x`: found type"));
  CHECK(contains(space_refusal(R"({"parameters": [{"name": "x", "type": "real", "low": 0}]})"), "no `high`"));
  CHECK(contains(space_refusal(R"({"parameters": [{"name": "x", "type": "real", "low": "0", "high": 1}]})"), "`low`"));
  CHECK(
      contains(space_refusal(R"({"parameters": [{"name": "x", "type": "real", "low": 0, "high": 1, "scale": "ln"}]})"),
               "linear or log"));
  CHECK(contains(space_refusal(R"({"parameters": [{"name": "x", "type": "real", "low": 0, "high": 1, "log": 1}]})"),
                 "`log`"));
  CHECK(
      contains(space_refusal(R"({"parameters": [{"name": "x", "type": "integer", "low": 0, "high": 1, "levels": 0}]})"),
               "`levels`"));
  CHECK(contains(space_refusal(R"({"parameters": [{"name": "x", "type": "choice", "values": [1]}]})"), "`values`"));
  CHECK(contains(space_refusal(R"({"parameters": [{"name": "x", "type": "choice", "values": "a"}]})"), "`values`"));
  CHECK(
      contains(space_refusal(R"({"parameters": [{"name": "x", "type": "bool", "only_where": "a"}]})"), "`only_where`"));
  CHECK(
      contains(space_refusal(R"({"parameters": [{"name": "x", "type": "bool", "only_where": {"y": ["a"]}}]})"), "`y`"));
}

TEST_CASE("what a journal was told is read again, to the bit") {
  const TemporaryFolder folder;
  write_journal(folder / "journal.jsonl");
  Journal journal(folder / "journal.jsonl", some_space(), settings, true);
  CHECK(journal.notes() ==
        std::vector<std::string>{"going on after 4 trials of " + (folder / "journal.jsonl").string()});
  const auto& trials = journal.trials();
  REQUIRE(trials.size() == 4);
  CHECK(trials[0].state == TrialState::finished);
  CHECK(trials[0].point == first);
  CHECK(*trials[0].value == 1.0 / 3);
  CHECK(trials[0].seconds == 12.5);
  CHECK(trials[0].steps == std::vector<std::pair<Index, double>>{{1, 0.1}, {2, 1.0 / 3}});
  CHECK(trials[1].state == TrialState::failed);
  CHECK(trials[1].point == second);
  CHECK_FALSE(trials[1].value);
  CHECK(contains(trials[1].error, "exit code 1: \"no"));
  CHECK(trials[2].state == TrialState::stopped);
  CHECK(*trials[2].value == 7);
  CHECK(trials[3].state == TrialState::running);
  CHECK(trials[3].steps.size() == 1);

  journal.begin_again(4);
  CHECK(trials[3].steps.empty());
  CHECK(trials[3].point == second);
  journal.finish(4, -2, 3);
  CHECK(journal.begin(first) == 5);
  CHECK_THROWS_AS(journal.finish(4, 1, 1), ValueError);
  CHECK_THROWS_AS(journal.finish(6, 1, 1), ValueError);
  CHECK_THROWS_AS(journal.add_step(5, 1, 1.0 / 0.0), ValueError);
}

TEST_CASE("a last line that was cut off is dropped with a note, and written over") {
  const TemporaryFolder folder;
  const auto path = folder / "journal.jsonl";
  write_journal(path);
  const std::string whole = io::read_text(path);
  const std::size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  for (const std::size_t kept : {last + 1, whole.size() - 5, whole.size() - 1}) {
    io::write_file(path, whole.substr(0, kept));
    Journal journal(path, some_space(), settings, true);
    REQUIRE(journal.notes().size() == 2);
    CHECK(contains(journal.notes()[0], "cut off"));
    CHECK(journal.trials().size() == 4);
    CHECK(journal.trials()[3].steps.empty());
    journal.add_step(4, 1, 0.5);
    CHECK(io::read_text(path) == whole);
  }
}

TEST_CASE("a journal whose first line was cut off begins anew, and so does one that is not there") {
  const TemporaryFolder folder;
  const auto path = folder / "journal.jsonl";
  for (const std::string content : {"", "{\"format\": \"mi"}) {
    io::write_file(path, content);
    Journal journal(path, some_space(), settings, true);
    CHECK(contains(journal.notes().back(), "from the beginning"));
    journal.begin(first);
  }
  CHECK(Journal(path, some_space(), settings, true).trials().size() == 1);
  CHECK(Journal(folder / "other.jsonl", some_space(), settings, true).trials().empty());
}

TEST_CASE("another space and other settings are refused, and the difference is named") {
  const TemporaryFolder folder;
  const auto path = folder / "journal.jsonl";
  write_journal(path);
  auto parameters = some_space().parameters();
  parameters[0].high = 0.2;
  const auto refusal = message_of<ValueError>([&] { Journal(path, Space(parameters), settings, true); });
  CHECK(contains(refusal, "parameter 1 is `rate`: real from 1e-04 to 0.1, logarithmic; in the other space"));
  CHECK(contains(message_of<ValueError>([&] {
                   Journal(path, some_space(), {{"metric", "validation_loss"}, {"seed", "2"}}, true);
                 }),
                 "seed was `1`, and is `2`"));
  CHECK(contains(message_of<ValueError>([&] {
                   Journal(path, some_space(), {{"metric", "validation_loss"}}, true);
                 }),
                 "seed was `1`, and is not known"));
  CHECK(contains(message_of<ValueError>([&] {
                   Journal(path, some_space(), {{"metric", "validation_loss"}, {"seed", "1"}, {"stop", "none"}}, true);
                 }),
                 "stop was not known, and is `none`"));
  CHECK(contains(message_of<FileError>([&] { Journal(path, some_space(), settings, false); }), "resume"));
  CHECK(Journal(path, some_space(), settings, true).trials().size() == 4);
}

TEST_CASE("choices that read alike are another space") {
  const TemporaryFolder folder;
  const auto path = folder / "journal.jsonl";
  { const Journal journal(path, Space({search::choice("c", {"1, 2", "3"})}), settings, false); }
  CHECK(contains(message_of<ValueError>([&] {
                   Journal(path, Space({search::choice("c", {"1", "2", "3"})}), settings, true);
                 }),
                 "another space"));
}

TEST_CASE("a point that is not of the space begins no trial") {
  const TemporaryFolder folder;
  const auto path = folder / "journal.jsonl";
  {
    Journal journal(path, some_space(), settings, false);
    CHECK_THROWS_AS(journal.begin(Point({{"rate", 7.0}})), ValueError);
    CHECK(journal.trials().empty());
    CHECK(journal.begin(first) == 1);
  }
  CHECK(Journal(path, some_space(), settings, true).trials().size() == 1);
}

TEST_CASE("two searches at once in one folder are refused") {
  const TemporaryFolder folder;
  const Journal journal(folder / "journal.jsonl", some_space(), settings, false);
  CHECK(contains(message_of<FileError>([&] { Journal(folder / "journal.jsonl", some_space(), settings, true); }),
                 "another search at work"));
}

TEST_CASE("a damaged journal is refused with the line") {
  const TemporaryFolder folder;
  const auto path = folder / "journal.jsonl";
  write_journal(path);
  const std::string whole = io::read_text(path);
  const std::string head = whole.substr(0, whole.find('\n') + 1);
  const auto refusal = [&](const std::string& content) {
    io::write_file(path, content);
    return message_of<FileError>([&] { Journal(path, some_space(), settings, true); });
  };
  CHECK(contains(refusal("{}\n"), "line 1"));
  CHECK(contains(refusal("[1]\n"), "line 1"));
  std::string other = head;
  other.replace(other.find("0.1"), 3, "0.2");
  CHECK(contains(refusal(other), "damaged"));
  other = head;
  other.replace(other.find("\"adamw\""), 7, "\"sgd\"");
  CHECK(contains(refusal(other), path.string() + ": line 1: found Space: parameter `optimiser`"));
  other = head;
  other.replace(other.find("\"choice\""), 8, "\"word\"");
  CHECK(contains(refusal(other), path.string() + ": line 1: parameter 3 `optimiser`: found type `word`"));
  const std::string begin = R"({"trial":1,"state":"running","point":{"rate":0.1,"width":4,"optimiser":"adamw"}})";
  CHECK(contains(refusal(head + "no JSON\n" + begin + "\n"), "line 2"));
  for (const std::string line :
       {"[]", "{}", R"({"trial":"1","step":1,"value":2})", R"({"trial":1.5,"step":1,"value":2})",
        R"({"trial":1,"step":1e300,"value":2})", R"({"trial":92233720368547758071,"step":1,"value":2})", R"({"trial":1,"step":1,"value":"2"})",
        R"({"trial":2,"step":1,"value":2})", R"({"trial":1,"state":"done","seconds":1})",
        R"({"trial":1,"state":"finished","value":1})", R"({"trial":1,"state":"failed","seconds":1})",
        R"({"trial":2,"state":"running","point":{}})", R"({"trial":3,"state":"running","point":{"rate":0.1}})",
        R"({"trial":2,"state":"running","point":{"rate":"0.1","width":4,"optimiser":"adamw"}})",
        R"({"trial":2,"state":"running","point":{"rate":0.1,"width":40,"optimiser":"adamw"}})",
        R"({"trial":2,"state":"running","point":{"rate":0.1,"width":4,"optimiser":"adamw","x":1}})"}) {
    CAPTURE(line);
    CHECK(contains(refusal(head + begin + "\n" + line + "\n"), "line 3"));
  }
}
