"""Generate affected lists of any length."""

import random
from pathlib import Path

CLASSES = "Email addresses;Names;Passwords"
DOMAINS = ("postbox.example", "mail.example", "inbox.example", "correo.example")


def write_list(file: Path, count: int) -> None:
    """Write a list of `count` people in random order, the same for each `count`."""
    chance = random.Random(count)
    with file.open("w", encoding="utf-8") as out:
        out.write("email,account_ref,name,locale,jurisdiction,data_classes\n")
        for number in range(count):
            who = chance.randrange(10**9)
            out.write(
                f"person{who}.{number}@{DOMAINS[number % 4]},C-{number},Ada Person {who},en,IE,{CLASSES}\n"
            )


def address(count: int, number: int) -> str:
    """Return the address of person `number` in the list of `count`."""
    chance = random.Random(count)
    who = 0
    for _ in range(number + 1):
        who = chance.randrange(10**9)
    return f"person{who}.{number}@{DOMAINS[number % 4]}"
