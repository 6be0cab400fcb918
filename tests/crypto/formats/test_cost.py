"""What a hash would cost is known before it runs; what nobody can bear is refused."""

import pytest

from portal.crypto.formats import registry
from portal.crypto.formats.refusal import HashRefused

SALT, DIGEST = "c29tZXNhbHRzb21lc2FsdA", "G4uhH8Rka/aQ9xS4E2nLDX+0A0cG+1Rq6nmYPqrJ0GM"
SCRYPT = "abcdefghijklmnop$" + "0" * 128


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"$argon2id$v=19$m=262145,t=1,p=1${SALT}${DIGEST}", "more than 256 MiB of memory"),
        (f"$argon2i$v=19$m=1048576,t=1,p=1${SALT}${DIGEST}", "more than 256 MiB of memory"),
        (f"scrypt:1048576:8:1${SCRYPT}", "more than 256 MiB of memory"),
        ("$scrypt$ln=24,r=8,p=1$c2FsdHNhbHQ$" + "A" * 43, "more than 256 MiB of memory"),
        (f"$argon2d$v=19$m=8192,t=1,p=65${SALT}${DIGEST}", "of more than 64 lanes"),
        (f"$argon2id$v=19$m=65536,t=4000,p=1${SALT}${DIGEST}", "more than a second on this machine"),
        ("$2b$31$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "more than a second"),
        ("$2b$18$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "more than a second"),
        ("pbkdf2:sha1:999999999$salt$" + "0" * 40, "more than a second"),
        ("pbkdf2_sha256$999999999$salt$XKzh8PDaZSpfUxh4Z0JVBFPNkwTizvHKfrHdGLs/5RE=", "more than a second"),
        (f"scrypt:1024:8:4096${SCRYPT}", "more than a second"),
        ("$6$rounds=999999999$saltsalt$" + "." * 86, "more than a second"),
        ("$5$rounds=99999999$saltsalt$" + "." * 43, "more than a second"),
        ("$P$S12345678XhYOwYMq1f7ApyXAcOJT.1", "more than a second"),
    ],
)
def test_an_absurd_cost_is_refused_before_it_runs(text, why):
    with pytest.raises(HashRefused) as refused:
        registry.check(text)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        f"$argon2id$v=19$m=65536,t=3,p=4${SALT}${DIGEST}",
        "$2b$10$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        f"scrypt:32768:8:1${SCRYPT}",
        "pbkdf2_sha256$600000$salt$XKzh8PDaZSpfUxh4Z0JVBFPNkwTizvHKfrHdGLs/5RE=",
        "$6$saltsalt$" + "." * 86,
        "$P$B12345678XhYOwYMq1f7ApyXAcOJT.1",
    ],
)
def test_what_systems_use_is_borne(text):
    registry.check(text)


@pytest.mark.parametrize(
    ("rounds", "counted"),
    [
        (600_000, 600_000),
        (603_217, 603_000),
        (29_000, 29_000),
        (1_200_000, 1_200_000),
        (999, 999),
        (1_004, 1_000),
    ],
)
def test_rounds_are_counted_with_three_digits(rounds, counted):
    text = f"pbkdf2_sha256${rounds}$salt$XKzh8PDaZSpfUxh4Z0JVBFPNkwTizvHKfrHdGLs/5RE="
    assert registry.cost_class(text) == f"pbkdf2-sha256 {counted}"


@pytest.mark.parametrize("cost", ["", "bcrypt", "md4 1", "m=64,t=1,p=1 x"])
def test_a_class_of_no_format_has_no_stand_in(cost):
    with pytest.raises(ValueError, match="no class of costs"):
        registry.dummy(cost)


@pytest.mark.parametrize(
    "text", ["\0", "x\0", "ñ", "$", "$$$$", "{}", "$2", "$argon2", "\n", " ", "$6$", "$P$", "$7$"]
)
def test_scraps_are_no_hashes(text):
    with pytest.raises(HashRefused):
        registry.check(text)
