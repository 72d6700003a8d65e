#!/usr/bin/env bash
# What needs no running server: format, lints, documents, dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "format"
cargo fmt --all --check

step "clippy, warnings are errors"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "documents, broken links are errors"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet

step "dependencies: bans, licences, sources"
if ! command -v cargo-deny >/dev/null; then
  cargo install cargo-deny --locked --quiet
fi
cargo deny --all-features check --config scripts/deny.toml bans licenses sources

step "dependencies: advisories, where their database can be reached"
if ! cargo deny --all-features check --config scripts/deny.toml advisories 2>target/advisories.log; then
  if grep -qE 'failed to (fetch|clone|acquire)|error sending request|Could not resolve' target/advisories.log; then
    echo "the advisory database cannot be reached from here: not checked"
  else
    cat target/advisories.log
    exit 1
  fi
fi
