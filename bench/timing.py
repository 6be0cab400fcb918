"""Check that response times do not reveal who is known, by comparing their distributions."""

import http.client
import random
import time
from collections import Counter

from bench.load import read_form
from bench.measure import Result
from bench.servers import context_of, portal_settings, serving
from portal.demo import example
from portal.demo.people import affected

REQUESTS = 4000
MOST_ABOVE = 0.02
GROUPS = ("known", "unknown", "other unknown")
FORMS = {"/check/": "", "/reset/": "", "/subscribe/": "&incident="}


def run() -> list[Result]:
    """Return, per form, the KS distance of known and unknown people above that of two unknown groups."""
    results = []
    with portal_settings() as (settings, environ):
        with context_of(settings) as context:
            example.load(context, new=True)
        known = [person.email for person in affected()]
        with serving("wsgi:app", environ) as port:
            for path, more in FORMS.items():
                field = more + example.incident()["slug"] if more else ""
                times = ask(port, path, field, known)
                between = distance(times["known"], times["unknown"])
                within = distance(times["unknown"], times["other unknown"])
                detail = f"known and unknown {between:.4f}, two unknown groups {within:.4f}"
                results.append(
                    Result(f"time of {path}, distance above", between - within, detail, most=MOST_ABOVE)
                )
    return results


def ask(port: int, path: str, field: str, known: list[str]) -> dict[str, list[float]]:
    """Send a form with more fields for people of each group in a random order; return how long each took."""
    token, cookie = read_form(port, path)
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded", "Host": "localhost"}
    chance = random.Random(path)
    groups = [*GROUPS] * REQUESTS
    chance.shuffle(groups)
    times: dict[str, list[float]] = {group: [] for group in GROUPS}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number, group in enumerate(groups):
        # Padded to one length, so that requests differ in the person only.
        email = chance.choice(known) if group == "known" else f"nobody{number}@postbox.example"
        body = f"csrf_token={token}{field}&email={email.replace('@', '%40'):<60}".replace(" ", "+")
        begin = time.perf_counter()
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        times[group].append(time.perf_counter() - begin)
        if answer.status != http.client.SEE_OTHER:
            raise RuntimeError(f"{path} answered {answer.status}")
    connection.close()
    return times


def distance(one: list[float], other: list[float]) -> float:
    """Return the Kolmogorov-Smirnov distance of two samples."""
    counts, seen, most = (Counter(one), Counter(other)), [0, 0], 0.0
    for value in sorted(
        counts[0] | counts[1]
    ):  # where several have one value, all of them count before the groups are compared
        seen = [seen[0] + counts[0][value], seen[1] + counts[1][value]]
        most = max(most, abs(seen[0] / len(one) - seen[1] / len(other)))
    return most
