#!/bin/sh
# Runs a program with limited memory, the pages of files that the system keeps for it included: in a control group of its
# own, of the first or the second version. Needs root; leaves nothing behind.
#   bench/limited_memory.sh BYTES PROGRAM [ARGUMENT...]
#   bench/limited_memory.sh 512M build/release/bench/large_set --benchmark_filter=batches
set -eu

if [ $# -lt 2 ]; then
  echo "usage: $0 BYTES PROGRAM [ARGUMENT...]    BYTES as control groups have them, such as 512M" >&2
  exit 2
fi
bytes=$1
shift
if [ -d /sys/fs/cgroup/memory ]; then
  group=/sys/fs/cgroup/memory/mien$$
  limit=memory.limit_in_bytes
else
  group=/sys/fs/cgroup/mien$$
  limit=memory.max
fi
mkdir "$group"
trap 'rmdir "$group"' EXIT
trap 'exit 130' INT TERM
echo "$bytes" >"$group/$limit"
# The shell that moves into the group becomes the program.
sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$@"
