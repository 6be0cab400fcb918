"""The forms about lists."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import AnyOf, InputRequired, Length

from portal.exposure.uploads.models import LEFT_OUT, LIST, SHEET, TEXT
from portal.web.forms import AddressForm

# Why people are left out, by code. The approver of a notice reads it, too.
LEFT_OUT_REASONS = {
    "died": lazy_gettext("They died"),
    "staff": lazy_gettext("They work here, and know"),
    "told": lazy_gettext("We told them another way"),
    "asked": lazy_gettext("They asked us not to write"),
    "file": lazy_gettext("Listed in a file"),
    "other": lazy_gettext("Another reason"),
    "": lazy_gettext("No reason given"),
}


class BeginForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """What a script says of a file before it sends it; nobody sees this form."""

    purpose = StringField(validators=[AnyOf((LIST, LEFT_OUT))])
    form = StringField(validators=[AnyOf((TEXT, SHEET))])
    size = IntegerField(validators=[InputRequired()])
    name = StringField(validators=[Length(max=600)])


class LeaveOutForm(AddressForm):
    """One person to leave out of notices."""

    ref = StringField(lazy_gettext("Customer number, if the list has one"), [Length(max=100)])
    reason = SelectField(
        lazy_gettext("Why?"),
        choices=[
            SelectChoice(name, LEFT_OUT_REASONS[name]) for name in ("died", "staff", "told", "asked", "other")
        ],
    )
