"""Plain digests are read by the layout that an operator declares, and never guessed."""

import pytest

from portal.crypto.formats import layouts, registry
from portal.crypto.formats.refusal import HashRefused

# PHP 8.2.36: md5(), sha1(), hash(), hash_hmac() of "hunter22", with the salt "x7!k" where there is one.
MADE = {
    "md5(md5(password)+salt)": "dc209b5f2b3a52eed7156c6d4fed14a0",
    "sha1(salt+password)": "c1b1178e0af56376312dd6b53852cf4651d3ddc8",
    "sha256(password+salt)": "2260ef6bfc0221211788dba9d2c0f23f298e793e1e500c9adbc0542e8b6e7132",
    "sha1(md5(password))": "15d5b61bc802d873b9ad180bd57420371c5a3cce",
    "hmac-sha512(salt,password)": (
        "a48e2f7a125cc847bdc936619fdcb849166437139ee228be21ec5ad46162ac9e"
        "fde7fffe7e739c43be65ee60e76ce420ab7aafef09858e17867b60dac7696950"
    ),
    "sha512(sha256(password)+salt)": (
        "88cd60a803ff7eeba375a9d924ea1907128246129efa19aba39a35103c855ae6"
        "ab060fe2a3759da2ee22ba6de9e34584b0cf6dd6938162aa84c79672773c1e34"
    ),
}
SALT = "x7!k"
SHA1 = MADE["sha1(salt+password)"]


def fits(text, declared):
    read = registry.check(text, layouts.parse(declared))
    return read.fits(b"hunter22"), read.fits(b"hunter23")


@pytest.mark.parametrize("declared", MADE)
def test_each_layout_verifies_what_php_made(declared):
    text = f"{MADE[declared]}:{SALT}" if "salt" in declared else MADE[declared]
    assert fits(text, declared) == (True, False)
    assert fits(text, declared.upper().replace("+", " + ")) == (True, False)


@pytest.mark.parametrize(
    "text",
    [f"{SHA1}:{SALT}", f"{SALT}:{SHA1}", f"{SHA1}${SALT}", f"sha1${SALT}${SHA1}", f"0x{SHA1.upper()}:{SALT}"],
)
def test_the_salt_stands_where_systems_write_it(text):
    assert fits(text, "sha1(salt+password)") == (True, False)


@pytest.mark.parametrize(
    ("text", "declared", "why"),
    [
        (SHA1, "sha1(salt+password)", "declares a salt, and this hash has none"),
        (f"{SHA1}:{SALT}", "sha1(password)", "declares no salt, and this hash has one"),
        (f"{SHA1}:{'0' * 40}", "sha1(salt+password)", "salt and digest look alike"),
        (f"{SHA1}:{'x' * 65}", "sha1(salt+password)", "a salt of more than 64 bytes"),
        (SHA1, "md5(password)", "not the digest that --digest 'md5(password)' declares"),
        (SHA1[:-1], "sha1(password)", "not the digest that --digest"),
        ("hunter22", "sha1(password)", "not the digest that --digest"),
        ("{FOO}" + SHA1, "sha1(password)", "a format in braces is not taken"),
    ],
)
def test_what_does_not_fit_the_layout_is_refused(text, declared, why):
    with pytest.raises(HashRefused) as refused:
        registry.check(text, layouts.parse(declared))
    assert why in str(refused.value)
    assert text not in str(refused.value)


def test_other_formats_of_the_same_file_stay_what_they_are():
    bcrypt = "$2y$04$HHprCYkrhXKoRtOFlAn1fu7UnCw4LJF9av7hR8gg5BvkDRIxsJNYG"
    assert fits(bcrypt, "sha1(salt+password)") == (True, False)
