#!/usr/bin/env bash
# Tests the integrations of examples/stripe and examples/notify against a local server. Needs Python 3.9 or later.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
"$root/tests/build.sh"
export SIGNET=$target/debug/signet PYTHONDONTWRITEBYTECODE=1
cd "$root/examples"
failed=0
for example in stripe notify; do
  echo "examples: $example"
  python3 -W error::ResourceWarning -m unittest discover "$example" || failed=1
done
exit $failed
