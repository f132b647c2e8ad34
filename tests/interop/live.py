"""Sells and activates at a running stack, and writes what came back as test vectors, in the form of tests/vectors: tokens
and sets that hold, and what an attacker would make of them who has all that is public. Also checks with jwcrypto that the
published keys are what they say.

Usage: live.py local.json FOLDER
"""

import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path

from jwcrypto import jwe, jwk

from stack import activated, api, ask, operator, sold

folder = Path(sys.argv[2])


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def said(token):
    return [json.loads(decode(part)) for part in token.split(".")[:2]]


def opened(answer, key):
    assert answer["token_type"] == "JWE", answer
    encrypted = jwe.JWE(algs=["RSA-OAEP", "A256CBC-HS512"])
    encrypted.deserialize(answer["token"], key)
    assert encrypted.jose_header["kid"] == key.thumbprint() and encrypted.jose_header["cty"] == "JWT"
    return encrypted.payload.decode()


def check_keys(keys):
    for key in keys:
        assert jwk.JWK(**key).thumbprint() == key["kid"], key
        assert {**key, "n": "", "kid": ""} == {
            "kty": "RSA", "use": "sig", "alg": "RS256", "e": "AQAB", "n": "", "kid": ""}, key


product, machine = "atlas", "machine-1"
issued = sold(product)
plain = activated(issued, machine)["token"]
beat = api("license-keys/heartbeat", {"token": plain, "machine_id": machine})["token"]
elsewhere = activated(issued, "machine-2")["token"]
other_product = activated(sold("orbit"), machine)["token"]

# Encrypted to a key that is given as a JWK, at the heartbeat after it, and to one that is given as PEM.
app_key = jwk.JWK.generate(kty="RSA", size=3072)
as_jwk = activated(issued, machine, public_key=app_key.export_public(as_dict=True))
as_pem = activated(issued, machine, public_key=app_key.export_to_pem().decode())
beaten = api("license-keys/heartbeat", {"token": opened(as_jwk, app_key), "machine_id": machine})
encrypted = [
    {"name": name, "app_key": app_key.export(as_dict=True), "encrypted": answer["token"], "token": opened(answer, app_key)}
    for name, answer in [("given as a JWK", as_jwk), ("given as PEM", as_pem), ("at a heartbeat", beaten)]
]

set_, jwks = ask("/.well-known/jwks.jwt"), json.loads(ask("/.well-known/jwks.json"))
root_keys = api("signing-keys", headers=operator)["root_keys"]
check_keys([*jwks["keys"], *root_keys])
assert said(set_)[1]["keys"] == jwks["keys"], "the signed set is the plain one"

# Another key signs from here on. It was published before, so that a set from before has it.
api("signing-keys/rotate", {"force": True}, operator)
turned = opened(activated(issued, machine), app_key)
assert said(turned)[0]["kid"] != said(plain)[0]["kid"]
newer = ask("/.well-known/jwks.jwt")

header, claims = said(plain)
now, (protected, payload, signature) = claims["iat"], plain.split(".")
none = encode(json.dumps({**header, "alg": "none"}).encode()) + "." + payload
hs256 = encode(json.dumps({**header, "alg": "HS256"}).encode()) + "." + payload
signer = next(jwk.JWK(**key) for key in jwks["keys"] if key["kid"] == header["kid"])
mac = hmac.digest(signer.export_to_pem(), hs256.encode(), hashlib.sha256)
richer = encode(json.dumps({**claims, "features": ["everything"]}).encode())
typed = encode(json.dumps({**header, "typ": "JWT"}).encode())


def accept(name, token, **fields):
    return {"name": name, "accept": True, "token": token, **fields}


def refuse(name, token, **fields):
    return {"name": name, "accept": False, "token": token, **fields}


tokens = [
    accept("activated", plain),
    accept("after a heartbeat", beat),
    *(accept("opened: " + case["name"], case["token"]) for case in encrypted),
    accept("by the next key, with the set from before", turned),
    accept("by the next key, with the newer set", turned, signed_jwks=newer),
    accept("by the key before, with the newer set", plain, signed_jwks=newer),
    accept("in its grace", plain, now=claims["exp"] + 600),
    refuse("past its grace", plain, now=claims["exp"] + 700),
    refuse("clock set back", plain, last_seen=now + 3600),
    refuse("another machine", elsewhere),
    refuse("as issued", issued["token"]),
    refuse("another product", other_product),
    refuse("alg none", none + "."),
    refuse("alg none, signed", f"{none}.{signature}"),
    refuse("alg HS256 with the public key", f"{hs256}.{encode(mac)}"),
    refuse("another type", f"{typed}.{payload}.{signature}"),
    refuse("other claims", f"{protected}.{richer}.{signature}"),
    refuse("a set", set_),
    refuse("still encrypted", as_jwk["token"]),
]
sets = [
    {"name": "fetched", "accept": True, "set": newer},
    {"name": "fetched again", "accept": True, "set": set_, "kept": set_},
    {"name": "not signed", "accept": False, "set": json.dumps(jwks)},
    {"name": "a token", "accept": False, "set": plain},
    {"name": "other keys", "accept": False, "set": ".".join([set_.split(".")[0], richer, set_.split(".")[2]])},
]
issuer = {
    "issuer": json.loads(ask("/.well-known/license-configuration"))["issuer"], "product": product,
    "machine_id": machine, "now": now, "root_keys": root_keys, "jwks": jwks, "signed_jwks": set_,
}
folder.mkdir(exist_ok=True)
for name, content in {"issuer": issuer, "tokens": tokens, "sets": sets, "encrypted": encrypted}.items():
    (folder / f"{name}.json").write_text(json.dumps(content, indent=2))
print(f"live: {len(tokens)} tokens, {len(sets)} sets and {len(encrypted)} encrypted tokens")
