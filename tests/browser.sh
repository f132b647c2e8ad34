#!/usr/bin/env bash
# Tests the dashboard in Chromium: the tasks of operators and customers, and the accessibility of every page (axe). Needs
# Chromium, Node 20 or later and npm. npm packages are installed into the target directory.
#
#   tests/browser.sh                run all tests
#   tests/browser.sh FILE…          run some test files, for example operator.test.mjs
#   UPDATE_SCREENSHOTS=1 tests/browser.sh screenshots.test.mjs    write the screenshots that a test compares
#   tests/browser.sh screenshots    take a screenshot of every page into target/screenshots
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
"$root/tests/build.sh"
work=$target/browser
mkdir -p "$work"
cp "$root"/tests/browser/*.mjs "$root"/tests/browser/package*.json "$work"
cd "$work"
# Reinstall only when the lock file has changed.
if ! cmp -s package-lock.json installed.json; then
  npm ci --silent --no-audit --no-fund
  cp package-lock.json installed.json
fi
export SIGNET=$target/debug/signet DOCS=$root/docs SCREENSHOTS=$root/tests/browser/screenshots
# Bypass a configured HTTP proxy for local requests.
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost
if [ "${1:-}" = screenshots ]; then
  node screenshots.mjs "$target/screenshots" "$root/docs/pictures"
  exit
fi
files=("$@")
[ ${#files[@]} -gt 0 ] || files=(*.test.mjs)
node --test --test-concurrency=2 "${files[@]}"
echo "browser tests: ok"
