"""Stolen passwords are refused in a company's own store too, before the worker or the store sees them."""

import pytest
from sqlalchemy import text

from portal.worker import drain
from tests.elsewhere import ANA, company, environ
from tests.passwords_file import made
from tests.reset.journey import link_in

__all__ = ["company", "environ", "made"]

pytestmark = pytest.mark.sqlite  # nothing is stored
STOLEN = "velvet-canyon-lantern-stolen"


def test_through_a_link(portal_with, made, worker_parts, smtp, db):
    browser = portal_with(passwords={"exposed_file": made(STOLEN)}).test_client()
    browser.submit("/reset/", email=ANA)
    drain(worker_parts)
    browser.get(link_in(smtp.to("Ana@Northwind.example")[-1]))
    refused = browser.submit("/reset/choose/", password=STOLEN)
    assert refused.status_code == 400
    assert "This password was stolen from us. Attackers try it first." in refused.text
    with db.read() as session:
        assert session.scalar(text("SELECT count(*) FROM sealed_jobs")) == 0
