"""Verifies a token 200 times, as one of several processes that share a directory: concurrent_verify.py VECTORS DIR"""

import json
import sys
from pathlib import Path

from verifier import Verifier

vectors, folder = sys.argv[1:]
issuer, tokens = (json.loads((Path(vectors) / f"{name}.json").read_text()) for name in ("issuer", "tokens"))
verifier, token = Verifier(issuer, folder), tokens[0]["token"]
for i in range(200):
    # Within the leeway: the other processes may be ahead or behind.
    verifier.verify(token, issuer["machine_id"], issuer["now"] + i % 50)
    verifier.store_key_set(issuer["signed_jwks"], issuer["now"])
    verifier.store_token(token)
