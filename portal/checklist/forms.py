"""The form of one item of a checklist."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateTimeLocalField,
    HiddenField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import Length, Optional

from portal.checklist.service import NOTE_LENGTH, PROOF_LENGTH


class ItemForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Who does it, until when, whether it is done, and the proof. The page fills in the owners."""

    version = HiddenField()
    owner = SelectField(lazy_gettext("Owner"))
    due = DateTimeLocalField(lazy_gettext("Due (UTC)"), [Optional()])
    done = BooleanField(lazy_gettext("It’s done"))
    note = TextAreaField(
        lazy_gettext("Note"),
        [Length(max=NOTE_LENGTH, message=lazy_gettext("Use 1,500 characters at most."))],
    )
    proof = StringField(
        lazy_gettext("Proof"),
        [Length(max=PROOF_LENGTH, message=lazy_gettext("Use 300 characters at most."))],
    )
