"""The form for a new address."""

from flask_babel import lazy_gettext
from wtforms import StringField

from portal.web.forms import AddressForm


class NewAddressForm(AddressForm):
    """One email address: the account's new one."""

    email = StringField(lazy_gettext("New email address"))
