from __future__ import annotations

import math
import random

import pytest

from spicetrio.sources.demo.balls import FASTEST, Ball, Balls


def some(seed: int, width: float = 300, height: float = 120) -> Balls:
    chance = random.Random(seed)
    balls = [
        Ball(chance.uniform(30, width - 30), chance.uniform(30, height - 30), radius, chance.uniform(-200, 200), 0.0)
        for radius in (24, 18, 14, 11, 9)
    ]
    return Balls(width, height, balls)


@pytest.mark.parametrize("seed", range(5))
def test_balls_stay_in_their_box_and_never_rest(seed: int) -> None:
    balls = some(seed)
    for picture in range(1500):
        if picture % 100 == 50:
            balls.kick(150, 60)
        before = [(ball.x, ball.y) for ball in balls.balls]
        balls.advance(1 / 30)
        for ball in balls.balls:
            assert ball.radius <= ball.x <= balls.width - ball.radius
            assert ball.radius <= ball.y <= balls.height - ball.radius
        assert [(ball.x, ball.y) for ball in balls.balls] != before


def test_a_long_pause_is_not_made_up_for() -> None:
    once, long = some(1), some(1)
    once.advance(0.1)
    long.advance(1000)
    assert [ball.x for ball in once.balls] == [ball.x for ball in long.balls]


def test_balls_that_meet_push_each_other() -> None:
    left, right = Ball(50, 50, 10, 100, 0), Ball(68, 50, 10, -100, 0)
    Balls(200, 2000, [left, right]).advance(1 / 60)
    assert left.dx < 0 < right.dx
    assert right.x - left.x >= 20 - 1e-6


def test_a_kick_pushes_away_and_only_so_much() -> None:
    balls = some(3)
    for _ in range(20):
        assert balls.kick(balls.width / 2, balls.height) >= 0
    assert all(math.hypot(ball.dx, ball.dy) <= FASTEST + 1e-6 for ball in balls.balls)
    lonely = Balls(1000, 100, [Ball(990, 50, 5, 0, 0)])
    assert lonely.kick(0, 50) == 0
    assert lonely.kick(980, 50) == 1
    assert lonely.balls[0].dx > 0
