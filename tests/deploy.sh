#!/usr/bin/env bash
# Deploys Signet as an operator does, to MiniStack in place of AWS: `sam build`, `sam deploy`, the first key, the story of a
# license over the API's URL, the dashboard's pages, and an update of the stack after which all of it is still there. The functions are the
# binaries that were built for Lambda, each under its budget of size. Tools come from PyPI, once, into the target folder.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
cargo build --manifest-path "$root/Cargo.toml" -p signet-local
source "$root/tests/parts.sh"
venv "$tools" "${tools_packages[@]}"
venv deploy awscli==1.46.3 botocore==1.43.106 'pyjwt[crypto]==2.15.1' jwcrypto==1.6.1
export PATH=$parts/$tools/bin:$parts/deploy/bin:$PATH
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1

echo "deploy: sam build"
# Not where `sam deploy` looks by itself: what is deployed here is nothing for AWS.
built=$CARGO_TARGET_DIR/deploy
(cd "$root" && sam build --build-dir "$built" > "$folder/build.log" 2>&1) || { tail -n 40 "$folder/build.log" >&2; exit 1; }
python3 "$root/tests/deploy/check_sizes.py" "$built"

start_ministack
await "$aws"
export AWS_ENDPOINT_URL=$aws STACK=signet
guard=http://127.0.0.1:$(free_port)
"$parts/$tools/bin/python" "$root/tests/deploy/add_iam_proxy.py" "$built" "$guard"
logs() { tail -n 15 "$folder"/*.log >&2; }
# As in docs/tutorials/deploy-to-aws.md, without the questions that `--guided` asks.
deploy() {
  (cd "$root" && sam deploy --config-file "$root/samconfig.toml" --template-file "$built/proxied.yaml" --stack-name $STACK --no-confirm-changeset "$@" \
    > "$folder/deploy.log" 2>&1) || { logs; exit 1; }
}
output() {
  aws cloudformation describe-stacks --stack-name $STACK --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text
}
story() { "$parts/deploy/bin/python" "$root/tests/deploy/check_api.py" "$1" "$folder/state.json" || { logs; exit 1; }; }

echo "deploy: sam deploy"
deploy
(cd "$root/tests/template" && PYTHONDONTWRITEBYTECODE=1 exec "$parts/$tools/bin/python" iam_proxy.py --upstream "$aws" \
  --port "${guard##*:}" --key "RootKey=$(output RootKeyArn)" --key "SealingKey=$(output SealingKeyArn)") 2> "$folder/guard.log" &
started+=($!)
await "$guard"
story empty
aws lambda invoke --function-name $STACK-rotation \
  "$folder/rotation.json" > /dev/null
cat "$folder/rotation.json"
echo
API_KEY=$("$CARGO_TARGET_DIR/debug/signet" api-key --table $STACK)
export API_KEY
story lifecycle
license=$("$parts/deploy/bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["issued"]["license"]["id"])' "$folder/state.json")
"$parts/deploy/bin/python" "$root/tests/deploy/check_dashboard.py" "$license" || { logs; exit 1; }
echo "deploy: an update of the stack"
deploy --parameter-overrides FailedAuthLimitPerMinute=61
variable() {
  aws lambda get-function-configuration --function-name $STACK-licenses --query "Environment.Variables.$1" --output text
}
[ "$(variable SIGNET_FAILED_AUTH_LIMIT_PER_MINUTE)" = 61 ] || { echo "the functions were not updated" >&2; exit 1; }
# Were it another, nobody would hold the functions to their policies.
[ "$(variable AWS_ENDPOINT_URL)" = "$guard/Licenses" ]
# The code of one function, by cargo-lambda: it keeps the rest of what the stack says of it.
(cd "$root" && cargo lambda deploy --lambda-dir "$CARGO_TARGET_DIR/lambda" --endpoint-url "$aws" --binary-name licenses \
  $STACK-licenses > "$folder/cargo-lambda.log" 2>&1) || { logs; exit 1; }
[ "$(variable AWS_ENDPOINT_URL)" = "$guard/Licenses" ]
story update
if [ -s "$folder/guard.log" ]; then
  echo "the roles deny what the functions do:" >&2
  cat "$folder/guard.log" >&2
  exit 1
fi
echo "the deployment: ok"
