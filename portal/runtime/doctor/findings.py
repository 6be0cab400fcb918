"""What a check found, and running checks that wait for others at the same time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Thread
from time import monotonic

from portal.core.faults import error_types
from portal.core.i18n import Message
from portal.core.one_line import shown

OK, WRONG, NOTE = "ok", "wrong", "note"
_WORDS = {OK: "ok   ", WRONG: "WRONG", NOTE: "note "}


@dataclass(frozen=True)
class Finding:
    """What was checked, and what is wrong with it or worth a note; `state` is one of ok, wrong, note."""

    check: str
    state: str
    message: str = ""

    def line(self) -> str:
        """Return the finding as `portal doctor` prints it."""
        return _WORDS[self.state] + " " + shown(": ".join(filter(None, (self.check, self.message))))


# Yields what it found.
Check = Callable[[], Iterable[Finding]]


def judged(name: str, fault: str | None) -> Finding:
    """Return the finding of a check that returns a fault or None."""
    return Finding(name, OK) if fault is None else Finding(name, WRONG, fault)


class Waiting:
    """Checks that wait for other machines, begun all at once, each in a thread of its own."""

    def __init__(self, checks: Sequence[tuple[str, Check]], seconds: float) -> None:
        """Begin the checks, each with its name; all together may take so many seconds."""
        self._deadline = monotonic() + seconds
        self._seconds = seconds
        self._found: dict[str, list[Finding]] = {}
        self._names = [name for name, _check in checks]
        # A look-up of a name cannot be ended; as a daemon it does not keep the command from ending.
        self._threads = [Thread(target=self._run, args=each, daemon=True) for each in checks]
        for thread in self._threads:
            thread.start()

    def findings(self) -> Iterator[Finding]:
        """Yield what they found, in their order; a note for one that has not ended in time."""
        for name, thread in zip(self._names, self._threads, strict=True):
            thread.join(max(0.0, self._deadline - monotonic()))
            late = [
                Finding(
                    name,
                    NOTE,
                    Message(
                        "not checked: no answer within %(seconds)s seconds", seconds=f"{self._seconds:g}"
                    ),
                )
            ]
            yield from self._found.get(name, late)

    def _run(self, name: str, check: Check) -> None:
        try:
            self._found[name] = list(check())
        except Exception as error:  # noqa: BLE001 - the other checks must be told all the same
            fault = Message("the check itself failed (%(error)s)", error=error_types(error))
            self._found[name] = [Finding(name, WRONG, fault)]
