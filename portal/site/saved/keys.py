"""Find the keys with which this user may check saved settings."""

from collections.abc import Callable

from portal.core.settings import Settings
from portal.crypto import keys
from portal.crypto.vault import ConsoleVault, PageVault, WebVault, WorkerVault


def vault_of(settings: Settings) -> PageVault | None:
    """Return the vault of the first key file that this user can read, or None."""
    files = settings.keys
    ways: tuple[Callable[[], PageVault], ...] = (
        lambda: WorkerVault(keys.read_worker(files.worker_file)),
        lambda: WebVault(keys.read_web(files.web_file)),
        lambda: ConsoleVault(keys.read_console(files.console_file)),
    )
    for way in ways:
        try:
            return way()
        except keys.KeysInvalid:
            continue
    return None
