#!/usr/bin/env bash
# Builds every program of the workspace, release profile. The scripts that run one build them all:
# `cargo build --package …` would choose other features of the dependencies, and build those again.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo build --quiet --release --locked --workspace --bins
