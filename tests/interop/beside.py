"""Checks a token 200 times, as one of several processes that share a folder: beside.py VECTORS FOLDER"""

import json
import sys
from pathlib import Path

from verify import Verifier

vectors, folder = sys.argv[1:]
issuer, plain = (json.loads((Path(vectors) / f"{name}.json").read_text()) for name in ("issuer", "tokens"))
app, token = Verifier(issuer, folder), plain[0]["token"]
for i in range(200):
    # Within what clocks may differ by: the others may be ahead, or behind.
    app.check(token, issuer["machine_id"], issuer["now"] + i % 50)
    app.keep(issuer["signed_jwks"], issuer["now"])
    app.renewed(token)
