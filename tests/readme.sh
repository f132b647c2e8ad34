#!/usr/bin/env bash
# Runs the README's round trip as it is written, with what its next two chapters do in the same shell: every bash block, in
# order, in a folder of its own beside a stack in memory. Fails where a line fails.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cargo build --manifest-path "$root/Cargo.toml" -p signet-local
folder=$(mktemp -d)
signet=
clean() {
  if [ -n "$signet" ]; then kill "$signet" && wait "$signet" || true; fi
  rm -rf "$folder"
}
trap clean EXIT

cd "$folder"
awk '/^## / { inside = ($0 == "## The round trip" || $0 == "## Verify in your app" || $0 == "## The life of a license key") }
     /^```/ { bash = inside && $0 == "```bash"; next }
     bash' "$root/README.md" > trip.sh
[ -s trip.sh ] || { echo "the README has no round trip" >&2; exit 1; }

"${CARGO_TARGET_DIR:-$root/target}/debug/signet" --memory --listen 127.0.0.1:0 > signet.out 2> signet.err &
signet=$!
for _ in $(seq 100); do
  [ -e .signet/local.json ] && break
  kill -0 "$signet" 2> /dev/null || { cat signet.err >&2; exit 1; }
  sleep 0.1
done

# Who runs this may have a proxy; it is not for this machine.
export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1
if ! bash -c 'set -Eeuo pipefail; trap "echo; echo \"README.md fails at: \$BASH_COMMAND\" >&2" ERR; . ./trip.sh' > trip.out; then
  tail -n 2 trip.out >&2
  exit 1
fi
# What the last lines are there to show.
grep -q '"product": "orbit-[0-9]*", "root_keys": *\[{' built-in.json || { echo "built-in.json has no root keys" >&2; exit 1; }
for shown in '"valid":true' '"code":"generation_outdated"' '"ok":true' '"code":"revoked"'; do
  grep -qF "$shown" trip.out || { echo "the README's round trip does not show $shown" >&2; cat trip.out >&2; exit 1; }
done
echo "the README's round trip: ok"
