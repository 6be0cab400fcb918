"""The settings: everything wrong is said at once, by name and never by value."""

import pytest

from portal.core.settings import SendsMail, Settings, SettingsInvalid

SECRET = "hunter2-do-not-print"
GOOD = {
    "PORTAL_BASE_URL": "https://incident.northwind.example",
    "PORTAL_ORGANISATION": "Northwind Travel",
    "PORTAL_CONTACT_EMAIL": "help@northwind.example",
    "PORTAL_MAIL_URL": f"smtp://portal:{SECRET}@relay.example:587?tls=starttls",
    "PORTAL_MAIL_SENDER": "incident@northwind.example",
}


def faults(**changed):
    environ = GOOD | {f"PORTAL_{name}": value for name, value in changed.items()}
    with pytest.raises(SettingsInvalid) as refused:
        Settings.from_env({name: value for name, value in environ.items() if value is not None})
    return refused.value.faults


def test_a_production_portal_starts_with_five_settings():
    settings = Settings.from_env(GOOD)
    assert settings.production
    assert settings.https
    assert settings.host == "incident.northwind.example"
    assert (settings.mail.server.user, settings.mail.server.password) == ("portal", SECRET)


def test_what_is_not_set_is_as_the_operators_guide_says():
    settings = Settings.from_env(GOOD)
    forms = ("check", "reset", "subscribe", "is-it-real", "language")
    assert {settings.limits.of_form(form) for form in forms} == {"600 per hour"}
    assert settings.limits.sign_in_ip == "100 per hour"
    assert settings.limits.intake_global == ""
    assert (
        settings.identity.argon2.memory,
        settings.identity.argon2.time,
        settings.identity.argon2.lanes,
    ) == (47104, 1, 1)
    assert settings.site.languages == ("en", "es")


@pytest.mark.parametrize("form", ["check", "reset", "subscribe", "is-it-real"])
def test_a_form_has_the_limit_of_all_unless_it_has_its_own(form):
    every = {"PORTAL_RATE_INTAKE_IP": "9 per hour"}
    own = {f"PORTAL_RATE_{form.upper().replace('-', '_')}_IP": "2 per minute"}
    assert Settings.from_env(GOOD | every).limits.of_form(form) == "9 per hour"
    changed = Settings.from_env(GOOD | every | own).limits
    others = {"check", "reset", "subscribe", "is-it-real", "language"} - {form}
    assert changed.of_form(form) == "2 per minute"
    assert {changed.of_form(other) for other in others} == {"9 per hour"}


