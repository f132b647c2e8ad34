#!/usr/bin/env bash
# Tests the example verifiers and apps of examples/verify in Node (jose), Python (PyJWT, jwcrypto), Rust (jsonwebtoken) and Java
# (the JDK). The verifiers read the published test vectors, and tokens of a stack that has been stopped: verification needs no
# network. The apps run against a stack through a proxy. `cargo test` runs the Rust verifier against the test vectors.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
"$root/tests/build.sh"
# What was downloaded stays for the next run.
work=$target/interop
mkdir -p "$work"
rm -rf "$work"/{run,node,python,java}

cp -r "$root"/examples/verify/{node,python,java} "$work"
rm -rf "$work/java/target" "$work/node/node_modules"
(cd "$work/node" && npm ci --silent --no-audit --no-fund)
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check -r "$work/python/requirements.txt"
mvn -B -q -Dmaven.repo.local="$work/maven" -f "$work/java/pom.xml" compile

mkdir "$work/run"
cd "$work/run"
cp "$root"/tests/interop/*.{mjs,py,java} .
classes="../java/target/classes:../java/target/lib/*"
javac -cp "$classes" -d . Vectors.java
python=$work/venv/bin/python
export PYTHONPATH=$work/python PYTHONDONTWRITEBYTECODE=1
# A proxy that is configured in the environment must not be used for this machine.
export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1

"$python" live_vectors.py "$target/debug/signet" live
node vectors.mjs "$root/tests/vectors" live
"$python" vectors.py "$root/tests/vectors" live
java -cp "$classes:." Vectors "$root/tests/vectors" live

"$python" app_scenarios.py "$target/debug/signet" "$target/debug/verify-example"
