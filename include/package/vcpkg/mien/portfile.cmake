# An overlay port, which takes the sources that it lies in:
#   vcpkg install mien --overlay-ports=<mien>/include/package/vcpkg
# In a registry of ports, vcpkg_from_github or vcpkg_from_git stands in place of the next line.
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../../.." ABSOLUTE)

# Headers are the same in every kind of build.
set(VCPKG_BUILD_TYPE release)
vcpkg_cmake_configure(SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS -DMIEN_BUILD_TESTS=OFF -DMIEN_BUILD_EXAMPLES=OFF -DMIEN_BUILD_BENCHMARKS=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/mien)

# pkg-config files are checked, and those of what was not asked for would name packages that are not there.
if(NOT "io" IN_LIST FEATURES)
  file(REMOVE "${CURRENT_PACKAGES_DIR}/share/pkgconfig/mien-io.pc")
endif()
if(NOT "image-decoders" IN_LIST FEATURES)
  file(REMOVE "${CURRENT_PACKAGES_DIR}/share/pkgconfig/mien-image-decoders.pc")
endif()
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/lib" "${CURRENT_PACKAGES_DIR}/share/licenses")
file(INSTALL "${CURRENT_PORT_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