def test_an_empty_environment_is_told_all_that_is_missing():
    with pytest.raises(SettingsInvalid) as refused:
        Settings.from_env({})
    named = {fault.partition(":")[0] for fault in refused.value.faults}
    assert named == {"PORTAL_BASE_URL", "PORTAL_MAIL_URL", "PORTAL_MAIL_SENDER", "PORTAL_ORGANISATION",
                     "PORTAL_CONTACT_EMAIL"}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://Incident.Northwind.Example", "https://incident.northwind.example"),
        ("HTTPS://incident.northwind.example:443/", "https://incident.northwind.example"),
        ("https://incident.northwind.example:0443", "https://incident.northwind.example"),
        ("https://incident.northwind.example:8443", "https://incident.northwind.example:8443"),
        ("https://incident.northwind.example:80", "https://incident.northwind.example:80"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_the_base_url_is_kept_as_browsers_write_it(given, meant):
    settings = Settings.from_env(GOOD | {"PORTAL_BASE_URL": given})
    assert settings.base_url == meant
    assert settings.https


def test_the_own_port_of_http_is_dropped_too():
    environ = {"PORTAL_ENVIRONMENT": "test", "PORTAL_BASE_URL": "http://Localhost:80"}
    assert Settings.from_env(environ).base_url == "http://localhost"


def test_who_sends_no_mail_needs_no_relay_and_never_reads_its_password(tmp_path):
    without = {name: value for name, value in GOOD.items() if name != "PORTAL_MAIL_URL"}
    assert Settings.from_env(without, sends_mail=SendsMail.NO).production
    unreadable = {"PORTAL_MAIL_URL_FILE": str(tmp_path / "of-the-worker")}
    for environ in (GOOD, without | unreadable):
        assert Settings.from_env(environ, sends_mail=SendsMail.NO).mail.server == Settings().mail.server
    with pytest.raises(SettingsInvalid, match="PORTAL_MAIL_URL_FILE"):
        Settings.from_env(without | unreadable)


@pytest.mark.parametrize(
    ("readable", "asked"),
    [("web", False), ("console", False), ("worker", True), ("web worker", True), ("", True)],
)
def test_who_reads_web_or_console_keys_alone_is_not_asked_for_the_relay(tmp_path, readable, asked):
    environ = {name: value for name, value in GOOD.items() if name != "PORTAL_MAIL_URL"}
    for name in ("web", "worker", "console"):
        environ[f"PORTAL_{name.upper()}_KEYS_FILE"] = str(tmp_path / name)
    for name in readable.split():
        (tmp_path / name).touch()
    settings = Settings.from_env(environ, sends_mail=SendsMail.IF_KEYS_SAY)
    assert settings.keys.not_worker is not asked
    assert (settings.mail.fault is not None) is asked
    if settings.mail.fault:
        assert settings.mail.fault.startswith("PORTAL_MAIL_URL: is required")


def test_every_fault_is_reported_together_and_no_value_with_it():
    wrong = {
        "BASE_URL": f"http://{SECRET}",
        "DATABASE_URL": f"mysql://root:{SECRET}@db/portal",
        "MAIL_URL": f"ftp://x:{SECRET}@relay",
        "MAIL_SENDER": SECRET,
        "MAIL_CONNECTIONS": SECRET,
        "DKIM_SELECTOR": f"{SECRET}!",
        "MAIL_RATE": SECRET,
        "TEST_RECIPIENTS": f"a@b.example,{SECRET}",
        "BRAND_COLOUR": SECRET,
        "LOGO_FILE": SECRET,
        "LOGO_DARK_FILE": SECRET,
        "LANGUAGES": SECRET,
        "TIMEZONE": SECRET,
        "TRUSTED_PROXIES": SECRET,
        "ARGON2": SECRET,
        "RATE_INTAKE_IP": SECRET,
        "RATE_CHECK_IP": SECRET,
        "RATE_RESET_IP": SECRET,
        "RATE_SUBSCRIBE_IP": SECRET,
        "RATE_IS_IT_REAL_IP": SECRET,
        "RATE_CASES_IP": SECRET,
        "CASE_COOLING_HOURS": SECRET,
        "RATE_INTAKE_GLOBAL": SECRET,
        "RATE_SIGN_IN_IP": SECRET,
        "FACTOR_REMOVAL": SECRET,
        "RETENTION_ACCOUNT_EVENTS": SECRET,
        "RETENTION_CASES": SECRET,
        "RETENTION_SENT_MAILS": SECRET,
        "RETENTION_UNSENT_MAILS": SECRET,
        "RETENTION_WAITING_REQUESTS": SECRET,
        "IDENTITY_STORE": SECRET,
        "LISTEN": SECRET,
        "METRICS_LISTEN": SECRET,
        "EMBEDDED": SECRET,
        "CONTACT_EMAIL": SECRET,
        "CONTACT_HOURS": f"{SECRET}\nand more",
        "LEGAL_DIR": SECRET,
        "EXIT_URL": f"http://{SECRET}",
        "ORGANISATION": "",
    }
    found = faults(**wrong)
    assert {fault.partition(":")[0] for fault in found} == {f"PORTAL_{name}" for name in wrong}
    assert SECRET not in "\n".join(found)


def test_a_logo_for_dark_screens_needs_one_for_light_screens(tmp_path):
    dark = tmp_path / "dark.svg"
    dark.write_text("<svg/>")
    assert faults(LOGO_DARK_FILE=str(dark)) == [
        "PORTAL_LOGO_DARK_FILE: needs PORTAL_LOGO_FILE too, the logo for light screens"
    ]
    both = GOOD | {"PORTAL_LOGO_FILE": str(dark), "PORTAL_LOGO_DARK_FILE": str(dark)}
    assert Settings.from_env(both).site.logo_dark_file == dark


def test_a_secret_is_in_no_representation_of_the_settings():
    settings = Settings.from_env(GOOD | {"PORTAL_DATABASE_URL": f"postgresql://portal:{SECRET}@db/portal"})
    assert SECRET not in repr(settings) + repr(settings.mail.server)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASE_URL", "http://incident.northwind.example"),
        ("BASE_URL", "https://incident.northwind.example/portal"),
        ("BASE_URL", "https://incident.northwind.example#top"),
        ("BASE_URL", "https://incident.northwind.example?x=1"),
        ("BASE_URL", "https://someone@incident.northwind.example"),
        ("BASE_URL", "https://incident northwind.example"),
        ("BASE_URL", "https://incident.northwind.example:port"),
        ("BASE_URL", "https://[::1"),
        ("BASE_URL", "incident.northwind.example"),
        ("MAIL_URL", "smtp://relay.example:25?tls=none"),
        ("MAIL_URL", "smtp://relay.example:25?tls=maybe"),
        ("MAIL_URL", "smtp://relay.example:port"),
        ("IDENTITY_STORE", "ldap"),
        ("IDENTITY_LINK_URL", "http://shop.example/forgot"),
        ("IDENTITY_LINK_URL", "https://user:pass@shop.example/forgot"),
        ("IDENTITY_LINK_URL", "https://shop.example/for got"),
        ("IDENTITY_LINK_URL", "https://shöp.example/forgot"),
        ("IDENTITY_LINK_URL", "https://incident.northwind.example/reset/"),
        ("IDENTITY_LINK_SIGN_IN_URL", "javascript:alert(1)"),
        ("IDENTITY_LINK_SIGN_IN_URL", "https://incident.northwind.example/sign-in/"),
        ("IDENTITY_SQL_URL", "mysql://shop:a-long-password@db/shop"),
        ("IDENTITY_SQL_URL", "postgresql://shop:shop@db.northwind.example/shop"),
        ("IDENTITY_SQL_TABLE", "users; DROP TABLE users"),
        ("IDENTITY_SQL_TABLE", "a.b.c"),
        ("IDENTITY_SQL_EMAIL", "lower(email)"),
        ("IDENTITY_SQL_ID", ""),
        ("IDENTITY_SQL_ACTIVE", "not deleted or so"),
        ("IDENTITY_SQL_UPGRADE", "perhaps"),
        ("ARGON2", "m=8,t=1,p=1"),
        ("ARGON2", "m=19456,t=1,p=1"),
        ("ARGON2", "m=1048577,t=1,p=1"),
        ("ARGON2", "m=47104,t=1,p=0"),
        ("DEMO_MAILBOX", "/tmp/mailbox"),
        ("ENVIRONMENT", "staging"),
        ("EMBEDDED", "perhaps"),
        ("LISTEN", "127.0.0.1:99999"),
        ("LISTEN", "127.0.0.1:0"),
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_PROXIES", "11"),
        ("TRUSTED_PROXIES", "9" * 5000),
        ("TRUSTED_PROXIES", "²"),
        ("MAIL_CONNECTIONS", "0"),
        ("MAIL_CONNECTIONS", "51"),
        ("DKIM_SELECTOR", "a b"),
        ("METRICS_LISTEN", "9100"),
        ("METRICS_LISTEN", "127.0.0.1:99999"),
        ("MAIL_RATE", "quickly"),
        ("MAIL_RATE", "0 per second"),
        ("RATE_INTAKE_GLOBAL", "0 per second"),
        ("RATE_INTAKE_IP", ""),
        ("LANGUAGES", ","),
        ("TIMEZONE", "../../etc/passwd"),
        ("ORGANISATION", "Northwind\r\nBcc: everyone@example.com"),
        ("MAIL_SENDER", "a@b.example\r\nBcc:c@d.example"),
    ],
)
def test_production_refuses(name, value):
    assert f"PORTAL_{name}" in {fault.partition(":")[0] for fault in faults(**{name: value})}


