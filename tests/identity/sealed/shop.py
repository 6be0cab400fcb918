"""A portal whose accounts are in a company's own store, and the worker's sealed jobs beside it."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import func, select

from portal.core.db import Database
from portal.core.settings import Settings
from portal.identity import registry
from portal.identity.sealed.jobs import Jobs
from portal.identity.sealed.models import SealedJob
from portal.identity.service import external_store
from portal.runtime.parts import WorkerParts
from tests.identity.sealed.shop_store import ShopStore
from tests.processes import ROOT
from tests.visitor import Visitor

ANN = "ann@northwind.example"
OLD, NEW = "correct-horse-battery-old", "sunlit-marble-otter-harbour"


def package(folder: Path) -> Path:
    """A folder that registers the store, as an installed package does."""
    described = folder / "company_shop-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: company-shop\nVersion: 1.0\n")
    place = "tests.identity.sealed.shop_store:ShopStore"
    (described / "entry_points.txt").write_text(f"[portal.identity_stores]\nshop = {place}\n")
    return folder


@pytest.fixture
def shop_environ(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    folder = package(tmp_path / "shop-package")
    monkeypatch.syspath_prepend(folder)
    registry.load.cache_clear()
    return environ | {
        "PORTAL_IDENTITY_STORE": "shop",
        "PORTAL_IDENTITY_SHOP_FILE": str(tmp_path / "shop.db"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
    }


@pytest.fixture
def cannot() -> str:
    """What the store cannot do; a test parametrises it."""
    return ""


@pytest.fixture
def settings(shop_environ: Mapping[str, str], cannot: str) -> Settings:
    return Settings.from_env({**shop_environ, "PORTAL_IDENTITY_SHOP_CANNOT": cannot})


@pytest.fixture
def shop(settings: Settings) -> ShopStore:
    return cast("ShopStore", external_store(settings))


@dataclass
class Worker:
    """The worker's threads for sealed jobs, in this process."""

    db: Database
    parts: WorkerParts
    threads: int = 4

    @contextmanager
    def working(self) -> Iterator[Jobs]:
        jobs = Jobs(self.parts, self.threads)
        jobs.step()
        try:
            yield jobs
        finally:
            jobs.close()

    def wait_for_answers(self, number: int) -> None:
        """Wait until the verdicts of so many of the jobs that are left are stored."""
        answered = select(func.count()).where(SealedJob.answered_at.is_not(None))
        end = time.monotonic() + 30
        while True:
            with self.db.read() as session:
                if (session.scalar(answered) or 0) >= number:
                    return
            assert time.monotonic() < end, "no verdict came"
            time.sleep(0.02)

    def pass_time(self, seconds: float) -> None:
        """Let the time of all jobs pass; what was answered was answered at once."""
        with self.db.write() as session:
            for job in session.scalars(select(SealedJob)):
                job.asked_at -= timedelta(seconds=seconds)
                job.deadline -= timedelta(seconds=seconds)
                if job.answered_at is not None:
                    job.answered_at = job.asked_at


@pytest.fixture
def worker(db: Database, worker_parts: WorkerParts, shop: ShopStore) -> Worker:
    return Worker(db, worker_parts)


def told(browser: Visitor, waiting: Any, worker: Worker, seconds: float = 1) -> Any:
    """Open the page that waits once more, when its time has come."""
    worker.pass_time(seconds)
    return browser.get(waiting.location)
