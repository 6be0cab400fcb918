"""Check that the time of a failed sign-in does not tell who has a second factor."""

import csv
import http.client
import random
import time
from pathlib import Path

import pyotp
from argon2 import PasswordHasher

from bench.flood import PASSWORD
from bench.load import read_form
from bench.measure import Result
from bench.servers import context_of, portal_settings, serving
from bench.timing import MOST_ABOVE, distance
from portal.accounts.commands import accounts
from portal.accounts.factors import service
from portal.core.clock import SystemClock
from portal.crypto.keys import read_web
from portal.crypto.vault import WebVault
from portal.demo import example
from portal.identity.builtin.store import BuiltinStore
from portal.runtime.context import Context

PEOPLE = 1_400  # in each group
TRIES = 3  # the first ones of an address, which need not wait
GROUPS = ("codes", "plain", "other")
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
# As cheap as hashing gets, so that it hides no difference.
HASHER = PasswordHasher(1, 64, 1)


def run() -> list[Result]:
    """Return the KS distance of accounts with and without codes above that of two groups without."""
    with portal_settings(PORTAL_RATE_SIGN_IN_IP="100000000 per hour") as (settings, environ):
        web_keys = Path(environ["PORTAL_WEB_KEYS_FILE"])
        with context_of(settings) as context:
            example.load(context, new=True)
            file = web_keys.with_name("accounts.csv")
            encoded = HASHER.hash(PASSWORD)
            with file.open("w", encoding="utf-8", newline="") as out:
                rows = csv.writer(out)
                rows.writerow(("email", "password_hash"))
                rows.writerows((_address(group, n), encoded) for group in GROUPS for n in range(PEOPLE))
            accounts.main(("import", str(file)), standalone_mode=False, obj=context)
            _protect(context, WebVault(read_web(web_keys)))
        with serving("wsgi:app", environ) as port:
            times = _fail(port)
    between, within = distance(times["codes"], times["plain"]), distance(times["plain"], times["other"])
    detail = f"with and without codes {between:.4f}, two groups without {within:.4f}"
    name = "time of a failed sign-in with and without a second factor, distance above"
    return [Result(name, between - within, detail, most=MOST_ABOVE)]


def _address(group: str, number: int) -> str:
    return f"{group}{number:05}@postbox.example"


def _protect(context: Context, vault: WebVault) -> None:
    """Set up codes and recovery codes for every account of the first group."""
    now = SystemClock().now()
    with context.db.write() as session:
        for number in range(PEOPLE):
            account = BuiltinStore().find(session, vault, _address("codes", number))
            if account is None or not service.add_code(
                session, vault, account, SECRET, pyotp.TOTP(SECRET).at(now), now
            ):
                raise RuntimeError("an account has no codes")
            service.make_recovery_codes(session, vault, account.id)


def _fail(port: int) -> dict[str, list[float]]:
    """Sign in with a wrong password, for everyone in a random order; return how long each took."""
    token, cookie = read_form(port, "/sign-in/")
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded", "Host": "localhost"}
    tries = [(group, number) for group in GROUPS for number in range(PEOPLE)] * TRIES
    random.Random("failed sign-ins").shuffle(tries)
    times: dict[str, list[float]] = {group: [] for group in GROUPS}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for group, number in tries:
        email = _address(group, number).replace("@", "%40")
        body = f"csrf_token={token}&email={email}&password=not+the+password+of+anybody"
        begin = time.perf_counter()
        connection.request("POST", "/sign-in/", body, headers)
        answer = connection.getresponse()
        answer.read()
        times[group].append(time.perf_counter() - begin)
        if answer.status != http.client.BAD_REQUEST:
            raise RuntimeError(f"/sign-in/ answered {answer.status}")
    connection.close()
    return times
