"""The forms about lists."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import IntegerField, StringField
from wtforms.validators import AnyOf, InputRequired, Length

from portal.exposure.uploads.models import LEFT_OUT, LIST, SHEET, TEXT
from portal.web.forms import AddressForm


class BeginForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """What a script says of a file before it sends it; nobody sees this form."""

    purpose = StringField(validators=[AnyOf((LIST, LEFT_OUT))])
    form = StringField(validators=[AnyOf((TEXT, SHEET))])
    size = IntegerField(validators=[InputRequired()])
    name = StringField(validators=[Length(max=600)])


class LeaveOutForm(AddressForm):
    """One person to leave out of notices."""

    ref = StringField(lazy_gettext("Customer number, if the list has one"), [Length(max=100)])
