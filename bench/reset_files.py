"""Count the files of the portal in which a function runs during one password reset.

Counts from POST /reset/ to the stored hash, in the web process and the worker. `python -m bench.reset_files`
prints the files. Fewer files mean fewer hops for readers of the code.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from bench.measure import Result
from bench.servers import ROOT, context_of, portal_settings
from portal.app import create_app
from portal.app import worker_parts as make_worker_parts
from portal.core.clock import SystemClock
from portal.identity.account import Profile
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.store import BuiltinStore
from portal.identity.service import hasher_for
from portal.runtime import schema
from portal.worker import drain
from tests.mailbox import Mailbox, running

PORTAL = f"{ROOT / 'portal'}/"
MOST_FILES = 20
ADDRESSES = ("warm.up@postbox.example", "nora.lind@postbox.example")
FORM_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
LINK = re.compile(r"http://localhost:8000(/reset/[a-z2-7]{32}/)")


@contextmanager
def entered(files: set[str]) -> Iterator[None]:
    """Collect the portal's files in which a function is called."""

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(PORTAL) and frame.f_code.co_name != "<module>":
            files.add(name.removeprefix(PORTAL))

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


def reset_files() -> list[str]:
    """Return the files that one reset enters, sorted."""
    with ExitStack() as stack:
        inbox = stack.enter_context(running(Mailbox()))
        settings, _ = stack.enter_context(portal_settings(PORTAL_MAIL_URL=inbox.url))
        context = stack.enter_context(context_of(settings))
        schema.upgrade(context.database)
        vault = context.worker_vault()
        worker = make_worker_parts(settings, context.db, SystemClock(), vault)
        client = create_app(settings, db=context.db).test_client()
        hashed = hasher_for(settings).hash("an old password, long enough")
        with context.db.write() as session:
            accounts = [NewAccount(Profile(address), hashed) for address in ADDRESSES]
            BuiltinStore().add(session, vault, accounts, SystemClock().now())

        def form(page: str, **fields: str) -> Callable[[], int]:
            token = FORM_TOKEN.search(client.get(page).text)
            assert token is not None
            return lambda: client.post(page, data=fields | {"csrf_token": token[1]}).status_code

        def walk(address: str, files: set[str]) -> None:
            ask = form("/reset/", email=address)
            with entered(files):
                assert ask() == 303
                drain(worker)
                link = LINK.search(inbox.messages[-1].text)
                assert link is not None
                client.get(link[1])
                page = client.get("/reset/choose/")
            token = FORM_TOKEN.search(page.text)
            assert token is not None
            fields = {"password": "sunlit-marble-otter-harbour", "csrf_token": token[1]}
            with entered(files):
                assert client.post("/reset/choose/", data=fields).status_code == 303

        walk(ADDRESSES[0], set())  # exclude what runs only at the first request
        drain(worker)
        files: set[str] = set()
        walk(ADDRESSES[1], files)
    return sorted(files)


def run() -> list[Result]:
    """Count the files."""
    count = len(reset_files())
    return [Result("files that a reset enters", count, "distinct files of portal/", most=MOST_FILES)]


if __name__ == "__main__":
    for name in reset_files():
        print(name)
