#!/bin/sh
# Builds mien for the GPU of this machine, checks it there, and measures it. See --help.
set -eu

usage() {
  cat <<'TEXT'
usage: tests/gpu.sh [--only STEPS] [--out FOLDER] [--seconds N] [cmake options]
       tests/gpu.sh --bundle

On a machine with a GPU of NVIDIA's and the CUDA Toolkit, these steps one after the other:

  build        the programs of the other steps, for this GPU; what does not compile stops none of the others
  parity       operations, devices and networks against the CPU (tests/parity)
  benchmarks   bench/gpu_operations
  pytorch      bench/compare_gpu.py: the same work in PyTorch, eager and compiled
  training     ACCM on examples/data/joints_social and a small SISTCM on examples/data/faces_diffusionfer, on the CPU and
               on the GPU, which has to come to the CPU's accuracy
  sanitizer    the parity list under compute-sanitizer: memcheck, racecheck, synccheck and initcheck, all four at once;
               last, because it takes all the time that there is

A step that fails, or takes longer than its limit, is noted, and the next one runs. At the end come a table of the steps
and the main figures; everything lies in one folder: steps.txt, a .txt for each step, benchmarks.json, pytorch.json and
pytorch.md, device.txt.

  --only STEPS    these alone, as in --only build,parity; without build, what an earlier call has built
  --out FOLDER    where results go (default build/gpu/results)
  --seconds N     all ends within that time (default 570)
  others          for CMake, as -D MIEN_CUDNN=ON

Packages are not installed. For a machine that has CUDA, CMake and PyTorch alone,

  --bundle        puts Eigen, doctest, Google Benchmark, nlohmann-json, CLI11, stb and zlib into build/gpu-packages, on a
                  Debian or Ubuntu machine of the same processor's kind, to be copied along with the tree: where that
                  folder is, CMake looks there first

environment:
  JOBS     how many things to compile at once; one a processor by default
  PYTHON   the interpreter that has PyTorch; python3 by default
TEXT
}

wrong() {
  echo "tests/gpu.sh: $1" >&2
  echo "Run with --help for more information." >&2
  exit 2
}

cd "$(dirname "$0")/.."
build=build/gpu
packages=build/gpu-packages

# Libraries are copied under all their names, because links do not survive every way of copying.
bundle() {
  examples/install_packages.sh
  rm -rf "$packages"
  mkdir -p "$packages"
  {
    dpkg -L libeigen3-dev doctest-dev libbenchmark-dev nlohmann-json3-dev libcli11-dev zlib1g-dev |
      grep -E '^/usr/(include/|lib/|share/(eigen3/)?cmake/)' | grep -vE '/eigen3/unsupported|/pkgconfig|/libz\.so'
    dpkg -L libstb-dev | grep -E '/stb_image(_write)?\.h$'
    find -L /usr/lib -name 'libbenchmark.so*' 2>/dev/null
  } | sort -u | while read -r file; do
    if [ -f "$file" ]; then echo "${file#/usr/}"; fi
  done | tar -chf - -C /usr -T - | tar -xf - -C "$packages"
  du -sh "$packages"
}

out=$build/results
seconds=570
steps="build parity benchmarks pytorch training sanitizer"
chosen=$steps
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --bundle) [ $# -eq 1 ] || wrong "--bundle goes alone"; bundle; exit 0 ;;
    --only) [ $# -ge 2 ] || wrong "--only needs steps"; chosen=$(echo "$2" | tr ',' ' '); shift 2 ;;
    --out) [ $# -ge 2 ] || wrong "--out needs a folder"; out=$2; shift 2 ;;
    --seconds) [ $# -ge 2 ] || wrong "--seconds needs a number"; seconds=$2; shift 2 ;;
    -D | -D*) break ;;
    *) wrong "unknown option $1" ;;
  esac
done
case $seconds in '' | *[!0-9]*) wrong "--seconds $seconds is no number" ;; esac
for step in $chosen; do
  case " $steps " in *" $step "*) ;; *) wrong "unknown step $step; there are: $steps" ;; esac
done
is_chosen() { case " $chosen " in *" $1 "*) ;; *) return 1 ;; esac; }

now() { date +%s; }
deadline=$(($(now) + seconds))
mkdir -p "$out"
out=$(cd "$out" && pwd)
: >"$out/steps.txt"

