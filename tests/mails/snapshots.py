"""Every mail in every language as files, to be read like code: headers and text, and the HTML part.

After a change of words or looks, `python -m tests.mails.snapshots` writes them anew. Read the difference.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from functools import cache
from pathlib import Path

from portal.accounts.activity.emails import AccountChanged
from portal.accounts.address.emails import (
    AddressChange,
    AddressConfirm,
    AddressDone,
    AddressReturned,
    AddressTaken,
    FormerAddress,
)
from portal.accounts.factors.lost.emails import SecondStepLost, SecondStepRemoved
from portal.accounts.passkeys.emails import PasskeyChanged
from portal.campaigns import frozen
from portal.campaigns import wording as notices
from portal.campaigns.emails import Notice
from portal.campaigns.emails import Words as NoticeWords
from portal.cases.emails import CaseNotice, CaseReset, CaseVerify
from portal.checklist import emails as checklist
from portal.core.settings import Identity, Settings, Site
from portal.core.settings import Mail as MailSettings
from portal.core.settings.link import Link
from portal.crypto import keys
from portal.crypto.vault import WorkerVault
from portal.exposure.emails import CheckAnswer
from portal.incidents.announcing import Announcement
from portal.incidents.authoring import read_statement
from portal.incidents.models import Incident, Statement
from portal.mydata.emails import CopyReady, EraseConfirm, Erased
from portal.outbox.compose import Composer
from portal.outbox.mail import Mail
from portal.reset.emails import LinkNotPrepared, NoAccount, PasswordChanged, ResetLink, ResetRequired
from portal.reset.not_me.emails import ReportedLocked
from portal.reset.undo.emails import AddressRestored, AddressUnused
from portal.rotation.emails import ReminderLink, RotationReminder
from portal.staff import emails as staff
from portal.subscriptions import wording as updates
from portal.subscriptions.emails import StatusUpdate, SubscribeConfirm
from portal.subscriptions.emails import Words as UpdateWords

FOLDER = Path(__file__).with_name("snapshots")
ROOT = Path(__file__).parents[2]
RENEW = ".venv/bin/python -m tests.mails.snapshots"
VAULT = WorkerVault(keys.read_worker(ROOT / "tests/crypto/written_before/worker-keys.json"))
ROW = bytes(range(16))
LAST_VERSION = 3
WRITTEN_AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SHOWN = ("From", "Reply-To", "To", "Subject", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post")
SETTINGS = Settings(
    base_url="https://incident.lanternfold.example",
    mail=MailSettings(sender="incident@lanternfold.example"),
    given=Site(
        organisation="Lanternfold Books",
        contact_email="help@lanternfold.example",
        contact_phone="+44 1632 960 188",
        contact_hours="every day, 07:00 to 21:00 UTC",
        brand_colour="#7a3b12",
        timezone="Europe/London",
    ),
)
# Where the portal has no access to the accounts: the mails that differ then.
AT_COMPANY = replace(
    SETTINGS,
    identity=Identity(
        store="link",
        link=Link("https://www.lanternfold.example/forgotten", "https://www.lanternfold.example/in"),
    ),
)
DIFFER = (
    "erase-confirm",
    "my-data",
    "case-reset",
    "case-reset-elsewhere",
    "notice",
    "password-changed",
    "reported-locked",
    "reset-link",
    "reset-required",
    "rotation-reminder",
    "second-step-lost",
    "second-step-removed",
)
STAFF = (*staff.MAILS, *checklist.MAILS)
INCIDENT = Incident(
    slug="order-archive",
    title="Theft from our order archive",
    titles={"es": "Robo en nuestro archivo de pedidos"},
    classes="Names;Email addresses;Physical addresses;Phone numbers;Purchases",
    discreet=False,
    happened_on=date(2026, 10, 28),
)
BODY = """\
We opened the last two backups and found **orders from before 2021** in them, too.

- 112 more customers are affected. We email them today.
- The file held no passwords and no card numbers.

| Year | Customers |
|---|---|
| 2019 | 40 |
| 2020 | 72 |

Want to know if you are one of them? [Check your address](/check/).
"""
CUERPO = """\
Abrimos las dos últimas copias y encontramos también **pedidos anteriores a 2021**.

