"""Measure the incident page against a constant Flask response of the same body and headers."""

from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import Request, urlopen

from bench.load import get, rate
from bench.measure import Result, interleaved
from bench.servers import context_of, portal_settings, serving
from portal.demo import example

LANGUAGE = "en"


def run() -> list[Result]:
    """Measure the page, its 304, and the constant response."""
    # In a test each request looks whether something was published; a real portal looks ten times a second.
    with portal_settings(PORTAL_ENVIRONMENT="demo") as (settings, environ), TemporaryDirectory() as name:
        with context_of(settings) as context:
            example.load(context, new=True)
        path = f"/incidents/{example.incident()['slug']}/"
        with serving("wsgi:app", environ) as portal:
            asked = Request(f"http://127.0.0.1:{portal}{path}", headers={"Accept-Language": LANGUAGE})
            with urlopen(asked) as answer:
                body, headers, etag = answer.read(), answer.getheaders(), answer.headers["ETag"]
            (Path(name) / "body").write_bytes(body)
            saved = [
                f"{key}: {value}"
                for key, value in headers
                if key.lower() not in ("connection", "content-length", "date", "server")
            ]
            (Path(name) / "headers").write_text("\n".join(saved), encoding="utf-8")
            peer_environ = {"BENCH_BODY": f"{name}/body", "BENCH_HEADERS": f"{name}/headers"}
            with serving("bench.constant:app", peer_environ) as peer:
                page = get(path, Accept_Language=LANGUAGE)
                unchanged = get(path, Accept_Language=LANGUAGE, If_None_Match=etag)
                seen = interleaved(
                    {
                        "constant": lambda: rate(peer, [page]),
                        "page": lambda: rate(portal, [page]),
                        "304": lambda: rate(portal, [unchanged], expected=304),
                    }
                )
    figures = f"{seen['page']:.0f}/s of {len(body)} bytes"
    return [
        Result(
            "incident page / constant response", seen["page"] / seen["constant"],
            f"{figures} against {seen['constant']:.0f}/s", least=0.95,
        ),
        Result(
            "304 / incident page", seen["304"] / seen["page"],
            f"{seen['304']:.0f}/s against {seen['page']:.0f}/s", least=0.9,
        ),
    ]  # fmt: skip
