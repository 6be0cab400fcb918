"""`portal exposure classes` finds a data class by the word that an operator has for it."""

import json

import pytest

from tests.commands import context, portal

__all__ = ["context", "portal"]
pytestmark = pytest.mark.sqlite  # reads no database


def test_a_word_finds_what_it_stands_for_with_what_readers_see(portal):
    assert portal("exposure", "classes", "Card", "numbers").stdout.splitlines()[:2] == [
        "Credit cards  (money, severity 5)",
        "    readers see  en: Card numbers; es: Números de tarjetas",
    ]
    assert portal("exposure", "classes", "Emails").stdout.startswith(
        "Email addresses  (contact, severity 2)\n"
    )


def test_without_a_word_all_are_listed_worst_of_each_group_first(portal):
    listed = [line for line in portal("exposure", "classes").stdout.splitlines() if not line.startswith(" ")]
    assert len(listed) == 116
    assert listed[0] == "Auth tokens  (sign-in, severity 5)"
    assert listed[6] == "Usernames  (sign-in, severity 2)"
    assert listed[7] == "Bank account numbers  (money, severity 5)"


def test_a_script_reads_the_same(portal):
    assert json.loads(portal("exposure", "classes", "matrícula", "--json").stdout) == [
        {
            "name": "Vehicle details",
            "readers_see": {"en": "Vehicle details", "es": "Datos del vehículo"},
            "group": "person",
            "severity": 2,
        }
    ]


def test_nonsense_is_refused_with_the_way_on(portal):
    told = portal("exposure", "classes", "xyzzy", status=1).output
    assert told == (
        "Error: No data class is called 'xyzzy' or nearly so. To see all: portal exposure classes\n"
    )
