#!/usr/bin/env bash
# Runs a function with cargo-lambda's emulator by the commands of docs/how-to/run-a-function-alone.md, on the table and keys of a
# stack that is started here, and sends it a request and an event.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
"$root/tests/build.sh"
source "$root/tests/parts.sh"
venv "$tools" "${tools_packages[@]}"
export PATH=$parts/$tools/bin:$PATH

(cd "$folder" && exec "$CARGO_TARGET_DIR/debug/signet" --listen 127.0.0.1:0 > signet.log 2>&1) &
started+=($!)
for _ in $(seq 100); do [ -e "$folder/.signet/local.json" ] && break; sleep 0.1; done

# Prints one of the page's blocks that are marked for this script. They run in the repository, as on the page, except for the
# stack's directory and the ports.
port=$(free_port)
block() {  # NUMBER
  awk -v number="$1" '
    inside && /^```$/ { exit }
    inside { print }
    /^```bash$/ && marked && ++found == number { inside = 1 }
    { marked = /^<!-- run by tests\/watch\.sh -->$/ }' "$root/docs/how-to/run-a-function-alone.md" |
    sed "s#\.signet#$folder/.signet#; s#\$PWD/##; s#lambda watch#& --invoke-port $port#; s#lambda invoke#& --invoke-port $port#; s#:9000/#:$port/#"
}
block 1 > "$folder/watch.sh"
block 2 > "$folder/invoke.sh"
grep -q "cargo lambda watch" "$folder/watch.sh"
grep -q "cargo lambda invoke" "$folder/invoke.sh"
(cd "$root" && exec setsid bash "$folder/watch.sh" > "$folder/watch.log" 2>&1) &
watch=$!
end() { kill -- -"$watch" 2> /dev/null || true; clean; }
trap end EXIT
for _ in $(seq 600); do answers "http://127.0.0.1:$port" && break; sleep 0.5; done

# The first request builds the function. Both commands print the public signing keys.
trap 'tail -n 30 "$folder"/*.log >&2' ERR
(cd "$root" && timeout 1800 bash -e "$folder/invoke.sh") > "$folder/invoke.log"
grep -q '"kid"' "$folder/invoke.log"
grep -q 'statusCode.*kid' "$folder/invoke.log"
echo "cargo lambda watch: ok"
