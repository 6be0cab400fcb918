"""People of a list are counted by the language that their notice would have."""

from sqlalchemy import select

from portal.exposure import service
from portal.exposure.models import ExposureList
from tests.exposure.conftest import HEADER, SLUG

SPEAKERS = "".join(f"q{i}@northwind.example,{i},Q,en,,\n" for i in range(3))


def test_people_are_counted_by_their_language_once_each(lists):
    rows = (
        "ann@northwind.example,7,Ann,en,,",
        "ann@northwind.example,7,Ann,de,,",  # the same person: their list says `de`
        "ann@northwind.example,8,Ann,en,,",
        "ben@northwind.example; ben@mail.example,9,Ben,de,,",  # two addresses of one person
        "ben@mail.example,9,Ben,es,,",
        "cem@northwind.example,10,Cem,,,",
    )
    summary = lists.take_in(HEADER + "".join(f"{row}\n" for row in rows))
    assert summary.languages == {"de": 2, "en": 1, "": 1}
    assert summary.people == 4


def test_languages_are_stored_without_regions_and_those_of_few_people_together(lists):
    kept = {"de": 6, "de-AT": 6, "en": 10, "": 2}
    stored = stored_languages(lists, kept | {"es": 9, "pt-BR": 9})
    assert stored == {"*": 18, "de": 12, "en": 10, "": 2}
    with lists.db.write() as session:
        service.destroy(session, lists.id_of(SLUG), 1, lists.clock.now())
    with lists.db.read() as session:
        assert service.languages_of(session.scalars(select(ExposureList)).one()) == {}


def test_a_column_of_names_is_not_stored_as_languages(lists):
    names = {"Kim": 12, "Bob-Smith": 11, "Zoe": 10}
    assert stored_languages(lists, names | {"fr": 10}) == {"und": 33, "fr": 10}


def test_people_whose_language_nobody_knows_are_counted_however_few(lists):
    rows = (
        "ann@northwind.example,7,Ann,Elvish,,",
        "ann@northwind.example,7,Ann,Spanisch,,",  # the same person: their list says it once
        "ben@northwind.example,8,Ben,Elvish,,",
        "ben@northwind.example,8,Ben,,,",
        "cem@northwind.example,9,Cem,spa,,",
    )
    summary = lists.take_in(HEADER + "".join(f"{row}\n" for row in rows))
    assert summary.languages == {"es": 2, "und": 1}
    with lists.db.read() as session:
        stored = session.scalars(select(ExposureList)).one()
        assert service.languages_of(stored) == {"*": 2, "und": 1}
        found, _after = service.people_after(session, lists.vault, stored, b"", 9)
    assert sorted(person.locale for _key, person in found if person) == ["es", "es", "und"]


def test_more_than_forty_languages_are_stored_as_forty_and_the_others(lists):
    tags = "af am ar az be bg bn ca cs cy da de el en es et eu fa fi fr".split()
    tags += "ga gl gu he hi hr hu hy id is it ja ka kk km kn ko lo lt lv mk ml".split()
    stored = stored_languages(lists, dict.fromkeys(tags, 10))
    assert (len(stored), stored["*"], sum(stored.values())) == (41, 20, 420)


def stored_languages(lists, counts):
    """Import a list of so many people by tag, and return what is stored of their languages."""
    tags = [tag for tag, count in counts.items() for _ in range(count)]
    lists.take_in(HEADER + "".join(f"p{i}@northwind.example,{i},P,{tag},,\n" for i, tag in enumerate(tags)))
    with lists.db.read() as session:
        return service.languages_of(session.scalars(select(ExposureList)).one())


def test_a_column_that_is_no_language_does_not_fill_the_memory(lists):
    tags = (f"de-{a}{b}{c}{a}{b}" for a in "qrstuvwx" for b in "abcdefghijkl" for c in "abcdefghijkl")
    rows = "".join(f"p{i}@northwind.example,{i},P,{tag},,\n" for i, tag in enumerate(tags))
    summary = lists.take_in(HEADER + rows + SPEAKERS)
    assert (len(summary.languages), summary.languages["*"]) == (1_001, 155)
