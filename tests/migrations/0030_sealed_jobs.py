"""The keys of worker processes, sealed jobs and attempts at a new password; the tables start empty."""

from datetime import UTC, datetime

from tests.migrations.rows import Rows

AT = datetime(2026, 11, 23, 9, 0, 15, 123456, tzinfo=UTC)


def carry(rows: Rows) -> None:
    """Nothing changes for what was there."""


def write(rows: Rows) -> None:
    keys = [b"worker key row %d" % number for number in (1, 2)]
    rows["worker_keys"] = [{"id": key, "public": key * 2, "proof": key[::-1], "beat_at": AT} for key in keys]
    rows["sealed_jobs"] = [
        {"id": b"sealed job %05d" % number, "kind": "sign-in", "key_id": keys[0], "sealed": sealed,
         "asked_at": AT, "claimed_at": at, "answered_at": at, "verdict": verdict, "deadline": AT}
        for number, (sealed, at, verdict) in enumerate([(b"s" * 4224, None, None), (b"", AT, b"v" * 544)])
    ]  # fmt: skip
    rows["reset_attempts"] = [
        {"account_key": b"attempt row %04d" % number, "attempt": attempt,
         "account": b"a" * 540, "unknown": attempt is None, "until": AT}
        for number, attempt in enumerate((b"attempt id 00001", None))
    ]  # fmt: skip
