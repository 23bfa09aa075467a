#!/bin/sh
# Runs a program for long, and looks at its memory and open files. See --help.
set -eu

usage() {
  cat <<'TEXT'
usage: tests/soak.sh [--seconds N] [--every N] [--growth MB] program [its options...]

Runs a program, looks at its resident memory (VmRSS) and its open files in /proc, and prints the means over six equal
parts of the time, and the greatest of all. A program that is still at work after so many seconds is asked to end, as by
Ctrl-C. What the program itself says goes to standard error.

  --seconds N   how long it may run; 3600 by default
  --every N     seconds from look to look; 10 by default
  --growth MB   by how much the last part's mean memory may exceed the second part's, and how many more files may be
                open; without it, numbers are printed and not judged

Ends with 1 if the program failed or grew, with 2 if an option is wrong. Linux only.
TEXT
}

seconds=3600
every=10
growth=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --seconds | --every | --growth)
      case ${2-} in
        '' | *[!0-9]*) echo "$1 takes a whole number, not \`${2-}\`" >&2; exit 2 ;;
      esac
      case $1 in
        --seconds) seconds=$2 ;;
        --every) every=$2 ;;
        --growth) growth=$2 ;;
      esac
      shift 2
      ;;
    -*) echo "no such option: $1 (see --help)" >&2; exit 2 ;;
    *) break ;;
  esac
done
if [ $# = 0 ]; then echo "which program? (see --help)" >&2; exit 2; fi
if [ "$every" = 0 ]; then echo "--every takes a whole number from 1" >&2; exit 2; fi
if [ ! -d /proc/self/fd ]; then echo "there is no /proc here" >&2; exit 1; fi

looks=$(mktemp)
trap 'rm -f "$looks"' EXIT

# A shell has programs in the background ignore Ctrl-C.
env --default-signal=INT "$@" >&2 &
process=$!
trap 'kill -INT "$process" 2>/dev/null || true' INT TERM

begun=$(date +%s)
asked=no
while kill -0 "$process" 2>/dev/null; do
  sleep "$every" || true
  memory=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$process/status" 2>/dev/null || true)
  files=$(find "/proc/$process/fd" -mindepth 1 2>/dev/null | wc -l)
  # One that has just ended has no memory.
  if [ "$asked" = no ] && [ -n "$memory" ]; then echo "$memory $files" >>"$looks"; fi
  if [ "$asked" = no ] && [ $(($(date +%s) - begun)) -ge "$seconds" ]; then
    asked=yes
    kill -INT "$process" 2>/dev/null || true
  fi
done
code=0
wait "$process" || code=$?
if [ "$asked" = yes ] && [ "$code" = 130 ]; then code=0; fi

awk -v growth="$growth" -v code="$code" '
  { memory[NR] = $1 / 1024; files[NR] = $2 }
  END {
    if (NR < 12) { print "only " NR " looks: too few to say anything"; exit 1 }
    print "part   memory, MB   greatest   open files, greatest"
    for (part = 0; part < 6; ++part) {
      sum = count = greatest = most = 0
      for (i = int(NR * part / 6) + 1; i <= int(NR * (part + 1) / 6); ++i) {
        sum += memory[i]; ++count
        if (memory[i] > greatest) greatest = memory[i]
        if (files[i] > most) most = files[i]
      }
      mean[part] = sum / count; open[part] = most
      printf "%4d %12.1f %10.1f %22d\n", part + 1, mean[part], greatest, most
    }
    printf "%d looks; the program ended with %d\n", NR, code
    if (code != 0) exit 1
    if (growth != "" && mean[5] - mean[1] > growth) { print "memory grew"; exit 1 }
    if (growth != "" && open[5] - open[1] > growth) { print "open files grew"; exit 1 }
  }' "$looks"
