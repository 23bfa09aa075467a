# The port for vcpkg, run with stand-ins for vcpkg's own functions, which do no more than what their documentation says:
#   cmake -D SOURCE=<root> -D PLACE=<folder> -D GENERATOR=<name> -D FEATURES=<list> -P vcpkg.cmake
# leaves the package in PLACE/package.
cmake_minimum_required(VERSION 3.25)

set(PORT mien)
set(CURRENT_PORT_DIR "${SOURCE}/include/package/vcpkg/mien")
set(CURRENT_PACKAGES_DIR "${PLACE}/package")

function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
  execute_process(COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET
    COMMAND "${CMAKE_COMMAND}" -S "${arg_SOURCE_PATH}" -B "${PLACE}/build" -G "${GENERATOR}" ${arg_OPTIONS}
            -DCMAKE_BUILD_TYPE=Release "-DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}")
endfunction()

function(vcpkg_cmake_install)
  execute_process(COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET COMMAND "${CMAKE_COMMAND}" --install "${PLACE}/build")
endfunction()

function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "CONFIG_PATH" "")
  file(GLOB files "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}/*")
  file(COPY ${files} DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
  get_filename_component(parent "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}" DIRECTORY)
  file(REMOVE_RECURSE "${parent}")
  # The package lies one folder higher than it did.
  file(GLOB targets "${CURRENT_PACKAGES_DIR}/share/${PORT}/*-targets.cmake")
  foreach(file IN LISTS targets)
    file(READ "${file}" text)
    set(up "get_filename_component(_IMPORT_PREFIX \"\${_IMPORT_PREFIX}\" PATH)\n")
    string(REPLACE "${up}${up}${up}" "${up}${up}" text "${text}")
    file(WRITE "${file}" "${text}")
  endforeach()
endfunction()

function(vcpkg_fixup_pkgconfig)
endfunction()

function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
  file(COPY ${arg_FILE_LIST} DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
  file(RENAME "${CURRENT_PACKAGES_DIR}/share/${PORT}/LICENSE" "${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright")
endfunction()

include("${CURRENT_PORT_DIR}/portfile.cmake")

# What vcpkg's checks after the build complain of.
foreach(path lib debug share/cmake share/licenses)
  if(EXISTS "${CURRENT_PACKAGES_DIR}/${path}")
    message(FATAL_ERROR "the port leaves ${path} in its package")
  endif()
endforeach()
foreach(path include/mien/mien.hpp include/mien_single.hpp share/mien/copyright share/mien/usage
    share/mien/mien-config.cmake share/pkgconfig/mien.pc)
  if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/${path}")
    message(FATAL_ERROR "the port's package has no ${path}")
  endif()
endforeach()
