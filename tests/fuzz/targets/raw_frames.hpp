#pragma once

#include <mien/video/raw_frames.hpp>

#include "fuzz/targets/y4m.hpp"

namespace mien::fuzzing {

/// The first three bytes say format, width and height; the frames follow.
inline const Target raw_frames_target{
    [](Bytes bytes) {
      if (bytes.size() < 3) throw ValueError("no format, width and height");
      const auto number = [&](std::size_t i) { return std::to_integer<Index>(bytes[i]); };
      const MemoryFile file(bytes.subspan(3));
      video::RawFrameReader film(file.path(), {.pixel_format = static_cast<video::PixelFormat>(number(0) % 3),
                                               .width = number(1),
                                               .height = number(2),
                                               .full_range = number(0) > 100});
      watch(film);
    },
    [] {
      return std::vector{std::string("\0\2\3", 3) + std::string(36, '\7'),
                         std::string("\1\2\3", 3) + std::string(6, '\7'),
                         std::string("\2\3\3", 3) + std::string(17, '\7'), std::string("\1\2\3", 3)};
    }};

}  // namespace mien::fuzzing
