"""Answers of browsers that are malformed, forged, or were made for something else."""

import json
from dataclasses import replace

import pytest

from portal.accounts.passkeys import service
from portal.accounts.passkeys.challenges import Asked, Purpose
from tests.accounts.passkeys.authenticator import PRESENT, VERIFIED, Authenticator, decoded, encoded
from tests.accounts.passkeys.conftest import STRANGER

# What an answer proves does not depend on the database.
pytestmark = pytest.mark.sqlite

LIES = {
    "another origin": lambda phone, options: replace(phone, origin="http://localhost:8001").get(options),
    "a false page": lambda phone, options: replace(phone, origin="http://localhost.evil.example").get(
        options
    ),
    "another site's key": lambda phone, options: replace(phone, rp_id="evil.example").get(options),
    "nobody was there": lambda phone, options: replace(phone, flags=VERIFIED).get(options),
    "nobody was verified": lambda phone, options: replace(phone, flags=PRESENT).get(options),
    "a new passkey": lambda phone, options: phone.get(options, client={"type": "webauthn.create"}),
    "another key": lambda phone, options: replace(phone, key=Authenticator().key).get(options),
    "an unknown passkey": lambda phone, options: replace(phone, credential_id=bytes(32)).get(options),
    "another id": lambda phone, options: phone.get(options, id=encoded(bytes(32))),
    "another's handle": lambda phone, options: phone.get(options, handle=bytes(32)),
    "a challenge of its own": lambda phone, options: phone.get(options | {"challenge": encoded(bytes(72))}),
    "no challenge": lambda phone, options: phone.get(options, client={"challenge": ""}),
    "a number": lambda phone, options: "7",
    "nothing": lambda phone, options: "",
    "no JSON": lambda phone, options: "{",
    "deep JSON": lambda phone, options: "[" * 50_000,
    "empty": lambda phone, options: "{}",
    "lists": lambda phone, options: '{"id": [], "response": []}',
    "nulls": lambda phone, options: json.dumps({"id": None, "response": dict.fromkeys(("clientDataJSON",))}),
}


def test_an_answer_that_is_not_exactly_right_proves_nothing(owner):
    phone, _ = owner.new()
    options = owner.request()
    for name, lie in LIES.items():
        assert owner.verify(lie(phone, options)) is None, name
    assert owner.verify(phone.get(options)) is not None, "it used up nothing"


def test_every_byte_of_an_answer_counts(owner):
    phone, _ = owner.new()
    good = json.loads(phone.get(owner.request()))
    for name, value in good["response"].items():
        raw = decoded(value)
        for place in range(0, len(raw), 5):
            bent = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
            answer = good | {"response": good["response"] | {name: encoded(bent)}}
            assert owner.verify(json.dumps(answer)) is None, (name, place)
    assert owner.verify(json.dumps(good)) is not None


OTHERS = {
    "another purpose": Asked(Purpose.SECOND, "this browser"),
    "another browser": Asked(Purpose.SIGN_IN, "another browser"),
    "another link": Asked(Purpose.SIGN_IN, "this browser", context="link"),
    "an account": Asked(Purpose.SIGN_IN, "this browser", STRANGER),
}


def test_an_answer_is_worth_nothing_elsewhere(owner):
    phone, _ = owner.new()
    for name, other in OTHERS.items():
        assert owner.verify(phone.get(owner.request()), other) is None, name


CREATED = {
    "another origin": lambda phone, options: replace(phone, origin="http://evil.example").create(options),
    "another site": lambda phone, options: replace(phone, rp_id="evil.example").create(options),
    "nobody was verified": lambda phone, options: replace(phone, flags=PRESENT).create(options),
    "a sign-in": lambda phone, options: phone.create(options, client={"type": "webauthn.get"}),
    "a weak key": lambda phone, options: phone.create(options, public={3: -65535}),
    "no key": lambda phone, options: phone.create(options, public={3: "none"}),
    "another id": lambda phone, options: phone.create(options, id=encoded(bytes(32))),
    "too long an id": lambda phone, options: replace(phone, credential_id=bytes(513)).create(options),
    "no id": lambda phone, options: replace(phone, credential_id=b"").create(options),
    "no JSON": lambda phone, options: "{",
    "deep": lambda phone, options: json.dumps(
        {
            "id": "AA",
            "response": {
                "clientDataJSON": json.loads(phone.create(options))["response"]["clientDataJSON"],
                "attestationObject": encoded(b"\x81" * 40_000),
            },
        }
    ),
}


def test_a_passkey_that_is_not_what_was_asked_for_is_not_stored(owner):
    options, phone = owner.creation(), Authenticator()
    for name, lie in CREATED.items():
        with pytest.raises(service.NotAdded):
            owner.add(lie(phone, options), name)
    assert owner.listed() == []
    assert owner.add(phone.create(options)), "it used up nothing"
