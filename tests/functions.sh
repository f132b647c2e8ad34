#!/usr/bin/env bash
# Runs tests/tests/functions: the function binaries with the events in events/, and with incomplete configurations. Needs no
# network.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
tests/build.sh
export SIGNET_TEST_FUNCTIONS=${CARGO_TARGET_DIR:-$root/target}/debug
cargo test --workspace --test functions -- --ignored
echo "function tests: ok"
