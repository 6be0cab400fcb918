"""The reference number of an answer: one for each address, incident and version of the list."""

import re

from tests.exposure.conftest import words

ANN = "ann@northwind.example,7,Ann,en,ES,Passwords\n"
BOB = "bob@northwind.example,8,Bob,en,ES,Passwords\n"


def references(page):
    """The reference numbers on an answer's page, by the incident's title."""
    found = re.findall(r"The incident (\w+) .*?\b([A-Z2-7]{5}-[A-Z2-7]{5})\b", words(page))
    assert found
    return dict(found)


def test_asking_again_gives_the_same_number(lists, check, read):
    lists.live(ANN)
    first, second = (references(read(check("ann@northwind.example"))) for _ in range(2))
    assert first == second


def test_it_differs_between_incidents(lists, check, read):
    lists.live(ANN)
    lists.incident("second")
    lists.live(ANN, "second")
    told = references(read(check("ann@northwind.example")))
    assert set(told) == {"november", "second"}
    assert told["november"] != told["second"]


def test_it_differs_between_versions_of_a_list_and_comes_back_with_the_version(lists, check, read):
    lists.live(ANN)
    first = references(read(check("ann@northwind.example")))
    lists.live(ANN + BOB)
    second = references(read(check("ann@northwind.example")))
    assert second != first
    lists.activate(1)
    assert references(read(check("ann@northwind.example"))) == first


def test_it_differs_between_addresses_listed_or_not(lists, check, read):
    lists.live(ANN + BOB)
    people = ("ann", "bob", "nobody", "nobody.else")
    told = [references(read(check(f"{name}@northwind.example")))["november"] for name in people]
    assert len(set(told)) == len(people)
