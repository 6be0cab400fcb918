"""`/is-it-real/`: look up a sent mail by its authenticity code."""

from flask import Blueprint, render_template
from flask_babel import gettext as _
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import Length

from portal.crypto import tokens
from portal.outbox import service
from portal.web import frame
from portal.web.overnight import filled_in_again

bp = Blueprint("outbox", __name__)
UNLISTED_PATHS = ("/is-it-real/",)


class CodeForm(FlaskForm):  # type: ignore[misc]  # flask_wtf has no types
    """The authenticity code of a mail."""

    code = StringField(validators=[Length(max=40)])


@bp.get("/is-it-real/")
@filled_in_again
def is_it_real() -> str:
    """Show the form for the code of a mail."""
    return _page(_form())


@bp.post("/is-it-real/")
def look_up() -> str | tuple[str, int]:
    """Show when, to whom (masked) and with which subject the mail with the typed code was sent."""
    form, parts = _form(), frame.parts()
    with parts.db.write() as session:
        frame.limit_intake(session, "is-it-real")
    if not form.validate() or not form.code.data or not form.code.data.strip():
        form.code.errors = [_("Enter the code from the end of the message.")]
        return _page(form), 400
    try:
        with parts.db.read() as session:
            return _page(form, proof=service.look_up(session, form.code.data))
    except service.MailUnknown:
        why = _why_not_a_code(form.code.data)
        if why is None:
            return _page(form, unknown=True)
        form.code.errors = [why]
        return _page(form), 400


def _form() -> CodeForm:
    form = CodeForm()
    form.code.label.text = _("Proof code")
    return form


def _page(form: CodeForm, *, proof: service.Proof | None = None, unknown: bool = False) -> str:
    return render_template("outbox/is-it-real.html", form=form, proof=proof, unknown=unknown)


def _why_not_a_code(typed: str) -> str | None:
    """Return what is wrong with a code of another length; None where it has that of our codes.

    A typing error or another kind of code is not a sign of a fake.
    """
    length = len(tokens.normalise_code(typed))
    if length == tokens.AUTHENTICITY_LENGTH:
        return None
    if length == tokens.CODE_LENGTH:
        return str(
            _(
                "A code of 8 letters and digits opens an answer or a new password. It proves nothing here. "
                "The code for this page has 14, and is at the end of the message."
            )
        )
    return str(
        _("Our codes for this page have 14 letters and digits. Compare yours with the end of the message.")
    )
