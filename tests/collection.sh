#!/usr/bin/env bash
# Makes a Postman collection of the OpenAPI document, target/collection/signet.postman_collection.json.
#
#   tests/collection.sh          make it
#   tests/collection.sh test     make it, and test it against the installation at SIGNET_URL with SIGNET_API_KEY
#
# Needs Node 20 and npm; its packages come from npm, once, into the target directory.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=${CARGO_TARGET_DIR:-$root/target}/collection
sources=$root/tests/collection
document=$root/functions/discovery/openapi.json
collection=$work/signet.postman_collection.json

mkdir -p "$work"
cp "$sources"/{package,package-lock}.json "$sources"/*.mjs "$work"
if ! cmp -s "$sources/package-lock.json" "$work/node_modules/installed.json"; then
  (cd "$work" && npm ci --silent --no-audit --no-fund)
  cp "$sources/package-lock.json" "$work/node_modules/installed.json"
fi
node "$work/build.mjs" "$document" "$collection"
if [ "${1:-}" != test ]; then
  echo "$collection"
  exit
fi
node "$work/run.mjs" "$document" "$collection"

# The command of the guide. Newman is installed already.
npx() {
  grep -qF "\"newman\": \"${2#newman@}\"" "$sources/package.json" || { echo "tests/collection/package.json has no $2"; return 1; }
  "$work/node_modules/.bin/newman" "${@:3}" --reporters cli --reporter-cli-silent
}
command=$(sed -n '/^npx --yes newman/,/[^\]$/p' "$root/docs/how-to/generate-a-client.md")
[ -n "$command" ] || { echo "docs/how-to/generate-a-client.md has no command for Newman"; exit 1; }
cd "$work"
eval "$command"
