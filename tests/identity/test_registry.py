"""Stores are entry points: any that is installed may be chosen, and its settings are read with the others."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portal.core.settings import SendsMail, Settings, SettingsInvalid
from portal.core.settings.identity import registered
from portal.identity import registry
from portal.identity.ports import Capabilities, StoreFault
from portal.serve import refusals
from tests.processes import ROOT

ENVIRON = {"PORTAL_ENVIRONMENT": "test", "PORTAL_MAIL_SENDER": "a@example.com"}
TEAPOT = """
from portal.identity.ports import Capabilities, StoreFault
from portal.identity.registry import own_settings

class Teapot:
    name = "teapot"
    settings = ("URL", "TOKEN")
    secrets = ("TOKEN",)

    def __init__(self, url, token):
        self.url, self.token = url, token

    @classmethod
    def declared(cls, settings):
        return Capabilities(True, True, False, False, False, False)

    @classmethod
    def from_settings(cls, settings):
        given = own_settings(settings, cls.settings)
        if "URL" not in given:
            raise StoreFault("PORTAL_IDENTITY_TEAPOT_URL: is required")
        return cls(given["URL"], given.get("TOKEN"))
"""


def install(folder: Path, package: str, store: str, code: str = TEAPOT) -> None:
    """Put a package there that registers a store, as pip leaves it."""
    described = folder / f"{package}-1.0.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(f"[portal.identity_stores]\n{store} = {package}:Teapot\n")
    (folder / f"{package}.py").write_text(code)


@pytest.fixture
def teapot(tmp_path, monkeypatch):
    install(tmp_path, "tea_store", "teapot")
    monkeypatch.syspath_prepend(tmp_path)
    registry.load.cache_clear()
    yield tmp_path
    sys.modules.pop("tea_store", None)
    registry.load.cache_clear()


def settings_of(*, sends_mail=SendsMail.YES, **given):
    named = {f"PORTAL_IDENTITY_{name}": value for name, value in given.items()}
    return Settings.from_env(ENVIRON | named, sends_mail=sends_mail)


def test_the_shipped_stores_are_registered_as_others_are():
    assert sorted(store.name for store in registered()) == ["builtin", "http", "link", "sql"]


def test_an_unknown_store_is_refused_with_those_there_are(teapot):
    with pytest.raises(SettingsInvalid) as refused:
        settings_of(STORE="ldap")
    (fault,) = refused.value.faults
    assert fault == "PORTAL_IDENTITY_STORE: must be one of builtin, http, link, sql, teapot"


def test_an_installed_store_is_built_from_its_own_settings(teapot, tmp_path):
    secret = tmp_path / "token"
    secret.write_text("hunter2-of-the-teapot\n")
    settings = settings_of(STORE="teapot", TEAPOT_URL="https://tea.example", TEAPOT_TOKEN_FILE=str(secret))
    store: Any = registry.build(settings)
    assert (store.name, store.url, store.token) == ("teapot", "https://tea.example", "hunter2-of-the-teapot")
    assert "tea.example" not in repr(settings)


def test_the_web_server_knows_what_a_store_can_do_and_never_gets_its_settings(teapot, tmp_path):
    settings = settings_of(
        sends_mail=SendsMail.NO, STORE="teapot", TEAPOT_URL="https://tea.example", TEAPOT_TOKEN="hunter2"
    )
    can = registry.capabilities(settings)
    assert (can.verify, can.set_password, can.end_sessions) == (True, True, False)
    assert settings.identity.own == ()


def test_secrets_that_the_web_server_could_read_are_named(teapot, tmp_path):
    token = tmp_path / "token"
    token.write_text("hunter2")
    web = {"sends_mail": SendsMail.NO, "STORE": "teapot", "TEAPOT_URL": "https://tea.example"}
    assert registry.exposed(settings_of(**web)) == []
    assert registry.exposed(settings_of(**web, TEAPOT_TOKEN_FILE=str(tmp_path / "of-the-worker"))) == []
    assert registry.exposed(settings_of(**web, TEAPOT_TOKEN="hunter2")) == ["PORTAL_IDENTITY_TEAPOT_TOKEN"]
    named = settings_of(**web, TEAPOT_TOKEN_FILE=str(token))
    assert registry.exposed(named) == ["PORTAL_IDENTITY_TEAPOT_TOKEN"]
    environ = ENVIRON | {"PORTAL_IDENTITY_STORE": "teapot", "PORTAL_IDENTITY_TEAPOT_TOKEN_FILE": str(token)}
    production = replace(Settings.from_env(environ, sends_mail=SendsMail.NO), environment="production")
    assert [fault for fault in refusals(production) if fault.startswith("PORTAL_IDENTITY_TEAPOT_TOKEN: ")]
    embedded = replace(production, keys=replace(production.keys, embedded=True))
    assert not [fault for fault in refusals(embedded) if "TEAPOT" in fault]


def test_a_store_without_secrets_of_before_them_has_none(teapot, monkeypatch):
    settings = settings_of(STORE="teapot", TEAPOT_URL="https://tea.example")
    monkeypatch.delattr(registry.load("teapot"), "secrets")
    assert (registry.secrets(settings), registry.fault_of(settings)) == ([], None)


def test_a_store_that_cannot_set_a_password_is_refused(teapot, monkeypatch):
    settings = settings_of(STORE="teapot", TEAPOT_URL="https://tea.example")
    only_verifies = Capabilities(True, False, False, False, False, False)
    monkeypatch.setattr(registry.load("teapot"), "declared", lambda _settings: only_verifies)
    assert "cannot both verify and set passwords" in str(registry.fault_of(settings))


@pytest.mark.parametrize("build", [registry.build, registry.capabilities])
def test_a_misspelled_setting_of_a_store_is_refused_with_those_that_it_has(teapot, build):
    settings = settings_of(STORE="teapot", TEAPOT_URL="https://tea.example", TEAPOT_TOKN="hunter2")
    with pytest.raises(StoreFault) as refused:
        build(settings)
    assert str(refused.value) == (
        "PORTAL_IDENTITY_TEAPOT_TOKN: unknown setting; the store 'teapot' has PORTAL_IDENTITY_TEAPOT_URL, "
        "PORTAL_IDENTITY_TEAPOT_TOKEN"
    )


def test_a_setting_of_a_store_that_is_not_chosen_is_an_unknown_one(teapot):
    with pytest.raises(SettingsInvalid, match="PORTAL_IDENTITY_TEAPOT_URL: unknown setting"):
        settings_of(TEAPOT_URL="https://tea.example")


def test_a_file_of_a_store_that_cannot_be_read_is_named(teapot, tmp_path):
    settings = settings_of(STORE="teapot", TEAPOT_URL_FILE=str(tmp_path / "missing"))
    with pytest.raises(StoreFault, match="PORTAL_IDENTITY_TEAPOT_URL_FILE: cannot read the file"):
        registry.build(settings)


def test_two_packages_cannot_be_the_same_store(teapot, tmp_path):
    install(tmp_path / "more", "other_tea", "builtin")
    sys.path.insert(0, str(tmp_path / "more"))
    try:
        with pytest.raises(StoreFault) as refused:
            registry.capabilities(Settings())
    finally:
        sys.path.remove(str(tmp_path / "more"))
    assert "is registered by other_tea, portal; uninstall all but one" in str(refused.value)


def test_a_store_that_cannot_be_imported_is_named_with_the_cause(tmp_path, monkeypatch):
    install(tmp_path, "broken_tea", "teapot", "import no_such_library")
    monkeypatch.syspath_prepend(tmp_path)
    settings = settings_of(STORE="teapot")
    with pytest.raises(
        StoreFault, match=r"'teapot' \(broken_tea:Teapot\) cannot be imported.*no_such_library"
    ):
        registry.build(settings)


STARTS = """
import sys
from portal.core.settings import Settings
import os
Settings.from_env(os.environ)
print([name for name in sys.modules if name == "tea_store" or name.startswith("portal.identity")])
"""


def test_reading_the_settings_imports_no_store(teapot):
    environ = ENVIRON | {
        "PORTAL_IDENTITY_STORE": "teapot", "PORTAL_IDENTITY_TEAPOT_URL": "x", "PYTHONPATH": str(teapot)
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", STARTS], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
