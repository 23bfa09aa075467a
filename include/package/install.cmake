# What `cmake --install` puts where: the headers, the single header, the CMake package, pkg-config files.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/mien")
set(pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")
set(installed_components "")

# mien_install_component(<name> [PKG_CONFIG <package>...])
#
# Installs the target mien_<name> as the component <name> of the CMake package. What its users need to have is looked for
# by include/package/mien-<name>-needs.cmake, which leaves what is missing in mien_<name>_missing.
#   PKG_CONFIG  for header-only components: also a file mien-<name>.pc, which requires these, and defines MIEN_WITH_<NAME>
function(mien_install_component component)
  cmake_parse_arguments(PARSE_ARGV 1 component "" "" "PKG_CONFIG")
  set(installed_components ${installed_components} ${component} PARENT_SCOPE)
  # A file of its own, which the package reads only where the component's needs are met.
  install(TARGETS mien_${component} EXPORT mien-${component}-targets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(EXPORT mien-${component}-targets NAMESPACE mien:: DESTINATION "${package_dir}")
  if(DEFINED component_PKG_CONFIG)
    list(TRANSFORM component_PKG_CONFIG PREPEND ", " OUTPUT_VARIABLE requires)
    list(JOIN requires "" requires)
    string(TOUPPER "MIEN_WITH_${component}" definition)
    configure_file(include/package/mien-component.pc.in "${PROJECT_BINARY_DIR}/mien-${component}.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/mien-${component}.pc" DESTINATION "${pkgconfig_dir}")
  endif()
endfunction()

# CMake finds the decoders where a program is built. A file of pkg-config cannot look for anything, so there is one for who
# wants them: mien-image-decoders.pc.
function(mien_install_image_decoders)
  configure_file(include/package/mien-image-decoders.pc.in "${PROJECT_BINARY_DIR}/mien-image-decoders.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/mien-image-decoders.pc" DESTINATION "${pkgconfig_dir}")
endfunction()

# Everything but the components, which have to be known by then.
function(mien_install_package)
  install(DIRECTORY include/mien DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inc")
  install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/mien")
  # Where face/weights.hpp looks for them.
  install(DIRECTORY examples/data/weights DESTINATION "${CMAKE_INSTALL_DATADIR}/mien")
  install(TARGETS mien EXPORT mien-targets INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(EXPORT mien-targets NAMESPACE mien:: DESTINATION "${package_dir}")

  # Made when it is installed, so that it always is that of the headers beside it.
  set(single_header "${PROJECT_BINARY_DIR}/mien_single.hpp")
  install(CODE "execute_process(COMMAND_ERROR_IS_FATAL ANY
    COMMAND \"${CMAKE_COMMAND}\" -D \"OUTPUT=${single_header}\" -P \"${PROJECT_SOURCE_DIR}/include/package/single_header.cmake\")")
  install(FILES "${single_header}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")

  # Those that were not built are known too, so that who asks for one is told how to get it.
  file(GLOB needs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/package/mien-*-needs.cmake")
  string(REGEX REPLACE "[^;]*/mien-([^;/]*)-needs\\.cmake" "\\1" known "${needs}")
  set(MIEN_KNOWN_COMPONENTS ${installed_components} ${known})
  list(REMOVE_DUPLICATES MIEN_KNOWN_COMPONENTS)
  list(JOIN MIEN_KNOWN_COMPONENTS " " MIEN_KNOWN_COMPONENTS)
  configure_package_config_file(include/package/mien-config.cmake.in "${PROJECT_BINARY_DIR}/mien-config.cmake"
    INSTALL_DESTINATION "${package_dir}" NO_SET_AND_CHECK_MACRO)
  write_basic_package_version_file("${PROJECT_BINARY_DIR}/mien-config-version.cmake"
    COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
  install(FILES "${PROJECT_BINARY_DIR}/mien-config.cmake" "${PROJECT_BINARY_DIR}/mien-config-version.cmake" ${needs}
          include/package/mien-cudnn.cmake include/package/mien-nccl.cmake DESTINATION "${package_dir}")

  # Relative to the .pc file itself, so that an installed tree can be moved.
  file(RELATIVE_PATH up_to_prefix "/prefix/${pkgconfig_dir}" "/prefix")
  string(REGEX REPLACE "/$" "" up_to_prefix "${up_to_prefix}")
  set(MIEN_PC_PREFIX "\${pcfiledir}/${up_to_prefix}")
  set(MIEN_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
  if(IS_ABSOLUTE "${CMAKE_INSTALL_DATADIR}")
    set(MIEN_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  endif()
  if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(MIEN_PC_INCLUDEDIR "${CMAKE_INSTALL_INCLUDEDIR}")
  endif()
  configure_file(include/package/mien.pc.in "${PROJECT_BINARY_DIR}/mien.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/mien.pc" DESTINATION "${pkgconfig_dir}")
endfunction()
