"""Changes templates in place for a deployment to MiniStack. Each function calls AWS through the IAM proxy
(tests/template/iam_proxy.py), which enforces the policies of the function's role. Resources that MiniStack does not support are
removed; with --keep-alarms, alarms of several metrics remain, so that the creation of the running stack fails. The functions of
webhooks, and the one whose changes they send, have the clock of the file that the environment variable CLOCK names.

Usage: adapt_template.py PROXY_URL [--keep-alarms] TEMPLATE…, with the Python interpreter of the SAM CLI.
"""

import os
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_dump, yaml_parse

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "webhooks"))
from clock import TestClock  # noqa: E402 (the directory is known only now)

# MiniStack rejects a template with one of these types, also if the resource has a condition that is false.
UNSUPPORTED = {"AWS::Backup::BackupSelection", "AWS::Logs::QueryDefinition"}

# The others verify tokens of apps and sessions, whose clock is the system's.
WITH_CLOCK = {"CatalogFunction", "WebhooksFunction", "WebhooksFeedFunction", "WebhooksSenderFunction"}

clock = TestClock(os.environ["CLOCK"]).environment()
keeps_alarms = "--keep-alarms" in sys.argv
proxy, *paths = [argument for argument in sys.argv[1:] if argument != "--keep-alarms"]


def is_supported(resource):
    has_several_metrics = resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
    return resource["Type"] not in UNSUPPORTED and (keeps_alarms or not has_several_metrics)


for path in map(Path, paths):
    template = yaml_parse(path.read_text())
    template["Resources"] = {name: one for name, one in template["Resources"].items() if is_supported(one)}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            variables = resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
            # Receivers of webhooks run on this machine.
            variables["SIGNET_ALLOW_LOOPBACK_WEBHOOKS"] = "true"
            variables["AWS_ENDPOINT_URL"] = f"{proxy}/{name.removesuffix('Function')}"
            variables.update(clock if name in WITH_CLOCK else {})
    path.write_text(yaml_dump(template))
