"""Opens a license handle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, Optional, Union

from .config import Config
from .core import Core
from .errors import invalid_config
from .file_storage import FileStorage, MemoryStorage, default_folder
from .http_transport import HttpTransport
from .identity import Identity, check_machine_id
from .license import License
from .machine_id import System, ephemeral_machine_id, machine_id
from .options import Options
from .ports import Sources, Storage
from .session import Session
from .texts import one_line
from .version import VERSION


def open(config: Union[str, bytes, Mapping[str, Any]], options: Optional[Options] = None) -> License:
    """Opens the license of this machine from disk, and starts the background task. Sends no request itself.

    `config` is the content of `signet-app.json`, as JSON text or as an object. Raises LicenseError with the code
    `invalid_config` if the configuration or an option is not valid.
    """
    options = options or Options()
    app = Config.parse(config)
    transport = HttpTransport(
        app.api_url,
        f"signet-client-python/{VERSION} {options.user_agent}".rstrip(" "),
        proxy=options.proxy,
        connect_timeout=options.connect_timeout,
        timeout=options.timeout,
        ca_certificates=options.ca_certificates,
    )
    identity, storage = _identity(app.product, options), _storage(app.product, options)
    core = Core(app, identity, storage, Sources(), keep_license_key=options.keep_license_key)
    session = Session(core, transport)
    session.start_background()
    return License(session, str(storage) if options.storage is None else "of the app")


def _identity(product: str, options: Options) -> Identity:
    stable = machine_id(product, System()) if options.machine_id is None else _given_machine_id(options.machine_id)
    return Identity.create(
        ephemeral_machine_id() if stable is None else stable,
        is_ephemeral=stable is None,
        instance_id=options.instance_id,
        machine_name=options.machine_name,
        app_version=options.app_version,
        os=options.os,
        hostname=options.hostname,
    )


def _given_machine_id(given: Union[str, Callable[[], str]]) -> str:
    if not callable(given):
        return check_machine_id(given)
    try:
        machine_id = given()
    except Exception as error:
        raise invalid_config(one_line(f"the function machine_id failed: {type(error).__name__}: {error}")) from error
    return check_machine_id(machine_id)


def _storage(product: str, options: Options) -> Storage:
    if options.storage is not None:
        return options.storage
    folder = default_folder(product) if options.folder is None else Path(options.folder)
    return FileStorage(folder) if folder else MemoryStorage()
