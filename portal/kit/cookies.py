"""The session cookie: signed, and of a length that tells nothing."""

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import TimedSerializer, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode


class _Uncompressed(URLSafeTimedSerializer):
    """Signs what is given as it is: how well a random token compresses is chance, and the length would show it."""

    def dump_payload(self, obj: object) -> bytes:
        """Return the JSON of `obj` in URL-safe base 64."""
        return base64_encode(TimedSerializer.dump_payload(self, obj))


class PlainSessions(SecureCookieSessionInterface):
    """Flask's session cookies, uncompressed: the same step of a flow gives everyone a cookie of the same length."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return what signs and reads the cookie, with the fallback secrets; None without a secret."""
        flasks = super().get_signing_serializer(app)
        if flasks is None:
            return None
        return _Uncompressed(
            flasks.secret_keys,
            salt=flasks.salt,
            serializer=self.serializer,
            signer_kwargs=flasks.signer_kwargs,
        )
