"""The sign-in form; field names are part of the contract."""

from flask_babel import lazy_gettext
from wtforms import PasswordField
from wtforms.validators import InputRequired

from portal.web.forms import AddressForm


class SignInForm(AddressForm):
    """Ask for an address and its password."""

    password = PasswordField(
        lazy_gettext("Password"), validators=[InputRequired(lazy_gettext("Enter your password."))]
    )
