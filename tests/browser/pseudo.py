"""Languages that nobody speaks, made of the texts: they show what is untranslated, put together or too long.

Each text is in ⟦brackets⟧, with accents and a third longer. Real languages carry them, for their plurals,
dates and direction: German, and Arabic from right to left.
"""

import re
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po
from playwright.sync_api import Page

from tests.catalogues import DOMAINS, in_use

LANGUAGES = ("de", "ar")
ACCENTED = str.maketrans("aceinosuyACEINOSUY", "áçéíñóšúýÁÇÉÍÑÓŠÚÝ")
KEPT = re.compile(r"(%\(\w+\)[sd]|\{\w*\}|</?\w[^>]*>|%%)")
# Patterns of dates are no words; a translator changes their order only.
DATES = re.compile(r"[dMyEHm ,.:]+")

# Between the things of a list: Babel's, not ours. A comma between two texts is ours where Babel has another.
LIST_WORDS = ("⟧ und ", "⟧ و", "⟧، ")

# Addresses of pages, codes, and passphrases to choose from.
MACHINES = re.compile(r"https?://[^\s⟦⟧~]+|\b[A-Z2-7]{5}(?:-[A-Z2-7]{5})+\b")

# The texts of a page's smallest blocks: of the page's own language, without what a person or a machine wrote.
BLOCKS = """() => {
  const own = document.documentElement.lang, found = [];
  const skipped =
    "time, code, ins, del, script, style, svg, .badge, [data-suggestion], [href^='tel:'], [href^='mailto:']";
  const words = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.textContent;
    if (node.nodeName === "BR") return "|";
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches(skipped)) return " ";
    if (node.lang && node.lang !== own) return " ";
    return [...node.childNodes].map(words).join("");
  };
  const inline = (node) => getComputedStyle(node).display.startsWith("inline") && !node.matches("li, button");
  for (const one of document.querySelectorAll("body *")) {
    if (one.closest(skipped) || (one.closest("[lang]").lang !== own) || inline(one)) continue;
    if (![...one.children].every(inline)) {
      for (const child of one.childNodes)
        if (child.nodeType === Node.TEXT_NODE) found.push(child.textContent);
      continue;
    }
    found.push(words(one));
  }
  for (const one of document.body.querySelectorAll("[aria-label], [alt], [placeholder], [title]"))
    for (const name of ["aria-label", "alt", "placeholder", "title"])
      if (one.getAttribute(name)) found.push(one.getAttribute(name));
  return found.map((text) => text.replace(/\\s+/g, " ").trim()).filter(Boolean);
}"""


def write_catalogues(folder: Path) -> None:
    """Write the catalogues of each of the languages."""
    for language in LANGUAGES:
        place = folder / language / "LC_MESSAGES"
        place.mkdir(parents=True)
        for domain in DOMAINS:
            catalogue = made(language, domain)
            with (place / f"{domain}.po").open("wb") as po, (place / f"{domain}.mo").open("wb") as mo:
                write_po(po, catalogue)
                write_mo(mo, catalogue)


def made(language: str, domain: str) -> Catalog:
    """Return the catalogue of a domain in one of the languages."""
    catalogue = Catalog(locale=language)
    for message in in_use(domain):
        if isinstance(message.id, tuple):
            catalogue.add(message.id, [pseudo(message.id[1])] * catalogue.num_plurals)
        elif isinstance(message.id, str) and message.id:
            catalogue.add(message.id, pseudo(message.id), context=message.context)
    return catalogue


def pseudo(text: str) -> str:
    if DATES.fullmatch(text):
        return text
    parts = KEPT.split(text)
    accented = "".join(part if index % 2 else part.translate(ACCENTED) for index, part in enumerate(parts))
    return f"⟦{accented}{' ~~~~' * (len(text) // 15)}⟧"


def faults(page: Page, names: tuple[str, ...]) -> list[str]:
    """Return the texts that no catalogue has, and those that are put together from several.

    `names` are the words of people: they are the same in every language.
    """
    wrong = []
    between = "·|:," if page.locator("html[lang=de]").count() else "·|:"
    for text in page.evaluate(BLOCKS):
        bare = MACHINES.sub("", text)
        for name in names:
            bare = bare.replace(name, "")
        for word in LIST_WORDS:
            bare = bare.replace(word, "⟧ · ")
        while (inner := re.sub(r"⟦(:?)[^⟦⟧]*?([.:?!]?)[~ ]*⟧", "\\1\\2\0", bare)) != bare:
            bare = inner
        if re.search(r"[^\W\d_]", bare):
            wrong.append(f"untranslated: {text}")
        elif re.search(rf"(?<![.:?!])\0[^\0{between}]*\0", bare):
            wrong.append(f"glued: {text}")
    return wrong
