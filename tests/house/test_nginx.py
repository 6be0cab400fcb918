"""The nginx configuration that the operator's guide prints: no log of it ever holds a link's token."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

# Where the pages are does not depend on the database.
pytestmark = pytest.mark.sqlite

GUIDE = (Path(__file__).parents[2] / "docs/operators-guide.md").read_text(encoding="utf-8")
(PRINTED,) = re.findall(r"^```\n([^`]*proxy_pass[^`]*)^```$", GUIDE, re.MULTILINE)
# Parts of an address that everyone may know. Any other part is a secret until somebody says here that it is
# none.
OPEN_PARTS = {"filename", "months", "number", "slug"}
SECRET = "b7xQ-the-token-of-a-link"
# What nginx logs where it is told nothing: the whole first line, and where the reader came from.
COMBINED = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer"'
NOWHERE = ["/dev/null", "emerg"]


@dataclass
class Directive:
    words: list[str]
    inside: "list[Directive]" = field(default_factory=list)

    def all(self, name: str) -> "list[Directive]":
        """Every directive of this name in here, however deep."""
        return [
            found
            for each in self.inside
            for found in (*([each] if each.words[0] == name else []), *each.all(name))
        ]  # fmt: skip

    def own(self, name: str) -> list[list[str]]:
        return [each.words[1:] for each in self.inside if each.words[0] == name]


def read(text: str) -> Directive:
    """Read a configuration; a word in quotes is one word."""
    top = Directive(["http"])
    open_blocks, words = [top], list[str]()
    for quoted, sign, word in re.findall(r"'([^']*)'|([{};])|([^\s{};']+)", text):
        if sign == "}":
            open_blocks.pop()
        elif sign:
            open_blocks[-1].inside.append(Directive(words))
            open_blocks += [open_blocks[-1].inside[-1]] if sign == "{" else []
            words = []
        else:
            words.append(quoted or word)
    assert open_blocks == [top]
    assert words == []
    return top


def logged(http: Directive, path: str) -> list[str]:
    """All that the logs may say of a request for `path`, and of the next one of that page."""
    formats = {each[0]: "".join(each[1:]) for each in http.own("log_format")} | {"combined": COMBINED}
    values = {
        "http_referer": f"https://incident.example.com{path}",
        "remote_addr": "192.0.2.1",
        "remote_user": "-",
        "request": f"GET {path} HTTP/1.1",
        "request_method": "GET",
        "request_time": "0.010",
        "request_uri": path,
        "status": "502",
        "time_iso8601": "2026-11-23T09:00:00+00:00",
        "time_local": "23/Nov/2026:09:00:00 +0000",
        "uri": path,
        "body_bytes_sent": "150",
    }
    lines = []
    for server in http.all("server"):
        # What a server says nothing about, it has from Debian's nginx.conf, which logs everything.
        access = server.own("access_log") or [["/var/log/nginx/access.log"]]
        errors = server.own("error_log") or [["/var/log/nginx/error.log"]]
        access += [each.words[1:] for each in server.all("access_log")]
        errors += [each.words[1:] for each in server.all("error_log")]
        used = [formats[[*words, "combined"][1]] for words in access if words != ["off"]]
        # A variable that is not listed above fails: somebody must see whether it holds an address.
        lines += [re.sub(r"\$(\w+)", lambda found: values[found[1]], form) for form in used]
        lines += [f'"{path}", referrer: "{path}"' for words in errors if words != NOWHERE]
    return lines


@pytest.fixture
def secret_paths(app):
    rules = [rule for rule in app.url_map.iter_rules() if rule.arguments - OPEN_PARTS]
    return [re.sub(r"<[^>]*>", SECRET, rule.rule) for rule in rules]


def test_no_log_holds_a_links_token(secret_paths):
    assert len(secret_paths) >= 5
    lines = {path: logged(read(PRINTED), path) for path in secret_paths}
    assert all(lines.values()), "nothing at all is logged"
    assert {path: line for path, said in lines.items() for line in said if SECRET in line} == {}


@pytest.mark.parametrize(
    ("instead", "of"),
    [
        ("", "    access_log off;\n"),
        ("", "    access_log /var/log/nginx/access.log portal;\n"),
        ("", "    error_log /dev/null emerg;\n"),
        ("access.log;", "access.log portal;"),
        ("access.log combined;", "access.log portal;"),
        ("/var/log/nginx/error.log", "/dev/null emerg"),
        ("$request ", "$request_method "),
        ("$request_time $http_referer", "$request_time"),
        ("location / {\n access_log /var/log/nginx/own.log;", "location / {"),
        ("location / {\n error_log /var/log/nginx/own.log;", "location / {"),
    ],
)
def test_a_configuration_that_would_log_it_is_noticed(secret_paths, instead, of):
    assert of in PRINTED
    changed = read(PRINTED.replace(of, instead, 1))
    assert all(SECRET in "".join(logged(changed, path)) for path in secret_paths)


def test_the_portal_is_told_who_asks_for_what():
    (location,) = [place for place in read(PRINTED).all("location") if place.own("proxy_pass")]
    assert location.words == ["location", "/"]
    assert dict(location.own("proxy_set_header")) == {
        "Host": "$host",
        "X-Forwarded-For": "$proxy_add_x_forwarded_for",
        "X-Forwarded-Proto": "$scheme",
    }


def test_nginx_takes_what_the_portal_takes_and_no_more():
    (most,) = [each.words[1] for each in read(PRINTED).all("client_max_body_size")]
    assert most == "64k"
