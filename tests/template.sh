#!/usr/bin/env bash
# Checks template.yaml and infra/data.yaml without an AWS account: `sam validate --lint`, cfn-lint, and the unit tests in
# tests/template (IAM roles, routes, parameters, environments, archives, costs). The tools are installed from PyPI into the target
# directory. Needs Python 3 with venv.
#
#   tests/template.sh                    all checks
#   tests/template.sh test_smoke_role    the unit tests of some modules
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/tests/parts.sh"
lint=cfn-lint-1.58.0
venv "$sam" "${sam_packages[@]}"
venv $lint cfn-lint==1.58.0

unset "${!SAM_CLI_@}"
export SAM_CLI_TELEMETRY=0 AWS_EC2_METADATA_DISABLED=true
cd "$root"
export PYTHONDONTWRITEBYTECODE=1 AWS_DEFAULT_REGION=us-east-1
if [ $# -gt 0 ]; then
  cd tests/template
  exec "$parts/$sam/bin/python" -m unittest -q "$@"
fi
"$parts/$sam/bin/sam" validate --lint --region us-east-1
"$parts/$lint/bin/cfn-lint" --regions us-east-1 eu-west-1 -- template.yaml infra/data.yaml
"$parts/$lint/bin/cfn-lint" --regions us-east-1 -- infra/health-check.yaml infra/smoke-role.yaml infra/web-acl.yaml
export PYTHONDONTWRITEBYTECODE=1 AWS_DEFAULT_REGION=us-east-1
infra/local-template.sh > "$folder/local.yaml"
"$parts/$sam/bin/python" tests/template/local_routes.py "$folder/local.yaml"
"$parts/$sam/bin/python" -m unittest discover -q -s tests/template -t tests/template
echo "template tests: ok"
