"""Sentences of checks are English at the command line, and Spanish on a Spanish page."""

import ast
import json
import re
from pathlib import Path

import pytest
from flask import render_template_string

from portal.core.i18n import Message, catalogue, packed, said, unpacked
from portal.exposure.console.reasons import said as said_reason
from portal.people_files.rows import RowRefused, parse_address

PORTAL = Path(__file__).parent.parent.parent / "portal"
SPANISH = catalogue("es").gettext


def calls(name):
    """Every call of a name in the portal, with its module."""
    for path in PORTAL.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
                yield path, node


def test_every_sentence_of_a_check_has_spanish_with_the_same_values():
    given = [node.args[0] for path, node in calls("Message") if node.args and path.name != "i18n.py"]
    templates = [ast.literal_eval(one) for one in given if isinstance(one, ast.Constant)]
    assert len(templates) > 30
    for template in templates:
        spanish = SPANISH(template)
        assert spanish != template or not re.search(r"[a-z]{3,} [a-z]", template), template
        assert sorted(re.findall(r"%\(\w+\)s", spanish)) == sorted(re.findall(r"%\(\w+\)s", template))


def test_no_row_is_rejected_with_an_english_sentence_alone():
    reasons = [ast.unparse(node.args[0]) for _path, node in calls("RowRefused")]
    assert len(reasons) >= 10
    assert [one for one in reasons if not one.startswith(("Message(", "reason_of("))] == []


def test_a_message_is_its_english_text_and_comes_through_json():
    inner = Message("%(term)s leads back to itself", term="include:a.example")
    outer = Message("the SPF record of %(domain)s is broken: %(why)s", domain="a.example", why=inner)
    assert outer == "the SPF record of a.example is broken: include:a.example leads back to itself"
    again = unpacked(json.loads(json.dumps(packed(outer))))
    assert again == outer
    assert said(again, SPANISH) == (
        "el registro SPF de a.example no es válido: include:a.example vuelve a sí mismo"
    )
    assert said(unpacked(packed("stored before")), SPANISH) == "stored before"


def test_a_rejected_row_says_why_in_the_readers_language(app):
    with pytest.raises(RowRefused) as refused:
        parse_address("")
    assert str(refused.value) == "email: the cell is empty"
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert said_reason(packed(refused.value.reason)) == "Dirección de correo: la celda está vacía"
        assert render_template_string("{{ x }}", x=said_reason(["<b>%(a)s", {"a": 1}])) == "&lt;b&gt;1"
