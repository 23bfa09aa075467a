#pragma once

/// What a program was compiled with.

#include <string>

#include "mien/version.hpp"

namespace mien {

/// The parts that are there, by the definitions that the compiler was given.
struct BuildInfo {
  bool io = false;     ///< MIEN_WITH_IO
  bool video = false;  ///< MIEN_WITH_VIDEO: films through FFmpeg
  bool cuda = false;   ///< MIEN_WITH_CUDA
  const char* jpeg_decoder = "";
  const char* png_decoder = "";

  /// "mien 0.1.0: JPEG by libjpeg, PNG by stb_image, films by FFmpeg, no GPU"
  std::string to_string() const {
    std::string out = std::string("mien ") + version() + ": ";
    out += io ? std::string("JPEG by ") + jpeg_decoder + ", PNG by " + png_decoder : std::string("no files");
    out += video ? ", films by FFmpeg" : ", films as Y4M and raw frames";
    return out + (cuda ? ", GPUs by CUDA" : ", no GPU");
  }
};

/// What the file that calls it was compiled with: each has a function of its own, as they need not all be the same.
static constexpr BuildInfo build_info() {
  BuildInfo out;
#ifdef MIEN_WITH_IO
  out.io = true;
  out.jpeg_decoder = "stb_image";
  out.png_decoder = "stb_image";
#endif
#ifdef MIEN_WITH_LIBJPEG
  out.jpeg_decoder = "libjpeg";
#endif
#ifdef MIEN_WITH_LIBPNG
  out.png_decoder = "libpng";
#endif
#ifdef MIEN_WITH_VIDEO
  out.video = true;
#endif
#ifdef MIEN_WITH_CUDA
  out.cuda = true;
#endif
  return out;
}

}  // namespace mien
