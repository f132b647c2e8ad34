"""Signs tokens and key sets with the keys of the test vectors."""

import base64
import json
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from signet_client.jws import encode, thumbprint

KEYS = Path(__file__).resolve().parents[3] / "tests" / "vectors" / "keys"
MACHINE_ID = "machine-1"
PRODUCT = "atlas"
LICENSE_KEY = "ATLAS-7K3QM-9V2XD-H4T8N-B6RZP-3WJ5C-FPZ08"


def private_key(name):
    return load_pem_private_key((KEYS / f"{name}.pem").read_bytes(), None)


def jwk(name):
    numbers = private_key(name).public_key().public_numbers()
    n, e = (encode(value.to_bytes((value.bit_length() + 7) // 8, "big")) for value in (numbers.n, numbers.e))
    key = {"kty": "RSA", "n": n, "e": e}
    return {**key, "kid": thumbprint(key)}


def sign(typ, claims, key):
    header = {"alg": "RS256", "typ": typ, "kid": jwk(key)["kid"]}
    text = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    signature = private_key(key).sign(text.encode(), PKCS1v15(), SHA256())
    return f"{text}.{encode(signature)}"


def token(issuer, *, iat=None, interval=900, **claims):
    iat = int(time.time()) if iat is None else iat
    exp = iat + 3600
    return sign(
        "license+jwt",
        {
            "iss": issuer,
            "aud": PRODUCT,
            "iat": iat,
            "nbf": iat,
            "exp": exp,
            "features": ["export.pdf"],
            "feature_limits": {"export.rows": 1000, "projects": None},
            "enforcement": {"heartbeat_interval_seconds": interval, "offline_until": exp + 3 * 86400},
            "activation": {"id": "act_1", "machine_id": MACHINE_ID},
            **claims,
        },
        "issuer",
    )


def key_set(issuer, *, iat=None):
    iat = int(time.time()) if iat is None else iat
    claims = {"iss": issuer, "sub": issuer, "iat": iat, "exp": iat + 7 * 86400, "keys": [jwk("issuer")]}
    return sign("jwk-set+jwt", claims, "root")


def config(url):
    return {"issuer": url, "product": PRODUCT, "root_keys": [jwk("root")], "unknown": True}


def decode_claims(text):
    part = text.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
