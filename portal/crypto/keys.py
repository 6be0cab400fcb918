"""Generate, write and read the key files of the web process, the worker and the console."""

import json
import os
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes, token_hex
from tempfile import mkstemp
from typing import TYPE_CHECKING, Any, TextIO

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_BYTES = 32
CANARY = b"the portal's canary sings"


class KeysInvalid(Exception):
    """A key file is missing, unreadable or invalid; the message names the file, never a value."""


@dataclass(frozen=True, repr=False)
class WebKeys:
    """The web process's keys: they seal requests and find accounts, and decrypt nothing about people."""

    key_id: str
    session_secret: str
    session_fallbacks: tuple[str, ...]
    account_index: bytes
    sealing_public: bytes


@dataclass(frozen=True, repr=False)
class WorkerKeys:
    """The worker's keys: all but the session secret."""

    key_id: str
    account_index: bytes
    sealing_public: bytes
    sealing_private: bytes
    storage: bytes
    list_index: bytes
    mail_token: bytes
    canary: bytes


@dataclass(frozen=True, repr=False)
class ConsoleKeys:
    """The console's keys: they seal orders and find staff, and decrypt nothing about customers."""

    key_id: str
    session_secret: str
    session_fallbacks: tuple[str, ...]
    staff_index: bytes
    sealing_public: bytes


def generate() -> tuple[WebKeys, WorkerKeys]:
    """Return a new pair of key files' contents, without writing them."""
    private = X25519PrivateKey.generate()
    key_id = token_hex(4)
    account_index = token_bytes(KEY_BYTES)
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    secret = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    web = WebKeys(key_id, _new_secret(), (), account_index, public)
    keys = [token_bytes(KEY_BYTES) for _ in range(3)]
    worker = WorkerKeys(key_id, account_index, public, secret, keys[0], keys[1], keys[2], CANARY)
    return web, worker


def staff_index(worker: WorkerKeys) -> bytes:
    """Return the key that the console and the worker share, derived from the storage key (keyed BLAKE2b).

    So worker's key files that are older than the console need no new key.
    """
    return blake2b(b"staff index", key=worker.storage, person=b"portal derived", digest_size=32).digest()


def for_console(worker: WorkerKeys) -> ConsoleKeys:
    """Return the contents of a new key file for the console of this worker, with a new session secret."""
    return ConsoleKeys(worker.key_id, _new_secret(), (), staff_index(worker), worker.sealing_public)


def write_pair(web: WebKeys, worker: WorkerKeys, web_file: Path, worker_file: Path) -> None:
    """Write both files, with mode 0600. Raises KeysInvalid where one exists or cannot be written."""
    write((web_file, web), (worker_file, worker))


def write(*files: tuple[Path, WebKeys | WorkerKeys | ConsoleKeys]) -> None:
    """Write all files, with mode 0600, or none. Raises KeysInvalid where one exists or cannot be written."""
    for path, _keys in files:
        if os.path.lexists(path):
            message = (
                f"{path} exists. Keys are never overwritten: without them stored data cannot be decrypted."
            )
            raise KeysInvalid(message)
    written: list[Path] = []
    for path, keys in files:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            written.append(path)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                _write(file, keys)
        except OSError as error:
            # One file is of no use without the other, and would make the next attempt fail.
            for one in written:
                one.unlink()
            message = f"cannot write {path} ({error.strerror}); no key file was created"
            raise KeysInvalid(message) from error


def renew_session(path: Path, read: "Callable[[Path], WebKeys | ConsoleKeys]") -> None:
    """Replace the session secret in a key file; the previous one becomes the only fallback.

    `read` reads a file of its kind: `read_web` or `read_console`.

    The replacement is atomic and keeps owner and mode. Raises KeysInvalid.
    """
    path = path.resolve()
    old = read(path)
    new = replace(old, session_secret=_new_secret(), session_fallbacks=(old.session_secret,))
    try:
        was = path.stat()
        descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                os.fchown(descriptor, was.st_uid, was.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(was.st_mode))
                _write(file, new)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        message = f"cannot write {path} ({error.strerror}); the session secret is unchanged"
        raise KeysInvalid(message) from error