- Hay 112 clientes más afectados. Les escribimos hoy.
- El fichero no contenía contraseñas ni números de tarjeta.

¿Quiere saber si es uno de ellos? [Compruebe su dirección](/check/).
"""


@dataclass(frozen=True)
class Case:
    """One mail as one person gets it; `words` says what many such mails share."""

    mail: Mail
    words: NoticeWords | UpdateWords | None = None


@cache
def cases(language: str) -> dict[str, Case]:
    """Every kind of mail, and every form that differs in more than a word, by the name of its files."""
    es = language == "es"
    told = announcement(es=True)
    notice, update = Notice("00" * 16), StatusUpdate("00" * 16, "00" * 16, "order-archive")
    when = "23 de noviembre de 2026, 09:00 UTC" if es else "23 November 2026, 09:00 UTC"
    return {
        "address-asked": Case(AddressChange(when, "a…@h….example")),
        "address-changed": Case(AddressChange(when, "a…@h….example", made=True)),
        "address-confirm": Case(AddressConfirm()),
        "address-done": Case(AddressDone()),
        "address-done-returned": Case(AddressDone(undoable=False)),
        "address-returned": Case(AddressReturned(when, "a…@h….example")),
        "address-restored": Case(AddressRestored()),
        "address-taken": Case(AddressTaken()),
        "address-unused": Case(AddressUnused()),
        "former-address": Case(FormerAddress(when, "reset-asked")),
        **{
            f"account-{change}": Case(AccountChanged(when, change))
            for change in (
                "codes-added",
                "codes-removed",
                "recovery-made",
                "recovery-removed",
                "removal-ended",
            )
        },
        "account-signed-in": Case(
            AccountChanged(
                "23 de noviembre de 2026, 09:00 UTC" if es else "23 November 2026, 09:00 UTC",
                "signed-in",
                "Firefox",
                "Android",
            )
        ),
        "check-answer": Case(CheckAnswer()),
        "check-answer-later": Case(CheckAnswer("12 de noviembre de 2026" if es else "12 November 2026")),
        "link-not-prepared": Case(LinkNotPrepared()),
        "no-account": Case(NoAccount()),
        "notice": Case(notice, notice_words(language, 3, ("en", "es"))),
        "notice-discreet": Case(Notice()),
        "notice-supplementary": Case(notice, notice_words(language, 3, ("en", "es"), "supplementary")),
        "notice-correction": Case(notice, notice_words(language, 3, ("en", "es"), "correction")),
        "notice-untranslated": Case(notice, notice_words(language, 1, ("en",))),
        **{
            f"passkey-{change}": Case(PasskeyChanged(when, change))
            for change in ("added", "removed", "stopped")
        },
        "password-changed": Case(PasswordChanged(when)),
        "password-changed-here-only": Case(PasswordChanged(when, signs_out=False)),
        "password-changed-elsewhere-too": Case(
            PasswordChanged(
                when,
                stays_signed_in=True,
                signs_out=False,
                tries_elsewhere=True,
            )
        ),
        "erase-confirm": Case(EraseConfirm()),
        "erased": Case(Erased()),
        "erased-elsewhere": Case(Erased(elsewhere=True)),
        "my-data": Case(CopyReady()),
        "reminder-link": Case(ReminderLink()),
        "case-notice": Case(CaseNotice(hours=72)),
        "case-notice-and-factors": Case(CaseNotice(hours=72, removes_factors=True)),
        "case-notice-elsewhere": Case(CaseNotice(hours=72, moves=False)),
        "case-reset": Case(CaseReset(case="1234567890")),
        "case-reset-elsewhere": Case(CaseReset(case="1234567890", moved=False)),
        "case-verify": Case(CaseVerify(hours=72)),
        "reported-locked": Case(ReportedLocked()),
        "reported-locked-here-only": Case(ReportedLocked(locks=False, signs_out=False)),
        "reset-link": Case(ResetLink()),
        "reset-required": Case(ResetRequired(everyone=False)),
        "reset-required-everyone": Case(ResetRequired(everyone=True)),
        "rotation-reminder": Case(RotationReminder("00" * 16, 3)),
        "second-step-lost": Case(SecondStepLost(stage=1)),
        "second-step-lost-again": Case(SecondStepLost(stage=2)),
        "second-step-lost-elsewhere": Case(SecondStepLost(stage=0)),
        "second-step-removed": Case(SecondStepRemoved()),
        **{f"staff-{mail.name.removeprefix('staff-')}": Case(mail.sample()) for mail in STAFF},
        "status-update": Case(update, updates.drawn(SETTINGS, told)[language]),
        "status-update-discreet": Case(StatusUpdate("00" * 16)),
        "status-update-untranslated": Case(update, updates.drawn(SETTINGS, announcement(es=False))[language]),
        "subscribe-confirm": Case(SubscribeConfirm(already=False)),
        "subscribe-confirm-already": Case(SubscribeConfirm(already=True)),
    }


OWN_WORDS = {
    "en": "We found **postal addresses** in the file too.",
    "es": "También hemos encontrado **direcciones postales**.",
}


def notice_words(
    language: str, version: int, translated: tuple[str, ...], kind: str = "first"
) -> NoticeWords:
    """The words of the demonstration's statement, as they are frozen; its last version tells of passwords."""
    incident = Incident(slug=INCIDENT.slug, classes=INCIDENT.classes, happened_on=INCIDENT.happened_on)
    found = {}
    for tag in SETTINGS.site.languages:
        written = tag if tag in translated else "en"
        name = f"statement-{version}.md" if written == "en" else f"statement-{version}.{written}.md"
        content = (ROOT / "portal/demo/content" / name).read_bytes()
        text = read_statement(content, SETTINGS.site.languages).text
        statement = Statement(
            language=written, title=text.title, signed_by=text.signed_by, role=text.role, summary=text.summary
        )
        statement.sections_json = json.dumps(text.sections)
        subject = notices._usual_subject(SETTINGS, incident, tag, WRITTEN_AT.date(), kind)
        said = notices._words(SETTINGS, incident, statement, subject, passwords=version == LAST_VERSION)
        own = "" if kind == "first" else OWN_WORDS[tag]
        found[tag] = notices._with_own(SETTINGS, said, kind, own)
    return frozen.shown(found, language, "en")


