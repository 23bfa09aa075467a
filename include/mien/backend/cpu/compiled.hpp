#pragma once

/// What is compiled once, into the library mien::compiled, for files that are compiled with MIEN_COMPILED; others
/// compile it themselves. A header of this folder ends with a list of its large functions for a type T, and one of
/// autograd/ with its operations,
///
///     #ifdef MIEN_COMPILED_TEMPLATE
///     #define MIEN_COMPILED_TEMPLATES(T) MIEN_COMPILED_TEMPLATE void transpose(const T*, ...);
///     #include "mien/backend/cpu/for_each_compiled_type.inc"
///     #endif
///
/// which declares them, or, in kernels/cpu.cpp, makes them. It is the same code either way, so that files with and
/// without the definition go together in one program.

#include "mien/version.hpp"

#define MIEN_JOIN_VERSION_(major, minor, patch) compiled_of_version_##major##_##minor##_##patch
#define MIEN_JOIN_VERSION(major, minor, patch) MIEN_JOIN_VERSION_(major, minor, patch)
#define MIEN_COMPILED_OF_THIS_VERSION MIEN_JOIN_VERSION(MIEN_VERSION_MAJOR, MIEN_VERSION_MINOR, MIEN_VERSION_PATCH)

#if defined(MIEN_COMPILING)
#define MIEN_COMPILED_TEMPLATE template
#elif defined(MIEN_COMPILED)
#define MIEN_COMPILED_TEMPLATE extern template
#endif

#ifdef MIEN_COMPILED_TEMPLATE
namespace mien::backend {

/// In the library; does nothing.
void MIEN_COMPILED_OF_THIS_VERSION();

#ifdef MIEN_COMPILED
namespace {
/// Headers and a library of different versions do not link, and the linker's message names the version wanted.
[[maybe_unused]] const bool compiled_version_matches = (MIEN_COMPILED_OF_THIS_VERSION(), true);
}  // namespace
#endif

}  // namespace mien::backend
#endif
