"""What enters a hash, a derivation, a MAC or associated data stays the same: data written before must open.

Names in Python may change, the literals here may not; an earlier version computed the answers with the keys
in `written_before`. Add a new label here; to change or drop one, migrate what it made.
"""

import ast
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

from portal.accounts import lockout
from portal.accounts.models import FailureCount
from portal.crypto import keys, tokens
from portal.crypto.vault import Cell, WebVault, WorkerVault, derived_key, hkdf, pad
from portal.identity.builtin import hashes
from portal.intake import service as intake

ROOT = Path(__file__).parent.parent.parent
KEYS = ROOT / "tests/crypto/written_before"
WEB = WebVault(keys.read_web(KEYS / "web-keys.json"))
WORKER = WorkerVault(keys.read_worker(KEYS / "worker-keys.json"))
ROW = bytes(range(16))
INDEX = bytes.fromhex("9d37a54412359f084ff20dffeb09b058")
LOCKOUT = lockout.lockout_of(WEB, INDEX, version=3)
# Where each of these functions takes its label.
ARGUMENTS = {
    "Cell": (0, 1),
    "bucket": (0,),
    "derive": (1,),
    "derived_key": (1,),
    "encrypt_own": (0,),
    "decrypt_own": (0,),
    "hit": (3,),
    "hkdf": (1,),
    "list_index": (0,),
    "list_key": (0,),
    "lock": (3,),
    "place": (0,),
    "pointer": (0,),
    "row_mac": (0,),
    "page_mac": (0,),
    "seal": (0,),
    "token": (0,),
    "unlock": (2,),
    "_builtin_once_a_day": (1,),
}
OWN = {
    *("portal account events", "portal checklist", "portal one-time code secrets", "portal passkeys"),
    "portal staff",
}
# Every label that the portal's code gives them; {} is a value that varies.
LABELS = {
    "Cell": {
        "account_events sealed",
        "account_state closed",
        "account_state owner",
        "address_changes sealed",
        "canary canary",
        "checklist_files content",
        "cases record",
        "exposure_left_out person",
        "exposure_lists data_key",
        "notice_tasks file_key",
        "exposure_people blob",
        "identity_accounts password hash",
        "identity_accounts profile",
        "identity_references sealed",
        "intake_caps record",
        "intake_replies kept",
        "key_canary sealed",
        "one_time_codes secret",
        "outbox_mails payload",
        "past_addresses sealed",
        "passkeys content",
        "subscriptions contact",
        "reset_attempts account",
        "reset_requirements cursor",
        "staff_credentials content",
        "staff_members address",
        "staff_members name",
        "staff_sessions browser",
    },
    "bucket": {
        "factor removal code",
        "known device",
        "lane",
        "link",
        "passkey challenge",
        "passkey credential",
        "one-time code step",
        "recovery code",
        "second step",
        "session device",
        "sign-in door",
        "sign-in failures",
        "sign-in wait",
        "stand-in",
        "worker process key",
    },
    "derive": {"authenticity", "code"},
    "derived_key": {
        "account",
        "audit checkpoints",
        "bucket",
        "doctor",
        "fingerprint",
        "page rows",
        "proof",
        "staff",
        "vouchers",
    },
    "hit": {
        "account mails",
        "address asks",
        "case",
        "change-password",
        "confirm",
        "forged notice links",
        "inspect lists",
        "new password",
        "passkey mails",
        "sign-in",
        "staff code",
        "staff sign-in",
        "staff stores",
        "tidy sign-in doors",
        "verify the log",
    },
    "encrypt_own": OWN,
    "decrypt_own": OWN,
    "hkdf": {
        "portal case view key",
        "portal passkey address key",
        "portal passkey handle",
        "portal pointers",
        "portal stored password hashes",
    },
    "list_index": {
        "account changed",
        "account erased",
        "app before",
        "past address",
        "account reference",
        "account-ref",
        "announcement",
        "answer-reference",
        "cap {}",
        "case",
        "case mail",
        "case proof",
        "case {}",
        "passkey changed",
        "password attempt",
        "check again",
        "external account",
        "former address",
        "left-out",
        "left-out log",
        "notice",
        "notice of a series",
        "password changed",
        "reference owner",
        "reminder",
        "reported",
        "reset-counted",
        "reset-require",
        "reset-required",
        "second step removed",
        "subscription",
        "support look",
        "suppression",
    },
    "list_key": {"exposure", "exposure-person"},
    "lock": {
        "authenticity",
        "portal data copy",
        "portal people export {} {}",
        "portal proof address",
        "portal session address",
        "portal session device",
    },
    "place": {"notice link"},
    "pointer": {"notice link"},
    "row_mac": {
        "active list",
        "announcement",
        "campaign",
        "left out",
        "notice",
        "list comparison",
        *("notice draft", "notice subject", "notice text", "notice words"),
        "publication",
        "checklist file",
        "checklist item",
        "left out set",
        "notice task",
        "reset run",
        "site change",
        *("staff approval", "staff challenge", "staff invitation"),
        *("staff browser", "staff held", "staff held number", "staff member"),
        "staff session",
        "staff session proof",
        "update words",
    },
    "page_mac": {"site change"},
    "seal": {"canary", "case contact"},
    "token": {"address-undo", "boundary", "message-id", "reminders-off", "reset", "unsubscribe"},
    "unlock": {
        "authenticity",
        "portal data copy",
        "portal people export {} {}",
        "portal proof address",
        "portal session address",
        "portal session device",
    },
    "_builtin_once_a_day": {"count hash shapes", "inspect accounts"},
}
# By the name in its row: the purposes of its links, and its fields, which are the keys of the sealed JSON.
MAILS = {
    "account-changed": ("", "not-me", None, "changed_at change browser system"),
    "approval-needed": ("", None, None, "url"),
    "posted-alone": ("", None, None, "url"),
    "setting-changed": ("", None, None, "setting url"),
    "address-change": ("", "address-undo", None, "changed_at to made"),
    "address-confirm": ("address-confirm", "address-confirm", None, ""),
    "address-done": ("", None, None, "undoable"),
    "address-returned": ("", None, None, "changed_at to"),
    "address-restored": ("", "reset", None, ""),
    "address-taken": ("address-confirm", None, None, ""),
    "address-unused": ("", None, None, ""),
    "former-address": ("", "address-undo", None, "changed_at news"),
    "erase-confirm": ("erase-account", "erase-account", None, ""),
    "erased": ("", None, None, "elsewhere"),
    "my-data": ("my-data", "my-data", None, ""),
    "checklist-reminder": ("", None, None, "url"),
    "case-notice": ("", "case-stop", None, "hours removes_factors moves"),
    "case-reset": ("", "reset", None, "case moved"),
    "case-verify": ("", "case-verify", None, "hours"),
    "check-answer": ("check", "check", None, "asked_on"),
    "link-not-prepared": ("reset", None, None, ""),
    "no-account": ("reset", None, None, ""),
    "notice": ("", None, None, "notice of wave"),
    "passkey-invitation": ("", None, None, "url"),
    "passkey-invited": ("", None, None, "url"),
    "passkey-changed": ("", "not-me", None, "changed_at change"),
    "password-changed": ("", "not-me", None, "changed_at stays_signed_in signs_out tries_elsewhere"),
    "reminder-link": ("reminder", "reminder", None, ""),
    "reported-locked": ("", "reset", None, "locks signs_out"),
    "reset-link": ("reset", "reset", None, ""),
    "reset-required": ("", "reset", None, "everyone"),
    "rotation-reminder": ("", None, "reminders-off", "choice months"),
    "sent-back": ("", None, None, "url"),
    "sign-in-changed": ("", None, None, "url"),
    "staff-invitation": ("", None, None, "url"),
    "second-step-lost": ("", "second-step", None, "stage"),
    "second-step-removed": ("", "not-me", None, ""),
    "status-update": ("", None, "unsubscribe", "subscription update slug about"),
    "subscribe-confirm": ("subscribe", "subscribe", None, "already"),
}
# What seals a request, by the handler that opens it.
REQUESTS = set(
    """
    account-event address-ask address-confirm address-undo case-stop case-verify check check-account
    erase-account erase-confirmed language my-data not-me passkey-changed password-changed reminder
    reminder-chosen reset second-step-lost second-step-removed subscribe subscribe-confirmed
    """.split()
)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (keys.CANARY, b"the portal's canary sings".hex()),
        (
            derived_key(bytes(32), "account"),
            "57845397c2f3d6ef4605c8c7695eaf3340f68240d98b2aa58477e22558046258",
        ),
        (WEB.plain_fingerprint(), "3a5c2864e3c53d35971d23479c72bc0e"),
        (WORKER.plain_fingerprint(), "3a5c2864e3c53d35971d23479c72bc0e"),
        (WEB.fingerprint(), "a8f9f3f372f6653bacf9076ea9859ebd"),
        (WORKER.fingerprint(), "a8f9f3f372f6653bacf9076ea9859ebd"),
        (
            WORKER.proofs(),
            (
                "2ac5d883777fbd03e67bd5c1bfc23227a791939d23b2ead3ddf4b9eaedf1d1bb"
                "a461aa6072f2022ec1c3059df3e136fc3a5c2864e3c53d35971d23479c72bc0e"
            ),
        ),
        (WEB.account_index("ana@northwind.example"), INDEX.hex()),
        (WEB.bucket("sign-in", "192.0.2.0/24"), "6a3c32c04de0c44378871a14abddc219"),
        (WORKER.list_index("notice", "ana@northwind.example"), "169ac48a80ba8277cd5c5a8899f50f0e"),
        (WORKER.list_key("exposure"), "3590b78608f53013c66c8f6b8d30e7ec3f227e50d7c9f0dcf04ccde0743af0b1"),
        (WORKER.staff.staff_index("ana@northwind.example"), "fc6ccaf909c7f7c701f2dd9fa2193329"),
        (WORKER.staff.bucket("staff sign-in", "00"), "3133a4f383a964370c20e3545a15e56f"),
        (WORKER.audit_key, "f887836399b35864c0de4d37e82eeee04fe3edcac152155f30316da357ab6fcf"),
        (
            WORKER.row_mac("campaign", ROW, "text é", 7, -1),
            "34a83b8c1538896223646f00f237cef1f198f3a49227cad7dfc231f53527c330",
        ),
        (WEB.page_mac("site change", 7), "c21c296191689f9b8834b6efd2c128491ee8809a74abce8d19373eae0fd9ec71"),
        (
            Cell("table", "column", ROW, 3).associated(b"key1"),
            "7461626c6500636f6c756d6e0033006b65793100000102030405060708090a0b0c0d0e0f",
        ),
        (
            hkdf(bytes(32), "portal stored password hashes"),
            "82288ee7e35a8ee0e3ba9b50342f7eb4079d82093984a4b5bf39d67f0133caab",
        ),
        (pad(b"abc", (8,)), "0003616263000000"),
        (tokens.token_hash("abc"), "e4f438ea706350687ccfea4436127536fb745e395938d408dcb4aa81656ac845"),
        (intake.browser_hash("0011"), "d5c77c18b811157a2c8c5d2c35aa39c55dacd0ac69d447e00987b772cdd66cbf"),
        (
            tokens.stretched("abcd2345", "0011"),
            "a76f737fb66cb757167b739c018e1b4f91e0989c808848e7a2a05952139829d0",
        ),
        (LOCKOUT.name, "10257aba42cfff74ceb4d737f79e3b2a"),
        (LOCKOUT.keyed_count(WEB, FailureCount.strangers, 5), "b164cc9b59b3e096fcac23a4579fa478"),
        (LOCKOUT.keyed_count(WEB, FailureCount.devices, 5), "ad6b85bbaa8e1d2edb172c44b257a040"),
        (LOCKOUT.keyed_count(WEB, FailureCount.sessions, 5), "99f6a18d6e0868eccfa3e9a61d4f573a"),
    ],
)
def test_the_bytes_are_what_they_were(made, expected):
    assert made.hex() == expected


