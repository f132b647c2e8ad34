"""Changes the built template for a deployment to MiniStack. Each function calls AWS through the IAM proxy
(tests/template/iam_proxy.py), which enforces the policies of the function's role. Saved queries and alarms of several metrics are
removed, because MiniStack does not support them: with --keep-alarms, the creation of the stack fails.

Usage: adapt_template.py BUILD_DIR PROXY_URL [--keep-alarms], with the Python interpreter of the SAM CLI.
"""

import sys
from pathlib import Path

from samcli.yamlhelper import yaml_dump, yaml_parse

build_dir, proxy, keeps_alarms = Path(sys.argv[1]), sys.argv[2], "--keep-alarms" in sys.argv
file = build_dir / "template.yaml"
template = yaml_parse(file.read_text())
for name, resource in list(template["Resources"].items()):
    if resource["Type"] == "AWS::Serverless::Function":
        variables = resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
        variables["AWS_ENDPOINT_URL"] = f"{proxy}/{name.removesuffix('Function')}"
    is_supported = resource["Type"] != "AWS::CloudWatch::Alarm" or "Metrics" not in resource["Properties"]
    if resource["Type"] == "AWS::Logs::QueryDefinition" or (not is_supported and not keeps_alarms):
        del template["Resources"][name]
file.write_text(yaml_dump(template))
