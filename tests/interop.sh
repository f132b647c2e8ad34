#!/usr/bin/env bash
# Has foreign libraries check what Signet makes, by the README's own lines: jose on Node, PyJWT and jwcrypto on Python, and
# Java's own cryptography. Each reads the published test vectors, and tokens of a stack that is started here and stopped
# before they are looked at: an app needs no network for that. (The Rust lines are run by the tests of the workspace.)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
cargo build --manifest-path "$root/Cargo.toml" -p signet-local
work=$target/interop
# What the registries gave stays for the next time; the rest is made anew.
rm -rf "$work/run" && mkdir -p "$work/run"
signet=
stop() {
  if [ -n "$signet" ]; then kill "$signet" && wait "$signet" || true; fi
  signet=
}
trap stop EXIT

# The README's only block of a language.
lines() {
  awk -v fence='```'"$1" '$0 == fence { inside = 1; found++; next } /^```/ { inside = 0 } inside
    END { if (found != 1) { print "the README has no one block of " fence > "/dev/stderr"; exit 1 } }' "$root/README.md"
}
cd "$work/run"
lines js > verify.mjs
lines python > verify.py
lines java > Verifier.java
cp "$root"/tests/interop/vectors.mjs "$root"/tests/interop/vectors.py "$root"/tests/interop/Vectors.java .

cp "$root/tests/interop/package.json" "$root/tests/interop/package-lock.json" "$work"
(cd "$work" && npm ci --silent --no-audit --no-fund)
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check -r "$root/tests/interop/requirements.txt"
jackson=$(printf '%s:' /usr/share/java/jackson-{annotations,core,databind}.jar)
javac -cp "$jackson" -d . Verifier.java Vectors.java

"$target/debug/signet" --memory --listen 127.0.0.1:0 > signet.out 2> signet.err &
signet=$!
for _ in $(seq 100); do
  [ -e .signet/local.json ] && break
  kill -0 "$signet" 2> /dev/null || { cat signet.err >&2; exit 1; }
  sleep 0.1
done
"$work/venv/bin/python" "$root/tests/interop/live.py" .signet/local.json live
stop

node vectors.mjs "$root/tests/vectors" live
"$work/venv/bin/python" vectors.py "$root/tests/vectors" live
java -cp "$jackson." Vectors "$root/tests/vectors" live
