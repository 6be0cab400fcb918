"""Files on their way through the console: pieces, as a browser sends them, and the worker that reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from portal.core.clock import FixedClock
from portal.core.db import Database
from portal.crypto.vault import WebVault
from portal.exposure.uploads import plans, receiving, workbooks
from portal.exposure.uploads.models import Upload
from portal.exposure.uploads.plans import Plan
from portal.exposure.uploads.receiving import Place
from portal.exposure.uploads.work import Uploads
from portal.runtime.parts import WorkerParts
from tests.exposure.conftest import Lists


@dataclass
class Desk:
    """What the console does with files, with the keys of a process that decrypts nothing."""

    place: Place
    parts: WorkerParts
    lists: Lists

    @property
    def db(self) -> Database:
        return self.place.db

    def begin(self, size: int | None, *, form: str = "text", purpose: str = "list", name: str = "") -> Upload:
        with self.db.write() as session:
            return receiving.begin(
                session,
                self.lists.id_of("november"),
                purpose,
                form,
                size,
                "ana",
                self.place.clock.now(),
                name=name,
            )

    def row(self, upload: Upload) -> Upload:
        with self.db.read() as session:
            return session.get_one(Upload, upload.id)

    def piece(self, upload: Upload, content: bytes, offset: int, *, arrives: int | None = None) -> int:
        """Send a piece; of it `arrives` bytes come, then the connection ends."""
        coming = BytesIO(content if arrives is None else content[:arrives])
        return receiving.receive(self.place, self.row(upload), offset, len(content), coming.read)

    def send(self, content: bytes, *, purpose: str = "list") -> Upload:
        upload = self.begin(len(content), purpose=purpose)
        self.piece(upload, content, 0)
        return self.row(upload)

    def send_workbook(self, path: Path, sheet: str = "") -> Upload:
        content = path.read_bytes()
        upload = self.begin(len(content), form="sheet")
        workbooks.receive(self.place, upload, sheet, BytesIO(content).read)
        return self.row(upload)

    def work(self) -> None:
        """Let the worker do all that is due."""
        step = Uploads(self.parts).step
        while step():
            pass

    def decide(self, upload: Upload, **decided: Any) -> Upload:
        """Decide about an upload, let the worker do it, and return what became of it."""
        with self.db.write() as session:
            row = session.get_one(Upload, upload.id)
            plans.decide(session, self.parts.vault, row, Plan(**decided), self.place.clock.now())
        self.work()
        return self.row(upload)

    def found(self, upload: Upload) -> dict[str, Any]:
        return plans.findings(self.parts.vault, self.row(upload))

    def read(self, content: bytes, **kinds: str) -> tuple[Upload, dict[str, Any]]:
        """Send a file, let the worker read it, and return its row and what was found."""
        upload = self.send(content, **kinds)
        self.work()
        return self.row(upload), self.found(upload)


@pytest.fixture
def desk(
    db: Database, web_vault: WebVault, clock: FixedClock, worker_parts: WorkerParts, lists: Lists
) -> Desk:
    return Desk(Place(db, web_vault, clock), worker_parts, lists)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Chunks of a few bytes, so that small files have many."""

    def set_size(size: int) -> None:
        monkeypatch.setattr(receiving, "CHUNK_BYTES", size)
        monkeypatch.setattr(receiving, "LEAST_CHUNK", 1)

    return set_size
