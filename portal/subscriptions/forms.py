"""The sign-up form; its field names are part of the contract."""

from flask_babel import gettext, lazy_gettext
from wtforms import Field, RadioField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import ValidationError

from portal.web.forms import AddressForm


class SubscribeForm(AddressForm):
    """An address, and the incident to get updates about."""

    incident = RadioField(lazy_gettext("What do you want updates about?"), validate_choice=False)
    email = StringField(lazy_gettext("Your email address"))

    def offer(self, incidents: list[tuple[str, str]]) -> None:
        """Set the choices: pairs of slug and title."""
        self.incident.choices = [SelectChoice(slug, title) for slug, title in incidents]

    def validate_incident(self, field: Field) -> None:
        """Accept an offered incident; a single one is the default."""
        offered = [option.data for option in self.incident]
        if not field.data and len(offered) == 1:
            field.data = offered[0]
        if field.data not in offered:
            raise ValidationError(gettext("Choose what you want updates about."))
