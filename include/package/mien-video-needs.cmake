# What mien::video needs besides mien::io: FFmpeg's libraries. They bring no CMake package of their own, so both the build
# tree and the installed package ask pkg-config, each on the machine where it is used. PKG_CONFIG_PATH leads to another
# FFmpeg than the system's. What is not found lands in mien_video_missing.
set(mien_video_missing "")
if(NOT TARGET mien::io)
  list(APPEND mien_video_missing "mien::io")
endif()
if(NOT TARGET mien::ffmpeg)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    # Those of FFmpeg 5.0.
    pkg_check_modules(MIEN_FFMPEG QUIET IMPORTED_TARGET GLOBAL
      libavdevice>=59 libavformat>=59 libavcodec>=59 libswscale>=6 libavutil>=57)
  endif()
  if(TARGET PkgConfig::MIEN_FFMPEG)
    add_library(mien::ffmpeg INTERFACE IMPORTED GLOBAL)
    target_link_libraries(mien::ffmpeg INTERFACE PkgConfig::MIEN_FFMPEG)
  elseif(PkgConfig_FOUND)
    list(APPEND mien_video_missing "FFmpeg 5.0 or newer, its libraries libavdevice, libavformat, libavcodec and libswscale \
(Debian: libavdevice-dev libavformat-dev libavcodec-dev libswscale-dev)")
  else()
    list(APPEND mien_video_missing "pkg-config, to ask for FFmpeg's libraries (Debian: pkg-config libavdevice-dev)")
  endif()
endif()