def test_the_store_link_needs_the_companys_page_and_has_its_host():
    (fault,) = faults(IDENTITY_STORE="link")
    assert fault.startswith("PORTAL_IDENTITY_LINK_URL: is required")
    link = {"PORTAL_IDENTITY_LINK_URL": "https://Shop.Northwind.example:8443/forgot?from=portal#form"}
    assert Settings.from_env(GOOD | link).identity.elsewhere is None
    elsewhere = Settings.from_env(GOOD | link | {"PORTAL_IDENTITY_STORE": "link"}).identity.elsewhere
    assert elsewhere is not None
    assert (elsewhere.host, elsewhere.sign_in_host) == ("shop.northwind.example:8443", "")


def test_the_store_sql_needs_a_database_and_a_table_and_the_web_server_never_reads_the_database():
    assert {fault.partition(":")[0] for fault in faults(IDENTITY_STORE="sql")} == {
        "PORTAL_IDENTITY_SQL_URL",
        "PORTAL_IDENTITY_SQL_TABLE",
    }
    sql = {"PORTAL_IDENTITY_STORE": "sql", "PORTAL_IDENTITY_SQL_TABLE": "shop.users"}
    url = {"PORTAL_IDENTITY_SQL_URL": f"postgresql://shop:{SECRET}@db.northwind.example/shop"}
    worker = Settings.from_env(GOOD | sql | url)
    assert worker.identity.sql.url == url["PORTAL_IDENTITY_SQL_URL"]
    assert SECRET not in repr(worker)
    for environ in (GOOD | sql, GOOD | sql | url):
        web = Settings.from_env(environ, sends_mail=SendsMail.NO).identity
        assert (web.store, web.sql.url, web.sql.table) == ("sql", "", "shop.users")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, ("help@northwind.example",)),
        ({"PORTAL_TEST_RECIPIENTS": " a@b.example , C@D.example,"}, ("a@b.example", "C@d.example")),
    ],
)
def test_a_notice_is_tested_with_the_contact_unless_others_are_named(given, read):
    assert Settings.from_env(GOOD | given).mail.test_recipients == read


