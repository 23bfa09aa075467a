# The target mien::video. Asked for by MIEN_VIDEO=ON, so what is missing is an error, never a reason to go without.
include("${CMAKE_CURRENT_LIST_DIR}/mien-video-needs.cmake")
if(NOT mien_video_missing STREQUAL "")
  message(FATAL_ERROR "MIEN_VIDEO is ON, but this was not found: ${mien_video_missing}. Without films other than folders "
    "of pictures and Y4M: -D MIEN_VIDEO=OFF.")
endif()

add_library(mien_video INTERFACE)
add_library(mien::video ALIAS mien_video)
set_target_properties(mien_video PROPERTIES EXPORT_NAME video)
target_compile_definitions(mien_video INTERFACE MIEN_WITH_VIDEO)
target_link_libraries(mien_video INTERFACE mien_io mien::ffmpeg)
