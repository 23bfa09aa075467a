#!/bin/sh
# Builds mien for the GPU of this machine, checks it there, and measures it. See --help.
set -eu

usage() {
  cat <<'TEXT'
usage: tests/gpu.sh [--out FOLDER] [--quick] [cmake options]

On a machine with a GPU of NVIDIA's and the CUDA Toolkit: compiles the kernels for that GPU, runs the list of operations,
devices and networks against the CPU (tests/parity), runs it again under compute-sanitizer, and runs the benchmarks.
Packages are not installed; CMake has to find Eigen, doctest and Google Benchmark (-D CMAKE_PREFIX_PATH=...).

  --out FOLDER   where results go: parity.txt, sanitizer.txt, benchmarks.json, device.txt (default build/gpu/results)
  --quick        no compute-sanitizer and no benchmarks
  others         for CMake, as -D MIEN_CUDNN=ON

environment:
  JOBS   how many things to do at once; one a processor by default
TEXT
}

cd "$(dirname "$0")/.."
out=build/gpu/results
quick=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --out) [ $# -ge 2 ] || { usage >&2; exit 2; }; out=$2; shift 2 ;;
    --quick) quick=yes; shift ;;
    -D | -D*) break ;;
    *) echo "tests/gpu.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
done
mkdir -p "$out"
out=$(cd "$out" && pwd)

if ! command -v nvidia-smi >/dev/null 2>&1; then
  echo "tests/gpu.sh: there is no nvidia-smi, so no GPU to test on" >&2
  exit 1
fi
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory --format=csv >"$out/device.txt"
cat "$out/device.txt"

jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
echo "==> building"
cmake -S . -B build/gpu -D CMAKE_BUILD_TYPE=Release -D MIEN_CUDA=ON -D CMAKE_CUDA_ARCHITECTURES=native \
  -D MIEN_BUILD_EXAMPLES=OFF "$@"
cmake --build build/gpu -j "$jobs" --target test_parity_gpu gpu_operations

failed=
echo "==> parity"
build/gpu/tests/test_parity_gpu >"$out/parity.txt" 2>&1 || failed="parity"
tail -n 20 "$out/parity.txt"

if [ -z "$quick" ]; then
  : >"$out/sanitizer.txt"
  for tool in memcheck racecheck synccheck initcheck; do
    echo "==> compute-sanitizer: $tool"
    echo "== $tool" >>"$out/sanitizer.txt"
    compute-sanitizer --tool "$tool" --error-exitcode 9 build/gpu/tests/test_parity_gpu \
      --test-case-exclude='*a call that fails*,*cannot be recorded*' >>"$out/sanitizer.txt" 2>&1 || failed="$failed $tool"
    tail -n 4 "$out/sanitizer.txt"
  done
  echo "==> benchmarks"
  build/gpu/bench/gpu_operations --benchmark_repetitions=5 --benchmark_report_aggregates_only=true \
    --benchmark_out="$out/benchmarks.json" --benchmark_out_format=json || failed="$failed benchmarks"
fi

if [ -n "$failed" ]; then
  echo "==> failed: $failed    (results: $out)" >&2
  exit 1
fi
echo "==> all passed    (results: $out)"
