"""Writes a copy of the built template in which each function calls AWS through the IAM proxy (tests/template/iam_proxy.py),
which enforces the policies of the function's role.

Usage: add_iam_proxy.py BUILD_DIR PROXY_URL, with the Python interpreter of the SAM CLI. Writes BUILD_DIR/proxied.yaml.
"""

import sys
from pathlib import Path

from samcli.yamlhelper import yaml_dump, yaml_parse

build_dir, proxy = Path(sys.argv[1]), sys.argv[2]
template = yaml_parse((build_dir / "template.yaml").read_text())
for name, resource in template["Resources"].items():
    if resource["Type"] == "AWS::Serverless::Function":
        variables = resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
        variables["AWS_ENDPOINT_URL"] = f"{proxy}/{name.removesuffix('Function')}"
(build_dir / "proxied.yaml").write_text(yaml_dump(template))