def read_web(path: Path) -> WebKeys:
    """Return the web process's keys. Raises KeysInvalid."""
    raw = _read(path, "WebKeys", "PORTAL_WEB_KEYS_FILE")
    try:
        return WebKeys(
            _name(raw["key_id"]),
            _strong_secret(raw["session_secret"]),
            tuple(_strong_secret(secret) for secret in raw["session_fallbacks"]),
            _key(raw["account_index"]),
            _key(raw["sealing_public"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        message = (
            f"PORTAL_WEB_KEYS_FILE: a key is missing or weak ({type(error).__name__}); "
            "restore the file from your offline copy"
        )
        raise KeysInvalid(message) from error


def read_console(path: Path) -> ConsoleKeys:
    """Return the console's keys. Raises KeysInvalid."""
    raw = _read(path, "ConsoleKeys", "PORTAL_CONSOLE_KEYS_FILE", "portal keys console")
    try:
        return ConsoleKeys(
            _name(raw["key_id"]),
            _strong_secret(raw["session_secret"]),
            tuple(_strong_secret(secret) for secret in raw["session_fallbacks"]),
            _key(raw["staff_index"]),
            _key(raw["sealing_public"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        message = (
            f"PORTAL_CONSOLE_KEYS_FILE: a key is missing or weak ({type(error).__name__}); "
            "make a new file as the worker's user: portal keys console"
        )
        raise KeysInvalid(message) from error


def read_worker(path: Path) -> WorkerKeys:
    """Return the worker's keys. Raises KeysInvalid."""
    raw = _read(path, "WorkerKeys", "PORTAL_WORKER_KEYS_FILE")
    names = ("account_index", "sealing_public", "sealing_private", "storage", "list_index", "mail_token")
    try:
        read = {name: _key(raw[name]) for name in names}
        return WorkerKeys(key_id=_name(raw["key_id"]), canary=urlsafe_b64decode(raw["canary"]), **read)
    except (KeyError, TypeError, ValueError) as error:
        message = (
            f"PORTAL_WORKER_KEYS_FILE: a key is missing or weak ({type(error).__name__}); "
            "restore the file from your offline copy"
        )
        raise KeysInvalid(message) from error


def _write(file: TextIO, keys: WebKeys | WorkerKeys | ConsoleKeys) -> None:
    """Write a key file and fsync it."""
    json.dump({"for": type(keys).__name__, **{k: _text(v) for k, v in vars(keys).items()}}, file, indent=1)
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path, purpose: str, variable: str, maker: str = "portal keys generate") -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="ascii"))
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        next_step = f"run: {maker}" if missing else "give this user read permission"
        message = f"{variable}: cannot read {path.absolute()} ({error.strerror}); {next_step}"
        raise KeysInvalid(message) from error
    except ValueError as error:
        message = f"{variable}: not a key file; restore it from your offline copy"
        raise KeysInvalid(message) from error
    if not isinstance(raw, dict) or raw.get("for") != purpose:
        message = f"{variable}: not a key file for this setting ({purpose}); are two files swapped?"
        raise KeysInvalid(message)
    return raw


def _new_secret() -> str:
    return urlsafe_b64encode(token_bytes(KEY_BYTES)).decode()


def _text(value: object) -> object:
    if isinstance(value, bytes):
        return urlsafe_b64encode(value).decode()
    return list(value) if isinstance(value, tuple) else value


def _name(text: object) -> str:
    if not isinstance(text, str) or not text.isascii() or not text.isalnum():
        raise ValueError
    return text


def _key(text: str) -> bytes:
    key = urlsafe_b64decode(text)
    if len(key) != KEY_BYTES or len(set(key)) < KEY_BYTES // 4:
        raise ValueError
    return key


def _strong_secret(text: str) -> str:
    if len(text) < KEY_BYTES or len(set(text)) < KEY_BYTES // 4:
        raise ValueError
    return text
