"""Mails to send: a short one, and one that carries whatever its author wrote."""

from tests.outgoing import command, counts, enqueue, row

__all__ = ["command", "counts", "enqueue", "row"]
