"""Public pages come from memory, as Flask would have made them, until something is published."""

import pytest
from flask import make_response, request, session
from sqlalchemy import text

from portal.incidents import service as incidents
from portal.web import frame

# What stands before Flask depends on the database in one thing: whether it is there.
pytestmark = pytest.mark.sqlite

PAGES = ["/", "/incidents/", "/feed.atom", "/feed.json", "/protect-yourself/", "/privacy/", "/theme.css"]

# The cache answers for the name of the portal alone.
BY_FLASK = {"Host": "127.0.0.1"}


@pytest.fixture
def reached(app):
    """The paths that reached Flask."""
    paths: list[str] = []

    @app.before_request
    def note():
        paths.append(request.path)

    return paths


def without_date(answer):
    return [pair for pair in answer.headers.to_wsgi_list() if pair[0] != "Date"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_made_once_and_is_what_flask_would_send(client, reached, path):
    first, again = client.get(path), client.get(path)
    assert reached == [path]
    by_flask = client.get(path, headers=BY_FLASK)
    assert reached == [path, path]
    for answer in (first, again):
        assert answer.status_code == 200
        assert answer.data == by_flask.data
        assert without_date(answer) == without_date(by_flask)
    assert "default-src 'none'" in again.headers["Content-Security-Policy"]
    assert again.headers["Content-Length"] == str(len(again.data))


@pytest.mark.parametrize("path", PAGES)
def test_who_has_the_page_or_wants_the_headers_alone_gets_no_body(client, reached, path):
    page = client.get(path)
    headers = client.head(path)
    assert (headers.data, headers.headers.to_wsgi_list()) == (b"", page.headers.to_wsgi_list())
    etag = page.headers["ETag"]
    for sent in (etag, f"W/{etag}", f'"other", W/{etag}', "*"):
        unchanged = client.get(path, headers={"If-None-Match": sent})
        assert (unchanged.status_code, unchanged.data) == (304, b"")
        assert unchanged.headers["ETag"] == etag
        assert unchanged.headers["Cache-Control"] == page.headers["Cache-Control"]
        assert "Content-Length" not in unchanged.headers
    assert client.get(path, headers={"If-None-Match": '"other"'}).data == page.data
    assert reached == [path]


def test_the_first_visitor_may_have_an_older_page_or_want_headers_alone(client):
    assert client.get("/", headers={"If-None-Match": '"older"'}).status_code == 200
    assert client.head("/protect-yourself/").status_code == 200
    assert "<h1" in client.get("/").text
    assert "<h1" in client.get("/protect-yourself/").text


@pytest.mark.parametrize(
    ("accepted", "chosen", "expected"),
    [
        ("es-MX,es;q=0.9,en;q=0.8", None, "es"),
        ("de", None, "en"),
        ("en", "es", "es"),
        ("es", "en", "en"),
        ("es", "tlh", "es"),
        ("x" * 300, "\xff", "en"),
    ],
)
def test_the_language_is_the_one_that_flask_would_choose(client, reached, accepted, chosen, expected):
    if chosen:
        client.set_cookie("language", chosen)
    headers = {"Accept-Language": accepted}
    by_flask = client.get("/?x", headers=headers)
    assert by_flask.headers["Content-Language"] == expected
    for _ in range(2):
        answer = client.get("/", headers=headers)
        assert answer.headers["Content-Language"] == expected
        assert answer.data == by_flask.data
    assert reached == ["/", "/"]


def test_what_is_somebodys_own_is_never_kept(app, client, reached):
    @app.get("/incidents/own/")
    def own():
        session["visits"] = session.get("visits", 0) + 1
        response = make_response(str(session["visits"]))
        response.add_etag()
        return frame.public(response)

    pages = [client.get("/incidents/own/") for _ in range(2)]
    assert [page.text for page in pages] == ["1", "2"], "the visitor's session was lost"
    assert [page.headers["Set-Cookie"][:8] for page in pages] == ["session="] * 2
    client.get("/check/")
    client.get("/check/")
    assert reached == ["/incidents/own/"] * 4 + ["/check/"] * 2


def test_a_cookie_of_this_visitor_leaves_no_trace_in_the_page_of_all(client, reached):
    client.get("/check/")
    assert client.get_cookie("session") is not None
    page = client.get("/")
    assert "Set-Cookie" not in page.headers
    client.delete_cookie("session")
    assert client.get("/").data == page.data
    assert reached == ["/check/", "/"]


def test_a_page_that_looks_at_the_visitor_sees_nobody(app, client):
    @app.get("/incidents/who/")
    def who():
        response = make_response(f"{request.cookies.get('name', 'nobody')} {request.accept_languages}")
        response.add_etag()
        return frame.public(response)

    client.set_cookie("name", "ana")
    for tag in ("es-MX", "es-ES"):
        assert client.get("/incidents/who/", headers={"Accept-Language": tag}).text == "nobody es"


def test_another_host_is_refused_and_a_form_is_not_answered_from_memory(portal_with):
    client = portal_with(
        environment="production", base_url="https://incident.northwind.example"
    ).test_client()
    page = client.get("/", headers={"Host": "incident.northwind.example"})
    assert client.get("/", headers={"Host": "INCIDENT.northwind.example:443"}).data == page.data
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/", headers={"Host": "localhost"}).status_code == 400
    assert client.post("/", headers={"Host": "incident.northwind.example"}).status_code == 405


def test_what_is_not_there_fills_no_memory(app, client, reached):
    for _ in range(2):
        assert client.get("/incidents/nothing/").status_code == 404
    assert client.head("/incidents/nothing/").data == b""
    assert reached == ["/incidents/nothing/"] * 3


def test_every_process_sees_what_is_published_in_another(portal_with, db, reached, client):
    other = portal_with().test_client()
    assert client.get("/").status_code == other.get("/").status_code == 200
    client.get("/")
    assert reached == ["/"]
    with db.write() as db_session:
        incidents.invalidate_pages(db_session)
    client.get("/")
    assert reached == ["/", "/"]


def test_pages_outlive_the_database_and_one_that_lacks_something_is_not_kept(client, db, reached):
    page = client.get("/").data
    with db.write() as db_session:
        db_session.execute(text("ALTER TABLE incidents RENAME TO away"))
        db_session.execute(text("ALTER TABLE incidents_content RENAME TO content_away"))
    assert client.get("/").data == page
    lacking = client.get("/protect-yourself/")
    assert lacking.headers["Cache-Control"] == "no-store"
    assert reached == ["/", "/protect-yourself/"]
    with db.write() as db_session:
        db_session.execute(text("ALTER TABLE away RENAME TO incidents"))
        db_session.execute(text("ALTER TABLE content_away RENAME TO incidents_content"))
    assert client.get("/protect-yourself/").headers["Cache-Control"].startswith("public")
    assert reached == ["/", "/protect-yourself/", "/protect-yourself/"]
