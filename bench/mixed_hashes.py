"""Check that the time of a failed sign-in does not reveal who has an account, whatever hashes a company has.

`python -m bench mixed-hashes`. Accounts have the hashes of five systems, at costs that take a few
milliseconds each, and a quarter of them have gone over to ours since they were counted last. Everyone fails
twice, because the second failure finds what the first has written.
"""

import http.client
import random
import time
from collections.abc import Sequence

from bench.load import read_form
from bench.measure import Result
from bench.servers import context_of, portal_settings, serving
from bench.timing import MOST_ABOVE, distance
from portal.crypto.formats import registry
from portal.demo import example
from portal.identity.account import Profile
from portal.identity.builtin import passwords
from portal.identity.builtin.adding import NewAccount
from portal.identity.builtin.passwords import NewPassword
from portal.identity.builtin.store import BuiltinStore
from portal.runtime.context import Context

PEOPLE = 2000
OURS = "m=2048,t=1,p=1"
# Of each ten accounts.
CLASSES = (
    ("bcrypt 5",) * 4
    + ("pbkdf2-sha256 20000",) * 2
    + ("scrypt 1024:8:1", "phpass 2048", "sha512-crypt 1000", OURS)
)


def run() -> list[Result]:
    """Return the KS distance of known and unknown people above that of two unknown groups."""
    known = [f"person{number}@postbox.example" for number in range(PEOPLE)]
    with portal_settings(
        PORTAL_ARGON2=OURS, PORTAL_TRUSTED_PROXIES="1", PORTAL_RATE_SIGN_IN_IP="100000000 per hour"
    ) as (settings, environ):
        with context_of(settings) as context:
            example.load(context, new=True)
            _fill(context, known)
        with serving("wsgi:app", environ) as port:
            times = _times(port, known)
    between = distance(times["known"], times["unknown"])
    within = distance(times["unknown"], times["other unknown"])
    detail = f"known and unknown {between:.4f}, two unknown groups {within:.4f}"
    return [
        Result(
            "time of a failed sign-in, mixed hashes, distance above",
            between - within,
            detail,
            most=MOST_ABOVE,
        )
    ]


def _fill(context: Context, known: Sequence[str]) -> None:
    """Add the accounts, and let every fourth of them go over to our hash without another count."""
    store, vault, now = BuiltinStore(), context.worker_vault(), context.clock.now()
    new = [
        NewAccount(Profile(address), registry.dummy(CLASSES[number % len(CLASSES)]))
        for number, address in enumerate(known)
    ]
    with context.db.write() as session:
        store.add(session, vault, new, now)
    with context.db.write() as session:
        for address in known[::4]:
            found = passwords.at_address(session, vault, address)
            if found is None:
                raise LookupError("an account is missing")
            passwords.renew(session, vault, found, NewPassword(registry.dummy(OURS)))


def _times(port: int, known: Sequence[str]) -> dict[str, list[float]]:
    token, cookie = read_form(port, "/sign-in/")
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded", "Host": "localhost"}
    tries = [("known", address) for address in known]
    tries += [
        (group, f"{group[0]}{n}@postbox.example")
        for group in ("unknown", "other unknown")
        for n in range(PEOPLE)
    ]
    times: dict[str, list[float]] = {"known": [], "unknown": [], "other unknown": []}
    chance = random.Random("mixed")
    connection = http.client.HTTPConnection("127.0.0.1", port)
    number = 0
    for _ in range(2):
        chance.shuffle(tries)
        for group, address in tries:
            number += 1
            # Padded to one length: requests differ in the person only, and in the network.
            body = f"csrf_token={token}&password=hunter23&email={address.replace('@', '%40'):<60}".replace(
                " ", "+"
            )
            network = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            begin = time.perf_counter()
            connection.request("POST", "/sign-in/", body, {**headers, "X-Forwarded-For": network})
            answer = connection.getresponse()
            answer.read()
            times[group].append(time.perf_counter() - begin)
            if answer.status != http.client.BAD_REQUEST:
                raise RuntimeError(f"/sign-in/ answered {answer.status}")
    connection.close()
    return times
