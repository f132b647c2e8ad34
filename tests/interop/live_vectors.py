"""Issues and activates license keys on a running stack, and writes the tokens and key sets as test vectors in the format of
tests/vectors: valid ones, and forgeries by an attacker who has everything that is public. Also checks the published keys with
jwcrypto.

Usage: live_vectors.py SIGNET_BINARY DIR
"""

import hashlib
import hmac
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from jwcrypto import jwe, jwk

from stack import Stack, decode_jwt, encode_base64url

MACHINE = "machine-1"


def decrypt(response, key):
    assert response["token_type"] == "JWE", response
    return decrypt_text(response["token"], key)


def decrypt_text(token, key):
    encrypted = jwe.JWE(algs=["RSA-OAEP", "A256CBC-HS512"])
    encrypted.deserialize(token, key)
    assert encrypted.jose_header["kid"] == key.thumbprint() and encrypted.jose_header["cty"] == "JWT"
    return encrypted.payload.decode()


def check_public_keys(keys):
    for key in keys:
        assert jwk.JWK(**key).thumbprint() == key["kid"], key
        assert {**key, "n": "", "kid": ""} == {
            "kty": "RSA", "use": "sig", "alg": "RS256", "e": "AQAB", "n": "", "kid": ""}, key


def accept(name, token, **fields):
    return {"name": name, "accept": True, "token": token, **fields}


def refuse(name, token, **fields):
    return {"name": name, "accept": False, "token": token, **fields}


def issue_license_file(stack, tier_id, **fields):
    """Issues a license key to another customer, and a license file of it for the machine, valid for a year."""
    email = f"{'encrypted' if fields else 'offline'}@example.com"
    customer = stack.api("customers", {"name": "Grace", "email": email}, stack.operator)
    issued = stack.api("license-keys", {"customer_id": customer["id"], "tier_id": tier_id, "expires_at": None}, stack.operator)
    until = datetime.now(timezone.utc) + timedelta(days=364)
    body = {"machine_id": MACHINE, "valid_until": until.isoformat(timespec="seconds"), **fields}
    return stack.api(f"license-keys/{issued['license']['id']}/offline-activations", body, stack.operator)


