"""Processes that hash in Python for this one, started when needed and kept for the next hash.

Callers hold a hash slot, so that no more run than there are cores.
"""

import json
import logging
import os
import select
import subprocess
import sys
from threading import Lock
from time import monotonic
from typing import IO, Any, cast

from portal.crypto.formats.refusal import HashingFailed

log = logging.getLogger(__name__)

WAIT_SECONDS = 5.0
_CHILD = "portal.crypto.formats.child"
_MOST_IDLE = 2


class _Child:
    """One process, which answers one request at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-m", _CHILD]
        self.process = subprocess.Popen(  # noqa: S603 - our own module; the environment may hold secrets
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}
        )
        self._input = cast("IO[bytes]", self.process.stdin)
        self._output = cast("IO[bytes]", self.process.stdout)

    def ask(self, request: bytes, seconds: float) -> Any:
        """Return the answer. Raises BrokenPipeError when it has died, TimeoutError when it takes too long."""
        self._input.write(request)
        self._input.flush()
        deadline, answer = monotonic() + seconds, b""
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        while not answer.endswith(b"\n"):
            if not poll.poll(max(0.0, deadline - monotonic()) * 1000):
                raise TimeoutError
            more = os.read(self._output.fileno(), 4096)
            if not more:
                raise BrokenPipeError
            answer += more
        return json.loads(answer)

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self._output.close()
        try:
            self._input.close()
        except BrokenPipeError:
            log.debug("hashing: the pipe of an ended process held a request")
        self.process.wait()


class Children:
    """The processes of this one."""

    def __init__(self) -> None:
        """Start none yet."""
        self._idle: list[_Child] = []
        self._lock = Lock()
        self._owner = os.getpid()

    def ask(self, request: dict[str, Any], seconds: float = WAIT_SECONDS) -> Any:
        """Return the answer of a process. Raises HashingFailed.

        One that died while nobody asked it is replaced once.
        """
        line = json.dumps(request).encode() + b"\n"
        with self._lock:
            if self._owner != os.getpid():  # of the process that forked this one
                self._idle, self._owner = [], os.getpid()
            child = self._idle.pop() if self._idle else None
        if child is not None:
            try:
                return self._asked(child, line, seconds)
            except BrokenPipeError:
                log.warning("hashing: the process that hashes had ended; starting another")
        try:
            return self._asked(_Child(), line, seconds)
        except BrokenPipeError as error:
            log.error(
                "hashing: the process that hashes ends at once, so sign-ins with md5crypt, sha256crypt, "
                "sha512crypt and phpass get 503; to see why, run: %s -I -m %s",
                sys.executable,
                _CHILD,
            )
            raise HashingFailed from error

    def _asked(self, child: _Child, line: bytes, seconds: float) -> Any:
        try:
            answer = child.ask(line, seconds)
        except TimeoutError as error:
            child.end()
            log.error("hashing: one hash took more than %g seconds and was stopped", seconds)
            raise HashingFailed from error
        except BaseException:
            child.end()
            raise
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(child)
                return answer
        child.end()
        return answer

    def end(self) -> None:
        """End all processes that nobody asks now."""
        with self._lock:
            ended, self._idle = self._idle, []
        for child in ended:
            child.end()


_CHILDREN = Children()


def verify(handler: str, text: str, plain: bytes) -> bool:
    """Return whether a password matches, by a handler of passlib. Raises HashingFailed."""
    return bool(_CHILDREN.ask({"handler": handler, "text": text, "plain": plain.hex()}))


def make(handler: str, plain: bytes, settings: dict[str, object]) -> str:
    """Return a new hash by a handler of passlib. Raises HashingFailed."""
    made = _CHILDREN.ask({"handler": handler, "settings": settings, "plain": plain.hex()})
    if not isinstance(made, str):  # libpass takes no such password
        raise HashingFailed
    return made


def end() -> None:
    """End the processes that nobody asks now; the next hash starts one again."""
    _CHILDREN.end()
