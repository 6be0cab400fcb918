"""Look-ups at another server, before a request is answered: what one that fails means for the others."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal.intake import jobs, service
from portal.intake.models import IntakeRequest
from portal.runtime.parts import Unanswered, Unavailable


@pytest.mark.sqlite  # nothing here is SQL
@pytest.mark.parametrize(
    ("error", "answers"), [(Unanswered, ["one", "three", "two"]), (Unavailable, ["one"])]
)
def test_a_wrong_answer_about_one_puts_off_no_other_and_a_server_that_is_away_does(
    db, web_vault, worker_parts, clock, monkeypatch, error, answers
):
    answered = []

    def look_up(request, parts):
        if request.fields["email"] == "odd":
            raise error
        return ()

    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})  # one after the other
    for email in ("one", "odd", "two", "three"):
        with db.write() as session:
            service.submit(session, web_vault, "test", {"email": email}, clock.now())
        clock.at += timedelta(seconds=1)
    answer = {"test": lambda _, request, *rest: answered.append(request.fields["email"])}
    jobs.answer(replace(worker_parts, handlers=answer, lookups={"test": look_up}))
    assert sorted(answered) == answers
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(IntakeRequest)) == 4 - len(answers)
