#!/usr/bin/env bash
# Tests, packages and measures the Node client.
#
# Usage: check.sh test | package DIR | readme DIR | driver DIR | size DIR
#
# Downloads and builds are in ${CARGO_TARGET_DIR:-target}/clients/node.
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$source_dir/../.." && pwd)
work=${CARGO_TARGET_DIR:-$root/target}/clients/node
build=$work/build
export npm_config_cache=$work/npm-cache npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
export CONFORMANCE_DIR=$root/clients/conformance

# Copies the sources to the build folder, and installs the development dependencies there unless they are installed.
prepare() {
  mkdir -p "$build"
  find "$build" -mindepth 1 -maxdepth 1 ! -name node_modules -exec rm -rf {} +
  tar -C "$source_dir" --exclude=./node_modules --exclude=./dist -cf - . | tar -C "$build" -xf -
  cd "$build"
  local installed=node_modules/.installed-lock.json
  if ! cmp -s package-lock.json "$installed"; then
    npm ci --silent
    cp package-lock.json "$installed"
  fi
  npm run --silent build
}

run_tests() {
  prepare
  npx biome ci --colors=off --error-on-warnings .
  npx tsc --project test/types
  node --test --test-reporter=tap test/*.test.mjs | tee "$work/test-output.txt" | grep -E '^ *not ok|^# (tests|pass|fail) ' || true
  if ! grep -q '^# fail 0$' "$work/test-output.txt"; then
    cat "$work/test-output.txt"
    exit 1
  fi
  echo "$(grep -c '"steps":' "$CONFORMANCE_DIR"/scenarios/*.json | awk -F: '{ sum += $2 } END { print sum }') scenarios passed"
}

# Creates a project that installs the package, with the program of the README and the driver.
package() {
  local dir=$1
  prepare
  rm -f "$work"/*.tgz
  npm pack --silent --pack-destination "$work"
  mkdir -p "$dir"
  rm -rf "$dir/node_modules" "$dir/package-lock.json"
  echo '{ "name": "signet-client-check", "private": true, "type": "module" }' > "$dir/package.json"
  npm install --silent --prefer-offline --prefix "$dir" "$work"/signet-client-*.tgz
  awk '/^```/ { if (inside) exit; inside = 1; next } inside' README.md > "$dir/readme.mjs"
  cp driver/driver.mjs driver/size.mjs "$dir/"
}

size() {
  local dir=$1 lines bytes dependencies
  lines=$(cat "$source_dir"/src/*.ts "$source_dir"/src/*.mts | grep -cvE '^\s*(//|/\*|\*|$)')
  bytes=$(find "$dir/node_modules" -type f ! -name .package-lock.json -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
  dependencies=$(find "$dir/node_modules" -name package.json -path '*/node_modules/*' | wc -l)
  node --expose-gc "$dir/size.mjs" "$CONFORMANCE_DIR" | node -e '
    const [lines, install_bytes, dependencies] = process.argv.slice(1).map(Number);
    const measured = JSON.parse(require("fs").readFileSync(0, "utf8"));
    console.log(JSON.stringify({ language: "node", lines, install_bytes, dependencies, ...measured }));
  ' "$lines" "$bytes" "$((dependencies - 1))"
}

case ${1-} in
  test) run_tests ;;
  package) package "$(realpath -m "${2:?DIR is missing}")" ;;
  readme) cd "${2:?DIR is missing}" && exec node readme.mjs ;;
  driver) exec node "${2:?DIR is missing}/driver.mjs" ;;
  size) size "$(realpath "${2:?DIR is missing}")" ;;
  *)
    echo "usage: check.sh test | package DIR | readme DIR | driver DIR | size DIR" >&2
    exit 2
    ;;
esac
