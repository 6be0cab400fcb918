"""The compose file, which nobody here can run: it is read, and compared with what it names."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal.core.settings import SendsMail, Settings
from tests.deploy.conftest import ROOT

FOLDER = ROOT / "deploy/compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs/guide/install.md").read_text(encoding="utf-8")
# What the operator makes beside the file before the first start.
MADE = ("keys", "secrets", "certificates", "nginx.conf", "portal.d")


def mounts(name: str) -> dict[str, str]:
    """What a service sees of the folder: by its place in the container."""
    pairs = (volume.split(":") for volume in SERVICES[name].get("volumes", ()))
    return {place: source for source, place, *_ in pairs}


@pytest.mark.parametrize("name", ["web", "worker", "console", "keys", "upgrade"])
def test_its_settings_are_those_that_there_are(name, tmp_path):
    (tmp_path / "database_url").write_text("postgresql://portal:x8Kq2nVw5TyLm@database/portal")
    (tmp_path / "mail_url").write_text("smtp://portal:x8Kq2nVw5TyLm@relay.example.com:587?tls=starttls")
    given = SERVICES[name]["environment"]
    assert len(given) >= 10
    environ = {key: str(value).replace("/run/secrets", str(tmp_path)) for key, value in given.items()}
    sends = SendsMail.YES if name in {"worker", "upgrade"} else SendsMail.NO
    settings = Settings.from_env(environ, sends_mail=sends)
    assert settings.production
    assert f"server {settings.listen};" in (ROOT / "deploy/nginx/portal.conf").read_text()
    assert f"server {settings.console.listen};" in (ROOT / "deploy/nginx/console.conf").read_text()
    assert bool(settings.console.url) == (name in {"worker", "console"})


def test_its_processes_are_three_users_and_none_is_root():
    users = {name: SERVICES[name]["user"] for name in ("web", "worker", "console", "upgrade")}
    assert users == {"web": "901:900", "worker": "902:900", "console": "903:900", "upgrade": "902:900"}
    made = dict(re.findall(r"useradd --uid (\d+) --gid portal .* (portal-\w+)", DOCKERFILE))
    assert made == {"901": "portal-web", "902": "portal-worker", "903": "portal-console"}
    assert "groupadd --gid 900 portal" in DOCKERFILE
    assert {SERVICES[name]["image"] for name in (*users, "keys")} == {"portal"}


def test_the_worker_alone_gets_its_keys_and_the_relays_password():
    assert {place for place in mounts("web") if "keys" in place} == {"/srv/portal/keys/web.json"}
    assert {place for place in mounts("worker") if "keys" in place} == {"/srv/portal/keys/worker.json"}
    assert {place for place in mounts("console") if "keys" in place} == {"/srv/portal/keys/console.json"}
    with_keys = {name for name in SERVICES if any("keys" in source for source in mounts(name).values())}
    assert with_keys == {"web", "worker", "console", "keys"}
    assert SERVICES["keys"]["profiles"] == ["setup"]  # it runs when it is asked to, once
    with_mail = {name for name, service in SERVICES.items() if "mail_url" in service.get("secrets", ())}
    assert with_mail == {"worker", "upgrade"}


def test_what_it_names_is_there_or_is_made_as_the_guide_says():
    sources = [source for name in SERVICES for source in mounts(name).values()]
    sources += [secret["file"] for secret in COMPOSE["secrets"].values()]
    for source in filter(lambda each: each.startswith("."), sources):
        if Path(source).parts[0] == "..":
            assert (FOLDER / source).is_file(), source
        else:
            assert Path(source).parts[0] in MADE
            assert Path(source).name in GUIDE, source
    assert {each for each in sources if not each.startswith(".")} == set(COMPOSE["volumes"])
    build = SERVICES["web"]["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]) == FOLDER / "Dockerfile"
    copied = re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE)
    assert [name for names in copied for name in names.split() if not (ROOT / name).exists()] == []


def test_the_image_gets_no_key_and_no_database():
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {"deploy/compose", "var", ".venv", ".git"} <= {*ignored}


def test_every_image_has_a_fixed_tag():
    images = [service["image"] for service in SERVICES.values()] + re.findall(
        r"^FROM (\S+)", DOCKERFILE, re.MULTILINE
    )
    assert {image for image in images if ":" not in image} == {"portal"}  # built here
    assert not [image for image in images if image.endswith(":latest")]


def test_nginx_finds_the_servers_and_every_folder_it_needs():
    assert {SERVICES[name]["network_mode"] for name in ("nginx", "console")} == {"service:web"}
    assert SERVICES["web"]["ports"] == ["80:80", "443:443"]
    shipped = (ROOT / "deploy/nginx/portal.conf").read_text(encoding="utf-8")
    places = [*mounts("nginx")]
    for needed in ("/etc/nginx/portal", "/etc/nginx/portal.d", "/var/cache/nginx", "/var/www/acme"):
        assert needed in shipped
        assert needed in places
    assert "/srv/portal/app/deploy/nginx/unavailable.html" in places
    assert "root /srv/portal/app/deploy/nginx;" in shipped
