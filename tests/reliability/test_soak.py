"""Hundreds of viewers come and go in all manners, and the server has in the end what it had before."""

from __future__ import annotations

from bench import soak


def test_nothing_is_left_of_200_viewers_that_left_in_all_manners() -> None:
    before, after, _ = soak.soak(200, warm_up=20)
    assert after.counts() == before.counts()
