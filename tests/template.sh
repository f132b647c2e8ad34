#!/usr/bin/env bash
# Checks template.yaml without an account: SAM's and CloudFormation's linters, and what tests/template says of its roles,
# routes, data and parameters. The tools come from PyPI, once, into the target folder. Needs Python 3 with venv.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
tools=${CARGO_TARGET_DIR:-$root/target}/template
mkdir -p "$tools"

fetch() {
  [ ! -e "$tools/$1/ready" ] || return 0
  rm -rf "${tools:?}/$1"
  python3 -m venv "$tools/$1"
  "$tools/$1/bin/pip" install -q --disable-pip-version-check "${@:2}"
  touch "$tools/$1/ready"
}
sam=aws-sam-cli-1.170.0
lint=cfn-lint-1.58.0
fetch $sam aws-sam-cli==1.170.0 aws-sam-translator==1.115.0
fetch $lint cfn-lint==1.58.0

# Who runs this may have credentials of AWS, and settings of SAM; neither is asked.
unset "${!AWS_@}" "${!SAM_CLI_@}"
export SAM_CLI_TELEMETRY=0 AWS_EC2_METADATA_DISABLED=true
cd "$root"
"$tools/$sam/bin/sam" validate --lint --region us-east-1
"$tools/$lint/bin/cfn-lint" --regions us-east-1 eu-west-1 -- template.yaml
PYTHONDONTWRITEBYTECODE=1 "$tools/$sam/bin/python" -m unittest discover -q -s tests/template -t tests/template
echo "the template: ok"