def make_vectors(stack):
    product = "atlas"
    issued = stack.issue_license_key(product)
    plain = stack.activate(issued, MACHINE)["token"]
    renewed = stack.api("license-keys/heartbeat", {"token": plain, "machine_id": MACHINE})["token"]
    other_machine = stack.activate(issued, "machine-2")["token"]
    other_product = stack.activate(stack.issue_license_key("orbit"), MACHINE)["token"]

    # Encrypted to a public key sent as a JWK, at the next heartbeat, and to a public key sent as PEM.
    app_key = jwk.JWK.generate(kty="RSA", size=3072)
    as_jwk = stack.activate(issued, MACHINE, public_key=app_key.export_public(as_dict=True))
    as_pem = stack.activate(issued, MACHINE, public_key=app_key.export_to_pem().decode())
    heartbeat = stack.api("license-keys/heartbeat", {"token": decrypt(as_jwk, app_key), "machine_id": MACHINE})
    encrypted = [
        {"name": name, "app_key": app_key.export(as_dict=True), "encrypted": response["token"],
         "token": decrypt(response, app_key)}
        for name, response in [("public key as JWK", as_jwk), ("public key as PEM", as_pem), ("heartbeat", heartbeat)]
    ]

    config = stack.verifier_config(product)
    key_set, jwks = stack.request("/.well-known/jwks.jwt"), json.loads(stack.request("/.well-known/jwks.json"))
    check_public_keys([*jwks["keys"], *config["root_keys"]])
    assert decode_jwt(key_set)[1]["keys"] == jwks["keys"], "the signed key set differs from the JWKS"

    # Promotes the next key, which the earlier key set already contains.
    stack.api("signing-keys/rotate", {"force": True}, stack.operator)
    rotated = decrypt(stack.activate(issued, MACHINE), app_key)
    assert decode_jwt(rotated)[0]["kid"] != decode_jwt(plain)[0]["kid"]
    newer_key_set = stack.request("/.well-known/jwks.jwt")

    header, claims = decode_jwt(plain)
    now, (protected, payload, signature) = claims["iat"], plain.split(".")
    none = encode_base64url(json.dumps({**header, "alg": "none"}).encode()) + "." + payload
    hs256 = encode_base64url(json.dumps({**header, "alg": "HS256"}).encode()) + "." + payload
    signer = next(jwk.JWK(**key) for key in jwks["keys"] if key["kid"] == header["kid"])
    mac = hmac.digest(signer.export_to_pem(), hs256.encode(), hashlib.sha256)
    more_features = encode_base64url(json.dumps({**claims, "features": ["everything"]}).encode())
    typ_jwt = encode_base64url(json.dumps({**header, "typ": "JWT"}).encode())

    tokens = [
        accept("activated", plain),
        accept("renewed by a heartbeat", renewed),
        *(accept("decrypted: " + case["name"], case["token"]) for case in encrypted),
        accept("signed by the next key, earlier key set", rotated),
        accept("signed by the next key, newer key set", rotated, signed_jwks=newer_key_set),
        accept("signed by the previous key, newer key set", plain, signed_jwks=newer_key_set),
        accept("at offline_until", plain, now=claims["enforcement"]["offline_until"]),
        refuse("after offline_until", plain, now=claims["enforcement"]["offline_until"] + 1),
        refuse("clock set back", plain, last_seen=now + 3600),
        refuse("another machine", other_machine),
        refuse("issued, without a machine", issued["token"]),
        refuse("another product", other_product),
        refuse("alg none", none + "."),
        refuse("alg none with a signature", f"{none}.{signature}"),
        refuse("alg HS256 with the public key", f"{hs256}.{encode_base64url(mac)}"),
        refuse("typ JWT", f"{typ_jwt}.{payload}.{signature}"),
        refuse("changed claims", f"{protected}.{more_features}.{signature}"),
        refuse("a key set", key_set),
        refuse("still encrypted", as_jwk["token"]),
    ]
    sets = [
        {"name": "fetched", "accept": True, "set": newer_key_set},
        {"name": "fetched again", "accept": True, "set": key_set, "stored": key_set},
        {"name": "not signed", "accept": False, "set": json.dumps(jwks)},
        {"name": "a token", "accept": False, "set": plain},
        {"name": "changed keys", "accept": False,
         "set": ".".join([key_set.split(".")[0], more_features, key_set.split(".")[2]])},
    ]
    file = issue_license_file(stack, issued["license"]["tier_id"])
    encrypted_file = issue_license_file(stack, issued["license"]["tier_id"], public_key=app_key.export_public(as_dict=True))
    license_files = [
        {"name": name, "accept": accepted, "file": json.dumps({**file, **fields})}
        for name, accepted, fields in [
            ("license file", True, {}),
            ("license file with an earlier key set", True, {"signed_jwks": key_set}),
            ("license file with a token of an activation", True, {"token": plain}),
            ("license file with an encrypted token", False, encrypted_file),
            ("license file with the decrypted token", True,
             {**encrypted_file, "token": decrypt_text(encrypted_file["token"], app_key)}),
            ("license file of another machine", False, {"token": other_machine}),
            ("license file with a JWKS", False, {"signed_jwks": json.dumps(jwks)}),
        ]
    ]
    issuer = {**config, "machine_id": MACHINE, "now": now, "jwks": jwks, "signed_jwks": key_set}
    return {"issuer": issuer, "tokens": tokens, "sets": sets, "license-files": license_files, "encrypted": encrypted}


def main():
    folder = Path(sys.argv[2])
    folder.mkdir()
    with Stack(sys.argv[1], "live-stack") as stack:
        vectors = make_vectors(stack)
    for name, content in vectors.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2))
    counts = ", ".join(f"{len(vectors[name])} {name}" for name in ("tokens", "sets", "license-files", "encrypted"))
    print(f"live vectors: {counts}")


main()
