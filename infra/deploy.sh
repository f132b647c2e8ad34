#!/usr/bin/env bash
# Deploys an environment: the data stack (infra/data.yaml), and then the running stack (template.yaml) that imports its ids.
# Builds the functions if their sources are newer than the last build. Options are passed to `sam deploy`.
#
#   infra/deploy.sh production      with the parameters in infra/environments/production.toml
#   infra/deploy.sh FILE.toml       with the parameters in another file
#
# Needs the SAM CLI, cargo-lambda and the AWS CLI.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/infra/environment.sh"
shift

# The environments have build directories of their own, because they can differ in Architecture.
build=${SIGNET_BUILD_DIR:-.aws-sam/$(basename "$file" .toml)}
sources=(template.yaml Cargo.toml Cargo.lock rust-toolchain.toml functions shared "$file")
if [ ! -f "$build/template.yaml" ] || [ -n "$(find "${sources[@]}" -newer "$build/template.yaml" -print -quit)" ]; then
  sam build --config-file "$file" --beta-features --build-dir "$build"
fi

# The release identifies the functions and all parameters. It becomes the functions' description: see Globals in template.yaml.
release=$({ (cd "$build" && find . -type f ! -name release.yaml | LC_ALL=C sort | git hash-object --stdin-paths); cat "$file"; } |
  git hash-object --stdin)
awk -v release="$release" '{ print } sub(/AutoPublishAlias: live$/, "Description: release " release)' \
  "$build/template.yaml" > "$build/release.yaml"
if ! grep -q "Description: release $release" "$build/release.yaml"; then
  echo "$build/template.yaml has no alias: build it again" >&2
  exit 1
fi

status() {
  aws cloudformation describe-stacks --stack-name "$1" --query 'Stacks[0].StackStatus' --output text 2> /dev/null || true
}
# Deploys one stack: deploy NAME TEMPLATE [OPTION…]
deploy() {
  local options=()
  # If a creation fails, its resources remain, and the next deployment continues. A rollback would leave the retained resources,
  # whose names are then taken. UPDATE_FAILED is a creation that failed again. Updates are rolled back.
  case $(status "$1") in
    '' | REVIEW_IN_PROGRESS | CREATE_FAILED | UPDATE_FAILED) options=(--disable-rollback) ;;
  esac
  sam deploy --config-file "$file" --stack-name "$1" --template-file "$2" --resolve-s3 --no-fail-on-empty-changeset \
    --confirm-changeset ${options[@]+"${options[@]}"} "${@:3}"
}
# The roles have fixed names: that of backups, and those that key policies contain.
deploy "$data" "${SIGNET_DATA_TEMPLATE:-infra/data.yaml}" --capabilities CAPABILITY_NAMED_IAM "$@"
aws cloudformation update-termination-protection --stack-name "$data" --enable-termination-protection > /dev/null
deploy "$data-app" "$build/release.yaml" --capabilities CAPABILITY_NAMED_IAM "$@"
