#pragma once

#include <mien/search/journal.hpp>

#include "fuzz/targets/space.hpp"

namespace mien::fuzzing {

inline const search::Space& journal_space() {
  static const search::Space space = search::space_from_json(io::parse_json(some_space, "a text"));
  return space;
}

inline const search::Journal::Settings journal_settings{{"seed", "1"}};

/// A search's journal, taken up again. The first line may be the right one, or what comes behind a zero byte.
inline const Target journal_target{
    [](Bytes bytes) {
      static const std::string head = [] {
        const MemoryFolder folder;
        const search::Journal fresh(folder.path() / "journal", journal_space(), journal_settings, false);
        return io::read_text(folder.path() / "journal");
      }();
      const bool has_own_head = !bytes.empty() && bytes.front() == std::byte{0};
      const std::string content = has_own_head ? text_of(bytes.subspan(1)) : head + text_of(bytes);
      const MemoryFile file(bytes_of(content));
      search::Journal journal(file.path(), journal_space(), journal_settings, true);
      journal.begin(search::Point({{"rate", 0.1}, {"width", Index{9}}, {"optimiser", std::string("adamw")}}));
    },
    [] {
      const std::string point = R"({"rate": 0.1, "width": 9, "optimiser": "sgd", "nesterov": true})";
      const MemoryFolder folder;
      const search::Journal fresh(folder.path() / "journal", journal_space(), journal_settings, false);
      return std::vector{"{\"trial\": 1, \"state\": \"running\", \"point\": " + point +
                             "}\n{\"trial\": 1, \"step\": 1, \"value\": 0.5}\n"
                             "{\"trial\": 1, \"state\": \"finished\", \"value\": 0.7, \"seconds\": 2}\n"
                             "{\"trial\": 2, \"state\": \"running\", \"point\": " +
                             point +
                             "}\n{\"trial\": 2, \"state\": \"failed\", \"error\": \"e\", \"seconds\": 1}\n{\"tri",
                         '\0' + io::read_text(folder.path() / "journal")};
    },
    [] {
      auto words = space_words();
      for (const char* word :
           {"\"trial\"", "\"state\"", "\"running\"", "\"finished\"", "\"stopped\"", "\"failed\"", "\"point\"",
            "\"step\"", "\"value\"", "\"seconds\"", "\"error\"", "\"format\"", "\"hash\"", "\"settings\""})
        words.emplace_back(word);
      return words;
    }()};

}  // namespace mien::fuzzing
