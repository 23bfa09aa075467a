# mien_add_component(<name> <library> <words>)
#
# The target mien::<name>: mien::io, and what the headers that use <library> need. It is asked for by MIEN_<NAME>=ON, so
# what mien-<name>-needs.cmake does not find is an error, never a reason to go without; <words> say what that would be.
function(mien_add_component component library words)
  string(TOUPPER "${component}" upper)
  include("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/mien-${component}-needs.cmake")
  if(NOT mien_${component}_missing STREQUAL "")
    message(FATAL_ERROR "MIEN_${upper} is ON, but this was not found: ${mien_${component}_missing}. ${words}: "
      "-D MIEN_${upper}=OFF.")
  endif()

  add_library(mien_${component} INTERFACE)
  add_library(mien::${component} ALIAS mien_${component})
  set_target_properties(mien_${component} PROPERTIES EXPORT_NAME ${component})
  target_compile_definitions(mien_${component} INTERFACE MIEN_WITH_${upper})
  target_link_libraries(mien_${component} INTERFACE mien_io ${library})
endfunction()
