#include <mien/version.hpp>
#include <mien/video/reader.hpp>

#include <cstdio>
#include <string>

#ifdef OTHER_FILE_HAS_NO_FFMPEG
std::string refusal_elsewhere(const char* film);
#endif

static std::string refusal(const char* film) {
  try {
    mien::video::open_video(film);
  } catch (const mien::FileError& error) {
    return error.what();
  }
  return "";
}

int main(int, char** arguments) {
  // This program is a file, but no film; with FFmpeg that is found out by reading it.
  if (refusal(arguments[0]).find("a film that FFmpeg can read") == std::string::npos) return 1;
#ifdef OTHER_FILE_HAS_NO_FFMPEG
  if (refusal_elsewhere(arguments[0]).find("built without FFmpeg") == std::string::npos) return 2;
#endif
  std::printf("mien %s works here\n", mien::version());
}
