#pragma once

/// What model files say about themselves.

#include <map>
#include <string>
#include <vector>

#include "mien/data/augmentation.hpp"
#include "mien/io/safetensors.hpp"
#include "program.hpp"

namespace mien::examples {

/// The most that a network may have, so that a damaged file cannot ask for all memory: channels or units of a layer,
/// and anything else that is counted, as the rows of a frame.
inline constexpr Index largest_width = 2048;
inline constexpr Index largest_count = 4096;

/// Throws FileError for a form with an integer that is negative or more than the largest, or with a real number where
/// none belongs, or one beyond the largest count.
void require_bounds(const Json& form, const std::string& path);

/// The form of a model of this kind, as its training program wrote it. Throws FileError for another kind, or none.
Json model_options(const io::Metadata& metadata, const std::string& path, const char* model);

/// Throws FileError if the file names none.
std::vector<std::string> model_class_names(const io::Metadata& metadata, const std::string& path);

/// The ways in which a picture becomes square, by name.
const std::map<std::string, data::Fit>& fits();

/// What a network's input frames are like, for its file: adds to the form of a model.
void add_frame(Json& form, const data::FrameOptions& frame);

/// What `add_frame` added. Throws an exception of the JSON library or of std for anything else.
data::FrameOptions stored_frame(const Json& form);

}  // namespace mien::examples
