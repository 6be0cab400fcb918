"""Verify hashes that libpass computes in Python; runs as `python -m`, one JSON line in, one out.

In a process of its own, because Python code holds the interpreter of the process that runs it.
"""

import json
import signal
import sys
from typing import Any

from portal.crypto.formats.handlers import handler


def main() -> None:
    """Answer until the other side closes the pipe, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends this one
    for line in sys.stdin.buffer:
        answer = json.dumps(_answer(json.loads(line))).encode()
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


def _answer(request: dict[str, Any]) -> bool | str | None:
    """Return whether a password matches, or a new hash, or None where libpass takes no such password."""
    taken = handler(request["handler"])
    plain = bytes.fromhex(request["plain"])
    try:
        if "text" in request:
            return bool(taken.verify(plain, request["text"]))
        return str(taken.using(**request["settings"]).hash(plain))
    except ValueError:  # a NUL in the password
        return None


if __name__ == "__main__":
    main()
