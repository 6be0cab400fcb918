"""Django itself as a company's product: `python -m tests.identity.django_product FILE WORD ...`.

`new`: make its own tables and four accounts. `try ADDRESS PASSWORD`: authenticate, and print what it says.
"""

import json
import sys

import django  # type: ignore[import-untyped]
from django.conf import settings  # type: ignore[import-untyped]

HASHERS = (
    "PBKDF2PasswordHasher",
    "Argon2PasswordHasher",
    "BCryptSHA256PasswordHasher",
    "ScryptPasswordHasher",
)


def main(file: str, word: str, *words: str) -> None:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": file}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}" for name in HASHERS],
        SECRET_KEY="of a test",
        USE_TZ=True,
    )
    django.setup()
    if word == "new":
        new()
    else:
        sys.stdout.write(json.dumps([tried(*words[at : at + 2]) for at in range(0, len(words), 2)]))


def new() -> None:
    from django.contrib.auth.hashers import get_hasher  # type: ignore[import-untyped]
    from django.contrib.auth.models import User  # type: ignore[import-untyped]
    from django.core.management import call_command  # type: ignore[import-untyped]

    call_command("migrate", verbosity=0)
    quick = get_hasher("pbkdf2_sha256")
    for name, usable in (("ana", True), ("ben", True), ("cleo", False), ("dan", True)):
        user = User(username=name, email=f"{name}@example.com", first_name=name.title())
        user.set_unusable_password()
        if usable:
            user.password = quick.encode("the tide rises at nine", "saltsalt", iterations=1000)
        user.save()


def tried(address: str, password: str) -> dict[str, object]:
    from django.contrib.auth import authenticate  # type: ignore[import-untyped]
    from django.contrib.auth.forms import PasswordResetForm  # type: ignore[import-untyped]
    from django.contrib.auth.models import User

    user = User.objects.get(email=address)
    return {
        "session": user.get_session_auth_hash(),
        "signs in": authenticate(username=user.username, password=password) is not None,
        "may reset there": bool(list(PasswordResetForm().get_users(address))),
    }


main(*sys.argv[1:])
