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

# One of the README's blocks of a language, which are as many as that: LANGUAGE WHICH OF
lines() {
  awk -v fence='```'"$1" -v which="$2" -v of="$3" '$0 == fence { inside = ++found == which; next } /^```/ { inside = 0 } inside
    END { if (found != of) { print "the README has not " of " blocks of " fence > "/dev/stderr"; exit 1 } }' "$root/README.md"
}
cd "$work/run"
lines js 1 2 > verify.mjs
lines js 2 2 > app.mjs
lines python 1 2 > verify.py
lines python 2 2 > app.py
lines java 1 1 > Verifier.java
cp "$root"/tests/interop/*.{mjs,py,java} .

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
# Who runs this may have a proxy; it is not for this machine.
export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1
"$work/venv/bin/python" live.py .signet/local.json live
"$work/venv/bin/python" story.py .signet/local.json "$signet"
# The story's end stops the stack.
wait "$signet" || true
signet=

node vectors.mjs "$root/tests/vectors" live
"$work/venv/bin/python" vectors.py "$root/tests/vectors" live
java -cp "$jackson." Vectors "$root/tests/vectors" live
