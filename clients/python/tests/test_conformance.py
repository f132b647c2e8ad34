import json

import pytest
from conformance import CONFORMANCE, Runner, scenarios

from signet_client.machine_id import machine_id

SCENARIOS = scenarios()
MACHINE_IDS = json.loads((CONFORMANCE / "machine-ids.json").read_text())


@pytest.mark.parametrize("scenario", [item for _, item in SCENARIOS], ids=[name for name, _ in SCENARIOS])
def test_scenario(scenario):
    runner = Runner(scenario)
    for number, step in enumerate(scenario["steps"]):
        try:
            runner.step(step)
        except AssertionError as error:
            raise AssertionError(f"step {number}, {step['do']}: {error}") from error


class FakeSystem:
    def __init__(self, case):
        self.name, self.environment = case["system"], case["environment"]
        self.files, self.output = case["files"], case.get("output", "")

    def exists(self, path):
        return path in self.files

    def read(self, path):
        return self.files.get(path, "")

    def run(self, command):
        return self.output


@pytest.mark.parametrize("case", MACHINE_IDS, ids=[case["name"] for case in MACHINE_IDS])
def test_machine_id(case):
    assert machine_id("atlas", FakeSystem(case)) == case["machine_id"]
