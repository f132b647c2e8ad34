#!/usr/bin/env bash
# Deploys Signet to MiniStack instead of AWS, as an operator does, from a release archive and without Rust: infra/deploy.sh, the
# first API key, the lifecycle of a license over the API URL, a day of webhooks with an outage of an hour, the dashboard's pages, a
# running stack that is deleted and created again, and an update with a build of the repository, both of which keep all data. The first deployment fails and
# is continued; at the end, the installation is deleted, and what smoke tests have left. The functions are the release binaries, each
# checked against its size limit; with SIGNET_DEPLOY_DEBUG=1 they are built without optimization, in a third of the time, and not
# checked. Tools are installed from PyPI into the target directory. Needs libfaketime.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
"$root/tests/build.sh"
source "$root/tests/parts.sh"
venv "$tools" "${tools_packages[@]}"
venv deploy -r "$root/tests/deploy/requirements.txt"
export PATH=$parts/$tools/bin:$parts/deploy/bin:$PATH
export SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 AWS_REGION=us-east-1

echo "deploy: sam build"
# Not in .aws-sam, the default of `sam deploy`: this build must never be deployed to AWS.
built=$CARGO_TARGET_DIR/deploy
is_debug=${SIGNET_DEPLOY_DEBUG:-0}
# Without symbols, or the copies of the functions would fill a small disk.
[ "$is_debug" = 0 ] || export SAM_BUILD_MODE=debug CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_STRIP=symbols
(cd "$root" && sam build --build-dir "$built" > "$folder/build.log" 2>&1) || { tail -n 40 "$folder/build.log" >&2; exit 1; }
[ "$is_debug" != 0 ] || python3 "$root/tests/deploy/check_sizes.py" "$built"

echo "deploy: release archive"
"$root/infra/package.sh" test x86_64 "$CARGO_TARGET_DIR/lambda" "$folder" > "$folder/package.log"
tar -xzf "$folder/signet-aws-test-x86_64.tar.gz" -C "$folder"
archive=$folder/signet-aws-test-x86_64
# The commands of an operator. Those of a build fail.
mkdir "$folder/bin"
ln -s "$parts/$tools/bin/sam" "$parts/deploy/bin/aws" "$folder/bin"
for command in cargo cargo-lambda rustc zig git; do
  printf '#!/bin/sh\necho "%s is not installed" >&2\nexit 127\n' $command > "$folder/bin/$command"
  chmod +x "$folder/bin/$command"
done
as_operator() { (cd "$archive" && PATH=$folder/bin:/usr/bin:/bin "$@"); }

