"""What the mails about an update say: stored under row MACs when the first is queued, and verified."""

import json
from collections.abc import Mapping
from hmac import compare_digest

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from portal.crypto.vault import WorkerVault
from portal.subscriptions.emails import Words
from portal.subscriptions.models import FrozenUpdate


class WordsAltered(Exception):
    """The frozen words of an update were altered or removed without the worker's keys, or never stored."""


def store(session: Session, vault: WorkerVault, update_id: bytes, words: Mapping[str, Words]) -> None:
    """Store what the mails about an update say by language, in place of what was stored before."""
    session.execute(delete(FrozenUpdate).where(FrozenUpdate.update_id == update_id))
    for language, said in words.items():
        content = json.dumps(said._asdict(), ensure_ascii=False)
        row = FrozenUpdate(update_id=update_id, language=language, content=content)
        row.row_mac = _row_mac(vault, row, sorted(words))
        session.add(row)
    session.flush()


def read(session: Session, vault: WorkerVault, update_id: bytes) -> dict[str, Words]:
    """Return the frozen words of an update by language. Raises WordsAltered."""
    rows = session.scalars(select(FrozenUpdate).where(FrozenUpdate.update_id == update_id)).all()
    languages = sorted(row.language for row in rows)
    if not rows or not all(compare_digest(row.row_mac, _row_mac(vault, row, languages)) for row in rows):
        raise WordsAltered
    return {row.language: Words(**json.loads(row.content)) for row in rows}


def _row_mac(vault: WorkerVault, row: FrozenUpdate, languages: list[str]) -> bytes:
    return vault.row_mac("update words", row.update_id, " ".join(languages), row.language, row.content)
