"""Bring the catalogues of portal/translations up to date with the texts, for what is new to be translated.

A domain is a file like portal/translations/messages.toml, which says where its texts are. A new language is
an empty folder: it gets a catalogue of each domain.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRANSLATIONS = ROOT / "portal/translations"
PYBABEL = Path(sys.executable).with_name("pybabel")
SOURCE_LANGUAGE = "en"  # its catalogue holds what is plainer than the text in the code; a person writes it


def main() -> None:
    for mapping in sorted(TRANSLATIONS.glob("*.toml")):
        domain = mapping.stem
        template = ROOT / f"var/{domain}.pot"
        template.parent.mkdir(exist_ok=True)
        extract(domain, template)
        for folder in sorted(path for path in TRANSLATIONS.iterdir() if path.is_dir()):
            if folder.name != SOURCE_LANGUAGE:
                bring_up_to_date(folder / f"LC_MESSAGES/{domain}.po", template)


def extract(domain: str, template: Path) -> None:
    """Write the texts of a domain to `template`."""
    where = (
        "-F",
        TRANSLATIONS / f"{domain}.toml",
        "-k",
        "lazy_gettext",
        "-k",
        "mark",
        "-k",
        "Message",
        "-o",
        template,
        ".",
    )
    names = ("--project", "portal", "--version", "1", "--header-comment", "# Texts of the portal.")
    pybabel("extract", "--sort-by-file", "--add-location=file", "--no-wrap", *names, *where)


def bring_up_to_date(catalogue: Path, template: Path) -> None:
    """Add what is new in `template` to a catalogue, and take away what is gone."""
    catalogue.parent.mkdir(exist_ok=True)
    files = ("-l", catalogue.parent.parent.name, "-i", template, "-o", catalogue, "--no-wrap")
    if catalogue.exists():
        pybabel("update", *files, "--no-fuzzy-matching", "--ignore-obsolete", "--ignore-pot-creation-date")
    else:
        pybabel("init", *files)


def pybabel(*words: str | Path) -> None:
    subprocess.run([PYBABEL, "--quiet", *words], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
