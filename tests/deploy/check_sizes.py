"""Prints the size of each function binary, unpacked and zipped, and fails if one exceeds its budget. Larger binaries have
longer cold starts.

Usage: check_sizes.py BUILD_DIR
"""

import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryFile

MEGABYTE = 1_000_000
# Unpacked size in MB, about 15 % above the current size. Functions that encrypt tokens contain OpenSSL. An eighth of each
# binary are the tables that unwinding needs, so that a panic becomes a 500 response. aws-lc is built for speed, not for size,
# which takes 1.5 MB.
BUDGETS = {
    "Access": 16, "Activations": 23, "Catalog": 16.5, "Customers": 16, "Transfers": 23.5, "Dashboard": 30, "Discovery": 18, "Licenses": 23.5,
    "Registration": 16.5, "Rotation": 14, "Statistics": 14, "Webhooks": 16.5, "WebhooksFeed": 16, "WebhooksSender": 17.5,
}


def zipped_size(path):
    with TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path)
        return file.tell()


binaries = {path.parent.name.removesuffix("Function"): path for path in Path(sys.argv[1]).glob("*/bootstrap")}
assert binaries.keys() == BUDGETS.keys(), f"found binaries of {sorted(binaries)}, budgets of {sorted(BUDGETS)}"
print(f"{'function':15} {'MB':>6} {'zipped':>7} {'budget':>7}")
too_large = []
for name, path in sorted(binaries.items()):
    size = path.stat().st_size / MEGABYTE
    print(f"{name:15} {size:6.1f} {zipped_size(path) / MEGABYTE:7.1f} {BUDGETS[name]:7.1f}")
    if size > BUDGETS[name]:
        too_large.append(name)
if too_large:
    sys.exit(f"larger than their budget: {', '.join(too_large)}")