def announcement(*, es: bool) -> Announcement:
    """An update in English, and in Spanish too."""
    return Announcement(
        update_id=bytes(16),
        incident_id=bytes(16),
        slug="order-archive",
        number=8,
        phase="investigating",
        occurred_at=datetime(2026, 11, 22, 16, 30, tzinfo=UTC),
        titles={"en": "Older orders were in the file too"}
        | ({"es": "El fichero contenía pedidos más antiguos"} if es else {}),
        bodies={"en": BODY} | ({"es": CUERPO} if es else {}),
        original_language="en",
        incident_titles={"": INCIDENT.title, **INCIDENT.titles},
        public=True,
        discreet=False,
    )


def composed(settings: Settings, case: Case, language: str) -> bytes:
    """One mail as it leaves."""
    composer = Composer(settings, VAULT, {}, {case.mail.name: lambda _mail, _language: case.words})
    return composer.render(case.mail, "sam.rivera@example.com", language, ROW, WRITTEN_AT).content


def rendered(settings: Settings, case: Case, language: str) -> tuple[str, str]:
    """One mail as (headers and text, HTML), as a mail program reads them."""
    message = message_from_bytes(composed(settings, case, language), policy=policy.default)
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    headers = "".join(f"{name}: {message[name]}\n" for name in SHOWN if message[name])
    said, looks = (str(part.get_content()).replace("\r\n", "\n") for part in (text, html))
    return f"{headers}\n{said}\n", f"{looks}\n"


def files() -> Iterator[tuple[Path, str]]:
    """Every file, and what it should hold."""
    for language in SETTINGS.site.languages:
        for name, case in cases(language).items():
            text, html = rendered(SETTINGS, case, language)
            yield FOLDER / f"{name}.{language}.txt", text
            yield FOLDER / f"{name}.{language}.html", html
        for name in DIFFER:
            text, html = rendered(AT_COMPANY, cases(language)[name], language)
            yield FOLDER / f"{name}-at-company.{language}.txt", text
            yield FOLDER / f"{name}-at-company.{language}.html", html


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    wanted = dict(files())
    for left in set(FOLDER.iterdir()) - set(wanted):
        left.unlink()
    for path, content in wanted.items():
        path.write_text(content, encoding="utf-8", newline="\n")
