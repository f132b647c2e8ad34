import pytest


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """Hides the proxies of the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def pytest_terminal_summary(terminalreporter):
    """Prints how many scenarios passed."""
    passed = [report.nodeid for report in terminalreporter.getreports("passed") if report.when == "call"]
    scenarios = sum("::test_scenario[" in name for name in passed)
    machine_ids = sum("::test_machine_id[" in name for name in passed)
    terminalreporter.write_line(f"conformance: {scenarios} scenarios and {machine_ids} machine ids passed")
