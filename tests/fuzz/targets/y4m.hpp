#pragma once

#include <mien/video/y4m.hpp>

#include "fuzz/target.hpp"

namespace mien::fuzzing {

/// All frames of a film, but no more than a few.
inline void watch(video::FrameReader& film) {
  video::Frame frame;
  for (int i = 0; i < 20 && film.read(frame); ++i) {
  }
}

inline const Target y4m_target{
    [](Bytes bytes) {
      const MemoryFile file(bytes);
      video::Y4mReader film(file.path(), {.max_pixels = 1 << 14});
      watch(film);
    },
    [] {
      const std::string size = "YUV4MPEG2 W3 H2 F25:1 Ip A1:1 ";
      return std::vector{size + "C420jpeg\nFRAME\n" + std::string(10, '\x60') + "FRAME Ip\n" + std::string(10, '\x50'),
                         size + "C444 XCOLORRANGE=FULL\nFRAME\n" + std::string(18, '\x60'),
                         size + "Cmono\nFRAME\n" + std::string(6, '\x60'),
                         size + "C422\nFRAME\n" + std::string(14, '\x60'),
                         size + "C420paldv\nFRAME\n" + std::string(10, '\x60')};
    },
    {"YUV4MPEG2 ", "FRAME\n", "FRAME ", " W", " H", " F30000:1001", " F0:0", " Ip", " A1:1", " C420jpeg", " C420mpeg2",
     " C420paldv", " C422", " C444", " Cmono", " XCOLORRANGE=FULL", " W1000000000", "\n"}};

}  // namespace mien::fuzzing
