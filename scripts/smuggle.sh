#!/usr/bin/env bash
# Where does a request end? Ringway between nginx, HAProxy and a strict origin, release build:
# installs the two, builds, sends some thousand inputs through every topology, prints a table.
#   scripts/smuggle.sh [words of an input's name …]
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || missing+=(haproxy)
if [ "${#missing[@]}" != 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "install these first: ${missing[*]}" >&2
    exit 1
  fi
  sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
fi

scripts/build.sh
exec "${CARGO_TARGET_DIR:-target}/release/smuggle" "$@"
