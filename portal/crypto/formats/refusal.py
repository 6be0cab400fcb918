"""Why a password hash is not verified. No message quotes any of it."""


class HashRefused(Exception):
    """A hash that cannot be verified, although it may be a good one; the message says why."""


class CutShort(HashRefused):
    """The end of a hash is missing: another column was shorter than it. No password can ever match it."""


class HashingFailed(Exception):
    """The process that hashes died, or took too long: whether a password matches is not known."""
