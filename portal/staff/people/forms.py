"""The forms of inviting people, and of their roles."""

from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, SelectMultipleField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs
from wtforms.validators import DataRequired
from wtforms.widgets import CheckboxInput, ListWidget

from portal.staff.roles import Role
from portal.staff.words import ROLES
from portal.web.forms import AddressForm


class InviteForm(AddressForm):
    """Who is invited, and as what."""

    roles = SelectMultipleField(
        lazy_gettext("Roles"),
        [DataRequired(lazy_gettext("Choose at least one role."))],
        choices=[SelectChoice(role.value, ROLES[role]) for role in Role],
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
    )


class RolesForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """The roles of a member; none removes them."""

    roles = SelectMultipleField(
        lazy_gettext("Roles"),
        choices=[SelectChoice(role.value, ROLES[role]) for role in Role],
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
    )
    remove = BooleanField(lazy_gettext("Remove this person"))