if ! command -v nvidia-smi >/dev/null 2>&1; then
  echo "tests/gpu.sh: there is no nvidia-smi, so no GPU to test on" >&2
  exit 1
fi
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory --format=csv >"$out/device.txt"
cat "$out/device.txt"

# --- how steps run ---------------------------------------------------------------------------------------------------

# note NAME SECONDS RESULT
note() { printf '%-24s %5s s  %s\n' "$1" "$2" "$3" | tee -a "$out/steps.txt"; }

# The time that a step has: its own limit, or what is left of all.
allowed() {
  left=$((deadline - $(now)))
  if [ "$1" -lt "$left" ]; then echo "$1"; else echo "$left"; fi
}

# run NAME LIMIT LOG COMMAND...: what it says goes to the end of LOG, how it ended to the table.
run() {
  name=$1 limit=$(allowed "$2") log=$3
  shift 3
  if [ "$limit" -lt 5 ]; then
    note "$name" 0 "not run: no time left"
    return 1
  fi
  begin=$(now)
  code=0
  timeout -k 10 "$limit" "$@" >>"$log" 2>&1 || code=$?
  case $code in
    0) result=passed ;;
    124 | 137) result="stopped: it had $limit s" ;;
    *) result="failed with code $code: $log" ;;
  esac
  note "$name" $(($(now) - begin)) "$result"
  return "$code"
}

# --- the steps -------------------------------------------------------------------------------------------------------

parity=$build/tests/test_parity_gpu
operations=$build/bench/gpu_operations
train_gesture=$build/examples/train_gesture
train_face=$build/examples/train_face

build_programs() {
  : >"$out/build.txt"
  if [ ! -f "$build/CMakeCache.txt" ] && command -v ninja >/dev/null 2>&1; then
    export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"
  fi
  if [ -d "$packages" ]; then set -- -D CMAKE_PREFIX_PATH="$PWD/$packages" "$@"; fi
  run configure 60 "$out/build.txt" cmake -S . -B "$build" -D CMAKE_BUILD_TYPE=Release -D MIEN_CUDA=ON -D MIEN_COMPILED=ON \
    -D CMAKE_CUDA_ARCHITECTURES=native "$@" || return 0
  if [ -f "$build/build.ninja" ]; then on="-k 0"; else on=-k; fi
  # What an earlier call has built must not pass for what this one has.
  rm -f "$parity" "$operations" "$train_gesture" "$train_face"
  # shellcheck disable=SC2086  # two words, or one
  run build 300 "$out/build.txt" cmake --build "$build" -j "${JOBS:-$(nproc 2>/dev/null || echo 2)}" \
    --target test_parity_gpu gpu_operations train_gesture train_face -- $on || true
}

# is_built NAME PROGRAM
is_built() {
  if [ -x "$2" ]; then return 0; fi
  note "$1" 0 "not run: $2 was not built"
  return 1
}

run_parity() {
  is_built parity "$parity" || return 0
  : >"$out/parity.txt"
  run parity 90 "$out/parity.txt" "$parity" || true
  tail -n 3 "$out/parity.txt"
}

# accuracy FOLDER: over all that was tested.
accuracy() {
  sed -n '/"overall"/,$ s/.*"accuracy": *\([0-9.]*\).*/\1/p' "$1/result.json" 2>/dev/null | head -n 1
}

# train NAME LESS PROGRAM ARGUMENTS...: on both devices at once, since times do not matter; the GPU's accuracy may be LESS
# below the CPU's.
train() {
  name=$1 less=$2 program=$3
  shift 3
  is_built "$name" "$program" || return 0
  if ! "$program" --help 2>/dev/null | grep -q -e '--device'; then
    note "$name" 0 "not run: the program knows no --device"
    return 0
  fi
  : >"$out/$name.txt"
  for device in cpu cuda; do
    rm -rf "${build:?}/$name-$device"
    (run "$name on $device" 120 "$out/$name-$device.part" "$program" "$@" --device "$device" \
      --work-dir "$build/$name-$device" || true) &
  done
  wait
  cat "$out/$name-cpu.part" "$out/$name-cuda.part" >"$out/$name.txt" 2>/dev/null || true
  rm -f "$out/$name-cpu.part" "$out/$name-cuda.part"
  cpu=$(accuracy "$build/$name-cpu")
  cuda=$(accuracy "$build/$name-cuda")
  if [ -z "$cpu" ] || [ -z "$cuda" ]; then
    note "$name" 0 "failed: no accuracy to compare"
  elif awk "BEGIN { exit !($cuda >= $cpu - $less) }"; then
    note "$name" 0 "passed: accuracy $cpu on the CPU, $cuda on the GPU"
  else
    note "$name" 0 "failed: accuracy $cpu on the CPU, $cuda on the GPU"
  fi
}

