"""Does one thing with the README's app in Python, started anew: once.py APP.json METHOD. Prints what came back."""

import json
import sys
from pathlib import Path

from app import App

given, method = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
app = App(given["built_in"], given["folder"], given["machine_id"], given["license_key"])
print(json.dumps(getattr(app, method)()))
