#!/usr/bin/env bash
# Runs tests/tests/real against MiniStack (KMS and Secrets Manager) and Amazon's DynamoDB Local.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
# Build first, so that the services do not idle during the build.
"$root/tests/build.sh"
cargo test --manifest-path "$root/Cargo.toml" --workspace --test real --no-run
source "$root/tests/parts.sh"
start_ministack
start_dynamodb
await "$aws" "$dynamodb"
export SIGNET_TEST_MINISTACK=$aws SIGNET_TEST_DYNAMODB=$dynamodb
export SIGNET_TEST_SIGNET=${CARGO_TARGET_DIR:-$root/target}/debug/signet
if ! cargo test --manifest-path "$root/Cargo.toml" --workspace --test real -- --ignored; then
  tail -n 20 "$folder"/*.log >&2
  exit 1
fi
echo "tests against DynamoDB Local and MiniStack: ok"
