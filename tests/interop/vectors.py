"""Runs the Python verifier against directories of test vectors, which tests/vectors/README.md describes."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from verifier import UnknownKeyError, VerificationError, Verifier

passed = failed = 0


def expect_outcome(vector, attempt):
    global passed, failed
    try:
        attempt()
        error = None
    except Exception as raised:
        error = raised
    typed = error is None or isinstance(error, VerificationError)
    unknown_key = isinstance(error, UnknownKeyError)
    if (error is None) == vector["accept"] and typed and vector.get("unknown_key", unknown_key) == unknown_key:
        passed += 1
    else:
        failed += 1
        print(f"python: {vector['name']}: {error!r}", file=sys.stderr)


def expect_equal(name, found, expected):
    global passed, failed
    if found == expected:
        passed += 1
    else:
        failed += 1
        print(f"python: {name}: expected {expected}, found {found}", file=sys.stderr)


def check_decryption(vector):
    if Verifier.decrypt(vector["encrypted"], vector["app_key"]) != vector["token"]:
        raise ValueError("decrypted another token")


def read(folder, name):
    path = Path(folder) / name
    return path.read_text() if path.exists() else ""


def files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def check_license_file(vector, issuer):
    name, accept, now, machine_id = vector["name"], vector["accept"], vector.get("now", issuer["now"]), issuer["machine_id"]
    with tempfile.TemporaryDirectory() as folder:
        if "signed_jwks" in vector:
            (Path(folder) / "jwks.jwt").write_text(vector["signed_jwks"])
        verifier = Verifier(issuer, folder)
        if "imported" in vector:
            verifier.import_license_file(vector["imported"], machine_id, now)
        if "last_seen" in vector:
            (Path(folder) / "last-seen").write_text(str(vector["last_seen"]))
        token = json.loads(vector["file"])["token"] if accept else verifier.stored_token()
        expect_outcome(vector, lambda: verifier.import_license_file(vector["file"], machine_id, now))
        if "seen_after" in vector:
            expect_equal(name, read(folder, "last-seen"), str(vector["seen_after"]))
        expect_equal(f"{name}: key set", read(folder, "jwks.jwt"), vector.get("signed_jwks", ""))
        expect_equal(f"{name}: stored token", verifier.stored_token(), token)
        for later in [{"accept": True}, *vector.get("verify", [])] if accept else []:
            time = later.get("now", now)
            case = {**later, "name": f"{name}: verify at {time}"}
            expect_outcome(case, lambda: verifier.verify(later.get("token", token), machine_id, time))


for vectors in map(Path, sys.argv[1:]):
    issuer, tokens, sets, license_files, encrypted = (
        json.loads((vectors / f"{name}.json").read_text())
        for name in ("issuer", "tokens", "sets", "license-files", "encrypted")
    )
    for vector in tokens:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "jwks.jwt").write_text(vector.get("signed_jwks", issuer["signed_jwks"]))
            if "last_seen" in vector:
                (Path(folder) / "last-seen").write_text(str(vector["last_seen"]))
            verifier, now = Verifier(issuer, folder), vector.get("now", issuer["now"])
            machine_id = vector.get("machine_id", issuer["machine_id"])
            expect_outcome(vector, lambda: verifier.verify(vector["token"], machine_id, now))
            if "seen_after" in vector:
                expect_equal(vector["name"], read(folder, "last-seen"), str(vector["seen_after"]))
    for vector in sets:
        with tempfile.TemporaryDirectory() as folder:
            if "stored" in vector:
                (Path(folder) / "jwks.jwt").write_text(vector["stored"])
            verifier = Verifier(issuer, folder)
            expect_outcome(vector, lambda: verifier.store_key_set(vector["set"], issuer["now"]))
            expected = vector["set"] if vector["accept"] else vector.get("stored", "")
            expect_equal(vector["name"], read(folder, "jwks.jwt"), expected)
    for vector in license_files:
        check_license_file(vector, issuer)
    for vector in encrypted:
        expect_outcome({"name": f"encrypted: {vector['name']}", "accept": True}, lambda: check_decryption(vector))

# Cases that the files cannot express: no key set, a time with a fraction, and a stored time that cannot be read or written.
issuer, tokens = (json.loads((Path(sys.argv[1]) / f"{name}.json").read_text()) for name in ("issuer", "tokens"))
now, machine_id, token = issuer["now"], issuer["machine_id"], tokens[0]["token"]
with tempfile.TemporaryDirectory() as folder:
    verifier, folder = Verifier(issuer, folder), Path(folder)
    no_key_set = {"name": "no key set", "accept": False, "unknown_key": True}
    expect_outcome(no_key_set, lambda: verifier.verify(token, machine_id, now))
    verifier.store_key_set(issuer["signed_jwks"], now)
    fraction = {"name": "time with a fraction", "accept": True}
    expect_outcome(fraction, lambda: verifier.verify(token, machine_id, now + 0.5))
    expect_equal("time with a fraction", read(folder, "last-seen"), str(now))
    try:
        verifier.verify(token, machine_id, float("nan"))
        expect_equal("time is not a number", "accepted", "refused")
    except ValueError as error:
        expect_equal("time is not a number", type(error), ValueError)
    (folder / "last-seen").write_bytes(b"\xff")
    expect_outcome({"name": "last-seen is not text", "accept": True}, lambda: verifier.verify(token, machine_id, now))
    (folder / "last-seen").unlink()
    (folder / "last-seen").mkdir()
    expect_outcome({"name": "last-seen is a directory", "accept": True}, lambda: verifier.verify(token, machine_id, now))
    expect_equal("files", files(folder), ["jwks.jwt", "last-seen"])

# Refusals.
with tempfile.TemporaryDirectory() as folder:
    verifier, folder = Verifier(issuer, folder), Path(folder)
    verifier.store_key_set(issuer["signed_jwks"], now)
    expect_equal("no token", verifier.stored_token(), None)
    verifier.store_token(token, verifier.stored_refusal())
    expect_equal("stored token", verifier.stored_token(), token)
    verifier.store_refusal("revoked")
    expect_equal("refusal", verifier.stored_refusal().code, "revoked")
    expect_equal("token after a refusal", read(folder, "token"), "")
    verifier.store_token(token, None)
    expect_equal("token requested before the refusal", verifier.stored_token(), None)
    first = verifier.stored_refusal()
    verifier.store_token(token, first)
    expect_equal("token requested after the refusal", verifier.stored_token(), token)
    verifier.store_refusal("revoked")
    verifier.store_token(token, first)
    expect_equal("token requested before the second refusal", verifier.stored_token(), None)
    (folder / "refusal").unlink()
    (folder / "refusal").mkdir()
    verifier.store_token(token)
    verifier.store_refusal("revoked")
    expect_equal("token after a refusal that could not be written", verifier.stored_token(), None)
    (folder / "refusal").rmdir()
    expect_equal("files after refusals", files(folder), ["jwks.jwt", "last-seen"])

# License files after refusals.
with tempfile.TemporaryDirectory() as folder:
    verifier = Verifier(issuer, folder)
    file = json.loads((Path(sys.argv[1]) / "license-files.json").read_text())[0]["file"]

    def import_file(name, accept):
        expect_outcome({"name": name, "accept": accept}, lambda: verifier.import_license_file(file, machine_id, now))

    verifier.store_refusal("expired")
    import_file("license file imported after a refusal", True)
    import_file("license file imported again", True)
    verifier.store_refusal("revoked")
    import_file("license file imported again after a refusal", False)
    expect_equal("token of a refused license file", verifier.stored_token(), None)

# Four processes share a directory.
with tempfile.TemporaryDirectory() as folder:
    Verifier(issuer, folder).store_key_set(issuer["signed_jwks"], now)
    command = [sys.executable, "concurrent_verify.py", sys.argv[1], folder]
    processes = [subprocess.Popen(command) for _ in range(4)]
    expect_equal("concurrent", [process.wait() for process in processes], [0] * 4)
    expect_equal("concurrent", files(folder), ["jwks.jwt", "last-seen", "token"])

print(f"python: {passed} passed, {failed} failed")
sys.exit(failed > 0 or passed == 0)
