#!/bin/sh
# Installs the Debian or Ubuntu packages that mien's tests and examples need, those that are missing only.
#   examples/install_packages.sh            what building and testing needs
#   examples/install_packages.sh NAME...    these packages instead
# Asks apt-get for nothing when nothing is missing.
set -eu

if [ $# -eq 0 ]; then
  set -- g++ cmake ninja-build libeigen3-dev doctest-dev libbenchmark-dev libstb-dev nlohmann-json3-dev libcli11-dev \
         zlib1g-dev libjpeg-dev libpng-dev pkg-config libavdevice-dev libavformat-dev libavcodec-dev libswscale-dev \
         libopenmpi-dev openmpi-bin
fi

if command -v dpkg-query >/dev/null 2>&1; then
  missing=
  for package in "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
  done

  if [ -n "$missing" ]; then
    if [ "$(id -u)" -eq 0 ]; then
      as_root=
    elif command -v sudo >/dev/null 2>&1 && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
      as_root=sudo
    else
      echo "These packages are missing, and installing them needs root, or sudo:" >&2
      echo "  apt-get install$missing" >&2
      exit 1
    fi
    echo "==> installing$missing" >&2
    install_missing() {
      # shellcheck disable=SC2086  # a list of words on purpose
      $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=120 install $missing >"$log" 2>&1
    }
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # The package lists of a fresh system are empty or old; renew them only if they do not do.
    if ! install_missing && ! { $as_root apt-get -qq update >"$log" 2>&1 && install_missing; }; then
      cat "$log" >&2
      echo "These packages could not be installed:$missing" >&2
      exit 1
    fi
  fi
else
  echo "This is neither Debian nor Ubuntu, so nothing is installed; needed are the counterparts of: $*" >&2
fi

if ! command -v cmake >/dev/null 2>&1; then
  echo "cmake is not to be found; mien needs 3.25 or newer." >&2
  exit 1
fi
version=$(cmake --version | sed -n '1s/^cmake version \([0-9]*\.[0-9]*\).*/\1/p')
if [ "${version%%.*}" -lt 3 ] || { [ "${version%%.*}" -eq 3 ] && [ "${version#*.}" -lt 25 ]; }; then
  echo "cmake $version is too old; mien needs 3.25 or newer, as in Debian 12, Ubuntu 24.04 and later." >&2
  exit 1
fi
