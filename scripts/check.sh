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
RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --document-private-items --locked --quiet

step "dependencies: bans, licences, sources"
if ! command -v cargo-deny >/dev/null; then
  cargo install cargo-deny --locked --quiet
fi
cargo deny --all-features --log-level error --config scripts/deny.toml check bans licenses sources

step "dependencies: advisories, where their database can be reached"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! cargo deny --all-features --config scripts/deny.toml check advisories 2>"$log"; then
  if grep -qE 'failed to (fetch|clone|acquire)|error sending request|Could not resolve' "$log"; then
    echo "the advisory database cannot be reached from here: not checked"
  else
    cat "$log"
    exit 1
  fi
fi
