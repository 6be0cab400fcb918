"""The floors of the house hold, and every feature stands on one of them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
# What the features stand on has no layers of its own.
ROOMS = {"blocklists", "core", "crypto", "datakinds", "people_files", "runtime", "web"}
PACKAGES = {path.parent.name for path in (ROOT / "portal").glob("*/__init__.py")}
FEATURES = sorted(PACKAGES - ROOMS)

# What speaks to browsers or to a terminal; everything else must work without Flask.
FLASK_ALLOWED = {
    "portal.app",
    "portal.cli",
    "portal.accounts.activity.new_browser",  # what the pages that let a browser in share
    "portal.accounts.at_company",  # what all pages of accounts are where the portal has no access to them
    "portal.accounts.factors.asking",  # what the pages that ask for a second factor share
    "portal.accounts.factors.confirm",  # pages
    "portal.accounts.factors.second",  # pages
    "portal.accounts.factors.step_up",  # guards pages
    "portal.accounts.login",  # who is signed in, for the pages of every floor above
    "portal.accounts.passkeys.asking",  # the question for a passkey, on every page that has one
    "portal.accounts.passkeys.sign_in",  # pages
    "portal.serve",
    "portal.staff.streams.bodies",  # how pages read a file as it streams
    "portal.worker",
    "portal.console.application",  # it assembles the console
    "portal.console.home",  # pages
    "portal.campaigns.drafts.warned",  # words of pages
    "portal.checklist.words",  # words of pages
    "portal.console.audit.details",  # words of pages
    "portal.console.audit.words",  # words of pages
    "portal.console.mail.words",  # words of pages
    "portal.console.settings.changing",  # pages
    "portal.console.settings.editing",  # what is typed on pages
    "portal.console.settings.words",  # words of pages
    "portal.console.site",  # pages
    "portal.demo.example",  # it calls the commands
    "portal.staff.approvals.showing",  # words of pages
    "portal.staff.pages",  # what all pages of staff share
    "portal.staff.sending",  # what all pages of staff share
    "portal.staff.words",  # words of pages
    "portal.rehearsal.copying",  # it needs the tables of every feature
    "portal.rehearsal.steps",  # it calls the commands
    "portal.identity.sealed.waiting",  # the page that waits for a sealed job
    "portal.reset.stolen.rechecking",  # called at a sign-in
    "portal.reset.link.after_passkey",  # leads to the form for a required password
    "portal.reset.link.factor",  # pages
    "portal.reset.link.review",  # pages
    "portal.reset.link.opened",  # the link that its pages were opened with
    "portal.reset.done",  # the page after a new password
    "portal.reset.external.asking",  # what the pages of a new password hand over
    "portal.intake.flow",  # what the pages of a mailed link share
    "portal.web.errors",
    "portal.web.frame",
    "portal.web.overnight",  # a form whose token ended
    "portal.web.languages",  # reads headers with Werkzeug, as Flask does
    "portal.web.public_cache",  # the same
    "portal.web.tabs",
    "portal.site.views",
    "portal.incidents.preview",  # fills the pages' templates for a command
}
FLASK_ALLOWED_NAMES = {"views", "console", "forms", "commands"}
# The staff's pages of a feature; portal/console itself is not one.
PAGES = re.compile(r"portal\.\w+\.console\.")


def modules_files() -> list[Path]:
    return sorted((ROOT / "portal").rglob("*.py"))


def modules() -> list[str]:
    paths = (path.relative_to(ROOT).with_suffix("") for path in modules_files())
    return [".".join(path.parts).removesuffix(".__init__") for path in paths]


def test_every_import_goes_down():
    lint = Path(sys.executable).with_name("lint-imports")
    finished = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout


def test_no_package_outgrows_a_glance():
    sizes = {name: len(list((ROOT / "portal" / name).glob("*.py"))) - 1 for name in PACKAGES}
    assert {name: size for name, size in sizes.items() if size > 12} == {}


def test_only_one_thing_lies_in_the_applications_extensions():
    uses = [
        line for path in modules_files() for line in path.read_text().splitlines() if ".extensions" in line
    ]
    assert {key for line in uses for key in re.findall(r"\.extensions\[?(.*?)\]", line)} == {'"portal"'}


def test_every_feature_is_held_to_the_layers_inside_a_feature():
    inside = next(contract for contract in CONTRACTS if contract["name"].startswith("Inside"))
    assert sorted(inside["containers"]) == [f"portal.{name}" for name in FEATURES]


IMPORT_EACH_ALONE = """
import importlib, os, sys
import alembic, argon2, babel.support, cryptography, jinja2, limits, sqlalchemy.orm  # shared, to be quick


def works(*names):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    for name in names:
        importlib.import_module(name)
    web = sorted(m for m in sys.modules if m.startswith("flask") or m.split(".")[0] == "werkzeug")
    if web and len(names) == 1:
        print(*names, "imports", *web, flush=True)
    os._exit(bool(web))


# What none of them imports when all do, none imports alone.
if not works(*sys.argv[1:]):
    sys.exit(" ".join(name for name in sys.argv[1:] if not works(name)))
"""


def test_what_is_not_a_page_works_without_flask():
    names = [
        name
        for name in modules()
        if name not in FLASK_ALLOWED
        and name.rpartition(".")[2] not in FLASK_ALLOWED_NAMES
        and not PAGES.match(name)
    ]
    finished = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH_ALONE, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == ""
