"""Tests that the cost tables in the documentation are the output of infra/costs.py."""

import runpy
import unittest

from cloudformation import ROOT, Installation
from test_stack import CLOUDFRONT, web_acl


class Costs(unittest.TestCase):
    def setUp(self):
        self.script = runpy.run_path(str(ROOT / "infra/costs.py"))

    def test_documentation_contains_the_generated_tables(self):
        page = (ROOT / "docs/reference/cost-model.md").read_text()
        self.assertIn("\n".join(self.script["tables"]()), "\n".join(self.table_lines(page)))

    def table_lines(self, page):
        """The lines of the tables, with an empty line between tables."""
        lines = [line for line in page.split("\n") if line.startswith("|")]
        for previous, line in zip([None, *lines], lines):
            if previous and line.startswith(("| machines", "| signatures", "| requests", "| fixed")):
                yield ""
            yield line

    def test_fixed_costs_match_the_resources_of_the_template(self):
        stack = Installation()
        (alarms,) = [price for name, price in self.script["FIXED_COSTS"].items() if name == "alarms"]
        # CloudWatch charges for each metric of an alarm.
        metrics = [
            max(1, sum("MetricStat" in metric for metric in alarm.get("Metrics", [])))
            for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()
        ]
        self.assertAlmostEqual(alarms, 0.10 * sum(metrics))
        self.assertEqual(set(stack.of_type("AWS::KMS::Key")), {"RootKey", "SealingKey"})

    def test_fixed_costs_with_cloudfront_match_the_resources_of_the_templates(self):
        costs = self.script["CLOUDFRONT_FIXED_COSTS"]
        secrets = [len(Installation(**one).of_type("AWS::SecretsManager::Secret")) for one in [{}, CLOUDFRONT]]
        self.assertAlmostEqual(costs["secret: CloudFront"], 0.40 * (secrets[1] - secrets[0]))
        self.assertAlmostEqual(costs["rules of the web ACL"], 1.00 * len(web_acl()["Rules"]))

    def test_prices_of_cloudtrail_and_guardduty_are_documented_with_their_sources(self):
        page = (ROOT / "docs/reference/cost-model.md").read_text()
        self.assertIn(f"{self.script['CLOUDTRAIL_COPY'] * 100_000:.2f} per 100,000 events", page)
        self.assertIn(f"{self.script['GUARDDUTY_EVENT'] * 1e6:.2f} per million management events", page)
        for service in ["cloudtrail", "guardduty"]:
            self.assertIn(f"https://aws.amazon.com/{service}/pricing/", page)

    def test_memory_size_matches_the_template(self):
        functions = Installation().of_type("AWS::Lambda::Function")
        for name in ["LicensesFunction", "ActivationsFunction"]:
            self.assertEqual(functions[name]["MemorySize"], 1024 * self.script["OPERATIONS"]["heartbeat"]["gb"])
