"""Mails to send: a short one, and one that carries whatever its author wrote."""

from tests.outgoing import counts, enqueue, row

__all__ = ["counts", "enqueue", "row"]
