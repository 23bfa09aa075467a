#pragma once

// Films for the face programs, and the options that make these small and quick.

#include <cstdint>
#include <filesystem>
#include <string>

#include "examples/process.hpp"
#include "mien/core/random.hpp"
#include "mien/io/image.hpp"

/// root/<class>/<video>/<frame>.png: bright or dark ones.
inline void write_videos(const fs::path& root, int videos_of_each) {
  mien::Generator generator(1);
  for (const std::string label : {"bright", "dark"})
    for (int video = 0; video < videos_of_each; ++video) {
      const fs::path folder = root / label / ("v" + std::to_string(video));
      fs::create_directories(folder);
      for (int frame = 0; frame < 4; ++frame) {
        mien::io::Image image(16, 16, 1);
        for (auto& pixel : image.pixels)
          pixel = static_cast<std::uint8_t>((label == "bright" ? 150 : 10) + generator.below(90));
        mien::io::write_png(folder / (std::to_string(frame) + ".png"), image);
      }
    }
}

inline Words face_arguments(const fs::path& folder, const Words& more) {
  Words out{"--videos",
            (folder / "videos").string(),
            "--small",
            "--side",
            "16",
            "--channels",
            "1",
            "--widths",
            "2,2,4,4",
            "--clips",
            "2",
            "--frames",
            "2",
            "--batch",
            "4",
            "--threads",
            "1",
            "--work-dir",
            (folder / "work").string()};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}
