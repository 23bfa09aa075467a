#!/bin/sh
# Builds mien's tests, examples and benchmarks, and runs all tests. See --help.
set -eu

usage() {
  cat <<'TEXT'
usage: tests/run.sh [ctest options]

Installs what is missing (Debian 12 and Ubuntu 24.04, or newer), builds everything in build/tests with all warnings on,
and runs the tests. What it is given goes on to ctest:

  tests/run.sh                 all tests
  tests/run.sh -L unit         by label: unit, reference, consumer, docs, slow, or a folder of tests/
  tests/run.sh -LE slow        all but the slow ones
  tests/run.sh -R ops.matmul   by name, a regular expression
  tests/run.sh -N              only list them

environment:
  CXX    another compiler
  JOBS   how many things to do at once; one a processor by default
TEXT
}

for argument in "$@"; do
  case $argument in
    -h | --help) usage; exit 0 ;;
  esac
done

cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
build=build/tests

examples/install_packages.sh

# Quiet when all is well, and everything there is to see when not.
mkdir -p "$build"
log=$build/run.log
quietly() {
  if ! "$@" >"$log" 2>&1; then
    # A failed compilation can say thousands of lines. The first error is the one to read.
    grep -nE -m 5 'error:|Error' "$log" >&2 || true
    echo "..." >&2
    tail -n 60 "$log" >&2
    echo "==> failed: $*    (all of it: $log)" >&2
    return 1
  fi
}

# Newer compilers know more warnings. They are worth reading, but should not keep anybody from running the tests, so
# warnings are errors only with the compiler that the library is developed with.
werror=OFF
if [ "$(${CXX:-g++} -dumpversion 2>/dev/null | cut -d. -f1)" = 12 ]; then werror=ON; fi

echo "==> configuring"
# Eigen's and our own assertions stay. Inner loops are vectors by their own words, so that -O1 runs nearly as fast as -O3,
# and compiles in half the time of -O2.
quietly cmake --preset release -B "$build" -D CMAKE_CXX_FLAGS_RELEASE=-O1 -D MIEN_VIDEO=ON -D MIEN_MPI=ON \
        -D MIEN_WARNINGS_AS_ERRORS="$werror"

echo "==> building with $jobs jobs (minutes the first time, seconds later)"
if [ -t 1 ]; then
  cmake --build "$build" -j "$jobs"
else
  quietly cmake --build "$build" -j "$jobs"
fi

echo "==> testing"
if [ -t 1 ]; then
  exec ctest --test-dir "$build" --progress --output-on-failure -j "$jobs" "$@"
fi
# Into a file or a log, one line a passed test says little: only what did not pass, and the summary.
status_file=$build/run.status
{ ctest --test-dir "$build" --output-on-failure -j "$jobs" "$@" 2>&1; echo $? >"$status_file"; } |
  grep -vE '^ +Start +[0-9]+: |^ *[0-9]+/[0-9]+ Test +#[0-9]+: .* Passed ' || true
exit "$(cat "$status_file")"
