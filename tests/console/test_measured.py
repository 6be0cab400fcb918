"""`make bench` measures every page of the console: it knows what stands in the place of each part."""

import inspect
import re

from bench import console


def test_every_page_has_an_address_to_measure(office):
    filled = re.findall(r'^        "([a-z_-]+)": ', inspect.getsource(console._fill), re.MULTILINE)
    assert len(filled) >= 15
    rules = [rule for rule in office.app.url_map.iter_rules() if "GET" in rule.methods]
    measured = [rule.rule for rule in rules if not console.NOT_MEASURED.match(rule.rule)]
    assert len(measured) >= 60
    for rule in measured:
        assert "<" not in console._address(rule, dict.fromkeys(filled, "x"))
    assert len(console.NOTICE & set(measured)) == 2  # these have a limit of their own
