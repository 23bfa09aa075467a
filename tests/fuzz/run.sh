#!/bin/sh
# Fuzzes mien's readers. See --help.
set -eu

usage() {
  cat <<'TEXT'
usage: tests/fuzz/run.sh [--seconds N] [--build FOLDER] [target...]

Builds the fuzz targets with clang, AddressSanitizer and UndefinedBehaviorSanitizer (the CMake preset fuzz), and runs
each of them, or those that are named, one after the other. What a target may throw is mien::Error; anything else, a
leak, more than 512 MB or more than 10 seconds is a find, and ends that target's run.

  --seconds N      how long each of them runs; 60 by default
  --build FOLDER   where to build; build/fuzz by default
  --list           only lists the targets

Prints a table: executions, executions a second, edges of the code that were reached, finds. What was learnt stays in
<build>/runs/<target>/corpus, and the next run begins there; finds lie in <build>/runs/<target>/finds, what libFuzzer
said in <build>/runs/<target>/log. Ends with 1 if there was a find.

A find that is mended goes to tests/fuzz/crashes/<target>, where test_fuzz_replay reads it for good.

environment:
  JOBS   how many compilers to run at once; one a processor by default
TEXT
}

cd "$(dirname "$0")/../.."
seconds=60
build=build/fuzz
names=
list=no
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --list) list=yes ;;
    --seconds | --build)
      if [ $# -lt 2 ]; then echo "$1 needs a value" >&2; exit 2; fi
      if [ "$1" = --build ]; then build=$2; else seconds=$2; fi
      shift
      ;;
    -*) echo "no such option: $1 (see --help)" >&2; exit 2 ;;
    *) names="$names $1" ;;
  esac
  shift
done
case $seconds in
  '' | *[!0-9]* | 0) echo "--seconds takes a whole number from 1, not \`$seconds\`" >&2; exit 2 ;;
esac

known=$(cd tests/fuzz/targets && ls -- *.hpp | sed 's/\.hpp$//')
if [ "$list" = yes ]; then
  echo "$known"
  exit 0
fi
for name in $names; do
  if ! echo "$known" | grep -qx "$name"; then
    echo "no such target: $name (--list lists them)" >&2
    exit 2
  fi
done
if ! command -v clang++ >/dev/null 2>&1; then
  echo "clang++ is missing, and its sanitizers (Debian: clang libclang-rt-dev)" >&2
  exit 1
fi

if [ ! -e "$build/build.ninja" ]; then
  video=OFF
  if pkg-config --exists libavformat libavdevice libswscale 2>/dev/null; then video=ON; fi
  cmake --preset fuzz -B "$build" -D MIEN_VIDEO=$video >&2
fi
if [ -z "$names" ]; then
  names=$known
  if ! grep -q '^MIEN_VIDEO:BOOL=ON' "$build/CMakeCache.txt"; then
    names=$(echo "$known" | grep -vx film)
    echo "without FFmpeg, so without the target film" >&2
  fi
fi
programs=
for name in $names; do programs="$programs fuzz_$name"; done
# shellcheck disable=SC2086  # a list of words on purpose
cmake --build "$build" -j "${JOBS:-$(nproc 2>/dev/null || echo 2)}" --target $programs >&2

# Freed memory is kept for a while to see who still uses it; with the default of 256 MB a limit says little.
export ASAN_OPTIONS="detect_leaks=1:quarantine_size_mb=16${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"

found=0
printf '%-18s %8s %12s %10s %8s %6s\n' target seconds executions 'a second' edges finds
for name in $names; do
  program=$build/tests/fuzz/fuzz_$name
  place=$build/runs/$name
  mkdir -p "$place/corpus" "$place/finds"
  "$program" --prepare="$place" >/dev/null 2>&1
  before=$(ls "$place/finds" | wc -l)
  dictionary=
  if [ -s "$place/dictionary" ]; then dictionary=-dict=$place/dictionary; fi
  "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=512 -max_len=16384 \
    -print_final_stats=1 -artifact_prefix="$place/finds/" $dictionary "$place/corpus" "$place/seeds" \
    >"$place/log" 2>&1 || true
  finds=$(($(ls "$place/finds" | wc -l) - before))
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$place/log")
  rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$place/log")
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$place/log" | tail -n 1)
  spent=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$place/log")
  printf '%-18s %8s %12s %10s %8s %6s\n' "$name" "${spent:--}" "${executions:--}" "${rate:--}" "${edges:--}" "$finds"
  if [ "$finds" -gt 0 ] || [ -z "$spent" ]; then
    found=1
    grep -m 3 -E 'ERROR|SUMMARY|runtime error|what\(\)' "$place/log" | sed 's/^/  /' >&2 || tail -n 5 "$place/log" >&2
  fi
done
exit $found
