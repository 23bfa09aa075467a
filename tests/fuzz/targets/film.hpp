#pragma once

#include <mien/video/ffmpeg.hpp>
#include <mien/video/ffmpeg_writer.hpp>

#include "fuzz/targets/y4m.hpp"

namespace mien::fuzzing {

/// Films through FFmpeg, whose own code is as it was installed. Small ones, by one thread. FFmpeg asks for as much
/// memory as a file says that it needs, up to 2 GB a block, and gives it back when there is nothing to fill it with.
inline const Target film_target{
    [](Bytes bytes) {
      av_max_alloc(std::size_t{256} << 20);
      const MemoryFile file(bytes);
      for (const bool allow_damage : {false, true}) {
        video::FfmpegReader film(file.path(), {.max_pixels = 1 << 14, .threads = 1, .allow_damage = allow_damage});
        watch(film);
      }
    },
    [] {
      const MemoryFolder folder;
      std::vector<std::string> out;
      for (const char* name : {"film.avi", "film.mkv", "film.mp4"}) {
        video::FfmpegWriter film(folder.path() / name, {});
        for (int i = 0; i < 3; ++i) film.write(io::Image(32, 16, 3, static_cast<std::uint8_t>(40 * i)));
        film.finish();
        out.push_back(io::read_text(folder.path() / name));
      }
      return out;
    },
    {"RIFF", "AVI ", "movi", "idx1", "strh", "strf", "moov", "mdat", "ftyp", "stbl", "stsd", "stts", "stco", "tkhd",
     "avcC", "\x1a\x45\xdf\xa3", "\x18\x53\x80\x67"}};

}  // namespace mien::fuzzing