def test_tokens_and_codes_are_what_they_were():
    assert WORKER.token("reset", ROW) == "bh4cc4osomx7vakaujitpmjnudfsu6zm"
    assert WORKER.code(ROW) == "vdxlry7f"
    assert WORKER.authenticity(ROW) == "k6jtcqw7dfcjdg"
    pointer = "665dbicuz7paqkl6g2u7serzdbkzrtssmrko7qdhfxqarqegmy4eowd32oddh3g2e3iik"
    assert WORKER.pointer("notice link", bytes(range(27))) == pointer
    assert WORKER.place("notice link", pointer) == bytes(range(27))
    assert tokens.shortened("a" * 69) == "ddphkbbcha4ipkmkomk5qgl26ol3b5a3"


def test_what_was_sealed_or_locked_before_opens():
    sealed = bytes.fromhex(
        "9368946443bd295f11792ec0e80ee690d8c3fc324f39872348bf5cccd00f694d"
        "aec1196cd64dd25fe74cf50dd8e6ef4fac7597cba2"
    )
    locked = bytes.fromhex(
        "88f5a46f1a5f162a9cf7ddf872119a5278e2fd802a1745477a8e1e097876f08adac928b3d4ef3c428b129027992e169b"
    )
    assert WORKER.open("check", ROW, sealed) == b"plain"
    assert tokens.unlock(b"secret", locked, intake.info("check")) == b"plain"
    assert intake.code_info("check") == "portal reply code check"


