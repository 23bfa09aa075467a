#pragma once

#include <mien/video/detail/announced_size.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// What the first bytes of Matroska and AVI films say of their length.
inline const Target announced_size_target{
    [](Bytes bytes) { static_cast<void>(video::detail::announced_size(bytes)); },
    [] {
      using namespace std::string_literals;
      return std::vector{"\x1a\x45\xdf\xa3\x81\0\x18\x53\x80\x67\x88"s, "RIFF\x10\0\0\0AVI "s, ""s};
    },
    {"\x1a\x45\xdf\xa3", "\x18\x53\x80\x67", "RIFF", "\1\xff\xff\xff\xff\xff\xff\xff"}};

}  // namespace mien::fuzzing
