"""A connection is slow when several batches in a row say so, and fast again when several say that."""

from __future__ import annotations

from spicetrio.channels.throughput import HIGH, IN_A_ROW, LOW, TELLING, Throughput


class Link:
    """A connection that takes batches at the rate that the test wants."""

    def __init__(self) -> None:
        self.now = 100.0
        self.throughput = Throughput(lambda: self.now)

    def batch(self, rate: float, size: int = 4 * TELLING) -> bool:
        self.throughput.begin(size)
        self.now += size / rate
        return self.throughput.end()


def test_a_connection_is_fast_until_batches_in_a_row_were_slow() -> None:
    link = Link()
    assert [link.batch(LOW / 2) for _ in range(IN_A_ROW)] == [False] * (IN_A_ROW - 1) + [True]
    assert link.throughput.slow


def test_one_stall_is_not_believed() -> None:
    link = Link()
    for _ in range(20):
        for rate in (LOW / 100, LOW / 100, 10 * HIGH):
            assert not link.batch(rate)
    assert not link.throughput.slow


def test_a_slow_connection_must_be_clearly_faster_to_be_fast_again() -> None:
    link = Link()
    for _ in range(IN_A_ROW):
        link.batch(LOW / 2)
    for _ in range(20):
        assert not link.batch((LOW + HIGH) / 2)
    assert [link.batch(2 * HIGH) for _ in range(IN_A_ROW)] == [False] * (IN_A_ROW - 1) + [True]
    assert not link.throughput.slow


def test_small_batches_and_idle_times_tell_nothing() -> None:
    link = Link()
    for _ in range(20):
        assert not link.batch(LOW / 100, TELLING - 1)
        link.now += 1e6
        assert not link.throughput.end()
    assert not link.throughput.slow
