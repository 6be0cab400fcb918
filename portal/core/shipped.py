"""Where the files are that come with the portal: beside its package in a repository, inside it in a wheel."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# scripts/wheel.py copies them there.
_IN_A_WHEEL = PACKAGE / "_files"
INSTALLED = _IN_A_WHEEL.is_dir()
FILES = _IN_A_WHEEL if INSTALLED else PACKAGE.parent
TEMPLATES = FILES / "templates"
STATIC = FILES / "static"
MIGRATIONS = FILES / "migrations"
LEGAL_DRAFTS = FILES / "deploy/legal"
