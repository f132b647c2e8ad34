#!/usr/bin/env bash
# Runs tests/tests/functions: the real binaries of the functions, on the events of events/ and in environments that lack
# something. Nothing has to be fetched, and nothing leaves the machine.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
# With a test among them, the binaries are of the crates that `cargo test --workspace` has built already.
cargo build --workspace --bins --test functions
export SIGNET_TEST_FUNCTIONS=${CARGO_TARGET_DIR:-$root/target}/debug
cargo test --workspace --test functions -- --ignored
echo "the functions: ok"
