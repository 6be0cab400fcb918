"""Minimal Flask applications that the portal's pages are measured against."""

import os
from pathlib import Path

from flask import Flask, Response, redirect
from flask_wtf import FlaskForm
from sqlalchemy import LargeBinary, insert
from sqlalchemy.orm import Mapped, mapped_column
from wtforms import StringField

from portal.core.db import Base, Database, new_id


class PlainRow(Base):
    """The one row that the bare form inserts."""

    __tablename__ = "bench_rows"

    id: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    email: Mapped[str]


class PlainForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """A form with one field."""

    email = StringField()


def constant() -> Flask:
    """Return an application that answers every path with the page that the benchmark saved."""
    app = Flask("constant")
    body = Path(os.environ["BENCH_BODY"]).read_bytes()
    lines = Path(os.environ["BENCH_HEADERS"]).read_text(encoding="utf-8").splitlines()
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]

    @app.get("/", defaults={"path": ""})
    @app.get("/<path:path>")
    def page(path: str) -> Response:  # noqa: ARG001 - every path is the same
        return Response(body, headers=headers)

    return app


def prepare(url: str) -> None:
    """Create the bare form's table, before its processes start."""
    db = Database(url)
    Base.metadata.create_all(db.engine, tables=[Base.metadata.tables["bench_rows"]])
    db.dispose()


def form() -> Flask:
    """Return an application with a bare Flask-WTF form that inserts one row and redirects."""
    app = Flask("form")
    app.secret_key = "bench" * 8
    db = Database(os.environ["BENCH_DATABASE_URL"])

    @app.get("/healthz")
    def alive() -> str:
        return "alive"

    @app.get("/form/")
    def show() -> str:
        return str(PlainForm().hidden_tag())

    @app.post("/form/")
    def take() -> Response:
        asked = PlainForm()
        if not asked.validate():
            return Response("wrong", 400)
        with db.write() as session:
            session.execute(insert(PlainRow).values(id=new_id(), email=asked.email.data))
        answer = redirect("/form/", 303)
        assert isinstance(answer, Response)
        return answer

    return app