def test_a_misspelled_setting_is_named_instead_of_being_ignored():
    assert any(fault.startswith("PORTAL_BASE_ULR:") for fault in faults(BASE_ULR="https://x.example"))


def test_each_setting_may_stand_in_a_file(tmp_path):
    file = tmp_path / "mail"
    file.write_text(GOOD["PORTAL_MAIL_URL"] + "\n")
    environ = {name: value for name, value in GOOD.items() if name != "PORTAL_MAIL_URL"}
    settings = Settings.from_env(environ | {"PORTAL_MAIL_URL_FILE": str(file)})
    assert settings.mail.server.password == SECRET


def test_a_setting_given_twice_or_in_a_file_that_is_not_there_is_refused(tmp_path):
    file = tmp_path / "url"
    file.write_text("https://other.example")
    found = faults(BASE_URL_FILE=str(file), DATABASE_URL_FILE=str(tmp_path / SECRET))
    assert {fault.partition(":")[0] for fault in found} == {"PORTAL_BASE_URL", "PORTAL_DATABASE_URL_FILE"}
    assert SECRET not in "\n".join(found)


def test_a_file_of_bytes_that_are_no_text_is_refused(tmp_path):
    file = tmp_path / "organisation"
    file.write_bytes(b"\xff\xfe\x00")
    assert faults(ORGANISATION=None, ORGANISATION_FILE=str(file))[0].startswith("PORTAL_ORGANISATION_FILE:")


@pytest.mark.parametrize(
    ("base_url", "listen", "named"),
    [
        ("http://192.168.1.20:8000", "127.0.0.1:8000", "PORTAL_BASE_URL"),
        ("https://incident.northwind.example", "127.0.0.1:8000", "PORTAL_BASE_URL"),
        ("http://localhost.evil.example:8000", "127.0.0.1:8000", "PORTAL_BASE_URL"),
        ("http://localhost:8000", "0.0.0.0:8000", "PORTAL_LISTEN"),
        ("http://localhost:8000", "[::]:8000", "PORTAL_LISTEN"),
    ],
)
def test_the_demonstration_stays_on_this_machine(base_url, listen, named):
    found = faults(ENVIRONMENT="demo", BASE_URL=base_url, LISTEN=listen)
    assert [fault.partition(":")[0] for fault in found] == [named]


