#!/bin/sh
# Runs the tests under MemorySanitizer. See --help.
set -eu

usage() {
  cat <<'TEXT'
usage: tests/memory_sanitizer.sh --gcc FOLDER --zlib FOLDER [--build FOLDER] [ctest options]

Builds the tests with clang and MemorySanitizer, which finds what depends on memory that nobody has written, and runs
them all, or those that the options for ctest choose. All of a program has to be compiled with it, the standard library
and zlib too: they are made from their sources, once, in <build>/gcc and <build>/zlib. Images are decoded by stb_image;
FFmpeg and MPI are left out. Ends as ctest does.

  --gcc FOLDER     GCC's sources, of the version whose headers clang takes (clang++ -v); only libstdc++ is built
  --zlib FOLDER    zlib's sources
  --build FOLDER   where to build; build/memory by default

On Debian 12:

  apt-get install clang-16 libclang-rt-16-dev llvm gcc-12-source    # tar xf /usr/src/gcc-12/gcc-12*.tar.xz
  apt-get source zlib                                               # asks for deb-src in apt's sources

environment:
  CC, CXX    clang, 16 or newer; clang-16 and clang++-16 by default
  JOBS       how many things to do at once; one a processor by default
  MIEN_ISA   kernels; avx512 where the processor has AMX, whose stores the sanitizer does not know
TEXT
}

from=$PWD
cd "$(dirname "$0")/.."
build=build/memory
gcc=
zlib=
absolute() {
  case $1 in
    /*) echo "$1" ;;
    *) echo "$from/$1" ;;
  esac
}

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --gcc | --zlib | --build)
      if [ $# -lt 2 ]; then echo "$1 needs a value" >&2; exit 2; fi
      case $1 in
        --gcc) gcc=$(absolute "$2") ;;
        --zlib) zlib=$(absolute "$2") ;;
        --build) build=$2 ;;
      esac
      shift
      ;;
    *) break ;;
  esac
  shift
done
CC=${CC:-clang-16}
CXX=${CXX:-clang++-16}
for program in "$CC" "$CXX" llvm-symbolizer; do
  if ! command -v "$program" >/dev/null 2>&1; then
    echo "$program is missing (Debian: clang-16 libclang-rt-16-dev llvm)" >&2
    exit 1
  fi
done
if [ ! -e "$gcc/libstdc++-v3/configure" ]; then
  echo "--gcc: \`$gcc\` has no libstdc++-v3/configure, expected GCC's sources (see --help)" >&2
  exit 2
fi
if [ ! -e "$zlib/inflate.c" ]; then
  echo "--zlib: \`$zlib\` has no inflate.c, expected zlib's sources (see --help)" >&2
  exit 2
fi
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
mkdir -p "$build"
build=$(cd "$build" && pwd)
sanitizer="-O1 -g1 -fno-omit-frame-pointer -fsanitize=memory -fsanitize-memory-track-origins"
export CC CXX

make_standard_library() {
  rm -rf "$build/gcc"
  mkdir -p "$build/gcc/build" "$build/gcc/gcc"
  for part in config-ml.in config.guess config.rpath config.sub include install-sh libgcc libiberty libstdc++-v3 \
    ltmain.sh missing mkinstalldirs gcc/BASE-VER gcc/DATESTAMP; do
    cp -r "$gcc/$part" "$build/gcc/$part"
  done
  # A file that GCC's own build puts there, a name that clang has otherwise, and an option that it does not have.
  ln -sf gthr-posix.h "$build/gcc/libgcc/gthr-default.h"
  sed -i 's/__builtin_ia32_rdseed_si_step/__builtin_ia32_rdseed32_step/' "$build/gcc/libstdc++-v3/src/c++11/random.cc"
  (
    cd "$build/gcc/build"
    machine=$(sh ../config.guess)
    # configure's own test of thread-local variables fails with clang.
    gcc_cv_have_tls=yes CFLAGS="$sanitizer -fPIC" CXXFLAGS="$sanitizer -fPIC -fsized-deallocation -mrdseed -mrdrnd" \
      ../libstdc++-v3/configure --build="$machine" --host="$machine" --target="$machine" --disable-multilib \
      --disable-libstdcxx-pch
    sed -i 's/-gno-as-loc-support//' src/c++11/Makefile
    make -j "$jobs" all
  )
}

make_zlib() {
  rm -rf "$build/zlib"
  cp -r "$zlib" "$build/zlib"
  (cd "$build/zlib" && CFLAGS="$sanitizer -fPIC" ./configure --static && make -j "$jobs" libz.a)
}

library=$build/gcc/build/src/.libs/libstdc++.a
if [ ! -e "$library" ]; then
  echo "==> building libstdc++; what it says is in $build/gcc.log" >&2
  make_standard_library >"$build/gcc.log" 2>&1
fi
if [ ! -e "$build/zlib/libz.a" ]; then
  echo "==> building zlib; what it says is in $build/zlib.log" >&2
  make_zlib >"$build/zlib.log" 2>&1
fi
if [ ! -e "$build/build.ninja" ]; then
  cmake --preset memory -B "$build" -D CMAKE_CXX_COMPILER="$CXX" -D CMAKE_C_COMPILER="$CC" \
    -D ZLIB_LIBRARY="$build/zlib/libz.a" -D ZLIB_INCLUDE_DIR="$build/zlib" \
    -D CMAKE_EXE_LINKER_FLAGS=-nostdlib++ -D CMAKE_CXX_STANDARD_LIBRARIES="$library -lm" >&2
fi
cmake --build "$build" -j "$jobs" >&2
if [ -z "${MIEN_ISA:-}" ] && grep -qs amx_bf16 /proc/cpuinfo; then export MIEN_ISA=avx512; fi
MSAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer)
export MSAN_SYMBOLIZER_PATH
ctest --test-dir "$build" --output-on-failure -j "$jobs" -LE 'consumer|docs' "$@"
