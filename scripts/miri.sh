#!/usr/bin/env bash
# Miri on the buffers and the framing: undefined behaviour in what touches a client's bytes.
#   scripts/miri.sh [words of a test's name …]     default: buffers, framing, digits
# Miri is a part of nightly compilers; without one, rustup installs it. Two minutes; the other tests
# of http:: take hours under it.
set -euo pipefail
cd "$(dirname "$0")/.."

names=("$@")
[ ${#names[@]} -gt 0 ] || names=(buf:: http::tests::framing http::tests::digits)

if ! cargo +nightly miri --version >/dev/null 2>&1; then
  command -v rustup >/dev/null || { echo "no Miri here, and no rustup to install it" >&2; exit 1; }
  rustup toolchain install nightly --profile minimal --component miri --component rust-src
fi
# What a shard shares lives until the process ends: it is leaked on purpose.
export MIRIFLAGS="-Zmiri-ignore-leaks -Zmiri-disable-isolation"
exec cargo +nightly miri test --quiet --locked --target-dir target/miri --package ringway-proxy --lib -- \
  "${names[@]}"