def test_the_demonstration_runs_on_loopback_over_either_protocol():
    for listen in ("127.0.0.1:8000", "[::1]:8000", "localhost:8000"):
        environ = {
            "PORTAL_ENVIRONMENT": "demo",
            "PORTAL_LISTEN": listen,
            "PORTAL_BASE_URL": "http://localhost:8000",
        }
        assert not Settings.from_env(environ).production


@pytest.mark.parametrize("languages", ["en,de", "zh-Hant-TW", "es,ar"])
def test_a_language_without_a_catalogue_is_refused_and_those_there_are_are_named(languages):
    (fault,) = faults(LANGUAGES=languages)
    assert fault == "PORTAL_LANGUAGES: has a language without a catalogue; this version has en, es"


@pytest.mark.parametrize(
    ("given", "meant"),
    [("es", ("es",)), ("es_MX, en-GB", ("es-MX", "en-GB")), ("en,es,en", ("en", "es"))],
)
def test_a_language_may_name_a_region_of_its_own(given, meant):
    assert Settings.from_env(GOOD | {"PORTAL_LANGUAGES": given}).site.languages == meant


def test_what_only_make_test_reads_is_no_misspelled_setting():
    assert Settings.from_env(GOOD | {"PORTAL_TEST_INSTALL": "yes"}).production


HTTP = {
    "PORTAL_IDENTITY_STORE": "http",
    "PORTAL_IDENTITY_HTTP_URL": "https://accounts.northwind.example/portal/",
    "PORTAL_IDENTITY_HTTP_SECRET": "whsec_" + "hunter22" * 4,
    "PORTAL_IDENTITY_HTTP_CAPABILITIES": "verify, set-password",
}


def test_a_companys_server_is_named_signed_for_and_declared():
    read = Settings.from_env(GOOD | HTTP).identity.http
    assert read.url == "https://accounts.northwind.example/portal"
    assert read.secrets == ("whsec_hunter22hunter22hunter22hunter22",)
    assert read.capabilities == ("verify", "set-password")
    assert "hunter22" not in repr(read)
    named = {fault.partition(" required")[0] for fault in faults(IDENTITY_STORE="http")}
    assert named == {f"PORTAL_IDENTITY_HTTP_{name}: is" for name in ("URL", "SECRET", "CAPABILITIES")}
    (fault,) = faults(DATABASE_URL="")
    assert fault.startswith("PORTAL_DATABASE_URL: is required: ")


def test_the_web_server_knows_what_the_companys_server_can_do_and_no_secret():
    unreadable = {"PORTAL_IDENTITY_HTTP_SECRET": "", "PORTAL_IDENTITY_HTTP_SECRET_FILE": "/srv/unreadable"}
    environ = {name: value for name, value in (GOOD | HTTP | unreadable).items() if value}
    read = Settings.from_env(environ, sends_mail=SendsMail.NO).identity.http
    assert (read.url, read.secrets, read.capabilities) == ("", (), ("verify", "set-password"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", "http://accounts.northwind.example"),
        ("URL", "https://portal:hunter22@accounts.northwind.example"),
        ("URL", "https://accounts.northwind.example/?key=hunter22"),
        ("URL", "https://accounts.northwind.example:0"),
        ("URL", "https://accounts.northwind.example:99999"),
        ("URL", "ftp://accounts.northwind.example"),
        ("SECRET", "hunter22"),
        ("SECRET", "whsec_hunter22"),
        ("SECRET", "whsec_" + "hunter22" * 4 + ",whsec_" + "hunter22" * 4),
        ("CA_FILE", "/nowhere/hunter22.pem"),
        ("CAPABILITIES", "verify,hunter22"),
    ],
)
def test_what_is_wrong_with_a_companys_server_is_said_without_its_value(name, value):
    changed = HTTP | {f"PORTAL_IDENTITY_HTTP_{name}": value}
    (fault,) = faults(**{key.removeprefix("PORTAL_"): value for key, value in changed.items()})
    assert fault.startswith(f"PORTAL_IDENTITY_HTTP_{name}: must be")
    assert "hunter22" not in fault


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost", "[::1]:8090/accounts"])
def test_a_companys_server_on_this_machine_needs_no_tls(host):
    read = Settings.from_env(GOOD | HTTP | {"PORTAL_IDENTITY_HTTP_URL": f"http://{host}"})
    assert read.identity.http.url == f"http://{host}"
