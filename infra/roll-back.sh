#!/usr/bin/env bash
# Moves the alias of each function to the version before, in seconds and without a build. Changes neither stack: the next deployment
# that changes anything moves the aliases to its new versions.
#
#   infra/roll-back.sh production     the version before the one that is live; again, the one before that
#
# Needs the AWS CLI.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/infra/environment.sh"

# Prints the newest version of a function that is older than its live version.
previous_version() {
  local live
  live=$(aws lambda get-alias --function-name "$1" --name live --query FunctionVersion --output text)
  aws lambda list-versions-by-function --function-name "$1" --query 'Versions[].Version' --output text |
    tr -s '[:space:]' '\n' | awk -v live="$live" '/^[0-9]+$/ && $1 + 0 < live + 0 && $1 + 0 > newest { newest = $1 + 0 } END { if (newest) print newest }'
}

# All versions are found before an alias is moved, so that no function is left behind.
changes=''
for folder in functions/*/; do
  function=$data-$(basename "$folder")
  version=$(previous_version "$function")
  if [ -z "$version" ]; then
    echo "$function has no version before the live one" >&2
    exit 1
  fi
  changes+="$function $version"$'\n'
done
while read -r function version; do
  # Without weights, which a canary sets.
  aws lambda update-alias --function-name "$function" --name live --function-version "$version" \
    --routing-config AdditionalVersionWeights={} > /dev/null
  echo "$function: version $version"
done < <(printf %s "$changes")
