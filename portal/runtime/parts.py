"""Define what an entry point passes down: the parts of the web process and those of the worker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy.orm import Session

from portal.blocklists.lists import Blocklists
from portal.core.clock import Clock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.hashing import HashSlots
from portal.crypto.keys import ConsoleKeys, WebKeys
from portal.crypto.vault import ConsoleVault, PageVault, WebVault, WorkerVault
from portal.runtime.page_cache import PageCache
from portal.runtime.storage_check import StorageCheck


@dataclass(frozen=True)
class AccountLine:
    """One line of the account page: a title, a state, and the link where it is changed."""

    title: str
    state: str
    href: str
    link: str
    due: bool = False


# Arguments: session, account id, now.
AccountLineProvider = Callable[[Session, bytes, datetime], AccountLine]
# Arguments: session, now. How long what is requested now waits at present in one part of the portal.
WaitEstimate = Callable[[Session, datetime], timedelta]


@dataclass(frozen=True, kw_only=True)
class PageParts:
    """The parts that pages share, those for everyone and those for staff.

    `cookie` is the name of the session's cookie. What is below `unlisted_paths` is excluded from search
    engines, but for `listed_pages`. `look` brings the settings up to date, at most once per second.
    """

    settings: Settings
    db: Database
    clock: Clock
    keys: WebKeys | ConsoleKeys
    vault: PageVault
    cookie: str = "session"
    unlisted_paths: tuple[str, ...] = ()
    listed_pages: tuple[str, ...] = ()
    look: Callable[[], object] = bool


@dataclass(frozen=True, kw_only=True)
class WebParts(PageParts):
    """The parts of the web process, and what features pass to packages below them.

    `blocklists` are those that the operator gave. `storage` says whether the database can store, and what is
    degraded. `page_cache` holds rendered public pages. `account_lines` are shown on the account page, in this
    order. `waits` add up to the wait for a requested mail. `language_chosen` is called with the language that
    a visitor chose. `sign_in_failed` is called in a transaction with the address of every failed sign-in,
    known or not, and whether this one closes sign-in to unknown browsers. `password_due` answers a sign-in
    with a passkey where the account needs a new password; it gets the account and its address.
    `stolen_password_locked` is called with the account's id and version, the address and the password of
    every try that fits; it returns whether it locked the account.
    """

    keys: WebKeys
    vault: WebVault
    hash_slots: HashSlots
    storage: StorageCheck
    page_cache: PageCache
    blocklists: Blocklists = field(default_factory=Blocklists)
    account_lines: tuple[AccountLineProvider, ...] = ()
    waits: tuple[WaitEstimate, ...] = ()
    language_chosen: Callable[[str], None] | None = None
    sign_in_failed: Callable[[Session, str, bool], None] | None = None
    password_due: Callable[[Any, str], Any] | None = None
    stolen_password_locked: Callable[[bytes, int, str, str], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class ConsoleParts(PageParts):
    """The console's parts. The settings' base URL is its own; `public_url` is that of the public site.

    `actions` are what staff do with a second person, by kind. `uses` says what other features keep of an
    incident. `titles` returns the titles of all incidents by slug, in a language: pages below the incidents
    name one. `refusals` are the features' words for why something was refused, by the code. At whole ticks,
    in seconds, a sign-in is answered.
    """

    tick: float = 0
    keys: ConsoleKeys
    vault: ConsoleVault
    public_url: str
    actions: Mapping[str, Any] = field(default_factory=dict)
    refusals: Mapping[str, Any] = field(default_factory=dict)
    uses: "IncidentUses | None" = None
    titles: Callable[[Session, str], dict[str, str]] = lambda _session, _language: {}


@dataclass(frozen=True)
class IncidentUses:
    """What features above the incidents keep of one, for the commands that publish, withdraw and discard.

    Each takes the session first. `subscribers` counts those who would get an update of an incident (its id),
    `lists` its lists of affected people. `forget_update` deletes what the mails about an update say (its id).
    `notices` returns when those notices of an incident began that are still being sent, of those that began
    at a time or later; `forget_notices` deletes what these say, and what those that were sent said, and
    discards drafts made since; it takes the present time, too. `carrying` returns the numbers of the notices
    that still go out with public facts as these were, and whether each is a draft.
    """

    subscribers: Callable[[Session, bytes], int]
    lists: Callable[[Session, bytes], int]
    forget_update: Callable[[Session, bytes], None]
    notices: Callable[[Session, bytes, datetime], list[datetime]]
    forget_notices: Callable[[Session, bytes, datetime, datetime], None]
    carrying: Callable[[Session, bytes], list[tuple[int, bool]]] = lambda _session, _incident_id: []


class Outcome(Enum):
    """What a handler did with a sealed request: answered or dropped it, or held it for a later answer."""

    ANSWERED = "answered"
    HELD = "held"


class Unavailable(Exception):
    """What a request needs from another server cannot be had now; the request is tried again later."""


class Unanswered(Unavailable):
    """The other server is there, but answers wrongly to this request; others may have better luck."""


class Handover(Enum):
    """What to do with a mail that is about to be handed to the relay.

    RENEW: what it promises had ended and holds again; it is composed as of now. DROP: it would be stale.
    LATER: it cannot leave until an operator has changed something; an hour later it is asked again.
    """

    SEND = "send"
    RENEW = "renew"
    DROP = "drop"
    LATER = "later"


@dataclass(frozen=True)
class LeavingMail:
    """What a feature may know of its mail when its handover begins: the row's id and date, the recipient.

    `fields` are those of the mail.
    """

    id: bytes
    created_at: datetime
    address: str
    fields: Mapping[str, Any] = field(default_factory=dict)


# Arguments: session, mail, now, parts. Called at each attempt, in the transaction that begins it.
BeforeHandover = Callable[[Session, LeavingMail, datetime, "WorkerParts"], Handover]


# Returns what finds the `words` of a template, from a mail and a language; that raises MailUnfit.
FrozenWords = Callable[["WorkerParts"], Callable[[Any, str], object]]


# Arguments: job id, fields, parts. Runs outside any transaction and returns what the asking browser is told.
# Raises the faults of portal/identity/ports.py.
SealedHandler = Callable[[bytes, Mapping[str, str], "WorkerParts"], dict[str, Any]]


@dataclass(frozen=True)
class WorkerParts:
    """The parts of the worker. `stopping` returns True where a long batch should end early.

    `lookups` has a function for each purpose whose handler needs what another server knows: it runs before
    the handler's transaction. `before_handover` has a function for each purpose whose mails may be stale by
    then; `words` one for each name of a mail whose words are frozen in rows of their own, since they are the
    same for many.
    `sealed` has a function for each kind of sealed job; without any, no job is looked for. `sign_in_failed`
    is called, in a transaction, about every failed sign-in of such a job, known or not. `long_work` has what
    takes minutes, by the names of the threads that do it: each makes a function that does what is due and
    returns how much that was.
    `actions` are what staff do with a second person, by kind. `password_faults` says what is wrong with a
    new password, of a person with these own words. `look` brings the settings up to date, at most once per
    second.
    """

    settings: Settings
    db: Database
    clock: Clock
    vault: WorkerVault
    handlers: dict[str, Callable[..., Outcome]] = field(default_factory=dict)
    lookups: dict[str, Callable[..., Sequence[Any]]] = field(default_factory=dict)
    composers: dict[str, Any] = field(default_factory=dict)
    before_handover: dict[str, BeforeHandover] = field(default_factory=dict)
    words: dict[str, FrozenWords] = field(default_factory=dict)
    sealed: dict[str, SealedHandler] = field(default_factory=dict)
    sign_in_failed: Callable[..., None] | None = None
    long_work: Mapping[str, Callable[["WorkerParts"], Callable[[], int]]] = field(default_factory=dict)
    actions: Mapping[str, Any] = field(default_factory=dict)
    password_faults: Callable[[str, Sequence[str]], Sequence[str]] | None = None
    stopping: Callable[[], bool] = bool  # bool() is False: never stops
    # The highest numbers that this process has seen, of what only grows, by name.
    numbers: dict[str, int] = field(default_factory=dict)
    look: Callable[[], object] = bool
