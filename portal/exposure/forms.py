"""The form of the check; its field names are part of the contract."""

from flask_babel import lazy_gettext
from wtforms import StringField

from portal.web.forms import AddressForm


class CheckForm(AddressForm):
    """A form with one field, the address."""

    email = StringField(lazy_gettext("Your email address"))
