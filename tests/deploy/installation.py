"""The installation under test: AWS clients, the outputs of the data stack, and the base URL of the API. The environment variable
STACK is the name of the data stack. With AWS_ENDPOINT_URL, it is deployed to MiniStack, and otherwise to AWS."""

import os

import botocore.session

STACK, ENDPOINT = os.environ["STACK"], os.environ.get("AWS_ENDPOINT_URL")
IS_AWS = not ENDPOINT


def client(service):
    return botocore.session.get_session().create_client(service, endpoint_url=ENDPOINT, region_name=os.environ["AWS_REGION"])


described = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
OUTPUTS = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
ISSUER = OUTPUTS["ApiUrl"]
# The URL has the host name of API Gateway; MiniStack serves the API with this ID at this path.
BASE = ISSUER if IS_AWS else f"{ENDPOINT}/_aws/execute-api/{ISSUER.removeprefix('https://').split('.')[0]}/$default"
