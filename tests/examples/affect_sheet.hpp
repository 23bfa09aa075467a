#pragma once

// Pictures, and a sheet of them with classes, valence and arousal.

#include <cstdint>
#include <filesystem>
#include <string>

#include "examples/process.hpp"
#include "mien/core/random.hpp"
#include "mien/io/file.hpp"
#include "mien/io/image.hpp"

/// A grey picture about as bright as is told.
inline void write_picture(const fs::path& path, int brightness, mien::Generator& generator) {
  mien::io::Image image(16, 16, 1);
  for (auto& pixel : image.pixels) pixel = static_cast<std::uint8_t>(brightness + generator.below(60));
  mien::io::write_png(path, image);
}

/// Pictures whose valence is their brightness and whose arousal is the same for all but every fourth, which has none.
inline void write_affect_sheet(const fs::path& folder, int pictures) {
  mien::Generator generator(2);
  std::string table = "path,label,valence,arousal\n";
  for (int i = 0; i < pictures; ++i) {
    const int level = i % 5;
    const std::string name = "face" + std::to_string(i) + ".png";
    write_picture(folder / name, 45 * level, generator);
    table += name + (level < 2 ? ",low," : ",high,");
    table += i % 4 == 3 ? "," : std::to_string(0.4 * level - 0.8) + "," + std::to_string(0.3 - 0.1 * level);
    table += "\n";
  }
  mien::io::write_file(folder / "sheet.csv", table);
}
