#!/usr/bin/env bash
# Prints template.yaml for `sam local start-api`: with an API of its own, because SAM finds no routes of an API that is in
# another stack.
set -euo pipefail
cd "$(dirname "$0")/.."
api='\n\n  Api:\n    Type: AWS::ApiGatewayV2::Api\n    Properties: {Name: signet, ProtocolType: HTTP}'
exec sed -e "s/{Fn::ImportValue: !Sub '\${DataStack}-ApiId'}/!Ref Api/" -e "s/^Resources:\$/&$api/" template.yaml
