"""The web server asks for huge pages of memory, in which a hash takes half as long."""

import os

import pytest

from portal.serve import server


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("", "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.check=1", "glibc.malloc.check=1:glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0"),
    ],
)
def test_the_web_processes_ask_for_huge_pages_unless_an_operator_decided(monkeypatch, given, left):
    monkeypatch.setenv("GLIBC_TUNABLES", given)
    server("wsgi:app", "127.0.0.1", 8000, 1)  # which starts them, with its own environment
    assert os.environ["GLIBC_TUNABLES"] == left
