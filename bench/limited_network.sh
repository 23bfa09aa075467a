#!/bin/sh
# Runs a program as ranks that each have a network of their own, with limited bandwidth: a network namespace each, joined
# by a bridge. Needs root, iproute2 and Open MPI; leaves nothing behind.
#   bench/limited_network.sh RANKS RATE PROGRAM [ARGUMENT...]
#   bench/limited_network.sh 4 200mbit build/release/bench/all_reduce
set -eu

if [ $# -lt 3 ]; then
  echo "usage: $0 RANKS RATE PROGRAM [ARGUMENT...]    RATE as tc has it, such as 200mbit" >&2
  exit 2
fi
ranks=$1
rate=$2
shift 2
tag=mien$$
folder=$(mktemp -d)

clean_up() {
  for rank in $(seq "$ranks"); do ip netns del "$tag-$rank" 2>/dev/null || true; done
  ip link del "$tag" 2>/dev/null || true
  rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

ip link add "$tag" type bridge
ip addr add 10.77.0.254/24 dev "$tag"
ip link set "$tag" up
hosts=
for rank in $(seq "$ranks"); do
  ip netns add "$tag-$rank"
  ip link add "v$rank$tag" type veth peer name eth0 netns "$tag-$rank"
  ip link set "v$rank$tag" master "$tag" up
  ip -n "$tag-$rank" link set lo up
  ip -n "$tag-$rank" addr add "10.77.0.$rank/24" dev eth0
  ip -n "$tag-$rank" link set eth0 up
  # What it sends. What it receives, others send.
  ip netns exec "$tag-$rank" tc qdisc add dev eth0 root tbf rate "$rate" burst 64kb latency 200ms
  hosts="$hosts${hosts:+,}10.77.0.$rank"
done

# Stands for ssh: the last part of the address says which namespace is meant.
cat >"$folder/enter" <<AGENT
#!/bin/sh
host=\$1
shift
exec ip netns exec "$tag-\${host##*.}" sh -c "\$*"
AGENT
chmod +x "$folder/enter"

OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun -n "$ranks" --host "$hosts" --bind-to none \
  --mca plm_rsh_agent "$folder/enter" --mca plm_rsh_no_tree_spawn 1 --mca btl tcp,self \
  --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 "$@"
