"""Writes the built template anew with each function's AWS services behind the guard, which holds every call to the policies
of that function's role (tests/template/guard.py).

Usage: guarded.py BUILD_DIR GUARD_URL, with the Python that SAM has.
"""

import sys
from pathlib import Path

from samcli.yamlhelper import yaml_dump, yaml_parse

built, guard = Path(sys.argv[1]), sys.argv[2]
template = yaml_parse((built / "template.yaml").read_text())
for name, resource in template["Resources"].items():
    if resource["Type"] == "AWS::Serverless::Function":
        variables = resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
        variables["AWS_ENDPOINT_URL"] = f"{guard}/{name.removesuffix('Function')}"
(built / "guarded.yaml").write_text(yaml_dump(template))
