# Packages: `cpack -G DEB` and `cpack -G TGZ` in the build folder. Nothing is compiled for them, unless mien::cuda or
# mien::compiled is one of the components.
set(CPACK_GENERATOR "DEB;TGZ")
set(CPACK_PACKAGE_NAME mien)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_VENDOR "The mien authors")
if(NOT CPACK_PACKAGE_CONTACT)
  set(CPACK_PACKAGE_CONTACT "The mien authors <maintainers@mien.example>")
endif()
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "header-only C++20 library that reads emotion from faces and bodies")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGE_FILE_NAME "mien-${PROJECT_VERSION}")
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_DEBIAN_PACKAGE_NAME libmien-dev)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
if(NOT MIEN_CUDA AND NOT MIEN_COMPILED)
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
endif()
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libeigen3-dev (>= 3.4)")
# What mien::io needs, and the better decoders: everybody but who reads no files.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libstb-dev, nlohmann-json3-dev (>= 3.10), zlib1g-dev, libjpeg-dev, libpng-dev")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Networks, training and data handling on tensors and gradients of its own,
without a framework underneath: super-image convolutions over the frames of
a clip, recurrent networks over the clips of a video, networks over body
joints, and the fusion of both; residual and densely connected networks and
vision transformers for single pictures; readers of the usual data sets and
of weights from elsewhere. Kernels for the processor's vectors are chosen
when a program runs.
.
This package holds the headers, the same as one single header, a CMake
package and files for pkg-config.")

# What Debian wants besides is put into its package alone.
string(TIMESTAMP MIEN_PACKAGE_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(include/package/debian.cmake.in "${PROJECT_BINARY_DIR}/mien-debian.cmake" @ONLY)
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_BINARY_DIR}/mien-debian.cmake")
include(CPack)
