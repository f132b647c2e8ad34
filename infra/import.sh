#!/usr/bin/env bash
# Creates the data stack again after its deletion, from the resources that were retained. Changes none of them.
#
#   infra/import.sh production                   with the resources of the stack that was deleted in the last 90 days
#   infra/import.sh production RESOURCES.json    with the resources in a file: an array of objects with ResourceType,
#                                                LogicalResourceId and PhysicalResourceId
#
# Run infra/deploy.sh after that. Needs the AWS CLI and jq.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
resources=$([ -z "${2:-}" ] || realpath "$2")
source "$root/infra/environment.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

if [ -z "$resources" ]; then
  resources=$folder/resources.json
  # CloudFormation lists the latest deletion first.
  deleted=$(aws cloudformation list-stacks --stack-status-filter DELETE_COMPLETE --output json \
    --query "StackSummaries[?StackName=='$data'].StackId" | jq -r '.[0] // empty')
  if [ -z "$deleted" ]; then
    echo "no stack $data was deleted in the last 90 days: see docs/how-to/back-up-and-restore.md" >&2
    exit 1
  fi
  # The latest event is the first. Before the deletion, which can have been repeated, updates may have dropped resources.
  aws cloudformation describe-stack-events --stack-name "$deleted" --output json --query StackEvents |
    jq '.[:map(.ResourceType == "AWS::CloudFormation::Stack" and .ResourceStatus == "DELETE_IN_PROGRESS") | rindex(true)]
      | map(select(.ResourceStatus == "DELETE_SKIPPED"))' > "$resources"
fi

# An import can neither create resources nor add outputs.
sed '/^  # ── Not retained ─/,$d' infra/data.yaml > "$folder/template.yaml"
jq 'unique_by(.LogicalResourceId) as $retained
  | ($retained | map(select(.ResourceType == "AWS::Cognito::UserPool"))[0].PhysicalResourceId) as $pool
  | $retained | map({ResourceType, LogicalResourceId, ResourceIdentifier: (.PhysicalResourceId as $id | {
      "AWS::ApiGatewayV2::Api": {ApiId: $id},
      "AWS::ApiGatewayV2::DomainName": {DomainName: $id},
      "AWS::Backup::BackupVault": {BackupVaultName: $id},
      "AWS::CloudFront::CachePolicy": {Id: $id},
      "AWS::CloudFront::Distribution": {Id: $id},
      "AWS::CloudFront::OriginRequestPolicy": {Id: $id},
      "AWS::Cognito::UserPool": {UserPoolId: $id},
      "AWS::Cognito::UserPoolClient": {UserPoolId: $pool, ClientId: $id},
      "AWS::Cognito::UserPoolGroup": {UserPoolId: $pool, GroupName: $id},
      "AWS::DynamoDB::Table": {TableName: $id},
      "AWS::KMS::Key": {KeyId: $id},
      "AWS::SecretsManager::Secret": {Id: $id}
    }[.ResourceType])})' "$resources" > "$folder/import.json"
# The parameters of the data stack in the file of the environment.
sed -n "s/^ *\"\([A-Za-z0-9]*\)='\{0,1\}\([^\"]*[^\"']\)'\{0,1\}\".*/\1=\2/p" "$file" | while IFS= read -r parameter; do
  if sed '/^Rules:/,$d' infra/data.yaml | grep -q "^  ${parameter%%=*}:\$"; then echo "$parameter"; fi
done | jq -Rn '[inputs | capture("^(?<ParameterKey>[^=]+)=(?<ParameterValue>.*)$")]' > "$folder/parameters.json"

aws cloudformation create-change-set --stack-name "$data" --change-set-name import --change-set-type IMPORT \
  --template-body "file://$folder/template.yaml" --resources-to-import "file://$folder/import.json" \
  --parameters "file://$folder/parameters.json" > /dev/null
aws cloudformation wait change-set-create-complete --stack-name "$data" --change-set-name import
aws cloudformation execute-change-set --stack-name "$data" --change-set-name import
aws cloudformation wait stack-import-complete --stack-name "$data"
aws cloudformation update-termination-protection --stack-name "$data" --enable-termination-protection > /dev/null
echo "imported $data; now run infra/deploy.sh"
