"""The server knows what a viewer keeps, and never lets it keep more than it offered."""

from __future__ import annotations

from random import Random

from spicetrio.canvas.caches import Cache


def test_what_was_added_can_be_used_until_it_is_dropped() -> None:
    cache = Cache(10)
    assert not cache.use(1)
    assert cache.add(1, 6) == []
    assert cache.use(1)
    assert cache.add(2, 6) == [1]
    assert not cache.use(1)
    assert cache.use(2)


def test_the_least_recently_used_is_dropped_first() -> None:
    cache = Cache(3)
    for key in (1, 2, 3):
        assert cache.add(key) == []
    assert cache.use(1)
    assert cache.add(4) == [2]
    assert cache.add(5) == [3]


def test_it_is_never_too_full() -> None:
    random, cache, held = Random(1), Cache(100), dict[int, int]()
    for key in range(2000):
        size = random.randint(1, 100)
        held[key] = size
        for dropped in cache.add(key, size):
            del held[dropped]
        assert sum(held.values()) <= 100
        assert key in held
        assert all(map(cache.use, held))
