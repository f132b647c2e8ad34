#!/usr/bin/env bash
# Builds all binaries. Building a test target along with them selects the same features as `cargo test --workspace`, so that
# every script reuses the dependencies that the tests were built with.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo build --workspace --bins --test functions "$@"