run_training() {
  train gesture 0.05 "$train_gesture" --recordings examples/data/joints_social --folds 5 --by label --no-validation \
    --epochs 30 --batch 16 --learning-rate 3e-3
  train face 0.08 "$train_face" --sheet examples/data/faces_diffusionfer/dataset_sheet.csv \
    --path-column subDirectory_filePath --label-column expression --path-components 2 --extension .jpg \
    --class-names neutral,happy,sad,surprise,fear,disgust,anger --small --side 48 --frames 4 --drift 0.08 \
    --normalisation centred --dropout 0.3 --batch 16 --learning-rate 2e-3 --epochs 6 --no-validation
}

run_benchmarks() {
  is_built benchmarks "$operations" || return 0
  : >"$out/benchmarks.txt"
  rm -f "$out/benchmarks.json"
  run benchmarks 120 "$out/benchmarks.txt" "$operations" --benchmark_out="$out/benchmarks.json" \
    --benchmark_out_format=json || tail -n 5 "$out/benchmarks.txt"
}

run_pytorch() {
  : >"$out/pytorch.txt"
  rm -f "$out/pytorch.json" "$out/pytorch.md"
  limit=$(allowed 180)
  run pytorch "$limit" "$out/pytorch.txt" "${PYTHON:-python3}" bench/compare_gpu.py "$out/benchmarks.json" \
    --seconds "$((limit > 40 ? limit - 30 : 10))" --json "$out/pytorch.json" --markdown "$out/pytorch.md" ||
    tail -n 5 "$out/pytorch.txt"
}

run_sanitizer() {
  is_built sanitizer "$parity" || return 0
  # Beside nvcc where it is not in the PATH.
  sanitizer=$(PATH=$PATH:/usr/local/cuda/bin command -v compute-sanitizer) || {
    note sanitizer 0 "not run: there is no compute-sanitizer"
    return 0
  }
  for tool in memcheck racecheck synccheck initcheck; do
    : >"$out/$tool.txt"
    # A query that finds work not done yet is no error, and what is one throws.
    more=
    if [ "$tool" = memcheck ]; then more="--report-api-errors no"; fi
    # shellcheck disable=SC2086  # two words, or none
    (run "$tool" 300 "$out/$tool.txt" "$sanitizer" --tool "$tool" $more --error-exitcode 9 "$parity" \
      --test-case-exclude='*a call that fails*,*cannot be recorded*' || tail -n 4 "$out/$tool.txt") &
  done
  wait
}

if is_chosen build; then build_programs "$@"; fi
if is_chosen parity; then run_parity; fi
if is_chosen benchmarks; then run_benchmarks; fi
if is_chosen pytorch; then run_pytorch; fi
if is_chosen training; then run_training; fi
if is_chosen sanitizer; then run_sanitizer; fi

# --- what came of it -------------------------------------------------------------------------------------------------

main_figures='^ *(sistcm|super_image|accm|lstm|channel_wise|view_fusion|joint_attention|adam|copy)'
echo
echo "==> steps (results: $out)"
cat "$out/steps.txt"
if is_chosen pytorch && [ -s "$out/pytorch.md" ]; then
  echo
  echo "==> milliseconds of mien, of PyTorch eager and compiled; ratio of the fastest of PyTorch's to mien's"
  grep '^| ' "$out/pytorch.md" | sed 's/^| //; s/PyTorch eager/eager/' | awk -F ' *[|] *' -v main="^work|$main_figures" \
    '$1 ~ main { printf "%-32s %-9s %-16s %10s %10s %10s %7s\n", $1, $2, $3, $4, $5, $6, $7 }'
elif is_chosen benchmarks && [ -s "$out/benchmarks.txt" ]; then
  echo
  echo "==> milliseconds of mien"
  grep -E "$main_figures" "$out/benchmarks.txt" | sed 's,/iterations:[0-9]*/manual_time,,' | awk '{ print $1, $2, $3 }'
fi
! grep -qE ' s  (failed|stopped|not run)' "$out/steps.txt"
