"""What the worker is to do with an upload, and what it found: both sealed by the worker, for itself alone."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from portal.crypto.vault import Cell, VaultError, WorkerVault
from portal.datakinds.names import Meanings
from portal.exposure.uploads.models import READ, REFUSED, UNDECIDED, WAITING, Upload
from portal.people_files.reading import ReadOptions

_PLAN_SIZES = (1024, 16384)
_FINDINGS_SIZES = (2048, 8192, 32000)


class NotNow(Exception):
    """The upload is being read or stored, or is over: nothing can be decided about it."""


@dataclass(frozen=True)
class Plan:
    """How to read an upload. `store`: import it, instead of only reading it.

    `mapped` are pairs of a column's number in the file and the column that it is; the numbers in `ignored`
    are left out. `meanings` say which class an unknown word means. `widen`: stage classes that the incident
    does not list. `silence`: leave out of notices even a large part of the list. `by` is who decided.
    """

    by: str = ""
    store: bool = False
    encoding: str = ""
    mapped: tuple[tuple[int, str], ...] = ()
    ignored: tuple[int, ...] = ()
    widen: bool = False
    silence: bool = False
    meanings: Meanings = ()

    @property
    def options(self) -> ReadOptions:
        """How to read the file."""
        return ReadOptions(
            encoding=self.encoding,
            mapped=tuple((f"column {number}", column) for number, column in self.mapped),
            ignored=tuple(f"column {number}" for number in self.ignored),
        )


def plan_of(vault: WorkerVault, upload: Upload) -> Plan:
    """Return the plan of an upload: to read it, where nobody decided anything. Raises VaultError."""
    if upload.plan is None:
        return Plan()
    fields = json.loads(vault.decrypt(_cell(upload, "plan"), upload.plan))
    mapped = tuple((int(number), str(column)) for number, column in fields.pop("mapped"))
    meanings = tuple((str(word), str(kind)) for word, kind in fields.pop("meanings", ()))
    return Plan(mapped=mapped, ignored=tuple(fields.pop("ignored")), meanings=meanings, **fields)


def decide(session: Session, vault: WorkerVault, upload: Upload, plan: Plan, now: datetime) -> None:
    """Let the worker read or store an upload as decided. Raises NotNow.

    Only what was read without a question can be stored, and only as it was read then.
    """
    states = (READ,) if plan.store else (READ, UNDECIDED, REFUSED)
    if upload.state not in states:
        raise NotNow
    if plan.store:
        former = plan_of(vault, upload)
        plan = replace(former, store=True, by=plan.by, widen=plan.widen, silence=plan.silence)
    content = json.dumps(asdict(plan), separators=(",", ":")).encode()
    upload.plan = vault.encrypt(_cell(upload, "plan"), content, _PLAN_SIZES)
    upload.state, upload.changed_at, upload.lease = WAITING, now, None
    upload.stage, upload.done, upload.total, upload.rows, upload.rate = "", 0, 0, 0, 0
    session.flush()


def sealed_findings(vault: WorkerVault, upload: Upload, found: Mapping[str, Any]) -> bytes:
    """Return what was found, sealed for its upload. Lists are shortened until it fits."""
    most = 100
    while True:
        content = json.dumps(_shortened(found, most), separators=(",", ":"), ensure_ascii=False).encode()
        try:
            return vault.encrypt(_cell(upload, "findings"), content, _FINDINGS_SIZES)
        except ValueError:
            if most <= 1:
                raise
            most //= 2


def findings(vault: WorkerVault, upload: Upload) -> dict[str, Any]:
    """Return what the worker found in an upload; nothing where it has not read it, or somebody altered it."""
    if upload.findings is None:
        return {}
    try:
        found: dict[str, Any] = json.loads(vault.decrypt(_cell(upload, "findings"), upload.findings))
    except (VaultError, ValueError):
        return {}
    return found


def _shortened(value: Any, most: int) -> Any:
    if isinstance(value, Mapping):
        return {key: _shortened(each, most) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shortened(each, most) for each in value[:most]]
    return value


def _cell(upload: Upload, column: str) -> Cell:
    return Cell("list_uploads", column, upload.id)
