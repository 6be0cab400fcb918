"""What follows from a reply of the relay: a table, since the decision is a pure function."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from portal.outbox import pace
from portal.outbox.pace import Pace
from portal.outbox.policy import Attempt, Fate, History, decide
from portal.outbox.smtp import Outcome, classify

NOTICE = Attempt(b"n", requested=False, attempts=1)
ASKED = Attempt(b"a", requested=True, attempts=1)
TEN = frozenset(b"%d" % number for number in range(10))
MINUTES, SECONDS, HOURS = (timedelta(**{unit: 1}) for unit in ("minutes", "seconds", "hours"))


@pytest.mark.parametrize(
    ("code", "text", "about_sender", "outcome"),
    [
        (450, b"4.2.0 greylisted", False, Outcome.DELAYED),
        (451, b"4.7.1 greylisted", False, Outcome.DEFERRED),
        (451, b"4.7.0 too fast", True, Outcome.DEFERRED),
        (454, b"Throttling failure", False, Outcome.THROTTLED),
        (454, b"Throttling failure", True, Outcome.THROTTLED),
        (421, b"4.7.0 closing", False, Outcome.THROTTLED),
        (421, b"closing", True, Outcome.UNREACHABLE),
        (452, b"4.3.1 no room", True, Outcome.UNREACHABLE),
        (199, b"hm", False, Outcome.DELAYED),
        (530, b"5.7.0 sign in", True, Outcome.SENDER_REJECTED),
        (530, b"5.7.0 sign in", False, Outcome.DELAYED),
        (535, b"5.7.8 no", False, Outcome.DELAYED),
        (550, b"5.1.1 no such mailbox", False, Outcome.NO_MAILBOX),
        (550, b"5.1.10 no such mailbox", False, Outcome.NO_MAILBOX),
        (552, b"5.2.2 full", False, Outcome.NO_MAILBOX),
        (550, b"5.1.8 bad sender domain", False, Outcome.REJECTED),
        (550, b"5.4.5 daily limit", False, Outcome.OVER_QUOTA),
        (550, b"5.4.5 daily limit", True, Outcome.OVER_QUOTA),
        (550, b"5.7.515 no alignment", False, Outcome.REJECTED_BY_POLICY),
        (554, b"no", False, Outcome.REJECTED_BY_POLICY),
        (554, b"5.6.0 content", False, Outcome.REJECTED),
        (550, b"no", False, Outcome.REJECTED),
        (550, b"no", True, Outcome.SENDER_REJECTED),
    ],
)
def test_a_reply_has_one_outcome(code, text, about_sender, outcome):
    assert classify(code, text, about_sender=about_sender) is outcome


@pytest.mark.parametrize(
    ("outcome", "attempt", "history", "fate", "wait", "pause"),
    [
        (Outcome.ACCEPTED, NOTICE, History(rejected=TEN, drops=9, pauses=3), Fate.SENT, 0 * SECONDS, None),
        (Outcome.REJECTED, NOTICE, History(), Fate.FAILED, 0 * SECONDS, None),
        (Outcome.REJECTED, NOTICE, History(rejected=TEN), Fate.RETURN, 7.5 * MINUTES, 20 * SECONDS),
        (Outcome.REJECTED, ASKED, History(requested=TEN), Fate.RETRY, 20 * SECONDS, None),
        (Outcome.NO_MAILBOX, NOTICE, History(rejected=TEN), Fate.FAILED, 0 * SECONDS, None),
        (Outcome.REJECTED_BY_POLICY, NOTICE, History(), Fate.RETRY, 20 * SECONDS, None),
        (Outcome.REJECTED_BY_POLICY, replace(NOTICE, attempts=5), History(), Fate.FAILED, 0 * SECONDS, None),
        (Outcome.DELAYED, NOTICE, History(rejected=TEN), Fate.RETRY, 5 * MINUTES, None),
        (Outcome.DELAYED, NOTICE, History(deferred=9), Fate.RETRY, 5 * MINUTES, 1 * SECONDS),
        (Outcome.DELAYED, replace(NOTICE, attempts=2), History(), Fate.RETRY, 40 * SECONDS, None),
        (
            Outcome.DELAYED, replace(NOTICE, attempts=2), History(rejected=TEN),
            Fate.RETURN, 7.5 * MINUTES, 20 * SECONDS,
        ),
        (Outcome.DELAYED, replace(NOTICE, attempts=48), History(), Fate.FAILED, 0 * SECONDS, None),
        (Outcome.THROTTLED, NOTICE, History(throttled=9), Fate.RETURN, 5 * SECONDS, None),
        (Outcome.THROTTLED, NOTICE, History(throttled=60), Fate.RETURN, 5 * SECONDS, 20 * SECONDS),
        (Outcome.THROTTLED, ASKED, History(), Fate.RETURN, 20 * SECONDS, None),
        (Outcome.THROTTLED, ASKED, History(requested_throttled=60), Fate.RETURN, 5 * MINUTES, None),
        (Outcome.DEFERRED, NOTICE, History(), Fate.RETURN, 5 * MINUTES, None),
        (Outcome.DEFERRED, replace(NOTICE, age=49 * HOURS), History(), Fate.RETRY, 20 * SECONDS, None),
        (Outcome.OVER_QUOTA, NOTICE, History(), Fate.RETURN, 0 * SECONDS, 20 * SECONDS),
        (Outcome.OVER_QUOTA, ASKED, History(), Fate.RETRY, 20 * SECONDS, None),
        (Outcome.UNREACHABLE, NOTICE, History(), Fate.RETURN, 0 * SECONDS, 20 * SECONDS),
        (Outcome.UNREACHABLE, NOTICE, History(pauses=9), Fate.RETURN, 0 * SECONDS, 5 * MINUTES),
        (Outcome.UNREACHABLE, NOTICE, History(paused=True), Fate.RETURN, 0 * SECONDS, None),
        (Outcome.SENDER_REJECTED, ASKED, History(), Fate.RETURN, 0 * SECONDS, 60 * SECONDS),
        (Outcome.LEASE_LOST, NOTICE, History(), Fate.RETURN, 0 * SECONDS, None),
        (Outcome.UNSUPPORTED, NOTICE, History(), Fate.FAILED, 0 * SECONDS, None),
        (Outcome.UNCONFIRMED, NOTICE, History(), Fate.RETRY, 1 * HOURS, None),
        (Outcome.UNCONFIRMED, NOTICE, History(drops=2), Fate.RETRY, 1 * HOURS, 20 * SECONDS),
        (Outcome.UNCONFIRMED, ASKED, History(drops=2), Fate.RETRY, 20 * SECONDS, None),
        (Outcome.UNCONFIRMED, replace(NOTICE, maybe_sent=2), History(), Fate.FAILED, 0 * SECONDS, None),
    ],
)  # fmt: skip
def test_what_follows(outcome, attempt, history, fate, wait, pause):
    decision = decide(outcome, attempt, history, 0.5)
    assert (decision.fate, decision.wait, decision.pause) == (fate, wait, pause)
    if decision.pause and outcome in {Outcome.UNCONFIRMED, Outcome.DELAYED} and attempt.attempts == 1:
        assert not decision.pause_requested


def test_an_accepted_mail_clears_what_went_before():
    history = History(TEN, TEN, TEN, drops=2, throttled=3, deferred=4, pauses=5)
    assert decide(Outcome.ACCEPTED, NOTICE, history, 0.5).history == History()


@pytest.mark.parametrize(
    ("outcome", "attempt", "rate"),
    [
        (Outcome.THROTTLED, NOTICE, 0.1),
        (Outcome.DEFERRED, NOTICE, 5.0),
        (Outcome.THROTTLED, ASKED, None),
        (Outcome.DEFERRED, ASKED, None),
        (Outcome.DELAYED, NOTICE, None),
        (Outcome.UNREACHABLE, NOTICE, None),
    ],
)
def test_only_what_nobody_typed_teaches_the_rate(outcome, attempt, rate):
    assert decide(outcome, attempt, History(), 0.5).slow_to == rate


def test_those_who_failed_before_the_sender_was_to_blame_return_once():
    history = History()
    for number in range(10):
        history = decide(Outcome.REJECTED, replace(NOTICE, id=b"%d" % number), history, 0.5).history
    decision = decide(Outcome.REJECTED, NOTICE, history, 0.5)
    assert decision.take_back == TEN
    assert (
        decide(Outcome.REJECTED, replace(NOTICE, id=b"next"), decision.history, 0.5).take_back == frozenset()
    )
    assert decide(Outcome.OVER_QUOTA, NOTICE, history, 0.5).take_back == TEN


class TestPace:
    NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    @pytest.mark.parametrize("limit", [2, 14, 500])
    def test_it_uses_at_least_four_fifths_of_what_a_relay_allows(self, limit):
        """A relay that counts by the second, asked every quarter of a second for two minutes."""
        now, learned, accepted = self.NOW, pace.first(self.NOW, None), 0
        for _ in range(120):
            left = limit
            for _ in range(4):
                now += timedelta(seconds=0.25)
                learned = pace.filled(learned, now, None)
                mails = int(learned.tokens)
                learned = pace.used(learned, mails)
                accepted += min(mails, left)
                if mails > left:
                    learned = pace.slowed(learned, now)
                left = max(left - mails, 0)
        assert accepted >= 0.8 * limit * 120

    def test_an_operators_limit_holds(self):
        grown = pace.used(Pace(14.0, 7.0, self.NOW), 7)
        assert pace.filled(grown, self.NOW + timedelta(hours=1), 14.0).rate == 14.0
        assert pace.filled(grown, self.NOW + timedelta(hours=1), 14.0).tokens == 7.0

    def test_one_crowded_second_slows_down_once(self):
        once = pace.slowed(Pace(20.0, 0.0, self.NOW, 20.0), self.NOW)
        assert once.rate == 16.0
        assert pace.slowed(once, self.NOW + timedelta(milliseconds=999)) == once
        assert pace.slowed(once, self.NOW + timedelta(seconds=1)).rate == 12.8

    def test_a_relay_that_only_defers_is_not_asked_less_than_five_times_a_second(self):
        later = self.NOW + timedelta(seconds=2)
        assert pace.slowed(Pace(6.0, 0.0, self.NOW, 6.0), later, 5.0).rate == 5.0
        assert pace.slowed(Pace(2.0, 0.0, self.NOW, 6.0), later, 5.0).rate == 2.0

    def test_a_clock_that_is_set_back_takes_nothing_away(self):
        learned = Pace(4.0, 1.5, self.NOW)
        assert pace.filled(learned, self.NOW - timedelta(hours=1), None).tokens == 1.5
