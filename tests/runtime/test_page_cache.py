"""Rendered pages are kept until something new is public, and asking costs the database next to nothing."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from portal.incidents import service
from portal.runtime.page_cache import PageCache, Rendered
from tests.traces import statements


class Renderer:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Rendered:
        self.times += 1
        return Rendered(str(self.times).encode(), [], [], f'"{self.times}"')


@pytest.fixture
def render() -> Renderer:
    return Renderer()


def cache_of(db, look_seconds):
    def content_number():
        with db.read() as session:
            return service.content_number(session)

    return PageCache(content_number, look_seconds)


def publish(db):
    with db.write() as session:
        service.invalidate_pages(session)


def test_a_page_is_rendered_once_for_a_path_and_language(db, render):
    cache = cache_of(db, 0.0)
    for _ in range(3):
        assert cache.get("/", "en", render).body == b"1"
    assert cache.get("/", "es", render).body == b"2"
    assert cache.get("/other/", "en", render).body == b"3"


def test_a_crowd_costs_the_database_one_look_in_a_while(db, render):
    cache = cache_of(db, 30.0)
    with statements(db) as seen:
        for _ in range(500):
            cache.get("/", "en", render)
    assert len([one for one in seen if "SELECT" in one]) == 1


def test_news_is_seen_at_the_next_look(db, render):
    cache = cache_of(db, 0.1)
    cache.get("/", "en", render)
    publish(db)
    time.sleep(0.11)
    assert cache.get("/", "en", render).body == b"2"


def test_nobody_sees_old_news_after_new_news(db):
    """While others publish, a page rendered before is never cached as if it had been rendered after."""
    cache = cache_of(db, 0.0)

    def current() -> Rendered:
        with db.read() as session:
            return Rendered(str(service.content_number(session)).encode(), [], [], "")

    def reader(_: int) -> None:
        for _ in range(20):
            cache.get("/", "en", current)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(reader, number) for number in range(3)]
        for _ in range(10):
            publish(db)
        for each in running:
            each.result()
    with db.read() as session:
        assert cache.get("/", "en", current).body == str(service.content_number(session)).encode()


def test_memory_is_bounded(db, render):
    cache = cache_of(db, 30.0)
    for number in range(1_005):
        cache.get(f"/{number}/", "en", render)
    assert cache.get("/0/", "en", render).body == str(1_006).encode()
