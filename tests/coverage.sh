#!/bin/sh
# Says which lines and branches of the headers the tests reach, under sanitizers. See --help.
set -eu

usage() {
  cat <<'TEXT'
usage: tests/coverage.sh [--build FOLDER] [--report] [ctest options]

Builds the tests with clang, AddressSanitizer, UndefinedBehaviorSanitizer and counters (the CMake preset coverage), runs
them all, or those that the options for ctest choose, and writes

  <build>/coverage.txt   a line for each header: its functions, lines and branches, and how many of them were reached
  <build>/coverage/      pages that show each line with how often it ran

and prints the sums. Counts of earlier runs in the same folder are kept; remove <build>/counts to begin anew. Instances
of a template count as one: a line is reached if one of them reaches it. Ends as ctest does.

  --build FOLDER   where to build; build/coverage by default
  --report         only the report, of what ran before

environment:
  JOBS   how many things to do at once; one a processor by default
TEXT
}

cd "$(dirname "$0")/.."
build=build/coverage
report_only=no
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --report) report_only=yes ;;
    --build)
      if [ $# -lt 2 ]; then echo "--build needs a value" >&2; exit 2; fi
      build=$2
      shift
      ;;
    *) break ;;
  esac
  shift
done
for program in clang++ llvm-profdata llvm-cov; do
  if ! command -v "$program" >/dev/null 2>&1; then
    echo "$program is missing (Debian: clang libclang-rt-dev llvm)" >&2
    exit 1
  fi
done
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}

status=0
if [ "$report_only" = no ]; then
  if [ ! -e "$build/build.ninja" ]; then
    video=OFF
    if pkg-config --exists libavformat libavdevice libswscale 2>/dev/null; then video=ON; fi
    cmake --preset coverage -B "$build" -D MIEN_VIDEO=$video >&2
  fi
  cmake --build "$build" -j "$jobs" >&2
  # A file of counts for each program, to which all its runs add.
  LLVM_PROFILE_FILE=$(cd "$build" && pwd)/counts/%m.profraw UBSAN_OPTIONS="print_stacktrace=1" \
    ctest --test-dir "$build" --output-on-failure -j "$jobs" -LE 'consumer|docs' "$@" >&2 || status=$?
fi

if ! ls "$build"/counts/*.profraw >/dev/null 2>&1; then
  echo "$build/counts: found no counts, expected those of a run" >&2
  exit 1
fi
llvm-profdata merge -sparse "$build"/counts/*.profraw -o "$build/counts.profdata"
set --
for program in "$build"/tests/test_*; do
  if [ -f "$program" ] && [ -x "$program" ]; then set -- "$@" -object "$program"; fi
done
shift  # the first program is named without the option
# That a function has other counts than in some program means that this program does not use it.
measured() {
  llvm-cov "$@" -instr-profile="$build/counts.profdata" --ignore-filename-regex='(^/usr/|/tests/|/examples/|/kernels/)' \
    2>"$build/coverage.log"
}
measured report "$@" >"$build/coverage.txt"
measured show "$@" -format=html -output-dir="$build/coverage" >/dev/null
sed -n -e 1p -e '$p' "$build/coverage.txt"
exit "$status"
