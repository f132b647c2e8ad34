#!/usr/bin/env bash
# Tests a release archive on AWS, in an account for nothing else. .github/workflows/smoke.yml runs it with the role of
# infra/smoke-role.yaml.
#
#   tests/smoke.sh run ARCHIVE SIGNET    deploys the unpacked archive, creates an API key with the binary, and tests the API, the sign-in
#                                        page, an update and a rollback
#   tests/smoke.sh clean                 deletes all installations whose names begin with signet-smoke-, also those of earlier runs
#
# Needs AWS credentials, AWS_REGION, and Python with the packages of tests/deploy/requirements.txt, among them the AWS CLI; to run,
# also STACK (such as signet-smoke-1-1) and the SAM CLI.
set -euo pipefail
shopt -s inherit_errexit
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export SAM_CLI_TELEMETRY=0

# Writes the file of an environment: environment NAME LIMIT
environment() {
  cat > "$folder/$1.toml" <<EOF
version = 0.1
[default.global.parameters]
region = "${AWS_REGION:?}"
parameter_overrides = [
  "DataStack=$1",
  "LogRetentionDays=1",
  "FailedAuthLimitPerMinute=$2",
]
EOF
}

run() {
  local archive=$1 signet=$2 file=$folder/$STACK.toml
  if ! [[ $STACK =~ ^signet-smoke-[0-9-]+$ ]]; then
    echo "STACK must be signet-smoke- and a number, or its resources would not be deleted" >&2
    exit 2
  fi
  environment "$STACK" 60
  "$archive/infra/deploy.sh" "$file" --no-confirm-changeset
  API_KEY=$("$signet" api-key --table "$STACK" --name 'smoke test')
  [ -z "${GITHUB_ACTIONS:-}" ] || echo "::add-mask::$API_KEY"
  export API_KEY
  python3 "$root/tests/deploy/check_api.py" lifecycle "$folder/state.json"
  python3 "$root/tests/deploy/check_api.py" webhooks "$folder/state.json"
  python3 "$root/tests/deploy/check_sign_in.py"
  environment "$STACK" 61
  "$archive/infra/deploy.sh" "$file" --no-confirm-changeset
  "$archive/infra/roll-back.sh" "$file"
  python3 "$root/tests/deploy/check_api.py" rebuilt "$folder/state.json"
  python3 "$root/tests/deploy/check_api.py" update "$folder/state.json"
  echo "smoke test: ok"
}

# Prints the names of the installations of smoke tests of which anything remains.
installations() { python3 "$root/tests/deploy/list_resources.py" | sed -n 's/^[a-z-]* \(signet-smoke-[0-9-]*\)$/\1/p' | sort -u; }

clean() {
  local names name prefix group
  names=$(installations)
  for name in $names; do
    environment "$name" 60
    # Fails if only retained resources are left.
    aws cloudformation update-termination-protection --stack-name "$name" --no-enable-termination-protection > /dev/null 2>&1 || true
    "$root/infra/delete.sh" "$folder/$name.toml" --without-recovery <<< "$name" || true
  done
  for prefix in /aws/lambda/signet-smoke- /aws/vendedlogs/signet-smoke-; do
    for group in $(aws logs describe-log-groups --log-group-name-prefix $prefix --query 'logGroups[].logGroupName' --output text); do
      aws logs delete-log-group --log-group-name "$group"
    done
  done
  names=$(installations)
  if [ -n "$names" ]; then
    echo "not everything could be deleted: $names" >&2
    exit 1
  fi
}

case ${1:-} in
  run) run "${2:?the directory of the archive}" "${3:?the binary signet}" ;;
  clean) clean ;;
  *)
    echo "usage: $0 run ARCHIVE SIGNET | clean" >&2
    exit 2
    ;;
esac
