"""Writes the receivers of docs/how-to/receive-webhooks.md as programs: one folder for each language, and the receiver
without a library. The programs listen on 127.0.0.1 and the port of the environment variable PORT. Nothing else of them
is changed.

Usage: extract_receivers.py PAGE FOLDER
"""

import re
import sys
import textwrap
from pathlib import Path

# The tab of each language, its file, and what listens on a port: in the page, and here.
RECEIVERS = {
    "Node": ("node/receiver.js", ".listen(9000)", '.listen(process.env.PORT, "127.0.0.1")'),
    "Python": ("python/receiver.py", '("", 9000)', '("127.0.0.1", int(os.environ["PORT"]))'),
    "Go": ("go/receiver.go", '":9000"', '"127.0.0.1:"+os.Getenv("PORT")'),
    "Java": (
        "java/Receiver.java",
        "InetSocketAddress(9000)",
        'InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT")))',
    ),
}
TAB = re.compile(r'^=== "(?P<name>.*)"\n\n    ```\w+\n(?P<code>(?:    .*\n|\n)+?)    ```$', re.MULTILINE)
WITHOUT_LIBRARY = re.compile(r"^cat > receiver\.py <<'PYTHON'\n(?P<code>.*?)^PYTHON$", re.MULTILINE | re.DOTALL)


def write(path, code):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code)


page, folder = Path(sys.argv[1]).read_text(), Path(sys.argv[2])
tabs = {tab["name"]: textwrap.dedent(tab["code"]) for tab in TAB.finditer(page)}
assert tabs.keys() == RECEIVERS.keys(), f"the tabs of the page are {[*tabs]}"
for name, (file, listens, replacement) in RECEIVERS.items():
    assert tabs[name].count(listens) == 1, f"{name}: {listens} is not in the code once"
    write(folder / file, tabs[name].replace(listens, replacement))
write(folder / "without-library/receiver.py", WITHOUT_LIBRARY.search(page)["code"])
