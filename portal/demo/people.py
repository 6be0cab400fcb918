"""The demonstration's people: a thousand affected, two who are not, and the accounts of some of them."""

import csv
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

# Her password was not in the stolen file, so she gets no mail before someone checks her address.
EXAMPLE = "nora.lind@postbox.example"
FAMILY = "family.torres@correo.example"
ROBBED = "marta.quiroga41@correo.example"  # her password was stolen
UNAFFECTED = "tom.berg@postbox.example"
PASSWORD = "thimble-quartz-heron-lagoon-brisk"  # noqa: S105 - of the demonstration, in its own database
AFFECTED = 1000


@dataclass(frozen=True, repr=False)
class StaffExample:
    """A member of staff with a password, and the secret for an authenticator app."""

    role: str
    name: str
    address: str
    password: str
    secret: str


STAFF = (
    StaffExample(
        "author",
        "Iris Calder",
        "iris@lanternfold.example",
        "copper-lantern-otter-midday-plume",
        "KRSXG5DBOV2GQ33SMF3WQZLSMVXW4ZJA",
    ),
    StaffExample(
        "approver",
        "Tomas Reyes",
        "tomas@lanternfold.example",
        "velvet-harbour-sparrow-ninety-fig",
        "KRSXG5DBOBYHE33WMVZGQZLSMVXW4ZJB",
    ),
    StaffExample(
        "admin",
        "Ada Winter",
        "ada@lanternfold.example",
        "granite-teacup-willow-seventh-kite",
        "KRSXG5DBMRWWS3TIMVZGK33OMVXXA3DC",
    ),
)
FIRST_HALF = 640
COUNTED_TWICE = 180
FOUND_LATE = frozenset({"Passwords", "Dates of birth", "Partial credit card data"})
FIRST = (
    *(
        "Ada",
        "Amara",
        "Ana",
        "Anton",
        "Aroa",
        "Bashir",
        "Beatriz",
        "Bruno",
        "Carla",
        "Chiara",
        "Daniel",
        "Diego",
    ),
    *(
        "Elena",
        "Emil",
        "Esra",
        "Farid",
        "Fatima",
        "Gabriel",
        "Greta",
        "Hana",
        "Hugo",
        "Ines",
        "Ivan",
        "Jamal",
    ),
    *(
        "Joana",
        "Karim",
        "Lena",
        "Leo",
        "Luis",
        "Maja",
        "Marta",
        "Mateo",
        "Mira",
        "Nadia",
        "Nils",
        "Olga",
        "Omar",
    ),
    *(
        "Paula",
        "Pedro",
        "Rosa",
        "Samir",
        "Sofia",
        "Tariq",
        "Teresa",
        "Timo",
        "Vera",
        "Yara",
        "Yusuf",
        "Zofia",
    ),
)
LAST = (
    *("Aguilar", "Bakker", "Castillo", "Dahl", "Esposito", "Ferrer", "Gomez", "Haddad", "Ibarra", "Jansen"),
    *(
        "Keller",
        "Lopez",
        "Moreau",
        "Novak",
        "Okafor",
        "Pereira",
        "Quiroga",
        "Rossi",
        "Silva",
        "Torres",
        "Ueda",
    ),
    *("Vidal", "Weber", "Yilmaz", "Zapata"),
)
DOMAINS = ("postbox.example", "mail.example", "inbox.example", "correo.example")
BASICS = ("Email addresses", "Names", "Physical addresses")
SOMETIMES = (
    ("Passwords", 0.6),
    ("Phone numbers", 0.5),
    ("Dates of birth", 0.3),
    ("Partial credit card data", 0.2),
    ("Purchases", 0.7),
)
LIST_COLUMNS = ("email", "account_ref", "name", "locale", "jurisdiction", "data_classes")


@dataclass(frozen=True)
class Person:
    """An invented person."""

    email: str
    account_ref: str
    name: str
    locale: str
    jurisdiction: str
    data_classes: tuple[str, ...]


def affected() -> Iterator[Person]:
    """Yield the affected people, the same at every call."""
    chance = random.Random(20261102)  # noqa: S311 - the demonstration is the same every time
    yield Person(EXAMPLE, "C-100001", "Nora Lind", "en", "IE", (*BASICS, "Phone numbers", "Purchases"))
    # A family that shares one address.
    yield Person(FAMILY, "C-100002", "Paula Torres", "es", "ES", (*BASICS, "Purchases"))
    yield Person(FAMILY, "C-100003", "Hugo Torres", "es", "ES", (*BASICS, "Passwords"))
    for number in range(4, AFFECTED + 1):
        first, last = chance.choice(FIRST), chance.choice(LAST)
        spanish = chance.random() < 0.3  # noqa: PLR2004 - a share
        classes = BASICS + tuple(name for name, share in SOMETIMES if chance.random() < share)
        yield Person(
            f"{first}.{last}{number}@{chance.choice(DOMAINS)}".lower(),
            f"C-{100000 + number}",
            f"{first} {last}",
            "es" if spanish else "en",
            chance.choice(("ES", "MX", "AR")) if spanish else chance.choice(("IE", "DE", "NL", "GB")),
            classes,
        )


def list_file(count: str = "true") -> str:
    """Return the affected list as CSV: `true`, or one of the company's two wrong counts.

    The company first read `half` of the stolen file, then counted customers with two accounts `twice`.
    """
    people = list(affected())
    if count == "half":
        people = [
            replace(one, data_classes=tuple(name for name in one.data_classes if name not in FOUND_LATE))
            for one in people[:FIRST_HALF]
        ]
    elif count == "twice":
        people += [replace(one, account_ref=f"{one.account_ref}-2") for one in people[-COUNTED_TWICE:]]
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(LIST_COLUMNS)
    for person in people:
        rows.writerow((*list(vars(person).values())[:5], ";".join(person.data_classes)))
    return out.getvalue()


def accounts_file(password_hash: str) -> str:
    """Return accounts as CSV: every fortieth affected person, the example included, and two not affected."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(("email", "password_hash", "account_ref", "name", "locale"))
    for number, person in enumerate(affected()):
        if number % 40 == 0:
            rows.writerow((person.email, password_hash, person.account_ref, person.name, person.locale))
    rows.writerow((UNAFFECTED, password_hash, "C-200001", "Tom Berg", "en"))
    rows.writerow(("eva.ruiz@correo.example", password_hash, "C-200002", "Eva Ruiz", "es"))
    return out.getvalue()
