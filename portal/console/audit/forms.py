"""The form that searches the audit log: its fields lie in the address, without a token."""

from flask_babel import lazy_gettext
from wtforms import DateField, Form, SelectField
from wtforms.validators import Optional


class SearchForm(Form):
    """Days, a person, a group of actions. The page fills in the choices."""

    since = DateField(lazy_gettext("From day"), [Optional()])
    until = DateField(lazy_gettext("To day"), [Optional()])
    who = SelectField(lazy_gettext("Who"), [Optional()])
    group = SelectField(lazy_gettext("What"), [Optional()])
