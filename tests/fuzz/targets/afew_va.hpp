#pragma once

#include <mien/data/afew_va.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// The annotation of a scene, with one picture beside it.
inline const Target afew_va_target{
    [](Bytes bytes) {
      static const MemoryFolder folder;
      static const auto picture = folder.write("001/00000.png", bytes_of("not looked into"));
      folder.write("001/001.json", bytes);
      static_cast<void>(data::read_afew_va(folder.path(), {.allow_missing = true}));
      static_cast<void>(data::read_afew_va(folder.path(), {.every = 2}));
    },
    [] {
      std::string points = "[0.5,1]";
      for (int i = 1; i < 68; ++i) points += ",[" + std::to_string(i) + ",1]";
      return std::vector{R"({"video_id":"001","actor":"Somebody","frames":{"00000":{"landmarks":[)" + points +
                         R"(],"valence":-10.0,"arousal":7}}})"};
    },
    {"\"frames\"", "\"00000\"", "\"valence\"", "\"arousal\"", "\"actor\"", "\"landmarks\"", "11", "-10.1", "null",
     "{}"}};

}  // namespace mien::fuzzing
