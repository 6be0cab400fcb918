"""Commands and other portals, in this process and on the test's database. Fixtures that folders share."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from portal.app import create_app
from portal.cli import load, main
from portal.core.clock import FixedClock
from portal.core.db import Database
from portal.core.settings import Settings
from portal.crypto.keys import WebKeys
from portal.runtime.context import Context
from tests.configured import configured
from tests.names import NameServer, serving_names
from tests.visitor import Visitor

Portal = Callable[..., Result]


@pytest.fixture
def context(settings: Settings, db: Database, clock: FixedClock) -> Context:
    context = Context(settings, clock, uses=lambda: load("portal.console.uses:INCIDENT_USES"))
    context.db = context.database = db
    return context


@pytest.fixture
def portal(context: Context) -> Portal:
    """Runs `portal …`; a command that ends otherwise than it should fails the test."""

    def run(*arguments: object, status: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], obj=context)
        assert result.exit_code == status, result.output
        return result

    return run


@pytest.fixture
def run(environ: dict[str, str]) -> Callable[..., Result]:
    """Run a command as an operator does; gives the result."""

    def command(*words: str, **changed: str | None) -> Result:
        unset: dict[str, str | None] = {name: None for name in os.environ if name.startswith("PORTAL_")}
        return CliRunner().invoke(main, words, env=unset | environ | changed)

    return command


@pytest.fixture
def production_environ(environ: dict[str, str]) -> dict[str, str]:
    """The environment of a portal in production, behind one proxy."""
    return environ | {
        "PORTAL_ENVIRONMENT": "production",
        "PORTAL_BASE_URL": "https://incident.northwind.example",
        "PORTAL_ARGON2": "m=47104,t=1,p=1",
        "PORTAL_EMBEDDED": "0",
        "PORTAL_TRUSTED_PROXIES": "1",
    }


@pytest.fixture
def names() -> Iterator[NameServer]:
    """A name server, with the records of a sender whose mail is taken."""
    with serving_names() as server:
        yield server


@pytest.fixture
def doctor(run: Callable[..., Result], names: NameServer) -> Callable[..., Result]:
    """Run `portal doctor` with the test's own name server, so that it asks nobody else."""

    def examine(*words: str, **changed: str | None) -> Result:
        return run("doctor", "--nameserver", names.address, *words, **changed)

    return examine


@pytest.fixture
def portal_with(
    settings: Settings, db: Database, clock: FixedClock, web_keys: WebKeys
) -> Callable[..., Flask]:
    """Make another portal's application, with other settings."""

    def make(**changed: Any) -> Flask:
        app = create_app(configured(settings, **changed), db=db, clock=clock, web_keys=web_keys)
        app.test_client_class = Visitor
        return app

    return make
