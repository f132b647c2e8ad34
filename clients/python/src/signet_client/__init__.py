"""Client library of Signet: licenses an app, also while it has no network.

>>> import signet_client
>>> license = signet_client.open(signet_app_json)
>>> license.has("export.pdf")
"""

from .errors import LicenseError
from .file_storage import FileStorage, MemoryStorage
from .license import UNLIMITED, License
from .opening import open
from .options import Options
from .ports import Storage
from .state import Active, ClockTampered, Expired, Offline, Refused, State, Unactivated
from .version import VERSION as __version__

__all__ = [
    "UNLIMITED",
    "Active",
    "ClockTampered",
    "Expired",
    "FileStorage",
    "License",
    "LicenseError",
    "MemoryStorage",
    "Offline",
    "Options",
    "Refused",
    "State",
    "Storage",
    "Unactivated",
    "__version__",
    "open",
]
