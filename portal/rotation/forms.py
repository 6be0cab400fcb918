"""The forms of reminders; field names are part of the contract."""

from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import Field, RadioField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import ValidationError

from portal.rotation import elsewhere


class ReminderForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """The choice of an interval in months, or off."""

    interval = RadioField(
        lazy_gettext("Remind me to review my password"),
        choices=[
            SelectChoice("3", lazy_gettext("Every 3 months")),
            SelectChoice("6", lazy_gettext("Every 6 months")),
            SelectChoice("12", lazy_gettext("Every 12 months")),
            SelectChoice("off", lazy_gettext("Never")),
        ],
        default="off",
    )


class SiteForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Another site where the same password was used."""

    site = StringField(lazy_gettext("A site, app or shop where you used the same password"))

    def validate_site(self, field: Field) -> None:
        """Replace the typed text with what to list of it. Raises ValidationError."""
        try:
            field.data = elsewhere.entry(field.data or "")
        except elsewhere.SiteInvalid as error:
            raise ValidationError(gettext(str(error))) from error
