"""Hashes made by the original libraries verify here: their passwords, and no others."""

import re
import tomllib
import unicodedata
from pathlib import Path

import pytest

from portal.crypto.formats import bcrypts, children, crypts, derived, layouts, registry
from portal.crypto.formats.refusal import CutShort, HashRefused

PASSWORDS = ("hunter22", "contraseña de Núñez", "longer-than-72-" * 6)
MADE = {
    name: hashes
    for file in ("by_python.toml", "by_others.toml")
    for name, hashes in tomllib.loads(Path(__file__).with_name(file).read_text(encoding="utf-8")).items()
}
LAYOUTS = {
    "passlib hex_md5": "md5(password)",
    "passlib hex_sha1": "sha1(password)",
    "passlib hex_sha256": "sha256(password)",
    "passlib hex_sha512": "sha512(password)",
    "passlib django_salted_md5": "md5(salt+password)",
    "passlib django_salted_sha1": "sha1(salt+password)",
    "django MD5PasswordHasher": "md5(salt+password)",
    "werkzeug md5": "hmac-md5(salt,password)",
    "werkzeug sha1": "hmac-sha1(salt,password)",
    "werkzeug sha256": "hmac-sha256(salt,password)",
}
# Where a cut leaves another whole hash: a shorter digest of Argon2, or a shorter salt behind the digest.
UNNOTICED = ("argon2", "Argon2", "salted_", "SSHA", "SMD5")


@pytest.fixture(autouse=True, scope="module")
def no_process_stays():
    yield
    children.end()


def layout_of(name):
    return layouts.parse(LAYOUTS[name]) if name in LAYOUTS else None


@pytest.mark.parametrize("name", MADE)
def test_each_password_fits_its_own_hash_alone(name):
    for password, others, encoded in zip(PASSWORDS, PASSWORDS[1:] + PASSWORDS[:1], MADE[name], strict=True):
        read = registry.check(encoded, layout_of(name))
        assert read.fits(password.encode())
        assert not read.fits(others.encode())


@pytest.mark.parametrize("name", MADE)
def test_a_stand_in_has_the_same_class_and_fits_nothing(name):
    (cost,) = {registry.cost_class(encoded, layout_of(name)) for encoded in MADE[name]}
    assert len(cost) <= 60
    stand_in = registry.check(registry.dummy(cost))
    assert stand_in.cost_class == cost
    assert not stand_in.fits(b"hunter22")
    assert registry.dummy(cost) != registry.dummy(cost)


def told_of(encoded):
    """Return the word for what a hash is refused as, or None if it is taken."""
    try:
        registry.check(encoded)
    except CutShort:
        return "cut"
    except HashRefused:
        return "refused"
    return None


@pytest.mark.parametrize("name", [name for name in MADE if name not in LAYOUTS])
def test_a_hash_cut_at_any_length_is_told_and_never_fits(name):
    encoded = MADE[name][0]
    told = {length: told_of(encoded[:length]) for length in range(len(encoded))}
    # Shorter ones may be the beginning of anything.
    assert {word for length, word in told.items() if length > 20} <= {"cut", None}
    taken = [encoded[:length] for length, word in told.items() if word is None]
    assert not taken or any(word in name for word in UNNOTICED), taken
    assert not any(registry.verify(cut, b"hunter22") for cut in taken)


BCRYPTS = [name for name in MADE if name.endswith((" 2y", " 2a", " 2x", " 2b", "_hash bcrypt"))]


@pytest.mark.parametrize("name", [*BCRYPTS, "django BCryptPasswordHasher", "passlib ldap_bcrypt"])
def test_bcrypt_reads_72_bytes_as_the_original_did(name):
    encoded = MADE[name][2]
    assert registry.verify(encoded, PASSWORDS[2].encode()[:72])
    assert not registry.verify(encoded, PASSWORDS[2].encode()[:71])


