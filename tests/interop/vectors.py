"""Runs the README's Python lines against folders of test vectors, as tests/vectors/README.md describes them."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from verify import UnknownKey, Verifier

passed = failed = 0


def expect(case, attempt):
    global passed, failed
    try:
        attempt()
        problem = None
    except Exception as error:  # noqa: BLE001 any refusal is one
        problem = error
    unknown_key = isinstance(problem, UnknownKey)
    if (problem is None) == case["accept"] and case.get("unknown_key", unknown_key) == unknown_key:
        passed += 1
    else:
        failed += 1
        print(f"python: {case['name']}: {problem!r}", file=sys.stderr)


def same(name, found, wanted):
    global passed, failed
    if found == wanted:
        passed += 1
    else:
        failed += 1
        print(f"python: {name}: {found} lies on disk, not {wanted}", file=sys.stderr)


def opens(verifier, case):
    if verifier.open(case["encrypted"], case["app_key"]) != case["token"]:
        raise ValueError("another token is in it")


for vectors in map(Path, sys.argv[1:]):
    issuer, tokens, sets, encrypted = (
        json.loads((vectors / f"{name}.json").read_text()) for name in ("issuer", "tokens", "sets", "encrypted")
    )
    for case in tokens:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "jwks.jwt").write_text(case.get("signed_jwks", issuer["signed_jwks"]))
            if "last_seen" in case:
                (Path(folder) / "last-seen").write_text(str(case["last_seen"]))
            app, now = Verifier(issuer, folder), case.get("now", issuer["now"])
            machine = case.get("machine_id", issuer["machine_id"])
            expect(case, lambda: app.check(case["token"], machine, now))
            if "seen_after" in case:
                same(case["name"], app.read("last-seen"), str(case["seen_after"]))
    for case in sets:
        with tempfile.TemporaryDirectory() as folder:
            if "kept" in case:
                (Path(folder) / "jwks.jwt").write_text(case["kept"])
            app = Verifier(issuer, folder)
            expect(case, lambda: app.keep(case["set"], issuer["now"]))
            same(case["name"], app.read("jwks.jwt"), case["set"] if case["accept"] else case.get("kept", ""))
    for case in encrypted:
        expect({"name": f"encrypted: {case['name']}", "accept": True}, lambda: opens(Verifier(issuer, "."), case))

# What no file of vectors can say: the last time seen can't be read, nor written; no set is on disk; the time has a fraction.
issuer, plain = (json.loads((Path(sys.argv[1]) / f"{name}.json").read_text()) for name in ("issuer", "tokens"))
now, machine, token = issuer["now"], issuer["machine_id"], plain[0]["token"]
with tempfile.TemporaryDirectory() as folder:
    app, folder = Verifier(issuer, folder), Path(folder)
    expect({"name": "no set", "accept": False, "unknown_key": True}, lambda: app.check(token, machine, now))
    app.keep(issuer["signed_jwks"], now)
    expect({"name": "a fraction", "accept": True}, lambda: app.check(token, machine, now + 0.5))
    same("a fraction", app.read("last-seen"), str(now))
    expect({"name": "no time", "accept": False}, lambda: app.check(token, machine, float("nan")))
    (folder / "last-seen").write_bytes(b"\xff")
    expect({"name": "no text", "accept": True}, lambda: app.check(token, machine, now))
    (folder / "last-seen").unlink()
    (folder / "last-seen").mkdir()
    expect({"name": "a folder for a file", "accept": True}, lambda: app.check(token, machine, now))
    same("what is left", sorted(path.name for path in folder.iterdir()), ["jwks.jwt", "last-seen"])

# Four processes share a folder.
with tempfile.TemporaryDirectory() as folder:
    Verifier(issuer, folder).keep(issuer["signed_jwks"], now)
    beside = [subprocess.Popen([sys.executable, "beside.py", sys.argv[1], folder]) for _ in range(4)]
    same("side by side", [process.wait() for process in beside], [0] * 4)
    same("side by side", sorted(path.name for path in Path(folder).iterdir()), ["jwks.jwt", "last-seen", "token"])

print(f"python: {passed} passed, {failed} failed")
sys.exit(failed > 0 or passed == 0)
