"""Many use one link at once; exactly one password is stored."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

from tests import processes
from tests.reset.journey import link_in
from tests.traces import contents
from tests.visitor import hidden

USERS = 50


def until_let_in(send: Callable[[], int]) -> int:
    """Send again while there is no ticket at the gate, or no hash slot; return the final status."""
    for _ in range(600):
        status = send()
        if status != 503:
            return status
        time.sleep(0.05)
    return 503


def test_of_fifty_parallel_uses_of_one_link_exactly_one_wins(app, ask, ana, people, db, settings):
    link = link_in(ask(ana))
    browsers = [app.test_client() for _ in range(USERS)]
    forms = [hidden(browser.get(link, follow_redirects=True).text) for browser in browsers]
    passwords = [f"sunlit-marble-{number}-otter-harbour" for number in range(USERS)]
    together = threading.Barrier(USERS)

    def use(number: int) -> int:
        together.wait()
        data = forms[number] | {"password": passwords[number]}
        return until_let_in(lambda: browsers[number].post("/reset/choose/", data=data).status_code)

    with ThreadPoolExecutor(USERS) as pool:
        statuses = list(pool.map(use, range(USERS)))
    assert sorted(statuses) == [303] + [410] * (USERS - 1)
    winner = passwords[statuses.index(303)]
    assert [password for password in passwords if people.signs_in_with(ana, password)] == [winner]
    assert people.account(ana).version == 2
    asked = [row for row in contents(db)["intake_requests"] if "password-changed" in row]
    assert len(asked) == 1, "the owner is told once"


def test_of_three_links_used_at_once_exactly_one_wins(app, ask, ana, people, clock):
    links = [link_in(ask(ana)) for _ in range(3)]
    browsers = [app.test_client() for _ in links]
    forms = [
        hidden(browser.get(link, follow_redirects=True).text)
        for browser, link in zip(browsers, links, strict=True)
    ]
    together = threading.Barrier(len(links))

    def use(number: int) -> int:
        together.wait()
        data = forms[number] | {"password": f"sunlit-marble-{number}-otter-harbour"}
        return until_let_in(lambda: browsers[number].post("/reset/choose/", data=data).status_code)

    with ThreadPoolExecutor(len(links)) as pool:
        statuses = sorted(pool.map(use, range(len(links))))
    assert statuses == [303, 410, 410]
    assert people.account(ana).version == 2


def test_through_the_real_server_one_wins_too(environ, ask, ana, people, clock, tmp_path):
    clock.at = datetime.now(UTC)  # the server has its own clock
    path = link_in(ask(ana))
    url = f"http://127.0.0.1:{processes.free_port()}"
    environ |= {"PORTAL_BASE_URL": url, "PORTAL_LISTEN": url.removeprefix("http://")}
    users = 20
    with processes.serving(environ, tmp_path / "serve.log"):
        browsers = [build_opener(HTTPCookieProcessor()) for _ in range(users)]
        forms = [hidden(browser.open(url + path).read().decode()) for browser in browsers]
        together = threading.Barrier(users)

        def use(number: int) -> int:
            data = urlencode(forms[number] | {"password": f"sunlit-marble-{number}-otter-harbour"}).encode()
            together.wait()
            return until_let_in(lambda: send(number, data))

        def send(number: int, data: bytes) -> int:
            try:
                with browsers[number].open(f"{url}/reset/choose/", data) as answer:
                    return 200 if answer.url.startswith(f"{url}/reset/done/") else 0
            except HTTPError as error:
                error.close()
                return error.code

        with ThreadPoolExecutor(users) as pool:
            statuses = list(pool.map(use, range(users)))
    assert sorted(statuses) == [200] + [410] * (users - 1)
    assert people.signs_in_with(ana, f"sunlit-marble-{statuses.index(200)}-otter-harbour")