start_ministack
await "$aws"
export AWS_ENDPOINT_URL=$aws STACK=signet CLOCK=$folder/clock RECEIVERS=$folder/receivers
proxy=http://127.0.0.1:$(free_port)
environment=$archive/infra/environments/production.toml
cat > "$environment" <<EOF
version = 0.1
[default.global.parameters]
region = "$AWS_REGION"
parameter_overrides = [
  "DataStack=$STACK",
  "Architecture=x86_64",
  "FailedAuthLimitPerMinute=60",
]
EOF
adapt_template() { "$parts/$tools/bin/python" "$root/tests/deploy/adapt_template.py" "$proxy" "$@"; }
logs() { tail -n 15 "$folder"/*.log >&2; }
# As in docs/tutorials/deploy-to-aws.md, without confirmation and with the functions that call the IAM proxy.
try_deploy() { as_operator infra/deploy.sh production --no-confirm-changeset > "$folder/deploy.log" 2>&1; }
deploy() { try_deploy || { logs; exit 1; }; }
# With the build. Its template is newer than all sources then, so that infra/deploy.sh does not build the functions again.
deploy_build() {
  cp "$root/infra/data.yaml" "$built/data.yaml"
  adapt_template "$built/template.yaml" "$built/data.yaml"
  SIGNET_BUILD_DIR=$built SIGNET_DATA_TEMPLATE=$built/data.yaml "$root/infra/deploy.sh" "$environment" --no-confirm-changeset \
    > "$folder/deploy.log" 2>&1 || { logs; exit 1; }
}
status() { aws cloudformation describe-stacks --stack-name "$1" --query 'Stacks[0].StackStatus' --output text; }
# Prints the commands of a section of the documentation for this stack: runbook PAGE HEADING
runbook() {
  awk -v heading="$2" '!code && /^#/ { inside = $0 == heading } /^```/ { code = !code; next } inside && code' "$root/docs/$1" |
    sed "s/STACK/$STACK/g"
}
output() {
  aws cloudformation describe-stacks --stack-name $STACK --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text
}
check_api() { "$parts/deploy/bin/python" "$root/tests/deploy/check_api.py" "$1" "$folder/state.json" || { logs; exit 1; }; }

echo "deploy: a first deployment that fails, and is continued"
adapt_template --keep-alarms "$archive/template.yaml" "$archive/infra/data.yaml"
if try_deploy || [ "$(status $STACK-app)" != CREATE_FAILED ]; then
  echo "the creation of the running stack did not fail" >&2
  exit 1
fi
adapt_template "$archive/template.yaml"
deploy
if aws cloudformation delete-stack --stack-name $STACK 2> /dev/null; then
  echo "the data stack is not protected from termination" >&2
  exit 1
fi
(cd "$root/tests/template" && PYTHONDONTWRITEBYTECODE=1 exec "$parts/$tools/bin/python" iam_proxy.py --upstream "$aws" \
  --port "${proxy##*:}" --key "RootKey=$(output RootKeyArn)" --key "SealingKey=$(output SealingKeyArn)" \
  --secret "CursorSecret=$(output CursorSecretArn)" --secret "SessionSecret=$(output SessionSecretArn)") 2> "$folder/iam-proxy.log" &
started+=($!)
await "$proxy"
check_api empty
aws lambda invoke --function-name $STACK-rotation:live \
  "$folder/rotation.json" > /dev/null
cat "$folder/rotation.json"
echo
API_KEY=$("$CARGO_TARGET_DIR/debug/signet" api-key --table $STACK)
export API_KEY
check_api lifecycle
license=$("$parts/deploy/bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["issued"]["license"]["id"])' "$folder/state.json")
"$parts/deploy/bin/python" "$root/tests/deploy/check_dashboard.py" "$license" || { logs; exit 1; }
check_api webhooks
echo "deploy: delete the running stack and create it again"
aws cloudformation delete-stack --stack-name $STACK-app
aws cloudformation wait stack-delete-complete --stack-name $STACK-app
deploy
check_api rebuilt
echo "deploy: update"
sed -i 's/FailedAuthLimitPerMinute=60/FailedAuthLimitPerMinute=61/' "$environment"
deploy_build
variable() {
  aws lambda get-function-configuration --function-name $STACK-licenses:live --query "Environment.Variables.$1" --output text
}
[ "$(variable SIGNET_FAILED_AUTH_LIMIT_PER_MINUTE)" = 61 ] || { echo "the functions were not updated" >&2; exit 1; }
# The functions must call AWS through the IAM proxy, or their policies would not be enforced.
[ "$(variable AWS_ENDPOINT_URL)" = "$proxy/Licenses" ]
echo "deploy: roll back, and return to the new version"
live() { aws lambda get-alias --function-name $STACK-licenses --name live --query FunctionVersion --output text; }
updated=$(live)
as_operator infra/roll-back.sh production > "$folder/roll-back.log" 2>&1 || { logs; exit 1; }
[ "$(live)" -lt "$updated" ] || { echo "the alias was not moved" >&2; exit 1; }
check_api rebuilt
aws lambda update-alias --function-name $STACK-licenses --name live --function-version "$updated" > /dev/null
# Update the code of one function with cargo-lambda; its configuration must not change.
(cd "$root" && cargo lambda deploy --lambda-dir "$CARGO_TARGET_DIR/lambda" --endpoint-url "$aws" --binary-name licenses \
  --alias live $STACK-licenses > "$folder/cargo-lambda.log" 2>&1) || { logs; exit 1; }
[ "$(variable AWS_ENDPOINT_URL)" = "$proxy/Licenses" ]
check_api update

resources() { "$parts/deploy/bin/python" "$root/tests/deploy/list_resources.py"; }
echo "deploy: delete what a smoke test has left, and nothing else"
before=$(resources)
aws cloudformation create-stack --stack-name signet-smoke-1-1 --template-body "file://$archive/infra/data.yaml" \
  --enable-termination-protection --capabilities CAPABILITY_NAMED_IAM > /dev/null
aws cloudformation wait stack-create-complete --stack-name signet-smoke-1-1
PATH=$parts/deploy/bin:$PATH "$root/tests/smoke.sh" clean > "$folder/smoke.log" 2>&1 || { logs; exit 1; }
if [ "$(resources)" != "$before" ]; then
  echo "tests/smoke.sh clean leaves resources, or deletes those of others:" >&2
  resources >&2
  exit 1
fi
echo "deploy: delete the installation"
# Runs the commands of the tutorial with an answer to the question for the name: delete ANSWER
delete() {
  runbook tutorials/deploy-to-aws.md "## Remove the installation" > "$folder/delete.sh"
  as_operator bash -euo pipefail "$folder/delete.sh" <<< "$1" > "$folder/delete.log" 2>&1
}
before=$(resources)
if as_operator infra/delete.sh production <<< $STACK > "$folder/delete.log" 2>&1 ||
  ! grep -q "$STACK is protected from termination" "$folder/delete.log" ||
  delete production || ! grep -q "nothing was deleted" "$folder/delete.log" || [ "$(resources)" != "$before" ]; then
  echo "infra/delete.sh deletes without the confirmation" >&2
  logs
  exit 1
fi
delete $STACK || { logs; exit 1; }
if resources | grep $STACK; then
  echo "these resources remain" >&2
  exit 1
fi
if [ -s "$folder/iam-proxy.log" ]; then
  echo "the IAM roles deny requests that the functions make:" >&2
  cat "$folder/iam-proxy.log" >&2
  exit 1
fi
echo "deployment test: ok"
