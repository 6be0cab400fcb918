"""Am I affected? One mail to the right mailbox, and the whole answer behind its link."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal.datakinds.taxonomy import load
from portal.exposure import answers, jobs
from portal.exposure.models import ExposedPerson
from portal.exposure.people import Person, bitmap_of
from portal.incidents import service as incidents
from portal.worker import drain
from tests.exposure.conftest import code_in, link_in, words
from tests.traces import contents
from tests.visitor import hidden, leads_to

ANN = "ann@northwind.example,7,Ann,en,ES,Passwords;Dates of birth;Email addresses\n"


def test_an_affected_person_reads_what_of_theirs_was_exposed_worst_first(lists, check, read):
    lists.live(ANN)
    mail = check("ann@northwind.example")
    assert mail.recipients == ("ann@northwind.example",)
    page = read(mail)
    assert "You are affected<" in page
    order = [page.index(name) for name in ("Passwords", "Dates of birth", "Email addresses")]
    assert order == sorted(order)
    assert 'type="checkbox"' in page
    assert 'href="/reset/"' in page
    assert "Reference" in page


def test_who_is_not_listed_is_told_of_the_version_and_its_date(lists, check, read):
    lists.live(ANN)
    lists.live(ANN)
    page = words(read(check("bob@northwind.example")))
    assert "You’re not on our list" in page
    assert "isn’t on version 2 of our list, as of 23 November 2026" in page
    assert "Passwords" not in page


def test_the_mail_reads_the_same_whatever_the_answer_is(lists, check):
    lists.live(ANN)
    mails = [check(address) for address in ("ann@northwind.example", "bob@northwind.example")]

    def plain(mail):
        text = mail.text.replace(link_in(mail), "").replace(code_in(mail), "")
        return re.sub(r"[A-Z2-7]{7}-[A-Z2-7]{7}", "", text)

    assert plain(mails[0]) == plain(mails[1])
    assert mails[0].message["Subject"] == mails[1].message["Subject"]
    for word in ("affected", "exposed", "breach", "incident", "password was", "November"):
        assert word not in mails[0].text
        assert word not in str(mails[0].message["Subject"])


def test_without_an_active_list_nobody_is_told_that_they_are_safe(lists, check, read):
    page = words(read(check("ann@northwind.example")))
    assert "We could not check yet" in page
    assert "not on our list" not in page


def test_a_check_that_had_to_wait_is_answered_once_the_list_is_active(lists, check, read, worker_parts, smtp):
    check("ann@northwind.example")
    check("ann@northwind.example")
    lists.live(ANN)
    jobs.release(worker_parts)
    drain(worker_parts)
    assert len(smtp.to("ann@northwind.example")) == 3, "one answer for each request, and one more for both"
    first, _, later = smtp.messages
    assert "You asked us something" not in first.text
    for part in (later.text, later.html):
        assert "You asked us something on 23 November 2026." in part
        assert "Answer code" not in part, "the page where it could be entered is long gone"
        assert "affected" not in part
    assert later.message["Subject"] == first.message["Subject"]
    assert len(later.content) == len(first.content)
    assert "You are affected<" in read(smtp.messages[-1])
    jobs.release(worker_parts)
    drain(worker_parts)
    assert len(smtp.messages) == 3


def test_a_check_waits_for_an_incident_that_is_published_after_its_list_is_active(
    lists, check, read, worker_parts, smtp, clock
):
    lists.live(ANN)
    lists.incident("second", publish=False)
    lists.live(ANN, "second")
    jobs.release(worker_parts)
    lists.incident("third")
    check("ann@northwind.example")
    with lists.db.write() as session:
        incidents.publish(session, "second", clock.now())
    jobs.release(worker_parts)
    drain(worker_parts)
    page = read(smtp.messages[-1])
    assert "The incident second" in page
    assert len(smtp.messages) == 2


def test_a_check_waits_thirty_days_at_most(lists, check, worker_parts, smtp, clock):
    from portal.intake.jobs import tidy

    check("ann@northwind.example")
    clock.advance(timedelta(days=31))
    tidy(worker_parts)
    lists.live(ANN)
    jobs.release(worker_parts)
    drain(worker_parts)
    assert len(smtp.messages) == 1


def test_several_incidents_are_answered_in_one_mail(lists, check, read):
    lists.live(ANN)
    lists.incident("second")
    lists.live("bob@northwind.example,1,Bob,en,,Phone numbers\n", "second")
    lists.incident("third")
    page = words(read(check("ann@northwind.example")))
    assert "The incident november" in page
    assert "The incident second" in page
    assert "isn’t on version 1" in page
    assert "We couldn’t check this yet" in page


def test_people_who_share_an_address_each_have_a_section(lists, check, read):
    rows = "home@northwind.example,1,Ann,en,,Passwords\nhome@northwind.example,2,Bob,en,,Dates of birth\n"
    lists.live(rows)
    page = read(check("home@northwind.example"))
    assert "For Ann" in page
    assert "For Bob" in page
    assert page.count("Your ticks stay on this device") == 1
    anns, bobs = page.split("For Bob")
    assert "Passwords" in anns.partition("For Ann")[2]
    assert "Dates of birth" in bobs


def test_the_code_opens_the_answer_in_the_browser_that_asked_and_in_no_other(lists, check, client, app):
    lists.live(ANN)
    code = code_in(check("ann@northwind.example"))
    other = app.test_client()
    other.submit("/check/", email="eve@elsewhere.example")
    assert other.submit("/check/sent/", code=code).status_code == 400
    assert client.submit("/check/sent/", code=code.lower().replace("-", " ")).status_code == 303
    assert "You are affected<" in client.submit("/check/answer/").text


def test_a_code_dies_after_five_tries_and_after_thirty_minutes_and_the_link_lives_on(
    lists, check, client, read, clock
):
    lists.live(ANN)
    mail = check("ann@northwind.example")
    for _ in range(5):
        shown = client.submit("/check/sent/", code="aaaa-aaaa")
        assert "is wrong or older" in shown.text
    assert client.submit("/check/sent/", code=code_in(mail)).status_code == 400
    second = check("ann@northwind.example")
    clock.advance(timedelta(minutes=31))
    assert client.submit("/check/sent/", code=code_in(second)).status_code == 400
    assert "affected" in read(mail)


def test_a_link_works_again_and_again_for_thirty_days_and_then_is_gone(lists, check, read, app, clock):
    lists.live(ANN)
    mail = check("ann@northwind.example")
    assert words(read(mail)) == words(read(mail))
    clock.advance(timedelta(days=30, seconds=-1))
    assert "affected" in read(mail)
    clock.advance(timedelta(seconds=1))
    browser = app.test_client()
    browser.get(link_in(mail))
    assert browser.get("/check/answer/").status_code == 410


def test_a_wrong_malformed_old_or_foreign_link_gets_the_one_page_for_all_of_them(lists, check, app, clock):
    lists.live(ANN)
    old = link_in(check("ann@northwind.example")).split("/")[-2]
    clock.advance(timedelta(days=31))

    def shown(token):
        browser = app.test_client()
        brought = browser.get(f"/check/answer/{token}/")
        assert (brought.status_code, leads_to(brought)) == (303, "/check/answer/")
        page = browser.get("/check/answer/")
        assert page.status_code == 410
        pressed = browser.post("/check/answer/", data=_hidden(browser))
        assert (pressed.status_code, pressed.text) == (410, page.text)
        return page.text

    pages = {
        shown(token)
        for token in (old, "a" * 32, "short", "A" * 32, old.upper(), "x" * 3000, "%01", "é", "..a")
    }
    assert len(pages) == 1


def test_looking_shows_nothing_until_the_button_is_pressed(lists, check, app):
    lists.live(ANN)
    mail = check("ann@northwind.example")
    scanner = app.test_client()
    for _ in range(3):
        scanner.head(link_in(mail))
        page = scanner.get(link_in(mail), follow_redirects=True)
        assert page.status_code == 200
        assert "affected" not in page.text
        assert "Passwords" not in page.text
    assert page.request.path == "/check/answer/"


def test_an_answer_page_without_a_link_leads_to_the_start(client):
    assert client.get("/check/answer/").location == "/check/"
    assert client.get("/check/sent/").location == "/check/"


def test_an_address_is_answered_three_times_a_day_and_nobody_is_told(
    lists, client, worker_parts, smtp, clock, read
):
    lists.live("j.doe@gmail.com,1,Jo,en,,Passwords\n")
    for spelling in (
        "j.doe@gmail.com",
        "jdoe@gmail.com",
        "jdoe+a@gmail.com",
        "JDOE@gmail.com",
        "jdoe+b@gmail.com",
    ):
        assert client.submit("/check/", email=spelling).location == "/check/sent/"
        drain(worker_parts)
    assert len(smtp.messages) == 3
    assert "affected" in read(smtp.messages[0])
    clock.advance(timedelta(days=1))
    client.submit("/check/", email="jdoe@gmail.com")
    drain(worker_parts)
    assert len(smtp.messages) == 4


def test_a_mailbox_that_nobody_knows_is_not_flooded_under_its_many_spellings(
    lists, client, worker_parts, smtp
):
    lists.live(ANN)
    for tag in range(6):
        client.submit("/check/", email=f"who.ever+{tag}@gmail.com")
    drain(worker_parts)
    assert len(smtp.messages) == 3


def test_the_same_address_has_the_same_reference_in_every_answer_and_another_has_another(lists, check, read):
    lists.live(ANN + ANN.replace("ann@", "bob@"))

    def reference(address: str) -> str:
        (found,) = re.findall(r"[A-Z2-7]{5}-[A-Z2-7]{5}", words(read(check(address))))
        return str(found)

    assert reference("ann@northwind.example") == reference("ANN@northwind.example")
    assert reference("bob@northwind.example") != reference("ann@northwind.example")


def test_a_cell_that_was_swapped_is_never_told_as_safe_or_as_another_persons_data(lists, check, read, caplog):
    lists.live(ANN + "bob@northwind.example,8,Bob,en,,Phone numbers\n")
    with lists.db.write() as session:
        rows = session.scalars(select(ExposedPerson)).all()
        for row, blob in zip(rows, [row.blob for row in reversed(rows)], strict=True):
            same = ExposedPerson.fold_index == row.fold_index
            session.execute(update(ExposedPerson).where(same).values(blob=blob))
    page = words(read(check("ann@northwind.example")))
    assert "We could not check yet" in page
    assert "Part of our list is damaged" in page
    assert "Phone numbers" not in page
    assert caplog.text == "", "a log would tell that this address is on the list"


def test_all_classes_of_many_people_fit_and_the_rest_is_counted(worker_vault, clock):
    everything = bitmap_of(load())
    people = tuple(
        Person("home@northwind.example", str(i), "Wilhelmina Österreicher-Ñandú " * 6, "", "", everything)
        for i in range(500)
    )
    finding = answers.Finding(b"i" * 16, 3, clock.now(), answers.Outcome.AFFECTED, people)
    packed = answers.pack(worker_vault, "home@northwind.example", [finding, finding])
    assert answers.packed_size(packed) <= 4096
    (first, second) = answers.unpack(packed).incidents
    assert len(first.sections) + first.more == len(second.sections) + second.more == 500
    assert len(first.sections) >= 15
    assert set(first.sections[0].classes) == set(load())
    assert first.sections[0].classes[0].severity == 5


def test_names_in_a_list_are_text_on_the_page(lists, check, read):
    lists.live(
        'home@northwind.example,1,"<script>alert(1)</script>",en,,Passwords\n'
        "home@northwind.example,2,B,en,,Names\n"
    )
    page = read(check("home@northwind.example"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_is_in_the_readers_language_and_the_mail_in_that_of_the_request(
    lists, client, worker_parts, smtp
):
    lists.live(ANN)
    with client.session_transaction():
        pass
    page = client.get("/check/", headers={"Accept-Language": "es"})
    assert 'lang="es"' in page.text
    client.submit("/language/?back=/check/", to="/language/", language="es", back="/check/")
    client.submit("/check/", email="ann@northwind.example")
    drain(worker_parts)
    assert smtp.messages[0].message["Content-Language"] == "es"


@pytest.mark.parametrize(
    "typed",
    [
        "", "   ", "ann", "ann@", "@northwind.example", "a@b@c.example", "ann@localhost", "x" * 1_000_000,
        "ann@northwind.example\r\nBcc: eve@evil.example", "ann@northwind.example\0",
        "ann@northwind.example%0aBcc:x",
        "ann@northwind.example,eve@evil.example", "=?utf-8?q?ann?=@northwind.example\n",
    ],
)  # fmt: skip
def test_what_is_no_address_is_told_and_asked_again(lists, client, worker_parts, smtp, typed):
    shown = client.post("/check/", data={**_hidden(client), "email": typed})
    assert shown.status_code == (413 if len(typed) > 60_000 else 400)
    assert "<title>Error:" in shown.text or shown.status_code == 413
    assert "evil" not in shown.headers.get("Location", "")
    assert contents(lists.db)["intake_requests"] == []
    drain(worker_parts)
    assert smtp.messages == []


def _hidden(client):
    return hidden(client.get("/check/").text)


def test_what_needs_something_done_comes_first(lists, check, read):
    lists.live(ANN)
    lists.incident("second")
    page = read(check("ann@northwind.example"))
    assert page.index("The incident november") < page.index("The incident second")
