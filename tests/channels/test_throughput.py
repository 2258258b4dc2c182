"""A connection is slow when several batches in a row say so, and fast again when several say that."""

from __future__ import annotations

from spicetrio.channels.throughput import HIGH, IN_A_ROW, LOW, TELLING, Throughput


def batch(throughput: Throughput, rate: float, size: int = 4 * TELLING) -> bool:
    throughput.begin(size, 100.0)
    return throughput.end(100.0 + size / rate)


def test_a_connection_is_fast_until_batches_in_a_row_were_slow() -> None:
    throughput = Throughput()
    assert [batch(throughput, LOW / 2) for _ in range(IN_A_ROW)] == [False] * (IN_A_ROW - 1) + [True]
    assert throughput.slow


def test_one_stall_is_not_believed() -> None:
    throughput = Throughput()
    for _ in range(20):
        for rate in (LOW / 100, LOW / 100, 10 * HIGH):
            assert not batch(throughput, rate)
    assert not throughput.slow


def test_a_slow_connection_must_be_clearly_faster_to_be_fast_again() -> None:
    throughput = Throughput()
    for _ in range(IN_A_ROW):
        batch(throughput, LOW / 2)
    for _ in range(20):
        assert not batch(throughput, (LOW + HIGH) / 2)
    assert [batch(throughput, 2 * HIGH) for _ in range(IN_A_ROW)] == [False] * (IN_A_ROW - 1) + [True]
    assert not throughput.slow


def test_small_batches_and_idle_times_tell_nothing() -> None:
    throughput = Throughput()
    for _ in range(20):
        assert not batch(throughput, LOW / 100, TELLING - 1)
        assert not throughput.end(1e6)
    assert not throughput.slow
