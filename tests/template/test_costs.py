"""The cost model in the documentation has the tables that infra/costs.py computes."""

import runpy
import unittest

from deployed import ROOT, Stack


class Costs(unittest.TestCase):
    def setUp(self):
        self.script = runpy.run_path(str(ROOT / "infra/costs.py"))

    def test_the_page_has_the_tables(self):
        page = (ROOT / "docs/reference/cost-model.md").read_text()
        self.assertIn("\n".join(self.script["tables"]()), "\n".join(self.tables(page)))

    def tables(self, page):
        """Returns the lines of its tables, with an empty line between two tables."""
        lines = [line for line in page.split("\n") if line.startswith("|")]
        for before, line in zip([None, *lines], lines):
            if before and line.startswith(("| machines", "| fixed cost")):
                yield ""
            yield line

    def test_what_stands_is_in_the_template(self):
        stack = Stack()
        (alarms,) = [price for name, price in self.script["FIXED"].items() if name == "CloudWatch alarms"]
        self.assertAlmostEqual(alarms, 0.10 * len(stack.of_type("AWS::CloudWatch::Alarm")))
        self.assertEqual(set(stack.of_type("AWS::KMS::Key")), {"RootKey", "SealingKey"})

    def test_memory_is_the_template_s(self):
        functions = Stack().of_type("AWS::Lambda::Function")
        for name in ["LicensesFunction", "ActivationsFunction"]:
            self.assertEqual(functions[name]["MemorySize"], 1024 * self.script["OPERATIONS"]["heartbeat"]["gb"])