@pytest.mark.parametrize(
    "name",
    [
        "django BCryptSHA256PasswordHasher",
        "passlib bcrypt_sha256 v1",
        "passlib bcrypt_sha256 v2",
        "wordpress 6.8",
    ],
)
def test_bcrypt_of_a_digest_reads_the_whole_password(name):
    assert not registry.verify(MADE[name][2], PASSWORDS[2].encode()[:72])


def test_the_first_bcrypt_of_openbsd_verifies():
    # The published test vector of OpenBSD's first version, in passlib's handlers/bcrypt.py.
    encoded = "$2$04$5BJqKfqMQvV7nS.yUguNcuRfMMOXK0xPWavM7pOzjEi5ze5T1k8/S"
    assert registry.verify(encoded, b"test")
    assert not registry.verify(encoded, b"Test")


def test_bits_that_bcrypt_ignores_may_be_set_in_a_salt():
    encoded = MADE["php crypt 2y"][0]
    assert registry.verify(encoded[:28] + "v" + encoded[29:], b"hunter22")


def test_a_nul_in_a_password_fits_nothing_and_breaks_nothing():
    for name, hashes in MADE.items():
        assert not registry.verify(hashes[0], b"hunter22\0x", layout_of(name))


def test_composed_accents_are_not_decomposed_ones():
    decomposed = unicodedata.normalize("NFD", PASSWORDS[1]).encode()
    assert not registry.verify(MADE["php crypt 2y"][1], decomposed)


WRITTEN = {
    "bcrypt-2a": lambda plain: bcrypts.make("2a", 4, plain),
    "bcrypt-2y": lambda plain: bcrypts.make("2y", 4, plain),
    "django-argon2": lambda plain: registry.make("django-argon2", plain),
    "django-bcrypt-sha256": lambda plain: bcrypts.make_django(4, plain),
    "django-pbkdf2-sha256": lambda plain: derived.make_passlib("django_pbkdf2_sha256", 1000, plain),
    "django-scrypt": lambda plain: derived.make_django_scrypt(256, 8, 1, plain),
    "phpass": lambda plain: registry.make("phpass", plain),
    "sha512-crypt": lambda plain: crypts.make("sha512_crypt", plain, rounds=1000),
    "werkzeug-pbkdf2-sha256": lambda plain: derived.make_werkzeug("pbkdf2:sha256:1000", plain),
    "werkzeug-scrypt": lambda plain: derived.make_werkzeug("scrypt:256:8:1", plain),
    "wordpress": lambda plain: bcrypts.make_wordpress(4, plain),
}
LIKE = {
    "bcrypt-2a": "ruby 2a",
    "bcrypt-2y": "php password_hash bcrypt",
    "django-argon2": "django Argon2PasswordHasher",
    "django-bcrypt-sha256": "django BCryptSHA256PasswordHasher",
    "django-pbkdf2-sha256": "django PBKDF2PasswordHasher",
    "django-scrypt": "django ScryptPasswordHasher",
    "phpass": "wordpress phpass",
    "sha512-crypt": "mkpasswd 6",
    "werkzeug-pbkdf2-sha256": "werkzeug pbkdf2:sha256",
    "werkzeug-scrypt": "werkzeug scrypt:256:8",
    "wordpress": "wordpress 6.8",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_for_a_store_verifies_and_looks_as_its_own(name):
    encoded, own = WRITTEN[name](b"hunter22"), MADE[LIKE[name]][0]
    read = registry.check(encoded)
    assert read.name == registry.check(own).name
    assert read.fits(b"hunter22")
    assert not read.fits(b"hunter23")
    shapes = [re.sub(r"[^$:{}]+", "x", text) for text in (encoded, own)]
    assert shapes[0] == shapes[1]
    assert encoded[:4] == own[:4]
    if "argon2" not in name:  # its parameters have other lengths
        assert abs(len(encoded) - len(own)) <= 12


def test_every_format_to_write_has_been_written_here():
    assert {*WRITTEN, "argon2id", "bcrypt-2b", "passlib-pbkdf2-sha256"} == {*registry.written_formats()}
