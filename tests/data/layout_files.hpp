#pragma once

// Small copies of data sets' layouts.

#include <filesystem>
#include <string>
#include <vector>

#include "io/temporary_folder.hpp"
#include "mien/data/data_set.hpp"
#include "mien/io/file.hpp"
#include "mien/io/image.hpp"

/// A text file, and the folders that lead to it.
inline void put(const TemporaryFolder& root, const std::filesystem::path& name, const std::string& content = "") {
  std::filesystem::create_directories((root.path() / name).parent_path());
  mien::io::write_file(root.path() / name, content);
}

/// A picture of one colour.
inline void put_picture(const TemporaryFolder& root, const std::filesystem::path& name, std::uint8_t value = 0,
                        mien::Index width = 5, mien::Index height = 4) {
  std::filesystem::create_directories((root.path() / name).parent_path());
  mien::io::write_png(root.path() / name, mien::io::Image(width, height, 1, value));
}

inline std::vector<std::string> sample_names(const mien::data::FrameSequences& data) {
  std::vector<std::string> names;
  for (const auto& sample : data.samples) names.push_back(sample.name);
  return names;
}

/// The classes of all samples by name; "-" for none.
inline std::vector<std::string> sample_classes(const mien::data::FrameSequences& data) {
  std::vector<std::string> names;
  for (const auto& sample : data.samples)
    names.push_back(sample.label < 0 ? "-" : data.class_names.at(static_cast<std::size_t>(sample.label)));
  return names;
}
