#!/usr/bin/env bash
# Deploys an environment: the data stack (infra/data.yaml), and then the running stack (template.yaml) that imports its ids.
# A release archive contains the functions. In a clone of the repository, the script builds them if their sources are newer than
# the last build. Options are passed to `sam deploy`.
#
#   infra/deploy.sh production      with the parameters in infra/environments/production.toml
#   infra/deploy.sh FILE.toml       with the parameters in another file
#
# Needs the SAM CLI and the AWS CLI; in a clone, also cargo-lambda.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/infra/environment.sh"
shift

if [ -e Cargo.toml ]; then
  # The environments have build directories of their own, because they can differ in Architecture.
  build=${SIGNET_BUILD_DIR:-.aws-sam/$(basename "$file" .toml)}
  sources=(template.yaml Cargo.toml Cargo.lock rust-toolchain.toml functions shared "$file")
  if [ ! -f "$build/template.yaml" ] || [ -n "$(find "${sources[@]}" -newer "$build/template.yaml" -print -quit)" ]; then
    sam build --config-file "$file" --beta-features --build-dir "$build"
  fi
else
  # infra/package.sh has packed functions for one architecture, which is the default of the parameter and its only value.
  build=.
  packed=$(sed -n '/^  Architecture:$/,/Default:/s/^ *Default: *//p' template.yaml)
  wanted=$(sed -n 's/^ *"Architecture=\([^"]*\)".*/\1/p' "$file")
  if [ "${wanted:-$packed}" != "$packed" ]; then
    echo "$file has Architecture=$wanted, but the functions in this archive are for $packed." \
      "Use the archive for $wanted, or set Architecture=$packed." >&2
    exit 1
  fi
fi

# The release identifies the functions and all parameters. It becomes the functions' description: see Globals in template.yaml.
sha256() { if command -v sha256sum > /dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }
contents() {
  (cd "$build" && find . -type f \( -path ./template.yaml -o -name bootstrap \) | LC_ALL=C sort |
    while IFS= read -r path; do sha256 "$path"; done)
}
release=$({ contents; cat "$file"; } | sha256 | cut -d ' ' -f 1)
# The template of this release is written beside links to the functions, so that the archive can be read-only, and several
# environments can be deployed from it at the same time.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for directory in "$(cd "$build" && pwd)"/*/; do ln -s "${directory%/}" "$folder"; done
awk -v release="$release" '{ print } sub(/AutoPublishAlias: live$/, "Description: release " release)' \
  "$build/template.yaml" > "$folder/release.yaml"
if ! grep -q "Description: release $release" "$folder/release.yaml"; then
  echo "$build/template.yaml has no alias: build it again" >&2
  exit 1
fi

# Prints the status of a stack, or nothing if it does not exist.
status() {
  aws cloudformation describe-stacks --stack-name "$1" --query 'Stacks[0].StackStatus' --output text 2> "$folder/errors" ||
    grep -q 'does not exist' "$folder/errors" || { cat "$folder/errors" >&2; return 1; }
}
# Deploys one stack: deploy NAME TEMPLATE [OPTION…]
deploy() {
  local options=() state
  state=$(status "$1") || exit 1
  # If a creation fails, its resources remain, and the next deployment continues. A rollback would leave the retained resources,
  # whose names are then taken. UPDATE_FAILED is a creation that failed again. Updates are rolled back.
  case $state in
    '' | REVIEW_IN_PROGRESS | CREATE_FAILED | UPDATE_FAILED) options=(--disable-rollback) ;;
  esac
  sam deploy --config-file "$file" --stack-name "$1" --template-file "$2" --resolve-s3 --no-fail-on-empty-changeset \
    --confirm-changeset ${options[@]+"${options[@]}"} "${@:3}"
}
# The roles have fixed names: that of backups, and those that key policies contain.
deploy "$data" "${SIGNET_DATA_TEMPLATE:-infra/data.yaml}" --capabilities CAPABILITY_NAMED_IAM "$@"
aws cloudformation update-termination-protection --stack-name "$data" --enable-termination-protection > /dev/null
deploy "$data-app" "$folder/release.yaml" --capabilities CAPABILITY_NAMED_IAM "$@"