def test_a_password_hash_that_was_encrypted_before_opens():
    stored = (
        "o9RTin90A5TbUvcP7SEoS1DPMQ9YqeirsD4K3UHUXCdrDLqvRSCkSWFIAWMcSeTeTCbF8qtOfl8zuSk6VIeSjBON8FMj6iTqEAA7"
        "Hs/4w+tgHSBYUb7LDo9Vgq90t+BLdCIUYxEsATIDyQu3Y37wiqkj9/yMdlbxys95VkCsNy13N22g7D1ULgCCxi/9iUKmhme/2RRc"
        "4CSRVm3n5VrsuXEfnU7V43vrHGk8cgqChiWBKwIXMVUVTWFNQ84UUFBwqFlE0Y9n2ADGknsXnqPDH/IdERS8okPzy24digPAKkuu"
        "vm4gBxogeBQZ8fdYp0IF6brbFdMaKowzMON1EyNHdW8kfcjWJml8tUiPuoxmX26rFMjV161SGDhE94Qu6lk2uwlYUu6NrGvj0vjA"
        "vzN/2GXzhJPGxxQhSTQv4tXN7kL3ya7RcxEhXTSB931s+8wN9GXjuzKzPxEqk4PeDvaahrtxf1vn8XoegC8ZHQzr+rMXjl7pNi9c"
        "uxv7B1SdQG46F72dFXDaITjX4rxc7IBgwsy7z7UIP0hq1FnSAxB4rlQ/KSgFzRqX4rQYRqRN9Rj6Mxfj0YNXQYXZNexIgcVm3iN2"
        "PeDB0xTUT/XzuE3ylwAs+uwzqGrju7P9aLc+QJ/XS6AgCzcJN50K0kFnjG76mSxXFGpnYtxPkox2kqQE4hzsvk7NtMWMjLpHJJP9"
        "Ps6awe2SGsHXCbLuIcGI"
    )
    assert hashes.decrypt(WEB, ROW, stored, None) == "$argon2id$hash"


def labels() -> Iterator[tuple[str, str]]:
    """Yield (function, label) of every call whose label is written there or is a constant of its module."""
    for file in sorted((ROOT / "portal").rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = str(getattr(node.func, "attr", None) or getattr(node.func, "id", ""))
                places = ARGUMENTS.get(name, ())
                found = [label(module, node.args[place]) for place in places if place < len(node.args)]
                if found and all(found):
                    yield name, " ".join(map(str, found))


def label(module: str, node: ast.expr) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    value = getattr(import_module(module), node.id, None) if isinstance(node, ast.Name) else None
    value = node.value if isinstance(node, ast.Constant) else value
    return value if isinstance(value, str) else None


def test_every_label_in_the_code_is_one_of_these():
    found: dict[str, set[str]] = {name: set() for name in ARGUMENTS}
    for name, text in labels():
        found[name].add(text)
    assert found == LABELS


def test_sealed_requests_and_mails_have_the_names_that_they_had(worker_parts):
    assert set(worker_parts.handlers) >= REQUESTS
    for name, expected in MAILS.items():
        mail = worker_parts.composers[name]
        names = " ".join(field.name for field in fields(mail))
        assert (mail.purpose, mail.link_purpose, mail.unsubscribe_purpose, names) == expected
