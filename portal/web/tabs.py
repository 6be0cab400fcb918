"""Values in the session that belong to the page of one tab.

A browser has one session and many tabs, and families share an inbox. So a page that was opened for one person
names its value, in its address (`?link=`) and in a hidden field of each form, and every request acts on the
value that it names. The name is a keyed hash: it is worth nothing without the session's cookie.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import g, request, session

from portal.web import frame
from portal.web.errors import LinkForgotten

MOST_VALUES = 3
FIELD = "link"
_READS = ("GET", "HEAD")


@dataclass(frozen=True, repr=False)
class TabValue:
    """A value that never changes, such as a token, with its name and what its page did so far."""

    name: str
    value: str
    state: Any = None


@dataclass(frozen=True)
class TabValues:
    """The last three values of one kind, newest first, below `key` in the session.

    `former` is the key below which former versions kept a single value without a name.
    """

    key: str
    former: str

    def put(self, value: str, state: Any = None) -> str:
        """Store a value and return its name; of four values the oldest is forgotten."""
        self._store([[value, state], *(entry for entry in self._entries() if entry[0] != value)])
        return self._name(value)

    def find(self) -> TabValue | None:
        """Return the value that this request names, or None where the session has none of this kind.

        Raises LinkForgotten where it names one that is gone, or must name one and does not.
        """
        entries = self._entries()
        named = request.form.get(FIELD) or request.args.get(FIELD)
        if named:
            found = [entry for entry in entries if self._name(entry[0]) == named]
        else:
            found = entries if self._unmistakable(entries) else []
        if found:
            value, state = found[0]
            g.link = self._name(value)
            return TabValue(g.link, value, state)
        if entries or self._changes_something(named):
            raise LinkForgotten
        return None

    def change(self, value: TabValue, state: Any) -> None:
        """Store a new state beside a value."""
        self._store([[one, state if one == value.value else before] for one, before in self._entries()])

    def forget(self, is_gone: Callable[[str], bool]) -> None:
        """Remove the values for which `is_gone`; those of other tabs stay."""
        self._store([entry for entry in self._entries() if not is_gone(entry[0])])

    def _unmistakable(self, entries: list[Any]) -> bool:
        """Return whether a request without a name can mean only one value.

        A form of a former version has no name, and may be older than the value that its session held last.
        """
        return len(entries) == 1 and (request.method in _READS or self.former not in session)

    def _changes_something(self, named: str | None) -> bool:
        """Return whether a form was sent from a page that had a value; others lead to the flow's start."""
        return request.method not in _READS and bool(named or self.former in session)

    def _entries(self) -> list[Any]:
        """Return pairs of value and state, the one of a former version last."""
        former = session.get(self.former)
        return [*session.get(self.key, []), *([[former, None]] if former and isinstance(former, str) else [])]

    def _store(self, entries: list[Any]) -> None:
        session[self.key] = entries[:MOST_VALUES]
        if self.former in session:
            session[self.former] = ""  # it stays as a mark: forms without a name may still be open

    def _name(self, value: str) -> str:
        return frame.page_parts().vault.bucket("link", self.key, value).hex()
