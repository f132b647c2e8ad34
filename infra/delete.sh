#!/usr/bin/env bash
# Deletes an installation with all its data: both stacks, and the resources that the data stack retains. Refuses while the data stack
# is protected from termination, which each deployment turns on, and asks for the name of the data stack.
#
#   infra/delete.sh production                       KMS keys and secrets can be recovered for 30 days
#   infra/delete.sh production --without-recovery    secrets cannot be recovered, and most keys only for 7 days
#
# If it fails, run it again. It finds resources by the stacks, also by deleted ones, and by the tags of the KMS keys. It does not delete
# a custom domain name, a CloudFront distribution, or backups of the table. Needs the AWS CLI and an administrator.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/infra/environment.sh"
pending_days=30 recovery=(--recovery-window-in-days 30)
case ${2:-} in
  '') ;;
  --without-recovery) pending_days=7 recovery=(--force-delete-without-recovery) ;;
  *)
    echo "usage: $0 ENVIRONMENT|FILE.toml [--without-recovery]" >&2
    exit 2
    ;;
esac

text() { aws "$@" --output text; }
# The resources of the data stack, and of deleted ones of this name, which CloudFormation lists for 90 days.
stacks=$(text cloudformation list-stacks --query "StackSummaries[?StackName=='$data'].StackId")
resources=''
for stack in $stacks; do
  resources+=$(text cloudformation describe-stack-resources --stack-name "$stack" \
    --query 'StackResources[?PhysicalResourceId].[LogicalResourceId, PhysicalResourceId]')$'\n'
done
# Prints the ids of a resource, by its logical id.
ids() { awk -v name="$1" '$1 == name { print $2 }' <<< "$resources"; }
# Prints the KMS keys of the installation with their use. Keys that tags cannot be read of belong to others.
keys() {
  local all key table use
  all=$(text kms list-keys --query 'Keys[].KeyId') || return
  for key in $all; do
    read -r table use < <(text kms list-resource-tags --key-id "$key" 2> /dev/null \
      --query "[Tags[?TagKey=='signet:table'].TagValue | [0], Tags[?TagKey=='signet:use'].TagValue | [0]]") || continue
    if [ "$table" = "$data" ]; then echo "$key $use"; fi
  done
}

# Only a stack that is known not to exist is not protected.
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
protection=$(text cloudformation describe-stacks --stack-name "$data" --query 'Stacks[0].EnableTerminationProtection' 2> "$errors") ||
  grep -q 'does not exist' "$errors" || { cat "$errors" >&2; exit 1; }
if [ "$protection" = True ]; then
  echo "$data is protected from termination. To delete it with all its data, first run:" >&2
  echo "aws cloudformation update-termination-protection --region $region --stack-name $data --no-enable-termination-protection" >&2
  exit 1
fi
# After a restore, the installation has two tables.
suffix=$(sed -n 's/^ *"RestoredSuffix=\([^"]*\)".*/\1/p' "$file" | tr -d "'")
tables=("$data")
[ -z "$suffix" ] || tables+=("$data$suffix")
echo "This deletes the installation $data in $region of the account $(text sts get-caller-identity --query Account), with all its data."
for table in "${tables[@]}"; do
  items=$(text dynamodb describe-table --table-name "$table" --query Table.ItemCount 2> /dev/null) || items=no
  echo "The table $table has $items items, as counted by DynamoDB in the last six hours."
done
echo "Enter the name of the data stack to continue:"
if ! read -r answer || [ "$answer" != "$data" ]; then
  echo "nothing was deleted" >&2
  exit 1
fi

apis=$(ids Api) pools=$(ids UserPool) vaults=$(ids BackupVault) secrets="$(ids CursorSecret) $(ids SessionSecret) $(ids OriginSecret)"
for stack in "$data-app" "$data"; do
  echo "deleting the stack $stack"
  aws cloudformation delete-stack --stack-name "$stack"
  aws cloudformation wait stack-delete-complete --stack-name "$stack"
done

failures=0
# Runs a command that deletes a resource. One that does not exist or is being deleted is no failure.
delete() {
  local message
  message=$("$@" 2>&1 > /dev/null) || case $message in
    *NotFound* | *'pending deletion'* | *'scheduled for deletion'* | *'marked for deletion'*) ;;
    *'recovery points'*) echo "the vault still has backups: delete them if you do not need them, or they cost money" ;;
    *)
      echo "$message" >&2
      failures=$((failures + 1))
      ;;
  esac
}
echo "deleting the resources that the data stack has retained"
for table in "${tables[@]}"; do
  protected=$(text dynamodb describe-table --table-name "$table" --query Table.DeletionProtectionEnabled 2> /dev/null) || continue
  if [ "$protected" = True ]; then
    delete aws dynamodb update-table --table-name "$table" --no-deletion-protection-enabled
    aws dynamodb wait table-exists --table-name "$table"
  fi
  delete aws dynamodb delete-table --table-name "$table"
  aws dynamodb wait table-not-exists --table-name "$table"
done
found=$(keys)
while read -r key use; do
  [ -n "$key" ] || continue
  # The key policy of the signing keys allows no other period.
  days=$([ "$use" = sign ] && echo 30 || echo $pending_days)
  delete aws kms schedule-key-deletion --key-id "$key" --pending-window-in-days "$days"
done <<< "$found"
for api in $apis; do delete aws apigatewayv2 delete-api --api-id "$api"; done
for secret in $secrets; do delete aws secretsmanager delete-secret --secret-id "$secret" "${recovery[@]}"; done
for pool in $pools; do
  delete aws cognito-idp update-user-pool --user-pool-id "$pool" --deletion-protection INACTIVE
  delete aws cognito-idp delete-user-pool --user-pool-id "$pool"
done
for vault in $vaults; do delete aws backup delete-backup-vault --backup-vault-name "$vault"; done
if [ $failures -gt 0 ]; then
  echo "deletions failed: $failures. See the errors above, and run the script again." >&2
  exit 1
fi
echo "deleted $data"
