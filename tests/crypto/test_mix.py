"""Stand-ins cost what accounts cost, in the same mix, and change their cost only as accounts do."""

import random
from collections import Counter

from portal.crypto.mix import Share, draw

PLACES = [random.Random(number).randbytes(16) for number in range(4000)]


def drawn(came: dict[str, int], now: dict[str, int]) -> list[str]:
    mix = [Share(name, came.get(name, 0), now.get(name, 0)) for name in sorted({*came, *now})]
    found = [draw(mix, place) for place in PLACES]
    assert None not in found
    return [str(name) for name in found]


def assert_same_mix(seen: list[str], now: dict[str, int]) -> None:
    counted, total = Counter(seen), sum(now.values())
    for name in {*now, *counted}:
        # Four standard deviations of 4,000 places are 0.032 at most.
        assert abs(counted[name] / len(seen) - now.get(name, 0) / total) < 0.032, (name, counted, now)


def test_where_nothing_came_nothing_is_drawn():
    assert draw([], PLACES[0]) is None
    assert draw([Share("bcrypt 12", 0, 0)], PLACES[0]) is None


def test_stand_ins_go_over_in_the_mix_and_the_direction_of_accounts():
    came = {"bcrypt 10": 500, "bcrypt 12": 300, "m=64,t=1,p=1": 200}
    now = dict(came)
    chance = random.Random(7)
    accounts = [name for name, count in came.items() for _ in range(count)]
    chance.shuffle(accounts)
    before = drawn(came, now)
    assert_same_mix(before, now)
    for step in range(0, 1000, 100):
        for name in accounts[step : step + 100]:
            now[name] -= 1
            now["m=64,t=1,p=1"] += 1
        after = drawn(came, now)
        assert_same_mix(after, now)
        moved = {pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]}
        assert moved <= {("bcrypt 10", "m=64,t=1,p=1"), ("bcrypt 12", "m=64,t=1,p=1")}
        before = after
    assert set(before) == {"m=64,t=1,p=1"}


def test_a_later_change_of_the_setting_is_followed_too():
    came = {"bcrypt 12": 1000}
    first, second = "m=47104,t=1,p=1", "m=65536,t=2,p=1"
    before = drawn(came, {"bcrypt 12": 400, first: 600})
    after = drawn(came, {"bcrypt 12": 300, first: 200, second: 500})
    assert_same_mix(after, {"bcrypt 12": 300, first: 200, second: 500})
    moved = {pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]}
    assert moved <= {("bcrypt 12", first), ("bcrypt 12", second), (first, second)}


def test_one_account_more_moves_few_addresses():
    before = drawn({"bcrypt 10": 5000, "bcrypt 12": 5000}, {"bcrypt 10": 5000, "bcrypt 12": 5000})
    after = drawn({"bcrypt 10": 5001, "bcrypt 12": 5000}, {"bcrypt 10": 5001, "bcrypt 12": 5000})
    assert sum(one != other for one, other in zip(before, after, strict=True)) < 10
