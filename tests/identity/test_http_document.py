"""The OpenAPI document, the client and the example agree: what goes over the wire is what it says."""

import json

import pytest
import urllib3
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from portal.core.settings.http import HttpIdentity
from portal.identity.http import answers
from portal.identity.http.store import HttpStore
from portal.identity.ports import PasswordRefused, StoreFault, Verdict
from tests.identity.company import (
    CLOSES,
    EVERYTHING,
    EXAMPLE,
    PASSWORD,
    SECRET,
    answer,
    answering,
    example,
    read_request,
    running,
)

DOCUMENT = yaml.safe_load((EXAMPLE.parents[1] / "docs/identity-store.openapi.yaml").read_text())
REASONS = {"malformed", "signature", "unknown-account", "password-refused", "unsupported", "busy"}


def schema_of(content):
    reference = content["content"]["application/json"]["schema"]["$ref"]
    return Draft202012Validator({"components": DOCUMENT["components"], "$ref": reference})


def assert_documented(path, headers, body, status, answered):
    operation = DOCUMENT["paths"][path]["post"]
    schema_of(operation["requestBody"]).validate(json.loads(body))
    for parameter in DOCUMENT["components"]["parameters"].values():
        Draft202012Validator(parameter["schema"]).validate(headers[parameter["name"]])
    response = operation["responses"]["200" if status == 200 else "4XX"]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema_of(response).validate(json.loads(answered))


def test_it_is_an_openapi_document():
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_every_call_and_answer_is_as_documented():
    exchanged: list[tuple] = []

    def between(connection, number):
        path, headers, body = read_request(connection)
        reply = urllib3.request("POST", behind + path, body=body, headers=headers)
        exchanged.append((path, headers, body, reply.status, reply.data))
        connection.sendall(answer(reply.status, reply.data, more=CLOSES))

    with running(example()) as behind, answering(between) as url:
        store = HttpStore(HttpIdentity(url, (SECRET,), None, EVERYTHING))
        assert len(store.find(["ann@example.com"])) == 1
        assert len(store.find_by_reference(["C-1"])) == 1
        assert len(store.get(["1001"])) == 1
        assert [len(store.page(after, 500)) for after in (None, "1001")] == [2, 1]
        assert store.verify("1001", PASSWORD) is Verdict.FITS
        assert store.verify(None, PASSWORD) is Verdict.WRONG
        assert store.require_change(["1001"], lambda kept: None) == 1
        assert store.was_closed("1001", PASSWORD, b"")
        store.set_password("1001", "a new password")
        store.end_sessions(["1001"])
        with pytest.raises(PasswordRefused):
            store.set_password("1001", "short")
        with pytest.raises(StoreFault):
            store.set_password("9999", "a new password")
    for one in exchanged:
        assert_documented(*one)
    assert {path for path, _, _, status, _ in exchanged if status == 200} == set(DOCUMENT["paths"])
    assert {status for _, _, _, status, _ in exchanged} == {200, 404, 422}


def test_the_same_reasons_and_capabilities_are_in_all():
    reasons = DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]["enum"]
    assert {*reasons} == REASONS
    assert {reason for reason in reasons if answers.error_code({"error": reason})} == REASONS
    assert all(f"| `{capability}`" in DOCUMENT["info"]["description"] for capability in EVERYTHING)
    assert {f"/accounts/{verb}" for verb in example().VERBS} == set(DOCUMENT["paths"])
