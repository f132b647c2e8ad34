#!/usr/bin/env bash
# Runs the Rust tests, with arguments as for `cargo test`, and prints the ten slowest. The test harness reports times only
# with its unstable options; the variable is set for the test binaries, not for cargo, which would rebuild everything.
# Documentation tests have no times, so they are left out.
set -euo pipefail
host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${host}_RUNNER=env RUSTC_BOOTSTRAP=1"
output=$(mktemp)
trap 'rm -f "$output"' EXIT
cargo test --tests "$@" -- -Z unstable-options --report-time | tee "$output"
echo "The ten slowest tests, in seconds:"
sed -nE 's/^test (.*) \.\.\. ok <([0-9.]+)s>$/\2 \1/p' "$output" | sort -rn | head -n 10
