"""The page on load has the tables that the script makes."""

import runpy
import unittest

from deployed import ROOT, Stack


class Costs(unittest.TestCase):
    def setUp(self):
        self.script = runpy.run_path(str(ROOT / "infra/costs.py"))

    def test_the_page_has_the_tables(self):
        page = (ROOT / "infra/load.md").read_text()
        self.assertIn("\n".join(self.script["tables"]()), "\n".join(self.tables(page)))

    def tables(self, page):
        """The lines of its tables and an empty one between them."""
        lines = [line for line in page.split("\n") if line.startswith("|")]
        for before, line in zip([None, *lines], lines):
            if before and line.startswith(("| machines", "| standing")):
                yield ""
            yield line

    def test_what_stands_is_in_the_template(self):
        stack = Stack()
        (alarms,) = [price for name, price in self.script["STANDING"].items() if name == "alarms"]
        self.assertAlmostEqual(alarms, 0.10 * len(stack.of_type("AWS::CloudWatch::Alarm")))
        self.assertEqual(set(stack.of_type("AWS::KMS::Key")), {"RootKey", "SealingKey"})

    def test_memory_is_the_template_s(self):
        functions = Stack().of_type("AWS::Lambda::Function")
        for name in ["LicensesFunction", "ActivationsFunction"]:
            self.assertEqual(functions[name]["MemorySize"], 1024 * self.script["OPERATIONS"]["heartbeat"]["gb"])
