"""Ask for a second factor: what the pages at sign-in, before changes and at a reset share."""

from dataclasses import dataclass
from typing import Any

from flask import render_template, request
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.accounts import login
from portal.accounts import service as sessions
from portal.accounts.factors import proofs, service
from portal.accounts.factors.forms import OneTimeCodeForm, RecoveryCodeForm
from portal.accounts.factors.proofs import Purpose
from portal.accounts.factors.service import Answer, From, Kind
from portal.accounts.passkeys import asking as passkeys
from portal.accounts.passkeys.challenges import Purpose as PasskeyPurpose
from portal.identity.account import Account
from portal.web import frame
from portal.web.tabs import TabValues

# Each value is a proof's token, its state the page that was wanted.
PENDING = TabValues("second steps", former="")
USE, RECOVERY = "use", "recovery"


@dataclass(frozen=True)
class Question:
    """What a page asks for: the kinds that the account has, and the form for one of them, if it has one."""

    kinds: frozenset[Kind]
    kind: Kind | None
    form: Any

    def template_values(self) -> dict[str, Any]:
        """Return what `accounts/factors/ask.html` shows beside a passkey."""
        return {
            "form": self.form,
            "asked": self.kind.value if self.kind else None,
            "kinds": {kind.value for kind in self.kinds},
        }


@dataclass(frozen=True)
class PasskeyAsked:
    """What a page asks a passkey for: whose it must be, to what its answer is bound, where that is sent."""

    purpose: PasskeyPurpose
    account_id: bytes
    context: str
    action: str

    def question(self) -> str:
        """Return what the browser is asked, for the page."""
        return passkeys.options(self.purpose, self.account_id, self.context)

    def answered(self) -> bool:
        """Return whether this request's passkey is the account's, and signed what this browser was asked."""
        return passkeys.proof(self.purpose, self.account_id, self.context) is not None


def page(template: str, asked: Question, passkey: PasskeyAsked, *, failed: bool = False) -> str:
    """Return a page that extends `accounts/factors/ask.html`. `failed`: a passkey's answer was not right."""
    offered = Kind.PASSKEY in asked.kinds
    return render_template(
        template,
        **asked.template_values(),
        passkey=passkey.question() if offered else None,
        passkey_action=passkey.action,
        passkey_failed=failed,
    )


def question(kinds: frozenset[Kind]) -> Question:
    """Return what to ask of an account with these kinds; `?use=recovery` asks for a recovery code."""
    wants_recovery = request.args.get(USE) == RECOVERY or Kind.CODE not in kinds
    if wants_recovery and Kind.RECOVERY in kinds:
        return Question(kinds, Kind.RECOVERY, RecoveryCodeForm())
    if Kind.CODE in kinds:
        return Question(kinds, Kind.CODE, OneTimeCodeForm())
    return Question(kinds, None, RecoveryCodeForm())


def check(db_session: Session, account: Account, asked: Question, come: From) -> Answer:
    """Count and check what a valid form holds; where it is not right, say in the form why not."""
    parts = frame.parts()
    if asked.kind is None:
        return Answer.WRONG
    answer = service.check(
        db_session, parts.vault, account, asked.kind, asked.form.code.data or "", come, parts.clock.now()
    )
    if answer is not Answer.RIGHT:
        asked.form.code.errors = [_why(asked.kind, answer)]
    return answer


def come_from(account: Account) -> From:
    """Return which count of wrong codes is this browser's, before it is signed in."""
    known = sessions.known_device(frame.parts().vault, login.device_cookie(), account.id, account.version)
    return From.DEVICE if known else From.STRANGER


def proof_of_password(db_session: Session, account: Account, address: str) -> str | None:
    """Return the token of a proof that the password was right, or None where no factor is missing."""
    if not service.kinds(db_session, account.id):
        return None
    now = frame.parts().clock.now()
    return proofs.begin(db_session, Purpose.SIGN_IN, account, now=now, address=address)


def lead_to_second_step(token: str, onward: str | None) -> Response:
    """Redirect to the page that asks for the factor that is missing at sign-in."""
    return frame.see_other("second_step.ask", link=PENDING.put(token, onward))


def _why(kind: Kind, answer: Answer) -> str:
    if answer in (Answer.CLOSED, Answer.CLOSES):
        return str(
            _("There were too many wrong codes, so we’ve stopped checking them. Use a recovery code instead.")
        )
    if kind is Kind.RECOVERY:
        return str(_("That recovery code is wrong, or it was used before. Check it, or try another one."))
    return str(
        _("That code is wrong, or it was used before. Wait until your app shows a new one, then type that.")
    )
