#!/usr/bin/env bash
# Checks that the OpenAPI documents of both versions are valid for openapi-spec-validator, openapi-generator, Redocly and Spectral
# with all recommended rules, that their examples match their schemas, and that the running API conforms to them.
# schemathesis generates valid and invalid requests as three callers: an operator with an API key, a signed-in customer, and
# an anonymous caller. The Postman collection that is made of the document is tested, too.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
documents=("$root"/functions/discovery/openapi{,-3.0}.json)
"$root/tests/build.sh"

tools='schemathesis==4.32.0 openapi-spec-validator==0.8.2 openapi-generator-cli==7.26.0'
venv=$target/openapi-tools
if [ "$(cat "$venv/installed" 2> /dev/null)" != "$tools" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  # shellcheck disable=SC2086 # word splitting is intended
  "$venv/bin/pip" install -q $tools
  echo "$tools" > "$venv/installed"
fi

linters=$target/openapi-linters
if ! cmp -s "$root/tests/openapi/package-lock.json" "$linters/node_modules/installed.json"; then
  mkdir -p "$linters"
  cp "$root"/tests/openapi/package{,-lock}.json "$linters"
  (cd "$linters" && npm ci --silent --no-audit --no-fund)
  cp "$root/tests/openapi/package-lock.json" "$linters/node_modules/installed.json"
fi

export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
for document in "${documents[@]}"; do
  "$venv/bin/openapi-spec-validator" "$document"
  "$venv/bin/openapi-generator-cli" validate -i "$document"
done
"$linters/node_modules/.bin/redocly" lint --config "$root/tests/openapi/redocly.yaml" "${documents[@]}"
"$linters/node_modules/.bin/spectral" lint --ruleset "$root/tests/openapi/spectral.yaml" --fail-severity hint "${documents[@]}"
"$venv/bin/python" "$root/tests/openapi/examples.py" "${documents[0]}"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Bypass a configured HTTP proxy for local requests.
export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1

# Starts a local server and runs a command beside it, in a folder: beside_server FOLDER COMMAND [ARGUMENT…]
beside_server() (
  signet=
  trap 'if [ -n "$signet" ]; then kill "$signet" && wait "$signet" || true; fi' EXIT
  mkdir "$folder/$1"
  cd "$folder/$1"
  # Generated webhook endpoints have hosts of the internet, which must not be called.
  "$target/debug/signet" --memory --listen 127.0.0.1:0 --no-rate-limits --no-webhooks > signet.out 2> signet.err &
  signet=$!
  for _ in $(seq 100); do
    [ -e .signet/local.json ] && break
    kill -0 "$signet" 2> /dev/null || { cat signet.err; exit 1; }
    sleep 0.1
  done
  SIGNET_URL=$(field base_url < .signet/local.json) SIGNET_API_KEY=$(field operator_api_key < .signet/local.json) "${@:2}"
)

field() { grep -o "\"$1\": *\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }

# Runs schemathesis as CALLER: run_schemathesis CALLER [SCHEMATHESIS_OPTION…]
run_schemathesis() {
  local credential=() token
  SIGNET_OTHER_SCHEME=
  case $1 in
    operator)
      credential=(-H "X-Api-Key: $SIGNET_API_KEY")
      SIGNET_OTHER_SCHEME=Authorization
      ;;
    customer)
      token=$(curl -sS "$(field oidc_issuer < .signet/local.json)/token" -d grant_type=password -d client_id=signet-dashboard \
        -d username=grace@example.com -d password=any -d scope='openid email profile' | field id_token)
      credential=(-H "Authorization: Bearer $token")
      SIGNET_OTHER_SCHEME=X-Api-Key
      ;;
  esac
  export SIGNET_OTHER_SCHEME PYTHONPATH=$root/tests/openapi SCHEMATHESIS_HOOKS=hooks
  "$venv/bin/schemathesis" --config-file "$root/tests/openapi/schemathesis.toml" run "$SIGNET_URL/openapi.json" \
    --checks all --seed 1 --continue-on-failure "${credential[@]}" "${@:2}"
}

fuzz() { beside_server "$1" run_schemathesis "$@"; }

beside_server collection "$root/tests/collection.sh" test

# schemathesis runs with one thread, because a bug in Python 3.11 breaks it with more; two processes use two cores.
{
  fuzz customer --phases examples,coverage,fuzzing > "$folder/customer.log" 2>&1 || touch "$folder/failed"
  fuzz anonymous --phases examples,fuzzing > "$folder/anonymous.log" 2>&1 || touch "$folder/failed"
} &
# Operations for users respond 403 to an API key, but schemathesis expects 401 when it omits the bearer token.
fuzz operator --exclude-tag users > "$folder/operator.log" 2>&1 || touch "$folder/failed"
wait $!

# A scenario that a hook could not prepare is not a failure for schemathesis, but ends its phase.
if grep -q ' generated,.* errored' "$folder"/*.log; then touch "$folder/failed"; fi
for caller in operator customer anonymous; do
  if [ -e "$folder/failed" ]; then cat "$folder/$caller.log"; fi
  echo "openapi: $caller: $(grep ' generated, ' "$folder/$caller.log" || true)"
done
[ ! -e "$folder/failed" ]
