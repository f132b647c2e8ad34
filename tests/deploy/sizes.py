"""Prints how large each function is that was built, unpacked and zipped, beside its budget; fails where one is over it. A
larger function takes longer to start.

Usage: sizes.py BUILD_DIR
"""

import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryFile

MEGABYTE = 1_000_000
# In MB, unpacked: some 15 % above what they have now. Those that encrypt tokens to an app's key have OpenSSL in them.
BUDGET = {
    "Access": 13, "Activations": 19, "Catalog": 13.5, "Customers": 13, "Dashboard": 24, "Discovery": 14.5, "Licenses": 19.5,
    "Registration": 13.5, "Rotation": 11, "Statistics": 11,
}


def zipped(path):
    with TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path)
        return file.tell()


built = {path.parent.name.removesuffix("Function"): path for path in Path(sys.argv[1]).glob("*/bootstrap")}
assert built.keys() == BUDGET.keys(), f"built are {sorted(built)}, budgets are for {sorted(BUDGET)}"
print(f"{'function':14} {'MB':>6} {'zipped':>7} {'budget':>7}")
over = []
for name, path in sorted(built.items()):
    size = path.stat().st_size / MEGABYTE
    print(f"{name:14} {size:6.1f} {zipped(path) / MEGABYTE:7.1f} {BUDGET[name]:7.1f}")
    if size > BUDGET[name]:
        over.append(name)
if over:
    sys.exit(f"over their budget: {', '.join(over)}")
