"""Runs the README's Python lines against folders of test vectors, as tests/vectors/README.md describes them."""

import json
import sys
import tempfile
from pathlib import Path

from verify import Verifier

passed = failed = 0


def expect(accept, name, attempt):
    global passed, failed
    try:
        attempt()
        problem = None
    except Exception as error:  # noqa: BLE001 any refusal is one
        problem = error
    if (problem is None) == accept:
        passed += 1
    else:
        failed += 1
        print(f"python: {name}: {problem!r}", file=sys.stderr)


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
            now, machine = case.get("now", issuer["now"]), issuer["machine_id"]
            expect(case["accept"], case["name"], lambda: Verifier(issuer, folder).check(case["token"], machine, now))
    for case in sets:
        with tempfile.TemporaryDirectory() as folder:
            if "kept" in case:
                (Path(folder) / "jwks.jwt").write_text(case["kept"])
            expect(case["accept"], case["name"], lambda: Verifier(issuer, folder).keep(case["set"], issuer["now"]))
    for case in encrypted:
        expect(True, f"encrypted: {case['name']}", lambda: opens(Verifier(issuer, "."), case))

print(f"python: {passed} passed, {failed} failed")
sys.exit(failed > 0 or passed == 0)
