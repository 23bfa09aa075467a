#include <mien/video/reader.hpp>

#include <string>

std::string refusal_elsewhere(const char* film);
std::string refusal_elsewhere(const char* film) {
  try {
    mien::video::open_video(film);
  } catch (const mien::FileError& error) {
    return error.what();
  }
  return "";
}
