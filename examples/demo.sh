#!/bin/sh
# Shows what mien does, on real data, from a fresh clone. See --help.
set -eu

usage() {
  cat <<'TEXT'
usage: examples/demo.sh [--work-dir FOLDER] [--again] [--help]

Installs what is missing (Debian 12 and Ubuntu 24.04, or newer), builds three programs in build/demo, and then

  1. reads the film examples/data/videos/WolfgangLanger_Pexels.mp4: finds the face, recognises its expression with the
     networks that come with mien, prints the emotion over time, and writes the film with all of that drawn on it, and a
     page about it;
  2. trains ACCM on the joint recordings of examples/data/joints_social, and prints its accuracy on held-out recordings
     beside the nearest neighbour's;
  3. trains SISTCM-ResNet18 on the faces of examples/data/faces_diffusionfer. They are single pictures: each is made a
     clip by a moving crop, so the motion is ours.

Each leaves a page to open in a browser.

Takes minutes the first time, most of them the compiler's. A second run shows what the first one made.

  --work-dir FOLDER   where everything is written; build/demo/work unless given
  --again             trains again
  --help              this

environment:
  CXX    another compiler
  JOBS   how many things to compile at once; one a processor by default
TEXT
}

wrong() {
  echo "$1" >&2
  echo "Run with --help for more information." >&2
  exit 2
}

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../build/demo
work=
again=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --work-dir) [ $# -ge 2 ] || wrong "--work-dir needs a folder"; work=$2; shift ;;
    --work-dir=*) work=${1#--work-dir=} ;;
    --again) again=yes ;;
    *) wrong "unknown argument: $1" ;;
  esac
  shift
done

[ -n "$work" ] || work=$build/work
mkdir -p "$build" "$work"
build=$(cd "$build" && pwd)
work=$(cd "$work" && pwd)
cd "$here/.."
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}

log=$build/demo.log
quietly() {
  if ! "$@" >"$log" 2>&1; then
    grep -nE -m 5 'error:|Error' "$log" >&2 || true
    tail -n 40 "$log" >&2
    echo "==> failed: $*    (all of it: $log)" >&2
    return 1
  fi
}

examples/install_packages.sh
examples/install_packages.sh libavformat-dev libavcodec-dev libavdevice-dev libswscale-dev

echo "==> building with $jobs jobs (minutes the first time, seconds later)"
quietly cmake --preset release -B "$build" -D MIEN_BUILD_TESTS=OFF -D MIEN_BUILD_BENCHMARKS=OFF -D MIEN_BUILD_EXAMPLES=ON \
  -D MIEN_VIDEO=ON
quietly cmake --build "$build" -j "$jobs" --target recognise train_gesture train_face
programs=$build/examples

# What is finished is not done again; what was cut off goes on where it stopped.
finished() { [ -z "$again" ] && [ -f "$1" ]; }
resume() { if [ -z "$again" ] && [ -f "$1/last.safetensors" ]; then echo --resume; fi; }

film=$work/film
gesture=$work/gesture
face=$work/face
mkdir -p "$film" "$gesture" "$face"

echo
echo "==> 1. emotion over time in a film (WolfgangLanger_Pexels.mp4)"
if ! finished "$film/recognised.csv"; then
  "$programs/recognise" examples/data/videos/WolfgangLanger_Pexels.mp4 --rows clips --frames 24 \
    --video "$film/seen.mp4" --html "$film/report.html" >"$film/recognised.part"
  mv "$film/recognised.part" "$film/recognised.csv"
fi
awk -F, 'NR == 1 { for (i = 1; i <= NF; ++i) { if ($i == "emotion") emotion = i; name[i] = $i } next }
  { best = emotion + 1; for (i = best + 1; i <= NF; ++i) if ($i > $best) best = i
    printf "%6.1f s  %-10s %3d %%  ", ($3 + $4) / 2, $emotion, 100 * $best
    for (i = 0; i < 40 * $best; ++i) printf "#"
    print "" }' "$film/recognised.csv"

echo
echo "==> 2. gestures from body joints (joints_social, ACCM)"
if ! finished "$gesture/result.txt"; then
  # shellcheck disable=SC2046  # no word, or one
  "$programs/train_gesture" --recordings examples/data/joints_social --test-share 0.2 --epochs 60 --baseline \
    --work-dir "$gesture" $(resume "$gesture") >"$gesture/result.part"
  mv "$gesture/result.part" "$gesture/result.txt"
fi
cat "$gesture/result.txt"

echo
echo "==> 3. emotions from faces (faces_diffusionfer, SISTCM-ResNet18; clips by a moving crop, the motion is ours)"
if ! finished "$face/result.txt"; then
  # shellcheck disable=SC2046
  "$programs/train_face" --sheet examples/data/faces_diffusionfer/dataset_sheet.csv \
    --path-column subDirectory_filePath --label-column expression --path-components 2 --extension .jpg \
    --class-names neutral,happy,sad,surprise,fear,disgust,anger \
    --small --side 48 --frames 4 --drift 0.08 --normalisation centred --dropout 0.3 --batch 16 \
    --learning-rate 2e-3 --epochs 12 \
    --work-dir "$face" $(resume "$face") >"$face/result.part"
  mv "$face/result.part" "$face/result.txt"
fi
cat "$face/result.txt"

echo
echo "the film with everything drawn on it: $film/seen.mp4"
echo "pages to open in a browser:"
find "$work" -name report.html | sort
