#!/usr/bin/env bash
# Lives through the days of operators and customers in a real browser, and looks at every page with axe. Needs Chromium, Node
# 20 or later and npm; what it takes of npm is fetched into the target folder.
#
#   tests/browser.sh                the tests
#   tests/browser.sh FILE…          some of them, as in operator.test.mjs
#   tests/browser.sh screenshots    a picture of every page, into target/screenshots
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
cargo build --manifest-path "$root/Cargo.toml" --workspace --bin signet
work=$target/browser
mkdir -p "$work"
cp "$root"/tests/browser/*.mjs "$root"/tests/browser/package*.json "$work"
cd "$work"
# What npm gave stays for the next time.
if ! cmp -s package-lock.json installed.json; then
  npm ci --silent --no-audit --no-fund
  cp package-lock.json installed.json
fi
export SIGNET=$target/debug/signet
# Who runs this may have a proxy; it is not for this machine.
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost
if [ "${1:-}" = screenshots ]; then
  node screenshots.mjs "$target/screenshots" "$root/docs/pictures"
  exit
fi
files=("$@")
[ ${#files[@]} -gt 0 ] || files=(*.test.mjs)
node --test --test-concurrency=2 "${files[@]}"
echo "the dashboard in a browser: ok"
