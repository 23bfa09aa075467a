#pragma once

/// What model files say about themselves.

#include <filesystem>
#include <string>
#include <vector>

#include "mien/io/safetensors.hpp"
#include "program.hpp"

namespace mien::examples {

/// The form of a model of this kind, as its training program wrote it. Throws FileError for another kind, or none.
Json model_options(const io::Metadata& metadata, const std::string& path, const char* model);

/// Throws FileError if the file names none.
std::vector<std::string> model_class_names(const io::Metadata& metadata, const std::string& path);

}  // namespace mien::examples
