#!/bin/sh
# Shows what mien does, on real data, from a fresh clone. See --help.
set -eu

usage() {
  cat <<'TEXT'
usage: examples/demo.sh [--work-dir FOLDER] [--again] [--help]

Installs what is missing (Debian 12 and Ubuntu 24.04, or newer), builds four programs in build/demo, and then

  1. trains ACCM on the joint recordings of examples/data/joints_social, and prints its accuracy on held-out recordings
     beside the nearest neighbour's;
  2. trains SISTCM-ResNet18 on the faces of examples/data/faces_diffusionfer. They are single pictures: each is made a
     clip by a moving crop, so the motion is ours;
  3. runs it over the frames of examples/data/videos/WolfgangLanger_Pexels.mp4 and prints the emotion over time;
  4. writes one HTML page with curves, mistakes, attention and the film's timeline.

Takes minutes the first time, within ten on two cores. A second run shows what the first one made.

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
examples/install_packages.sh ffmpeg

echo "==> building with $jobs jobs (minutes the first time, seconds later)"
quietly cmake --preset release -B "$build" -D MIEN_BUILD_TESTS=OFF -D MIEN_BUILD_BENCHMARKS=OFF -D MIEN_BUILD_EXAMPLES=ON
quietly cmake --build "$build" -j "$jobs" --target train_gesture train_face recognise report_demo
programs=$build/examples

# What is finished is not done again; what was cut off goes on where it stopped.
finished() { [ -z "$again" ] && [ -f "$1" ]; }
resume() { if [ -z "$again" ] && [ -f "$1/last.safetensors" ]; then echo --resume; fi; }

gesture=$work/gesture
face=$work/face
frames=$work/frames
mkdir -p "$gesture" "$face"

echo
echo "==> 1. gestures from body joints (joints_social, ACCM)"
if ! finished "$gesture/result.txt"; then
  # shellcheck disable=SC2046  # no word, or one
  "$programs/train_gesture" --recordings examples/data/joints_social --test-share 0.2 --epochs 60 --baseline \
    --work-dir "$gesture" $(resume "$gesture") >"$gesture/result.part"
  mv "$gesture/result.part" "$gesture/result.txt"
fi
cat "$gesture/result.txt"

echo
echo "==> 2. emotions from faces (faces_diffusionfer, SISTCM-ResNet18; clips by a moving crop, the motion is ours)"
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
echo "==> 3. emotion over time in a film (WolfgangLanger_Pexels.mp4, the face's crop set by hand)"
crop=300,40,300,300
if ! finished "$work/recognised.csv"; then
  if ! finished "$frames/complete"; then
    mkdir -p "$frames"
    ffmpeg -nostdin -v error -y -i examples/data/videos/WolfgangLanger_Pexels.mp4 -q:v 3 "$frames/%05d.jpg"
    : >"$frames/complete"
  fi
  "$programs/recognise" "$frames" --model "$face/model.safetensors" --crop "$crop" --frames 24 --step 12 \
    >"$work/recognised.part"
  mv "$work/recognised.part" "$work/recognised.csv"
fi
awk -F, 'NR == 1 { for (i = 5; i <= NF; ++i) { name[i] = $i; sub(/^probability_/, "", name[i]) } next }
  { best = 5; for (i = 6; i <= NF; ++i) if ($i > $best) best = i
    printf "%6.1f s  %-10s %3d %%  ", ($2 + $3) / 2 / 23.976, $4, 100 * $best
    for (i = 0; i < 40 * $best; ++i) printf "#"
    print "" }' "$work/recognised.csv"

echo
echo "==> 4. the report"
"$programs/report_demo" --gesture "$gesture" --face "$face" --recognised "$work/recognised.csv" \
  --film-frames "$frames" --crop "$crop" --frame-rate 23.976 --command "examples/demo.sh" --output "$work/report.html" \
  >/dev/null
echo "open $work/report.html in a browser"
