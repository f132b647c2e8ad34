#!/usr/bin/env bash
# Runs a function by cargo-lambda's emulator with the lines of ARCHITECTURE.md, on the table and keys of a stack that is started
# here, and asks it over its URL and by an event.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
cargo build --manifest-path "$root/Cargo.toml" -p signet-local
source "$root/tests/parts.sh"
venv "$tools" "${tools_packages[@]}"
export PATH=$parts/$tools/bin:$PATH

(cd "$folder" && exec "$CARGO_TARGET_DIR/debug/signet" --listen 127.0.0.1:0 > signet.log 2>&1) &
started+=($!)
for _ in $(seq 100); do [ -e "$folder/.signet/local.json" ] && break; sleep 0.1; done

# The section's first block, in the repository as there, but for where the stack keeps its folder and which ports are free.
port=$(free_port)
awk '/^## Running a function alone/ { here = 1 } here && /^```$/ { exit } here && shell; /^```sh/ { shell = here }' \
  "$root/ARCHITECTURE.md" | sed "s#\.signet#$folder/.signet#; s#\$PWD/##; s#watch#watch --invoke-port $port#" > "$folder/lines.sh"
grep -q "cargo lambda watch" "$folder/lines.sh"
(cd "$root" && exec setsid bash "$folder/lines.sh" > "$folder/watch.log" 2>&1) &
watch=$!
end() { kill -- -"$watch" 2> /dev/null || true; clean; }
trap end EXIT
url=http://127.0.0.1:$port/lambda-url/discovery
for _ in $(seq 600); do answers "http://127.0.0.1:$port" && break; sleep 0.5; done

# The first request has the function built.
ask() { curl -sS --fail-with-body --max-time 900 "$url$1"; }
ask /.well-known/jwks.json | grep -q '"kid"' || { tail -n 30 "$folder"/*.log >&2; exit 1; }
(cd "$root" && cargo lambda invoke discovery --invoke-port "$port" --data-file events/get_well_known_jwks_json.json) |
  grep -q kid || { tail -n 30 "$folder"/*.log >&2; exit 1; }
echo "cargo lambda watch: ok"
