"""Sign requests as Standard Webhooks 1.0 asks: https://www.standardwebhooks.com."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from secrets import token_hex

PREFIX = "whsec_"
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64  # as the specification says


class SecretInvalid(ValueError):
    """The text is no signing secret; the message says why, and repeats no part of it."""


def secret_bytes(secret: str) -> bytes:
    """Return the key of a secret like `whsec_…`. Raises SecretInvalid."""
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise SecretInvalid("must be whsec_ and Base64") from None
    if not secret.startswith(PREFIX):
        raise SecretInvalid("must start with whsec_")
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise SecretInvalid(f"must be {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} random bytes in Base64")
    return key


def new_message_id() -> str:
    """Return an id for one request and its repetitions."""
    return f"msg_{token_hex(16)}"


def signed_headers(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers. Several keys, while one replaces another, give several signatures."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = (b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
