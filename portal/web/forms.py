"""Define the forms that several features share. Field names stay: scripts and tests rely on them."""

from urllib.parse import urlsplit

from flask import request
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, StringField
from wtforms.validators import DataRequired, ValidationError

from portal.core import addresses
from portal.core.one_line import is_plain


def one_line(_form: FlaskForm, field: Field) -> None:
    """Take the outer whitespace off, and accept one line that shows what it says. Raises ValidationError."""
    field.data = (field.data or "").strip()
    if not is_plain(field.data):
        raise ValidationError(gettext("Use one line of plain text."))


class EmptyForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form with a button and no fields but the CSRF token."""


class SureForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """Ask for a tick before the button of a mailed link counts: some mail scanners press buttons.

    For a link that locks or stops something. One that somebody else can have mailed needs it most.
    """

    sure = BooleanField(
        lazy_gettext("I didn’t do this"),
        validators=[DataRequired(lazy_gettext("If it wasn’t you, tick the box first."))],
    )


class AddressForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form with one email address; once the form is valid, `email.data` is normalised."""

    email = StringField(lazy_gettext("Email address"))

    def validate_email(self, field: Field) -> None:
        """Normalise the address. Raises ValidationError, with the reason."""
        try:
            field.data = addresses.normalise(field.data or "")
        except addresses.AddressInvalid as error:
            raise ValidationError(gettext(str(error), **error.values)) from error

    def meant(self) -> str | None:
        """Return the address that was probably meant, unless `sure` says that this one is right."""
        typed = self.email.data or ""
        return None if request.form.get("sure") == typed else addresses.probably_meant(typed)


class CodeForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """A form for the code in a mail, the typed alternative to its link."""

    code = StringField(lazy_gettext("Code from the email"))


def own_path(target: str) -> str:
    """Return `target` if it is a path of this site, otherwise `/`, so that no redirect leaves the site."""
    try:
        parts = urlsplit(target.replace("\\", "/"))
    except ValueError:
        return "/"
    safe = (
        target.startswith("/")
        and not target.startswith(("//", "/\\"))
        and not parts.netloc
        and not parts.scheme
    )
    return target if safe and target.isprintable() else "/"
